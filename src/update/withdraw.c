#include "update/withdraw.h"

int withdraw_parse_type(const char *type, unsigned *ret_types)
{
    enum record_type one = RECORD_A;
    int r = type ? record_type_parse(type, &one) : 0;

    if (r == 0) {
        *ret_types = type ? 1U << one : WITHDRAW_ALL;
    }
    return r;
}

int withdraw_add(struct update *update, const struct hosts *hosts, const struct proof *proof, const struct name *name,
                 unsigned types, int64_t now_s)
{
    for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
        enum auth_reason reason;
        if ((types & 1U << type) == 0) {
            continue;
        }
        const struct host *host = auth_host(hosts, proof, name, (enum record_type)type, now_s, &reason);
        if (!host || !host_has_type(host, (enum record_type)type)) {
            continue;
        }
        int r = update_add_withdrawal(update, host, (enum record_type)type);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}
