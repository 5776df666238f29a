/* The row of the provider route53: its settings, and the account that all of its zones share. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws_call.h"
#include "aws/credentials.h"
#include "config/settings_table.h"
#include "config/value.h"
#include "provider/registry.h"
#include "provider/route53.h"
#include "provider/route53_examine.h"
#include "provider/route53_hosted.h"

#define CONNECT_TIMEOUT_MS 5000
#define TIMEOUT_MS 30000
#define RESPONSE_MAX_BYTES ((size_t)4 << 20)

/* ---- settings ---- */

/* The console shows Z1FXLQ1OABKR4O, the API answers /hostedzone/Z1FXLQ1OABKR4O; people paste either. */
static int read_zone_id(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    static const char prefix[] = "/hostedzone/";
    struct route53_zone_settings *zone = base;
    const char *text;

    int r = value_read_text(problems, row->name, node, &text);
    if (r < 0 || text[0] == '\0') {
        return r;
    }
    const char *id = strncmp(text, prefix, sizeof(prefix) - 1) == 0 ? text + sizeof(prefix) - 1 : text;
    size_t length = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
    if (length == 0 || length > 32 || id[length] != '\0') { /* ResourceId of the API: at most 32 */
        value_add_error(problems, row->name, node,
                        "is no zone id: up to 32 capital letters and digits such as Z1FXLQ1OABKR4O, or \"\"");
        return -EINVAL;
    }
    zone->zone_id = strdup(id);
    return zone->zone_id == NULL ? -ENOMEM : 0;
}

static void write_zone_id(const struct setting *row, const void *base, struct buffer *buffer)
{
    const char *id = ((const struct route53_zone_settings *)base)->zone_id;
    (void)row;
    setting_write_quoted(buffer, id == NULL ? "" : id);
}

static void clear_zone_id(const struct setting *row, void *base)
{
    (void)row;
    free(TAKE_PTR(((struct route53_zone_settings *)base)->zone_id));
}

static const struct setting_type setting_zone_id = {read_zone_id, write_zone_id, clear_zone_id};

static const struct setting rows[] = {
    {SETTING_KEY("zones[]", "zone_id"), .type = &setting_zone_id, .default_text = "\"\"", .restart = true,
     .help = "Route 53's id of the zone; without one it is looked up by name"},
    {SETTING_KEY("zones[]", "private"), .type = &setting_bool, SETTING_AT(struct route53_zone_settings, is_private),
     .default_text = "false", .restart = true, .help = "which one, where a public and a private zone share the name"},
    {SETTING_KEY("route53", "endpoint"), .type = &setting_url, SETTING_AT(struct route53_settings, endpoint),
     .default_text = "\"\"", .restart = true,
     .help = "URL of the API; \"\" is that of AWS_ENDPOINT_URL_ROUTE_53 or AWS_ENDPOINT_URL, else AWS's own"},
    {SETTING_KEY("route53", "region"), .type = &setting_region, SETTING_AT(struct route53_settings, region),
     .default_text = "us-east-1", .restart = true, .help = "the region that requests are signed for"},
    {SETTING_KEY("route53", "profile"), .type = &setting_text, SETTING_AT(struct route53_settings, profile),
     .default_text = "\"\"", .restart = true,
     .help = "profile of the shared credentials file; \"\" is that of AWS_PROFILE, else default"},
    {SETTING_KEY("route53", "requests_per_second"), .type = &setting_uint,
     SETTING_AT(struct route53_settings, requests_per_second), SETTING_RANGE(1, 1000, "a second"), .default_text = "5",
     .help = "the ceiling of the adaptive pace, per account"},
};

/* ---- the account ---- */

static const char *first_set(const char *a, const char *b, const char *c, const char *otherwise)
{
    const char *texts[] = {a, b, c};

    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        if (texts[i] && texts[i][0] != '\0') {
            return texts[i];
        }
    }
    return otherwise;
}

/* The settings', the environment's, else AWS's own. Returns owned, NULL: no memory. */
static char *endpoint_of(const struct route53_settings *settings, environment getenv_like, const char **ret_region)
{
    const char *own = aws_route53_endpoint(settings->region, ret_region);
    const char *endpoint =
        first_set(settings->endpoint, getenv_like("AWS_ENDPOINT_URL_ROUTE_53"), getenv_like("AWS_ENDPOINT_URL"), own);
    char *trimmed = strdup(endpoint);

    for (size_t length = trimmed ? strlen(trimmed) : 0; length > 0 && trimmed[length - 1] == '/'; length--) {
        trimmed[length - 1] = '\0';
    }
    return trimmed;
}

static void account_free(void *shared)
{
    struct route53_shared *account = shared;

    if (account) {
        aws_service_free(account->service);
        credentials_free(account->credentials);
        free(account->endpoint);
        free(account);
    }
}

static void *account_new(const struct provider_means *means, const void *own)
{
    const struct route53_settings *settings = own;
    struct route53_shared *account = calloc(1, sizeof(*account));
    const char *signing_region;

    if (!account) {
        return NULL;
    }
    account->endpoint = endpoint_of(settings, means->environment, &signing_region);
    account->credentials =
        credentials_new(means->loop, means->client, settings->profile, settings->region, means->environment);
    if (account->credentials && account->endpoint) {
        account->service = aws_service_new(means->loop, means->client, account->credentials, means->metrics,
                                           &(struct aws_service_options){
                                               .service = "route53",
                                               .region = signing_region,
                                               .endpoint = account->endpoint,
                                               .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                               .timeout_ms = TIMEOUT_MS,
                                               .response_max_bytes = RESPONSE_MAX_BYTES,
                                           });
    }
    if (!account->service) {
        account_free(account);
        return NULL;
    }
    return account;
}

static uint32_t account_pace(const void *own)
{
    return ((const struct route53_settings *)own)->requests_per_second;
}

static void account_reload(void *shared)
{
    credentials_refresh(((struct route53_shared *)shared)->credentials, NULL);
}

static struct provider_zone *zone_new(const struct provider_means *means, void *shared,
                                      const struct zone_settings *zone)
{
    const struct route53_zone_settings *own = zone->own;

    return route53_zone_new(means->loop, ((struct route53_shared *)shared)->service, zone->name.text, own->zone_id,
                            own->is_private);
}

static bool is_private(const struct zone_settings *zone)
{
    return ((const struct route53_zone_settings *)zone->own)->is_private;
}

const struct provider route53_provider = {
    .settings =
        {
            .name = "route53",
            .rows = rows,
            .row_count = ELEMENTS(rows),
            .size = sizeof(struct route53_settings),
            .zone_size = sizeof(struct route53_zone_settings),
        },
    .ops = &route53_ops,
    .shared_new = account_new,
    .shared_free = account_free,
    .zone_new = zone_new,
    .pace = account_pace,
    .reload = account_reload,
    .each_hosted = route53_each_hosted,
    .get_hosted = route53_get_hosted,
    .create_hosted = route53_create_hosted,
    .examine = route53_examine,
    .examine_zone = route53_examine_zone,
    .is_private = is_private,
};
