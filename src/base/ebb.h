/*
 * Tells when a number that rises and falls, of connections say, has fallen so far that it is worth while to give back the
 * memory that those who left have used. Any thread.
 */
#ifndef DDNS53_BASE_EBB_H
#define DDNS53_BASE_EBB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define EBB_LEAST 128 /* it falls by that at least ... */
#define EBB_PART 8    /* ... and by one in so many of the most it was */

/* Zeroed at first. */
struct ebb {
    atomic_size_t most; /* since it fell so far */
};

/* To be called with the number whenever it has fallen. True: it has fallen far enough, which only one caller learns. */
bool ebb_note(struct ebb *ebb, size_t number);

#endif
