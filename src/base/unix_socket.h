/*
 * Addresses of unix sockets for paths of any length: sun_path has room for 107 bytes, so that a longer path goes by its
 * folder, which is held open, as /proc/self/fd/N/NAME. Any thread.
 */
#ifndef DDNS53_BASE_UNIX_SOCKET_H
#define DDNS53_BASE_UNIX_SOCKET_H

#include <sys/un.h>

/* The folder stays open as long as the address is used: the caller closes `ret_folder_fd`, which is -1 where none is
 * needed. -ENAMETOOLONG: also the name is too long; or errno of opening the folder. */
int unix_socket_address(const char *path, struct sockaddr_un *ret_address, int *ret_folder_fd);

#endif
