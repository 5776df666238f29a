#include "base/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

static int open_folder(const char *path, const char *slash)
{
    _cleanup_free_ char *folder = strndup(path, slash == path ? 1 : (size_t)(slash - path));

    if (!folder) {
        return -ENOMEM;
    }
    const int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int unix_socket_address(const char *path, struct sockaddr_un *ret_address, int *ret_folder_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *slash = strrchr(path, '/');

    if (strlen(path) < sizeof(address.sun_path)) {
        memcpy(address.sun_path, path, strlen(path));
        *ret_folder_fd = -1;
        *ret_address = address;
        return 0;
    }
    _cleanup_close_ int fd = slash ? open_folder(path, slash) : -ENAMETOOLONG;
    if (fd < 0) {
        return fd;
    }
    const int length = snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d%s", fd, slash);
    if (length < 0 || (size_t)length >= sizeof(address.sun_path)) {
        return -ENAMETOOLONG;
    }
    *ret_folder_fd = TAKE_FD(fd);
    *ret_address = address;
    return 0;
}
