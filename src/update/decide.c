#include "update/decide.h"

static enum outcome may_set_address(const struct host *host, enum auth_scheme scheme, const struct address *source,
                                    const struct address *requested)
{
    const enum address_class class = address_classify(requested);

    if (class == ADDRESS_NEVER) {
        return OUTCOME_UNUSABLE;
    }
    if (scheme == AUTH_OPERATOR) {
        return OUTCOME_PENDING;
    }
    if (host->lock_record) {
        return OUTCOME_LOCKED;
    }
    if (host->allow_internal) {
        return OUTCOME_PENDING;
    }
    if (class == ADDRESS_PRIVATE) {
        return OUTCOME_PRIVATE;
    }
    if (scheme == AUTH_HASH && !address_equal(source, requested)) {
        return OUTCOME_NOT_SOURCE;
    }
    return OUTCOME_PENDING;
}

static enum outcome may_set(const struct host *host, enum auth_scheme scheme, const struct address *source,
                            enum record_type type, const struct rdata *value)
{
    if (!host_has_type(host, type)) {
        return OUTCOME_NO_RECORD;
    }
    if (value->address.family != ADDRESS_NONE) {
        return may_set_address(host, scheme, source, &value->address);
    }
    return host->lock_record && scheme != AUTH_OPERATOR ? OUTCOME_LOCKED : OUTCOME_PENDING;
}

static bool is_in_dns(const struct host *host, const struct rdata *value, const struct record_view *known)
{
    if (rdata_is_empty(value)) {
        return known->knowledge == RECORD_ABSENT;
    }
    return known->knowledge == RECORD_PLAIN && known->ttl_s == host->ttl_s && rdata_equal(&known->value, value);
}

/* What DNS holds without our having noted it (we were killed in between) still has to come into the store. */
static bool is_in_store(const struct host *host, const struct rdata *value, const struct record_view *known)
{
    if (!rdata_equal(&known->last_set, value)) {
        return false;
    }
    return known->last_set_ttl_s == host->ttl_s || rdata_is_empty(value);
}

static enum outcome is_needed(const struct host *host, const struct rdata *value, const struct record_view *known,
                              int64_t now_ms)
{
    if (known->busy) {
        return OUTCOME_PENDING;
    }
    if (known->knowledge == RECORD_FOREIGN && now_ms - known->looked_at_ms < RECORD_FOREIGN_FRESH_MS) {
        return OUTCOME_CONFLICT;
    }
    return is_in_dns(host, value, known) && is_in_store(host, value, known) ? OUTCOME_UNCHANGED : OUTCOME_PENDING;
}

enum outcome decide(const struct host *host, enum auth_scheme scheme, const struct address *source,
                    enum record_type type, const struct rdata *value, const struct record_view *known, int64_t now_ms)
{
    const enum outcome outcome = may_set(host, scheme, source, type, value);

    if (outcome != OUTCOME_PENDING || !known) {
        return outcome;
    }
    return is_needed(host, value, known, now_ms);
}
