#include "provider/route53_hosted.h"

#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "base/secret.h"
#include "provider/route53_account.h"

/* How often a new zone is asked for with the same CallerReference, by which Route 53 knows a repeated request. */
#define CREATE_TRIES 3

struct described {
    provider_each_hosted each;
    void *userdata;
    struct buffer *name_servers;
};

static void tell_zone(const struct route53_hosted_zone *zone, void *userdata)
{
    const struct described *described = userdata;

    described->each(&(struct provider_hosted_zone){zone->name.text, zone->id, zone->comment, zone->record_count,
                                                   zone->is_private},
                    described->userdata);
}

/* GetHostedZoneResponse and CreateHostedZoneResponse have these in common. */
static int read_described(const struct xml_element *root, void *userdata)
{
    const struct described *described = userdata;
    const struct xml_element *servers = xml_child(xml_child(root, "DelegationSet"), "NameServers");
    int r = route53_read_hosted(root, tell_zone, userdata);

    for (const struct xml_element *server = servers ? servers->first_child : NULL; r == 0 && server;
         server = server->next) {
        struct name name;
        if (name_parse(server->text, strlen(server->text), &name, NULL) == 0) {
            buffer_printf(described->name_servers, "%s\n", name.text);
        }
    }
    return r;
}

/* What came of a call, as an errno; `permission`: what it needs. */
static int status_of(const struct account_answer *answer, const char *permission, struct buffer *message)
{
    if (answer->outcome == AWS_OK) {
        return 0;
    }
    buffer_printf(message, "%s: %s", permission, buffer_text(&answer->message));
    return strcmp(buffer_text(&answer->code), "NoSuchHostedZone") == 0 ? -ENOENT : -EIO;
}

int route53_get_hosted(const struct provider_means *means, void *shared, const char *id, provider_each_hosted each,
                       void *userdata, struct buffer *name_servers, struct buffer *message)
{
    _cleanup_(account_answer_done) struct account_answer answer = {.outcome = AWS_OK};
    _cleanup_buffer_ struct buffer path = BUFFER_INIT;
    struct described described = {each, userdata, name_servers};

    buffer_printf(&path, "/2013-04-01/hostedzone/%s", id);
    const struct account_call call = {.operation = "GetHostedZone",
                                      .method = "GET",
                                      .path = buffer_text(&path),
                                      .read = read_described,
                                      .userdata = &described};
    account_call(means, shared, &call, &answer);
    return status_of(&answer, "route53:GetHostedZone", message);
}

/* Members in the order of the service model. */
static void write_request(const char *name, const char *comment, struct buffer *body)
{
    uint8_t random[16];
    char reference[2 * sizeof(random) + 1];

    random_bytes(random, sizeof(random));
    print_hex(random, sizeof(random), reference);
    buffer_append_text(body,
                       "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CreateHostedZoneRequest xmlns=\"" ROUTE53_NAMESPACE
                       "\">");
    xml_append_element(body, "Name", name);
    buffer_printf(body, "<CallerReference>ddns53ctl-%s</CallerReference>", reference);
    if (comment) {
        buffer_append_text(body, "<HostedZoneConfig>");
        xml_append_element(body, "Comment", comment);
        buffer_append_text(body, "</HostedZoneConfig>");
    }
    buffer_append_text(body, "</CreateHostedZoneRequest>");
}

int route53_create_hosted(const struct provider_means *means, void *shared, const char *name, const char *comment,
                          provider_each_hosted each, void *userdata, struct buffer *name_servers,
                          struct buffer *message)
{
    _cleanup_(account_answer_done) struct account_answer answer = {.outcome = AWS_TRANSIENT};
    _cleanup_buffer_ struct buffer body = BUFFER_INIT;
    struct described described = {each, userdata, name_servers};

    write_request(name, comment, &body);
    if (buffer_status(&body) < 0) {
        return -ENOMEM;
    }
    const struct account_call call = {.operation = "CreateHostedZone",
                                      .method = "POST",
                                      .path = "/2013-04-01/hostedzone",
                                      .body = buffer_text(&body),
                                      .read = read_described,
                                      .userdata = &described};
    for (int i = 0; i < CREATE_TRIES && (answer.outcome == AWS_TRANSIENT || answer.outcome == AWS_THROTTLED); i++) {
        account_call(means, shared, &call, &answer);
    }
    if (strcmp(buffer_text(&answer.code), "HostedZoneAlreadyExists") == 0) {
        buffer_append_text(message, "an answer was lost, and the zone was made: see \"ddns53ctl zone list\"");
        return -EEXIST;
    }
    return status_of(&answer, "route53:CreateHostedZone", message);
}
