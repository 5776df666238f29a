#include "queue/outcome.h"

const char *outcome_word(enum outcome outcome)
{
    static const char *const words[OUTCOME_COUNT] = {
        [OUTCOME_PENDING] = "pending",           [OUTCOME_SET] = "good",
        [OUTCOME_UNCHANGED] = "nochg",           [OUTCOME_NO_RECORD] = "no_record",
        [OUTCOME_UNUSABLE] = "unusable_address", [OUTCOME_LOCKED] = "locked",
        [OUTCOME_PRIVATE] = "private_address",   [OUTCOME_NOT_SOURCE] = "not_source_address",
        [OUTCOME_CONFLICT] = "conflict",         [OUTCOME_REFUSED] = "refused",
        [OUTCOME_NO_ZONE] = "no_zone",           [OUTCOME_TIMED_OUT] = "timed_out",
        [OUTCOME_QUEUE_FULL] = "queue_full",     [OUTCOME_STOPPING] = "stopping",
    };
    return words[outcome];
}
