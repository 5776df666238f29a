#include "web/admission.h"

#include <string.h>

#include "base/list.h"
#include "base/table.h"

/* How much of the table: one part in so many. */
#define RESERVE_PARTS 8 /* for known visitors */
#define FRESH_PARTS 4   /* what fresh seats may fill before they go first */
#define SHARE_PARTS 4   /* of an IPv4 /24 and an IPv6 /56 */
#define WIDE_SHARE_PARTS 2

enum seat_state { SEAT_FRESH, SEAT_KEPT, SEAT_BUSY, SEAT_LEAVING };
#define WAITING_STATES 2 /* the first two */

/* The networks that a seat counts for, the widest first; IPv4 has only one. */
#define NETWORKS_MAX 2

/* A place in a list. */
struct place {
    struct list_link link;
    void *of; /* the seat or the network */
};

/* The seats of an address or a network. */
struct crowd {
    struct prefix prefix; /* the key; no padding, and zero past the address */
    uint32_t seats;
    uint32_t share;                         /* of a network */
    struct list waiting[WAITING_STATES];    /* of a network: its strangers, who has waited longest first */
    uint32_t weight[WAITING_STATES];        /* how many these are */
    struct place by_weight[WAITING_STATES]; /* of a widest network that has weight */
};

struct seat {
    void *owner;
    enum seat_state state;
    bool is_known;
    int64_t waits_since_ms;
    struct crowd *address; /* NULL: exempt, or a unix socket */
    struct crowd *networks[NETWORKS_MAX];
    struct place places[NETWORKS_MAX]; /* among who waits in each; who is known uses the first, in `known_waiting` */
};

struct admission {
    uint32_t seats_max;
    uint32_t per_address_max;
    struct table *crowds;
    size_t count;
    size_t known;
    size_t leaving;
    size_t fresh; /* strangers */
    /* by_weight[state][w]: the networks of which w strangers wait; heaviest[state]: the last that is not empty. */
    struct list *by_weight[WAITING_STATES];
    uint32_t heaviest[WAITING_STATES];
    struct list known_waiting[WAITING_STATES];
};

/* NULL: the list is empty. */
static void *first_in(const struct list *list)
{
    const struct place *place = LIST_ITEM(list->first, struct place, link);

    return place ? place->of : NULL;
}

/* ---- addresses and networks ---- */

static struct bytes key_of_crowd(const void *value)
{
    const struct crowd *crowd = value;
    return (struct bytes){&crowd->prefix, sizeof(crowd->prefix)};
}

static struct prefix prefix_of(const struct address *address, unsigned length)
{
    struct prefix prefix = {*address, (uint8_t)length};

    for (unsigned i = 0; i < sizeof(prefix.address.bytes); i++) {
        unsigned kept = length > 8 * i ? length - 8 * i : 0;
        if (kept < 8) {
            prefix.address.bytes[i] &= (uint8_t)(0xff00U >> kept);
        }
    }
    return prefix;
}

/* The networks that count an address, the widest first; returns how many. */
static size_t networks_of(const struct address *address, struct prefix ret_networks[NETWORKS_MAX])
{
    switch (address->family) {
    case ADDRESS_IPV4: ret_networks[0] = prefix_of(address, 24); return 1;
    case ADDRESS_IPV6:
        ret_networks[0] = prefix_of(address, 48);
        ret_networks[1] = prefix_of(address, 56);
        return 2;
    default: return 0;
    }
}

static struct prefix limit_prefix(const struct address *address)
{
    return prefix_of(address, address->family == ADDRESS_IPV6 ? 64 : 32);
}

static uint32_t share_of(const struct admission *admission, const struct prefix *prefix)
{
    bool is_wide = prefix->address.family == ADDRESS_IPV6 && prefix->length <= 48;
    uint32_t share = admission->seats_max / (is_wide ? WIDE_SHARE_PARTS : SHARE_PARTS);

    if (admission->per_address_max == 0) {
        return UINT32_MAX;
    }
    return share > admission->per_address_max ? share : admission->per_address_max;
}

static struct crowd *find_crowd(const struct admission *admission, const struct prefix *prefix)
{
    return table_get(admission->crowds, prefix, sizeof(*prefix));
}

/* Counts one more; NULL: no memory. */
static struct crowd *join_crowd(struct admission *admission, const struct prefix *prefix)
{
    struct crowd *crowd = find_crowd(admission, prefix);

    if (!crowd) {
        crowd = calloc(1, sizeof(*crowd));
        if (!crowd) {
            return NULL;
        }
        crowd->prefix = *prefix;
        crowd->share = share_of(admission, prefix);
        for (size_t state = 0; state < WAITING_STATES; state++) {
            crowd->by_weight[state].of = crowd;
        }
        if (table_put(admission->crowds, crowd) < 0) {
            free(crowd);
            return NULL;
        }
    }
    crowd->seats++;
    return crowd;
}

static void leave_crowd(struct admission *admission, struct crowd *crowd)
{
    if (crowd && --crowd->seats == 0) {
        (void)table_remove(admission->crowds, &crowd->prefix, sizeof(crowd->prefix));
        free(crowd);
    }
}

/* ---- who waits ---- */

/* The networks that weigh so much. One may be heavier than all seats, since who enters is not asked again. */
static struct list *networks_of_weight(const struct admission *admission, enum seat_state state, uint32_t weight)
{
    return &admission->by_weight[state][weight < admission->seats_max ? weight : admission->seats_max];
}

static void weigh(struct admission *admission, struct crowd *crowd, enum seat_state state, bool more)
{
    struct list_link *link = &crowd->by_weight[state].link;
    uint32_t *heaviest = &admission->heaviest[state];

    if (crowd->weight[state] > 0) {
        list_remove(networks_of_weight(admission, state, crowd->weight[state]), link);
    }
    crowd->weight[state] += more ? 1 : (uint32_t)-1;
    if (crowd->weight[state] > 0) {
        list_append(networks_of_weight(admission, state, crowd->weight[state]), link);
    }
    if (crowd->weight[state] > *heaviest) {
        *heaviest = crowd->weight[state];
    }
    while (*heaviest > 0 && !networks_of_weight(admission, state, *heaviest)->first) {
        (*heaviest)--; /* one step: what was the heaviest weighs one less */
    }
}

static void begin_to_wait(struct admission *admission, struct seat *seat, enum seat_state state, int64_t now_ms)
{
    seat->state = state;
    seat->waits_since_ms = now_ms;
    if (seat->is_known) {
        list_append(&admission->known_waiting[state], &seat->places[0].link);
        return;
    }
    admission->fresh += state == SEAT_FRESH;
    for (size_t i = 0; i < NETWORKS_MAX && seat->networks[i]; i++) {
        list_append(&seat->networks[i]->waiting[state], &seat->places[i].link);
        if (i == 0) {
            weigh(admission, seat->networks[i], state, true);
        }
    }
}

/* Does nothing to a seat that does not wait. */
static void end_to_wait(struct admission *admission, struct seat *seat)
{
    enum seat_state state = seat->state;

    if (state != SEAT_FRESH && state != SEAT_KEPT) {
        return;
    }
    if (seat->is_known) {
        list_remove(&admission->known_waiting[state], &seat->places[0].link);
        return;
    }
    admission->fresh -= state == SEAT_FRESH;
    for (size_t i = 0; i < NETWORKS_MAX && seat->networks[i]; i++) {
        list_remove(&seat->networks[i]->waiting[state], &seat->places[i].link);
        if (i == 0) {
            weigh(admission, seat->networks[i], state, false);
        }
    }
}

/* Who has waited longest, fresh ones first unless they have only just come; NULL: nobody waits. */
static struct seat *first_of(const struct list waiting[WAITING_STATES], int64_t now_ms)
{
    struct seat *fresh = first_in(&waiting[SEAT_FRESH]);
    struct seat *kept = first_in(&waiting[SEAT_KEPT]);

    return fresh && (!kept || now_ms - fresh->waits_since_ms >= ADMISSION_GRACE_MS) ? fresh : kept;
}

static struct seat *waiting_stranger(const struct admission *admission)
{
    uint32_t fresh = admission->heaviest[SEAT_FRESH];
    uint32_t kept = admission->heaviest[SEAT_KEPT];
    bool are_many_fresh = admission->fresh > admission->seats_max / FRESH_PARTS;

    if (fresh == 0 && kept == 0) {
        return NULL;
    }
    enum seat_state state = fresh > kept || (fresh == kept && are_many_fresh) ? SEAT_FRESH : SEAT_KEPT;
    const struct crowd *network = first_in(networks_of_weight(admission, state, admission->heaviest[state]));
    return first_in(&network->waiting[state]);
}

/* ---- the rules ---- */

static struct visitor completed(const struct visitor *visitor)
{
    struct visitor complete = *visitor;

    complete.is_exempt |= complete.address.family == ADDRESS_NONE;
    complete.is_known |= complete.is_exempt;
    return complete;
}

static bool is_address_full(const struct admission *admission, const struct visitor *visitor)
{
    if (admission->per_address_max == 0 || visitor->is_exempt) {
        return false;
    }
    const struct prefix prefix = limit_prefix(&visitor->address);
    const struct crowd *crowd = find_crowd(admission, &prefix);
    return crowd && crowd->seats >= admission->per_address_max;
}

/* The narrowest network of a stranger that has its share; NULL: none. */
static const struct crowd *full_network(const struct admission *admission, const struct visitor *visitor)
{
    struct prefix prefixes[NETWORKS_MAX];

    for (size_t i = networks_of(&visitor->address, prefixes); i-- > 0;) {
        const struct crowd *crowd = find_crowd(admission, &prefixes[i]);
        if (crowd && crowd->seats >= crowd->share) {
            return crowd;
        }
    }
    return NULL;
}

/* Would the network of `seat` still have no fewer seats that wait than the newcomer's, one less and one more? */
static bool is_lighter(const struct admission *admission, const struct visitor *visitor, const struct seat *seat)
{
    struct prefix prefixes[NETWORKS_MAX];

    if (seat->is_known) {
        return false;
    }
    (void)networks_of(&visitor->address, prefixes);
    const struct crowd *own = find_crowd(admission, &prefixes[0]);
    return (own ? own->weight[SEAT_FRESH] : 0) + 1 < seat->networks[0]->weight[seat->state];
}

/* May that visitor displace it? */
static bool may_go(const struct admission *admission, const struct seat *seat, const struct visitor *visitor,
                   int64_t now_ms)
{
    if (visitor->is_known) {
        return admission->leaving < ADMISSION_LEAVING_MAX;
    }
    if (is_lighter(admission, visitor, seat)) {
        return admission->leaving < ADMISSION_LEAVING_MAX / 4 * 3;
    }
    return now_ms - seat->waits_since_ms >= ADMISSION_GRACE_MS && admission->leaving < ADMISSION_LEAVING_MAX / 2;
}

/* Who would go for that visitor: one of the network that has its share, or of all; NULL: nobody waits. */
static struct seat *displaced_by(const struct admission *admission, const struct crowd *network,
                                 const struct visitor *visitor, int64_t now_ms)
{
    bool is_full = admission->count >= admission->seats_max;
    bool is_beyond_reserve = admission->known > admission->seats_max / RESERVE_PARTS;

    if (network) {
        return first_of(network->waiting, now_ms);
    }
    struct seat *stranger = waiting_stranger(admission);
    if (!stranger && is_full && (visitor->is_known || is_beyond_reserve)) {
        return first_of(admission->known_waiting, now_ms);
    }
    return stranger;
}

struct decision admission_ask(const struct admission *admission, const struct visitor *who, int64_t now_ms)
{
    const struct visitor visitor = completed(who);
    const size_t strangers = admission->count - admission->known;
    const size_t strangers_max = admission->seats_max - admission->seats_max / RESERVE_PARTS;
    enum admission_rule rule = RULE_NONE;

    if (is_address_full(admission, &visitor)) {
        return (struct decision){false, RULE_ADDRESS, NULL};
    }
    const struct crowd *network = visitor.is_known ? NULL : full_network(admission, &visitor);
    if (network) {
        rule = RULE_NETWORK;
    } else if (admission->count >= admission->seats_max || (!visitor.is_known && strangers >= strangers_max)) {
        rule = RULE_TABLE;
    } else {
        return (struct decision){true, RULE_NONE, NULL};
    }
    struct seat *displaced = displaced_by(admission, network, &visitor, now_ms);
    bool goes = displaced && may_go(admission, displaced, &visitor, now_ms);
    return (struct decision){goes, rule, goes ? displaced : NULL};
}

/* ---- seats ---- */

struct admission *admission_new(uint32_t seats_max, uint32_t per_address_max)
{
    struct admission *admission = calloc(1, sizeof(*admission));

    if (!admission) {
        return NULL;
    }
    admission->seats_max = seats_max;
    admission->per_address_max = per_address_max;
    admission->crowds = table_new(key_of_crowd);
    for (size_t state = 0; state < WAITING_STATES; state++) {
        admission->by_weight[state] = calloc((size_t)seats_max + 1, sizeof(struct list));
    }
    if (!admission->crowds || !admission->by_weight[SEAT_FRESH] || !admission->by_weight[SEAT_KEPT]) {
        admission_free(admission);
        return NULL;
    }
    return admission;
}

void admission_free(struct admission *admission)
{
    if (!admission) {
        return;
    }
    for (size_t state = 0; state < WAITING_STATES; state++) {
        free(admission->by_weight[state]);
    }
    table_free(admission->crowds);
    free(admission);
}

static void leave_crowds(struct admission *admission, struct seat *seat)
{
    leave_crowd(admission, seat->address);
    seat->address = NULL;
    for (size_t i = 0; i < NETWORKS_MAX; i++) {
        leave_crowd(admission, seat->networks[i]);
        seat->networks[i] = NULL;
    }
}

static bool join_crowds(struct admission *admission, const struct visitor *visitor, struct seat *seat)
{
    struct prefix prefixes[NETWORKS_MAX];
    const struct prefix own = limit_prefix(&visitor->address);
    size_t network_count = visitor->is_known ? 0 : networks_of(&visitor->address, prefixes);

    if (!visitor->is_exempt) {
        seat->address = join_crowd(admission, &own);
        if (!seat->address) {
            return false;
        }
    }
    for (size_t i = 0; i < network_count; i++) {
        seat->networks[i] = join_crowd(admission, &prefixes[i]);
        if (!seat->networks[i]) {
            leave_crowds(admission, seat);
            return false;
        }
    }
    return true;
}

struct seat *admission_enter(struct admission *admission, const struct visitor *who, int64_t now_ms, void *owner)
{
    const struct visitor visitor = completed(who);
    struct seat *seat = calloc(1, sizeof(*seat));

    if (!seat || !join_crowds(admission, &visitor, seat)) {
        free(seat);
        return NULL;
    }
    seat->owner = owner;
    seat->is_known = visitor.is_known;
    for (size_t i = 0; i < NETWORKS_MAX; i++) {
        seat->places[i].of = seat;
    }
    admission->count++;
    admission->known += seat->is_known;
    begin_to_wait(admission, seat, SEAT_FRESH, now_ms);
    return seat;
}

/* It counts no more. */
static void uncount(struct admission *admission, struct seat *seat)
{
    end_to_wait(admission, seat);
    leave_crowds(admission, seat);
    admission->count--;
    admission->known -= seat->is_known;
}

void admission_displace(struct admission *admission, struct seat *seat)
{
    uncount(admission, seat);
    seat->state = SEAT_LEAVING;
    admission->leaving++;
}

void admission_leave(struct admission *admission, struct seat *seat)
{
    if (seat->state == SEAT_LEAVING) {
        admission->leaving--;
    } else {
        uncount(admission, seat);
    }
    free(seat);
}

void *seat_owner(const struct seat *seat)
{
    return seat->owner;
}

void admission_busy(struct admission *admission, struct seat *seat)
{
    if (seat->state != SEAT_LEAVING) {
        end_to_wait(admission, seat);
        seat->state = SEAT_BUSY;
    }
}

void admission_waits(struct admission *admission, struct seat *seat, int64_t now_ms)
{
    if (seat->state == SEAT_BUSY) {
        begin_to_wait(admission, seat, SEAT_KEPT, now_ms);
    }
}

size_t admission_count(const struct admission *admission)
{
    return admission->count;
}
