/*
 * Parameters out of a query string and a form-encoded body: percent-decoded, strict. A dialect names those that it
 * knows. A broken escape, a NUL or invalid UTF-8 anywhere is an error, and so is a known one that is given twice. Of
 * the others, the first that may not be ignored (unspoken.h) is told. Pure.
 */
#ifndef DDNS53_API_PARAMS_H
#define DDNS53_API_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define PARAMS_MAX 32

struct params {
    const char *values[PARAMS_MAX]; /* by index of `names`; NULL: not given; terminated, no NUL inside */
    const char
        *others[PARAMS_MAX]; /* the same with each '+' read the other way, literally or as a space; NULL: no '+' */
    uint32_t bare;           /* a bit for each index: it came without a '=' */
    const char *unspoken;    /* static: why a parameter that is not in `names` may not be ignored; NULL: all may */
    bool has_others;         /* a parameter came that is not in `names` */
    char *storage;           /* owned */
    size_t storage_bytes;
};

/* `names` has `count` <= PARAMS_MAX entries. `form` NULL: no body. 0, -EINVAL with a static sentence in `ret_reason`,
 * -ENOMEM. */
int params_parse(const char *query, const char *form, size_t form_length, const char *const *names, size_t count,
                 struct params *ret_params, const char **ret_reason);
void params_done(struct params *params); /* wipes: values may be secrets */

#endif
