#include "io/resolver.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <resolv.h>
#include <string.h>

#include "base/clock.h"

#define ANSWER_MAX 4096
#define DNS_PORT 53
/* Whoever stops the worker waits for it no longer than five seconds. */
#define QUERY_S 1          /* each server of resolv.conf has so long */
#define LAST_QUERY_MS 2000 /* after the first one */

struct search {
    struct __res_state state;
    int64_t end_ms;
    struct dns_server *servers;
    size_t count;
    size_t max;
    unsigned hosts;
};

/* Reads the records of one type in the answer to a question; what cannot be read has none. */
static void ask(struct search *search, const char *name, ns_type type,
                void (*each)(struct search *search, const ns_msg *message, const ns_rr *record))
{
    unsigned char answer[ANSWER_MAX];
    ns_msg message;

    if (clock_monotonic_ms(clock_system()) > search->end_ms) {
        return;
    }
    const int length = res_nquery(&search->state, name, ns_c_in, (int)type, answer, sizeof(answer));
    if (length <= 0 || ns_initparse(answer, length < ANSWER_MAX ? length : ANSWER_MAX, &message) < 0) {
        return;
    }
    for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
        ns_rr record;
        if (ns_parserr(&message, ns_s_an, i, &record) == 0 && ns_rr_type(record) == type) {
            each(search, &message, &record);
        }
    }
}

static void add_address(struct search *search, const ns_msg *message, const ns_rr *record)
{
    const bool is_ipv4 = ns_rr_type(*record) == ns_t_a;
    struct address address = {.family = is_ipv4 ? ADDRESS_IPV4 : ADDRESS_IPV6};
    const size_t length = is_ipv4 ? 4 : sizeof(address.bytes);

    (void)message;
    if (ns_rr_rdlen(*record) == length && search->count < search->max) {
        memcpy(address.bytes, ns_rr_rdata(*record), length);
        search->servers[search->count++] = (struct dns_server){address, DNS_PORT};
    }
}

/* IPv6 addresses only of a host that has no other: this machine may not have IPv6 at all. */
static void add_host(struct search *search, const ns_msg *message, const ns_rr *record)
{
    const size_t before = search->count;
    char host[NS_MAXDNAME];

    if (dn_expand(ns_msg_base(*message), ns_msg_end(*message), ns_rr_rdata(*record), host, sizeof(host)) < 0) {
        return;
    }
    search->hosts++;
    ask(search, host, ns_t_a, add_address);
    if (search->count == before) {
        ask(search, host, ns_t_aaaa, add_address);
    }
}

int resolver_name_servers(const char *zone, struct dns_server *ret_servers, size_t max, size_t *ret_count,
                          struct buffer *message)
{
    struct search search = {.end_ms = clock_monotonic_ms(clock_system()) + LAST_QUERY_MS,
                            .servers = ret_servers,
                            .max = max};

    if (res_ninit(&search.state) == 0) {
        search.state.retrans = QUERY_S;
        search.state.retry = 1;
        ask(&search, zone, ns_t_ns, add_host);
        res_nclose(&search.state);
    }
    *ret_count = search.count;
    if (search.count == 0) {
        buffer_printf(message, "the resolver of this machine finds no %s of %s",
                      search.hosts == 0 ? "NS records" : "address of the name servers", zone);
        return -ENOENT;
    }
    return 0;
}
