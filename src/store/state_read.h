/*
 * Reading state.db beside the daemon that has it, or while none runs: for the operator's tool. Read-only; nothing is made
 * or mended. One thread.
 */
#ifndef DDNS53_STORE_STATE_READ_H
#define DDNS53_STORE_STATE_READ_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "store/store.h"

struct state_reader;

/* -ENOENT: there is no state.db yet; -EACCES; -EOPNOTSUPP: of another version; -EIO. `message` says what is wrong and what
 * to do. Whatever files SQLite makes beside state.db belong to who runs this: root becomes the file's owner before. */
int state_reader_open(const char *folder, struct buffer *message, struct state_reader **ret_reader);
void state_reader_close(struct state_reader *reader);
DEFINE_CLEANUP(struct state_reader *, state_reader_close)

/* What is known of a record: 1 and `ret_record`, whose value the caller drops and whose name is `hostname`; 0: nothing;
 * or -EIO, -EBADMSG. */
int state_reader_record(struct state_reader *reader, const char *hostname, enum record_type type,
                        struct store_record *ret_record);

/* One change of the history; texts are borrowed for the call. */
struct state_change {
    int64_t id;
    int64_t time_s;
    const char *hostname;
    const char *type;
    const char *before; /* "": nothing, or not known */
    const char *after;  /* "": withdrawn */
    int64_t ttl_s;
    const char *source; /* "": this machine */
    const char *dialect;
    const char *change_id;
};
/* Newest first, at most `limit`, not older than since_s; `hostname` NULL: of all. Ends where `each` returns what is not 0,
 * and returns that. */
int state_reader_history(struct state_reader *reader, const char *hostname, int64_t since_s, size_t limit,
                         int (*each)(const struct state_change *change, void *userdata), void *userdata);

#endif
