#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/unix_socket.h"
#include "temporary.h"

static void a_short_path_is_taken_as_it_is(void **state)
{
    (void)state;
    struct sockaddr_un address;
    int fd = 7;

    assert_int_equal(unix_socket_address("/run/x/control.sock", &address, &fd), 0);
    assert_string_equal(address.sun_path, "/run/x/control.sock");
    assert_int_equal(fd, -1);
    assert_int_equal(address.sun_family, AF_UNIX);
}

static void a_long_path_goes_by_its_folder(void **state)
{
    (void)state;
    char *folder = temporary_folder_make();
    char path[4096];
    struct sockaddr_un bound, connected;
    int fds[2];

    (void)snprintf(path, sizeof(path), "%s/%0120d", folder, 0);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)strcat(path, "/control.sock");
    assert_int_equal(unix_socket_address(path, &bound, &fds[0]), 0);
    assert_int_equal(unix_socket_address(path, &connected, &fds[1]), 0);
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(server, (const struct sockaddr *)&bound, sizeof(bound)), 0);
    assert_int_equal(listen(server, 1), 0);
    assert_int_equal(connect(client, (const struct sockaddr *)&connected, sizeof(connected)), 0);
    assert_int_equal(access(path, F_OK), 0);
    for (size_t i = 0; i < 2; i++) {
        close(fds[i]);
    }
    close(client);
    close(server);
    temporary_folder_remove(folder);
}

static void what_cannot_be(void **state)
{
    (void)state;
    struct sockaddr_un address;
    char path[512];
    int fd = -1;

    (void)snprintf(path, sizeof(path), "/tmp/%0200d", 0); /* the name itself is too long */
    assert_int_equal(unix_socket_address(path, &address, &fd), -ENAMETOOLONG);
    (void)snprintf(path, sizeof(path), "%0200d", 0);
    assert_int_equal(unix_socket_address(path, &address, &fd), -ENAMETOOLONG);
    (void)snprintf(path, sizeof(path), "/nonexistent/%0200d/x", 0);
    assert_int_equal(unix_socket_address(path, &address, &fd), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_path_is_taken_as_it_is),
        cmocka_unit_test(a_long_path_goes_by_its_folder),
        cmocka_unit_test(what_cannot_be),
    };

    return cmocka_run_group_tests_name("unix_socket", tests, NULL, NULL);
}
