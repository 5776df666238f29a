/*
 * Scope-bound clean-up, after systemd's macros: a variable marked _cleanup_(x_freep) is freed when it
 * goes out of scope; TAKE_PTR hands its value on and leaves NULL behind.
 */
#ifndef DDNS53_BASE_CLEANUP_H
#define DDNS53_BASE_CLEANUP_H

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _printf_(text, first) __attribute__((format(printf, text, first)))
#define _nonnull_ __attribute__((nonnull))

#define TAKE_PTR(pointer)                       \
    __extension__({                             \
        __typeof__(pointer) taken_ = (pointer); \
        (pointer) = NULL;                       \
        taken_;                                 \
    })

#define TAKE_FD(fd)        \
    __extension__({        \
        int taken_ = (fd); \
        (fd) = -1;         \
        taken_;            \
    })

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* Defines name##p, the clean-up function of a pointer that `function` frees (it must accept NULL). */
#define DEFINE_CLEANUP(type, function)            \
    static inline void function##p(type *pointer) \
    {                                             \
        function(*pointer);                       \
    }

static inline void freep(void *pointer)
{
    free(*(void **)pointer);
}

static inline void closep(const int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)

#endif
