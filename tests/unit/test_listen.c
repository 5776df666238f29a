/* Unit tests of web/listen: real sockets on loopback and in a folder of the test's own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "temporary.h"
#include "web/listen.h"

static struct endpoint endpoint(const char *text)
{
    struct endpoint endpoint;

    assert_int_equal(endpoint_parse(text, &endpoint), 0);
    return endpoint;
}

static int open_one(const char *text, struct buffer *message, struct listener *ret_listener)
{
    struct endpoint one = endpoint(text);
    int r = listener_open(&one, 1, 0, message, ret_listener);

    endpoint_done(&one);
    return r;
}

static int v6only(int fd)
{
    int value = -1;
    socklen_t length = sizeof(value);

    assert_int_equal(getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &value, &length), 0);
    return value;
}

static int connect_to(const char *address_text, uint16_t port)
{
    struct address address;
    struct sockaddr_storage storage = {0};
    socklen_t length = 0;

    assert_int_equal(address_parse(address_text, strlen(address_text), &address), 0);
    if (address.family == ADDRESS_IPV4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&in.sin_addr, address.bytes, 4);
        memcpy(&storage, &in, length = sizeof(in));
    } else {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
        memcpy(&in6.sin6_addr, address.bytes, 16);
        memcpy(&storage, &in6, length = sizeof(in6));
    }
    _cleanup_close_ int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    return connect(fd, (struct sockaddr *)&storage, length) < 0 ? -errno : 0;
}

/* A port that nobody else gets while the descriptor is open: it is bound, does not listen, and lets others bind who listen. */
static int hold_port(int family, uint16_t *ret_port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct sockaddr *name = family == AF_INET ? (struct sockaddr *)&in : (struct sockaddr *)&in6;
    socklen_t length = family == AF_INET ? sizeof(in) : sizeof(in6);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int yes = 1;

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
    assert_int_equal(bind(fd, name, length), 0);
    assert_int_equal(getsockname(fd, name, &length), 0);
    *ret_port = ntohs(family == AF_INET ? in.sin_port : in6.sin6_port);
    return fd;
}

static void test_tcp(void **state)
{
    struct buffer message = BUFFER_INIT;
    struct listener listener;
    uint16_t port;
    char text[64];

    (void)state;
    assert_int_equal(open_one("127.0.0.1:0", &message, &listener), 0);
    assert_true(listener.port > 0);
    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", listener.port);
    assert_string_equal(listener.text, text);
    listener_done(&listener);

    int held = hold_port(AF_INET, &port);
    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", port);
    assert_int_equal(open_one(text, &message, &listener), 0);
    assert_int_equal(listener.port, port);
    assert_true((fcntl(listener.fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(listener.fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(connect_to("127.0.0.1", listener.port), 0);
    assert_int_equal(connect_to("127.0.0.2", listener.port), -ECONNREFUSED);

    /* the same once more: taken */
    struct listener second = {.fd = -1};
    assert_int_equal(open_one(text, &message, &second), -EADDRINUSE);
    assert_non_null(strstr(buffer_text(&message), text));
    assert_non_null(strstr(buffer_text(&message), "choose another port"));
    assert_int_equal(second.fd, -1);

    listener_stop(&listener);
    assert_int_equal(connect_to("127.0.0.1", port), -ECONNREFUSED);
    listener_done(&listener);
    assert_int_equal(listener.fd, -1);
    listener_done(&listener);
    /* and free again, whatever lingers of the connection */
    assert_int_equal(open_one(text, &message, &second), 0);
    listener_done(&second);
    close(held);
    buffer_done(&message);
}

static void test_ipv6_serves_ipv4_too(void **state)
{
    struct buffer message = BUFFER_INIT;
    struct listener listener;
    char text[64];

    (void)state;
    assert_int_equal(open_one("[::]:0", &message, &listener), 0);
    assert_int_equal(v6only(listener.fd), 0);
    (void)snprintf(text, sizeof(text), "[::]:%u", listener.port);
    assert_string_equal(listener.text, text);
    assert_int_equal(connect_to("127.0.0.1", listener.port), 0);
    assert_int_equal(connect_to("::1", listener.port), 0);
    listener_done(&listener);
    buffer_done(&message);
}

/* `["[::]:PORT", "0.0.0.0:PORT"]` is what people write, in either order. */
static void test_both_families_on_one_port(void **state)
{
    struct buffer message = BUFFER_INIT;
    uint16_t port;
    char texts[2][32];

    (void)state;
    int held = hold_port(AF_INET6, &port);
    (void)snprintf(texts[0], sizeof(texts[0]), "[::]:%u", port);
    (void)snprintf(texts[1], sizeof(texts[1]), "0.0.0.0:%u", port);
    for (size_t first = 0; first < 2; first++) {
        struct endpoint endpoints[] = {endpoint(texts[first]), endpoint(texts[1 - first])};
        struct listener listeners[2];
        for (size_t i = 0; i < 2; i++) {
            if (listener_open(endpoints, 2, i, &message, &listeners[i]) < 0) {
                fail_msg("%s", buffer_text(&message));
            }
        }
        assert_int_equal(v6only(listeners[first].fd), 1);
        assert_int_equal(connect_to("127.0.0.1", port), 0);
        assert_int_equal(connect_to("::1", port), 0);
        for (size_t i = 0; i < 2; i++) {
            listener_done(&listeners[i]);
            endpoint_done(&endpoints[i]);
        }
    }
    close(held);
    buffer_done(&message);
}

static void test_address_that_nobody_has(void **state)
{
    struct buffer message = BUFFER_INIT;
    struct listener listener = {.fd = -1};

    (void)state;
    assert_int_equal(open_one("192.0.2.77:0", &message, &listener), -EADDRNOTAVAIL);
    assert_non_null(strstr(buffer_text(&message), "no interface of this machine has the address"));
    buffer_done(&message);
}

/* ---- unix sockets ---- */

struct place {
    char *folder;
    char path[256];
    char text[300]; /* of the endpoint */
};

static int make_place(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    assert_non_null(place);
    place->folder = temporary_folder_make();
    (void)snprintf(place->path, sizeof(place->path), "%s/a.sock", place->folder);
    (void)snprintf(place->text, sizeof(place->text), "unix:%s", place->path);
    *state = place;
    return 0;
}

static int remove_place(void **state)
{
    struct place *place = *state;

    temporary_folder_remove(place->folder);
    free(place);
    return 0;
}

static int connect_unix(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(strlen(path) < sizeof(un.sun_path));
    memcpy(un.sun_path, path, strlen(path));
    return connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0 ? -errno : 0;
}

static void test_unix(void **state)
{
    const struct place *place = *state;
    struct buffer message = BUFFER_INIT;
    struct listener listener;
    struct stat info;

    mode_t old = umask(0077);
    assert_int_equal(open_one(place->text, &message, &listener), 0);
    umask(old);
    assert_int_equal(lstat(place->path, &info), 0);
    assert_true(S_ISSOCK(info.st_mode));
    assert_int_equal(info.st_mode & 07777, 0660); /* whatever the umask says: the proxy's group must get in */
    assert_string_equal(listener.text, place->text);
    assert_int_equal(listener.port, 0);
    assert_int_equal(connect_unix(place->path), 0);

    struct listener second = {.fd = -1};
    assert_int_equal(open_one(place->text, &message, &second), -EADDRINUSE);
    assert_int_equal(connect_unix(place->path), 0); /* the first one is still there */

    listener_stop(&listener);
    assert_int_equal(lstat(place->path, &info), -1);
    listener_done(&listener);
    buffer_done(&message);
}

static void test_stale_unix_socket_is_replaced(void **state)
{
    const struct place *place = *state;
    struct buffer message = BUFFER_INIT;
    struct listener killed;
    struct listener listener;

    assert_int_equal(open_one(place->text, &message, &killed), 0);
    close(TAKE_FD(killed.fd)); /* as kill -9 leaves it */
    free(TAKE_PTR(killed.unix_path));
    listener_done(&killed);
    assert_int_equal(connect_unix(place->path), -ECONNREFUSED);
    assert_int_equal(open_one(place->text, &message, &listener), 0);
    assert_int_equal(connect_unix(place->path), 0);
    listener_done(&listener);
    assert_int_equal(connect_unix(place->path), -ENOENT);
    buffer_done(&message);
}

/* Somebody moved it away and put an own one there. */
static void test_anothers_socket_is_kept(void **state)
{
    const struct place *place = *state;
    struct buffer message = BUFFER_INIT;
    struct listener first;
    struct listener second;
    char aside[300];

    assert_int_equal(open_one(place->text, &message, &first), 0);
    (void)snprintf(aside, sizeof(aside), "%s.aside", place->path);
    assert_int_equal(rename(place->path, aside), 0);
    assert_int_equal(open_one(place->text, &message, &second), 0);
    listener_done(&first);
    assert_int_equal(connect_unix(place->path), 0);
    listener_done(&second);
    buffer_done(&message);
}

static void test_file_in_its_place_is_kept(void **state)
{
    const struct place *place = *state;
    struct buffer message = BUFFER_INIT;
    struct listener listener = {.fd = -1};
    struct stat info;

    int fd = open(place->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(open_one(place->text, &message, &listener), -EEXIST);
    assert_non_null(strstr(buffer_text(&message), "not a socket"));
    assert_int_equal(lstat(place->path, &info), 0);
    assert_true(S_ISREG(info.st_mode));
    buffer_done(&message);
}

static void test_folder_that_is_not_there(void **state)
{
    const struct place *place = *state;
    struct buffer message = BUFFER_INIT;
    struct listener listener = {.fd = -1};
    char text[320];

    (void)snprintf(text, sizeof(text), "unix:%s/no/a.sock", place->folder);
    assert_int_equal(open_one(text, &message, &listener), -ENOENT);
    assert_non_null(strstr(buffer_text(&message), "make the folder first"));
    buffer_done(&message);
}

static void test_adopt(void **state)
{
    const struct place *place = *state;
    struct buffer message = BUFFER_INIT;
    struct listener own;
    struct listener listener;

    assert_int_equal(open_one(place->text, &message, &own), 0);
    int fd = dup(own.fd);
    assert_int_equal(fcntl(fd, F_SETFL, 0), 0); /* as systemd hands it over: blocking */
    assert_int_equal(listener_adopt(fd, &message, &listener), 0);
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_string_equal(listener.text, place->text);
    listener_done(&listener);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(connect_unix(place->path), 0); /* it goes on listening, and the file stays */
    listener_done(&own);

    /* what does not listen is refused, and closed all the same */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(listener_adopt(fd, &message, &listener), -EINVAL);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_non_null(strstr(buffer_text(&message), "ListenStream="));
    buffer_done(&message);
}

/* Linux takes a path that fills its field, without a NUL. */
static void test_adopt_with_the_longest_path(void **state)
{
    const struct place *place = *state;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    char text[sizeof("unix:") + sizeof(un.sun_path)] = "unix:";
    char *path = text + strlen("unix:");
    struct buffer message = BUFFER_INIT;
    struct listener listener;

    const int length = snprintf(path, sizeof(un.sun_path), "%s/", place->folder);
    assert_in_range(length, 1, sizeof(un.sun_path) - 1);
    memset(path + length, 's', sizeof(un.sun_path) - (size_t)length);
    memcpy(un.sun_path, path, sizeof(un.sun_path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(listener_adopt(fd, &message, &listener), 0);
    assert_string_equal(listener.text, text);
    listener_done(&listener);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_ipv6_serves_ipv4_too),
        cmocka_unit_test(test_both_families_on_one_port),
        cmocka_unit_test(test_address_that_nobody_has),
        cmocka_unit_test_setup_teardown(test_unix, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_stale_unix_socket_is_replaced, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_anothers_socket_is_kept, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_file_in_its_place_is_kept, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_folder_that_is_not_there, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_adopt, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_adopt_with_the_longest_path, make_place, remove_place),
    };

    return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
