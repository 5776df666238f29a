#include "web/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/unix_socket.h"

/* The kernel caps it at net.core.somaxconn. */
#define BACKLOG 4096
#define UNIX_MODE 0660
#define UNIX_PREFIX "unix:"

struct place {
    struct sockaddr_storage address;
    socklen_t length;
};

static struct place place_of(const struct endpoint *endpoint)
{
    struct place place;

    place.length = endpoint_sockaddr(endpoint, &place.address);
    return place;
}

/* Does another endpoint want IPv4 at this one's port? Both could not listen there. */
static bool leaves_ipv4_to_another(const struct endpoint *endpoints, size_t count, const struct endpoint *endpoint)
{
    for (size_t i = 0; i < count; i++) {
        if (endpoints[i].address.family == ADDRESS_IPV4 && endpoints[i].port == endpoint->port && endpoint->port != 0) {
            return true;
        }
    }
    return false;
}

static const char *advice_for(int error)
{
    switch (error) {
    case EADDRINUSE: return "stop what listens there, or choose another port";
    case EACCES:
    case EPERM: return "start it through the systemd unit or with CAP_NET_BIND_SERVICE, or choose a port from 1024 on";
    case EADDRNOTAVAIL: return "no interface of this machine has the address; name one that it has";
    case EAFNOSUPPORT: return "the kernel does not speak this address family; name an address of the other";
    case ENOENT: return "make the folder first";
    case EMFILE:
    case ENFILE: return "raise the limit of open files";
    default: return "check the setting";
    }
}

static int fail(struct buffer *message, const struct endpoint *endpoint, int error)
{
    buffer_printf(message, "cannot listen at %s: %s; %s", endpoint->text, strerror(error),
                  error == EADDRINUSE && endpoint->unix_path ? "stop what listens there, or choose another path"
                                                             : advice_for(error));
    return -error;
}

/* ---- TCP ---- */

static int bind_tcp(int fd, const struct place *place, bool ipv6_only)
{
    const int yes = 1;
    const int only = ipv6_only ? 1 : 0;

    /* Without it a restart would fail while old connections linger in TIME_WAIT. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0) {
        return -errno;
    }
    if (place->address.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) < 0) {
        return -errno;
    }
    if (bind(fd, (const struct sockaddr *)&place->address, place->length) < 0 || listen(fd, BACKLOG) < 0) {
        return -errno;
    }
    return 0;
}

static int open_tcp(const struct endpoint *endpoint, bool ipv6_only, struct buffer *message, int *ret_fd)
{
    static const struct endpoint ipv4_wildcard = {.address.family = ADDRESS_IPV4};
    struct place place = place_of(endpoint);
    _cleanup_close_ int fd = socket(place.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    /* The default is [::], and some machines boot without IPv6: what is meant is "everywhere". */
    if (fd < 0 && errno == EAFNOSUPPORT && address_is_wildcard(&endpoint->address) && !ipv6_only) {
        struct endpoint everywhere = ipv4_wildcard;
        everywhere.port = endpoint->port;
        place = place_of(&everywhere);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    }
    if (fd < 0) {
        return fail(message, endpoint, errno);
    }
    int r = bind_tcp(fd, &place, ipv6_only);
    if (r < 0) {
        return fail(message, endpoint, -r);
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

/* ---- unix ---- */

/* Removes a socket that nobody listens at any more: a killed daemon leaves one behind. */
static int remove_stale(const struct endpoint *endpoint, const struct sockaddr_un *un, struct buffer *message)
{
    struct stat info;

    if (lstat(endpoint->unix_path, &info) < 0) {
        return errno == ENOENT ? 0 : fail(message, endpoint, errno);
    }
    if (!S_ISSOCK(info.st_mode)) {
        buffer_printf(message,
                      "cannot listen at %s: there is a file that is not a socket; remove it or choose another "
                      "path",
                      endpoint->text);
        return -EEXIST;
    }
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return fail(message, endpoint, errno);
    }
    /* EAGAIN: somebody listens and has a full backlog. */
    if (connect(fd, (const struct sockaddr *)un, sizeof(*un)) == 0 || errno == EAGAIN) {
        return fail(message, endpoint, EADDRINUSE);
    }
    if (errno != ECONNREFUSED) {
        return fail(message, endpoint, errno);
    }
    return unlink(endpoint->unix_path) < 0 && errno != ENOENT ? fail(message, endpoint, errno) : 0;
}

static int open_unix(const struct endpoint *endpoint, struct buffer *message, struct listener *listener)
{
    _cleanup_close_ int folder_fd = -1; /* held until the socket is bound */
    struct sockaddr_un un;
    struct stat info;

    int r = unix_socket_address(endpoint->unix_path, &un, &folder_fd);
    if (r < 0) {
        return fail(message, endpoint, -r);
    }
    r = remove_stale(endpoint, &un, message);
    if (r < 0) {
        return r;
    }
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* The file gets the mode of the socket less the umask; set first, there is no moment with a wider one. */
    if (fd < 0 || fchmod(fd, UNIX_MODE) < 0 || bind(fd, (const struct sockaddr *)&un, sizeof(un)) < 0) {
        return fail(message, endpoint, errno);
    }
    if (chmod(endpoint->unix_path, UNIX_MODE) < 0 || listen(fd, BACKLOG) < 0 || lstat(endpoint->unix_path, &info) < 0) {
        r = fail(message, endpoint, errno);
        (void)unlink(endpoint->unix_path);
        return r;
    }
    listener->device = info.st_dev;
    listener->inode = info.st_ino;
    listener->fd = TAKE_FD(fd);
    listener->unix_path = strdup(endpoint->unix_path);
    if (listener->unix_path == NULL) {
        (void)unlink(endpoint->unix_path);
        return -ENOMEM;
    }
    return 0;
}

/* ---- what the socket really is ---- */

static char *print_unix(const char *path)
{
    char *text = NULL;

    return asprintf(&text, UNIX_PREFIX "%s", path) < 0 ? NULL : text;
}

static char *print_tcp(const struct sockaddr_storage *storage, uint16_t *ret_port)
{
    struct address address = {0};
    struct sockaddr_in6 in6;
    char address_text[ADDRESS_TEXT_SIZE];
    char *text = NULL;

    /* The port stands at the same place in both kinds. */
    memcpy(&in6, storage, sizeof(in6));
    *ret_port = ntohs(in6.sin6_port);
    (void)address_from_sockaddr((const struct sockaddr *)storage, &address);
    address_print(&address, address_text);
    bool brackets = storage->ss_family == AF_INET6;
    return asprintf(&text, "%s%s%s:%u", brackets ? "[" : "", address_text, brackets ? "]" : "", *ret_port) < 0 ? NULL
                                                                                                               : text;
}

static int describe(struct listener *listener)
{
    struct sockaddr_storage storage = {0};
    socklen_t length = sizeof(storage);

    if (getsockname(listener->fd, (struct sockaddr *)&storage, &length) < 0) {
        return -errno;
    }
    if (storage.ss_family == AF_UNIX) {
        /* The rest of `storage` is zero, and ends a path of any length. */
        const char *bound = (const char *)&storage + offsetof(struct sockaddr_un, sun_path);
        /* Ours goes by its path: the address may be one of /proc. */
        listener->text = print_unix(listener->unix_path ? listener->unix_path : bound);
    } else if (storage.ss_family == AF_INET || storage.ss_family == AF_INET6) {
        listener->text = print_tcp(&storage, &listener->port);
    } else {
        return -EAFNOSUPPORT;
    }
    return listener->text != NULL ? 0 : -ENOMEM;
}

int listener_open(const struct endpoint *endpoints, size_t count, size_t index, struct buffer *message,
                  struct listener *ret_listener)
{
    const struct endpoint *endpoint = &endpoints[index];
    struct listener listener = {.fd = -1};

    int r = endpoint->unix_path != NULL
                ? open_unix(endpoint, message, &listener)
                : open_tcp(endpoint, leaves_ipv4_to_another(endpoints, count, endpoint), message, &listener.fd);
    if (r == 0) {
        r = describe(&listener);
    }
    if (r < 0) {
        listener_done(&listener);
        return r;
    }
    *ret_listener = listener;
    return 0;
}

int listener_adopt(int fd, struct buffer *message, struct listener *ret_listener)
{
    struct listener listener = {.fd = fd, .inherited = true};
    int listening = 0;
    socklen_t length = sizeof(listening);

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) < 0 || !listening) {
        buffer_printf(message,
                      "descriptor %d from systemd is not a listening stream socket; use ListenStream= and "
                      "Accept=no in the socket unit",
                      fd);
        listener_done(&listener);
        return -EINVAL;
    }
    /* Several workers wait for the same connection; only one gets it, and the others must not block. */
    int flags = fcntl(fd, F_GETFL);
    int r = flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0
                ? -errno
                : describe(&listener);
    if (r < 0) {
        buffer_printf(message,
                      "descriptor %d from systemd cannot be used: %s; use ListenStream= with an IP address or "
                      "a path in the socket unit",
                      fd, strerror(-r));
        listener_done(&listener);
        return r;
    }
    *ret_listener = listener;
    return 0;
}

/* The file goes first: as long as the socket listens, nobody else takes the file for stale and puts an own one there. */
static void remove_file(struct listener *listener)
{
    struct stat info;

    if (listener->unix_path == NULL) {
        return;
    }
    if (lstat(listener->unix_path, &info) == 0 && info.st_dev == listener->device && info.st_ino == listener->inode) {
        (void)unlink(listener->unix_path);
    }
    free(listener->unix_path);
    listener->unix_path = NULL;
}

void listener_stop(struct listener *listener)
{
    remove_file(listener);
    if (listener->fd >= 0 && !listener->inherited) {
        close(listener->fd);
        listener->fd = -1;
    }
}

void listener_done(struct listener *listener)
{
    listener_stop(listener);
    if (listener->fd >= 0) {
        close(listener->fd);
    }
    free(listener->text);
    *listener = (struct listener){.fd = -1};
}
