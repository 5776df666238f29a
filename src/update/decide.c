#include "update/decide.h"

static enum verdict may_set(const struct host *host, enum auth_scheme scheme, const struct address *source,
                            const struct address *requested)
{
    enum address_class class = address_classify(requested);

    if (!host_has_type(host, record_type_of(requested))) {
        return VERDICT_NO_RECORD;
    }
    if (class == ADDRESS_NEVER) {
        return VERDICT_UNUSABLE;
    }
    if (host->lock_record) {
        return VERDICT_LOCKED;
    }
    if (host->allow_internal) {
        return VERDICT_CHANGE;
    }
    if (class == ADDRESS_PRIVATE) {
        return VERDICT_PRIVATE;
    }
    if (scheme == AUTH_HASH && !address_equal(source, requested)) {
        return VERDICT_NOT_SOURCE;
    }
    return VERDICT_CHANGE;
}

static enum verdict is_needed(const struct host *host, const struct address *requested, const struct record_view *known,
                              int64_t now_ms)
{
    if (known->busy) {
        return VERDICT_CHANGE;
    }
    if (known->knowledge == RECORD_FOREIGN && now_ms - known->looked_at_ms < RECORD_FOREIGN_FRESH_MS) {
        return VERDICT_CONFLICT;
    }
    const bool is_in_dns =
        known->knowledge == RECORD_PLAIN && known->ttl_s == host->ttl_s && address_equal(&known->address, requested);
    /* What DNS holds without our having noted it (we were killed in between) still has to come into the state. */
    const bool is_in_state = known->last_set_ttl_s == host->ttl_s && address_equal(&known->last_set, requested);
    return is_in_dns && is_in_state ? VERDICT_UNCHANGED : VERDICT_CHANGE;
}

enum verdict decide(const struct host *host, enum auth_scheme scheme, const struct address *source,
                    const struct address *requested, const struct record_view *known, int64_t now_ms)
{
    enum verdict verdict = may_set(host, scheme, source, requested);

    if (verdict != VERDICT_CHANGE || !known) {
        return verdict;
    }
    return is_needed(host, requested, known, now_ms);
}
