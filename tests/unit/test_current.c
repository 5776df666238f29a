#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/problems.h"
#include "config/current.h"

#define READERS 4
#define SWAPS 200

/* Settings and hosts of one generation: the TTL of the zone, which the host takes over. */
static void make(unsigned generation, struct settings **ret_settings, struct hosts **ret_hosts)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("x.yaml");
    char text[128];
    static const char hosts[] = "hosts: [{hostname: a.test, record_type: A, shared_secret: 0123456789abcdef}]\n";

    (void)snprintf(text, sizeof(text), "zones: [{name: test, default_ttl: %u}]\n", generation);
    assert_int_equal(settings_load_text(text, strlen(text), "/x.yaml", problems, ret_settings), 0);
    assert_int_equal(hosts_load_text(hosts, strlen(hosts), "/h.yaml", *ret_settings, problems, ret_hosts), 0);
}

static void a_reader_keeps_what_it_took(void **state)
{
    _cleanup_(settings_unrefp) struct settings *settings = NULL;
    _cleanup_(settings_unrefp) struct settings *next_settings = NULL;
    _cleanup_(hosts_unrefp) struct hosts *hosts = NULL;
    _cleanup_(hosts_unrefp) struct hosts *next_hosts = NULL;

    (void)state;
    make(1, &settings, &hosts);
    make(2, &next_settings, &next_hosts);
    _cleanup_(current_freep) struct current *current = current_new(settings, hosts);
    _cleanup_(settings_unrefp) struct settings *taken_settings = current_settings(current);
    _cleanup_(hosts_unrefp) struct hosts *taken_hosts = current_hosts(current);
    assert_ptr_equal(taken_settings, settings);
    assert_ptr_equal(taken_hosts, hosts);

    /* Only ours and the reader's references are left; each alone keeps it. */
    current_swap(current, next_settings, NULL);
    settings_unref(TAKE_PTR(settings));
    assert_int_equal(taken_settings->zones[0].default_ttl_s, 1);
    _cleanup_(hosts_unrefp) struct hosts *same = current_hosts(current);
    assert_ptr_equal(same, hosts);

    current_swap(current, NULL, next_hosts);
    hosts_unref(TAKE_PTR(hosts));
    assert_int_equal(hosts_at(taken_hosts, 0)->ttl_s, 1);
    _cleanup_(settings_unrefp) struct settings *now_settings = current_settings(current);
    _cleanup_(hosts_unrefp) struct hosts *now_hosts = current_hosts(current);
    assert_ptr_equal(now_settings, next_settings);
    assert_ptr_equal(now_hosts, next_hosts);
}

struct readers {
    struct current *current;
    pthread_barrier_t begun;
    atomic_bool stop;
    atomic_uint mistakes;
    atomic_uint reads;
};

static void *read_all_the_time(void *data)
{
    struct readers *readers = data;
    unsigned newest = 0;

    (void)pthread_barrier_wait(&readers->begun);
    do {
        _cleanup_(settings_unrefp) struct settings *settings = current_settings(readers->current);
        _cleanup_(hosts_unrefp) struct hosts *hosts = current_hosts(readers->current);
        unsigned generation = settings->zones[0].default_ttl_s;
        const struct host *host = hosts_find_record(hosts, "a.test.", RECORD_A);
        /* The hosts were taken later, so they are as new or newer; and nothing goes back. */
        if (host == NULL || host->ttl_s < generation || generation < newest) {
            atomic_fetch_add(&readers->mistakes, 1);
        }
        newest = generation;
        atomic_fetch_add(&readers->reads, 1);
    } while (!atomic_load(&readers->stop));
    return NULL;
}

static void swaps_under_readers(void **state)
{
    pthread_t threads[READERS];
    struct readers readers = {.current = NULL};
    _cleanup_(settings_unrefp) struct settings *settings = NULL;
    _cleanup_(hosts_unrefp) struct hosts *hosts = NULL;

    (void)state;
    make(1, &settings, &hosts);
    _cleanup_(current_freep) struct current *current = current_new(settings, hosts);
    readers.current = current;
    (void)pthread_barrier_init(&readers.begun, NULL, READERS + 1);
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_all_the_time, &readers), 0);
    }
    (void)pthread_barrier_wait(&readers.begun); /* none is late, and reads what nobody swaps any more */
    for (unsigned generation = 2; generation < SWAPS; generation++) {
        _cleanup_(settings_unrefp) struct settings *next_settings = NULL;
        _cleanup_(hosts_unrefp) struct hosts *next_hosts = NULL;
        make(generation, &next_settings, &next_hosts);
        /* Hosts last would let a reader see old hosts beside new settings; both at once never. */
        current_swap(current, next_settings, next_hosts);
    }
    atomic_store(&readers.stop, true);
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    (void)pthread_barrier_destroy(&readers.begun);
    assert_int_equal(atomic_load(&readers.mistakes), 0);
    assert_true(atomic_load(&readers.reads) >= READERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_keeps_what_it_took),
        cmocka_unit_test(swaps_under_readers),
    };

    return crypto_init() < 0 ? 1 : cmocka_run_group_tests_name("current", tests, NULL, NULL);
}
