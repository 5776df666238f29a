#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/file.h"
#include "config/hosts_edit.h"
#include "edit_actions.h"
#include "some_hosts.h"
#include "temporary.h"

/* ---- one edit of a text ---- */

static void assert_edit(const char *text, struct action action, const char *expected)
{
    _cleanup_buffer_ struct buffer new_text = BUFFER_INIT;
    _cleanup_buffer_ struct buffer said = BUFFER_INIT;

    int r = edit_text(text, strlen(text), &action, &new_text, &said);
    if (r != 0) {
        fail_msg("%d: %s", r, buffer_text(&said));
    }
    assert_string_equal(buffer_text(&new_text), expected);
}

static void assert_refused(const char *text, struct action action, int error, const char *why)
{
    _cleanup_buffer_ struct buffer new_text = BUFFER_INIT;
    _cleanup_buffer_ struct buffer said = BUFFER_INIT;

    assert_int_equal(edit_text(text, strlen(text), &action, &new_text, &said), error);
    if (!strstr(buffer_text(&said), why)) {
        fail_msg("says: %s", buffer_text(&said));
    }
}

#define TWO_ROWS                                                                                    \
    "hosts:\n"                                                                                      \
    "  - hostname: r.a.test.\n    record_type: A\n    shared_secret: \"secret of the router\"\n"    \
    "  - hostname: r.a.test.\n    record_type: AAAA\n    shared_secret: \"secret of the router\"\n" \
    "  - hostname: nas.a.test\n    record_type: AAAA\n    follows: R.a.test\n    interface_id: '::1:2:3:4'\n"

static void test_add(void **state)
{
    const struct action add = {.what = ADD,
                               .values = {{"hostname", "b.a.test."},
                                          {"record_type", "A, AAAA"},
                                          {"shared_secret", "0123456789abcdef"},
                                          {"auth", "basic"},
                                          {"allow_internal", "true"},
                                          {"mac_address", "51:6B:00:A6:F5:77"},
                                          {"comment", "living room"}},
                               .value_count = 7};
    (void)state;
    assert_edit("hosts: []\n", add,
                "hosts:\n  - hostname: b.a.test\n    record_type: [A, AAAA]\n"
                "    shared_secret: \"0123456789abcdef\"\n    auth: [basic]\n    allow_internal: true\n"
                "    mac_address: 51:6B:00:A6:F5:77\n    comment: living room\n");
    assert_edit(
        "hosts: [{hostname: x.a.test., record_type: A, shared_secret: abcdefghijklmnopq}]", add,
        "hosts: [{hostname: x.a.test., record_type: A, shared_secret: abcdefghijklmnopq}, {hostname: b.a.test., "
        "record_type: [A, AAAA], shared_secret: 0123456789abcdef, auth: [basic], allow_internal: true, "
        "mac_address: 51:6B:00:A6:F5:77, comment: living room}]");
    assert_refused("hosts: [{hostname: b.A.test, record_type: A, shared_secret: abcdefghijklmnopq}]", add, -EINVAL,
                   "is there already");
    assert_refused("hosts: [{hostname: b.A.test, record: A}]", add, -EBADMSG, "h.yaml:1:30: record: unknown key");
    assert_refused("hosts: [{hostname: b.A.test, record: A]", add, -EBADMSG, "not valid YAML");
    assert_refused("? hosts\n: []\n", add, -EINVAL, "by hand");
}

static void test_set(void **state)
{
    static const char text[] = TWO_ROWS;
    (void)state;
    assert_edit(text,
                (struct action){.what = SET,
                                .hostname = "r.a.test.",
                                .types = 1U << RECORD_AAAA,
                                .values = {{"ttl", "300"}, {"lock_record", "true"}},
                                .value_count = 2},
                "hosts:\n"
                "  - hostname: r.a.test.\n    record_type: A\n    shared_secret: \"secret of the router\"\n"
                "  - hostname: r.a.test.\n    record_type: AAAA\n    shared_secret: \"secret of the router\"\n"
                "    ttl: 300\n    lock_record: true\n"
                "  - hostname: nas.a.test\n    record_type: AAAA\n    follows: R.a.test\n"
                "    interface_id: '::1:2:3:4'\n");
    assert_edit(text,
                (struct action){.what = SET,
                                .hostname = "nas.a.test.",
                                .values = {{"interface_id", NULL}, {"mac_address", "00:11:32:12:34:56"}},
                                .value_count = 2},
                "hosts:\n"
                "  - hostname: r.a.test.\n    record_type: A\n    shared_secret: \"secret of the router\"\n"
                "  - hostname: r.a.test.\n    record_type: AAAA\n    shared_secret: \"secret of the router\"\n"
                "  - hostname: nas.a.test\n    record_type: AAAA\n    follows: R.a.test\n"
                "    mac_address: \"00:11:32:12:34:56\"\n");
    assert_refused(text, (struct action){.what = SET, .hostname = "x.a.test."}, -ENOENT, "there is no host x.a.test.");
    assert_refused(text, (struct action){.what = SET, .hostname = "r.a.test.", .types = 1U << RECORD_TXT}, -ENOENT,
                   "there is no host r.a.test. with that record type");
    assert_refused(text,
                   (struct action){.what = SET, .hostname = "r.a.test.", .values = {{"ttl", "x"}}, .value_count = 1},
                   -EINVAL, "ttl: \"x\" is not a whole number");
    assert_refused(text,
                   (struct action){.what = SET, .hostname = "r.a.test.", .values = {{"tll", "1"}}, .value_count = 1},
                   -EINVAL, "did you mean ttl");
}

static void test_remove_and_rename(void **state)
{
    static const char text[] = TWO_ROWS;
    (void)state;
    assert_refused(text, (struct action){.what = REMOVE, .hostname = "r.a.test."}, -EINVAL,
                   "follows: there is no host r.a.test.");
    assert_edit(text, (struct action){.what = REMOVE, .hostname = "nas.a.test."},
                "hosts:\n"
                "  - hostname: r.a.test.\n    record_type: A\n    shared_secret: \"secret of the router\"\n"
                "  - hostname: r.a.test.\n    record_type: AAAA\n    shared_secret: \"secret of the router\"\n");
    assert_edit(text, (struct action){.what = RENAME, .hostname = "r.a.test.", .new_name = "gw.b.test."},
                "hosts:\n"
                "  - hostname: gw.b.test.\n    record_type: A\n    shared_secret: \"secret of the router\"\n"
                "  - hostname: gw.b.test.\n    record_type: AAAA\n    shared_secret: \"secret of the router\"\n"
                "  - hostname: nas.a.test\n    record_type: AAAA\n    follows: gw.b.test\n"
                "    interface_id: '::1:2:3:4'\n");
    assert_refused(text, (struct action){.what = RENAME, .hostname = "r.a.test.", .new_name = "nas.a.test."}, -EEXIST,
                   "there is a host nas.a.test. already");
    assert_refused(text, (struct action){.what = RENAME, .hostname = "r.a.test.", .new_name = "r.c.test."}, -EINVAL,
                   "is in none of the zones");
    assert_edit("hosts: [{hostname: x.a.test., record_type: A, shared_secret: abcdefghijklmnopq}]",
                (struct action){.what = REMOVE, .hostname = "x.a.test."}, "hosts: []");
}

static void test_rotate(void **state)
{
    static const char digest[] = "hosts:\n- hostname: x.a.test\n  record_type: A\n  auth: [basic]\n  secret_sha256: "
                                 "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\n";
    (void)state;
    assert_edit("hosts:\n- hostname: x.a.test\n  shared_secret: 'the first secret' # it\n  record_type: A",
                (struct action){.what = ROTATE, .hostname = "x.a.test.", .new_name = "2099-12-31T10:00:00Z"},
                "hosts:\n- hostname: x.a.test\n  shared_secret: 'the next secret of all 1' # it\n  record_type: A\n"
                "  previous_secret: \"the first secret\"\n  previous_secret_until: 2099-12-31T10:00:00Z");
    assert_edit("hosts:\n- hostname: x.a.test\n  shared_secret: the second secret\n  record_type: A\n"
                "  previous_secret: the first secret\n  previous_secret_until: 2099-12-31\n",
                (struct action){.what = ROTATE, .hostname = "x.a.test."},
                "hosts:\n- hostname: x.a.test\n  shared_secret: the next secret of all 1\n  record_type: A\n");
    assert_edit(digest, (struct action){.what = ROTATE, .hostname = "x.a.test."},
                "hosts:\n- hostname: x.a.test\n  record_type: A\n  auth: [basic]\n  secret_sha256: "
                "9ebbdf9f42380459828e2ed209e2b5a2dc3e4a4330e26a1e1f3b0edbaeee19f2\n");
    assert_refused(digest, (struct action){.what = ROTATE, .hostname = "x.a.test.", .new_name = "2099-12-31"},
                   -EOPNOTSUPP, "use --overlap 0");
    assert_refused("hosts:\n- hostname: r.a.test\n  record_type: AAAA\n  shared_secret: abcdefghijklmnopq\n"
                   "- hostname: n.a.test\n  record_type: AAAA\n  follows: r.a.test\n  interface_id: '::1'\n",
                   (struct action){.what = ROTATE, .hostname = "n.a.test."}, -EOPNOTSUPP, "follows a router");
}

/* ---- the file ---- */

struct fixture {
    char *folder;
    char *path;
    struct settings *settings;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->folder = temporary_folder_make();
    fixture->path = path_join(fixture->folder, "hosts.yaml");
    fixture->settings = some_settings();
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    settings_unref(fixture->settings);
    temporary_folder_remove(fixture->folder);
    free(fixture->path);
    free(fixture);
    return 0;
}

static int edit_file(const struct fixture *fixture, hosts_change change, void *context, struct buffer *said,
                     size_t *ret_count)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("h.yaml");
    _cleanup_(hosts_unrefp) struct hosts *hosts = NULL;
    bool is_changed;
    int r = hosts_edit_file(fixture->path, fixture->settings, change, context, problems, &hosts, &is_changed);

    for (size_t i = 0; i < problems_count(problems); i++) {
        buffer_printf(said, "%s\n", problems_text(problems, i));
    }
    assert_true((r == 0) == (said->length == 0));
    if (ret_count) {
        *ret_count = r == 0 ? hosts_count(hosts) : 0;
    }
    return r;
}

static void write_hosts(const struct fixture *fixture, const char *text)
{
    assert_int_equal(file_replace(fixture->path, text, strlen(text), 0640), 0);
}

static void assert_content(const struct fixture *fixture, const char *expected)
{
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;

    assert_int_equal(file_read(fixture->path, SIZE_MAX, &text, NULL), 0);
    assert_string_equal(buffer_text(&text), expected);
}

#define ONE_HOST "hosts:\n  - hostname: x.a.test\n    record_type: A\n    shared_secret: abcdefghijklmnopq\n"

static void test_file(void **state)
{
    const struct fixture *fixture = *state;
    struct action lock = {.what = SET, .hostname = "x.a.test.", .values = {{"lock_record", "true"}}, .value_count = 1};
    struct action wrong = {.what = SET, .hostname = "x.a.test.", .values = {{"ttl", "no"}}, .value_count = 1};
    _cleanup_buffer_ struct buffer said = BUFFER_INIT;
    struct stat before, after;

    assert_int_equal(edit_file(fixture, perform, &lock, &said, NULL), -ENOENT);
    assert_non_null(strstr(buffer_text(&said), "no such file; make one with ddns53ctl init"));
    buffer_clear(&said);

    write_hosts(fixture, ONE_HOST);
    assert_int_equal(edit_file(fixture, perform, &wrong, &said, NULL), -EINVAL);
    assert_content(fixture, ONE_HOST);
    buffer_clear(&said);

    assert_int_equal(edit_file(fixture, perform, &lock, &said, NULL), 0);
    assert_content(fixture, ONE_HOST "    lock_record: true\n");
    assert_int_equal(stat(fixture->path, &before), 0);
    assert_int_equal(before.st_mode & 0777, 0640);
    assert_int_equal(edit_file(fixture, perform, &lock, &said, NULL), 0);
    assert_int_equal(stat(fixture->path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino); /* nothing to change: not written */

    assert_int_equal(chmod(fixture->path, 0660), 0);
    assert_int_equal(edit_file(fixture, perform, &lock, &said, NULL), -EBADMSG);
    assert_non_null(strstr(buffer_text(&said), "run chmod go-w on it"));
}

/* A person's editor saves the file while the edit is being made. */
static int interrupted(struct hosts_edit *edit, void *context)
{
    const struct fixture *fixture = context;
    static unsigned calls;
    const struct host_value lock = {"lock_record", "true"};

    if (calls++ == 0) {
        write_hosts(fixture, "# saved meanwhile\n" ONE_HOST);
    }
    return hosts_edit_set(edit, "x.a.test.", 0, &lock, 1);
}

static void test_no_edit_is_lost(void **state)
{
    struct fixture *fixture = *state;
    _cleanup_buffer_ struct buffer said = BUFFER_INIT;

    write_hosts(fixture, ONE_HOST);
    assert_int_equal(edit_file(fixture, interrupted, fixture, &said, NULL), 0);
    assert_content(fixture, "# saved meanwhile\n" ONE_HOST "    lock_record: true\n");
}

/* ---- several at once, and killed ones ---- */

static _Noreturn void add_as_process(const struct fixture *fixture, const char *name)
{
    struct action add = {.what = ADD,
                         .values = {{"hostname", name}, {"record_type", "A"}, {"shared_secret", "abcdefghijklmnopq"}},
                         .value_count = 3};
    struct buffer said = BUFFER_INIT;
    int r = edit_file(fixture, perform, &add, &said, NULL);

    if (r < 0) {
        (void)fprintf(stderr, "%s", buffer_text(&said));
    }
    _exit(r == 0 ? 0 : 1);
}

static void test_many_at_once(void **state)
{
    const struct fixture *fixture = *state;
    enum { TOOLS = 16 };
    pid_t tools[TOOLS];
    _cleanup_(problems_freep) struct problems *problems = problems_new("h.yaml");
    _cleanup_(hosts_unrefp) struct hosts *hosts = NULL;

    write_hosts(fixture, "hosts: []\n");
    for (size_t i = 0; i < TOOLS; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "tool%zu.a.test.", i);
        tools[i] = fork();
        assert_true(tools[i] >= 0);
        if (tools[i] == 0) {
            add_as_process(fixture, name);
        }
    }
    for (size_t i = 0; i < TOOLS; i++) {
        int status;
        assert_int_equal(waitpid(tools[i], &status, 0), tools[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(hosts_load(fixture->path, fixture->settings, NULL, problems, &hosts), 0);
    assert_int_equal(hosts_count(hosts), TOOLS);
}

/* The tool in a process of its own, killed when it is about to make its n-th system call or has made it. True: it came
 * to its end before. */
static bool is_done_before(const struct fixture *fixture, const char *name, unsigned stops)
{
    int status;
    pid_t tool = fork();

    assert_true(tool >= 0);
    if (tool == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0) {
            _exit(2);
        }
        add_as_process(fixture, name);
    }
    assert_int_equal(waitpid(tool, &status, 0), tool);
    assert_true(WIFSTOPPED(status));
    for (unsigned i = 0; i < stops; i++) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, tool, NULL, NULL), 0);
        assert_int_equal(waitpid(tool, &status, 0), tool);
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            return true;
        }
    }
    assert_int_equal(kill(tool, SIGKILL), 0);
    assert_int_equal(waitpid(tool, &status, 0), tool);
    assert_true(WIFSIGNALED(status));
    return false;
}

/* Wherever it dies, the file is what it was, or has the new host in it. */
static void test_killed_at_each_system_call(void **state)
{
    const struct fixture *fixture = *state;
    unsigned old = 0, new = 0;
    bool is_done = false;
    size_t count = 0;

    write_hosts(fixture, "hosts: []\n");
    for (unsigned stops = 1; !is_done; stops++) {
        _cleanup_(problems_freep) struct problems *problems = problems_new("h.yaml");
        _cleanup_(hosts_unrefp) struct hosts *hosts = NULL;
        char name[32];
        (void)snprintf(name, sizeof(name), "tool%u.a.test.", stops);
        is_done = is_done_before(fixture, name, stops);
        assert_int_equal(hosts_load(fixture->path, fixture->settings, NULL, problems, &hosts), 0);
        bool is_there = hosts_find(hosts, name) != NULL;
        assert_int_equal(hosts_count(hosts), count + (is_there ? 1 : 0));
        assert_true(is_there || !is_done);
        count = hosts_count(hosts);
        old += is_there ? 0 : 1;
        new += is_there ? 1 : 0;
    }
    print_message("the old file after %u system calls, the new one after %u\n", old, new);
    assert_true(old > 20 && new > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_remove_and_rename),
        cmocka_unit_test(test_rotate),
        cmocka_unit_test_setup_teardown(test_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_edit_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed_at_each_system_call, setup, teardown),
    };
    if (crypto_init() < 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
