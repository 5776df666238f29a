#include "aws/credentials_keys.h"

#include <errno.h>
#include <string.h>

#include "base/parse.h"

/* A Date header has whole seconds and was written a moment ago: less than this is no difference between clocks. */
#define CLOCK_DIFFERENCE_MIN_S 60

struct aws_keys *aws_keys_ref(struct aws_keys *keys)
{
    keys->references++;
    return keys;
}

void aws_keys_unref(struct aws_keys *keys)
{
    if (!keys || --keys->references > 0) {
        return;
    }
    free(keys->access_key_id);
    secret_free(keys->secret_access_key);
    secret_free(keys->session_token);
    free(keys->origin);
    free(keys);
}

struct aws_keys *aws_keys_new(const char *access_key_id, const char *secret_access_key, const char *session_token,
                              int64_t expires_s, const char *origin)
{
    _cleanup_(aws_keys_unrefp) struct aws_keys *keys = calloc(1, sizeof(*keys));
    const bool has_token = session_token && *session_token;

    if (!keys) {
        return NULL;
    }
    keys->references = 1;
    keys->expires_s = expires_s;
    keys->access_key_id = strdup(access_key_id);
    keys->secret_access_key = secret_new(secret_access_key, strlen(secret_access_key));
    keys->session_token = has_token ? secret_new(session_token, strlen(session_token)) : NULL;
    keys->origin = strdup(origin);
    if (!keys->access_key_id || !keys->secret_access_key || (has_token && !keys->session_token) || !keys->origin) {
        return NULL;
    }
    return TAKE_PTR(keys);
}

int aws_keys_new_temporary(const char *access_key_id, const char *secret_access_key, const char *session_token,
                           const char *expiration, const char *date, int64_t now_s, const char *origin,
                           struct aws_keys **ret_keys)
{
    int64_t expires_s = 0;
    int64_t date_s = 0;

    if (!access_key_id || !*access_key_id || !secret_access_key || !*secret_access_key || !expiration ||
        parse_iso8601(expiration, &expires_s) < 0) {
        return -EBADMSG;
    }
    if (date && parse_http_date(date, &date_s) == 0 &&
        (date_s - now_s > CLOCK_DIFFERENCE_MIN_S || now_s - date_s > CLOCK_DIFFERENCE_MIN_S)) {
        expires_s += now_s - date_s;
    }
    struct aws_keys *keys = aws_keys_new(access_key_id, secret_access_key, session_token, expires_s, origin);
    if (!keys) {
        return -ENOMEM;
    }
    *ret_keys = keys;
    return 0;
}
