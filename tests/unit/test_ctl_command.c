#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/commands.h"
#include "ctl/ctl.h"

#define WORDS_MAX 16

struct parsed {
    char *words[WORDS_MAX];
    struct common_options common;
    const struct command *command;
    struct arguments *arguments;
    int r;
};

/* A command line with blanks between its words. What is wrong is said to standard error, which a test has closed. */
static void parse(struct parsed *parsed, const char *line)
{
    int count = 0;

    *parsed = (struct parsed){.r = 0};
    parsed->words[count++] = strdup("ddns53ctl");
    for (const char *word = line + strspn(line, " "); *word != '\0'; word += strspn(word, " ")) {
        size_t length = strcspn(word, " ");
        parsed->words[count++] = strndup(word, length);
        word += length;
    }
    parsed->r = command_parse(count, parsed->words, &parsed->common, &parsed->command, &parsed->arguments);
}

static void parsed_done(struct parsed *parsed)
{
    arguments_free(parsed->arguments);
    for (size_t i = 0; i < WORDS_MAX; i++) {
        free(parsed->words[i]);
    }
}

static void test_a_whole_line(void **state)
{
    _cleanup_(parsed_done) struct parsed parsed;

    (void)state;
    parse(&parsed, "--json -c /x client home.example.com --for=curl --qr");
    assert_int_equal(parsed.r, 0);
    assert_true(parsed.common.json && !parsed.common.help && !parsed.common.version);
    assert_string_equal(parsed.common.config, "/x");
    assert_string_equal(parsed.command->name, "client");
    assert_int_equal(argument_count(parsed.arguments), 1);
    assert_string_equal(argument_at(parsed.arguments, 0), "home.example.com");
    assert_null(argument_at(parsed.arguments, 1));
    assert_string_equal(option_value(parsed.arguments, "for"), "curl");
    assert_true(option_given(parsed.arguments, "qr") && !option_given(parsed.arguments, "devices"));
    assert_null(option_value(parsed.arguments, "qr"));
}

static void test_options_that_repeat(void **state)
{
    _cleanup_(parsed_done) struct parsed parsed;

    (void)state;
    parse(&parsed, "init --listen a --zone z --listen b");
    assert_int_equal(parsed.r, 0);
    assert_string_equal(option_value_at(parsed.arguments, "listen", 0), "a");
    assert_string_equal(option_value_at(parsed.arguments, "listen", 1), "b");
    assert_null(option_value_at(parsed.arguments, "listen", 2));
    assert_string_equal(option_value(parsed.arguments, "zone"), "z");
}

static void test_words_behind_two_dashes(void **state)
{
    _cleanup_(parsed_done) struct parsed parsed;

    (void)state;
    parse(&parsed, "completion -- bash --for");
    assert_int_equal(parsed.r, 0);
    assert_string_equal(argument_at(parsed.arguments, 1), "--for");
}

static void test_what_is_wrong(void **state)
{
    static const char *const lines[] = {
        "nothing",          "--nothing", "client --nothing", "init --zone", "init --zone a --zone b", "completion",
        "completion a b c", "init a",    "init --json",      "-c",          "client --for",           "-x",
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(lines); i++) {
        _cleanup_(parsed_done) struct parsed parsed;
        parse(&parsed, lines[i]);
        if (parsed.r >= 0) {
            fail_msg("%s is taken", lines[i]);
        }
    }
}

static void test_no_command(void **state)
{
    _cleanup_(parsed_done) struct parsed parsed;

    (void)state;
    parse(&parsed, "--help");
    assert_int_equal(parsed.r, 0);
    assert_true(parsed.common.help);
    assert_null(parsed.command);
}

/* Where only help is wanted, nothing else has to be right. */
static void test_help_of_a_command(void **state)
{
    _cleanup_(parsed_done) struct parsed parsed;

    (void)state;
    parse(&parsed, "completion --help");
    assert_int_equal(parsed.r, 0);
    assert_true(parsed.common.help);
    assert_string_equal(parsed.command->name, "completion");
}

static void test_every_row(void **state)
{
    const struct command *row;

    (void)state;
    for (size_t i = 0; (row = command_at(i)); i++) {
        char name[64];
        size_t used;
        (void)snprintf(name, sizeof(name), "%s", row->name);
        char *space = strchr(name, ' ');
        char *words[] = {name, space ? space + 1 : NULL};
        if (space) {
            *space = '\0';
        }
        assert_ptr_equal(command_find(words, space ? 2 : 1, &used), row);
        assert_int_equal(used, space ? 2 : 1);
        assert_non_null(row->run);
        assert_true(row->least <= row->most && row->example && row->summary && row->arguments);
        assert_true((row->completion == COMPLETE_WORDS) == (row->words != NULL));
        for (const struct command_option *option = row->options; option && option->name; option++) {
            assert_true((option->completion == COMPLETE_WORDS) == (option->words != NULL));
            assert_true(option->value || (option->completion == COMPLETE_NOTHING && !option->repeats));
        }
        for (const struct command_exit *status = row->exits; status && status->help; status++) {
            assert_in_range(status->status, 0, 127);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_line),
        cmocka_unit_test(test_options_that_repeat),
        cmocka_unit_test(test_words_behind_two_dashes),
        cmocka_unit_test(test_what_is_wrong),
        cmocka_unit_test(test_no_command),
        cmocka_unit_test(test_help_of_a_command),
        cmocka_unit_test(test_every_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
