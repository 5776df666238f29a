/*
 * A device's recipe with a host's own values filled in.
 *
 * In a recipe `{url}` is the server's URL without a final slash, `{server}` its name and port, `{name}` the hostname without and
 * `{fqdn}` with its final dot, `{secret}` the shared secret. `{secret|FORM}` writes a value for where it stands: `url`
 * percent-encoded, `sh` as one word of a POSIX shell, `ps` of PowerShell, `ros` inside the quotes of a RouterOS script,
 * `conf` inside the double quotes of inadyn, FortiOS and their like. `{?WORD}...{:}...{/}` is for where WORD is true: A,
 * AAAA, both (record types of the host), hash, signed, secret, basic (the scheme that is used), followers. Pure.
 */
#ifndef DDNS53_CTL_RECIPE_H
#define DDNS53_CTL_RECIPE_H

#include "base/buffer.h"
#include "config/hosts.h"
#include "config/settings.h"

struct recipe_values {
    const char *url;    /* without a final slash */
    const char *server; /* behind its "https://" */
    const struct host *host;
    const char *secret;    /* borrowed */
    unsigned record_types; /* bits as in struct host, of all rows of the host's name */
    unsigned scheme;
};

/* Appends. -EINVAL: the text is no recipe, which a test of all of them finds; look at buffer_status as well. */
int recipe_write(const char *recipe, const struct recipe_values *values, struct buffer *buffer);

/* server.public_url; where that is not set, this machine's name and the port of the first
 * endpoint that others can reach, and `ret_is_guess`. */
void recipe_url(const struct settings *settings, struct buffer *url, bool *ret_is_guess);

#endif
