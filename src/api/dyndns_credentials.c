#include "api/dyndns_credentials.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "base/secret.h"

static int take_password(struct dyndns_credentials *credentials, const char *password, size_t length)
{
    if (length == 0 || length > DYNDNS_PASSWORD_MAX) {
        return -EINVAL;
    }
    memcpy(credentials->password, password, length);
    credentials->password_length = length;
    return 0;
}

static void take_other_password(struct dyndns_credentials *credentials, const char *password, size_t length)
{
    if (length <= DYNDNS_PASSWORD_MAX) {
        memcpy(credentials->other_password, password, length);
        credentials->other_password_length = length;
    }
}

/* The password as UTF-8, in case that it came in ISO 8859-1: RFC 7617 leaves the character set to the client. Computed for
 * every password, so that the time does not tell which one would fit. */
static void read_as_latin1(struct dyndns_credentials *credentials)
{
    size_t length = 0;
    bool is_ascii = true;

    for (size_t i = 0; i < credentials->password_length; i++) {
        unsigned char c = (unsigned char)credentials->password[i];
        if (length + 2 > DYNDNS_PASSWORD_MAX) {
            return;
        }
        if (c >= 0x80) {
            is_ascii = false;
            credentials->other_password[length++] = (char)(0xc0 | c >> 6);
            c = 0x80 | (c & 0x3f);
        }
        credentials->other_password[length++] = (char)c;
    }
    credentials->other_password_length = is_ascii ? 0 : length;
}

static void take_user(struct dyndns_credentials *credentials, const char *user, size_t length)
{
    if (length < sizeof(credentials->user)) {
        memcpy(credentials->user, user, length);
        credentials->user[length] = '\0';
    }
}

/* RFC 7617. */
static int read_basic(struct dyndns_credentials *credentials, const char *token)
{
    char text[DYNDNS_PASSWORD_MAX + NAME_SIZE];
    size_t length;
    int r = base64_decode(token, strlen(token), text, sizeof(text), &length);

    if (r < 0) {
        return r;
    }
    const char *colon = memchr(text, ':', length);
    if (colon) {
        take_user(credentials, text, (size_t)(colon - text));
        r = take_password(credentials, colon + 1, length - (size_t)(colon - text) - 1);
        read_as_latin1(credentials);
    } else {
        r = -EINVAL;
    }
    wipe(text, sizeof(text));
    return r;
}

int dyndns_credentials_read(const char *authorization, const struct dyndns_parameters *parameters,
                            struct dyndns_credentials *credentials)
{
    if (authorization && strncasecmp(authorization, "basic ", 6) == 0) {
        return read_basic(credentials, authorization + 6 + strspn(authorization + 6, " "));
    }
    if (authorization && strncasecmp(authorization, "bearer ", 7) == 0) {
        const char *token = authorization + 7 + strspn(authorization + 7, " ");
        return take_password(credentials, token, strlen(token));
    }
    if (!parameters->password) {
        return -ENOENT;
    }
    if (parameters->username) {
        take_user(credentials, parameters->username, strlen(parameters->username));
    }
    if (parameters->other_password) {
        take_other_password(credentials, parameters->other_password, strlen(parameters->other_password));
    }
    return take_password(credentials, parameters->password, strlen(parameters->password));
}
