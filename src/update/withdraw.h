/*
 * What a client's deletion withdraws: records of one name, of the types that it names, in the rows that its credentials
 * fit. Hosts that follow the name keep their records.
 */
#ifndef DDNS53_UPDATE_WITHDRAW_H
#define DDNS53_UPDATE_WITHDRAW_H

#include "update/auth.h"
#include "update/update.h"

/* Sets of record types: bit 1 << enum record_type. */
#define WITHDRAW_ADDRESSES (1U << RECORD_A | 1U << RECORD_AAAA)
#define WITHDRAW_ALL ((1U << RECORD_TYPE_COUNT) - 1)

/* "A", "AAAA" or "TXT" -> a set of it alone; NULL: all. -EINVAL: another text. */
int withdraw_parse_type(const char *type, unsigned *ret_types);

/* Adds an item for each of those types that a row of the name has whose proof fits. -ENOMEM, -E2BIG. */
int withdraw_add(struct update *update, const struct hosts *hosts, const struct proof *proof, const struct name *name,
                 unsigned types, int64_t now_s);

#endif
