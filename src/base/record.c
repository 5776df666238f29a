#include "base/record.h"

#include <errno.h>
#include <string.h>

/* What the daemon knows of a type of record. */
static const struct {
    const char *text;
    uint16_t number;
    enum address_family family; /* of its one address; ADDRESS_NONE: a set of texts */
} types[RECORD_TYPE_COUNT] = {
    [RECORD_A] = {"A", 1, ADDRESS_IPV4},
    [RECORD_AAAA] = {"AAAA", 28, ADDRESS_IPV6},
    [RECORD_TXT] = {"TXT", 16, ADDRESS_NONE},
};

const char *record_type_text(enum record_type type)
{
    return types[type].text;
}

uint16_t record_type_number(enum record_type type)
{
    return types[type].number;
}

int record_type_parse(const char *text, enum record_type *ret_type)
{
    for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
        if (strcmp(text, types[type].text) == 0) {
            *ret_type = (enum record_type)type;
            return 0;
        }
    }
    return -EINVAL;
}

int record_value_add(enum record_type type, const char *text, size_t length, enum text_escapes escapes,
                     struct rdata *value)
{
    struct address address;

    if (types[type].family == ADDRESS_NONE) {
        return rdata_add_text(value, text, length, escapes);
    }
    if (address_parse(text, length, &address) < 0 || address.family != types[type].family) {
        return -EINVAL;
    }
    if (!rdata_is_empty(value)) {
        return -EEXIST;
    }
    *value = rdata_of_address(&address);
    return 0;
}

bool record_value_fits(enum record_type type, const struct rdata *value)
{
    return rdata_is_empty(value) || value->address.family == types[type].family;
}
