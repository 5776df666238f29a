/* Unit tests of web/admission: the rules as stories, and what holds whatever happens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/secret.h"
#include "web/admission.h"

#define NOW_MS 1000000
#define LATER_MS (NOW_MS + ADMISSION_GRACE_MS)

static struct visitor visitor_from(const char *text)
{
    struct visitor visitor = {.is_known = text[0] == '+', .is_exempt = text[0] == '*'};
    const char *address = text + (visitor.is_known || visitor.is_exempt ? 1 : 0);

    if (address[0] != '\0') {
        assert_int_equal(address_parse(address, strlen(address), &visitor.address), 0);
    }
    return visitor;
}

/* ---- stories ---- */

enum step_kind { END, ENTERS, REFUSED, BUSY, WAITS, LEAVES };

/* Seats have letters, in the order in which their connections came. */
struct step {
    enum step_kind kind;
    const char *who;          /* an address, `+` before it: known, `*`: exempt; or the letter of a seat */
    const char *displaces;    /* ENTERS: letters, in order */
    enum admission_rule rule; /* REFUSED: by which; ENTERS: which displaced */
    int64_t at_ms;
};

#define STEPS_MAX 24
#define SEATS_MAX 64

struct story {
    const char *title;
    uint32_t seats_max;
    uint32_t per_address_max;
    struct step steps[STEPS_MAX];
};

static const struct story stories[] = {
    {"one address has its limit, and another has its own",
     100,
     2,
     {{ENTERS, "198.18.0.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.0.1", "", RULE_NONE, NOW_MS},
      {REFUSED, "198.18.0.1", NULL, RULE_ADDRESS, LATER_MS},
      {REFUSED, "+198.18.0.1", NULL, RULE_ADDRESS, LATER_MS}, /* also who has logged in */
      {ENTERS, "198.18.0.2", "", RULE_NONE, LATER_MS},
      {ENTERS, "*198.18.0.1", "", RULE_NONE, LATER_MS}, /* but no proxy */
      {LEAVES, "a", NULL, RULE_NONE, LATER_MS},
      {ENTERS, "198.18.0.1", "", RULE_NONE, LATER_MS}}},
    {"an IPv6 /64 is one address",
     100,
     2,
     {{ENTERS, "2001:db8:1:2::1", "", RULE_NONE, NOW_MS},
      {ENTERS, "2001:db8:1:2:ffff::", "", RULE_NONE, NOW_MS},
      {REFUSED, "2001:db8:1:2::3", NULL, RULE_ADDRESS, NOW_MS},
      {ENTERS, "2001:db8:1:3::1", "", RULE_NONE, NOW_MS}}},
    {"unix sockets have no address and no limit",
     100,
     1,
     {{ENTERS, "", "", RULE_NONE, NOW_MS}, {ENTERS, "", "", RULE_NONE, NOW_MS}, {ENTERS, "", "", RULE_NONE, NOW_MS}}},
    {"a full table: who has waited longest goes, once it has had its time",
     4,
     0,
     {{ENTERS, "198.18.1.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.2.1", "", RULE_NONE, NOW_MS + 1},
      {ENTERS, "198.18.3.1", "", RULE_NONE, NOW_MS + 2},
      {ENTERS, "198.18.4.1", "", RULE_NONE, NOW_MS + 3},
      {REFUSED, "198.18.5.1", NULL, RULE_TABLE, LATER_MS - 1},
      {ENTERS, "198.18.5.1", "a", RULE_TABLE, LATER_MS},
      {REFUSED, "198.18.6.1", NULL, RULE_TABLE, LATER_MS},
      {ENTERS, "198.18.6.1", "b", RULE_TABLE, LATER_MS + 1}}},
    {"who is being answered stays, also when all are",
     2,
     0,
     {{ENTERS, "198.18.1.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.2.1", "", RULE_NONE, NOW_MS},
      {BUSY, "a", NULL, RULE_NONE, NOW_MS},
      {ENTERS, "198.18.3.1", "b", RULE_TABLE, LATER_MS},
      {BUSY, "c", NULL, RULE_NONE, LATER_MS},
      {REFUSED, "198.18.4.1", NULL, RULE_TABLE, LATER_MS + 100000},
      {REFUSED, "+198.18.4.1", NULL, RULE_TABLE, LATER_MS + 100000},
      {WAITS, "a", NULL, RULE_NONE, LATER_MS + 100000},
      {ENTERS, "198.18.4.1", "a", RULE_TABLE, LATER_MS + 200000}}},
    {"the network where most wait loses first, at once and until it is no heavier than the newcomer's",
     6,
     0,
     {{ENTERS, "198.18.1.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.9.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.9.2", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.9.3", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.9.4", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.9.5", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.2.1", "b", RULE_TABLE, NOW_MS},
      {ENTERS, "198.18.1.2", "c", RULE_TABLE, NOW_MS},
      {ENTERS, "198.18.2.2", "d", RULE_TABLE, NOW_MS},
      {REFUSED, "198.18.1.3", NULL, RULE_TABLE, NOW_MS},
      {REFUSED, "198.18.9.6", NULL, RULE_TABLE, NOW_MS}, /* trying again is of no use */
      {ENTERS, "198.18.3.1", "a", RULE_TABLE, NOW_MS}}},
    {"of IPv6 the /48 counts",
     3,
     0,
     {{ENTERS, "2001:db8:1:100::1", "", RULE_NONE, NOW_MS},
      {ENTERS, "2001:db8:1:200::1", "", RULE_NONE, NOW_MS},
      {ENTERS, "2001:db8:2:100::1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.1.1", "a", RULE_TABLE, NOW_MS}}},
    {"fresh seats go before kept ones of the same weight, though these have waited longer",
     4,
     0,
     {{ENTERS, "198.18.1.1", "", RULE_NONE, NOW_MS},
      {BUSY, "a", NULL, RULE_NONE, NOW_MS},
      {WAITS, "a", NULL, RULE_NONE, NOW_MS},
      {ENTERS, "198.18.2.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.3.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.4.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.5.1", "b", RULE_TABLE, LATER_MS}}},
    {"a heavy network of kept seats goes before a light one of fresh seats",
     4,
     0,
     {{ENTERS, "198.18.1.1", "", RULE_NONE, NOW_MS},
      {BUSY, "a", NULL, RULE_NONE, NOW_MS},
      {WAITS, "a", NULL, RULE_NONE, NOW_MS},
      {ENTERS, "198.18.1.2", "", RULE_NONE, NOW_MS},
      {BUSY, "b", NULL, RULE_NONE, NOW_MS},
      {WAITS, "b", NULL, RULE_NONE, NOW_MS},
      {ENTERS, "198.18.3.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.4.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.5.1", "a", RULE_TABLE, NOW_MS}}},
    {"while fresh seats are few, kept ones of the same weight make room: idling after a request keeps nobody out",
     4,
     0,
     {{ENTERS, "198.18.1.1", "", RULE_NONE, NOW_MS},
      {BUSY, "a", NULL, RULE_NONE, NOW_MS},
      {WAITS, "a", NULL, RULE_NONE, NOW_MS},
      {ENTERS, "198.18.2.1", "", RULE_NONE, NOW_MS},
      {BUSY, "b", NULL, RULE_NONE, NOW_MS},
      {WAITS, "b", NULL, RULE_NONE, NOW_MS},
      {ENTERS, "198.18.3.1", "", RULE_NONE, NOW_MS},
      {BUSY, "c", NULL, RULE_NONE, NOW_MS},
      {WAITS, "c", NULL, RULE_NONE, NOW_MS},
      {ENTERS, "198.18.4.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.5.1", "a", RULE_TABLE, LATER_MS}}},
    {"an IPv4 /24 has a quarter, and what comes after displaces its own",
     8,
     1,
     {{ENTERS, "198.18.1.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.1.2", "", RULE_NONE, NOW_MS},
      {REFUSED, "198.18.1.3", NULL, RULE_NETWORK, LATER_MS - 1},
      {ENTERS, "198.18.1.3", "a", RULE_NETWORK, LATER_MS},
      {BUSY, "b", NULL, RULE_NONE, LATER_MS},
      {BUSY, "c", NULL, RULE_NONE, LATER_MS},
      {REFUSED, "198.18.1.4", NULL, RULE_NETWORK, LATER_MS + 100000},
      {ENTERS, "+198.18.1.4", "", RULE_NONE, LATER_MS}, /* who is known has no share with its neighbours */
      {ENTERS, "198.18.2.4", "", RULE_NONE, LATER_MS}}},
    {"an IPv6 /56 has a quarter and a /48 half",
     8,
     1,
     {{ENTERS, "2001:db8:1:100::1", "", RULE_NONE, NOW_MS},
      {ENTERS, "2001:db8:1:101::1", "", RULE_NONE, NOW_MS},
      {ENTERS, "2001:db8:1:102::1", "a", RULE_NETWORK, LATER_MS},
      {ENTERS, "2001:db8:1:200::1", "", RULE_NONE, LATER_MS},
      {ENTERS, "2001:db8:1:300::1", "", RULE_NONE, LATER_MS},
      {ENTERS, "2001:db8:1:400::1", "b", RULE_NETWORK, LATER_MS},
      {ENTERS, "2001:db8:2:100::1", "", RULE_NONE, LATER_MS}}},
    {"a share is never less than what one address may have",
     8,
     3,
     {{ENTERS, "198.18.1.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.1.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.1.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.1.2", "a", RULE_NETWORK, LATER_MS}}},
    {"an eighth is for the known, who displace strangers at once and each other last",
     8,
     0,
     {{ENTERS, "198.18.1.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.2.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.3.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.4.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.5.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.6.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "198.18.7.1", "", RULE_NONE, NOW_MS},
      {REFUSED, "198.18.8.1", NULL, RULE_TABLE, NOW_MS},
      {ENTERS, "+198.18.8.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "+198.18.8.2", "a", RULE_TABLE, NOW_MS},
      {REFUSED, "198.18.9.1", NULL, RULE_TABLE, NOW_MS},
      {ENTERS, "198.18.9.1", "b", RULE_TABLE, LATER_MS}}},
    {"the known displace each other when no stranger waits, and a stranger only what is beyond their eighth",
     8,
     0,
     {{ENTERS, "+198.18.1.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "*198.18.1.1", "", RULE_NONE, NOW_MS},
      {ENTERS, "+198.18.1.2", "", RULE_NONE, NOW_MS},
      {ENTERS, "+198.18.1.3", "", RULE_NONE, NOW_MS},
      {ENTERS, "+198.18.1.4", "", RULE_NONE, NOW_MS},
      {ENTERS, "+198.18.1.5", "", RULE_NONE, NOW_MS},
      {ENTERS, "+198.18.1.6", "", RULE_NONE, NOW_MS},
      {ENTERS, "", "", RULE_NONE, NOW_MS},
      {ENTERS, "+198.18.1.7", "a", RULE_TABLE, NOW_MS},
      {REFUSED, "198.18.2.1", NULL, RULE_TABLE, NOW_MS},
      {ENTERS, "198.18.2.1", "b", RULE_TABLE, LATER_MS},
      {ENTERS, "+198.18.1.8", "j", RULE_TABLE, LATER_MS}}},
};

struct stage {
    struct admission *admission;
    struct seat *seats[SEATS_MAX];
    char letters[SEATS_MAX];
    size_t count;
};

static struct seat **seat_of(struct stage *stage, const char *letter)
{
    return &stage->seats[letter[0] - 'a'];
}

static void enter(struct stage *stage, const struct step *step, const struct visitor *visitor, const char *title)
{
    struct decision decision;
    char displaced[8] = "";
    size_t length = 0;

    while ((decision = admission_ask(stage->admission, visitor, step->at_ms)).displaced) {
        displaced[length++] = *(const char *)seat_owner(decision.displaced);
        assert_int_equal(decision.rule, step->rule);
        admission_displace(stage->admission, decision.displaced);
    }
    if (!decision.is_admitted || strcmp(displaced, step->displaces) != 0) {
        fail_msg("%s: %s displaced \"%s\", not \"%s\"; admitted %d", title, step->who, displaced, step->displaces,
                 decision.is_admitted);
    }
    stage->letters[stage->count] = (char)('a' + stage->count);
    stage->seats[stage->count] = admission_enter(stage->admission, visitor, step->at_ms, &stage->letters[stage->count]);
    assert_non_null(stage->seats[stage->count++]);
}

static void refused(const struct stage *stage, const struct step *step, const struct visitor *visitor,
                    const char *title)
{
    const struct decision decision = admission_ask(stage->admission, visitor, step->at_ms);

    if (decision.is_admitted || decision.displaced || decision.rule != step->rule) {
        fail_msg("%s: %s was admitted %d by rule %d", title, step->who, decision.is_admitted, (int)decision.rule);
    }
}

static void play(struct stage *stage, const struct step *step, const char *title)
{
    struct visitor visitor = {.is_known = false};

    if (step->kind == ENTERS || step->kind == REFUSED) {
        visitor = visitor_from(step->who);
    }
    switch (step->kind) {
    case END: break;
    case ENTERS: enter(stage, step, &visitor, title); break;
    case REFUSED: refused(stage, step, &visitor, title); break;
    case BUSY: admission_busy(stage->admission, *seat_of(stage, step->who)); break;
    case WAITS: admission_waits(stage->admission, *seat_of(stage, step->who), step->at_ms); break;
    case LEAVES:
        admission_leave(stage->admission, *seat_of(stage, step->who));
        *seat_of(stage, step->who) = NULL;
        break;
    }
}

static void test_stories(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(stories); i++) {
        struct stage stage = {.admission = admission_new(stories[i].seats_max, stories[i].per_address_max)};
        assert_non_null(stage.admission);
        for (const struct step *step = stories[i].steps; step->kind != END; step++) {
            play(&stage, step, stories[i].title);
        }
        for (size_t j = 0; j < stage.count; j++) {
            if (stage.seats[j]) {
                admission_leave(stage.admission, stage.seats[j]);
            }
        }
        assert_int_equal(admission_count(stage.admission), 0);
        admission_free(stage.admission);
    }
}

/* ---- what is displaced closes in its own time ---- */

enum { SEATS_OF_FLOOD = 4 * ADMISSION_LEAVING_MAX };

struct flood {
    struct admission *admission;
    struct seat *seats[2 * SEATS_OF_FLOOD];
    size_t count;
    struct seat *left[SEATS_OF_FLOOD];
    size_t left_count;
};

/* As many as are let in. */
static void pour(struct flood *flood, const char *who, int64_t now_ms)
{
    const struct visitor visitor = visitor_from(who);
    struct decision decision;

    while ((decision = admission_ask(flood->admission, &visitor, now_ms)).is_admitted) {
        if (decision.displaced) {
            flood->left[flood->left_count++] = decision.displaced;
            admission_displace(flood->admission, decision.displaced);
        }
        flood->seats[flood->count++] = admission_enter(flood->admission, &visitor, now_ms, NULL);
    }
}

static void test_leaving_is_bounded(void **state)
{
    static struct flood flood;
    const struct visitor known = visitor_from("+198.19.0.1");

    (void)state;
    flood = (struct flood){.admission = admission_new(SEATS_OF_FLOOD, 0)};
    pour(&flood, "198.18.0.1", NOW_MS);
    assert_int_equal(flood.count, SEATS_OF_FLOOD - SEATS_OF_FLOOD / 8);
    assert_int_equal(flood.left_count, 0);
    pour(&flood, "198.18.0.1", LATER_MS);
    assert_int_equal(flood.left_count, ADMISSION_LEAVING_MAX / 2);
    pour(&flood, "198.19.0.1", LATER_MS);
    assert_int_equal(flood.left_count, ADMISSION_LEAVING_MAX / 4 * 3);
    pour(&flood, "+198.19.0.1", LATER_MS);
    assert_int_equal(flood.left_count, ADMISSION_LEAVING_MAX);
    assert_int_equal(admission_count(flood.admission), SEATS_OF_FLOOD);
    /* what has closed makes room for another */
    admission_busy(flood.admission, flood.left[0]); /* too late for its request */
    admission_waits(flood.admission, flood.left[0], LATER_MS);
    admission_leave(flood.admission, flood.left[0]);
    assert_true(admission_ask(flood.admission, &known, LATER_MS).is_admitted);
    for (size_t i = 0; i < flood.count; i++) {
        if (flood.seats[i] != flood.left[0]) {
            admission_leave(flood.admission, flood.seats[i]);
        }
    }
    assert_int_equal(admission_count(flood.admission), 0);
    admission_free(flood.admission);
}

/* ---- whatever happens ---- */

struct random_seat {
    struct seat *seat;
    struct visitor visitor;
    bool is_gone;
};

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(*seed >> 33);
}

static struct visitor random_visitor(uint64_t *seed)
{
    char text[64];

    switch (next_random(seed) % 4) {
    case 0:
        (void)snprintf(text, sizeof(text), "2001:db8:%x:%x::1", next_random(seed) % 3, next_random(seed) % 0x300);
        break;
    case 1: (void)snprintf(text, sizeof(text), "+198.18.%u.%u", next_random(seed) % 4, next_random(seed) % 4); break;
    case 2: (void)snprintf(text, sizeof(text), "%s", next_random(seed) % 4 == 0 ? "*198.18.0.1" : "198.18.0.1"); break;
    default: (void)snprintf(text, sizeof(text), "198.18.%u.%u", next_random(seed) % 20, next_random(seed) % 4); break;
    }
    return visitor_from(text);
}

static void test_any_order(void **state)
{
    enum { SEATS = 40, PER_ADDRESS = 3 };
    _cleanup_(admission_freep) struct admission *admission = admission_new(SEATS, PER_ADDRESS);
    static struct random_seat open[4 * SEATS];
    uint64_t seed = 7;
    size_t displaced = 0, refusals = 0;
    int64_t now_ms = NOW_MS;

    (void)state;
    for (int turn = 0; turn < 200000; turn++) {
        struct random_seat *place = &open[next_random(&seed) % ELEMENTS(open)];
        now_ms += next_random(&seed) % 200;
        if (!place->seat) {
            struct decision decision;
            place->visitor = random_visitor(&seed);
            while ((decision = admission_ask(admission, &place->visitor, now_ms)).displaced) {
                struct random_seat *gone = seat_owner(decision.displaced);
                assert_false(gone->is_gone);
                gone->is_gone = true;
                displaced++;
                admission_displace(admission, decision.displaced);
            }
            if (decision.is_admitted) {
                place->seat = admission_enter(admission, &place->visitor, now_ms, place);
                place->is_gone = false;
            } else {
                refusals++;
            }
        } else if (next_random(&seed) % 3 == 0) {
            admission_leave(admission, place->seat);
            place->seat = NULL;
        } else if (next_random(&seed) % 2 == 0) {
            admission_busy(admission, place->seat);
        } else {
            admission_waits(admission, place->seat, now_ms);
        }
        assert_true(admission_count(admission) <= SEATS);
    }
    assert_true(displaced > 100);
    assert_true(refusals > 100);
    for (size_t i = 0; i < ELEMENTS(open); i++) {
        if (open[i].seat) {
            admission_leave(admission, open[i].seat);
        }
    }
    assert_int_equal(admission_count(admission), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stories),
        cmocka_unit_test(test_leaving_is_bounded),
        cmocka_unit_test(test_any_order),
    };

    return crypto_init() < 0 ? 1 : cmocka_run_group_tests_name("admission", tests, NULL, NULL);
}
