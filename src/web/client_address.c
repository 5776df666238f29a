#include "web/client_address.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"

#define NODE_MAX 128 /* longer than any address, its port, brackets and needless escapes */

struct text {
    const char *start;
    size_t length;
};

struct trusted {
    const struct prefix *prefixes;
    size_t count;
};

static bool is_trusted(const struct trusted *trusted, const struct address *address)
{
    for (size_t i = 0; i < trusted->count; i++) {
        if (prefix_contains(&trusted->prefixes[i], address)) {
            return true;
        }
    }
    return false;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static struct text trim(struct text text)
{
    while (text.length > 0 && is_space(text.start[0])) {
        text.start++;
        text.length--;
    }
    while (text.length > 0 && is_space(text.start[text.length - 1])) {
        text.length--;
    }
    return text;
}

/* A number, or the obfuscated port of RFC 7239 section 6.3. */
static bool is_port(struct text port)
{
    uint64_t number = 0;

    if (port.length > 1 && port.start[0] == '_') {
        return true;
    }
    return parse_uint(port.start, port.length, 0, UINT16_MAX, &number) == 0;
}

/* ADDRESS, IPV4:PORT, [IPV6], [IPV6]:PORT. An `unknown` or obfuscated identifier is no address: -EINVAL. */
static int parse_node(struct text node, struct address *ret_address)
{
    struct text address = node;
    const char *end = node.start + node.length;
    const char *after = end; /* of the address, where the port begins */

    if (node.length > 0 && node.start[0] == '[') {
        const char *bracket = memchr(node.start, ']', node.length);
        if (bracket == NULL) {
            return -EINVAL;
        }
        address = (struct text){node.start + 1, (size_t)(bracket - node.start) - 1};
        after = bracket + 1;
        if (memchr(address.start, ':', address.length) == NULL) {
            return -EINVAL; /* brackets are for IPv6 */
        }
    } else {
        const char *colon = memchr(node.start, ':', node.length);
        /* One colon: a port. More of them: IPv6, which without brackets cannot have one. */
        if (colon != NULL && memchr(colon + 1, ':', (size_t)(end - colon) - 1) == NULL) {
            address.length = (size_t)(colon - node.start);
            after = colon;
        }
    }
    if (after < end && (*after != ':' || !is_port((struct text){after + 1, (size_t)(end - after) - 1}))) {
        return -EINVAL;
    }
    return address_parse(address.start, address.length, ret_address);
}

/* From the right: each trusted proxy vouches for the entry to its left. What stands left of the first that is not
 * trusted was written by a stranger, so that nobody looks at it. */
static int choose_from_x_forwarded_for(const char *list, const struct trusted *trusted, struct address *ret_source)
{
    size_t length = strlen(list);
    bool any = false;
    struct address leftmost;

    for (;;) {
        size_t start = length;
        while (start > 0 && list[start - 1] != ',') {
            start--;
        }
        struct text entry = trim((struct text){list + start, length - start});
        if (entry.length > 0) { /* RFC 9110 section 5.6.1.2: empty elements do not count */
            int r = parse_node(entry, &leftmost);
            if (r < 0) {
                return r;
            }
            any = true;
            if (!is_trusted(trusted, &leftmost)) {
                break;
            }
        }
        if (start == 0) {
            break;
        }
        length = start - 1;
    }
    if (!any) {
        return -ENODATA;
    }
    *ret_source = leftmost;
    return 0;
}

/* ---- Forwarded: for=192.0.2.1;proto=https, for="[2001:db8::1]:4711" (RFC 7239) ---- */

/* tchar of RFC 9110 section 5.6.2, and what deployed proxies leave unquoted: ':', '[' and ']'. */
static bool is_token_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~:[]", c) != NULL);
}

static struct text read_token(const char **position)
{
    const char *start = *position;

    while (is_token_char(**position)) {
        (*position)++;
    }
    return (struct text){start, (size_t)(*position - start)};
}

/* After the opening quote. Without its escapes into `ret_text`, cut at NODE_MAX; false: no closing quote. */
static bool read_quoted(const char **position, char ret_text[NODE_MAX], size_t *ret_length)
{
    size_t length = 0;

    for (; **position != '"'; (*position)++) {
        if (**position == '\\') {
            (*position)++;
        }
        if (**position == '\0') {
            return false;
        }
        if (length < NODE_MAX) {
            ret_text[length++] = **position;
        }
    }
    (*position)++;
    *ret_length = length;
    return true;
}

static void skip_spaces(const char **position)
{
    while (is_space(**position)) {
        (*position)++;
    }
}

struct element {
    bool has_pairs;
    bool has_for;
    char node[NODE_MAX]; /* the value of for= */
    size_t node_length;
};

static int read_pair(const char **position, struct element *element)
{
    char quoted[NODE_MAX];
    struct text name = read_token(position);
    struct text value = {quoted, 0};

    if (name.length == 0 || **position != '=') {
        return -EINVAL;
    }
    (*position)++;
    if (**position == '"') {
        (*position)++;
        if (!read_quoted(position, quoted, &value.length)) {
            return -EINVAL;
        }
    } else {
        value = read_token(position);
        if (value.length == 0) {
            return -EINVAL;
        }
    }
    element->has_pairs = true;
    if (name.length != 3 || strncasecmp(name.start, "for", 3) != 0) {
        return 0;
    }
    if (element->has_for) {
        return -EINVAL;
    }
    element->has_for = true;
    element->node_length = value.length < NODE_MAX ? value.length : NODE_MAX;
    memcpy(element->node, value.start, element->node_length);
    return 0;
}

/* Up to the comma or the end. */
static int read_element(const char **position, struct element *element)
{
    *element = (struct element){0};
    for (;;) {
        skip_spaces(position);
        if (**position != ';' && **position != ',' && **position != '\0') {
            int r = read_pair(position, element);
            if (r < 0) {
                return r;
            }
            skip_spaces(position);
        }
        if (**position != ';') {
            return **position == ',' || **position == '\0' ? 0 : -EINVAL;
        }
        (*position)++;
    }
}

/* Read from the left, since quotes can only be told apart from there, and all of it must be well-formed: a stranger's
 * open quote must not swallow what the proxy appended. The last element that is not a trusted address decides, so
 * one that is no address at all is an error only when it is that one. */
static int choose_from_forwarded(const char *list, const struct trusted *trusted, struct address *ret_source)
{
    int status = -ENODATA;
    bool names_somebody = false;
    bool all_trusted = true;
    struct address source = {0};

    for (const char *position = list;; position++) {
        struct element element;
        struct address address = {0};
        int r = read_element(&position, &element);
        if (r < 0) {
            return r;
        }
        names_somebody |= element.has_for;
        if (element.has_pairs) {
            r = element.has_for ? parse_node((struct text){element.node, element.node_length}, &address) : -EINVAL;
            if (r < 0 || !is_trusted(trusted, &address)) {
                status = r;
                all_trusted = false;
                source = address;
            } else if (all_trusted && status < 0) { /* the leftmost */
                status = 0;
                source = address;
            }
        }
        if (*position == '\0') {
            break;
        }
    }
    if (status == 0) {
        *ret_source = source;
    }
    return names_somebody ? status : -ENODATA;
}

/* -ENODATA: the header was not sent, or it is well-formed and names nobody. */
static int choose_from(enum proxy_header which, const struct client_headers *headers, const struct trusted *trusted,
                       struct address *ret_source)
{
    if (which == PROXY_FORWARDED) {
        return headers->forwarded ? choose_from_forwarded(headers->forwarded, trusted, ret_source) : -ENODATA;
    }
    return headers->x_forwarded_for ? choose_from_x_forwarded_for(headers->x_forwarded_for, trusted, ret_source)
                                    : -ENODATA;
}

int client_address(const struct address *peer, const struct prefix *trusted, size_t trusted_count,
                   const struct client_headers *headers, struct address *ret_source)
{
    const struct trusted all = {trusted, trusted_count};
    bool is_forwarded_believed = headers->believed == PROXY_FORWARDED;
    struct address source = {0};
    struct address other = {0};

    if ((peer->family != ADDRESS_NONE && !is_trusted(&all, peer)) ||
        !(is_forwarded_believed ? headers->forwarded : headers->x_forwarded_for)) {
        *ret_source = *peer;
        return 0;
    }
    int r = choose_from(headers->believed, headers, &all, &source);
    if (r < 0) {
        return -EINVAL;
    }
    r = choose_from(is_forwarded_believed ? PROXY_X_FORWARDED_FOR : PROXY_FORWARDED, headers, &all, &other);
    if (r == 0 ? !address_equal(&source, &other) : r != -ENODATA) {
        return -EINVAL;
    }
    *ret_source = source;
    return 0;
}
