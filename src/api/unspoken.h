/*
 * Parameters of other protocols. Most parameters that a dialect does not know may be ignored: routers send many. These
 * may not, because the request asks for something else than to set the address that it would set without them: another
 * host, another address, another record, a deletion. Pure.
 */
#ifndef DDNS53_API_UNSPOKEN_H
#define DDNS53_API_UNSPOKEN_H

#include <stdbool.h>

/* Why a parameter that the dialect does not know may not be ignored: a static sentence; NULL: it may be. `value` NULL: it
 * came without a '='. The case of the name does not count. */
const char *unspoken_reason(const char *name, const char *value);

/* Does a switch say no? Empty, `0`, `no`, `off`, `false` and `nochg` of any case do. */
bool unspoken_is_off(const char *value);

#endif
