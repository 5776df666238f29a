#include "base/backoff.h"

uint32_t backoff_next_ms(struct backoff *backoff, const struct backoff_limits *limits,
                         uint32_t (*random)(uint32_t upper_bound))
{
    uint64_t ceiling_ms = limits->most_ms;

    if (backoff->attempt < 32 && (uint64_t)limits->first_ms << backoff->attempt < ceiling_ms) {
        ceiling_ms = (uint64_t)limits->first_ms << backoff->attempt;
    }
    backoff->attempt++;
    const uint32_t certain_ms = (uint32_t)(ceiling_ms * limits->floor_percent / 100);
    return certain_ms + random((uint32_t)ceiling_ms - certain_ms + 1);
}
