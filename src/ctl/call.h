/*
 * Questions to the running daemon over its control socket (admin/control.h), each answered before the call returns.
 * Main thread only.
 */
#ifndef DDNS53_CTL_CALL_H
#define DDNS53_CTL_CALL_H

#include <jansson.h>

#include "ctl/ctl.h"

struct caller;
void caller_free(struct caller *caller);

/* Does a daemon listen at the socket of these settings? 0; -ENOENT: no; -EACCES: this user may not ask; another errno. */
int ctl_daemon_listens(struct ctl *ctl);

/* `method` is GET or POST; takes `body`, NULL: none. EXIT_FINE, and the caller drops `ret_answer`, which is an object also
 * where the daemon refused (`ret_status` is 400 and more; may be NULL: that is told, and EXIT_FAILED). Otherwise an exit
 * status once it was said what is wrong and what to do; EXIT_NO_DAEMON where none runs. */
int ctl_call(struct ctl *ctl, const char *method, const char *path, json_t *body, unsigned *ret_status,
             json_t **ret_answer);
/* Says why the daemon refused; the exit status. */
int ctl_refused(const json_t *answer, unsigned status);

/* Of an object that was answered: "", 0 and false where there is none. */
const char *call_text(const json_t *object, const char *key);
long long call_number(const json_t *object, const char *key);
bool call_is(const json_t *object, const char *key);

/* After an edit: has the daemon read its files again, and says what that brought, or that no daemon runs.
 * EXIT_SETTINGS: it rejected them, and said why. */
int ctl_reload(struct ctl *ctl);

#endif
