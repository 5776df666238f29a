#include "provider/rfc2136_message.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <libknot/libknot.h>

#define CLASS_NONE 254 /* of a prerequisite: there must be none (RFC 2136 section 2.4) */

struct rfc2136_key {
    knot_tsig_key_t tsig;
    struct secret *secret;
};

/* ---- the key ---- */

int rfc2136_key_new(const char *name, const char *algorithm, struct secret *secret, struct rfc2136_key **ret_key)
{
    _cleanup_(rfc2136_key_freep) struct rfc2136_key *key = calloc(1, sizeof(*key));

    if (!key) {
        return -ENOMEM;
    }
    key->secret = secret_ref(secret);
    key->tsig.secret = (dnssec_binary_t){secret_length(secret), (uint8_t *)(uintptr_t)secret_bytes(secret)};
    key->tsig.algorithm = dnssec_tsig_algorithm_from_name(algorithm);
    key->tsig.name = knot_dname_from_str_alloc(name);
    if (!key->tsig.name || key->tsig.algorithm == DNSSEC_TSIG_UNKNOWN) {
        return -EINVAL;
    }
    knot_dname_to_lower(key->tsig.name);
    *ret_key = TAKE_PTR(key);
    return 0;
}

void rfc2136_key_free(struct rfc2136_key *key)
{
    if (key) {
        knot_dname_free(key->tsig.name, NULL);
        secret_free(key->secret);
        free(key);
    }
}

/* ---- writing ---- */

static int errno_of(int knot_error)
{
    switch (knot_error) {
    case KNOT_EOK: return 0;
    case KNOT_ENOMEM: return -ENOMEM;
    case KNOT_ESPACE:
    case KNOT_ERANGE: return -EMSGSIZE;
    default: return -EINVAL;
    }
}

static void drop_packets(struct rfc2136_request *request)
{
    for (size_t i = 0; i < request->packet_count; i++) {
        knot_pkt_free(request->packets[i]);
    }
    request->packet_count = 0;
    request->is_held = false;
}

void rfc2136_request_done(struct rfc2136_request *request)
{
    drop_packets(request);
    buffer_done(&request->to_verify);
    free(request->bytes);
    *request = (struct rfc2136_request){.key = NULL};
}

static int begin(struct rfc2136_request *request, const struct rfc2136_key *key, const char *name, uint16_t type,
                 knot_pkt_t **ret_packet)
{
    uint8_t owner[KNOT_DNAME_MAXLEN];
    uint8_t id[2];

    rfc2136_request_done(request);
    request->key = key;
    if (name_parse(name, strlen(name), &request->name, NULL) < 0 || !knot_dname_from_str(owner, name, sizeof(owner))) {
        return -EINVAL;
    }
    knot_pkt_t *packet = knot_pkt_new(NULL, KNOT_WIRE_MAX_PKTSIZE, NULL);
    if (!packet) {
        return -ENOMEM;
    }
    random_bytes(id, sizeof(id));
    knot_wire_set_id(packet->wire, (uint16_t)(id[0] << 8 | id[1]));
    int r = knot_pkt_put_question(packet, owner, KNOT_CLASS_IN, type);
    if (r == KNOT_EOK && key) {
        r = knot_pkt_reserve(packet, (uint16_t)knot_tsig_wire_size(&key->tsig));
    }
    if (r != KNOT_EOK) {
        knot_pkt_free(packet);
        return errno_of(r);
    }
    *ret_packet = packet;
    return 0;
}

/* Signs the packet, keeps its bytes, and frees it. `r`: what building it came to. */
static int finish(struct rfc2136_request *request, knot_pkt_t *packet, int r)
{
    size_t length = packet->size;

    if (r == KNOT_EOK && request->key) {
        request->mac_length = sizeof(request->mac);
        r = knot_tsig_sign(packet->wire, &length, packet->max_size, NULL, 0, request->mac, &request->mac_length,
                           &request->key->tsig, 0, 0);
    }
    if (r == KNOT_EOK) {
        request->bytes = malloc(length);
        r = request->bytes ? KNOT_EOK : KNOT_ENOMEM;
    }
    if (r == KNOT_EOK) {
        memcpy(request->bytes, packet->wire, length);
        request->length = length;
    }
    knot_pkt_free(packet);
    return errno_of(r);
}

int rfc2136_write_query(struct rfc2136_request *request, const struct rfc2136_key *key, const char *name, uint16_t type)
{
    knot_pkt_t *packet = NULL;
    knot_rrset_t edns;
    int r = begin(request, key, name, type, &packet);

    if (r < 0) {
        return r;
    }
    r = knot_edns_init(&edns, RFC2136_UDP_MAX, 0, KNOT_EDNS_VERSION, NULL);
    if (r == KNOT_EOK) {
        r = knot_pkt_begin(packet, KNOT_ADDITIONAL);
        r = r != KNOT_EOK ? r : knot_pkt_put(packet, KNOT_COMPR_HINT_NOCOMP, &edns, 0);
        knot_rrset_clear(&edns, NULL);
    }
    return finish(request, packet, r);
}

int rfc2136_write_transfer(struct rfc2136_request *request, const struct rfc2136_key *key, const char *zone)
{
    knot_pkt_t *packet = NULL;
    const int r = begin(request, key, zone, DNS_AXFR, &packet);

    if (r < 0) {
        return r;
    }
    request->is_transfer = true;
    return finish(request, packet, KNOT_EOK);
}

/* A record of an UPDATE, with the values of `rdata`, or with none. */
static int put(knot_pkt_t *packet, const char *name, uint16_t type, uint16_t class, uint32_t ttl_s,
               const struct rdata *rdata)
{
    uint8_t owner[KNOT_DNAME_MAXLEN];
    knot_rrset_t set;
    int r = KNOT_EOK;

    if (!knot_dname_from_str(owner, name, sizeof(owner))) {
        return KNOT_EINVAL;
    }
    knot_rrset_init(&set, owner, type, class, ttl_s);
    if (!rdata) {
        r = knot_rrset_add_rdata(&set, NULL, 0, NULL);
    }
    for (size_t i = 0; rdata && r == KNOT_EOK && i < rdata_count(rdata); i++) {
        size_t length = 0;
        const uint8_t *wire = rdata_wire(rdata, i, &length);
        r = knot_rrset_add_rdata(&set, wire, (uint16_t)length, NULL);
    }
    r = r != KNOT_EOK ? r : knot_pkt_put(packet, KNOT_COMPR_HINT_NONE, &set, KNOT_PF_NOTRUNC);
    knot_rdataset_clear(&set.rrs, NULL);
    return r;
}

/* A server silently ignores an address that is added beside a CNAME (RFC 2136 section 3.4.2.2). */
static int put_prerequisites(knot_pkt_t *packet, const struct change_request *change)
{
    const char *name = change->record->hostname;
    const uint16_t type = record_type_number(change->record->type);
    int r = rdata_is_empty(&change->was) ? put(packet, name, type, CLASS_NONE, 0, NULL)
                                         : put(packet, name, type, KNOT_CLASS_IN, 0, &change->was);

    if (r == KNOT_EOK && !rdata_is_empty(&change->value)) {
        r = put(packet, name, DNS_CNAME, CLASS_NONE, 0, NULL);
    }
    return r;
}

static int put_change(knot_pkt_t *packet, const struct change_request *change)
{
    const char *name = change->record->hostname;
    const uint16_t type = record_type_number(change->record->type);
    int r = put(packet, name, type, KNOT_CLASS_ANY, 0, NULL);

    if (r == KNOT_EOK && !rdata_is_empty(&change->value)) {
        r = put(packet, name, type, KNOT_CLASS_IN, change->ttl_s, &change->value);
    }
    return r;
}

int rfc2136_write_update(struct rfc2136_request *request, const struct rfc2136_key *key, const char *zone,
                         const struct change_request *const *changes, size_t count)
{
    knot_pkt_t *packet = NULL;
    int r = begin(request, key, zone, DNS_SOA, &packet);

    if (r < 0) {
        return r;
    }
    knot_wire_set_opcode(packet->wire, KNOT_OPCODE_UPDATE);
    for (size_t i = 0; r == KNOT_EOK && i < count; i++) {
        r = put_prerequisites(packet, changes[i]);
    }
    r = r != KNOT_EOK ? r : knot_pkt_begin(packet, KNOT_AUTHORITY);
    for (size_t i = 0; r == KNOT_EOK && i < count; i++) {
        r = put_change(packet, changes[i]);
    }
    return finish(request, packet, r);
}

int rfc2136_write_check(struct rfc2136_request *request, const struct rfc2136_key *key, const char *zone,
                        const char *name, uint16_t type)
{
    knot_pkt_t *packet = NULL;
    const int r = begin(request, key, zone, DNS_SOA, &packet);

    if (r < 0) {
        return r;
    }
    knot_wire_set_opcode(packet->wire, KNOT_OPCODE_UPDATE);
    return finish(request, packet, put(packet, name, type, KNOT_CLASS_ANY, 0, NULL));
}

/* ---- reading ---- */

/* A wire name in our form; -EINVAL: it is none of ours, since it has other characters. */
static int read_name(const knot_dname_t *wire, struct name *ret_name)
{
    char text[KNOT_DNAME_MAXLEN + 1];
    size_t length = 0;

    for (; *wire != 0; wire += 1 + *wire) {
        if (memchr(wire + 1, '.', *wire)) {
            return -EINVAL;
        }
        memcpy(text + length, wire + 1, *wire);
        length += *wire;
        text[length++] = '.';
    }
    return name_parse(text, length, ret_name, NULL);
}

static bool answers(const struct rfc2136_request *request, const knot_pkt_t *packet)
{
    const uint8_t *wire = packet->wire;
    const knot_dname_t *question = knot_pkt_qname(packet);
    struct name name;

    if (!knot_wire_get_qr(wire) || knot_wire_get_id(wire) != knot_wire_get_id(request->bytes) ||
        knot_wire_get_opcode(wire) != knot_wire_get_opcode(request->bytes)) {
        return false;
    }
    /* Errors and the later messages of a transfer may come without a question. */
    return !question || (read_name(question, &name) == 0 && strcmp(name.text, request->name.text) == 0);
}

static int parse(const struct rfc2136_request *request, const uint8_t *message, size_t length, knot_pkt_t **ret_packet)
{
    knot_pkt_t *packet = length < KNOT_WIRE_HEADER_SIZE ? NULL : knot_pkt_new(NULL, (uint16_t)length, NULL);

    if (!packet) {
        return length < KNOT_WIRE_HEADER_SIZE ? -EBADMSG : -ENOMEM;
    }
    memcpy(packet->wire, message, length);
    packet->size = length;
    const int r = knot_pkt_parse(packet, 0);
    if (r != KNOT_EOK || !answers(request, packet)) {
        knot_pkt_free(packet);
        return r == KNOT_ENOMEM ? -ENOMEM : -EBADMSG;
    }
    *ret_packet = packet;
    return 0;
}

static uint64_t read_u48(const uint8_t bytes[6])
{
    uint64_t value = 0;

    for (size_t i = 0; i < 6; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

/* What the server says about our signature: RFC 8945 section 5.2. */
static void read_tsig_error(const knot_rrset_t *tsig, struct rfc2136_answer *answer)
{
    answer->tsig_error = knot_tsig_rdata_error(tsig);
    if (answer->tsig_error == DNS_BADTIME && knot_tsig_rdata_other_data_length(tsig) == 6) {
        answer->ahead_s =
            (int64_t)read_u48(knot_tsig_rdata_other_data(tsig)) - (int64_t)knot_tsig_rdata_time_signed(tsig);
    }
}

static int check_digest(const struct rfc2136_request *request, const knot_pkt_t *packet)
{
    const struct buffer *bytes = &request->to_verify;
    const uint8_t *wire = (const uint8_t *)buffer_text(bytes);

    return request->has_answer
               ? knot_tsig_client_check_next(packet->tsig_rr, wire, bytes->length, request->mac, request->mac_length,
                                             &request->key->tsig, request->time_signed)
               : knot_tsig_client_check(packet->tsig_rr, wire, bytes->length, request->mac, request->mac_length,
                                        &request->key->tsig, 0);
}

/* Verifies what came since the last signed message; the next one's signature covers the MAC of this one. */
static void verify(struct rfc2136_request *request, const knot_pkt_t *packet, struct rfc2136_answer *answer)
{
    const knot_rrset_t *tsig = packet->tsig_rr;
    const int r = check_digest(request, packet);

    if (r == KNOT_TSIG_EBADTIME) {
        answer->signature = SIGNATURE_TIME;
        answer->ahead_s = (int64_t)knot_tsig_rdata_time_signed(tsig) - (int64_t)time(NULL);
    } else if (r != KNOT_EOK) {
        answer->signature = SIGNATURE_WRONG;
    } else if (knot_tsig_rdata_mac_length(tsig) <= sizeof(request->mac)) {
        request->mac_length = knot_tsig_rdata_mac_length(tsig);
        memcpy(request->mac, knot_tsig_rdata_mac(tsig), request->mac_length);
        request->time_signed = knot_tsig_rdata_time_signed(tsig);
    }
    buffer_clear(&request->to_verify);
}

static int read_signature(struct rfc2136_request *request, const knot_pkt_t *packet, struct rfc2136_answer *answer)
{
    /* Parsing has taken the TSIG record out of the packet's bytes. */
    buffer_append(&request->to_verify, packet->wire, packet->size);
    if (buffer_status(&request->to_verify) < 0) {
        return -ENOMEM;
    }
    if (packet->tsig_rr) {
        read_tsig_error(packet->tsig_rr, answer);
        verify(request, packet, answer);
        return 0;
    }
    if (!request->is_transfer || !request->has_answer) {
        answer->signature = SIGNATURE_MISSING;
        return 0;
    }
    if (request->to_verify.length > RFC2136_UNSIGNED_BYTES_MAX) {
        return -E2BIG;
    }
    request->is_held = true;
    return -EAGAIN;
}

int rfc2136_read(struct rfc2136_request *request, const uint8_t *message, size_t length,
                 struct rfc2136_answer *ret_answer)
{
    knot_pkt_t *packet = NULL;
    int r = parse(request, message, length, &packet);

    if (r < 0) {
        return r;
    }
    if (!request->is_held) {
        drop_packets(request);
    }
    if (request->packet_count == ELEMENTS(request->packets)) {
        knot_pkt_free(packet);
        return -E2BIG;
    }
    request->packets[request->packet_count++] = packet;
    *ret_answer = (struct rfc2136_answer){
        .rcode = knot_wire_get_rcode(packet->wire),
        .is_authoritative = knot_wire_get_aa(packet->wire) != 0,
        .is_truncated = knot_wire_get_tc(packet->wire) != 0,
    };
    r = request->key ? read_signature(request, packet, ret_answer) : 0;
    if (r == 0) {
        request->is_held = false;
        request->has_answer = true;
    }
    return r;
}

bool rfc2136_next(const struct rfc2136_request *request, enum rfc2136_section section, struct rfc2136_cursor *cursor,
                  struct rfc2136_record *ret_record)
{
    const knot_section_t section_id = section == RFC2136_ANSWER ? KNOT_ANSWER : KNOT_AUTHORITY;

    while (cursor->packet < request->packet_count) {
        const knot_pktsection_t *records = knot_pkt_section(request->packets[cursor->packet], section_id);
        if (cursor->record >= records->count) {
            cursor->packet++;
            cursor->record = 0;
            continue;
        }
        const knot_rrset_t *set = knot_pkt_rr(records, cursor->record++);
        if (set->rclass == KNOT_CLASS_IN && set->rrs.count > 0 && read_name(set->owner, &ret_record->owner) == 0) {
            const knot_rdata_t *rdata = knot_rdataset_at(&set->rrs, 0); /* a set of one: parsing does not join them */
            ret_record->type = set->type;
            ret_record->ttl_s = set->ttl;
            ret_record->data = rdata->data;
            ret_record->length = rdata->len;
            return true;
        }
    }
    return false;
}
