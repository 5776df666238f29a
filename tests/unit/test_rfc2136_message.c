/* What is written is read by libknot itself, and what is read was written by it: see also tests/e2e, where dnspython and
 * real name servers do both. */
#include "name_server.h"

struct fixture {
    struct rfc2136_key *key;
    struct rfc2136_request request;
    struct server_signer signer;
    uint8_t message[65535];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct secret *secret = server_secret();

    assert_int_equal(rfc2136_key_new("DDNS53.", "hmac-sha256", secret, &fixture->key), 0);
    secret_free(secret);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    rfc2136_request_done(&fixture->request);
    rfc2136_key_free(fixture->key);
    signer_done(&fixture->signer);
    free(fixture);
    return 0;
}

static struct rdata parsed(const char *text)
{
    struct rdata rdata = {0};

    assert_int_equal(rdata_parse(text, strlen(text), &rdata), 0);
    return rdata;
}

/* ---- requests ---- */

static knot_pkt_t *reparse(const struct rfc2136_request *request)
{
    knot_pkt_t *packet = knot_pkt_new(NULL, (uint16_t)request->length, NULL);

    memcpy(packet->wire, request->bytes, request->length);
    packet->size = request->length;
    assert_int_equal(knot_pkt_parse(packet, 0), KNOT_EOK);
    return packet;
}

/* `OWNER TTL CLASS TYPE LENGTH` of the index-th record. */
static void assert_record(const knot_pkt_t *packet, knot_section_t section, uint16_t index, const char *expected)
{
    const knot_pktsection_t *records = knot_pkt_section(packet, section);
    char owner[256], type[16], text[400];

    assert_true(index < records->count);
    const knot_rrset_t *set = knot_pkt_rr(records, index);
    assert_int_equal(set->rrs.count, 1);
    assert_non_null(knot_dname_to_str(owner, set->owner, sizeof(owner)));
    assert_true(knot_rrtype_to_string(set->type, type, sizeof(type)) > 0);
    (void)snprintf(text, sizeof(text), "%s %u %s %s %u", owner, set->ttl,
                   set->rclass == KNOT_CLASS_ANY  ? "ANY"
                   : set->rclass == KNOT_CLASS_IN ? "IN"
                   : set->rclass == 254           ? "NONE"
                                                  : "?",
                   type, (unsigned)knot_rdataset_at(&set->rrs, 0)->len);
    assert_string_equal(text, expected);
}

static void test_an_update(void **state)
{
    struct fixture *fixture = *state;
    struct record home = {"home.example.com.", RECORD_A}, six = {"six.example.com.", RECORD_AAAA},
                  text = {"_acme-challenge.example.com.", RECORD_TXT}, gone = {"gone.example.com.", RECORD_A};
    struct change_request changes[] = {
        {.record = &home, .value = parsed("198.51.100.2"), .was = parsed("198.51.100.1"), .ttl_s = 60},
        {.record = &six, .value = parsed("2001:db8::1"), .ttl_s = 300},
        {.record = &text, .value = parsed("\"new\" \"strings\"\n\"two\""), .was = parsed("\"a\"\n\"b\""), .ttl_s = 5},
        {.record = &gone, .was = parsed("198.51.100.9")},
    };
    const struct change_request *pointers[ELEMENTS(changes)];

    for (size_t i = 0; i < ELEMENTS(changes); i++) {
        pointers[i] = &changes[i];
    }
    assert_int_equal(rfc2136_write_update(&fixture->request, fixture->key, "example.com.", pointers, 4), 0);
    assert_int_equal(signer_begin(&fixture->signer, fixture->request.bytes, fixture->request.length), KNOT_EOK);

    knot_pkt_t *packet = reparse(&fixture->request);
    assert_int_equal(knot_wire_get_opcode(packet->wire), KNOT_OPCODE_UPDATE);
    assert_int_equal(knot_pkt_qtype(packet), DNS_SOA);
    /* RFC 2136 section 2.4: "exists (value dependent)" is of class IN, "does not exist" of class NONE */
    static const char *const prerequisites[] = {
        "home.example.com. 0 IN A 4",
        "home.example.com. 0 NONE CNAME 0",
        "six.example.com. 0 NONE AAAA 0",
        "six.example.com. 0 NONE CNAME 0",
        "_acme-challenge.example.com. 0 IN TXT 2",
        "_acme-challenge.example.com. 0 IN TXT 2",
        "_acme-challenge.example.com. 0 NONE CNAME 0",
        "gone.example.com. 0 IN A 4",
    };
    /* section 2.5: "delete an RRset" is of class ANY */
    static const char *const updates[] = {
        "home.example.com. 0 ANY A 0",
        "home.example.com. 60 IN A 4",
        "six.example.com. 0 ANY AAAA 0",
        "six.example.com. 300 IN AAAA 16",
        "_acme-challenge.example.com. 0 ANY TXT 0",
        "_acme-challenge.example.com. 5 IN TXT 12",
        "_acme-challenge.example.com. 5 IN TXT 4",
        "gone.example.com. 0 ANY A 0",
    };
    assert_int_equal(knot_pkt_section(packet, KNOT_ANSWER)->count, ELEMENTS(prerequisites));
    assert_int_equal(knot_pkt_section(packet, KNOT_AUTHORITY)->count, ELEMENTS(updates));
    for (uint16_t i = 0; i < ELEMENTS(prerequisites); i++) {
        assert_record(packet, KNOT_ANSWER, i, prerequisites[i]);
        assert_record(packet, KNOT_AUTHORITY, i, updates[i]);
    }
    knot_pkt_free(packet);
    for (size_t i = 0; i < ELEMENTS(changes); i++) {
        rdata_drop(&changes[i].value);
        rdata_drop(&changes[i].was);
    }
}

static void test_other_requests(void **state)
{
    struct fixture *fixture = *state;
    struct rfc2136_request *request = &fixture->request;

    assert_int_equal(rfc2136_write_query(request, fixture->key, "a.example.com.", DNS_AAAA), 0);
    assert_int_equal(signer_begin(&fixture->signer, request->bytes, request->length), KNOT_EOK);
    knot_pkt_t *packet = reparse(request);
    assert_int_equal(knot_wire_get_opcode(packet->wire), KNOT_OPCODE_QUERY);
    assert_int_equal(knot_wire_get_rd(packet->wire), 0);
    assert_int_equal(knot_pkt_qtype(packet), DNS_AAAA);
    assert_true(knot_pkt_has_edns(packet));
    assert_int_equal(knot_edns_get_payload(packet->opt_rr), RFC2136_UDP_MAX);
    knot_pkt_free(packet);

    assert_int_equal(rfc2136_write_transfer(request, NULL, "example.com."), 0);
    packet = reparse(request);
    assert_int_equal(knot_pkt_qtype(packet), DNS_AXFR);
    assert_false(knot_pkt_has_tsig(packet));
    knot_pkt_free(packet);

    assert_int_equal(rfc2136_write_check(request, NULL, "example.com.", "a.example.com.", DNS_CNAME), 0);
    packet = reparse(request);
    assert_record(packet, KNOT_ANSWER, 0, "a.example.com. 0 ANY CNAME 0");
    assert_int_equal(knot_pkt_section(packet, KNOT_AUTHORITY)->count, 0);
    knot_pkt_free(packet);

    assert_int_equal(rfc2136_write_update(request, NULL, "example.com.", NULL, 0), 0);
    assert_int_equal(request->length, 12 + 13 + 4);
    assert_int_equal(rfc2136_write_query(request, NULL, "a..b", DNS_A), -EINVAL);
}

static void test_keys(void **state)
{
    struct fixture *fixture = *state;
    struct secret *secret = server_secret();
    struct rfc2136_key *key = NULL;

    assert_int_equal(rfc2136_key_new("k.", "hmac-what", secret, &key), -EINVAL);
    assert_int_equal(rfc2136_key_new("k..", "hmac-sha256", secret, &key), -EINVAL);
    assert_int_equal(rfc2136_key_new("k.", "hmac-sha512", secret, &key), 0);
    assert_int_equal(rfc2136_write_update(&fixture->request, key, "example.com.", NULL, 0), 0);
    assert_int_equal(signer_begin(&fixture->signer, fixture->request.bytes, fixture->request.length),
                     KNOT_TSIG_EBADKEY);
    rfc2136_key_free(key);
    secret_free(secret);
}

/* A batch of 180 fits while names have up to 70 characters below the zone's; what does not fit says so. */
static void test_sizes(void **state)
{
    struct fixture *fixture = *state;
    static const char label[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"; /* 63 */
    struct change_request *changes = calloc(180, sizeof(*changes));
    const struct change_request **pointers = calloc(180, sizeof(*pointers));
    struct record *records = calloc(180, sizeof(*records));
    char(*names)[256] = calloc(180, sizeof(*names));

    for (unsigned labels = 1; labels <= 3; labels += 2) {
        for (size_t i = 0; i < 180; i++) {
            const size_t length = (size_t)snprintf(names[i], sizeof(names[i]), "%03zu.%s.", i, label);
            (void)snprintf(names[i] + length, sizeof(names[i]) - length, "%s%s%s%sexample.com.",
                           labels == 3 ? label : "", labels == 3 ? "." : "", labels == 3 ? label : "",
                           labels == 3 ? "." : "");
            records[i] = (struct record){names[i], RECORD_AAAA};
            changes[i] = (struct change_request){
                .record = &records[i], .value = parsed("2001:db8::1"), .was = parsed("2001:db8::2"), .ttl_s = 60};
            pointers[i] = &changes[i];
        }
        assert_int_equal(rfc2136_write_update(&fixture->request, fixture->key, "example.com.", pointers, 180),
                         labels == 1 ? 0 : -EMSGSIZE);
    }
    free(names);
    free(records);
    free(pointers);
    free(changes);
}

/* ---- answers ---- */

static int answer(struct fixture *fixture, const struct server_answer *answer, struct rfc2136_answer *ret_answer)
{
    const size_t length = make_answer(fixture->request.bytes, fixture->request.length,
                                      fixture->request.key ? &fixture->signer : NULL, answer, fixture->message);

    return rfc2136_read(&fixture->request, fixture->message, length, ret_answer);
}

static void begin_query(struct fixture *fixture)
{
    assert_int_equal(rfc2136_write_query(&fixture->request, fixture->key, "a.example.com.", DNS_A), 0);
    assert_int_equal(signer_begin(&fixture->signer, fixture->request.bytes, fixture->request.length), KNOT_EOK);
}

static void test_a_signed_answer(void **state)
{
    struct fixture *fixture = *state;
    struct rfc2136_cursor cursor = {.packet = 0};
    struct rfc2136_answer read;
    struct rfc2136_record record;

    begin_query(fixture);
    assert_int_equal(answer(fixture,
                            &(struct server_answer){.answer = "A.example.com. 60 A 192.0.2.1\n"
                                                              "A.example.com. 60 TXT some text\n",
                                                    .authority = "example.com. 60 NS ns.example.com.\n"},
                            &read),
                     0);
    assert_int_equal(read.signature, SIGNATURE_GOOD);
    assert_int_equal(read.rcode, DNS_NOERROR);
    assert_true(read.is_authoritative);
    assert_false(read.is_truncated);
    assert_true(rfc2136_next(&fixture->request, RFC2136_ANSWER, &cursor, &record));
    assert_string_equal(record.owner.text, "a.example.com.");
    assert_int_equal(record.type, DNS_A);
    assert_int_equal(record.ttl_s, 60);
    assert_int_equal(record.length, 4);
    assert_memory_equal(record.data, "\xc0\x00\x02\x01", 4);
    assert_true(rfc2136_next(&fixture->request, RFC2136_ANSWER, &cursor, &record));
    assert_int_equal(record.type, DNS_TXT);
    assert_false(rfc2136_next(&fixture->request, RFC2136_ANSWER, &cursor, &record));
    cursor = (struct rfc2136_cursor){.packet = 0};
    assert_true(rfc2136_next(&fixture->request, RFC2136_AUTHORITY, &cursor, &record));
    assert_int_equal(record.type, DNS_NS);
}

static void test_signatures(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        struct server_answer answer;
        enum rfc2136_signature signature;
        uint16_t tsig_error;
        int64_t ahead_s;
    } rows[] = {
        {{.signature = SERVER_DOES_NOT_SIGN}, SIGNATURE_MISSING, 0, 0},
        {{.signature = SERVER_SIGNS_WRONGLY}, SIGNATURE_WRONG, 0, 0},
        {{.rcode = DNS_NOTAUTH, .tsig_error = DNS_BADKEY}, SIGNATURE_WRONG, DNS_BADKEY, 0},
        {{.rcode = DNS_NOTAUTH, .tsig_error = DNS_BADSIG}, SIGNATURE_WRONG, DNS_BADSIG, 0},
        {{.rcode = DNS_NOTAUTH, .tsig_error = DNS_BADTIME}, SIGNATURE_GOOD, DNS_BADTIME, 100},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct rfc2136_answer read;
        begin_query(fixture);
        fixture->signer.time_signed -= (uint64_t)rows[i].ahead_s;
        assert_int_equal(answer(fixture, &rows[i].answer, &read), 0);
        assert_int_equal(read.signature, rows[i].signature);
        assert_int_equal(read.tsig_error, rows[i].tsig_error);
        if (rows[i].tsig_error == DNS_BADTIME) { /* the message says that it was signed 100 seconds ago */
            assert_in_range(read.ahead_s, rows[i].ahead_s, rows[i].ahead_s + 10);
        }
    }
}

static void test_what_is_no_answer(void **state)
{
    struct fixture *fixture = *state;
    struct rfc2136_answer read;
    size_t length;

    assert_int_equal(rfc2136_write_query(&fixture->request, NULL, "a.example.com.", DNS_A), 0);
    length = make_answer(fixture->request.bytes, fixture->request.length, NULL,
                         &(struct server_answer){.answer = "a.example.com. 60 A 192.0.2.1\n"}, fixture->message);
    assert_int_equal(rfc2136_read(&fixture->request, fixture->message, length, &read), 0);
    for (size_t cut = 0; cut < length; cut++) {
        assert_int_equal(rfc2136_read(&fixture->request, fixture->message, cut, &read), -EBADMSG);
    }
    assert_int_equal(rfc2136_read(&fixture->request, fixture->request.bytes, fixture->request.length, &read),
                     -EBADMSG);    /* a question */
    fixture->message[2] ^= 5 << 3; /* of another operation */
    assert_int_equal(rfc2136_read(&fixture->request, fixture->message, length, &read), -EBADMSG);
    fixture->message[2] ^= 5 << 3;
    fixture->message[13] = 'b'; /* about another name */
    assert_int_equal(rfc2136_read(&fixture->request, fixture->message, length, &read), -EBADMSG);
    fixture->message[13] = 'A'; /* case does not count */
    assert_int_equal(rfc2136_read(&fixture->request, fixture->message, length, &read), 0);
    fixture->message[0] ^= 1; /* another id */
    assert_int_equal(rfc2136_read(&fixture->request, fixture->message, length, &read), -EBADMSG);
}

static void test_names_that_are_none_of_ours_are_passed_over(void **state)
{
    struct fixture *fixture = *state;
    struct rfc2136_cursor cursor = {.packet = 0};
    struct rfc2136_answer read;
    struct rfc2136_record record;

    assert_int_equal(rfc2136_write_query(&fixture->request, NULL, "a.example.com.", DNS_A), 0);
    assert_int_equal(answer(fixture,
                            &(struct server_answer){.answer = "a\\.b.example.com. 60 A 192.0.2.1\n"
                                                              "a\\000.example.com. 60 A 192.0.2.1\n"
                                                              ". 60 A 192.0.2.1\n"
                                                              "*.example.com. 60 A 192.0.2.1\n"},
                            &read),
                     0);
    assert_true(rfc2136_next(&fixture->request, RFC2136_ANSWER, &cursor, &record));
    assert_string_equal(record.owner.text, "*.example.com.");
    assert_false(rfc2136_next(&fixture->request, RFC2136_ANSWER, &cursor, &record));
}

/* ---- transfers ---- */

static void begin_transfer(struct fixture *fixture)
{
    assert_int_equal(rfc2136_write_transfer(&fixture->request, fixture->key, "example.com."), 0);
    assert_int_equal(signer_begin(&fixture->signer, fixture->request.bytes, fixture->request.length), KNOT_EOK);
}

static unsigned count_records(const struct fixture *fixture)
{
    struct rfc2136_cursor cursor = {.packet = 0};
    struct rfc2136_record record;
    unsigned count = 0;

    while (rfc2136_next(&fixture->request, RFC2136_ANSWER, &cursor, &record)) {
        count++;
    }
    return count;
}

/* RFC 8945 section 5.3.1: what is unsigned counts once the next signature covers it. */
static void test_unsigned_messages_of_a_transfer(void **state)
{
    struct fixture *fixture = *state;
    static const struct server_answer is_signed = {.answer = "a.example.com. 60 A 192.0.2.1\n"};
    static const struct server_answer later = {.answer = "b.example.com. 60 A 192.0.2.1\n",
                                               .signature = SERVER_SIGNS_LATER};
    struct rfc2136_answer read;

    begin_transfer(fixture);
    assert_int_equal(answer(fixture, &is_signed, &read), 0);
    assert_int_equal(read.signature, SIGNATURE_GOOD);
    assert_int_equal(count_records(fixture), 1);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < RFC2136_UNSIGNED_MAX; i++) {
            assert_int_equal(answer(fixture, &later, &read), -EAGAIN);
        }
        assert_int_equal(answer(fixture, &is_signed, &read), 0);
        assert_int_equal(read.signature, SIGNATURE_GOOD);
        assert_int_equal(count_records(fixture), RFC2136_UNSIGNED_MAX + 1);
        assert_int_equal(answer(fixture, &is_signed, &read), 0);
        assert_int_equal(count_records(fixture), 1);
    }
    for (unsigned i = 0; i < RFC2136_UNSIGNED_MAX + 1; i++) {
        assert_int_equal(answer(fixture, &later, &read), -EAGAIN);
    }
    assert_int_equal(answer(fixture, &later, &read), -E2BIG);
}

static void test_a_forged_message_in_a_transfer(void **state)
{
    struct fixture *fixture = *state;
    static const struct server_answer is_signed = {.answer = "a.example.com. 60 A 192.0.2.1\n"};
    struct rfc2136_answer read;

    begin_transfer(fixture);
    assert_int_equal(answer(fixture, &is_signed, &read), 0);
    /* one that the server knows nothing of */
    const size_t length =
        make_answer(fixture->request.bytes, fixture->request.length, NULL, &is_signed, fixture->message);
    assert_int_equal(rfc2136_read(&fixture->request, fixture->message, length, &read), -EAGAIN);
    assert_int_equal(answer(fixture, &is_signed, &read), 0);
    assert_int_equal(read.signature, SIGNATURE_WRONG);

    begin_transfer(fixture);
    assert_int_equal(answer(fixture, &(struct server_answer){.signature = SERVER_SIGNS_LATER}, &read), 0);
    assert_int_equal(read.signature, SIGNATURE_MISSING); /* the first one must be signed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_update, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_signed_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signatures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_that_are_none_of_ours_are_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unsigned_messages_of_a_transfer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_forged_message_in_a_transfer, setup, teardown),
    };
    return crypto_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
