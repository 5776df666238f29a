#include <stdlib.h>
#include <string.h>

#include "queue/records_internal.h"

static struct rdata kept_value(const struct entry *entry)
{
    struct rdata value = {0};

    if (entry->family == ADDRESS_NONE) {
        value.texts = entry->held.texts;
    } else {
        value.address.family = entry->family;
        memcpy(value.address.bytes, entry->held.address, sizeof(value.address.bytes));
    }
    return value;
}

struct record_values entry_values(const struct entry *entry)
{
    struct record_values values = {.ttl_s = 0};

    if (entry->kept == KEPT_APART) {
        return *entry->held.values;
    }
    if (entry->kept == KEPT_VALUE || entry->kept == KEPT_SAME) {
        values.value = kept_value(entry);
        values.ttl_s = entry->ttl_s;
    }
    if (entry->kept == KEPT_LAST_SET || entry->kept == KEPT_SAME) {
        values.last_set = kept_value(entry);
        values.last_set_ttl_s = entry->ttl_s;
    }
    return values;
}

static void let_go(struct entry *entry)
{
    if (entry->kept == KEPT_APART) {
        rdata_drop(&entry->held.values->value);
        rdata_drop(&entry->held.values->last_set);
        free(entry->held.values);
    } else if (entry->kept != KEPT_NOTHING) {
        struct rdata value = kept_value(entry);
        rdata_drop(&value);
    }
    entry->kept = KEPT_NOTHING;
}

/* Takes the value. */
static void keep_one(struct entry *entry, enum kept kept, struct rdata value, uint32_t ttl_s)
{
    entry->kept = (uint8_t)kept;
    entry->ttl_s = ttl_s;
    entry->family = value.address.family;
    if (value.texts) {
        entry->held.texts = value.texts;
    } else {
        memcpy(entry->held.address, value.address.bytes, sizeof(entry->held.address));
    }
}

/* Takes both. */
static void keep_apart(struct entry *entry, struct record_values held)
{
    struct record_values *values = malloc(sizeof(*values));

    if (values) {
        *values = held;
        entry->kept = KEPT_APART;
        entry->held.values = values;
    } else {
        rdata_drop(&held.last_set);
        keep_one(entry, KEPT_VALUE, held.value, held.ttl_s);
    }
}

void entry_keep(struct entry *entry, const struct record_values *values)
{
    /* First: what is kept may be among them. */
    struct record_values held = *values;
    held.value = rdata_hold(&values->value);
    held.last_set = rdata_hold(&values->last_set);

    let_go(entry);
    if (rdata_is_empty(&held.last_set) && rdata_is_empty(&held.value)) {
        return;
    }
    if (rdata_is_empty(&held.last_set)) {
        keep_one(entry, KEPT_VALUE, held.value, held.ttl_s);
    } else if (rdata_is_empty(&held.value)) {
        keep_one(entry, KEPT_LAST_SET, held.last_set, held.last_set_ttl_s);
    } else if (held.ttl_s == held.last_set_ttl_s && rdata_equal(&held.value, &held.last_set)) {
        rdata_drop(&held.last_set);
        keep_one(entry, KEPT_SAME, held.value, held.ttl_s);
    } else {
        keep_apart(entry, held);
    }
}
