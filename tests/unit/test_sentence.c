/* What an outcome is called over HTTP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/sentence.h"
#include "base/cleanup.h"
#include "base/parse.h"

static const struct host home = {.hostname = "home.example.com."};

static struct update_item item_of(enum outcome outcome, const char *address)
{
    struct update_item item = {.host = &home, .waiter.outcome = outcome};
    struct address *parsed = &item.waiter.request.value.address;

    assert_int_equal(address_parse(address, strlen(address), parsed), 0);
    item.type = record_type_of(parsed);
    return item;
}

static void test_outcomes(void **state)
{
    static const struct {
        enum outcome outcome;
        unsigned status;
        bool retry;
        const char *result;
        const char *says;
    } rows[] = {
        {OUTCOME_SET, 200, false, "good", "home.example.com. now has the address 198.18.7.9"},
        {OUTCOME_UNCHANGED, 200, false, "nochg", "home.example.com. already has the address 198.18.7.9"},
        {OUTCOME_NO_RECORD, 403, false, "no_record", "add A to its record_type"},
        {OUTCOME_UNUSABLE, 400, false, "unusable_address", "198.18.7.9 can stand in no DNS record"},
        {OUTCOME_LOCKED, 403, false, "locked", "remove lock_record"},
        {OUTCOME_PRIVATE, 403, false, "private_address", "allow_internal"},
        {OUTCOME_NOT_SOURCE, 403, false, "not_source_address", "not the address that you come from"},
        {OUTCOME_CONFLICT, 409, false, "conflict", "never overwritten"},
        {OUTCOME_REFUSED, 403, false, "refused", "it gave no reason"},
        {OUTCOME_NO_ZONE, 503, true, "no_zone", "does not have the zone of home.example.com."},
        {OUTCOME_TIMED_OUT, 503, true, "timed_out", "it stays queued"},
        {OUTCOME_QUEUE_FULL, 503, true, "queue_full", "too many changes are queued"},
        {OUTCOME_STOPPING, 503, true, "stopping", "the server is stopping"},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct update_item item = item_of(rows[i].outcome, "198.18.7.9");
        struct sentence sentence;
        sentence_of(&item, &sentence);
        if (sentence.status != rows[i].status || strstr(sentence.text, rows[i].says) == NULL) {
            fail_msg("%s: %u, \"%s\"", rows[i].result, sentence.status, sentence.text);
        }
        assert_string_equal(sentence.result, rows[i].result);
        assert_int_equal(sentence.success, rows[i].status == 200);
        assert_int_equal(sentence.retry_after_s, rows[i].retry ? RETRY_AFTER_S : 0);
        assert_null(strchr(sentence.text, '\n'));
    }
}

/* The same outcomes where the record was to go. */
static void test_withdrawals(void **state)
{
    static const struct {
        enum outcome outcome;
        unsigned status;
        const char *says;
    } rows[] = {
        {OUTCOME_SET, 200, "home.example.com. now has no AAAA record"},
        {OUTCOME_UNCHANGED, 200, "home.example.com. already has no AAAA record; nothing to do"},
        {OUTCOME_NO_RECORD, 403, "has no AAAA in its record_type in hosts.yaml; name a type that it has"},
        {OUTCOME_LOCKED, 403, "remove lock_record"},
        {OUTCOME_CONFLICT, 409, "never withdrawn; delete it in DNS itself"},
        {OUTCOME_REFUSED, 403, "refused the withdrawal of AAAA for home.example.com."},
        {OUTCOME_NO_ZONE, 503, "does not have the zone of home.example.com."},
        {OUTCOME_TIMED_OUT, 503, "has not accepted the withdrawal of AAAA for home.example.com. yet"},
        {OUTCOME_QUEUE_FULL, 503, "the withdrawal of AAAA for home.example.com. was not taken"},
        {OUTCOME_STOPPING, 503, "send the withdrawal of AAAA for home.example.com. again"},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct update_item item = {.host = &home, .type = RECORD_AAAA, .waiter.outcome = rows[i].outcome};
        struct sentence sentence;
        sentence_of(&item, &sentence);
        if (sentence.status != rows[i].status || strstr(sentence.text, rows[i].says) == NULL) {
            fail_msg("row %zu: %u, \"%s\"", i, sentence.status, sentence.text);
        }
    }
}

static void test_what_stands_there(void **state)
{
    static const struct {
        enum record_foreign foreign;
        const char *says;
    } rows[] = {
        {FOREIGN_ALIAS, "is an alias"},
        {FOREIGN_ROUTING_POLICY, "part of a routing policy"},
        {FOREIGN_SEVERAL_VALUES, "several values"},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct update_item item = item_of(OUTCOME_CONFLICT, "2001:db8::9");
        struct sentence sentence;
        item.waiter.foreign = rows[i].foreign;
        sentence_of(&item, &sentence);
        assert_non_null(strstr(sentence.text, rows[i].says));
        assert_non_null(strstr(sentence.text, "AAAA record of home.example.com."));
    }
}

/* The provider's words, however long, in whatever bytes. */
static void test_words_of_the_provider(void **state)
{
    struct update_item item = item_of(OUTCOME_REFUSED, "198.18.7.9");
    char text[64];
    char words[4000];
    struct sentence sentence;

    (void)state;
    item.waiter.message = text;
    (void)strcpy(text, "the TTL is not to our taste");
    sentence_of(&item, &sentence);
    assert_non_null(strstr(sentence.text, ": the TTL is not to our taste"));
    (void)strcpy(text, "two lines\r\nand a\ttab");
    sentence_of(&item, &sentence);
    assert_non_null(strstr(sentence.text, ": two lines  and a tab"));
    for (size_t start = 0; start < 3; start++) { /* wherever the end cuts into a character of three bytes */
        memset(words, 'x', start);
        for (size_t i = start; i + 3 < sizeof(words); i += 3) {
            memcpy(words + i, "\xe2\x82\xac", 4);
        }
        item.waiter.message = words;
        sentence_of(&item, &sentence);
        assert_true(utf8_is_valid(sentence.text, strlen(sentence.text)));
        assert_in_range(strlen(sentence.text), sizeof(sentence.text) - 4, sizeof(sentence.text) - 1);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_withdrawals),
        cmocka_unit_test(test_what_stands_there),
        cmocka_unit_test(test_words_of_the_provider),
    };

    return cmocka_run_group_tests_name("sentence", tests, NULL, NULL);
}
