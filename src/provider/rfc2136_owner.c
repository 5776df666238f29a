#include "provider/rfc2136_owner.h"

#include <errno.h>
#include <string.h>

void rfc2136_owner_done(struct rfc2136_owner *owner)
{
    for (size_t i = 0; i < RECORD_TYPE_COUNT; i++) {
        rdata_drop(&owner->sets[i].value);
        owner->sets[i] = (struct rfc2136_set){.is_foreign = false};
    }
    owner->has_alias = false;
}

void rfc2136_owner_begin(struct rfc2136_owner *owner, const char *name)
{
    rfc2136_owner_done(owner);
    (void)stpncpy(owner->name.text, name, sizeof(owner->name.text) - 1);
}

static bool find_type(uint16_t type, enum record_type *ret_type)
{
    for (unsigned i = 0; i < RECORD_TYPE_COUNT; i++) {
        if (record_type_number((enum record_type)i) == type) {
            *ret_type = (enum record_type)i;
            return true;
        }
    }
    return false;
}

int rfc2136_owner_add(struct rfc2136_owner *owner, const struct rfc2136_record *record)
{
    enum record_type type;
    int r = 0;

    if (!find_type(record->type, &type)) {
        owner->has_alias |= record->type == DNS_CNAME;
        return 0;
    }
    struct rfc2136_set *set = &owner->sets[type];
    set->ttl_s = record->ttl_s;
    r = record_value_add_wire(type, record->data, record->length, &set->value);
    set->is_foreign |= r < 0;
    return r == -ENOMEM ? r : 0;
}

void rfc2136_owner_find(const struct rfc2136_owner *owner, enum record_type type, struct provider_found *ret_found)
{
    const struct rfc2136_set *set = &owner->sets[type];
    struct provider_found found = {
        .hostname = owner->name.text,
        .type = type,
        .knowledge = RECORD_ABSENT,
        .value = set->value,
        .ttl_s = set->ttl_s,
    };

    if (owner->has_alias || set->is_foreign) {
        found.knowledge = RECORD_FOREIGN;
        found.foreign = owner->has_alias ? FOREIGN_ALIAS : FOREIGN_SEVERAL_VALUES;
    } else if (!rdata_is_empty(&set->value)) {
        found.knowledge = RECORD_PLAIN;
    }
    *ret_found = found;
}
