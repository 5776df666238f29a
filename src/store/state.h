/*
 * What each record was last set to, by whom and when, and the history of changes: SQLite in WAL mode in
 * state_dir/state.db. A commit is on disk when it returns, so it may block: once the daemon runs, only the thread of
 * the store's worker uses it (store/sqlite.h); state_open and state_each_record are main's, before that. Other processes
 * may read the file meanwhile. A file from a newer version or a corrupt one is refused with what to do; it is never
 * recreated silently.
 * The history keeps the newest 1,000,000 changes: each commit takes away a few of the oldest past that.
 */
#ifndef DDNS53_STORE_STATE_H
#define DDNS53_STORE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "store/store.h"

struct state;

/* `message`: a sentence for people when it fails (what is wrong, what to do). Makes the folder (0750) and the file
 * (0640) where they are missing. A file that was not closed cleanly, or of at most 64 MiB, is checked first.
 * -EBUSY: another daemon has the folder; -EOPNOTSUPP: from a newer version; -EBADMSG: corrupt or not ours. */
int state_open(const char *folder, struct buffer *message, struct state **ret_state);
void state_close(struct state *state);
/* A tool of root becomes who owns the file or folder, for what it makes beside it must be the daemon's. Negative errno. */
int state_become_owner(const struct stat *info);
DEFINE_CLEANUP(struct state *, state_close)

/* Stops and returns what `each` returns when that is not 0. -EBADMSG: a row makes no sense; see state_error. */
int state_each_record(struct state *state, int (*each)(const struct store_record *record, void *userdata),
                      void *userdata);

/* All in one transaction, synced; a change updates its record and adds a row to the history. 0, or nothing was written:
 * -ENOSPC (no room; works again when there is), -EROFS (its file system is read-only), -EAGAIN (another program holds a
 * lock on the file), -EIO. */
int state_commit(struct state *state, const struct store_change *changes, size_t change_count,
                 const struct store_touch *touches, size_t touch_count);

/* Deletes the rows that were last set and last asked for before before_s and that `is_kept` does not want; the history
 * stays. Looks at the next STATE_FORGET_ROWS rows each time, so that nobody waits for long: 1, there are more; 0, that
 * was the last of them, and the next call begins anew; or as state_commit. Adds the number that went to `deleted`. */
#define STATE_FORGET_ROWS 200
int state_forget(struct state *state, int64_t before_s,
                 bool (*is_kept)(const char *hostname, enum record_type type, void *userdata), void *userdata,
                 size_t *deleted);

/* The last failure in words, "" before the first; borrowed, good until the next call. */
const char *state_error(const struct state *state);

#endif
