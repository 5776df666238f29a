/* The provider against a scripted name server in the same thread. */
#include "name_server.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "provider/rfc2136.h"

#define TURNS_MAX 3000
#define REQUESTS_MAX 16
#define ZONE "example.com."
#define SOA ZONE " 300 SOA ns.example.com.\n"

struct fixture {
    struct clock clock;
    struct loop *loop;
    struct provider_zone *zone;
    bool has_key;

    /* the server */
    int holder; /* of the TCP port */
    int listener;
    int udp;
    int peer;
    struct loop_watch listener_watch;
    struct loop_watch peer_watch;
    struct loop_watch udp_watch;
    uint8_t incoming[65537];
    size_t incoming_length;
    uint8_t message[65535];
    struct server_signer signer;
    struct server_answer script[REQUESTS_MAX]; /* one answer for each request */
    size_t messages[REQUESTS_MAX]; /* so many of the script's answers follow the first one; it is a transfer */
    size_t script_count;
    size_t script_at;
    int64_t delay_ms; /* until an answer; past the client's patience it is lost */
    struct {
        uint8_t opcode;
        uint16_t type;
        bool is_udp;
    } requests[REQUESTS_MAX];
    size_t request_count;

    /* what the provider said */
    unsigned calls;
    struct provider_result result;
    char words[1000];
    uint64_t record_count;
    bool is_in_sync;
    struct provider_found found;
    char value[300];
    struct buffer listed;
};

/* ---- the server ---- */

static size_t answer_next(struct fixture *fixture, const uint8_t *request, size_t length, bool is_udp)
{
    knot_pkt_t *packet = knot_pkt_new(NULL, (uint16_t)length, NULL);

    memcpy(packet->wire, request, length);
    packet->size = length;
    assert_int_equal(knot_pkt_parse(packet, 0), KNOT_EOK);
    assert_true(fixture->request_count < REQUESTS_MAX);
    fixture->requests[fixture->request_count].opcode = knot_wire_get_opcode(packet->wire);
    fixture->requests[fixture->request_count].type = knot_pkt_qtype(packet);
    fixture->requests[fixture->request_count].is_udp = is_udp;
    fixture->request_count++;
    knot_pkt_free(packet);
    assert_int_equal(signer_begin(&fixture->signer, request, length), fixture->has_key ? KNOT_EOK : KNOT_TSIG_EBADKEY);
    assert_true(fixture->script_at < fixture->script_count);
    const struct server_answer *answer = &fixture->script[fixture->script_at++];
    return make_answer(request, length, fixture->has_key ? &fixture->signer : NULL, answer, fixture->message);
}

static void send_tcp(struct fixture *fixture, size_t length)
{
    const uint8_t prefix[] = {(uint8_t)(length >> 8), (uint8_t)length};

    assert_int_equal(send(fixture->peer, prefix, 2, MSG_NOSIGNAL), 2);
    assert_int_equal(send(fixture->peer, fixture->message, length, MSG_NOSIGNAL), length);
}

static void close_peer(struct fixture *fixture)
{
    loop_watch_cancel(fixture->loop, &fixture->peer_watch);
    closep(&fixture->peer);
    fixture->peer = -1;
    fixture->incoming_length = 0;
}

static void on_peer(struct loop_watch *watch, uint32_t events)
{
    struct fixture *fixture = CONTAINER_OF(watch, struct fixture, peer_watch);
    uint8_t *incoming = fixture->incoming;
    const ssize_t got = recv(fixture->peer, incoming + fixture->incoming_length,
                             sizeof(fixture->incoming) - fixture->incoming_length, 0);

    (void)events;
    if (got <= 0) {
        close_peer(fixture);
        return;
    }
    fixture->incoming_length += (size_t)got;
    const size_t length = (size_t)incoming[0] << 8 | incoming[1];
    if (fixture->incoming_length < 2 || fixture->incoming_length < 2 + length) {
        return;
    }
    const size_t first = fixture->script_at;
    fixture->clock.test_monotonic_ms += fixture->delay_ms;
    if (fixture->delay_ms > 30000) {
        (void)answer_next(fixture, incoming + 2, length, false);
        return;
    }
    send_tcp(fixture, answer_next(fixture, incoming + 2, length, false));
    for (size_t i = 0; i < fixture->messages[first]; i++) {
        const struct server_answer *answer = &fixture->script[fixture->script_at++];
        send_tcp(fixture, make_answer(incoming + 2, length, fixture->has_key ? &fixture->signer : NULL, answer,
                                      fixture->message));
    }
}

static void on_listener(struct loop_watch *watch, uint32_t events)
{
    struct fixture *fixture = CONTAINER_OF(watch, struct fixture, listener_watch);

    (void)events;
    close_peer(fixture);
    fixture->peer = accept4(fixture->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fixture->peer >= 0);
    assert_int_equal(loop_watch_set(fixture->loop, &fixture->peer_watch, fixture->peer, EPOLLIN), 0);
}

static void on_udp(struct loop_watch *watch, uint32_t events)
{
    struct fixture *fixture = CONTAINER_OF(watch, struct fixture, udp_watch);
    struct sockaddr_storage from;
    socklen_t from_length = sizeof(from);
    uint8_t request[4096];
    const ssize_t got = recvfrom(fixture->udp, request, sizeof(request), 0, (struct sockaddr *)&from, &from_length);

    (void)events;
    assert_true(got > 0);
    const size_t length = answer_next(fixture, request, (size_t)got, true);
    assert_int_equal(sendto(fixture->udp, fixture->message, length, 0, (struct sockaddr *)&from, from_length), length);
}

static int bind_tcp(struct sockaddr_in *name)
{
    const int one = 1;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t length = sizeof(*name);

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(fd, (struct sockaddr *)name, length) < 0 || getsockname(fd, (struct sockaddr *)name, &length) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The port stays ours, by `holder`, while nobody listens. */
static void listen_tcp(struct fixture *fixture, bool listens)
{
    struct sockaddr_in name;
    socklen_t length = sizeof(name);

    if (!listens) {
        loop_watch_cancel(fixture->loop, &fixture->listener_watch);
        closep(&fixture->listener);
        fixture->listener = -1;
        return;
    }
    assert_int_equal(getsockname(fixture->holder, (struct sockaddr *)&name, &length), 0);
    fixture->listener = bind_tcp(&name);
    assert_true(fixture->listener >= 0);
    assert_int_equal(listen(fixture->listener, 4), 0);
    assert_int_equal(loop_watch_set(fixture->loop, &fixture->listener_watch, fixture->listener, EPOLLIN), 0);
}

static void set_udp(struct fixture *fixture, bool listens)
{
    struct sockaddr_in name;
    socklen_t length = sizeof(name);

    if (listens) {
        assert_int_equal(loop_watch_set(fixture->loop, &fixture->udp_watch, fixture->udp, EPOLLIN), 0);
        return;
    }
    /* A socket that is connected to itself takes datagrams from nobody else. */
    loop_watch_cancel(fixture->loop, &fixture->udp_watch);
    assert_int_equal(getsockname(fixture->udp, (struct sockaddr *)&name, &length), 0);
    assert_int_equal(connect(fixture->udp, (struct sockaddr *)&name, length), 0);
}

/* The same port for both. */
static bool bind_both(struct fixture *fixture)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    fixture->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    fixture->holder = bind_tcp(&name);
    if (fixture->holder >= 0 && bind(fixture->udp, (struct sockaddr *)&name, sizeof(name)) == 0) {
        return true;
    }
    closep(&fixture->udp);
    closep(&fixture->holder);
    return false;
}

static void say(struct fixture *fixture, const struct server_answer *answer)
{
    assert_true(fixture->script_count < REQUESTS_MAX);
    fixture->script[fixture->script_count++] = *answer;
}
#define SAY(fixture, ...) say(fixture, &(struct server_answer){__VA_ARGS__})

/* The next answers are of requests that come from now on. */
static void forget(struct fixture *fixture)
{
    assert_int_equal(fixture->script_at, fixture->script_count);
    fixture->script_at = 0;
    fixture->script_count = 0;
    fixture->request_count = 0;
    fixture->calls = 0;
    memset(fixture->messages, 0, sizeof(fixture->messages));
    buffer_clear(&fixture->listed);
}

static void assert_request(const struct fixture *fixture, size_t index, uint8_t opcode, uint16_t type)
{
    assert_true(index < fixture->request_count);
    assert_int_equal(fixture->requests[index].opcode, opcode);
    assert_int_equal(fixture->requests[index].type, type);
}

/* ---- the provider ---- */

static void keep(struct fixture *fixture, const struct provider_result *result)
{
    fixture->calls++;
    fixture->result = *result;
    (void)snprintf(fixture->words, sizeof(fixture->words), "%s", result->message);
}

static void on_prepared(const struct provider_result *result, bool more, uint64_t record_count, void *userdata)
{
    struct fixture *fixture = userdata;

    assert_false(more);
    keep(fixture, result);
    fixture->record_count = record_count;
}

static void on_applied(const struct provider_result *result, void *userdata)
{
    keep(userdata, result);
}

static void print_found(const struct provider_found *found, struct buffer *buffer)
{
    static const char *const knowledge[] = {"unknown", "absent", "plain", "foreign"};

    buffer_printf(buffer, "%s %s %s %d %u ", found->hostname, record_type_text(found->type),
                  knowledge[found->knowledge], found->foreign, found->ttl_s);
    if (found->knowledge == RECORD_PLAIN) {
        rdata_print(&found->value, buffer);
    }
    buffer_append_char(buffer, '\n');
}

static void on_looked_up(const struct provider_result *result, const struct provider_found *found, void *userdata)
{
    struct fixture *fixture = userdata;

    keep(fixture, result);
    assert_int_equal(found != NULL, result->outcome == PROVIDER_DONE);
    if (found) {
        print_found(found, &fixture->listed);
    }
}

static void on_each(const struct provider_found *found, void *userdata)
{
    struct fixture *fixture = userdata;

    print_found(found, &fixture->listed);
}

static void on_listed(const struct provider_result *result, bool more, void *userdata)
{
    assert_false(more);
    keep(userdata, result);
}

static void turn(struct fixture *fixture)
{
    assert_int_equal(fixture->calls, 0); /* never from inside the call */
    for (unsigned i = 0; fixture->calls == 0 && i < TURNS_MAX; i++) {
        loop_turn(fixture->loop, 5);
    }
    assert_int_equal(fixture->calls, 1);
}

static void make_zone(struct fixture *fixture, bool has_key)
{
    struct rfc2136_zone_settings settings = {.algorithm = (char[]){"hmac-sha256"}};
    struct sockaddr_in name;
    socklen_t length = sizeof(name);

    assert_int_equal(getsockname(fixture->udp, (struct sockaddr *)&name, &length), 0);
    settings.port = ntohs(name.sin_port);
    assert_int_equal(address_parse("127.0.0.1", 9, &settings.server), 0);
    assert_int_equal(name_parse("ddns53", 6, &settings.key_name, NULL), 0);
    settings.secret = has_key ? server_secret() : NULL;
    fixture->has_key = has_key;
    rfc2136_ops.free(fixture->zone);
    fixture->zone = rfc2136_zone_new(fixture->loop, ZONE, &settings);
    assert_non_null(fixture->zone);
    secret_free(settings.secret);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    clock_init_test(&fixture->clock, 1000, 0);
    fixture->loop = loop_new(&fixture->clock);
    fixture->peer = -1;
    fixture->listener_watch.run = on_listener;
    fixture->peer_watch.run = on_peer;
    fixture->udp_watch.run = on_udp;
    while (!bind_both(fixture)) {}
    set_udp(fixture, true);
    listen_tcp(fixture, true);
    make_zone(fixture, true);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    rfc2136_ops.free(fixture->zone);
    close_peer(fixture);
    loop_watch_cancel(fixture->loop, &fixture->listener_watch);
    loop_watch_cancel(fixture->loop, &fixture->udp_watch);
    closep(&fixture->listener);
    closep(&fixture->holder);
    closep(&fixture->udp);
    signer_done(&fixture->signer);
    buffer_done(&fixture->listed);
    loop_free(fixture->loop);
    free(fixture);
    return 0;
}

static void prepare(struct fixture *fixture)
{
    rfc2136_ops.prepare(fixture->zone, on_prepared, fixture);
    turn(fixture);
}

static void list(struct fixture *fixture)
{
    rfc2136_ops.list_page(fixture->zone, true, on_each, on_listed, fixture);
    turn(fixture);
}

/* ---- prepare ---- */

static void test_a_zone_that_may_be_transferred(void **state)
{
    struct fixture *fixture = *state;

    SAY(fixture, .answer = SOA);
    SAY(fixture, .rcode = DNS_NOERROR);
    SAY(fixture, .answer = SOA, .is_lame = true); /* as Knot's are */
    prepare(fixture);
    assert_int_equal(fixture->result.outcome, PROVIDER_DONE);
    assert_int_equal(fixture->record_count, 0);
    assert_request(fixture, 0, KNOT_OPCODE_QUERY, DNS_SOA);
    assert_request(fixture, 1, KNOT_OPCODE_UPDATE, DNS_SOA);
    assert_request(fixture, 2, KNOT_OPCODE_QUERY, DNS_AXFR);

    forget(fixture); /* once it is known it is not tried again */
    SAY(fixture, .answer = SOA);
    SAY(fixture, .rcode = DNS_NOERROR);
    prepare(fixture);
    assert_int_equal(fixture->result.outcome, PROVIDER_DONE);
    assert_int_equal(fixture->request_count, 2);
}

static void test_a_zone_that_may_not_be_transferred(void **state)
{
    struct fixture *fixture = *state;
    static const uint16_t rcodes[] = {DNS_REFUSED, DNS_NOTAUTH, DNS_NOTIMP, DNS_SERVFAIL};

    for (size_t i = 0; i < ELEMENTS(rcodes); i++) {
        SAY(fixture, .answer = SOA);
        SAY(fixture, .rcode = DNS_NOERROR);
        SAY(fixture, .rcode = rcodes[i]);
        prepare(fixture);
        assert_int_equal(fixture->result.outcome, PROVIDER_DONE);
        assert_true(fixture->record_count >= UINT32_MAX);
        forget(fixture);
    }
}

static void test_a_zone_that_is_not_there(void **state)
{
    struct fixture *fixture = *state;
    static const struct server_answer answers[] = {
        {.rcode = DNS_REFUSED},
        {.rcode = DNS_NXDOMAIN},
        {.rcode = DNS_NOERROR},
        {.answer = SOA, .is_lame = true},
        {.answer = "com. 300 SOA ns.example.com.\n"},
        {.rcode = DNS_NOTAUTH},
    };

    for (size_t i = 0; i < ELEMENTS(answers); i++) {
        say(fixture, &answers[i]);
        prepare(fixture);
        assert_int_equal(fixture->result.outcome, PROVIDER_NO_ZONE);
        assert_non_null(strstr(fixture->words, ZONE));
        forget(fixture);
    }
}

static void test_updates_that_are_not_permitted(void **state)
{
    struct fixture *fixture = *state;
    static const uint16_t rcodes[] = {DNS_REFUSED, DNS_NOTAUTH, DNS_NOTIMP};

    for (size_t i = 0; i < ELEMENTS(rcodes); i++) {
        SAY(fixture, .answer = SOA);
        SAY(fixture, .rcode = rcodes[i]);
        prepare(fixture);
        assert_int_equal(fixture->result.outcome, PROVIDER_CREDENTIALS);
        assert_non_null(strstr(fixture->words, "answers"));
        forget(fixture);
    }
}

/* ---- apply ---- */

static struct record records[] = {{"a.example.com.", RECORD_A}, {"b.example.com.", RECORD_A}};

static void apply(struct fixture *fixture, size_t count)
{
    static struct change_request changes[2];
    static const struct change_request *const pointers[] = {&changes[0], &changes[1]};

    for (size_t i = 0; i < 2; i++) {
        changes[i] = (struct change_request){.record = &records[i], .ttl_s = 60};
        assert_int_equal(rdata_parse("198.51.100.1", 12, &changes[i].value), 0);
    }
    rfc2136_ops.apply(fixture->zone, pointers, count, on_applied, fixture);
    turn(fixture);
}

static void test_what_comes_of_an_update(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        struct server_answer answer;
        enum provider_outcome outcome;
        bool is_outdated;
        const char *words;
    } rows[] = {
        {{.rcode = DNS_NOERROR}, PROVIDER_DONE, false, ""},
        {{.rcode = DNS_YXRRSET}, PROVIDER_REFUSED, true, "YXRRSET"},
        {{.rcode = DNS_NXRRSET}, PROVIDER_REFUSED, true, "NXRRSET"},
        {{.rcode = DNS_YXDOMAIN}, PROVIDER_REFUSED, true, "YXDOMAIN"},
        {{.rcode = DNS_NXDOMAIN}, PROVIDER_REFUSED, true, "NXDOMAIN"},
        {{.rcode = DNS_FORMERR}, PROVIDER_REFUSED, false, "FORMERR"},
        {{.rcode = DNS_NOTZONE}, PROVIDER_REFUSED, false, "NOTZONE"},
        {{.rcode = DNS_SERVFAIL}, PROVIDER_TRANSIENT, false, "SERVFAIL"},
        {{.rcode = 11}, PROVIDER_TRANSIENT, false, "RCODE 11"},
        {{.rcode = DNS_NOTIMP}, PROVIDER_CREDENTIALS, false, "turn them on"},
        {{.rcode = DNS_REFUSED}, PROVIDER_CREDENTIALS, false, "permit it"},
        {{.rcode = DNS_NOTAUTH, .tsig_error = DNS_BADKEY}, PROVIDER_CREDENTIALS, false, "BADKEY"},
        {{.rcode = DNS_NOTAUTH, .tsig_error = DNS_BADSIG}, PROVIDER_CREDENTIALS, false, "BADSIG"},
        {{.rcode = DNS_NOTAUTH, .tsig_error = DNS_BADTIME}, PROVIDER_CREDENTIALS, false, "BADTIME"},
        /* whoever is on the way could have written it: the change stays */
        {{.rcode = DNS_NOERROR, .signature = SERVER_DOES_NOT_SIGN}, PROVIDER_CREDENTIALS, false, "without a sig"},
        {{.rcode = DNS_NOERROR, .signature = SERVER_SIGNS_WRONGLY}, PROVIDER_CREDENTIALS, false, "is wrong"},
        {{.rcode = DNS_YXRRSET, .signature = SERVER_DOES_NOT_SIGN}, PROVIDER_CREDENTIALS, false, "YXRRSET without"},
        {{.rcode = DNS_NOTAUTH, .signature = SERVER_DOES_NOT_SIGN}, PROVIDER_CREDENTIALS, false, "both clocks"},
        {{.rcode = DNS_SERVFAIL, .signature = SERVER_DOES_NOT_SIGN}, PROVIDER_TRANSIENT, false, "SERVFAIL without"},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const bool is_asked = rows[i].answer.rcode == DNS_NOTIMP || rows[i].answer.rcode == DNS_REFUSED ||
                              rows[i].answer.tsig_error == DNS_BADKEY;
        say(fixture, &rows[i].answer);
        if (is_asked) { /* may we do anything? */
            say(fixture, &rows[i].answer);
        }
        apply(fixture, 2);
        assert_int_equal(fixture->result.outcome, rows[i].outcome);
        assert_int_equal(fixture->result.is_outdated, rows[i].is_outdated);
        assert_int_equal(fixture->result.culprit, PROVIDER_NO_CULPRIT);
        assert_non_null(strstr(fixture->words, rows[i].words));
        assert_request(fixture, 0, KNOT_OPCODE_UPDATE, DNS_SOA);
        forget(fixture);
    }
}

/* RFC 2136 has one code for "not the zone's server" and "not authorised": the SOA record tells them apart. */
static void test_notauth(void **state)
{
    struct fixture *fixture = *state;

    SAY(fixture, .rcode = DNS_NOTAUTH);
    SAY(fixture, .rcode = DNS_NOTAUTH);
    SAY(fixture, .answer = SOA);
    apply(fixture, 1);
    assert_int_equal(fixture->result.outcome, PROVIDER_CREDENTIALS);
    forget(fixture);
    SAY(fixture, .rcode = DNS_NOTAUTH);
    SAY(fixture, .rcode = DNS_NOTAUTH);
    SAY(fixture, .rcode = DNS_REFUSED);
    apply(fixture, 1);
    assert_int_equal(fixture->result.outcome, PROVIDER_NO_ZONE);
}

/* The server takes updates, but not these: one of them is to be found. */
static void test_a_change_that_is_not_permitted(void **state)
{
    struct fixture *fixture = *state;
    static const struct server_answer answers[] = {{.rcode = DNS_REFUSED},
                                                   {.rcode = DNS_NOTAUTH},
                                                   {.rcode = DNS_NOTAUTH, .tsig_error = DNS_BADKEY}};

    for (size_t i = 0; i < ELEMENTS(answers); i++) {
        say(fixture, &answers[i]);
        SAY(fixture, .rcode = DNS_NOERROR);
        apply(fixture, 2);
        assert_int_equal(fixture->result.outcome, PROVIDER_REFUSED);
        assert_false(fixture->result.is_outdated);
        assert_non_null(strstr(fixture->words, "takes others"));
        forget(fixture);
    }
}

static void test_without_a_key(void **state)
{
    struct fixture *fixture = *state;

    make_zone(fixture, false);
    SAY(fixture, .rcode = DNS_NOERROR);
    SAY(fixture, .rcode = DNS_YXRRSET);
    apply(fixture, 1);
    assert_int_equal(fixture->result.outcome, PROVIDER_DONE);
    fixture->calls = 0;
    apply(fixture, 1);
    assert_true(fixture->result.is_outdated);
}

static void test_texts_that_fit_no_message(void **state)
{
    struct fixture *fixture = *state;
    struct record record = {"t.example.com.", RECORD_TXT};
    struct change_request change = {.record = &record};
    const struct change_request *const pointer = &change;
    static char text[3900];

    memset(text, 'x', sizeof(text));
    for (char c = 'a'; c < 'a' + 17; c++) {
        text[0] = c;
        assert_int_equal(rdata_add_bytes(&change.value, text, sizeof(text)), 0);
    }
    rfc2136_ops.apply(fixture->zone, &pointer, 1, on_applied, fixture);
    turn(fixture);
    assert_int_equal(fixture->result.outcome, PROVIDER_REFUSED);
    assert_non_null(strstr(fixture->words, "do not fit"));
    rdata_drop(&change.value);
}

/* ---- look_up ---- */

static void look_up(struct fixture *fixture, const char *hostname, enum record_type type)
{
    const struct record record = {hostname, type};

    rfc2136_ops.look_up(fixture->zone, &record, on_looked_up, fixture);
    turn(fixture);
}

static void test_look_up(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        enum record_type type;
        struct server_answer answer;
        bool is_checked;
        uint16_t check;
        const char *found;
    } rows[] = {
        {RECORD_A, {.rcode = DNS_NXDOMAIN, .authority = SOA}, false, 0, "A absent 0 0 \n"},
        {RECORD_A, {.authority = SOA}, false, 0, "A absent 0 0 \n"},
        {RECORD_A, {.answer = "h.example.com. 60 A 192.0.2.1\n"}, true, DNS_NOERROR, "A plain 0 60 192.0.2.1\n"},
        {RECORD_AAAA, {.answer = "H.example.com. 60 AAAA 2001:db8::1\n"}, true, 0, "AAAA plain 0 60 2001:db8::1\n"},
        {RECORD_A,
         {.answer = "h.example.com. 60 A 192.0.2.1\nh.example.com. 60 A 192.0.2.2\n"},
         true,
         0,
         "A foreign 2 60 \n"},
        {RECORD_TXT,
         {.answer = "h.example.com. 5 TXT b\nh.example.com. 5 TXT a\n"},
         true,
         0,
         "TXT plain 0 5 \"a\"\n\"b\"\n"},
        {RECORD_A,
         {.answer = "h.example.com. 60 CNAME o.example.com.\no.example.com. 60 A 192.0.2.1\n"},
         true,
         0,
         "A foreign 1 0 \n"},
        /* made up by a wildcard */
        {RECORD_A, {.answer = "h.example.com. 60 A 192.0.2.1\n"}, true, DNS_NXRRSET, "A absent 0 0 \n"},
        {RECORD_A, {.answer = "h.example.com. 60 A 192.0.2.1\n"}, true, DNS_NXDOMAIN, "A absent 0 0 \n"},
        {RECORD_A, {.answer = "h.example.com. 60 CNAME o.example.com.\n"}, true, DNS_NXRRSET, "A absent 0 0 \n"},
        {RECORD_A,
         {.answer = "example.com. 60 DNAME o.test.\nh.example.com. 60 CNAME h.o.test.\n"},
         false,
         0,
         "A foreign 1 0 \n"},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        say(fixture, &rows[i].answer);
        if (rows[i].is_checked) {
            SAY(fixture, .rcode = rows[i].check);
        }
        look_up(fixture, "h.example.com.", rows[i].type);
        assert_int_equal(fixture->result.outcome, PROVIDER_DONE);
        assert_int_equal(strncmp(buffer_text(&fixture->listed), "h.example.com. ", 15), 0);
        assert_string_equal(buffer_text(&fixture->listed) + 15, rows[i].found);
        assert_request(fixture, 0, KNOT_OPCODE_QUERY, record_type_number(rows[i].type));
        assert_int_equal(fixture->request_count, rows[i].is_checked ? 2 : 1);
        forget(fixture);
    }
}

/* ---- in_sync ---- */

static void on_synced(const struct provider_result *result, bool is_in_sync, void *userdata)
{
    struct fixture *fixture = userdata;

    keep(fixture, result);
    fixture->is_in_sync = is_in_sync;
}

static void test_in_sync(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        struct server_answer answer;
        bool is_in_sync;
        enum provider_outcome outcome;
    } rows[] = {
        {{.answer = "h.example.com. 5 TXT b\nH.example.com. 5 TXT a\n"}, true, PROVIDER_DONE},
        {{.answer = "h.example.com. 5 TXT a\n"}, false, PROVIDER_DONE},
        {{.answer = "h.example.com. 5 TXT a\nh.example.com. 5 TXT b\nh.example.com. 5 TXT c\n"}, false, PROVIDER_DONE},
        {{.answer = "i.example.com. 5 TXT a\ni.example.com. 5 TXT b\n"}, false, PROVIDER_DONE},
        {{.authority = SOA}, false, PROVIDER_DONE},
        {{.rcode = DNS_NXDOMAIN, .authority = SOA}, false, PROVIDER_DONE},
        {{.rcode = DNS_SERVFAIL}, false, PROVIDER_TRANSIENT},
    };
    const struct record record = {"h.example.com.", RECORD_TXT};
    struct rdata value = {0};

    assert_int_equal(rdata_add_bytes(&value, "a", 1), 0);
    assert_int_equal(rdata_add_bytes(&value, "b", 1), 0);
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        say(fixture, &rows[i].answer);
        rfc2136_ops.in_sync(fixture->zone, &record, &value, "", on_synced, fixture);
        turn(fixture);
        assert_int_equal(fixture->result.outcome, rows[i].outcome);
        assert_int_equal(fixture->is_in_sync, rows[i].is_in_sync);
        assert_request(fixture, 0, KNOT_OPCODE_QUERY, DNS_TXT);
        assert_int_equal(fixture->request_count, 1);
        forget(fixture);
    }
    rdata_drop(&value);
}

static void test_look_ups_that_fail(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        struct server_answer answers[2];
        size_t count;
        enum provider_outcome outcome;
        const char *words;
    } rows[] = {
        {{{.is_lame = true, .authority = "sub.example.com. 60 NS ns.other.test.\n"}},
         1,
         PROVIDER_REFUSED,
         "handed sub.example.com. to"},
        {{{.is_lame = true, .authority = "other.test. 60 NS ns.other.test.\n"}},
         1,
         PROVIDER_NO_ZONE,
         "not authoritative"},
        {{{.is_truncated = true}}, 1, PROVIDER_TRANSIENT, "short"},
        {{{.rcode = DNS_SERVFAIL}}, 1, PROVIDER_TRANSIENT, "SERVFAIL"},
        {{{.rcode = DNS_REFUSED}}, 1, PROVIDER_CREDENTIALS, "REFUSED"},
        {{{.answer = "h.sub.example.com. 60 A 192.0.2.1\n"}, {.rcode = DNS_SERVFAIL}},
         2,
         PROVIDER_TRANSIENT,
         "SERVFAIL"},
        {{{.answer = "h.sub.example.com. 60 A 192.0.2.1\n"}, {.rcode = DNS_NOTAUTH}},
         2,
         PROVIDER_CREDENTIALS,
         "permit"},
        {{{.answer = "h.sub.example.com. 60 A 192.0.2.1\n", .signature = SERVER_DOES_NOT_SIGN}},
         1,
         PROVIDER_CREDENTIALS,
         "without a signature"},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        for (size_t k = 0; k < rows[i].count; k++) {
            say(fixture, &rows[i].answers[k]);
        }
        look_up(fixture, "h.sub.example.com.", RECORD_A);
        assert_int_equal(fixture->result.outcome, rows[i].outcome);
        assert_non_null(strstr(fixture->words, rows[i].words));
        forget(fixture);
    }
}

/* ---- list_page ---- */

static const char listed[] = "a.example.com. A plain 0 60 192.0.2.1\n"
                             "a.example.com. TXT plain 0 60 \"one\"\n\"two\"\n"
                             "b.example.com. A foreign 2 60 \n"
                             "c.example.com. A foreign 1 0 \n"
                             "c.example.com. AAAA foreign 1 0 \n"
                             "c.example.com. TXT foreign 1 0 \n"
                             "d.example.com. AAAA plain 0 30 2001:db8::1\n";

static void test_a_transfer(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned has_key = 0; has_key < 2; has_key++) {
        make_zone(fixture, has_key == 1);
        SAY(fixture, .answer = SOA "example.com. 60 NS ns.example.com.\n"
                                   "a.example.com. 60 TXT two\na.example.com. 60 A 192.0.2.1\n");
        SAY(fixture, .answer = "a.example.com. 60 TXT one\nb.example.com. 60 A 192.0.2.1\n",
            .signature = SERVER_SIGNS_LATER);
        SAY(fixture, .answer = "b.example.com. 60 A 192.0.2.2\nc.example.com. 60 CNAME a.example.com.\n");
        SAY(fixture, .answer = "d.example.com. 30 AAAA 2001:db8::1\n" SOA "e.example.com. 60 A 192.0.2.1\n");
        fixture->messages[0] = 3;
        list(fixture);
        assert_int_equal(fixture->result.outcome, PROVIDER_DONE);
        assert_string_equal(buffer_text(&fixture->listed), listed);
        forget(fixture);
    }
}

static void test_transfers_that_fail(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        struct server_answer answers[2];
        enum provider_outcome outcome;
    } rows[] = {
        {{{.rcode = DNS_REFUSED}, {0}}, PROVIDER_CREDENTIALS},
        {{{.rcode = DNS_NOTAUTH}, {0}}, PROVIDER_CREDENTIALS},
        {{{.rcode = DNS_SERVFAIL}, {0}}, PROVIDER_TRANSIENT},
        {{{.rcode = DNS_FORMERR}, {0}}, PROVIDER_TRANSIENT},
        {{{.answer = "a.example.com. 60 A 192.0.2.1\n"}, {0}}, PROVIDER_TRANSIENT}, /* no SOA record first */
        {{{.answer = SOA}, {.signature = SERVER_SIGNS_WRONGLY}}, PROVIDER_CREDENTIALS},
        {{{.answer = SOA}, {.rcode = DNS_SERVFAIL}}, PROVIDER_TRANSIENT},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        say(fixture, &rows[i].answers[0]);
        say(fixture, &rows[i].answers[1]);
        fixture->messages[0] = 1;
        list(fixture);
        assert_int_equal(fixture->result.outcome, rows[i].outcome);
        assert_true(fixture->words[0] != '\0');
        forget(fixture);
    }
}

/* ---- transports ---- */

static void test_udp_where_tcp_is_refused(void **state)
{
    struct fixture *fixture = *state;

    listen_tcp(fixture, false);
    SAY(fixture, .answer = SOA);
    SAY(fixture, .rcode = DNS_NOERROR);
    prepare(fixture);
    assert_int_equal(fixture->result.outcome, PROVIDER_DONE);
    assert_true(fixture->record_count >= UINT32_MAX); /* no transfer by UDP */
    assert_true(fixture->requests[0].is_udp && fixture->requests[1].is_udp);

    forget(fixture);
    SAY(fixture, .rcode = DNS_NOERROR);
    apply(fixture, 2);
    assert_int_equal(fixture->result.outcome, PROVIDER_DONE);
    assert_true(fixture->requests[0].is_udp);

    forget(fixture); /* the next preparation tries TCP again */
    listen_tcp(fixture, true);
    SAY(fixture, .answer = SOA);
    SAY(fixture, .rcode = DNS_NOERROR);
    SAY(fixture, .answer = SOA);
    prepare(fixture);
    assert_int_equal(fixture->record_count, 0);
    assert_false(fixture->requests[0].is_udp);
}

/* Twenty changes need more than a datagram: refused, so that the queue sends fewer at a time. */
static void test_too_much_for_udp(void **state)
{
    struct fixture *fixture = *state;
    struct change_request changes[20] = {{0}};
    const struct change_request *pointers[20];
    struct record many[20];
    char names[20][32];

    for (size_t i = 0; i < 20; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "host-%zu.example.com.", i);
        many[i] = (struct record){names[i], RECORD_A};
        changes[i].record = &many[i];
        assert_int_equal(rdata_parse("198.51.100.1", 12, &changes[i].value), 0);
        pointers[i] = &changes[i];
    }
    listen_tcp(fixture, false);
    /* nobody knows yet that it can be reached by UDP */
    rfc2136_ops.apply(fixture->zone, pointers, 20, on_applied, fixture);
    turn(fixture);
    assert_int_equal(fixture->result.outcome, PROVIDER_TRANSIENT);
    fixture->calls = 0;
    SAY(fixture, .rcode = DNS_NOERROR);
    apply(fixture, 1);
    assert_int_equal(fixture->result.outcome, PROVIDER_DONE);
    fixture->calls = 0;
    rfc2136_ops.apply(fixture->zone, pointers, 20, on_applied, fixture);
    turn(fixture);
    assert_int_equal(fixture->result.outcome, PROVIDER_REFUSED);
    assert_false(fixture->result.is_outdated);
    fixture->calls = 0;
    listen_tcp(fixture, true); /* back again */
    SAY(fixture, .rcode = DNS_NOERROR);
    rfc2136_ops.apply(fixture->zone, pointers, 20, on_applied, fixture);
    turn(fixture);
    assert_int_equal(fixture->result.outcome, PROVIDER_DONE);
}

/* As PowerDNS is with big zones. */
static void test_a_slow_server_gets_smaller_batches(void **state)
{
    struct fixture *fixture = *state;

    fixture->delay_ms = 6000;
    SAY(fixture, .rcode = DNS_NOERROR);
    apply(fixture, 2);
    assert_int_equal(fixture->result.outcome, PROVIDER_DONE);
    forget(fixture);
    apply(fixture, 2);
    assert_int_equal(fixture->result.outcome, PROVIDER_REFUSED);
    assert_false(fixture->result.is_outdated);
    assert_int_equal(fixture->request_count, 0);
    forget(fixture);
    fixture->delay_ms = 31000; /* no answer at all: one alone is not refused for that */
    SAY(fixture, .rcode = DNS_NOERROR);
    apply(fixture, 1);
    assert_int_equal(fixture->result.outcome, PROVIDER_TRANSIENT);
    assert_non_null(strstr(fixture->words, "timed out"));
    forget(fixture);
    fixture->delay_ms = 0;
    SAY(fixture, .rcode = DNS_NOERROR);
    apply(fixture, 1);
    assert_int_equal(fixture->result.outcome, PROVIDER_DONE);
    fixture->calls = 0;
    SAY(fixture, .rcode = DNS_NOERROR);
    apply(fixture, 2);
    assert_int_equal(fixture->result.outcome, PROVIDER_DONE);
}

static void test_nobody_is_there(void **state)
{
    struct fixture *fixture = *state;

    listen_tcp(fixture, false);
    set_udp(fixture, false);
    prepare(fixture);
    assert_int_equal(fixture->result.outcome, PROVIDER_TRANSIENT);
    assert_non_null(strstr(fixture->words, "Connection refused"));
    fixture->calls = 0;
    list(fixture);
    assert_int_equal(fixture->result.outcome, PROVIDER_TRANSIENT);
}

static void test_freed_with_calls_under_way(void **state)
{
    struct fixture *fixture = *state;
    const struct record record = {"h.example.com.", RECORD_A};

    rfc2136_ops.prepare(fixture->zone, on_prepared, fixture);
    rfc2136_ops.look_up(fixture->zone, &record, on_looked_up, fixture);
    rfc2136_ops.list_page(fixture->zone, true, on_each, on_listed, fixture);
    rfc2136_ops.in_sync(fixture->zone, &record, NULL, "", on_synced, fixture);
    rfc2136_ops.apply(fixture->zone, NULL, 0, on_applied, fixture);
    rfc2136_ops.free(fixture->zone);
    fixture->zone = NULL;
    loop_turn(fixture->loop, 1);
    assert_int_equal(fixture->calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_zone_that_may_be_transferred, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_zone_that_may_not_be_transferred, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_zone_that_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_updates_that_are_not_permitted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_comes_of_an_update, setup, teardown),
        cmocka_unit_test_setup_teardown(test_notauth, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_change_that_is_not_permitted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_a_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_texts_that_fit_no_message, setup, teardown),
        cmocka_unit_test_setup_teardown(test_look_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_sync, setup, teardown),
        cmocka_unit_test_setup_teardown(test_look_ups_that_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_transfer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_transfers_that_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_udp_where_tcp_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_much_for_udp, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_slow_server_gets_smaller_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_freed_with_calls_under_way, setup, teardown),
    };
    return crypto_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
