/* What proves a host: the current secret in one of its three forms, and the previous one with its date. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "config/hosts_table.h"
#include "config/value.h"

#define DAY_S 86400

/* What the manuals show; people copy it. tests/e2e/test_check.py finds those that are missing here. */
static const char *const published_secrets[] = {
    "kq0XvTCzkWaEPkBvhsmbVbCXyTTW8PPm",
    "y8Gm2nVtW4QeJp6sRz1cKb7XuDh3Lf9A",
    "Zt5hYb0wPq3RkNc8VxLd6MgJs2Fa7UeT",
};

static void warn_published(const struct host_file *file, const char *key, const struct yaml_node *node,
                           const struct secret *secret)
{
    for (size_t i = 0; i < ELEMENTS(published_secrets); i++) {
        const size_t length = strlen(published_secrets[i]);
        if (secret_length(secret) == length && secret_equals(secret, published_secrets[i], length)) {
            problems_warn(
                file->problems, node->line, node->column,
                "%s: is an example from the manual, which everybody knows; make one with openssl rand -hex 20", key);
        }
    }
}

/* No text of a secret gets into a message. */
static int read_secret_text(const struct host_file *file, const char *key, const struct yaml_node *node,
                            struct secret **ret_secret)
{
    const char *text;

    int r = value_read_text(file->problems, key, node, &text);
    if (r < 0) {
        return r;
    }
    if (node->length == 0) {
        problems_add(file->problems, node->line, node->column, "%s: is empty, write at least %d random characters", key,
                     SECRET_GOOD_LENGTH);
        return -EINVAL;
    }
    if (node->length > HOST_SECRET_MAX_BYTES) {
        problems_add(file->problems, node->line, node->column, "%s: is longer than %d bytes, shorten it", key,
                     HOST_SECRET_MAX_BYTES);
        return -EINVAL;
    }
    struct secret *secret = secret_new(text, node->length);
    if (secret == NULL) {
        return -ENOMEM;
    }
    *ret_secret = secret;
    return 0;
}

static int read_secret_file(const struct host_file *file, const char *key, const struct yaml_node *node,
                            struct secret **ret_secret)
{
    return value_read_secret_file(file->problems, file->path, key, node, HOST_SECRET_MAX_BYTES, ret_secret);
}

static int read_digest(const struct host_file *file, const char *key, const struct yaml_node *node,
                       struct host_draft *draft)
{
    const char *text;

    int r = value_read_text(file->problems, key, node, &text);
    if (r < 0) {
        return r;
    }
    if (parse_hex(text, node->length, draft->current.sha256, SHA256_SIZE) < 0) {
        problems_add(file->problems, node->line, node->column, "%s: must be 64 hex digits, the SHA-256 of the secret",
                     key);
        return -EINVAL;
    }
    if ((draft->host.auth & (AUTH_HASH | AUTH_SIGNED)) != 0) {
        problems_add(
            file->problems, node->line, node->column,
            "%s: cannot serve auth hash or signed, which need the secret itself: write auth: [secret, basic] or "
            "use shared_secret",
            key);
        return -EINVAL;
    }
    draft->current.is_set = true;
    return 0;
}

/* Where the secret itself is sent, in a URL, a form or Basic. */
static void warn_of_characters(const struct host_file *file, const char *key, const struct yaml_node *node,
                               const struct host_draft *draft, const struct secret *secret)
{
    const uint8_t *bytes = secret_bytes(secret);
    bool is_awkward = false;

    for (size_t i = 0; i < secret_length(secret); i++) {
        is_awkward |= bytes[i] <= ' ' || bytes[i] >= 0x7f || (bytes[i] != '\0' && strchr("+%&#", bytes[i]) != NULL);
    }
    if (is_awkward && (draft->host.auth & (AUTH_SECRET | AUTH_BASIC)) != 0) {
        problems_warn(
            file->problems, node->line, node->column,
            "%s: has a space, +, %%, &, # or a character beyond ASCII, which clients encode in different ways; "
            "make one with openssl rand -hex 20",
            key);
    }
}

static void set_secret(struct host_secret *host_secret, const struct secret *secret)
{
    const struct bytes part = {secret_bytes(secret), secret_length(secret)};

    sha256(&part, 1, host_secret->sha256);
    host_secret->is_set = true;
}

static int read_current(const struct host_file *file, struct host_draft *draft)
{
    static const enum host_key_id forms[] = {HOST_SHARED_SECRET, HOST_SHARED_SECRET_FILE, HOST_SECRET_SHA256};
    const struct yaml_node *node = NULL;
    const char *key = NULL;
    int r;

    for (size_t i = 0; i < ELEMENTS(forms); i++) {
        const struct yaml_node *given = draft->given[forms[i]];
        if (given != NULL && node != NULL) {
            problems_add(file->problems, given->line, given->column, "%s: stands beside %s, remove one of them",
                         host_key_row(forms[i])->name, key);
            return -EINVAL;
        }
        if (given != NULL) {
            node = given;
            key = host_key_row(forms[i])->name;
        }
    }
    if (node == NULL) {
        if (draft->given[HOST_FOLLOWS] == NULL) {
            problems_add(file->problems, draft->node->line, draft->node->column,
                         "shared_secret: is missing, add it or shared_secret_file or secret_sha256");
            return -EINVAL;
        }
        return 0;
    }
    if (node == draft->given[HOST_SECRET_SHA256]) {
        return read_digest(file, key, node, draft);
    }
    r = node == draft->given[HOST_SHARED_SECRET] ? read_secret_text(file, key, node, &draft->secret)
                                                 : read_secret_file(file, key, node, &draft->secret);
    if (r < 0) {
        return r;
    }
    set_secret(&draft->current, draft->secret);
    warn_of_characters(file, key, node, draft, draft->secret);
    warn_published(file, key, node, draft->secret);
    if (secret_length(draft->secret) < SECRET_GOOD_LENGTH) {
        problems_warn(file->problems, node->line, node->column, "%s: has under %d characters, make it longer", key,
                      SECRET_GOOD_LENGTH);
    }
    return 0;
}

/* A date means until its end: the whole day counts. */
static int read_until(const struct host_file *file, const struct yaml_node *node, int64_t *ret_time_s)
{
    const char *key = host_key_row(HOST_PREVIOUS_SECRET_UNTIL)->name;
    const char *text;
    int64_t time_s;

    int r = value_read_text(file->problems, key, node, &text);
    if (r < 0) {
        return r;
    }
    if (parse_iso8601(text, &time_s) < 0) {
        value_add_error(file->problems, key, node, "is no date, write it like 2026-12-31 or 2026-12-31T12:00:00Z");
        return -EINVAL;
    }
    *ret_time_s = strchr(text, 'T') != NULL ? time_s : time_s + DAY_S;
    if (*ret_time_s <= clock_realtime_s(clock_system())) {
        problems_warn(file->problems, node->line, node->column,
                      "%s: is over, previous_secret opens nothing any more; remove both", key);
    }
    return 0;
}

static int read_previous(const struct host_file *file, struct host_draft *draft)
{
    const struct yaml_node *node = draft->given[HOST_PREVIOUS_SECRET];
    const struct yaml_node *until = draft->given[HOST_PREVIOUS_SECRET_UNTIL];

    if (node == NULL && until == NULL) {
        return 0;
    }
    if (node == NULL || until == NULL) {
        const struct yaml_node *there = node == NULL ? until : node;
        problems_add(file->problems, there->line, there->column, "%s: comes without %s, write both or neither",
                     host_key_row(node == NULL ? HOST_PREVIOUS_SECRET_UNTIL : HOST_PREVIOUS_SECRET)->name,
                     host_key_row(node == NULL ? HOST_PREVIOUS_SECRET : HOST_PREVIOUS_SECRET_UNTIL)->name);
        return -EINVAL;
    }
    int r = read_secret_text(file, host_key_row(HOST_PREVIOUS_SECRET)->name, node, &draft->previous);
    int r_until = read_until(file, until, &draft->more.previous_until_s);
    if (r < 0 || r_until < 0) {
        return r < 0 ? r : r_until;
    }
    set_secret(&draft->more.previous, draft->previous);
    warn_of_characters(file, host_key_row(HOST_PREVIOUS_SECRET)->name, node, draft, draft->previous);
    if (draft->current.is_set && constant_time_equal(draft->current.sha256, draft->more.previous.sha256, SHA256_SIZE)) {
        problems_warn(file->problems, node->line, node->column,
                      "previous_secret: is the current secret, remove it or write a new one as the current");
    }
    return 0;
}

int host_read_secrets(const struct host_file *file, struct host_draft *draft)
{
    int r = read_current(file, draft);
    if (r < 0 && r != -EINVAL) {
        return r;
    }
    r = read_previous(file, draft);
    if (r < 0 && r != -EINVAL) {
        return r;
    }
    bool has_current = draft->given[HOST_SHARED_SECRET] != NULL || draft->given[HOST_SHARED_SECRET_FILE] != NULL ||
                       draft->given[HOST_SECRET_SHA256] != NULL;
    const struct yaml_node *previous = draft->given[HOST_PREVIOUS_SECRET];
    if (previous != NULL && !has_current && draft->given[HOST_FOLLOWS] != NULL) {
        problems_add(file->problems, previous->line, previous->column,
                     "previous_secret: comes without a current one, remove it or add shared_secret");
    }
    return 0;
}
