#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "provider/zonefile_text.h"

#define ZONE "example.test."
#define SOA "@ IN SOA ns hostmaster (\n 5 ; serial\n 1 1 1 1 )\n"

static struct zone_text *read_text(const char *text, size_t length)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    struct zone_text *zone = NULL;

    assert_int_equal(zone_text_read(text, length, ZONE, &message, &zone), 0);
    return zone;
}

static void write_text(struct zone_text *zone, struct buffer *buffer)
{
    const struct file_part *parts = NULL;
    size_t count = 0;

    assert_int_equal(zone_text_write(zone, 7, false, &parts, &count), 0);
    buffer_clear(buffer);
    for (size_t i = 0; i < count; i++) {
        assert_true(parts[i].length > 0);
        buffer_append(buffer, parts[i].data, parts[i].length);
    }
    assert_int_equal(buffer_status(buffer), 0);
}

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33);
}

/* A record's value as the model has it; 0: none. */
struct model {
    char hostname[64];
    struct record record;
    uint32_t value;
};

static void set(struct zone_text *zone, struct model *const *models, const uint32_t *values, size_t count)
{
    struct change_request requests[64] = {0};
    const struct change_request *changes[64];
    bool is_changed;

    assert_true(count <= ELEMENTS(requests));
    for (size_t i = 0; i < count; i++) {
        requests[i] = (struct change_request){.record = &models[i]->record, .ttl_s = 60};
        if (values[i] != 0) {
            requests[i].value.address.family = ADDRESS_IPV4;
            memcpy(requests[i].value.address.bytes, &values[i], 4);
        }
        models[i]->value = values[i];
        changes[i] = &requests[i];
    }
    assert_int_equal(zone_text_set(zone, changes, count, &is_changed), 0);
}

static void assert_holds(const struct zone_text *zone, const struct model *models, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct provider_found found;
        zone_text_find(zone, models[i].hostname, RECORD_A, &found);
        assert_int_equal(found.knowledge, models[i].value ? RECORD_PLAIN : RECORD_ABSENT);
        assert_true(models[i].value == 0 || memcmp(found.value.address.bytes, &models[i].value, 4) == 0);
    }
}

/* What is written after changes has them, and is what is written when all of it is formatted. */
static void assert_written(struct zone_text *zone, const struct model *models, size_t count)
{
    _cleanup_buffer_ struct buffer written = BUFFER_INIT, anew = BUFFER_INIT;

    write_text(zone, &written);
    _cleanup_(zone_text_freep) struct zone_text *again = read_text(written.data, written.length);
    assert_holds(again, models, count);
    write_text(again, &anew);
    assert_int_equal(written.length, anew.length);
    assert_memory_equal(written.data, anew.data, written.length);
}

/* A zone that grows from nothing to several blocks and shrinks to nothing, in steps of random size. */
static void any_changes(void **state)
{
    enum { NAMES = 3000, STEPS = 600 };
    struct model *models = calloc(NAMES, sizeof(*models));
    _cleanup_(zone_text_freep) struct zone_text *zone = read_text(SOA, strlen(SOA));
    uint64_t seed = 1;

    (void)state;
    assert_non_null(models);
    for (size_t i = 0; i < NAMES; i++) {
        (void)snprintf(models[i].hostname, sizeof(models[i].hostname), "h%u.%u." ZONE, next_random(&seed), (unsigned)i);
        models[i].record = (struct record){models[i].hostname, RECORD_A};
    }
    for (unsigned step = 0; step < STEPS; step++) {
        struct model *chosen[64];
        uint32_t values[64];
        const size_t count = 1 + next_random(&seed) % 64;
        for (size_t i = 0; i < count; i++) {
            chosen[i] = &models[next_random(&seed) % NAMES];
            /* First nearly all are put in, then nearly all are withdrawn. */
            const bool is_withdrawn = next_random(&seed) % 10 < (step < STEPS / 2 ? 1U : 9U);
            values[i] = is_withdrawn ? 0 : 1 + next_random(&seed);
        }
        set(zone, chosen, values, count);
        if (step % 10 == 0) {
            assert_written(zone, models, NAMES);
        }
    }
    for (size_t i = 0; i < NAMES; i++) {
        const uint32_t nothing = 0;
        struct model *one = &models[i];
        set(zone, &one, &nothing, i % 7 == 0 ? 1 : 0);
    }
    assert_holds(zone, models, NAMES);
    assert_written(zone, models, NAMES);
    free(models);
}

static void append_hosts(struct buffer *text, unsigned count)
{
    buffer_append_text(text, SOA "; ddns53 begin\n");
    for (unsigned i = 0; i < count; i++) {
        buffer_printf(text, "h%06u." ZONE " 60 IN A 198.18.0.1\n", i);
    }
    buffer_append_text(text, "; ddns53 end\n");
}

/* Each record near the ends of the first blocks is changed, alone; and one comes before all, one after all. */
static void ends_of_blocks(void **state)
{
    static const char *const others[] = {"a." ZONE, "z." ZONE};
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;

    (void)state;
    append_hosts(&text, 800);
    _cleanup_(zone_text_freep) struct zone_text *zone = read_text(text.data, text.length);
    for (unsigned i = 0; i < 530 + ELEMENTS(others); i++) {
        struct model model = {.value = 0}, *one = &model;
        const uint32_t value = i + 1;
        if (i < 530) {
            (void)snprintf(model.hostname, sizeof(model.hostname), "h%06u." ZONE, i);
        } else {
            (void)snprintf(model.hostname, sizeof(model.hostname), "%s", others[i - 530]);
        }
        if (i < 530 && i > 4 && i % 256 > 4 && i % 256 < 252) {
            continue;
        }
        model.record = (struct record){model.hostname, RECORD_A};
        set(zone, &one, &value, 1);
        assert_written(zone, &model, 1);
    }
}

/* Where the parts lie in the file. */
struct layout {
    size_t ends[64];
    uint64_t stamps[64];
    size_t count;
};

static struct layout write_with_room(struct zone_text *zone, struct buffer *text)
{
    const struct file_part *parts = NULL;
    struct layout layout = {.count = 0};

    assert_int_equal(zone_text_write(zone, 7, true, &parts, &layout.count), 0);
    assert_true(layout.count < ELEMENTS(layout.ends));
    buffer_clear(text);
    for (size_t i = 0; i < layout.count; i++) {
        buffer_append(text, parts[i].data, parts[i].length);
        layout.ends[i] = text->length;
        layout.stamps[i] = parts[i].stamp;
    }
    return layout;
}

/* A line that gets longer moves nothing else of the file, and only its block and the serial are other parts. */
static void room_between_the_blocks(void **state)
{
    enum { NAMES = 3000, CHANGES = 300 };
    static struct model models[NAMES];
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;
    uint64_t seed = 1;
    unsigned moved = 0;

    (void)state;
    append_hosts(&text, NAMES);
    _cleanup_(zone_text_freep) struct zone_text *zone = read_text(text.data, text.length);
    struct layout before = write_with_room(zone, &text);
    for (unsigned i = 0; i < NAMES; i++) {
        (void)snprintf(models[i].hostname, sizeof(models[i].hostname), "h%06u." ZONE, i);
        models[i].record = (struct record){models[i].hostname, RECORD_A};
        memcpy(&models[i].value, "\xc6\x12\x00\x01", 4);
    }
    for (unsigned i = 0; i < CHANGES; i++) {
        struct model *one = &models[i * 37 % NAMES]; /* each once */
        const uint32_t value = i % 3 == 0 ? 0x01010101 : next_random(&seed) | 1;
        set(zone, &one, &value, 1);
        const struct layout after = write_with_room(zone, &text);
        assert_int_equal(after.count, before.count);
        moved += memcmp(after.ends, before.ends, after.count * sizeof(*after.ends)) != 0;
        size_t changed = 0;
        for (size_t part = 0; part < after.count; part++) {
            changed += after.stamps[part] != before.stamps[part];
        }
        assert_int_equal(changed, 2);
        before = after;
    }
    assert_true(moved <= CHANGES / 50);
    _cleanup_(zone_text_freep) struct zone_text *again = read_text(text.data, text.length);
    assert_holds(again, models, NAMES);
}

static int64_t cpu_ns(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* One change of a large zone costs a small part of what formatting all of it does. */
static void one_change_of_many_records(void **state)
{
    enum { NAMES = 50000 };
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;
    const struct file_part *parts = NULL;
    size_t count = 0;
    int64_t least_ns = INT64_MAX;

    (void)state;
    append_hosts(&text, NAMES);
    _cleanup_(zone_text_freep) struct zone_text *zone = read_text(text.data, text.length);

    const int64_t begun_ns = cpu_ns();
    assert_int_equal(zone_text_write(zone, 6, false, &parts, &count), 0);
    const int64_t whole_ns = cpu_ns() - begun_ns;
    struct model model = {.hostname = "h023456." ZONE};
    struct model *one = &model;
    model.record = (struct record){model.hostname, RECORD_A};
    for (unsigned i = 0; i < 20; i++) {
        const uint32_t value = i + 1;
        const int64_t before_ns = cpu_ns();
        set(zone, &one, &value, 1);
        assert_int_equal(zone_text_write(zone, 7, false, &parts, &count), 0);
        const int64_t taken_ns = cpu_ns() - before_ns;
        least_ns = taken_ns < least_ns ? taken_ns : least_ns;
    }
    assert_true(least_ns < whole_ns / 10);
    assert_written(zone, &model, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_changes),
        cmocka_unit_test(ends_of_blocks),
        cmocka_unit_test(room_between_the_blocks),
        cmocka_unit_test(one_change_of_many_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
