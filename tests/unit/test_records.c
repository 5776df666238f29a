#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/secret.h"
#include "queue/records_internal.h"
#include "some_hosts.h"

static struct address address_of(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(text, strlen(text), &address), 0);
    return address;
}

static void know(struct record *record, enum record_knowledge knowledge, enum record_foreign foreign,
                 const struct address *address, uint32_t ttl_s, int64_t now_ms)
{
    const struct rdata value = address ? rdata_of_address(address) : (struct rdata){0};
    const struct knowledge known = {knowledge, foreign, address ? &value : NULL, ttl_s};

    record_know(record, &known, now_ms);
}

static void set_last(struct record *record, const struct address *address, uint32_t ttl_s)
{
    const struct rdata value = rdata_of_address(address);

    record_set_last(record, &value, ttl_s);
}

static void configure(struct records *records, const char *const *pairs)
{
    _cleanup_(hosts_unrefp) struct hosts *hosts = some_hosts(pairs);
    assert_int_equal(records_configure(records, hosts), 0);
}

static int setup(void **state)
{
    static const char *const pairs[] = {"one.a.test.", "[A, AAAA]", "two.a.test.", "A", "b.test.", "AAAA", NULL};
    struct records *records = records_new();

    configure(records, pairs);
    *state = records;
    return 0;
}

static int teardown(void **state)
{
    records_free(*state);
    return 0;
}

static void test_find(void **state)
{
    struct records *records = *state;
    const struct record *record = records_find(records, "one.a.test.", RECORD_AAAA);
    char longest[400];

    assert_non_null(record);
    assert_string_equal(record->hostname, "one.a.test.");
    assert_int_equal(record->type, RECORD_AAAA);
    assert_int_equal(record_zone(record), 0);
    assert_true(record_is_configured(record));
    assert_ptr_not_equal(record, records_find(records, "one.a.test.", RECORD_A));
    assert_int_equal(record_zone(records_find(records, "b.test.", RECORD_AAAA)), 1);
    assert_null(records_find(records, "two.a.test.", RECORD_AAAA));
    assert_null(records_find(records, "three.a.test.", RECORD_A));
    assert_null(records_find(records, "", RECORD_A));
    memset(longest, 'a', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    assert_null(records_find(records, longest, RECORD_A));
}

static void test_view_at_first(void **state)
{
    struct record_view view;

    record_view(records_find(*state, "two.a.test.", RECORD_A), &view);
    assert_int_equal(view.knowledge, RECORD_UNKNOWN);
    assert_false(view.busy);
    assert_int_equal(view.last_set.address.family, ADDRESS_NONE);
}

static void test_knowledge(void **state)
{
    struct record *record = records_find(*state, "two.a.test.", RECORD_A);
    const struct address address = address_of("192.0.2.1");
    const struct address last = address_of("192.0.2.2");
    struct record_view view;

    know(record, RECORD_PLAIN, FOREIGN_NONE, &address, 60, 1234);
    set_last(record, &last, 300);
    record_view(record, &view);
    assert_int_equal(view.knowledge, RECORD_PLAIN);
    assert_true(address_equal(&view.value.address, &address));
    assert_int_equal(view.ttl_s, 60);
    assert_int_equal(view.looked_at_ms, 1000); /* to the second, never later than it was */
    assert_true(address_equal(&view.last_set.address, &last));
    assert_int_equal(view.last_set_ttl_s, 300);
    know(record, RECORD_FOREIGN, FOREIGN_ALIAS, NULL, 0, 5678);
    record_view(record, &view);
    assert_int_equal(view.knowledge, RECORD_FOREIGN);
    assert_int_equal(view.foreign, FOREIGN_ALIAS);
    assert_int_equal(view.value.address.family, ADDRESS_NONE);
}

/* References are counted: what a view holds stays while the record learns something else. */
static void test_texts(void **state)
{
    struct record *record = records_find(*state, "two.a.test.", RECORD_A);
    struct rdata value = {0};
    struct record_view before, after;

    assert_int_equal(rdata_parse("\"one\"\n\"two\"", 11, &value), 0);
    const struct knowledge known = {RECORD_PLAIN, FOREIGN_NONE, &value, 60};
    record_know(record, &known, 1);
    record_set_last(record, &value, 60);
    record_view(record, &before);
    record_forget(record);
    record_view(record, &after);
    assert_int_equal(after.knowledge, RECORD_UNKNOWN);
    assert_true(rdata_is_empty(&after.value));
    assert_true(rdata_equal(&after.last_set, &value));
    rdata_drop(&value);
    assert_int_equal(rdata_count(&before.value), 2);
    record_view_done(&before);
    record_view_done(&after);
}

/* What is known and what was last set, the same or not, in any order: an entry keeps one of them where it can. */
static void test_known_and_last_set(void **state)
{
    static const char *const texts[] = {"", "192.0.2.1", "192.0.2.2", "2001:db8::1", "\"one\"", "\"two\" \"parts\""};
    struct rdata values[ELEMENTS(texts)];
    struct record *record = records_find(*state, "one.a.test.", RECORD_A);
    struct record_view view;
    uint32_t seed = 1;
    size_t known = 0, last = 0;
    uint32_t known_ttl_s = 0, last_ttl_s = 0;

    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        assert_int_equal(rdata_parse(texts[i], strlen(texts[i]), &values[i]), 0);
    }
    for (unsigned step = 0; step < 2000; step++) {
        seed = seed * 1664525U + 1013904223U;
        const size_t chosen = (seed >> 8) % ELEMENTS(texts);
        const uint32_t ttl_s = 60 + (seed >> 20) % 2;
        if (seed >> 31) {
            known = chosen;
            known_ttl_s = ttl_s;
            record_know(record, &(struct knowledge){RECORD_PLAIN, FOREIGN_NONE, &values[known], ttl_s}, step);
        } else {
            last = chosen;
            last_ttl_s = ttl_s;
            record_set_last(record, &values[last], ttl_s);
        }
        record_view(record, &view);
        assert_true(rdata_equal(&view.value, &values[known]) && rdata_equal(&view.last_set, &values[last]));
        assert_true(known == 0 || view.ttl_s == known_ttl_s);
        assert_true(last == 0 || view.last_set_ttl_s == last_ttl_s);
        /* A view may go back in. */
        record_set_last(record, &view.last_set, last_ttl_s);
        record_view_done(&view);
    }
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        rdata_drop(&values[i]);
    }
    record_release(record);
}

static void test_busy(void **state)
{
    struct record *record = records_find(*state, "two.a.test.", RECORD_A);
    struct record_view view;

    assert_true(record_begin(record));
    assert_false(record_begin(record));
    record_view(record, &view);
    assert_true(view.busy);
    assert_false(record_end(record, 1));
    assert_false(record_end(record, 0));
    assert_true(record_end(record, 1));
    record_view(record, &view);
    assert_false(view.busy);
}

static void test_slot_and_mark(void **state)
{
    struct record *record = records_find(*state, "two.a.test.", RECORD_A);

    assert_null(record_slot(record));
    record_set_slot(record, &record);
    assert_ptr_equal(record_slot(record), &record);
    assert_int_equal(*record_listing(record), 0);
    assert_false(*record_drift_told(record));
}

static void test_remember(void **state)
{
    struct records *records = *state;
    struct store_record remembered = {.record = {"two.a.test.", RECORD_A}, .ttl_s = 60};
    struct record_view view;

    remembered.value.address = address_of("192.0.2.7");
    records_remember(records, &remembered);
    remembered.record.hostname = "gone.a.test.";
    records_remember(records, &remembered);
    record_view(records_find(records, "two.a.test.", RECORD_A), &view);
    assert_true(address_equal(&view.last_set.address, &remembered.value.address));
    assert_int_equal(view.knowledge, RECORD_UNKNOWN); /* what DNS holds is another question */
    assert_null(records_find(records, "gone.a.test.", RECORD_A));
}

static void note(struct record *record, void *userdata)
{
    strcat(userdata, record->hostname);
    strcat(userdata, record->type == RECORD_A ? "A " : "AAAA ");
}

static void test_each(void **state)
{
    struct records *records = *state;
    char names[256] = "";

    assert_int_equal(records_each(records, 0, note, names), 3);
    assert_string_equal(names, "one.a.test.A one.a.test.AAAA two.a.test.A "); /* file order */
    assert_int_equal(records_each(records, 1, NULL, NULL), 1);
    assert_int_equal(records_each(records, 2, NULL, NULL), 0);
}

/* Does a zone have records that it did not have when this was asked last? */
static void test_zone_since(void **state)
{
    static const char *const more[] = {"one.a.test.", "A", "two.a.test.", "A", "new.b.test.", "A", NULL};
    static const char *const back[] = {"one.a.test.", "[A, AAAA]", NULL};
    struct records *records = *state;
    const uint32_t before = records_generation(records);

    assert_int_equal(records_zone_since(records, 0), before);
    assert_int_equal(records_zone_since(records, 1), before);
    assert_int_equal(records_zone_since(records, 2), 0);
    configure(records, more);
    assert_int_equal(records_zone_since(records, 0), before);
    assert_int_equal(records_zone_since(records, 1), before + 1);
    configure(records, back);
    assert_int_equal(records_zone_since(records, 0), before + 2);
    assert_int_equal(records_zone_since(records, 1), before + 1);
    /* The next reload has begun, and has not named all of its records yet: it counts when it is in force. */
    records->zones[1].since = before + 3;
    assert_int_equal(records_zone_since(records, 1), before + 2);
    configure(records, more);
    assert_int_equal(records_zone_since(records, 1), before + 3);
}

static void test_reload(void **state)
{
    static const char *const without[] = {"two.a.test.", "A", "new.a.test.", "A", NULL};
    static const char *const with[] = {"one.a.test.", "A", "two.a.test.", "A", NULL};
    struct records *records = *state;
    struct record *one = records_find(records, "one.a.test.", RECORD_A);
    struct record *two = records_find(records, "two.a.test.", RECORD_A);
    const struct address address = address_of("192.0.2.1");
    struct record_view view;
    char names[256] = "";

    know(one, RECORD_PLAIN, FOREIGN_NONE, &address, 60, 1);
    know(two, RECORD_PLAIN, FOREIGN_NONE, &address, 60, 1);
    const uint32_t before = records_generation(records);
    configure(records, without);
    assert_int_equal(records_generation(records), before + 1);
    assert_false(record_is_configured(one));
    assert_true(record_is_configured(two));
    assert_int_equal(record_since(two), before);
    assert_int_equal(record_since(records_find(records, "new.a.test.", RECORD_A)), before + 1);
    assert_int_equal(records_each(records, 0, note, names), 2);
    assert_string_equal(names, "two.a.test.A new.a.test.A ");
    record_view(two, &view);
    assert_int_equal(view.knowledge, RECORD_PLAIN); /* survives */

    configure(records, with);
    assert_ptr_equal(records_find(records, "one.a.test.", RECORD_A), one);
    assert_true(record_is_configured(one));
    assert_false(record_is_configured(records_find(records, "one.a.test.", RECORD_AAAA)));
    record_view(one, &view);
    assert_int_equal(view.knowledge, RECORD_UNKNOWN); /* nobody kept it up meanwhile */
    assert_int_equal(record_since(one), before + 2);
}

/* A record keeps its hosts' copy of the name, and longer than they do. */
static void test_names(void **state)
{
    static const char *const pairs[] = {"shared.a.test.", "[A, AAAA]", NULL};
    struct hosts *hosts = some_hosts(pairs);
    struct records *records = *state;

    assert_int_equal(records_configure(records, hosts), 0);
    struct record *record = records_find(records, "shared.a.test.", RECORD_AAAA);
    assert_ptr_equal(record->hostname, hosts_at(hosts, 0)->hostname);
    assert_ptr_equal(records_add(records, "shared.a.test.", RECORD_A, 0)->hostname, record->hostname);
    hosts_unref(hosts);
    assert_string_equal(record->hostname, "shared.a.test.");
    assert_string_equal(records_add(records, "own.a.test.", RECORD_TXT, 0)->hostname, "own.a.test.");
    assert_ptr_equal(records_add(records, "own.a.test.", RECORD_A, 0)->hostname,
                     records_find(records, "own.a.test.", RECORD_TXT)->hostname);
}

static void test_touches(void **state)
{
    struct records *records = *state;
    struct record *one = records_find(records, "one.a.test.", RECORD_A);
    struct record *two = records_find(records, "two.a.test.", RECORD_A);
    const struct address first = address_of("192.0.2.1");
    const struct address second = address_of("192.0.2.2");
    struct store_touch touches[3];

    assert_int_equal(records_take_touches(records, touches, 3), 0);
    record_touch(two, &first, 100);
    record_touch(one, &first, 101);
    record_touch(two, &second, 102);
    assert_int_equal(records_take_touches(records, touches, 1), 1);
    assert_string_equal(touches[0].record->hostname, "two.a.test.");
    assert_int_equal(touches[0].record->type, RECORD_A);
    assert_int_equal(touches[0].time_s, 102);
    assert_true(address_equal(&touches[0].source, &second));
    assert_int_equal(records_take_touches(records, touches, 3), 1);
    assert_string_equal(touches[0].record->hostname, "one.a.test.");
    assert_int_equal(records_take_touches(records, touches, 3), 0);

    record_touch(one, &second, 200);
    record_touch(one, &first, 150); /* put back after a commit that failed */
    assert_int_equal(records_take_touches(records, touches, 3), 1);
    assert_int_equal(touches[0].time_s, 200);
    assert_true(address_equal(&touches[0].source, &second));
}

/* ---- leaving memory ---- */

static const char *const only_two[] = {"two.a.test.", "A", NULL};

/* A whole pass; returns how many it took away. */
static size_t sweep_all(struct records *records)
{
    struct records_sweep sweep = {0};

    while (records_sweep(records, &sweep, 1)) {}
    assert_null(sweep.after);
    return sweep.removed;
}

static void test_sweep(void **state)
{
    struct records *records = *state;
    char names[256] = "";

    assert_int_equal(sweep_all(records), 0);
    assert_int_equal(records_count(records), 4);
    configure(records, only_two);
    assert_int_equal(sweep_all(records), 3);
    assert_int_equal(records_count(records), 1);
    assert_null(records_find(records, "one.a.test.", RECORD_A));
    assert_null(records_find(records, "b.test.", RECORD_AAAA));
    assert_int_equal(records_each(records, 0, note, names), 1);
    assert_string_equal(names, "two.a.test.A ");
    assert_null(records_next(records, 1, NULL));

    /* The ends of the lists are where new ones go. */
    static const char *const more[] = {"two.a.test.", "A", "x.a.test.", "A", "y.b.test.", "A", NULL};
    configure(records, more);
    names[0] = '\0';
    assert_int_equal(records_each(records, 0, note, names), 2);
    assert_string_equal(names, "two.a.test.A x.a.test.A ");
    assert_int_equal(records_each(records, 1, NULL, NULL), 1);
}

/* Names come, change their types and leave, through several chunks: what is found is what is configured, and a value
 * stays with its record. */
static void test_any_types_of_many_names(void **state)
{
    enum { NAMES = 3000, TURNS = 12 };
    static const char *const lists[] = {"",    "A",        "AAAA",        "[A, AAAA]",
                                        "TXT", "[A, TXT]", "[TXT, AAAA]", "[A, AAAA, TXT]"};
    static const unsigned bits[] = {0, 1, 2, 3, 4, 5, 6, 7}; /* the same as 1 << enum record_type */
    struct records *records = *state;
    static unsigned types[NAMES];
    uint32_t seed = 1;

    for (unsigned turn = 0; turn < TURNS; turn++) {
        _cleanup_buffer_ struct buffer text = BUFFER_INIT;
        size_t count = 0;
        buffer_append_text(&text, "hosts:\n  - {hostname: one.a.test., record_type: A, shared_secret: a secret}\n");
        for (unsigned i = 0; i < NAMES; i++) {
            seed = seed * 1664525U + 1013904223U;
            types[i] = turn == TURNS - 1 ? 0 : bits[seed >> 29];
            count += (types[i] & 1U) + (types[i] >> 1 & 1U) + (types[i] >> 2);
            if (types[i] != 0) {
                buffer_printf(&text, "  - {hostname: h%u.a.test., record_type: %s, shared_secret: a secret}\n", i,
                              lists[types[i]]);
            }
        }
        _cleanup_(hosts_unrefp) struct hosts *hosts = hosts_of(buffer_text(&text));
        assert_int_equal(records_configure(records, hosts), 0);
        (void)sweep_all(records);
        assert_int_equal(records_count(records), count + 1);
        assert_int_equal(records_each(records, 0, NULL, NULL), count + 1);
        for (unsigned i = 0; i < NAMES; i++) {
            char name[32];
            (void)snprintf(name, sizeof(name), "h%u.a.test.", i);
            for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
                struct record *record = records_find(records, name, (enum record_type)type);
                struct record_view view;
                assert_int_equal(record != NULL, types[i] >> type & 1U);
                if (!record) {
                    continue;
                }
                const struct address address = {ADDRESS_IPV4, {198, 18, (uint8_t)(i >> 8), (uint8_t)i}};
                record_view(record, &view);
                assert_true(view.knowledge == RECORD_UNKNOWN || address_equal(&view.value.address, &address));
                assert_string_equal(record->hostname, name);
                assert_int_equal(record->type, type);
                record_view_done(&view);
                know(record, RECORD_PLAIN, FOREIGN_NONE, &address, 60, 1);
                record_release(record);
            }
        }
    }
}

static void test_who_is_needed_stays(void **state)
{
    struct records *records = *state;
    struct record *held = records_find(records, "one.a.test.", RECORD_A);
    struct record *busy = records_find(records, "one.a.test.", RECORD_AAAA);
    struct record *touched = records_find(records, "b.test.", RECORD_AAAA);
    const struct address source = address_of("192.0.2.1");
    struct store_touch touch;

    record_hold(held);
    record_release(held);
    (void)record_begin(busy);
    record_release(busy);
    record_touch(touched, &source, 1);
    record_release(touched);
    configure(records, only_two);
    assert_int_equal(sweep_all(records), 0);

    record_release(held);
    assert_int_equal(sweep_all(records), 1);
    (void)record_end(busy, 1);
    assert_int_equal(sweep_all(records), 1);
    assert_int_equal(records_take_touches(records, &touch, 1), 1);
    assert_int_equal(sweep_all(records), 0);
    assert_string_equal(touch.record->hostname, "b.test.");
    records_touches_done(&touch, 1);
    assert_int_equal(sweep_all(records), 1);
    assert_int_equal(records_count(records), 1);
}

/* ---- threads ---- */

#define THREADS 4
#define MANY 200
#define ROUNDS 2000

struct race {
    struct records *records;
    struct record *list[MANY];
    atomic_uint busy;
    atomic_bool is_over;
};

static void *work(void *userdata)
{
    struct race *race = userdata;
    const struct address source = address_of("192.0.2.1");
    char name[64];

    for (unsigned i = 0; i < ROUNDS; i++) {
        (void)snprintf(name, sizeof(name), "r%u.a.test.", i % MANY);
        struct record *record = records_find(race->records, name, RECORD_A);
        struct record_view view;
        record_view(record, &view);
        /* what is known is never torn */
        if (view.knowledge == RECORD_PLAIN && view.value.address.bytes[3] != (uint8_t)view.ttl_s) {
            abort();
        }
        record_touch(record, &source, i);
        if (record_begin(record)) {
            atomic_fetch_add(&race->busy, 1);
        }
        if (record_end(record, 1)) {
            atomic_fetch_sub(&race->busy, 1);
        }
    }
    return NULL;
}

static void *reload(void *userdata)
{
    struct race *race = userdata;
    static const char *const pairs[] = {"r1.a.test.", "A", "fresh.a.test.", "A", NULL};
    _cleanup_(hosts_unrefp) struct hosts *hosts = some_hosts(pairs);

    while (!atomic_load(&race->is_over)) {
        (void)records_configure(race->records, hosts);
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct race race = {.records = records_new()};
    pthread_t threads[THREADS];
    pthread_t reloader;
    struct store_touch touches[64];
    size_t taken = 0;
    (void)state;

    for (unsigned i = 0; i < MANY; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "r%u.a.test.", i);
        race.list[i] = records_add(race.records, name, RECORD_A, 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, &race), 0);
    }
    assert_int_equal(pthread_create(&reloader, NULL, reload, &race), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct address address = {.family = ADDRESS_IPV4, .bytes = {192, 0, 2, (uint8_t)i}};
        know(race.list[i % MANY], RECORD_PLAIN, FOREIGN_NONE, &address, (uint8_t)i, i);
        set_last(race.list[i % MANY], &address, i);
        taken += records_take_touches(race.records, touches, ELEMENTS(touches));
        if (i % 100 == 0) {
            (void)records_each(race.records, 0, NULL, NULL);
        }
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    atomic_store(&race.is_over, true);
    pthread_join(reloader, NULL);
    for (size_t n = 1; n > 0; taken += n) {
        n = records_take_touches(race.records, touches, ELEMENTS(touches));
    }
    assert_true(taken >= MANY);
    assert_int_equal(atomic_load(&race.busy), 0);
    records_free(race.records);
}

/* As the daemon does: workers find, ask and let go; hosts come and go on one thread, records are swept on another. */
static void *find_and_ask(void *userdata)
{
    struct race *race = userdata;
    const struct address source = address_of("192.0.2.1");
    char name[64];

    for (unsigned i = 0; !atomic_load(&race->is_over); i++) {
        struct record_view view;
        (void)snprintf(name, sizeof(name), "r%u.a.test.", i % 8);
        struct record *record = records_find(race->records, name, RECORD_A);
        if (!record) {
            continue;
        }
        record_view(record, &view);
        record_touch(record, &source, i);
        (void)record_begin(record);
        record_release(record); /* as when the client has gone and the change goes on */
        if (strcmp(record->hostname, name) != 0) {
            abort();
        }
        (void)record_end(record, 1);
        atomic_fetch_add(&race->busy, 1);
    }
    return NULL;
}

static void *come_and_go(void *userdata)
{
    static const char *const even[] = {"r0.a.test.", "A",          "r2.a.test.", "A", "r4.a.test.",
                                       "A",          "r6.a.test.", "A",          NULL};
    static const char *const odd[] = {"r1.a.test.", "A", "r3.a.test.", "A", "r5.a.test.", "A", "r7.a.test.", "A", NULL};
    struct race *race = userdata;
    _cleanup_(hosts_unrefp) struct hosts *some = some_hosts(even);
    _cleanup_(hosts_unrefp) struct hosts *others = some_hosts(odd);

    for (unsigned turn = 0; !atomic_load(&race->is_over); turn++) {
        (void)records_configure(race->records, turn % 2 ? some : others);
    }
    return NULL;
}

static void test_sweep_threads(void **state)
{
    struct race race = {.records = records_new()};
    pthread_t threads[THREADS];
    pthread_t reloader;
    struct store_touch touches[64];
    size_t removed = 0;

    (void)state;
    assert_int_equal(pthread_create(&reloader, NULL, come_and_go, &race), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, find_and_ask, &race), 0);
    }
    while (atomic_load(&race.busy) < ROUNDS || removed < 100) {
        struct records_sweep sweep = {0};
        while (records_sweep(race.records, &sweep, 3)) {}
        removed += sweep.removed;
        const size_t taken = records_take_touches(race.records, touches, ELEMENTS(touches));
        for (size_t i = 0; i < taken; i++) {
            assert_int_equal(touches[i].record->hostname[0], 'r');
        }
        records_touches_done(touches, taken);
        (void)records_each(race.records, 0, NULL, NULL);
    }
    atomic_store(&race.is_over, true);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_join(reloader, NULL);
    records_free(race.records);
}

static int group_setup(void **state)
{
    (void)state;
    return crypto_init();
}

#define RECORDS_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORDS_TEST(test_find),
        RECORDS_TEST(test_view_at_first),
        RECORDS_TEST(test_knowledge),
        RECORDS_TEST(test_texts),
        RECORDS_TEST(test_known_and_last_set),
        RECORDS_TEST(test_busy),
        RECORDS_TEST(test_slot_and_mark),
        RECORDS_TEST(test_remember),
        RECORDS_TEST(test_each),
        RECORDS_TEST(test_zone_since),
        RECORDS_TEST(test_reload),
        RECORDS_TEST(test_names),
        RECORDS_TEST(test_touches),
        RECORDS_TEST(test_sweep),
        RECORDS_TEST(test_any_types_of_many_names),
        RECORDS_TEST(test_who_is_needed_stays),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_sweep_threads),
    };
    return cmocka_run_group_tests_name("records", tests, group_setup, NULL);
}
