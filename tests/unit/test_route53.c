/*
 * The provider is tried with a made-up aws_call (it takes the place of the archive's), the XML as pure functions.
 * What Route 53 itself would say to these requests is the end-to-end tests' affair.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "provider/route53.h"
#include "provider/route53_xml.h"
#include "requests.h"

#define NAMESPACE " xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\""

static void print_found(const struct provider_found *found, void *userdata)
{
    static const char *const foreign[] = {
        [FOREIGN_NONE] = "?",
        [FOREIGN_ALIAS] = "alias",
        [FOREIGN_SEVERAL_VALUES] = "several",
        [FOREIGN_ROUTING_POLICY] = "policy",
    };
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;

    rdata_print(&found->value, &text);
    buffer_printf(userdata, "%s %s %s", found->hostname, record_type_text(found->type),
                  found->knowledge == RECORD_FOREIGN  ? foreign[found->foreign]
                  : found->knowledge == RECORD_ABSENT ? "absent"
                                                      : buffer_text(&text));
    if (found->knowledge == RECORD_PLAIN) {
        buffer_printf(userdata, " %u", found->ttl_s);
    }
    buffer_append_char(userdata, '\n');
}

static struct xml_document *parse(const char *xml)
{
    struct xml_document *document = NULL;

    assert_int_equal(xml_parse(xml, strlen(xml), &document), 0);
    return document;
}

/* ---- pure functions ---- */

static void changes_as_xml(void **data)
{
    const struct change_request *const changes[] = {
        change("*.example.com.", "198.51.100.1", 60),
        change("a.example.com.", "2001:DB8:0::1", 2147483647),
    };
    _cleanup_buffer_ struct buffer xml = BUFFER_INIT;

    (void)data;
    route53_write_changes(changes, ELEMENTS(changes), &xml);
    assert_string_equal(
        buffer_text(&xml),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<ChangeResourceRecordSetsRequest" NAMESPACE "><ChangeBatch><Comment>ddns53</Comment><Changes>"
        "<Change><Action>UPSERT</Action><ResourceRecordSet><Name>*.example.com.</Name><Type>A</Type><TTL>60</TTL>"
        "<ResourceRecords><ResourceRecord><Value>198.51.100.1</Value></ResourceRecord></ResourceRecords>"
        "</ResourceRecordSet></Change>"
        "<Change><Action>UPSERT</Action><ResourceRecordSet><Name>a.example.com.</Name><Type>AAAA</Type>"
        "<TTL>2147483647</TTL><ResourceRecords><ResourceRecord><Value>2001:db8::1</Value></ResourceRecord>"
        "</ResourceRecords></ResourceRecordSet></Change>"
        "</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>");
}

static void texts_and_withdrawals_as_xml(void **data)
{
    const struct change_request *const changes[] = {
        change("_acme-challenge.example.com.", "\"one\"\n\"tw\\195\\182\" \"o\\034\"", 30),
        withdrawal("a.example.com.", "198.51.100.1", 300),
    };
    _cleanup_buffer_ struct buffer xml = BUFFER_INIT;

    (void)data;
    route53_write_changes(changes, ELEMENTS(changes), &xml);
    assert_non_null(strstr(buffer_text(&xml),
                           "<Change><Action>UPSERT</Action><ResourceRecordSet><Name>_acme-challenge.example.com.</Name>"
                           "<Type>TXT</Type><TTL>30</TTL><ResourceRecords>"
                           "<ResourceRecord><Value>&quot;one&quot;</Value></ResourceRecord>"
                           "<ResourceRecord><Value>&quot;tw\\303\\266&quot; &quot;o\\042&quot;</Value></ResourceRecord>"
                           "</ResourceRecords></ResourceRecordSet></Change>"));
    /* Route 53 deletes only what it is told exactly: the value and TTL that are there. */
    assert_non_null(strstr(buffer_text(&xml),
                           "<Change><Action>DELETE</Action><ResourceRecordSet><Name>a.example.com.</Name>"
                           "<Type>A</Type><TTL>300</TTL><ResourceRecords>"
                           "<ResourceRecord><Value>198.51.100.1</Value></ResourceRecord>"
                           "</ResourceRecords></ResourceRecordSet></Change>"));
}

static void outdated_withdrawals(void **data)
{
    (void)data;
    assert_true(route53_is_outdated(
        "[Tried to delete resource record set [name='a.example.com.', type='A'] but it was not found]"));
    assert_true(route53_is_outdated("[Tried to delete resource record set [name='a.example.com.', type='A'] but the "
                                    "values provided do not match the current values]"));
    assert_false(route53_is_outdated(
        "[Tried to create resource record set [name='a.example.com.', type='A'] but it already exists]"));
}

static void names_are_decoded(void **data)
{
    static const struct {
        const char *text;
        const char *name; /* NULL: refused */
    } rows[] = {
        {"a.example.com.", "a.example.com."},
        {"A.Example.com", "a.example.com."},
        {"\\052.example.com.", "*.example.com."},
        {"\\137dmarc.example.com.", "_dmarc.example.com."},
        {"a\\056b.example.com.", NULL}, /* a dot within a label */
        {"a\\100b.example.com.", NULL},
        {"a\\000b.example.com.", NULL},
        {"a\\134b.example.com.", NULL},
        {"a\\05", NULL},
        {"a\\", NULL},
        {"a\\089b.", NULL},
        {"a.\\052.example.com.", NULL},
        {"", NULL},
        {".", NULL},
        {"a..b.", NULL},
    };
    char longest[2000];
    struct name name;

    (void)data;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        int r = route53_read_name(rows[i].text, strlen(rows[i].text), &name);

        assert_int_equal(r, rows[i].name ? 0 : -EINVAL);
        if (rows[i].name) {
            assert_string_equal(name.text, rows[i].name);
        }
    }
    memset(longest, 'a', sizeof(longest));
    assert_int_equal(route53_read_name(longest, sizeof(longest), &name), -EINVAL);
}

static void culprits(void **data)
{
    const struct change_request *const changes[] = {
        change("a.example.com.", "198.51.100.1", 60), change("a.example.com.", "2001:db8::1", 60),
        change("b.example.com.", "198.51.100.2", 60), change("*.example.com.", "198.51.100.3", 60),
        change("example.com.", "2001:db8::2", 60),
    };
    static const struct {
        const char *message;
        size_t culprit;
    } rows[] = {
        {"[Tried to create resource record set [name='a.example.com.', type='AAAA'] but it already exists]", 1},
        {"[Tried to create resource record set [name='a.example.com.', type='A'] but it already exists]", 0},
        {"[Tried to create resource record set [name='\\052.example.com.', type='A'] but it already exists]", 3},
        {"[Tried to create resource record set [name='b.example.com.', type='A', set-identifier='x'] but ...]", 2},
        {"[RRSet of type AAAA with DNS name a.example.com. is not permitted because a conflicting RRSet of type CNAME "
         "with the same DNS name already exists in zone example.com.]",
         1},
        {"[RRSet of type A with DNS name b.example.com. is not permitted as it conflicts with other records with the "
         "same DNS name in zone example.com.]",
         2},
        {"[RRSet with DNS name a.example.com., type A, SetIdentifier null cannot be created as other RRSets exist with "
         "the same name and type and a different routing policy.]",
         0},
        {"[RRSet with DNS name b.example.com. is not permitted in zone other.org.]", 2},
        {"[RRSet with DNS name a.example.com. is not permitted in zone example.com.]",
         PROVIDER_NO_CULPRIT}, /* which? */
        {"[The request contains an invalid set of changes for a resource record set 'AAAA a.example.com.']", 1},
        {"Invalid request: Expected exactly one of [AliasTarget, ...] in Change with [Name=a.example.com., Type=AAAA, "
         "SetIdentifier=null]",
         1},
        {"A record with name b.example.com. is wrong", 2},
        {"A record with name B.EXAMPLE.COM is wrong", 2},
        {"[RRSet of type CNAME with DNS name b.example.com. is not permitted]", PROVIDER_NO_CULPRIT},
        {"[RRSet of type A with DNS name c.example.com. is not permitted in zone example.com., RRSet with DNS name "
         "b.example.com. is not permitted in zone x.]",
         2},
        {"[RRSet of type AAAA with DNS name x.example.com. is not permitted in zone example.com.]",
         PROVIDER_NO_CULPRIT},
        {"RRSet with DNS name example.com. is wrong", 4},
        {"Number of records limit of 10000 exceeded.", PROVIDER_NO_CULPRIT},
        {"type", PROVIDER_NO_CULPRIT},
        {"set 'A", PROVIDER_NO_CULPRIT},
        {"", PROVIDER_NO_CULPRIT},
    };

    (void)data;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        size_t culprit = route53_find_culprit(rows[i].message, changes, ELEMENTS(changes));

        if (culprit != rows[i].culprit) {
            fail_msg("%zu is not %zu: %s", culprit, rows[i].culprit, rows[i].message);
        }
    }
    assert_int_equal(route53_find_culprit(rows[0].message, NULL, 0), PROVIDER_NO_CULPRIT);
}

#define HOSTED_ZONE(id, name, private)                                                                              \
    "<HostedZone><Id>" id "</Id><Name>" name                                                                        \
    "</Name><CallerReference>x</CallerReference><Config><PrivateZone>" private "</PrivateZone></"                   \
                                                                               "Config><ResourceRecordSetCount>2</" \
                                                                               "ResourceRecordSetCount></HostedZone>"
#define ZONES(zones)                                                                                        \
    "<ListHostedZonesByNameResponse" NAMESPACE "><HostedZones>" zones                                       \
    "</HostedZones><DNSName>example.com.</DNSName><IsTruncated>false</IsTruncated><MaxItems>100</MaxItems>" \
    "</ListHostedZonesByNameResponse>"

static void zones_are_found(void **data)
{
    static const struct {
        const char *xml;
        bool is_private;
        int r;
        const char *id;
    } rows[] = {
        {ZONES(HOSTED_ZONE("/hostedzone/Z1", "example.com.", "false")), false, 0, "Z1"},
        {ZONES(HOSTED_ZONE("Z1", "example.com.", "false")), false, 0, "Z1"},
        {ZONES(HOSTED_ZONE("/hostedzone/Z1", "example.com.", "false")
                   HOSTED_ZONE("/hostedzone/Z2", "example.com.", "true")),
         true, 0, "Z2"},
        {ZONES(HOSTED_ZONE("/hostedzone/Z1", "example.com.", "true")
                   HOSTED_ZONE("/hostedzone/Z2", "example.com.", "false")),
         false, 0, "Z2"},
        {ZONES("<HostedZone><Id>/hostedzone/Z1</Id><Name>example.com.</Name></HostedZone>"), false, 0, "Z1"},
        {ZONES(HOSTED_ZONE("/hostedzone/Z1", "example.com.", "true")
                   HOSTED_ZONE("/hostedzone/Z2", "example.com.", "true")),
         true, -ENOTUNIQ, NULL},
        {ZONES(HOSTED_ZONE("/hostedzone/Z1", "example.com.", "true")), false, -EXDEV, NULL},
        {ZONES(HOSTED_ZONE("/hostedzone/Z1", "example.com.", "false")), true, -EXDEV, NULL},
        /* The listing goes on with the names after it. */
        {ZONES(HOSTED_ZONE("/hostedzone/Z1", "example.com.au.", "false")), false, -ENOENT, NULL},
        {ZONES(HOSTED_ZONE("/hostedzone/Z1", "sub.example.com.", "false")), false, -ENOENT, NULL},
        {ZONES(""), false, -ENOENT, NULL},
        {ZONES(HOSTED_ZONE("/hostedzone/../x", "example.com.", "false")), false, -EBADMSG, NULL},
        {ZONES(HOSTED_ZONE("", "example.com.", "false")), false, -EBADMSG, NULL},
        {ZONES(HOSTED_ZONE("/hostedzone/Z23456789012345678901234567890123", "example.com.", "false")), false, -EBADMSG,
         NULL},
        {ZONES("<HostedZone><Name>example.com.</Name></HostedZone>"), false, -EBADMSG, NULL},
        {"<x/>", false, -EBADMSG, NULL},
    };

    (void)data;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_(xml_document_freep) struct xml_document *document = parse(rows[i].xml);
        char id[ROUTE53_ID_SIZE] = "";
        int r = route53_find_zone(xml_root(document), "example.com.", rows[i].is_private, id);

        if (r != rows[i].r || strcmp(id, rows[i].id ? rows[i].id : "") != 0) {
            fail_msg("row %zu: %d %s", i, r, id);
        }
    }
}

#define LISTED(zones, rest) \
    "<ListHostedZonesResponse" NAMESPACE "><HostedZones>" zones "</HostedZones>" rest "</ListHostedZonesResponse>"
#define LISTED_ZONE(id, name, count)                                                       \
    "<HostedZone><Id>/hostedzone/" id "</Id><Name>" name                                   \
    "</Name><CallerReference>x</CallerReference><Config><Comment>"                         \
    "mine</Comment><PrivateZone>true</PrivateZone></Config><ResourceRecordSetCount>" count \
    "</ResourceRecordSetCount></HostedZone>"

static void print_zone(const struct route53_hosted_zone *zone, void *userdata)
{
    buffer_printf(userdata, "%s=%s:%llu%s%s;", zone->id, zone->name.text, (unsigned long long)zone->record_count,
                  zone->is_private ? " private " : " ", zone->comment);
}

static void zones_of_an_account(void **data)
{
    static const struct {
        const char *xml;
        int r;
        const char *zones;
        const char *marker;
    } rows[] = {
        {LISTED("", "<IsTruncated>false</IsTruncated>"), 0, "", ""},
        {LISTED(LISTED_ZONE("Z1", "Example.com.", "12"), ""), 0, "Z1=example.com.:12 private mine;", ""},
        {LISTED("<HostedZone><Id>Z2</Id><Name>b.example.</Name></HostedZone>", ""), 0, "Z2=b.example.:0 ;", ""},
        {LISTED(LISTED_ZONE("Z1", "a.example.", "1") LISTED_ZONE("Z2", "b.example.", "2"),
                "<IsTruncated>true</IsTruncated><NextMarker>Z3</NextMarker>"),
         0, "Z1=a.example.:1 private mine;Z2=b.example.:2 private mine;", "Z3"},
        /* No name of ours. */
        {LISTED(LISTED_ZONE("Z1", "a b.example.", "1") LISTED_ZONE("Z2", "b.example.", "2"), ""), 0,
         "Z2=b.example.:2 private mine;", ""},
        {LISTED(LISTED_ZONE("Z1", "a.example.", "1") LISTED_ZONE("../x", "b.example.", "2"), ""), -EBADMSG, "", "?"},
        {LISTED(LISTED_ZONE("Z1", "a.example.", "many"), ""), -EBADMSG, "", "?"},
        {LISTED("<HostedZone><Id>Z2</Id></HostedZone>", ""), -EBADMSG, "", "?"},
        {LISTED("", "<IsTruncated>true</IsTruncated><NextMarker>a&amp;b</NextMarker>"), -EBADMSG, "", "?"},
        {"<x/>", -EBADMSG, "", "?"},
    };

    (void)data;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_(xml_document_freep) struct xml_document *document = parse(rows[i].xml);
        _cleanup_buffer_ struct buffer zones = BUFFER_INIT;
        char marker[ROUTE53_ID_SIZE] = "?";
        int r = route53_read_zones(xml_root(document), print_zone, &zones, marker);

        if (r != rows[i].r || strcmp(buffer_text(&zones), rows[i].zones) != 0 || strcmp(marker, rows[i].marker) != 0) {
            fail_msg("row %zu: %d %s %s", i, r, buffer_text(&zones), marker);
        }
    }
}

#define PLAIN(name, type, value)                                         \
    "<ResourceRecordSet><Name>" name "</Name><Type>" type                \
    "</Type><TTL>60</TTL><ResourceRecords><ResourceRecord><Value>" value \
    "</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>"
#define WEIGHTED(name, type, identifier)                                                                       \
    "<ResourceRecordSet><Name>" name "</Name><Type>" type "</Type><SetIdentifier>" identifier                  \
    "</SetIdentifier><Weight>1</Weight><TTL>60</TTL><ResourceRecords><ResourceRecord><Value>192.0.2.1</Value>" \
    "</ResourceRecord></ResourceRecords></ResourceRecordSet>"
#define PAGE_OF(sets, rest)                                                                               \
    "<ListResourceRecordSetsResponse" NAMESPACE "><ResourceRecordSets>" sets "</ResourceRecordSets>" rest \
    "<MaxItems>300</MaxItems></ListResourceRecordSetsResponse>"
#define LAST "<IsTruncated>false</IsTruncated>"
#define NEXT(name, type)                                                                                 \
    "<IsTruncated>true</IsTruncated><NextRecordName>" name "</NextRecordName><NextRecordType>" type "</" \
    "NextRecordType>"

static void assert_page(const char *xml, struct route53_last *last, const char *expected,
                        struct route53_cursor *ret_next)
{
    _cleanup_(xml_document_freep) struct xml_document *document = parse(xml);
    _cleanup_buffer_ struct buffer listing = BUFFER_INIT;

    assert_int_equal(route53_read_page(xml_root(document), last, print_found, &listing, ret_next), 0);
    assert_string_equal(buffer_text(&listing), expected);
}

static void pages(void **data)
{
    static const struct {
        const char *xml;
        const char *listing;
    } rows[] = {
        {PAGE_OF("", LAST), ""},
        {PAGE_OF(PLAIN("example.com.", "NS", "ns.") PLAIN("a.example.com.", "A", "192.0.2.1")
                     PLAIN("a.example.com.", "AAAA", "2001:db8::1") PLAIN("a.example.com.", "TXT", "\"192.0.2.1\""),
                 LAST),
         "a.example.com. A 192.0.2.1 60\na.example.com. AAAA 2001:db8::1 60\na.example.com. TXT \"192.0.2.1\" 60\n"},
        {PAGE_OF("<ResourceRecordSet><Name>a.example.com.</Name><Type>TXT</Type><TTL>60</TTL><ResourceRecords>"
                 "<ResourceRecord><Value>&quot;b\\303\\266&quot;</Value></ResourceRecord>"
                 "<ResourceRecord><Value>&quot;a&quot; &quot;c&quot;</Value></ResourceRecord>"
                 "</ResourceRecords></ResourceRecordSet>",
                 LAST),
         "a.example.com. TXT \"a\" \"c\"\n\"b\\195\\182\" 60\n"},
        {PAGE_OF(PLAIN("\\052.example.com.", "A", "192.0.2.1") PLAIN("a\\100b.example.com.", "A", "192.0.2.1"), LAST),
         "*.example.com. A 192.0.2.1 60\n"},
        {PAGE_OF(
             "<ResourceRecordSet><Name>a.example.com.</Name><Type>A</Type><AliasTarget><HostedZoneId>Z1</HostedZoneId>"
             "<DNSName>x.</DNSName><EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget></"
             "ResourceRecordSet>",
             LAST),
         "a.example.com. A alias\n"},
        {PAGE_OF("<ResourceRecordSet><Name>a.example.com.</Name><Type>A</Type><TTL>60</"
                 "TTL><ResourceRecords><ResourceRecord>"
                 "<Value>192.0.2.1</Value></ResourceRecord><ResourceRecord><Value>192.0.2.2</Value></ResourceRecord>"
                 "</ResourceRecords></ResourceRecordSet>",
                 LAST),
         "a.example.com. A several\n"},
        {PAGE_OF("<ResourceRecordSet><Name>a.example.com.</Name><Type>A</Type>"
                 "<TrafficPolicyInstanceId>x</TrafficPolicyInstanceId></ResourceRecordSet>",
                 LAST),
         "a.example.com. A policy\n"},
        /* What we cannot read is not ours. */
        {PAGE_OF(PLAIN("a.example.com.", "A", "192.0.2.01") PLAIN("b.example.com.", "AAAA", "192.0.2.1")
                     PLAIN("c.example.com.", "A", ""),
                 LAST),
         "a.example.com. A several\nb.example.com. AAAA several\nc.example.com. A several\n"},
        {PAGE_OF("<ResourceRecordSet><Name>a.example.com.</Name><Type>A</Type></ResourceRecordSet>"
                 "<ResourceRecordSet><Type>A</Type></ResourceRecordSet><ResourceRecordSet/>",
                 LAST),
         "a.example.com. A several\n"},
        {PAGE_OF(WEIGHTED("a.example.com.", "A", "one") WEIGHTED("a.example.com.", "A", "two")
                     WEIGHTED("a.example.com.", "AAAA", "one") WEIGHTED("b.example.com.", "A", "one"),
                 LAST),
         "a.example.com. A policy\na.example.com. AAAA policy\nb.example.com. A policy\n"},
        {PAGE_OF(PLAIN("a.example.com.", "A", "192.0.2.1") WEIGHTED("a.example.com.", "A", "two"), LAST),
         "a.example.com. A 192.0.2.1 60\na.example.com. A policy\n"},
    };

    (void)data;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct route53_last last = {.is_set = false};
        struct route53_cursor next = {.is_set = true};

        assert_page(rows[i].xml, &last, rows[i].listing, &next);
        assert_false(next.is_set);
    }
}

static void sets_across_pages(void **data)
{
    struct route53_last last = {.is_set = false};
    struct route53_cursor next;

    (void)data;
    assert_page(PAGE_OF(WEIGHTED("a.example.com.", "A", "one"),
                        NEXT("a.example.com.", "A") "<NextRecordIdentifier>t &amp; w</NextRecordIdentifier>"),
                &last, "a.example.com. A policy\n", &next);
    assert_true(next.is_set);
    assert_string_equal(next.name, "a.example.com.");
    assert_string_equal(next.type, "A");
    assert_string_equal(next.identifier, "t & w");
    assert_page(PAGE_OF(WEIGHTED("a.example.com.", "A", "two") PLAIN("b.example.com.", "A", "192.0.2.1"), LAST), &last,
                "b.example.com. A 192.0.2.1 60\n", &next);
}

static void senseless_pages(void **data)
{
    static const char *const rows[] = {
        "<x/>",
        "<ListResourceRecordSetsResponse><ResourceRecordSets/></ListResourceRecordSetsResponse>",
        "<ListResourceRecordSetsResponse>" LAST "</ListResourceRecordSetsResponse>",
        PAGE_OF(PLAIN("a.example.com.", "A", "192.0.2.1"), "<IsTruncated>true</IsTruncated>"),
        PAGE_OF(PLAIN("a.example.com.", "A", "192.0.2.1"), NEXT("", "A")),
        PAGE_OF(PLAIN("a.example.com.", "A", "192.0.2.1"), NEXT("a.", "A2345678901234567")),
    };

    (void)data;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_(xml_document_freep) struct xml_document *document = parse(rows[i]);
        _cleanup_buffer_ struct buffer listing = BUFFER_INIT;
        struct route53_last last = {.is_set = false};
        struct route53_cursor next;

        assert_int_equal(route53_read_page(xml_root(document), &last, print_found, &listing, &next), -EBADMSG);
        assert_string_equal(buffer_text(&listing), "");
    }
}

/* ---- the provider over a made-up aws_call ---- */

struct aws_call {
    char request[256]; /* OPERATION METHOD PATH?QUERY */
    struct buffer body;
    aws_done done;
    void *userdata;
};

/* Calls that were begun and neither answered nor cancelled, in order. */
static struct aws_call *under_way[8];
static size_t under_way_count;
static int refuse_to_begin;

int aws_call(struct aws_service *service, const char *operation, const char *method, const char *path,
             const char *query, const char *body, size_t body_length, aws_done done, void *userdata,
             struct aws_call **ret_call)
{
    struct aws_call *call;

    (void)service;
    if (refuse_to_begin) {
        return refuse_to_begin;
    }
    assert_true(under_way_count < ELEMENTS(under_way));
    call = calloc(1, sizeof(*call));
    assert_non_null(call);
    (void)snprintf(call->request, sizeof(call->request), "%s %s %s%s%s", operation, method, path, query ? "?" : "",
                   query ? query : "");
    buffer_append(&call->body, body ? body : "", body_length);
    call->done = done;
    call->userdata = userdata;
    under_way[under_way_count++] = call;
    *ret_call = call;
    return 0;
}

void aws_call_cancel(struct aws_call *call)
{
    size_t kept = 0;

    assert_non_null(call);
    for (size_t i = 0; i < under_way_count; i++) {
        if (under_way[i] != call) {
            under_way[kept++] = under_way[i];
        }
    }
    assert_int_equal(kept, under_way_count - 1);
    under_way_count = kept;
    buffer_done(&call->body);
    free(call);
}

/* Answers the oldest call, which must be this one. */
static void answer_with(const char *request, const struct aws_result *result)
{
    struct aws_call *call = under_way[0];

    assert_int_not_equal(under_way_count, 0);
    assert_string_equal(call->request, request);
    memmove(under_way, under_way + 1, --under_way_count * sizeof(under_way[0]));
    call->done(result, call->userdata);
    buffer_done(&call->body);
    free(call);
}

static void answer_xml(const char *request, const char *xml)
{
    _cleanup_(xml_document_freep) struct xml_document *document = parse(xml);
    struct aws_result result = {.outcome = AWS_OK, .status = 200, .code = "", .message = "", .document = document};

    answer_with(request, &result);
}

static void answer_error(const char *request, enum aws_outcome outcome, unsigned status, const char *code,
                         const char *message)
{
    struct aws_result result = {
        .outcome = outcome,
        .status = status,
        .code = code,
        .message = message,
        .retry_after_ms = 1500,
    };

    answer_with(request, &result);
}

struct fixture {
    struct clock clock;
    struct loop *loop;
    struct provider_zone *with_id;
    struct provider_zone *by_name;
};

static int setup(void **data)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    clock_init_test(&fixture->clock, 1000, 1000);
    fixture->loop = loop_new(&fixture->clock);
    fixture->with_id = route53_zone_new(fixture->loop, NULL, "example.com.", "Z1", false);
    fixture->by_name = route53_zone_new(fixture->loop, NULL, "example.com.", NULL, false);
    assert_non_null(fixture->with_id);
    assert_non_null(fixture->by_name);
    refuse_to_begin = 0;
    *data = fixture;
    return 0;
}

static int teardown(void **data)
{
    struct fixture *fixture = *data;

    route53_ops.free(fixture->with_id);
    route53_ops.free(fixture->by_name);
    assert_int_equal(under_way_count, 0);
    loop_free(fixture->loop);
    free(fixture);
    return 0;
}

/* What a callback was told. */
struct told {
    unsigned calls;
    enum provider_outcome outcome;
    char message[400];
    char change_id[40];
    uint32_t retry_after_ms;
    size_t culprit;
    bool more;
    uint64_t record_count;
    struct buffer found;
};

static void told_done(struct told *told)
{
    buffer_done(&told->found);
}
#define _cleanup_told_ _cleanup_(told_done)

static void keep_result(struct told *told, const struct provider_result *result)
{
    told->calls++;
    told->outcome = result->outcome;
    (void)snprintf(told->message, sizeof(told->message), "%s", result->message);
    (void)snprintf(told->change_id, sizeof(told->change_id), "%s", result->change_id);
    told->retry_after_ms = result->retry_after_ms;
    told->culprit = result->culprit;
}

static void on_prepared(const struct provider_result *result, bool more, uint64_t record_count, void *userdata)
{
    struct told *told = userdata;

    keep_result(told, result);
    told->more = more;
    told->record_count = record_count;
}

static void on_applied(const struct provider_result *result, void *userdata)
{
    keep_result(userdata, result);
}

static void on_looked_up(const struct provider_result *result, const struct provider_found *found, void *userdata)
{
    struct told *told = userdata;

    keep_result(told, result);
    assert_true(!found == (result->outcome != PROVIDER_DONE));
    buffer_clear(&told->found);
    if (found) {
        print_found(found, &told->found);
    }
}

static void on_each(const struct provider_found *found, void *userdata)
{
    print_found(found, &((struct told *)userdata)->found);
}

static void on_listed(const struct provider_result *result, bool more, void *userdata)
{
    struct told *told = userdata;

    keep_result(told, result);
    told->more = more;
}

static void assert_told(const struct told *told, enum provider_outcome outcome, const char *words)
{
    assert_int_equal(told->calls, 1);
    if (told->outcome != outcome || !strstr(told->message, words)) {
        fail_msg("outcome %d: %s", told->outcome, told->message);
    }
}

#define ZONE_ANSWER(name)                                                                          \
    "<GetHostedZoneResponse" NAMESPACE "><HostedZone><Id>/hostedzone/Z1</Id><Name>" name "</Name>" \
    "<ResourceRecordSetCount>12345</ResourceRecordSetCount></HostedZone></GetHostedZoneResponse>"
#define GET_ZONE "GetHostedZone GET /2013-04-01/hostedzone/Z1"
#define FIND_ZONE "ListHostedZonesByName GET /2013-04-01/hostedzonesbyname?dnsname=example.com.&maxitems=100"
#define APPLY "ChangeResourceRecordSets POST /2013-04-01/hostedzone/Z1/rrset/"
#define LIST "ListResourceRecordSets GET /2013-04-01/hostedzone/Z1/rrset?"

static void prepare_with_id(void **data)
{
    struct fixture *fixture = *data;
    _cleanup_told_ struct told told = {0};

    route53_ops.prepare(fixture->with_id, on_prepared, &told);
    assert_int_equal(told.calls, 0);
    answer_xml(GET_ZONE, ZONE_ANSWER("Example.com."));
    assert_told(&told, PROVIDER_DONE, "");
    assert_false(told.more);
    assert_int_equal(told.record_count, 12345);
}

static void find_zone(struct fixture *fixture)
{
    _cleanup_told_ struct told told = {0};

    route53_ops.prepare(fixture->by_name, on_prepared, &told);
    answer_xml(FIND_ZONE, ZONES(HOSTED_ZONE("/hostedzone/Z1", "example.com.", "false")));
    assert_told(&told, PROVIDER_DONE, "");
    assert_true(told.more);
}

static void prepare_by_name(void **data)
{
    struct fixture *fixture = *data;
    _cleanup_told_ struct told told = {0};

    find_zone(fixture);
    route53_ops.prepare(fixture->by_name, on_prepared, &told);
    answer_xml(GET_ZONE, ZONE_ANSWER("example.com."));
    assert_told(&told, PROVIDER_DONE, "");
    assert_false(told.more);
}

static void prepare_fails(void **data)
{
    static const struct {
        const char *xml;
        const char *words;
        enum provider_outcome outcome;
    } found[] = {
        {ZONES(""), "no public Route 53 zone named example.com.: make it, set zone_id", PROVIDER_NO_ZONE},
        {ZONES(HOSTED_ZONE("Z1", "example.com.", "true")), "is not public: set \"private: true\"", PROVIDER_NO_ZONE},
        {ZONES(HOSTED_ZONE("Z1", "example.com.", "false") HOSTED_ZONE("Z2", "example.com.", "false")),
         "several public Route 53 zones named example.com.: set zone_id", PROVIDER_NO_ZONE},
        {"<x/>", "cannot be understood", PROVIDER_TRANSIENT},
    };
    struct fixture *fixture = *data;

    for (size_t i = 0; i < ELEMENTS(found); i++) {
        _cleanup_told_ struct told told = {0};

        route53_ops.prepare(fixture->by_name, on_prepared, &told);
        answer_xml(FIND_ZONE, found[i].xml);
        assert_told(&told, found[i].outcome, found[i].words);
        assert_false(told.more);
    }
    for (size_t i = 0; i < 2; i++) {
        _cleanup_told_ struct told told = {0};

        route53_ops.prepare(fixture->with_id, on_prepared, &told);
        answer_xml(GET_ZONE, i ? ZONE_ANSWER("other.org.") : "<x/>");
        assert_told(&told, i ? PROVIDER_NO_ZONE : PROVIDER_TRANSIENT,
                    i ? "zone Z1 is not example.com. but other.org.: correct its zone_id" : "cannot be understood");
    }
}

static void prepare_without_permission(void **data)
{
    struct fixture *fixture = *data;
    _cleanup_told_ struct told size = {0}, expired = {0}, finding = {0}, wrong = {0};

    /* The size is not needed; expired credentials are another matter. */
    route53_ops.prepare(fixture->with_id, on_prepared, &size);
    answer_error(GET_ZONE, AWS_CREDENTIALS, 403, "AccessDenied", "not authorized");
    assert_told(&size, PROVIDER_DONE, "");
    assert_string_equal(size.message, "");
    assert_int_equal(size.record_count, 0);

    route53_ops.prepare(fixture->with_id, on_prepared, &expired);
    answer_error(GET_ZONE, AWS_CREDENTIALS, 403, "ExpiredToken", "expired");
    assert_told(&expired, PROVIDER_CREDENTIALS, "expired");

    route53_ops.prepare(fixture->by_name, on_prepared, &finding);
    answer_error(FIND_ZONE, AWS_CREDENTIALS, 403, "AccessDenied", "not authorized");
    assert_told(&finding, PROVIDER_CREDENTIALS, "not authorized (setting zone_id for example.com.");

    route53_ops.prepare(fixture->with_id, on_prepared, &wrong);
    answer_error(GET_ZONE, AWS_REFUSED, 400, "InvalidInput", "bad id");
    assert_told(&wrong, PROVIDER_NO_ZONE, "no zone with the id Z1 (bad id): correct zone_id");
}

#define APPLIED                                                                                                \
    "<ChangeResourceRecordSetsResponse" NAMESPACE "><ChangeInfo><Id>/change/C123</Id><Status>PENDING</Status>" \
    "</ChangeInfo></ChangeResourceRecordSetsResponse>"

static void apply(struct fixture *fixture, struct provider_zone *zone, struct told *told)
{
    static const struct change_request *changes[2]; /* borrowed until the answer */

    (void)fixture;
    changes[0] = change("a.example.com.", "198.51.100.1", 60);
    changes[1] = change("b.example.com.", "198.51.100.2", 60);
    told->calls = 0;
    route53_ops.apply(zone, changes, ELEMENTS(changes), on_applied, told);
    assert_int_equal(told->calls, 0);
}

static void changes_are_applied(void **data)
{
    struct fixture *fixture = *data;
    _cleanup_told_ struct told told = {0};
    _cleanup_buffer_ struct buffer expected = BUFFER_INIT;
    const struct change_request *const changes[] = {
        change("a.example.com.", "198.51.100.1", 60),
        change("b.example.com.", "198.51.100.2", 60),
    };

    apply(fixture, fixture->with_id, &told);
    route53_write_changes(changes, ELEMENTS(changes), &expected);
    assert_string_equal(buffer_text(&under_way[0]->body), buffer_text(&expected));
    answer_xml(APPLY, APPLIED);
    assert_told(&told, PROVIDER_DONE, "");
    assert_string_equal(told.change_id, "C123");

    apply(fixture, fixture->with_id, &told);
    answer_xml(APPLY, "<html><p>log in first</p></html>"); /* whoever says that is not Route 53 */
    assert_told(&told, PROVIDER_TRANSIENT, "cannot be understood");
    assert_string_equal(told.change_id, "");
}

static void outcomes(void **data)
{
    static const struct {
        enum aws_outcome aws;
        unsigned status;
        const char *code;
        const char *message;
        enum provider_outcome outcome;
        size_t culprit;
    } rows[] = {
        {AWS_THROTTLED, 400, "Throttling", "Rate exceeded", PROVIDER_THROTTLED, PROVIDER_NO_CULPRIT},
        {AWS_THROTTLED, 400, "PriorRequestNotComplete", "wait", PROVIDER_THROTTLED, PROVIDER_NO_CULPRIT},
        {AWS_TRANSIENT, 503, "ServiceUnavailable", "later", PROVIDER_TRANSIENT, PROVIDER_NO_CULPRIT},
        {AWS_TRANSIENT, 0, "", "connection refused", PROVIDER_TRANSIENT, PROVIDER_NO_CULPRIT},
        {AWS_CREDENTIALS, 403, "AccessDenied", "not authorized", PROVIDER_CREDENTIALS, PROVIDER_NO_CULPRIT},
        {AWS_REFUSED, 400, "InvalidInput", "bad", PROVIDER_REFUSED, PROVIDER_NO_CULPRIT},
        {AWS_REFUSED, 400, "InvalidChangeBatch", "[RRSet of type A with DNS name b.example.com. is not permitted]",
         PROVIDER_REFUSED, 1},
        {AWS_REFUSED, 404, "NoSuchHostedZone", "No hosted zone found", PROVIDER_NO_ZONE, PROVIDER_NO_CULPRIT},
    };
    struct fixture *fixture = *data;

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_told_ struct told told = {0};

        apply(fixture, fixture->with_id, &told);
        answer_error(APPLY, rows[i].aws, rows[i].status, rows[i].code, rows[i].message);
        assert_told(&told, rows[i].outcome, rows[i].message);
        assert_int_equal(told.culprit, rows[i].culprit);
        assert_int_equal(told.retry_after_ms, 1500);
    }
}

static void vanished_zone_is_found_anew(void **data)
{
    struct fixture *fixture = *data;
    _cleanup_told_ struct told told = {0};

    find_zone(fixture);
    apply(fixture, fixture->by_name, &told);
    answer_error(APPLY, AWS_REFUSED, 404, "NoSuchHostedZone", "No hosted zone found with ID: Z1");
    assert_told(&told, PROVIDER_NO_ZONE, "does not have the zone example.com. (No hosted zone found with ID: Z1)");
    /* Nothing is asked while the id is not known. */
    apply(fixture, fixture->by_name, &told);
    loop_turn(fixture->loop, 0);
    assert_told(&told, PROVIDER_NO_ZONE, "does not have the zone example.com. (not found yet)");
    find_zone(fixture);
    apply(fixture, fixture->by_name, &told);
    answer_xml(APPLY, APPLIED);
    assert_told(&told, PROVIDER_DONE, "");
}

static void not_found_yet(void **data)
{
    struct fixture *fixture = *data;
    _cleanup_told_ struct told told = {0}, looked_up = {0}, listed = {0};

    apply(fixture, fixture->by_name, &told);
    route53_ops.look_up(fixture->by_name, record_made("a.example.com.", RECORD_A), on_looked_up, &looked_up);
    route53_ops.list_page(fixture->by_name, true, on_each, on_listed, &listed);
    assert_int_equal(looked_up.calls + listed.calls, 0);
    loop_turn(fixture->loop, 0);
    assert_told(&told, PROVIDER_NO_ZONE, "not found yet");
    assert_told(&looked_up, PROVIDER_NO_ZONE, "not found yet");
    assert_told(&listed, PROVIDER_NO_ZONE, "not found yet");
}

static void call_that_cannot_begin(void **data)
{
    struct fixture *fixture = *data;
    _cleanup_told_ struct told told = {0}, prepared = {0};

    refuse_to_begin = -ENOMEM;
    apply(fixture, fixture->with_id, &told);
    route53_ops.prepare(fixture->with_id, on_prepared, &prepared);
    assert_int_equal(prepared.calls, 0);
    loop_turn(fixture->loop, 0);
    assert_told(&told, PROVIDER_TRANSIENT, "memory");
    assert_told(&prepared, PROVIDER_TRANSIENT, "memory");
    refuse_to_begin = 0;
    apply(fixture, fixture->with_id, &told);
    answer_xml(APPLY, APPLIED);
    assert_told(&told, PROVIDER_DONE, "");
}

static void look_ups(void **data)
{
    static const struct {
        const char *hostname;
        enum record_type type;
        const char *request;
        const char *xml;
        const char *found;
    } rows[] = {
        {"a.example.com.", RECORD_A, LIST "maxitems=2&name=a.example.com.&type=A",
         PAGE_OF(PLAIN("a.example.com.", "A", "192.0.2.1") PLAIN("a.example.com.", "AAAA", "2001:db8::1"),
                 NEXT("b.example.com.", "A")),
         "a.example.com. A 192.0.2.1 60\n"},
        {"a.example.com.", RECORD_AAAA, LIST "maxitems=2&name=a.example.com.&type=AAAA",
         PAGE_OF(PLAIN("b.example.com.", "A", "192.0.2.1"), LAST), "a.example.com. AAAA absent\n"},
        {"*.example.com.", RECORD_A, LIST "maxitems=2&name=%2A.example.com.&type=A",
         PAGE_OF(WEIGHTED("\\052.example.com.", "A", "one") WEIGHTED("\\052.example.com.", "A", "two"), LAST),
         "*.example.com. A policy\n"},
        {"a.example.com.", RECORD_A, LIST "maxitems=2&name=a.example.com.&type=A", PAGE_OF("", LAST),
         "a.example.com. A absent\n"},
    };
    struct fixture *fixture = *data;

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_told_ struct told told = {0};

        route53_ops.look_up(fixture->with_id, record_made(rows[i].hostname, rows[i].type), on_looked_up, &told);
        answer_xml(rows[i].request, rows[i].xml);
        assert_told(&told, PROVIDER_DONE, "");
        assert_string_equal(buffer_text(&told.found), rows[i].found);
    }
    for (size_t i = 0; i < 2; i++) {
        _cleanup_told_ struct told told = {0};

        route53_ops.look_up(fixture->with_id, record_made(rows[0].hostname, rows[0].type), on_looked_up, &told);
        if (i == 0) {
            answer_xml(rows[0].request, "<x/>");
        } else {
            answer_error(rows[0].request, AWS_TRANSIENT, 500, "InternalError", "oops");
        }
        assert_told(&told, PROVIDER_TRANSIENT, i ? "oops" : "cannot be understood");
    }
}

static void listings(void **data)
{
    struct fixture *fixture = *data;
    const char *second = LIST "identifier=x%20%2F%C3%A9&maxitems=300&name=%5C052.example.com.&type=TXT";
    const char *page = PAGE_OF(PLAIN("\\052.example.com.", "A", "192.0.2.2"), NEXT("c.example.com.", "A"));
    _cleanup_told_ struct told told = {0};

    route53_ops.list_page(fixture->with_id, true, on_each, on_listed, &told);
    answer_xml(LIST "maxitems=300",
               PAGE_OF(PLAIN("example.com.", "A", "192.0.2.1"),
                       NEXT("\\052.example.com.", "TXT") "<NextRecordIdentifier>x /\xc3\xa9</NextRecordIdentifier>"));
    assert_told(&told, PROVIDER_DONE, "");
    assert_true(told.more);

    told.calls = 0; /* a page that failed is asked for again */
    route53_ops.list_page(fixture->with_id, false, on_each, on_listed, &told);
    answer_error(second, AWS_THROTTLED, 400, "Throttling", "Rate exceeded");
    assert_told(&told, PROVIDER_THROTTLED, "Rate exceeded");
    assert_false(told.more);

    told.calls = 0;
    route53_ops.list_page(fixture->with_id, false, on_each, on_listed, &told);
    answer_xml(second, page);
    assert_true(told.more);
    assert_string_equal(buffer_text(&told.found), "example.com. A 192.0.2.1 60\n*.example.com. A 192.0.2.2 60\n");

    told.calls = 0; /* a server that goes in circles */
    route53_ops.list_page(fixture->with_id, false, on_each, on_listed, &told);
    answer_xml(LIST "maxitems=300&name=c.example.com.&type=A", page);
    assert_told(&told, PROVIDER_TRANSIENT, "cannot be understood");
    assert_false(told.more);

    told.calls = 0; /* no batch of ours is at fault */
    route53_ops.list_page(fixture->with_id, true, on_each, on_listed, &told);
    answer_error(LIST "maxitems=300", AWS_REFUSED, 400, "InvalidInput", "bad");
    assert_told(&told, PROVIDER_TRANSIENT, "bad");
}

static void on_synced(const struct provider_result *result, bool is_in_sync, void *userdata)
{
    struct told *told = userdata;

    keep_result(told, result);
    told->more = is_in_sync;
}

#define CHANGE_ANSWER(status)                                                                                      \
    "<GetChangeResponse" NAMESPACE "><ChangeInfo><Id>/change/C1</Id><Status>" status "</Status><SubmittedAt>2026-" \
    "11-22T00:00:00Z</SubmittedAt></ChangeInfo></GetChangeResponse>"

static void changes_get_in_sync(void **data)
{
    static const struct {
        const char *xml; /* NULL: AccessDenied */
        enum provider_outcome outcome;
        bool is_in_sync;
        const char *words;
    } rows[] = {
        {CHANGE_ANSWER("PENDING"), PROVIDER_DONE, false, ""},
        {CHANGE_ANSWER("INSYNC"), PROVIDER_DONE, true, ""},
        {CHANGE_ANSWER("LATER"), PROVIDER_TRANSIENT, false, "cannot be understood"},
        {"<x/>", PROVIDER_TRANSIENT, false, "cannot be understood"},
        {NULL, PROVIDER_CREDENTIALS, false, "not authorized"},
    };
    static const char request[] = "GetChange GET /2013-04-01/change/C1";
    const struct record *record = record_made("a.example.com.", RECORD_TXT);
    const struct rdata value = {0};
    struct fixture *fixture = *data;

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_told_ struct told told = {0};

        route53_ops.in_sync(fixture->with_id, record, &value, "C1", on_synced, &told);
        if (rows[i].xml) {
            answer_xml(request, rows[i].xml);
        } else {
            answer_error(request, AWS_CREDENTIALS, 403, "AccessDenied", "not authorized");
        }
        assert_told(&told, rows[i].outcome, rows[i].words);
        assert_int_equal(told.more, rows[i].is_in_sync);
    }

    _cleanup_told_ struct told told = {0};
    route53_ops.in_sync(fixture->with_id, record, &value, "", on_synced, &told); /* nothing had to be changed */
    assert_int_equal(told.calls, 0);
    loop_turn(fixture->loop, 0);
    assert_told(&told, PROVIDER_DONE, "");
    assert_true(told.more);
}

struct chain {
    struct provider_zone *zone;
    unsigned left;
};

static void on_chained(const struct provider_result *result, void *userdata)
{
    struct chain *chain = userdata;
    static const struct change_request *next;

    assert_int_equal(result->outcome, PROVIDER_REFUSED);
    assert_int_equal(result->culprit, 0);
    next = change("a.example.com.", "198.51.100.9", 60);
    if (--chain->left > 0) {
        route53_ops.apply(chain->zone, &next, 1, on_chained, chain);
    }
    assert_non_null(strstr(result->message, "a.example.com.")); /* still good */
}

/* queue/zone sends the next batch from inside the answer to the last one. */
static void batches_follow_each_other(void **data)
{
    struct fixture *fixture = *data;
    struct chain chain = {.zone = fixture->with_id, .left = 3};
    const struct change_request *const first = change("a.example.com.", "198.51.100.1", 60);

    route53_ops.apply(chain.zone, &first, 1, on_chained, &chain);
    for (int i = 0; i < 3; i++) {
        answer_error(APPLY, AWS_REFUSED, 400, "InvalidChangeBatch", "RRSet with DNS name a.example.com. is bad");
    }
    assert_int_equal(chain.left, 0);
}

static void freed_with_calls_under_way(void **data)
{
    struct fixture *fixture = *data;
    _cleanup_told_ struct told told = {0};

    apply(fixture, fixture->with_id, &told);
    apply(fixture, fixture->by_name, &told);
    route53_ops.prepare(fixture->with_id, on_prepared, &told);
    route53_ops.look_up(fixture->with_id, record_made("a.example.com.", RECORD_A), on_looked_up, &told);
    route53_ops.list_page(fixture->with_id, true, on_each, on_listed, &told);
    route53_ops.in_sync(fixture->with_id, NULL, NULL, "C1", on_synced, &told);
    route53_ops.free(TAKE_PTR(fixture->with_id));
    route53_ops.free(TAKE_PTR(fixture->by_name));
    assert_int_equal(under_way_count, 0);
    loop_turn(fixture->loop, 0);
    assert_int_equal(told.calls, 0);
}

static void zones_are_made(void **data)
{
    struct fixture *fixture = *data;

    assert_null(route53_zone_new(fixture->loop, NULL, "not a name", NULL, false));
    assert_null(route53_zone_new(fixture->loop, NULL, "example.com.", "Z23456789012345678901234567890123", false));
    assert_int_equal(route53_ops.changes_max * route53_ops.value_characters_factor, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_as_xml),
        cmocka_unit_test(texts_and_withdrawals_as_xml),
        cmocka_unit_test(outdated_withdrawals),
        cmocka_unit_test(names_are_decoded),
        cmocka_unit_test(zones_of_an_account),
        cmocka_unit_test(culprits),
        cmocka_unit_test(zones_are_found),
        cmocka_unit_test(pages),
        cmocka_unit_test(sets_across_pages),
        cmocka_unit_test(senseless_pages),
        cmocka_unit_test_setup_teardown(prepare_with_id, setup, teardown),
        cmocka_unit_test_setup_teardown(prepare_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(prepare_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(prepare_without_permission, setup, teardown),
        cmocka_unit_test_setup_teardown(changes_are_applied, setup, teardown),
        cmocka_unit_test_setup_teardown(outcomes, setup, teardown),
        cmocka_unit_test_setup_teardown(vanished_zone_is_found_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(not_found_yet, setup, teardown),
        cmocka_unit_test_setup_teardown(call_that_cannot_begin, setup, teardown),
        cmocka_unit_test_setup_teardown(look_ups, setup, teardown),
        cmocka_unit_test_setup_teardown(listings, setup, teardown),
        cmocka_unit_test_setup_teardown(changes_get_in_sync, setup, teardown),
        cmocka_unit_test_setup_teardown(batches_follow_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(freed_with_calls_under_way, setup, teardown),
        cmocka_unit_test_setup_teardown(zones_are_made, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
