/* Waiting until the servers have what was set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue_world.h"

struct waiting {
    struct sync_wait wait; /* first member */
    struct rdata value;
    unsigned answers;
    int error;
    char message[64];
};

static void note_sync(struct sync_wait *wait, int error, const char *message)
{
    struct waiting *waiting = (struct waiting *)wait;

    waiting->answers++;
    waiting->error = error;
    (void)snprintf(waiting->message, sizeof(waiting->message), "%s", message);
    rdata_drop(&waiting->value); /* the owner may end here */
    record_release(wait->record);
}

static struct world *world_with_one(void)
{
    struct world *world = world_new(5);

    world_add_zone(world, "a.test.", 3);
    world_start(world);
    ask(world, 0, 1, "198.18.0.1");
    world_run(world, 400);
    return world;
}

static void await(struct world *world, struct waiting *waiting, int64_t timeout_ms)
{
    const struct address address = address_of("198.18.0.1");

    *waiting = (struct waiting){.value = rdata_of_address(&address)};
    waiting->wait = (struct sync_wait){.record = record_of(world, 0, 1),
                                       .value = &waiting->value,
                                       .change_id = "C1",
                                       .deadline_ms = now_ms(world) + timeout_ms,
                                       .done = note_sync};
    record_hold(waiting->wait.record);
    queue_await_sync(world->queue, &waiting->wait);
}

static void it_is_asked_until_they_have_it(void **state)
{
    struct world *world = world_with_one();
    struct provider_zone *zone = world->zones[0];
    struct waiting waiting;

    (void)state;
    zone->syncs = 4;
    await(world, &waiting, 60000);
    world_run(world, 300);
    assert_int_equal(waiting.answers, 0);
    assert_string_equal(zone->synced_id, "C1");
    world_run(world, 5000);
    assert_int_equal(waiting.answers, 1);
    assert_int_equal(waiting.error, 0);
    assert_int_equal(zone->counts[CALL_SYNC], 5);
    world_run(world, 60000);
    assert_int_equal(zone->counts[CALL_SYNC], 5); /* nobody waits any more */
    world_free(world);
}

static void it_is_asked_less_and_less_often(void **state)
{
    struct world *world = world_with_one();
    struct waiting waiting;

    (void)state;
    world->zones[0]->syncs = 1000;
    await(world, &waiting, 60000);
    world_run(world, 59000);
    assert_int_equal(waiting.answers, 0);
    assert_in_range(world->zones[0]->counts[CALL_SYNC], 10, 25);
    world_run(world, 7000);
    assert_int_equal(waiting.answers, 1);
    assert_int_equal(waiting.error, -ETIMEDOUT);
    world_free(world);
}

static void several_take_turns(void **state)
{
    struct world *world = world_with_one();
    struct waiting waiting[3];

    (void)state;
    world->zones[0]->syncs = 7;
    for (size_t i = 0; i < ELEMENTS(waiting); i++) {
        await(world, &waiting[i], 60000);
    }
    world_run(world, 30000);
    for (size_t i = 0; i < ELEMENTS(waiting); i++) {
        assert_int_equal(waiting[i].answers, 1);
        assert_int_equal(waiting[i].error, 0);
    }
    assert_int_equal(world->zones[0]->counts[CALL_SYNC], 10);
    world_free(world);
}

static void failures(void **state)
{
    static const struct {
        enum provider_outcome outcome;
        unsigned times;
        int error;
    } rows[] = {
        {PROVIDER_TRANSIENT, 3, 0},
        {PROVIDER_THROTTLED, 2, 0},
        {PROVIDER_TRANSIENT, UINT_MAX, -ETIMEDOUT},
        {PROVIDER_CREDENTIALS, 1, -ENOTSUP},
        {PROVIDER_REFUSED, 1, -ENOTSUP},
        {PROVIDER_NO_ZONE, 1, -ENOTSUP},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct world *world = world_with_one();
        struct waiting waiting;
        world->zones[0]->faults[CALL_SYNC] =
            (struct fault){.outcome = rows[i].outcome, .times = rows[i].times, .message = "so it is"};
        await(world, &waiting, 20000);
        world_run(world, 30000);
        assert_int_equal(waiting.answers, 1);
        assert_int_equal(waiting.error, rows[i].error);
        assert_string_equal(waiting.message, rows[i].error ? "so it is" : "");
        world_free(world);
    }
}

static void a_provider_that_cannot_tell(void **state)
{
    struct world *world = world_with_one();
    struct waiting waiting;

    (void)state;
    world->zones[0]->ops.in_sync = NULL;
    await(world, &waiting, 20000);
    assert_int_equal(waiting.answers, 1);
    assert_int_equal(waiting.error, -ENOTSUP);
    world_free(world);
}

static void note_end(void *userdata, size_t left)
{
    (void)left;
    *(bool *)userdata = true;
}

/* The answer that was under way may still come. */
static void the_end_does_not_wait_for_it(void **state)
{
    struct world *world = world_with_one();
    struct waiting waiting;
    bool is_drained = false;

    (void)state;
    world->zones[0]->syncs = 1000;
    await(world, &waiting, 600000);
    world_run(world, 5);
    assert_int_equal(world->zones[0]->counts[CALL_SYNC], 1);
    queue_drain(world->queue, now_ms(world) + 5000, note_end, &is_drained);
    world_run(world, 1);
    assert_true(is_drained);
    assert_int_equal(waiting.answers, 1);
    assert_int_equal(waiting.error, -ESHUTDOWN);
    world_run(world, 1000);
    assert_int_equal(waiting.answers, 1);
    await(world, &waiting, 600000);
    assert_int_equal(waiting.error, -ESHUTDOWN);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_asked_until_they_have_it),
        cmocka_unit_test(it_is_asked_less_and_less_often),
        cmocka_unit_test(several_take_turns),
        cmocka_unit_test(failures),
        cmocka_unit_test(a_provider_that_cannot_tell),
        cmocka_unit_test(the_end_does_not_wait_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
