#include "provider/route53_examine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "provider/route53_account.h"

#define ZONES_PAGE "100"
/* Route 53 refuses what was signed five minutes ago or ahead; the daemon corrects that by the first refusal. */
#define SKEW_REFUSED_S 300
#define SKEW_DOUBTFUL_S 30

/* ---- the account's zones ---- */

struct listing {
    provider_each_hosted each;
    void *userdata;
    char marker[ROUTE53_ID_SIZE];
};

static void tell_hosted(const struct route53_hosted_zone *zone, void *userdata)
{
    const struct listing *listing = userdata;
    const struct provider_hosted_zone hosted = {zone->name.text, zone->id, zone->comment, zone->record_count,
                                                zone->is_private};

    listing->each(&hosted, listing->userdata);
}

static int read_zones(const struct xml_element *root, void *userdata)
{
    struct listing *listing = userdata;

    return route53_read_zones(root, tell_hosted, listing, listing->marker);
}

int route53_each_hosted(const struct provider_means *means, void *shared, provider_each_hosted each, void *userdata,
                        struct buffer *message)
{
    _cleanup_(account_answer_done) struct account_answer answer = {.outcome = AWS_OK};
    struct listing listing = {.each = each, .userdata = userdata};
    _cleanup_buffer_ struct buffer origin = BUFFER_INIT;

    if (account_credentials(means, shared, &origin) < 0) {
        buffer_append_text(message, buffer_text(&origin));
        return -ENOENT;
    }
    do {
        _cleanup_buffer_ struct buffer query = BUFFER_INIT;
        if (listing.marker[0] != '\0') {
            buffer_printf(&query, "marker=%s&", listing.marker);
        }
        buffer_append_text(&query, "maxitems=" ZONES_PAGE);
        const struct account_call call = {.operation = "ListHostedZones",
                                          .method = "GET",
                                          .path = "/2013-04-01/hostedzone",
                                          .query = buffer_text(&query),
                                          .read = read_zones,
                                          .userdata = &listing};
        account_call(means, shared, &call, &answer);
    } while (answer.outcome == AWS_OK && listing.marker[0] != '\0');
    if (answer.outcome != AWS_OK) {
        buffer_printf(message, "%s (credentials: %s)", buffer_text(&answer.message), buffer_text(&origin));
        return -EIO;
    }
    return 0;
}

/* ---- the account ---- */

struct teller {
    provider_tell tell;
    void *userdata;
};

static void tell(const struct teller *teller, enum provider_verdict verdict, const char *what, const char *message,
                 const char *mend)
{
    const struct provider_finding finding = {verdict, what, message, mend};

    teller->tell(&finding, teller->userdata);
}

static bool examine_clock(const struct provider_means *means, struct route53_shared *shared,
                          const struct teller *teller)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    int64_t ahead_s;

    if (account_clock(means, shared, &ahead_s, &message) < 0) {
        tell(teller, PROVIDER_BROKEN, "route53", buffer_text(&message),
             "see that this machine reaches the API: firewall, proxy (HTTPS_PROXY), DNS, route53.endpoint");
        return false;
    }
    int64_t off_s = ahead_s < 0 ? -ahead_s : ahead_s;
    buffer_printf(&message, "this machine's clock is %lld s %s that of Route 53", (long long)off_s,
                  ahead_s > 0 ? "behind" : "ahead of");
    tell(teller,
         off_s >= SKEW_REFUSED_S ? PROVIDER_BROKEN : (off_s > SKEW_DOUBTFUL_S ? PROVIDER_DOUBTFUL : PROVIDER_FINE),
         "clock",
         off_s <= SKEW_DOUBTFUL_S ? "this machine's clock agrees with that of Route 53" : buffer_text(&message),
         off_s > SKEW_DOUBTFUL_S
             ? "set the clock, best by timesyncd, chrony or ntpd: signed requests of clients and of "
               "the daemon need it"
             : NULL);
    return true;
}

bool route53_examine(const struct provider_means *means, void *shared, provider_tell tell_caller, void *userdata)
{
    const struct teller teller = {tell_caller, userdata};
    _cleanup_buffer_ struct buffer words = BUFFER_INIT;
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;

    if (!examine_clock(means, shared, &teller)) {
        return false;
    }
    if (account_credentials(means, shared, &words) < 0) {
        tell(&teller, PROVIDER_BROKEN, "credentials", buffer_text(&words),
             "see \"Let it change the zone\" in README.md, and ddns53d(8)");
        return false;
    }
    buffer_printf(&message, "AWS credentials from %s", buffer_text(&words));
    tell(&teller, PROVIDER_FINE, "credentials", buffer_text(&message), NULL);
    return true;
}

/* ---- a zone ---- */

struct examined {
    const struct provider_means *means;
    struct route53_shared *shared;
    const struct zone_settings *zone;
    struct teller teller;
    struct buffer *name_servers;
    char id[ROUTE53_ID_SIZE];
    uint64_t record_count;
    bool is_other; /* the id is that of another name, which was told */
    struct name other;
};

static const char *zone_id_of(const struct zone_settings *zone)
{
    return ((const struct route53_zone_settings *)zone->own)->zone_id;
}

static int read_found(const struct xml_element *root, void *userdata)
{
    struct examined *examined = userdata;
    const struct route53_zone_settings *own = examined->zone->own;
    int r = route53_find_zone(root, examined->zone->name.text, own->is_private, examined->id);

    return r == -EBADMSG ? r : 0; /* no id: none was found */
}

static int read_zone(const struct xml_element *root, void *userdata)
{
    struct examined *examined = userdata;
    const struct xml_element *servers = xml_child(xml_child(root, "DelegationSet"), "NameServers");
    const char *name;
    int r = route53_read_zone(root, &name, &examined->record_count);

    if (r < 0) {
        return r;
    }
    if (route53_read_name(name, strlen(name), &examined->other) < 0) {
        return -EBADMSG;
    }
    examined->is_other = strcmp(examined->other.text, examined->zone->name.text) != 0;
    for (const struct xml_element *server = servers ? servers->first_child : NULL; server; server = server->next) {
        buffer_printf(examined->name_servers, "%s\n", server->text);
    }
    return 0;
}

static bool is_denied(const struct account_answer *answer)
{
    return strcmp(buffer_text(&answer->code), "AccessDenied") == 0;
}

/* What an answer other than success means, with the permission that the call needs. */
static void tell_failure(const struct examined *examined, const struct account_answer *answer, const char *permission,
                         enum provider_verdict verdict)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    _cleanup_buffer_ struct buffer mend = BUFFER_INIT;

    buffer_printf(&message, "%s: %s", examined->zone->name.text, buffer_text(&answer->message));
    if (is_denied(answer)) {
        buffer_printf(&mend, "permit %s for hosted zone %s", permission,
                      examined->id[0] != '\0' ? examined->id : examined->zone->name.text);
    } else if (answer->outcome == AWS_CREDENTIALS) {
        buffer_append_text(&mend, "put credentials there that AWS accepts");
    } else if (answer->outcome == AWS_REFUSED) {
        buffer_printf(&mend, "correct zone_id of %s, or leave it out", examined->zone->name.text);
    } else {
        buffer_append_text(&mend, "try again; the daemon does so by itself");
    }
    tell(&examined->teller, verdict, "zone", buffer_text(&message), buffer_text(&mend));
}

/* The id by the name. */
static bool find_zone(struct examined *examined, struct account_answer *answer)
{
    _cleanup_buffer_ struct buffer query = BUFFER_INIT;
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;

    buffer_printf(&query, "dnsname=%s&maxitems=100", examined->zone->name.text);
    const struct account_call call = {.operation = "ListHostedZonesByName",
                                      .method = "GET",
                                      .path = "/2013-04-01/hostedzonesbyname",
                                      .query = buffer_text(&query),
                                      .read = read_found,
                                      .userdata = examined};
    account_call(examined->means, examined->shared, &call, answer);
    if (answer->outcome != AWS_OK) {
        tell_failure(examined, answer, "route53:ListHostedZonesByName (on *), or set zone_id; else", PROVIDER_BROKEN);
        return false;
    }
    if (examined->id[0] == '\0') {
        buffer_printf(&message, "%s: the account has no such zone, or several", examined->zone->name.text);
        tell(&examined->teller, PROVIDER_BROKEN, "zone", buffer_text(&message),
             "make it, set zone_id and private of the zone, or use that account's credentials");
        return false;
    }
    return true;
}

/* Its name, size and name servers. */
static bool get_zone(struct examined *examined, struct account_answer *answer)
{
    _cleanup_buffer_ struct buffer path = BUFFER_INIT;
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;

    buffer_printf(&path, "/2013-04-01/hostedzone/%s", examined->id);
    const struct account_call call = {.operation = "GetHostedZone",
                                      .method = "GET",
                                      .path = buffer_text(&path),
                                      .read = read_zone,
                                      .userdata = examined};
    account_call(examined->means, examined->shared, &call, answer);
    if (answer->outcome == AWS_OK && examined->is_other) {
        buffer_clear(examined->name_servers); /* another zone's */
        buffer_printf(&message, "%s: hosted zone %s is %s", examined->zone->name.text, examined->id,
                      examined->other.text);
        tell(&examined->teller, PROVIDER_BROKEN, "zone", buffer_text(&message), "correct zone_id, or leave it out");
        return false;
    }
    if (answer->outcome != AWS_OK) {
        bool goes_on = is_denied(answer); /* the daemon does without it */
        tell_failure(examined, answer, "route53:GetHostedZone", goes_on ? PROVIDER_DOUBTFUL : PROVIDER_BROKEN);
        return goes_on;
    }
    return true;
}

static bool list_records(struct examined *examined, struct account_answer *answer)
{
    _cleanup_buffer_ struct buffer path = BUFFER_INIT;

    buffer_printf(&path, "/2013-04-01/hostedzone/%s/rrset", examined->id);
    const struct account_call call = {
        .operation = "ListResourceRecordSets", .method = "GET", .path = buffer_text(&path), .query = "maxitems=1"};
    account_call(examined->means, examined->shared, &call, answer);
    if (answer->outcome != AWS_OK) {
        tell_failure(examined, answer, "route53:ListResourceRecordSets", PROVIDER_BROKEN);
    }
    return answer->outcome == AWS_OK;
}

/* Route 53 has no rehearsal of a change. It looks at permissions before it looks at the change, though: the deletion of a
 * record that does not exist is refused as such, where it is permitted, and as not permitted elsewhere. */
static bool try_change(struct examined *examined, struct account_answer *answer)
{
    _cleanup_buffer_ struct buffer path = BUFFER_INIT;
    _cleanup_buffer_ struct buffer body = BUFFER_INIT;
    uint8_t random[8];
    char label[2 * sizeof(random) + 1];

    random_bytes(random, sizeof(random));
    print_hex(random, sizeof(random), label);
    buffer_printf(&path, "/2013-04-01/hostedzone/%s/rrset/", examined->id);
    buffer_printf(
        &body,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ChangeResourceRecordSetsRequest xmlns=\"" ROUTE53_NAMESPACE
        "\"><ChangeBatch><Changes><Change><Action>DELETE</Action><ResourceRecordSet><Name>ddns53-check-%s.%s"
        "</Name><Type>A</Type><TTL>60</TTL><ResourceRecords><ResourceRecord><Value>192.0.2.1</Value>"
        "</ResourceRecord></ResourceRecords></ResourceRecordSet></Change></Changes></ChangeBatch>"
        "</ChangeResourceRecordSetsRequest>",
        label, examined->zone->name.text);
    const struct account_call call = {.operation = "ChangeResourceRecordSets",
                                      .method = "POST",
                                      .path = buffer_text(&path),
                                      .body = buffer_text(&body)};
    account_call(examined->means, examined->shared, &call, answer);
    if (answer->outcome == AWS_REFUSED && strcmp(buffer_text(&answer->code), "InvalidChangeBatch") == 0) {
        return true;
    }
    tell_failure(examined, answer, "route53:ChangeResourceRecordSets", PROVIDER_BROKEN);
    return false;
}

void route53_examine_zone(const struct provider_means *means, void *shared, const struct zone_settings *zone,
                          bool may_try, provider_tell tell_caller, void *userdata, struct buffer *name_servers)
{
    _cleanup_(account_answer_done) struct account_answer answer = {.outcome = AWS_OK};
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    struct examined examined = {
        .means = means,
        .shared = shared,
        .zone = zone,
        .teller = {tell_caller, userdata},
        .name_servers = name_servers,
    };
    const char *id = zone_id_of(zone);

    if (id) {
        (void)snprintf(examined.id, sizeof(examined.id), "%s", id);
    } else if (!find_zone(&examined, &answer)) {
        return;
    }
    if (!get_zone(&examined, &answer) || !list_records(&examined, &answer) ||
        (may_try && !try_change(&examined, &answer))) {
        return;
    }
    buffer_printf(&message, "%s: hosted zone %s with %llu record sets; they may be listed%s", zone->name.text,
                  examined.id, (unsigned long long)examined.record_count,
                  may_try ? " and changed" : "; whether they may be changed, --try-change asks");
    tell(&examined.teller, PROVIDER_FINE, "zone", buffer_text(&message), NULL);
}
