#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "queue_world.h"

/*
 * Thousands of random operations against random failures, by seed. Every address carries a number that grows, so
 * that it can be seen at any time which of two is newer. Whatever happens:
 *  - who is told that it is set finds it (or what came after it) in DNS and in the state at that moment;
 *  - DNS and the state never go back to an older address;
 *  - what is foreign is never touched;
 *  - every submission is answered once, and at the end the queue is empty and DNS holds what was asked for last.
 */

#define ZONES 3
#define HOSTS 24
#define OPERATIONS 1500

enum variant {
    VARIANT_FAILURES = 1, /* of every kind that passes */
    VARIANT_DROPS = 2,    /* bad records and zones that vanish: changes are refused */
    VARIANT_EDITS = 4,    /* somebody else writes into the zone */
    VARIANT_SMALL = 8,    /* a queue that gets full */
    VARIANT_DRAIN = 16,   /* the end comes in the midst of it */
};

struct model {
    struct world *world;
    unsigned variant;
    uint64_t seed;
    uint32_t number;
    uint32_t wanted[ZONES][HOSTS];       /* the newest that the queue took */
    uint32_t acknowledged[ZONES][HOSTS]; /* the newest that somebody was told is set */
    unsigned results[OUTCOME_STOPPING + 1];
};

static struct model *the_model;

/* The engine has its own numbers, so that a change in it does not shift the operations. */
static uint32_t pick(uint32_t upper_bound)
{
    the_model->seed = the_model->seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(the_model->seed >> 33) % upper_bound;
}

static bool is_ours(const struct address *address)
{
    return address->family == ADDRESS_IPV4 && address->bytes[0] == 10;
}

static uint32_t number_of(const struct address *address)
{
    return is_ours(address) ? (uint32_t)address->bytes[1] << 16 | (uint32_t)address->bytes[2] << 8 | address->bytes[3]
                            : 0;
}

static struct entry *entry_at(unsigned zone, unsigned host)
{
    return entry_of(the_model->world->zones[zone], host, RECORD_A);
}

static bool is_foreign(unsigned host)
{
    return host == 7 || host == 15;
}

static void check_answer(struct asked *asked)
{
    for (size_t i = 0; i < asked->count; i++) {
        const struct waiter *item = &asked->items[i];
        const unsigned zone = record_zone(item->request.record);
        const unsigned host = (unsigned)strtoul(item->request.record->hostname + 1, NULL, 10);
        const struct entry *entry = entry_at(zone, host);
        const uint32_t number = number_of(&item->request.value.address);

        the_model->results[item->outcome]++;
        if (item->outcome != OUTCOME_SET && item->outcome != OUTCOME_UNCHANGED) {
            continue;
        }
        assert_false(is_foreign(host));
        assert_true(number_of(&entry->saved.address) >= number);
        if (!entry->is_edited) {
            assert_int_equal(entry->knowledge, RECORD_PLAIN);
            assert_true(number_of(&entry->value.address) >= number);
        }
        if (number > the_model->acknowledged[zone][host]) {
            the_model->acknowledged[zone][host] = number;
        }
    }
}

/* When a call arrives at the server, before anything of it is applied. */
static void check_call(struct provider_zone *fake)
{
    const struct call *call = &fake->calls[CALL_APPLY];
    const unsigned zone = fake == the_model->world->zones[0] ? 0 : fake == the_model->world->zones[1] ? 1 : 2;

    for (size_t i = 0; i < call->count; i++) {
        const unsigned host = (unsigned)strtoul(call->changes[i]->record->hostname + 1, NULL, 10);
        const uint32_t number = number_of(&call->changes[i]->value.address);
        assert_false(is_foreign(host));
        assert_true(number >= number_of(&entry_at(zone, host)->value.address));
        assert_true(number >= the_model->acknowledged[zone][host]);
    }
}

/* ---- operations ---- */

static void submit(uint32_t count, bool is_new)
{
    struct model *model = the_model;
    struct asked *asked = ask_new(model->world, count);
    unsigned zones[8];
    unsigned hosts[8];

    for (uint32_t i = 0; i < count; i++) {
        zones[i] = pick(ZONES);
        hosts[i] = pick(HOSTS);
        uint32_t number = model->wanted[zones[i]][hosts[i]];
        if (is_new || number == 0) {
            number = ++model->number;
        }
        ask_item(asked, i, entry_at(zones[i], hosts[i])->record, numbered(number));
    }
    ask_submit(asked);
    for (uint32_t i = 0; i < count; i++) {
        if (asked->items[i].outcome != OUTCOME_QUEUE_FULL) {
            model->wanted[zones[i]][hosts[i]] = number_of(&asked->items[i].request.value.address);
        }
    }
}

static void break_something(void)
{
    static const enum provider_outcome outcomes[] = {PROVIDER_TRANSIENT, PROVIDER_TRANSIENT, PROVIDER_TRANSIENT,
                                                     PROVIDER_THROTTLED, PROVIDER_THROTTLED, PROVIDER_CREDENTIALS};
    struct provider_zone *zone = the_model->world->zones[pick(ZONES)];
    struct fault *fault = &zone->faults[pick(CALL_KINDS)];

    *fault = (struct fault){
        .outcome = outcomes[pick(ELEMENTS(outcomes))],
        .times = 1 + pick(3),
        .is_applied = pick(2),
        .retry_after_ms = pick(4) ? 0 : pick(3000),
    };
    if ((the_model->variant & VARIANT_DROPS) && pick(6) == 0) {
        fault->outcome = PROVIDER_NO_ZONE;
        fault->times = 1;
    }
    if (fault->outcome != PROVIDER_TRANSIENT) {
        fault->is_applied = false; /* it says that nothing was done */
    }
}

static void edit_something(void)
{
    const unsigned zone = pick(ZONES);
    const unsigned host = pick(HOSTS);
    struct entry *entry = entry_at(zone, host);

    if (is_foreign(host)) {
        return;
    }
    entry->knowledge = pick(2) ? RECORD_PLAIN : RECORD_ABSENT;
    entry->value.address = address_of("203.0.113.1");
    entry->ttl_s = TTL_S;
    entry->is_edited = true;
}

static void operate(void)
{
    struct world *world = the_model->world;
    struct provider_zone *zone = world->zones[pick(ZONES)];
    const unsigned what = pick(100);

    if (what < 60) {
        submit(1 + pick(4), pick(10) != 0);
    } else if (what < 68 && (the_model->variant & VARIANT_FAILURES)) {
        break_something();
    } else if (what < 70 && (the_model->variant & VARIANT_FAILURES)) {
        world->commit_error = pick(3) ? 0 : -ENOSPC;
    } else if (what < 72 && (the_model->variant & VARIANT_DROPS)) {
        struct entry *entry = entry_at(pick(ZONES), pick(HOSTS));
        entry->is_bad = !entry->is_bad;
        zone->names_culprit = pick(2);
    } else if (what < 75 && (the_model->variant & VARIANT_EDITS)) {
        edit_something();
    } else if (what < 77) {
        zone->is_held = pick(3) == 0;
    } else if (what < 78) {
        zone->latency_ms = pick(400);
    } else if (what < 79) {
        world->is_store_held = !world->is_store_held;
        if (!world->is_store_held) {
            store_release(world);
        }
    } else if (what < 80) {
        queue_reconfigure(world->queue, &world->options);
    } else if (what < 81) {
        world_run_by(world, pick(12000), 20);
    } else {
        world_run_by(world, pick(250), 5);
    }
}

static void heal(void)
{
    struct world *world = the_model->world;

    world->commit_error = 0;
    store_release(world);
    for (unsigned i = 0; i < ZONES; i++) {
        world->zones[i]->is_held = false;
        memset(world->zones[i]->faults, 0, sizeof(world->zones[i]->faults));
        for (unsigned host = 0; host < HOSTS; host++) {
            entry_at(i, host)->is_bad = false;
        }
    }
    world_run_by(world, 1000, 5); /* calls under way see the end of it */
    queue_reconfigure(world->queue, &world->options);
    for (unsigned i = 0; i < 600 && world->queue->shared.tally.changes > 0; i++) {
        world_run_by(world, 500, 5);
    }
    world_run_by(world, 1000, 5);
    assert_empty(world);
    assert_int_equal(world->answered, world->submitted);
}

static void check_end(void)
{
    for (unsigned zone = 0; zone < ZONES; zone++) {
        for (unsigned host = 0; host < HOSTS; host++) {
            const struct entry *entry = entry_at(zone, host);
            const uint32_t wanted = the_model->wanted[zone][host];
            if (is_foreign(host) || wanted == 0) {
                assert_int_equal(entry->applied, 0);
                continue;
            }
            struct record_view view;
            record_view(entry->record, &view);
            assert_int_equal(number_of(&entry->value.address), wanted);
            assert_int_equal(number_of(&entry->saved.address), wanted);
            assert_int_equal(number_of(&view.value.address), wanted);
            assert_int_equal(number_of(&view.last_set.address), wanted);
            assert_false(view.busy);
        }
    }
}

static void submit_to_all(void)
{
    for (unsigned zone = 0; zone < ZONES; zone++) {
        for (unsigned host = 0; host < HOSTS; host++) {
            the_model->wanted[zone][host] = ++the_model->number;
            ask_address(the_model->world, zone, host, numbered(the_model->number));
        }
    }
}

static void model_init(struct model *model, unsigned variant, uint64_t seed)
{
    static const char *const names[ZONES] = {"a.test.", "b.test.", "c.test."};

    *model = (struct model){.world = world_new(20), .variant = variant, .seed = seed * 7919 + variant};
    the_model = model;
    model->world->seed = seed;
    model->world->on_answer = check_answer;
    model->world->options.reconcile_ms = 20000;
    model->world->options.update_timeout_ms = 5000;
    if (variant & VARIANT_SMALL) {
        model->world->options.queued_max = 12;
    }
    for (unsigned i = 0; i < ZONES; i++) {
        struct provider_zone *zone = world_add_zone(model->world, names[i], HOSTS);
        zone->ops.page_records = 5;
        zone->ops.value_characters_max = 140; /* about six */
        zone->before_apply = check_call;
        zone->record_count = i == 2 ? 400 : 0; /* one that is asked for single records */
        for (unsigned host = 0; host < HOSTS; host++) {
            if (is_foreign(host)) {
                entry_at(i, host)->knowledge = RECORD_FOREIGN;
                entry_at(i, host)->foreign = FOREIGN_ALIAS;
            } else if (host % 3 == 0) {
                put(model->world, i, host, "192.0.2.1");
            }
        }
    }
    queue_reconfigure(model->world->queue, &model->world->options);
}

static void drain_in_the_midst(struct world *world)
{
    queue_drain(world->queue, now_ms(world) + 10000, note_drained, world);
    for (unsigned i = 0; i < 50; i++) {
        submit(1, true);
        world_run_by(world, 250, 5);
    }
    assert_true(world->is_drained);
    assert_empty(world);
    assert_int_equal(world->answered, world->submitted);
}

static void run_model(unsigned variant, uint64_t seed)
{
    struct model model;

    model_init(&model, variant, seed);
    queue_start(model.world->queue);
    for (unsigned i = 0; i < OPERATIONS; i++) {
        operate();
    }
    if (variant & VARIANT_DRAIN) {
        drain_in_the_midst(model.world);
    } else {
        heal();
        if (variant & (VARIANT_DROPS | VARIANT_EDITS | VARIANT_SMALL)) {
            model.world->options.queued_max = 1000;
            heal(); /* a zone that was gone is back */
            submit_to_all();
            heal();
        }
        check_end();
        assert_true(model.results[OUTCOME_SET] > 50);
    }
    world_free(model.world);
}

static void run_seeds(unsigned variant)
{
    const char *wanted = getenv("DDNS53_TEST_SEEDS"); /* more of them, for a night */
    const uint64_t seeds = wanted ? strtoull(wanted, NULL, 10) : 4;

    for (uint64_t seed = 1; seed <= seeds; seed++) {
        run_model(variant, seed);
    }
}

static void test_no_failures(void **state)
{
    (void)state;
    run_seeds(0);
}

static void test_failures(void **state)
{
    (void)state;
    run_seeds(VARIANT_FAILURES);
}

static void test_failures_and_drops(void **state)
{
    (void)state;
    run_seeds(VARIANT_FAILURES | VARIANT_DROPS);
}

static void test_failures_and_edits(void **state)
{
    (void)state;
    run_seeds(VARIANT_FAILURES | VARIANT_EDITS);
}

static void test_small_queue(void **state)
{
    (void)state;
    run_seeds(VARIANT_FAILURES | VARIANT_SMALL);
}

static void test_everything(void **state)
{
    (void)state;
    run_seeds(VARIANT_FAILURES | VARIANT_DROPS | VARIANT_EDITS | VARIANT_SMALL);
}

static void test_drain(void **state)
{
    (void)state;
    run_seeds(VARIANT_FAILURES | VARIANT_DROPS | VARIANT_DRAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_failures),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_failures_and_drops),
        cmocka_unit_test(test_failures_and_edits),
        cmocka_unit_test(test_small_queue),
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_drain),
    };
    return cmocka_run_group_tests_name("queue_model", tests, NULL, NULL);
}
