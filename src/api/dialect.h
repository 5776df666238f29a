/*
 * What dialects share besides auth, decide and the queue: parameters by name, addresses as routers spell them, plain
 * text answers.
 */
#ifndef DDNS53_API_DIALECT_H
#define DDNS53_API_DIALECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/params.h"
#include "web/request.h"

/* Is a parameter of that name in the query string or the form, whatever its value? For struct route's `matches`. */
bool dialect_names(const struct request *request, const char *name);

/* The request's parameters, from the query string and a form-encoded body. Below 0 with a static sentence in
 * `ret_reason`: -EMEDIUMTYPE where the body is no form, -ENOTSUP where a parameter asks for something else than the
 * dialect does, -EINVAL where one cannot be read; -ENOMEM. */
int dialect_params(const struct request *request, const char *const *names, size_t count, struct params *ret_params,
                   const char **ret_reason);
/* The same without -ENOTSUP: the caller looks at `unspoken` where something would change. */
int dialect_all_params(const struct request *request, const char *const *names, size_t count, struct params *ret_params,
                       const char **ret_reason);

/* The status of an answer to a request whose parameters were refused. */
unsigned dialect_status_of(int params_status);

/* An address that may carry a prefix length, which is dropped, and blanks around it. -EINVAL: not an address, or that of
 * a network. */
int dialect_address(const char *text, size_t length, struct address *ret_address);

/* text/plain; `body` is copied. `challenge`: the WWW-Authenticate of a 401, static; NULL: none. */
void dialect_answer_text(struct request *request, const char *dialect, unsigned status, const char *result,
                         uint32_t retry_after_s, const char *challenge, const char *body);

#endif
