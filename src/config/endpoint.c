#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/parse.h"
#include "config/settings.h"

static int unix_parse(const char *path, struct endpoint *endpoint)
{
    if (path[0] != '/' || path[1] == '\0' || strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        return -EINVAL;
    }
    endpoint->unix_path = strdup(path);
    return endpoint->unix_path == NULL ? -ENOMEM : 0;
}

static int address_and_port_parse(const char *text, struct endpoint *endpoint)
{
    const char *colon = strrchr(text, ':');
    uint64_t port;

    if (colon == NULL || parse_uint(colon + 1, strlen(colon + 1), 0, UINT16_MAX, &port) < 0) {
        return -EINVAL;
    }
    size_t length = (size_t)(colon - text);
    const char *start = text;
    bool bracketed = length >= 2 && text[0] == '[' && text[length - 1] == ']';
    if (bracketed) {
        start++;
        length -= 2;
    }
    /* "::1:443" is an address, not an address and a port: the brackets of RFC 3986 tell them apart. */
    if (bracketed != (memchr(start, ':', length) != NULL)) {
        return -EINVAL;
    }
    endpoint->port = (uint16_t)port;
    return address_parse(start, length, &endpoint->address);
}

int endpoint_parse(const char *text, struct endpoint *ret_endpoint)
{
    struct endpoint endpoint = {.address.family = ADDRESS_NONE};

    int r = strncmp(text, "unix:", 5) == 0 ? unix_parse(text + 5, &endpoint) : address_and_port_parse(text, &endpoint);
    if (r == 0) {
        endpoint.text = strdup(text);
        r = endpoint.text == NULL ? -ENOMEM : 0;
    }
    if (r < 0) {
        endpoint_done(&endpoint);
        return r;
    }
    *ret_endpoint = endpoint;
    return 0;
}

void endpoint_done(struct endpoint *endpoint)
{
    free(endpoint->unix_path);
    free(endpoint->text);
    endpoint->unix_path = NULL;
    endpoint->text = NULL;
}

bool endpoint_is_local(const struct endpoint *endpoint)
{
    return endpoint->unix_path != NULL || address_is_loopback(&endpoint->address);
}

socklen_t endpoint_sockaddr(const struct endpoint *endpoint, struct sockaddr_storage *ret_address)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    *ret_address = (struct sockaddr_storage){0};
    if (endpoint->unix_path) {
        memcpy(un.sun_path, endpoint->unix_path, strnlen(endpoint->unix_path, sizeof(un.sun_path) - 1));
        memcpy(ret_address, &un, sizeof(un));
        return sizeof(un);
    }
    if (endpoint->address.family == ADDRESS_IPV4) {
        memcpy(&in.sin_addr, endpoint->address.bytes, sizeof(in.sin_addr));
        memcpy(ret_address, &in, sizeof(in));
        return sizeof(in);
    }
    memcpy(&in6.sin6_addr, endpoint->address.bytes, sizeof(in6.sin6_addr));
    memcpy(ret_address, &in6, sizeof(in6));
    return sizeof(in6);
}

bool url_host(const char *url, const char **ret_host, size_t *ret_length)
{
    const char *host = strstr(url, "://");
    if (!host) {
        return false;
    }
    host += 3;
    size_t length = strcspn(host, "/?#");
    const char *at = memchr(host, '@', length);
    if (at) {
        length -= (size_t)(at + 1 - host);
        host = at + 1;
    }
    if (host[0] == '[') {
        host++;
        length = strcspn(host, "]");
    } else {
        const char *colon = memchr(host, ':', length);
        length = colon ? (size_t)(colon - host) : length;
    }
    if (length == 0) {
        return false;
    }
    *ret_host = host;
    *ret_length = length;
    return true;
}
