/* Any answer to a zone transfer: what is taken from it are names, types and values that the queue may have. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "provider/rfc2136_owner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void check_owner(const struct rfc2136_owner *owner)
{
    for (unsigned i = 0; i < RECORD_TYPE_COUNT; i++) {
        struct provider_found found;
        rfc2136_owner_find(owner, (enum record_type)i, &found);
        insist((found.knowledge == RECORD_FOREIGN) == (found.foreign != FOREIGN_NONE));
        if (found.knowledge == RECORD_PLAIN) {
            insist(found.type == RECORD_TXT ? found.value.texts != NULL
                                            : record_type_of(&found.value.address) == found.type);
        }
    }
}

static void read_records(const struct rfc2136_request *request)
{
    struct rfc2136_cursor cursor = {.packet = 0};
    struct rfc2136_owner owner = {.has_alias = false};
    struct rfc2136_record record;
    struct name name;

    while (rfc2136_next(request, RFC2136_ANSWER, &cursor, &record)) {
        insist(name_parse(record.owner.text, strlen(record.owner.text), &name, NULL) == 0);
        insist(strcmp(name.text, record.owner.text) == 0);
        if (strcmp(owner.name.text, name.text) != 0) {
            rfc2136_owner_begin(&owner, name.text);
        }
        (void)rfc2136_owner_add(&owner, &record);
        check_owner(&owner);
    }
    rfc2136_owner_done(&owner);
}

/* The id is random, and the question is about our zone. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rfc2136_key *key;
    struct rfc2136_request request = {.key = NULL};
    struct rfc2136_answer answer;
    uint8_t message[65535];

    if (!key) {
        _cleanup_(secret_freep) struct secret *secret = secret_new("0123456789abcdef", 16);
        insist(rfc2136_key_new("ddns53.", "hmac-sha256", secret, &key) == 0);
    }
    if (size < 2 || size > sizeof(message)) {
        return 0;
    }
    memcpy(message, data, size);
    for (unsigned is_signed = 0; is_signed < 2; is_signed++) {
        insist(rfc2136_write_transfer(&request, is_signed ? key : NULL, "example.com.") == 0);
        memcpy(message, request.bytes, 2);
        for (unsigned i = 0; i < 2; i++) {
            if (rfc2136_read(&request, message, size, &answer) == 0) {
                read_records(&request);
            }
        }
    }
    rfc2136_request_done(&request);
    return 0;
}
