/*
 * The inside of admin/control: control.c (routes, status, zones) -> control_records.c (records against DNS),
 * control_update.c (changes by the operator's hand), control_acme.c (the certificate).
 */
#ifndef DDNS53_ADMIN_CONTROL_INTERNAL_H
#define DDNS53_ADMIN_CONTROL_INTERNAL_H

#include "admin/control.h"

static inline const struct control *control_of(const struct request *request)
{
    return request->service->handlers;
}

/* The body as an object, empty where there is none; NULL: answered. The caller drops it. */
json_t *control_body(struct request *request);
/* `hostname` of the body, normalised; false: answered. */
bool control_name(struct request *request, const json_t *body, struct name *ret_name);
static inline void control_drop(json_t **json)
{
    json_decref(*json);
}

/* ---- control_records.c ---- */

enum record_state {
    STATE_IN_STEP, /* DNS holds what was set last */
    STATE_UNSET, /* nothing was set, or it was withdrawn: whatever DNS holds, the next client's address takes its place */
    STATE_WAITING,  /* a change is on its way */
    STATE_DRIFTED,  /* somebody else has changed it */
    STATE_MISSING,  /* somebody else has deleted it */
    STATE_NOT_OURS, /* it must never be overwritten */
    STATE_UNKNOWN,  /* nobody could look yet */
    RECORD_STATE_COUNT
};

/* "in_step" and so on; static. */
const char *record_state_word(enum record_state state);
/* `view` is filled where the record is known, and is the caller's to end. */
enum record_state record_state_of(struct records *records, const struct host *host, enum record_type type,
                                  struct record_view *ret_view);
/* POST /records */
void control_records(struct request *request);
/* How many records of each zone are in which state: an array by zone of arrays by state; owned, NULL: no memory. */
size_t (*control_count_states(const struct control *control, size_t zone_count))[RECORD_STATE_COUNT];

/* ---- control_acme.c ---- */

void control_challenge(struct request *request);
void control_certificate(struct request *request);
void control_certificate_renew(struct request *request);
void control_certificate_test(struct request *request);

/* ---- control_update.c ---- */

void control_put(struct request *request);
void control_withdraw(struct request *request);
void control_repair(struct request *request);

#endif
