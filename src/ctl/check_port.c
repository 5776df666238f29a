#include "ctl/check_port.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TCP_LISTEN 0x0A /* enum in linux/tcp.h, as /proc/net/tcp prints it */
#define HOLDERS_MAX 8
#define COMM_SIZE 32

/* ---- sockets ---- */

/* Words of four bytes in the machine's order, as in /proc/net/tcp. */
static bool read_proc_address(const char *text, size_t words, struct address *ret_address)
{
    struct address address = {.family = words == 1 ? ADDRESS_IPV4 : ADDRESS_IPV6};

    for (size_t i = 0; i < words; i++) {
        unsigned word;
        char digits[9] = "";
        (void)snprintf(digits, sizeof(digits), "%.8s", text + 8 * i);
        if (sscanf(digits, "%8x", &word) != 1) { // NOLINT(cert-err34-c): eight digits cannot overflow
            return false;
        }
        memcpy(address.bytes + 4 * i, &word, sizeof(word));
    }
    *ret_address = address;
    return true;
}

/* Would a socket at `endpoint` and one at `held` exclude each other? [::] takes the port for IPv4 too. */
static bool is_in_the_way(const struct endpoint *endpoint, const struct address *held)
{
    if (address_is_wildcard(held) || address_is_wildcard(&endpoint->address)) {
        return held->family == endpoint->address.family || held->family == ADDRESS_IPV6 ||
               endpoint->address.family == ADDRESS_IPV6;
    }
    return address_equal(held, &endpoint->address);
}

/* The inodes of what listens there. */
static size_t find_sockets(const char *path, size_t words, const struct endpoint *endpoint, unsigned long *inodes,
                           size_t count)
{
    FILE *file = fopen(path, "re");
    char line[512], local[64];
    unsigned port, state;
    unsigned long inode;
    struct address address;

    while (file && count < HOLDERS_MAX && fgets(line, sizeof(line), file)) {
        // NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers
        if (sscanf(line, " %*d: %63[0-9A-Fa-f]:%x %*[^ ] %x %*s %*s %*s %*s %*s %lu", local, &port, &state, &inode) ==
                4 &&
            state == TCP_LISTEN && port == endpoint->port && strlen(local) == 8 * words &&
            read_proc_address(local, words, &address) && is_in_the_way(endpoint, &address)) {
            inodes[count++] = inode;
        }
    }
    if (file) {
        (void)fclose(file);
    }
    return count;
}

/* ---- programs ---- */

struct holder {
    char name[COMM_SIZE];
    unsigned long pid;
};

static bool has_socket(const char *process, const unsigned long *inodes, size_t count)
{
    char path[PATH_MAX], target[64], wanted[64];
    bool is_found = false;

    (void)snprintf(path, sizeof(path), "/proc/%.16s/fd", process);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && !is_found && (entry = readdir(folder));) { // NOLINT(concurrency-mt-unsafe)
        (void)snprintf(path, sizeof(path), "/proc/%.16s/fd/%.32s", process, entry->d_name);
        ssize_t length = readlink(path, target, sizeof(target) - 1);
        for (size_t i = 0; length > 0 && i < count && !is_found; i++) {
            target[length] = '\0';
            (void)snprintf(wanted, sizeof(wanted), "socket:[%lu]", inodes[i]);
            is_found = strcmp(target, wanted) == 0;
        }
    }
    if (folder) {
        (void)closedir(folder);
    }
    return is_found;
}

static void read_name(struct holder *holder)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%lu/comm", holder->pid);
    FILE *file = fopen(path, "re");
    if (file && fgets(holder->name, sizeof(holder->name), file)) {
        holder->name[strcspn(holder->name, "\n")] = '\0';
    }
    if (file) {
        (void)fclose(file);
    }
}

/* Whoever has one of the sockets open; our daemon goes before others, which may have handed it down. */
static bool find_holder(const unsigned long *inodes, size_t count, struct holder *ret_holder)
{
    DIR *folder = opendir("/proc");
    bool is_found = false;

    for (struct dirent *entry; folder && (entry = readdir(folder));) { // NOLINT(concurrency-mt-unsafe): one thread
        struct holder holder = {.name = "?"};
        if (!isdigit((unsigned char)entry->d_name[0]) || !has_socket(entry->d_name, inodes, count)) {
            continue;
        }
        holder.pid = strtoul(entry->d_name, NULL, 10);
        read_name(&holder);
        bool is_ours = strcmp(holder.name, "ddns53d") == 0;
        if (is_ours || !is_found) {
            *ret_holder = holder;
            is_found = true;
        }
        if (is_ours) {
            break;
        }
    }
    if (folder) {
        (void)closedir(folder);
    }
    return is_found;
}

/* ---- findings ---- */

static void check_port(struct report *report, const struct endpoint *endpoint, const char *what)
{
    unsigned long inodes[HOLDERS_MAX];
    struct holder holder;
    size_t count = find_sockets("/proc/net/tcp", 1, endpoint, inodes, 0);

    count = find_sockets("/proc/net/tcp6", 4, endpoint, inodes, count);
    if (endpoint->port == 0) {
        report_add(report, VERDICT_OK, what, NULL, "%s: any free port", endpoint->text);
    } else if (count == 0) {
        report_add(report, VERDICT_OK, what, NULL, "%s is free; the daemon does not listen there now", endpoint->text);
    } else if (!find_holder(inodes, count, &holder)) {
        report_add(report, VERDICT_WARN, what, "run this as root, which sees whose it is", "%s is taken by somebody",
                   endpoint->text);
    } else if (strcmp(holder.name, "ddns53d") == 0) {
        report_add(report, VERDICT_OK, what, NULL, "%s is held by ddns53d (pid %lu)", endpoint->text, holder.pid);
    } else if (holder.pid == 1) {
        report_add(report, VERDICT_OK, what, NULL, "%s is held by %s, which starts the daemon with it", endpoint->text,
                   holder.name);
    } else {
        report_add(report, VERDICT_FAIL, what, "stop that program, or let the daemon listen elsewhere",
                   "%s is taken by %s (pid %lu)", endpoint->text, holder.name, holder.pid);
    }
}

void check_ports(struct report *report, const struct endpoint *endpoints, size_t count, const char *what)
{
    for (size_t i = 0; i < count; i++) {
        if (endpoints[i].address.family != ADDRESS_NONE) {
            check_port(report, &endpoints[i], what);
        }
    }
}
