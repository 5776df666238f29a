#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "aws/credentials_file.h"

#include "environment.h"

static struct profile_file *parse(const char *text, enum profile_naming naming)
{
    struct profile_file *file = NULL;
    const char *reason = "";
    unsigned line = 0;

    if (profile_file_parse(text, strlen(text), naming, &file, &line, &reason) < 0) {
        fail_msg("line %u: %s in\n%s", line, reason, text);
    }
    return file;
}

static void test_values(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *value; /* of "key" in "x"; NULL: none */
    } rows[] = {
        {"[x]\nkey = value\n", "value"},
        {"[x]\nkey=value", "value"},
        {"[x]\r\nkey = value\r\n", "value"},
        {"\xef\xbb\xbf[x]\nkey = value\n", "value"},
        {"[x]\n  key = value\n", "value"},
        {"[ x ]\t# comment\nKEY\t=\tvalue\t\n", "value"},
        {"[x]\nkey: value\n", "value"},
        {"[x]\nkey = a=b:c\n", "a=b:c"},
        {"[x]\nkey = a#b;c\n", "a#b;c"},
        {"[x]\nkey = a #b\n", "a"},
        {"[x]\nkey = a\t;b\n", "a"},
        {"[x]\nkey =\n", ""},
        {"[x]\nkey = # nothing\n", ""},
        {"[x]\n# key = a\n; key = b\n   # key = c\n", NULL},
        {"[x]\nkey = a\nkey = b\n", "b"},
        {"[x]\nkey = a\n[y]\nkey = b\n[x]\nother = c\n", "a"},
        {"[x]\nkey = a\n[y]\n[x]\nkey = b\n", "b"},
        {"[x]\ns3 =\n  key = deeper\n", NULL},
        {"[x]\ns3 =\n  key = deeper\nkey = a\n", "a"},
        {"[x]\nkey = a\n\n  [y]\n  key = b\n", "a"},
        {"[y]\nkey = a\n", NULL},
        {"", NULL},
        {"\n\n \n", NULL},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct profile_file *file = parse(rows[i].text, PROFILES_OF_CREDENTIALS);
        const char *value = profile_file_get(file, "x", "key");
        if (!rows[i].value != !value || (value && strcmp(value, rows[i].value) != 0)) {
            fail_msg("%s\ngives %s", rows[i].text, value ? value : "nothing");
        }
        profile_file_free(file);
    }
}

static void test_names_of_profiles(void **state)
{
    (void)state;
    static const struct {
        const char *section;
        const char *in_credentials; /* the profile it means; NULL: none */
        const char *in_config;
        const char *in_either;
    } rows[] = {
        {"[default]", "default", "default", "default"},
        {"[profile default]", "profile default", "default", "default"},
        {"[x]", "x", NULL, "x"},
        {"[profile x]", "profile x", "x", "x"},
        {"[profile\t x ]", "profile\t x", "x", "x"},
        {"[profile \"x y\"]", "profile \"x y\"", "x y", "x y"},
        {"[profile 'x y']", "profile 'x y'", "x y", "x y"},
        {"['x']", "x", NULL, "x"},
        {"[profilex]", "profilex", NULL, "profilex"},
        {"[services s]", "services s", NULL, "services s"},
        {"[sso-session s]", "sso-session s", NULL, "sso-session s"},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const char *const expected[] = {rows[i].in_credentials, rows[i].in_config, rows[i].in_either};
        char text[64];
        (void)snprintf(text, sizeof(text), "%s\nkey = value", rows[i].section);
        for (unsigned naming = 0; naming < 3; naming++) {
            struct profile_file *file = parse(text, (enum profile_naming)naming);
            if (expected[naming]) {
                assert_true(profile_file_has(file, expected[naming]));
                assert_string_equal(profile_file_get(file, expected[naming], "key"), "value");
            } else {
                assert_false(profile_file_has(file, "x"));
                assert_null(profile_file_get(file, strtok(strdupa(rows[i].section), "[]'\""), "key"));
            }
            profile_file_free(file);
        }
    }
}

static void test_what_is_not_of_the_form(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned line;
        const char *reason;
    } rows[] = {
        {"[x]\n\nsecret\n", 3, "neither a [section] nor a KEY = VALUE"},
        {"[x]\n= value\n", 2, "neither a [section] nor a KEY = VALUE"},
        {"# comment\nkey = value\n", 2, "a setting before the first [section]"},
        {"[x\nkey = value\n", 1, "a section's name without its closing bracket"},
        {"[x] y\n", 1, "text after a section's name"},
        {"[x]\nkey = a\n[ ]\n", 3, "a section without a name"},
    };
    struct profile_file *file = NULL;
    const char *reason = NULL;
    unsigned line = 0;

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        assert_int_equal(
            profile_file_parse(rows[i].text, strlen(rows[i].text), PROFILES_OF_CONFIG, &file, &line, &reason), -EINVAL);
        assert_int_equal(line, rows[i].line);
        assert_string_equal(reason, rows[i].reason);
    }
    assert_int_equal(profile_file_parse("[x]\0y", 5, PROFILES_OF_CONFIG, &file, &line, &reason), -EINVAL);
    assert_null(file);
    profile_file_free(NULL);
}

struct folder {
    char path[64];
    char credentials[128];
    char config[128];
};

static int make_folder(void **state)
{
    struct folder *folder = calloc(1, sizeof(*folder));
    (void)snprintf(folder->path, sizeof(folder->path), "/tmp/ddns53 files-XXXXXX"); /* with a space */
    if (!mkdtemp(folder->path)) {
        return -1;
    }
    (void)snprintf(folder->credentials, sizeof(folder->credentials), "%s/.aws/credentials", folder->path);
    (void)snprintf(folder->config, sizeof(folder->config), "%s/.aws/config", folder->path);
    char aws[128];
    (void)snprintf(aws, sizeof(aws), "%s/.aws", folder->path);
    *state = folder;
    environment_clear();
    return mkdir(aws, 0700);
}

static int remove_folder(void **state)
{
    struct folder *folder = *state;
    static const char *const names[] = {".aws/credentials", ".aws/config", ".aws", "aws", "other"};
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        environment_remove(folder->path, names[i]);
    }
    remove(folder->path);
    free(folder);
    environment_clear();
    return 0;
}

static void test_files_of_an_environment(void **state)
{
    const struct folder *folder = *state;
    struct shared_files files = {0};
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;
    _cleanup_buffer_ struct buffer expected = BUFFER_INIT;

    environment_set("HOME", folder->path);
    environment_write(folder->path, ".aws/credentials", "[default]\na = credentials\nb = credentials\nempty =\n");
    environment_write(folder->path, ".aws/config", "[default]\nb = config\nc = config\nempty = config\n[profile y]\n");
    assert_int_equal(shared_files_load(environment_get, &files, &message), 0);
    assert_string_equal(shared_files_get(&files, "default", "a"), "credentials");
    assert_string_equal(shared_files_get(&files, "default", "b"), "credentials");
    assert_string_equal(shared_files_get(&files, "default", "c"), "config");
    assert_string_equal(shared_files_get(&files, "default", "empty"), "config");
    assert_null(shared_files_get(&files, "default", "d"));
    assert_string_equal(shared_files_find(&files, "y")->path, folder->config);
    assert_null(shared_files_find(&files, "z"));
    shared_files_describe(&files, &text);
    buffer_printf(&expected, "%s and %s", folder->credentials, folder->config);
    assert_string_equal(buffer_text(&text), buffer_text(&expected));
    shared_files_done(&files);

    /* systemd's comes first, and is both kinds of file */
    environment_set("CREDENTIALS_DIRECTORY", folder->path);
    environment_set("AWS_SHARED_CREDENTIALS_FILE", "~/other");
    environment_write(folder->path, "aws", "[default]\na = systemd\n[profile y]\na = too\n");
    assert_int_equal(shared_files_load(environment_get, &files, &message), 0);
    assert_string_equal(shared_files_get(&files, "default", "a"), "systemd");
    assert_string_equal(shared_files_get(&files, "y", "a"), "too");
    assert_string_equal(shared_files_get(&files, "default", "b"), "config");
    buffer_clear(&text);
    buffer_clear(&expected);
    shared_files_describe(&files, &text);
    buffer_printf(&expected, "%s/aws, %s/other (No such file or directory) and %s", folder->path, folder->path,
                  folder->config);
    assert_string_equal(buffer_text(&text), buffer_text(&expected));
    shared_files_done(&files);
    assert_int_equal(message.length, 0);
}

static void test_broken_file_is_named_with_its_line(void **state)
{
    const struct folder *folder = *state;
    struct shared_files files = {0};
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    _cleanup_buffer_ struct buffer expected = BUFFER_INIT;

    environment_set("HOME", folder->path);
    environment_write(folder->path, ".aws/credentials", "[default]\nwJalrXUtnFEMI\n");
    assert_int_equal(shared_files_load(environment_get, &files, &message), -EINVAL);
    buffer_printf(&expected, "%s:2: neither a [section] nor a KEY = VALUE; mend the file", folder->credentials);
    assert_string_equal(buffer_text(&message), buffer_text(&expected));
}

static void test_no_home(void **state)
{
    (void)state;
    struct shared_files files = {0};
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;

    assert_int_equal(shared_files_load(environment_get, &files, &message), 0);
    assert_int_equal(files.count, 0);
    shared_files_describe(&files, &text);
    assert_string_equal(buffer_text(&text), "the shared files (HOME is not set)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_names_of_profiles),
        cmocka_unit_test(test_what_is_not_of_the_form),
        cmocka_unit_test_setup_teardown(test_files_of_an_environment, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_broken_file_is_named_with_its_line, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_no_home, make_folder, remove_folder),
    };
    return cmocka_run_group_tests_name("credentials_file", tests, NULL, NULL);
}
