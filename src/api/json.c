#include "api/dialects.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/modes.h"
#include "api/unspoken.h"

#define DIALECT MODES_JSON_DIALECT

bool api_json_matches(const struct request *request)
{
    size_t blanks = strspn(request->body, " \t\r\n");

    return request->method == REQUEST_POST && request->body[blanks] == '{';
}

static void decref_json(json_t **json)
{
    json_decref(*json);
}

enum { MODE, HOSTNAME, HASH, INTERNAL_IP, TIME, NONCE, SIGNATURE, TYPE, KEYS };

static const char *const keys[KEYS] = {
    [MODE] = "execution_mode",
    [HOSTNAME] = "ddns_hostname",
    [HASH] = "validation_hash",
    [INTERNAL_IP] = "internal_ip",
    [TIME] = "time",
    [NONCE] = "nonce",
    [SIGNATURE] = "signature",
    [TYPE] = "record_type", /* as list_hosts has it */
};

/* The value of a key as text; a whole number is taken for `time`. False: it is of another type. */
static bool text_of(const json_t *value, char number[24], const char **ret_text)
{
    *ret_text = NULL;
    if (!value || json_is_null(value)) {
        return true;
    }
    if (json_is_string(value)) {
        *ret_text = json_string_value(value);
        return true;
    }
    if (json_is_integer(value)) {
        (void)snprintf(number, 24, "%lld", (long long)json_integer_value(value));
        *ret_text = number;
        return true;
    }
    return false;
}

/* A value as the text of a parameter: what is no text counts as "yes", or as nothing where it is null or false. */
static const char *as_parameter(const json_t *value)
{
    if (json_is_string(value)) {
        return json_string_value(value);
    }
    return json_is_null(value) || json_is_false(value) ? "" : "yes";
}

/* Why that key may not be ignored; NULL: it is ours, or it may be. */
static const char *reason_against(const char *key, const json_t *value)
{
    for (size_t i = 0; i < KEYS; i++) {
        if (strcmp(key, keys[i]) == 0) {
            return NULL;
        }
        if (strcasecmp(key, keys[i]) == 0) {
            return "a key is written with other capital and small letters than it has; ddns53-api(7) has its spelling";
        }
    }
    return unspoken_reason(key, as_parameter(value));
}

/* Of the first key that may not be ignored; NULL: each may be. */
static const char *unspoken_in(json_t *object)
{
    const char *reason = NULL;
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        reason = reason ? reason : reason_against(key, value);
    }
    return reason;
}

void api_json(struct request *request)
{
    _cleanup_(decref_json) json_t *object =
        json_loadb(request->body, request->body_length, JSON_REJECT_DUPLICATES, NULL);
    const char *values[KEYS];
    char numbers[KEYS][24];

    if (!json_is_object(object)) {
        modes_refuse(request, DIALECT, 400, "bad_request",
                     "the body is not a JSON object with each key once; check its quotes");
        return;
    }
    if (request->query[0] != '\0') {
        modes_refuse(request, DIALECT, 400, "bad_request",
                     "there are parameters in the URL beside a JSON object; send all of them in the object");
        return;
    }
    for (size_t i = 0; i < KEYS; i++) {
        if (!text_of(json_object_get(object, keys[i]), numbers[i], &values[i])) {
            modes_refuse(request, DIALECT, 400, "bad_request", "a value in the JSON object is not a string; quote it");
            return;
        }
    }
    const json_t *type = json_object_get(object, keys[TYPE]);
    size_t given = 0;
    for (size_t i = 0; i < KEYS; i++) {
        given += json_object_get(object, keys[i]) ? 1 : 0;
    }
    modes_run(request, &(struct query){
                           .dialect = DIALECT,
                           .mode = values[MODE],
                           .hostname = values[HOSTNAME],
                           .hash = values[HASH],
                           .internal_ip = values[INTERNAL_IP],
                           .time = values[TIME],
                           .nonce = values[NONCE],
                           .signature = values[SIGNATURE],
                           .type = json_is_null(type) ? "" : values[TYPE],
                           .has_others = given < json_object_size(object),
                           .unspoken = unspoken_in(object),
                       });
}
