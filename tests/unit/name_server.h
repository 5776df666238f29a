/*
 * Answers of a name server for unit tests, built with libknot from records as text. Each test file uses a part of it.
 */
#ifndef DDNS53_TESTS_NAME_SERVER_H
#define DDNS53_TESTS_NAME_SERVER_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "provider/rfc2136_message.h"

/* After ours: it defines macros of the same names. */
#include <libknot/libknot.h>

#define SERVER_KEY "0123456789abcdef0123456789abcdef"

enum server_signature { SERVER_SIGNS, SERVER_DOES_NOT_SIGN, SERVER_SIGNS_WRONGLY, SERVER_SIGNS_LATER };

struct server_answer {
    uint16_t rcode;
    uint16_t tsig_error; /* DNS_BADSIG, DNS_BADKEY: an empty signature; DNS_BADTIME: a whole one */
    const char *answer;  /* lines `OWNER TTL TYPE VALUE`; TYPE A, AAAA, TXT (a string), CNAME, NS, DNAME, SOA */
    const char *authority;
    bool is_lame; /* not authoritative */
    bool is_truncated;
    enum server_signature signature;
};

/* The signing side of an exchange. */
struct server_signer {
    knot_tsig_key_t key;
    uint8_t mac[64];
    size_t mac_length;
    uint64_t time_signed;
    bool has_signed;
    uint8_t to_sign[200000]; /* unsigned messages before a signed one */
    size_t to_sign_length;
};

static inline struct secret *server_secret(void)
{
    return secret_new(SERVER_KEY, strlen(SERVER_KEY));
}

static inline void signer_done(struct server_signer *signer)
{
    knot_tsig_key_deinit(&signer->key);
}

/* Verifies the request, as a server does, and keeps its MAC; returns what libknot says. */
static inline int signer_begin(struct server_signer *signer, const uint8_t *request, size_t length)
{
    knot_pkt_t *packet = knot_pkt_new(NULL, (uint16_t)length, NULL);

    signer_done(signer);
    memset(signer, 0, sizeof(*signer));
    /* base64 of SERVER_KEY */
    assert_int_equal(knot_tsig_key_init(&signer->key, "hmac-sha256", "ddns53.",
                                        "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="),
                     KNOT_EOK);
    memcpy(packet->wire, request, length);
    packet->size = length;
    assert_int_equal(knot_pkt_parse(packet, 0), KNOT_EOK);
    const int r = knot_tsig_server_check(packet->tsig_rr, packet->wire, packet->size, &signer->key);
    if (packet->tsig_rr) {
        signer->mac_length = knot_tsig_rdata_mac_length(packet->tsig_rr);
        memcpy(signer->mac, knot_tsig_rdata_mac(packet->tsig_rr), signer->mac_length);
        signer->time_signed = knot_tsig_rdata_time_signed(packet->tsig_rr);
    }
    knot_pkt_free(packet);
    return r;
}

static inline void put_line(knot_pkt_t *packet, const char *line)
{
    char owner[256], type[16], value[400];
    uint8_t name[KNOT_DNAME_MAXLEN], data[600] = {0};
    unsigned ttl_s;
    uint16_t number = 0;
    size_t length = 0;
    struct address address;

    assert_int_equal(sscanf(line, "%255s %u %15s %399[^\n]", owner, &ttl_s, type, value), 4);
    assert_int_equal(knot_rrtype_from_string(type, &number), 0);
    assert_non_null(knot_dname_from_str(name, owner, sizeof(name)));
    if (number == DNS_A || number == DNS_AAAA) {
        assert_int_equal(address_parse(value, strlen(value), &address), 0);
        length = number == DNS_A ? 4 : 16;
        memcpy(data, address.bytes, length);
    } else if (number == DNS_TXT) {
        length = strlen(value) + 1;
        data[0] = (uint8_t)strlen(value);
        memcpy(data + 1, value, strlen(value));
    } else {
        assert_non_null(knot_dname_from_str(data, value, KNOT_DNAME_MAXLEN));
        length = knot_dname_size(data);
        if (number == DNS_SOA) {
            memcpy(data + length, data, length);
            length = 2 * length + 20;
        }
    }
    knot_rrset_t *set = knot_rrset_new(name, number, KNOT_CLASS_IN, ttl_s, NULL);
    assert_int_equal(knot_rrset_add_rdata(set, data, (uint16_t)length, NULL), 0);
    assert_int_equal(knot_pkt_put(packet, KNOT_COMPR_HINT_NONE, set, KNOT_PF_FREE), 0);
    free(set);
}

static inline void put_lines(knot_pkt_t *packet, const char *lines)
{
    for (; lines && *lines != '\0'; lines += strcspn(lines, "\n"), lines += *lines == '\n') {
        put_line(packet, lines);
    }
}

static inline void sign(struct server_signer *signer, const struct server_answer *answer, uint8_t *message,
                        size_t *length)
{
    memcpy(signer->to_sign + signer->to_sign_length, message, *length);
    signer->to_sign_length += *length;
    if (answer->signature == SERVER_SIGNS_LATER) {
        return;
    }
    if (answer->tsig_error == DNS_BADSIG || answer->tsig_error == DNS_BADKEY) {
        knot_rrset_t *tsig = knot_rrset_new(signer->key.name, KNOT_RRTYPE_TSIG, KNOT_CLASS_ANY, 0, NULL);
        assert_int_equal(knot_tsig_create_rdata(tsig, dnssec_tsig_algorithm_to_dname(signer->key.algorithm), 0,
                                                answer->tsig_error),
                         0);
        assert_int_equal(knot_tsig_append(message, length, 65535, tsig), 0);
        knot_rrset_free(tsig, NULL);
        return;
    }
    size_t mac_length = sizeof(signer->mac);
    int r;
    if (signer->has_signed) {
        r = knot_tsig_sign_next(message, length, 65535, signer->mac, signer->mac_length, signer->mac, &mac_length,
                                &signer->key, signer->to_sign, signer->to_sign_length);
    } else {
        r = knot_tsig_sign(message, length, 65535, signer->mac, signer->mac_length, signer->mac, &mac_length,
                           &signer->key, answer->tsig_error, signer->time_signed);
    }
    assert_int_equal(r, KNOT_EOK);
    signer->mac_length = mac_length;
    signer->has_signed = true;
    signer->to_sign_length = 0;
    if (answer->signature == SERVER_SIGNS_WRONGLY) {
        message[*length - 8] ^= 1; /* in the MAC: six bytes follow it */
    }
}

/* The answer to a request; `signer` NULL: no key is in use. `ret_message` has room for 65,535 bytes. */
static inline size_t make_answer(const uint8_t *request, size_t request_length, struct server_signer *signer,
                                 const struct server_answer *answer, uint8_t *ret_message)
{
    knot_pkt_t *query = knot_pkt_new(NULL, (uint16_t)request_length, NULL);
    knot_pkt_t *packet = knot_pkt_new(NULL, 65535, NULL);

    memcpy(query->wire, request, request_length);
    query->size = request_length;
    assert_int_equal(knot_pkt_parse(query, 0), KNOT_EOK);
    assert_int_equal(knot_pkt_init_response(packet, query), KNOT_EOK);
    knot_wire_set_opcode(packet->wire, knot_wire_get_opcode(query->wire));
    knot_wire_set_rcode(packet->wire, (short)answer->rcode);
    if (!answer->is_lame) {
        knot_wire_set_aa(packet->wire);
    }
    if (answer->is_truncated) {
        knot_wire_set_tc(packet->wire);
    }
    put_lines(packet, answer->answer);
    assert_int_equal(knot_pkt_begin(packet, KNOT_AUTHORITY), 0);
    put_lines(packet, answer->authority);
    size_t length = packet->size;
    memcpy(ret_message, packet->wire, length);
    knot_pkt_free(packet);
    knot_pkt_free(query);
    if (signer && answer->signature != SERVER_DOES_NOT_SIGN) {
        sign(signer, answer, ret_message, &length);
    }
    return length;
}

#endif
