#include "ctl/delegation.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX 65535
#define SERVERS_MAX 32
#define TRIES 2
#define TIMEOUT_S 3

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static int read_servers(const uint8_t *answer, size_t length, struct buffer *names)
{
    struct name servers[SERVERS_MAX];
    size_t count = 0;
    ns_msg message;
    ns_rr record;
    char text[NS_MAXDNAME];

    if (ns_initparse(answer, (int)length, &message) < 0) {
        return -EBADMSG;
    }
    for (int i = 0; i < ns_msg_count(message, ns_s_an) && count < SERVERS_MAX; i++) {
        if (ns_parserr(&message, ns_s_an, i, &record) == 0 && ns_rr_type(record) == ns_t_ns &&
            ns_name_uncompress(ns_msg_base(message), ns_msg_end(message), ns_rr_rdata(record), text, sizeof(text)) >=
                0 &&
            name_parse(text, strlen(text), &servers[count], NULL) == 0) {
            count++;
        }
    }
    qsort(servers, count, sizeof(*servers), compare_names);
    for (size_t i = 0; i < count; i++) {
        buffer_printf(names, "%s\n", servers[i].text);
    }
    return buffer_status(names);
}

static void use_resolver(res_state state, const struct endpoint *resolver)
{
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(resolver->port)};

    memcpy(&place.sin_addr, resolver->address.bytes, sizeof(place.sin_addr));
    state->nscount = 1;
    state->nsaddr_list[0] = place;
}

int delegation_look_up(const char *zone, const struct endpoint *resolver, struct buffer *names, struct buffer *message)
{
    struct __res_state state;
    _cleanup_free_ uint8_t *answer = malloc(ANSWER_MAX);

    memset(&state, 0, sizeof(state));
    if (!answer || res_ninit(&state) < 0) {
        return -ENOMEM;
    }
    if (resolver) {
        use_resolver(&state, resolver);
    }
    state.retry = TRIES;
    state.retrans = TIMEOUT_S;
    int length = res_nquery(&state, zone, ns_c_in, ns_t_ns, answer, ANSWER_MAX);
    int error = state.res_h_errno;
    res_nclose(&state);
    if (length < 0 && (error == HOST_NOT_FOUND || error == NO_DATA)) {
        return 0;
    }
    if (length < 0) {
        buffer_printf(message, "DNS does not answer: %s",
                      hstrerror(error)); // NOLINT(concurrency-mt-unsafe): one thread
        return -EIO;
    }
    return read_servers(answer, (size_t)length, names);
}
