#include "aws/credentials_plan.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "aws/credentials_file.h"
#include "aws/credentials_keys.h"
#include "base/address.h"
#include "base/parse.h"
#include "base/secret.h"

#define CONTAINER_HOST "http://169.254.170.2"
#define INSTANCE_IPV4 "http://169.254.169.254"
#define INSTANCE_IPV6 "http://[fd00:ec2::254]"
#define SESSION_NAME "ddns53d"

/* STS's bounds of DurationSeconds */
#define DURATION_MIN_S 900
#define DURATION_MAX_S 43200

struct planner {
    environment getenv_like;
    const char *region; /* for STS, where a profile names none */
    struct shared_files files;
    struct credentials_plan *plan;
    struct buffer *message;
};

void credentials_plan_free(struct credentials_plan *plan)
{
    if (!plan) {
        return;
    }
    for (size_t i = 0; i < PLAN_ROLES_MAX; i++) {
        free(plan->roles[i].arn);
        free(plan->roles[i].session_name);
        free(plan->roles[i].external_id);
        free(plan->roles[i].token_file);
        free(plan->roles[i].region);
    }
    if (plan->authorization) {
        wipe(plan->authorization, strlen(plan->authorization));
    }
    aws_keys_unref(plan->keys);
    free(plan->url);
    free(plan->authorization);
    free(plan->authorization_file);
    free(plan->sts_endpoint);
    free(plan->origin);
    free(plan->failure_prefix);
    free(plan->failure_advice);
    free(plan);
}

static const char *variable(const struct planner *planner, const char *name)
{
    const char *value = planner->getenv_like(name);
    return value && *value ? value : NULL;
}

/* NULL is copied as NULL. */
static int copy(const char *text, char **ret_copy)
{
    if (!text) {
        return 0;
    }
    char *duplicate = strdup(text);
    if (!duplicate) {
        return -ENOMEM;
    }
    free(*ret_copy);
    *ret_copy = duplicate;
    return 0;
}

static int set_keys(struct planner *planner, const char *access_key_id, const char *secret_access_key,
                    const char *session_token, const char *origin)
{
    planner->plan->base = PLAN_KEYS;
    planner->plan->keys = aws_keys_new(access_key_id, secret_access_key, session_token, INT64_MAX, origin);
    if (!planner->plan->keys) {
        return -ENOMEM;
    }
    return copy(origin, &planner->plan->origin);
}

/* ---- 1: the environment ---- */

static int plan_environment(struct planner *planner)
{
    const char *access_key_id = variable(planner, "AWS_ACCESS_KEY_ID");
    const char *secret_access_key = variable(planner, "AWS_SECRET_ACCESS_KEY");

    if (!access_key_id && !secret_access_key) {
        return -ENOENT;
    }
    if (!access_key_id || !secret_access_key) {
        buffer_printf(planner->message, "environment: %s is set without %s; set both or none",
                      access_key_id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                      access_key_id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
        return -EINVAL;
    }
    return set_keys(planner, access_key_id, secret_access_key, variable(planner, "AWS_SESSION_TOKEN"), "environment");
}

/* ---- 4: the container endpoint ---- */

/* Where a token may be sent without TLS: this machine, and the addresses of ECS and EKS. */
static bool is_container_host(const char *url)
{
    static const char *const networks[] = {"127.0.0.0/8", "::1/128", "169.254.170.2/32", "169.254.170.23/32",
                                           "fd00:ec2::23/128"};
    const char *host = url + strlen("http://");
    size_t length = strcspn(host, "/?#");
    struct address address;

    if (memchr(host, '@', length)) {
        return false;
    }
    if (*host == '[') {
        host++;
        length = strcspn(host, "]");
    } else {
        length = strcspn(host, ":/?#");
    }
    if (length == strlen("localhost") && strncasecmp(host, "localhost", length) == 0) {
        return true;
    }
    return address_parse(host, length, &address) == 0 && address_is_in(&address, networks, ELEMENTS(networks));
}

static int set_container_url(struct planner *planner, const char *relative, const char *full)
{
    _cleanup_buffer_ struct buffer url = BUFFER_INIT;

    if (relative) {
        if (*relative != '/') {
            buffer_append_text(planner->message,
                               "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: must begin with a slash; correct or unset it");
            return -EINVAL;
        }
        buffer_printf(&url, CONTAINER_HOST "%s", relative);
        return copy(buffer_text(&url), &planner->plan->url);
    }
    const bool is_https = strncasecmp(full, "https://", 8) == 0;
    if (!is_https && !(strncasecmp(full, "http://", 7) == 0 && is_container_host(full))) {
        buffer_append_text(planner->message,
                           "AWS_CONTAINER_CREDENTIALS_FULL_URI: must be https, or http to loopback, 169.254.170.2, "
                           "169.254.170.23 or [fd00:ec2::23]; correct or unset it");
        return -EINVAL;
    }
    return copy(full, &planner->plan->url);
}

static int plan_container(struct planner *planner)
{
    const char *relative = variable(planner, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = variable(planner, "AWS_CONTAINER_CREDENTIALS_FULL_URI");

    if (!relative && !full) {
        return -ENOENT;
    }
    planner->plan->base = PLAN_CONTAINER;
    int r = set_container_url(planner, relative, full);
    if (r < 0) {
        return r;
    }
    const char *file = variable(planner, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    r = file ? copy(file, &planner->plan->authorization_file)
             : copy(variable(planner, "AWS_CONTAINER_AUTHORIZATION_TOKEN"), &planner->plan->authorization);
    return r < 0 ? r : copy("container", &planner->plan->origin);
}

/* ---- 5: instance metadata ---- */

static int plan_instance(struct planner *planner)
{
    const char *disabled = variable(planner, "AWS_EC2_METADATA_DISABLED");
    const char *endpoint = variable(planner, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = variable(planner, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");

    if (disabled && strcasecmp(disabled, "true") == 0) {
        return -ENOENT;
    }
    if (!endpoint) {
        endpoint = mode && strcasecmp(mode, "ipv6") == 0 ? INSTANCE_IPV6 : INSTANCE_IPV4;
    }
    planner->plan->base = PLAN_INSTANCE;
    int r = copy(endpoint, &planner->plan->url);
    if (r < 0) {
        return r;
    }
    for (size_t length = strlen(endpoint); length > 0 && endpoint[length - 1] == '/'; length--) {
        planner->plan->url[length - 1] = '\0';
    }
    return copy("instance metadata", &planner->plan->origin);
}

/* ---- 3: web identity of the environment ---- */

/* Takes the next place in the plan's list. */
static int add_role(struct planner *planner, const struct plan_role *role)
{
    struct plan_role *place = &planner->plan->roles[planner->plan->role_count++];
    int r = 0;
    const struct {
        const char *from;
        char **to;
    } rows[] = {{role->arn, &place->arn},
                {role->session_name ? role->session_name : SESSION_NAME, &place->session_name},
                {role->external_id, &place->external_id},
                {role->token_file, &place->token_file},
                {role->region ? role->region : planner->region, &place->region}};

    for (size_t i = 0; i < ELEMENTS(rows) && r == 0; i++) {
        r = copy(rows[i].from, rows[i].to);
    }
    place->duration_s = role->duration_s;
    return r;
}

static int plan_web_identity(struct planner *planner)
{
    /* plan_role owns what it holds; here it is only read */
    const struct plan_role role = {.token_file = (char *)variable(planner, "AWS_WEB_IDENTITY_TOKEN_FILE"),
                                   .arn = (char *)variable(planner, "AWS_ROLE_ARN"),
                                   .session_name = (char *)variable(planner, "AWS_ROLE_SESSION_NAME")};

    if (!role.token_file) {
        return -ENOENT; /* AWS_ROLE_ARN alone means nothing */
    }
    if (!role.arn) {
        buffer_append_text(planner->message,
                           "environment: AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN; set both or none");
        return -EINVAL;
    }
    planner->plan->base = PLAN_WEB_IDENTITY;
    int r = add_role(planner, &role);
    return r < 0 ? r : copy("web identity", &planner->plan->origin);
}

/* ---- 2: profiles ---- */

static int refuse_profile(struct planner *planner, const char *profile, const char *key, const char *why)
{
    const struct shared_file *file =
        key ? shared_files_find_key(&planner->files, profile, key) : shared_files_find(&planner->files, profile);
    buffer_printf(planner->message, "profile %s of %s: %s", profile, file ? file->path : "the shared files", why);
    return -EINVAL;
}

static int set_profile_origin(struct planner *planner, const char *profile, const struct shared_file *file)
{
    _cleanup_buffer_ struct buffer origin = BUFFER_INIT;
    buffer_printf(&origin, "profile %s of %s", profile, file->path);
    return copy(buffer_text(&origin), &planner->plan->origin);
}

/* All parts of a key come from one file. */
static int plan_profile_keys(struct planner *planner, const char *profile)
{
    const struct shared_file *found = shared_files_find_key(&planner->files, profile, "aws_access_key_id");
    if (!found) {
        return -ENOENT;
    }
    const char *secret_access_key = profile_file_get(found->file, profile, "aws_secret_access_key");
    if (!secret_access_key || !*secret_access_key) {
        return refuse_profile(planner, profile, "aws_access_key_id",
                              "aws_access_key_id without aws_secret_access_key; add it");
    }
    int r = set_profile_origin(planner, profile, found);
    if (r < 0) {
        return r;
    }
    _cleanup_free_ char *origin = TAKE_PTR(planner->plan->origin);
    return set_keys(planner, profile_file_get(found->file, profile, "aws_access_key_id"), secret_access_key,
                    profile_file_get(found->file, profile, "aws_session_token"), origin);
}

static int plan_credential_source(struct planner *planner, const char *profile, const char *source)
{
    static const struct {
        const char *name;
        int (*plan)(struct planner *planner);
    } rows[] = {{"Environment", plan_environment},
                {"EcsContainer", plan_container},
                {"Ec2InstanceMetadata", plan_instance}};

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        if (strcasecmp(source, rows[i].name) == 0) {
            const int r = rows[i].plan(planner);
            return r != -ENOENT ? r
                                : refuse_profile(planner, profile, "credential_source",
                                                 "credential_source names a place where there are no credentials; set "
                                                 "its variables or use source_profile");
        }
    }
    return refuse_profile(planner, profile, "credential_source",
                          "credential_source is none of Environment, EcsContainer and Ec2InstanceMetadata");
}

static int read_duration(struct planner *planner, const char *profile, uint32_t *ret_duration_s)
{
    const char *text = shared_files_get(&planner->files, profile, "duration_seconds");
    uint64_t duration_s = 0;

    if (text && parse_uint(text, strlen(text), DURATION_MIN_S, DURATION_MAX_S, &duration_s) < 0) {
        return refuse_profile(planner, profile, "duration_seconds",
                              "duration_seconds is not a number from 900 to 43200");
    }
    *ret_duration_s = (uint32_t)duration_s;
    return 0;
}

static int add_profile_role(struct planner *planner, const char *profile)
{
    const struct shared_files *files = &planner->files;
    struct plan_role role = {.arn = (char *)shared_files_get(files, profile, "role_arn"),
                             .session_name = (char *)shared_files_get(files, profile, "role_session_name"),
                             .external_id = (char *)shared_files_get(files, profile, "external_id"),
                             .token_file = (char *)shared_files_get(files, profile, "web_identity_token_file"),
                             .region = (char *)shared_files_get(files, profile, "region")};

    if (shared_files_get(files, profile, "mfa_serial")) {
        return refuse_profile(planner, profile, "mfa_serial",
                              "mfa_serial: a daemon has nobody to type the code; use a role without it");
    }
    int r = read_duration(planner, profile, &role.duration_s);
    return r < 0 ? r : add_role(planner, &role);
}

static int plan_profile(struct planner *planner, const char *profile, unsigned depth);

/* What the role of a profile is assumed with. */
static int plan_profile_base(struct planner *planner, const char *profile, unsigned depth)
{
    const char *source_profile = shared_files_get(&planner->files, profile, "source_profile");
    const char *credential_source = shared_files_get(&planner->files, profile, "credential_source");
    int r;

    if (shared_files_get(&planner->files, profile, "web_identity_token_file")) {
        planner->plan->base = PLAN_WEB_IDENTITY;
        return 0;
    }
    if (source_profile && credential_source) {
        return refuse_profile(planner, profile, "role_arn",
                              "has both source_profile and credential_source; remove one");
    }
    if (credential_source) {
        return plan_credential_source(planner, profile, credential_source);
    }
    if (!source_profile) {
        return refuse_profile(planner, profile, "role_arn",
                              "role_arn without source_profile, credential_source or web_identity_token_file; add one");
    }
    if (strcmp(source_profile, profile) == 0) {
        r = plan_profile_keys(planner, profile); /* its own keys, not itself again */
    } else if (depth + 1 >= PLAN_ROLES_MAX) {
        return refuse_profile(
            planner, profile, "source_profile",
            "more than 5 profiles lead from one to the next, or round in a circle; shorten the chain");
    } else {
        r = plan_profile(planner, source_profile, depth + 1);
    }
    if (r == -ENOENT) {
        return refuse_profile(planner, profile, "source_profile",
                              "source_profile names a profile without credentials; correct it");
    }
    return r;
}

/* -ENOENT: it is not there or has nothing to do with credentials. */
static int plan_profile(struct planner *planner, const char *profile, unsigned depth)
{
    static const char *const unsupported[] = {"credential_process", "sso_session", "sso_start_url", "login_session"};
    const struct shared_file *file = shared_files_find_key(&planner->files, profile, "role_arn");

    if (file) {
        int r = plan_profile_base(planner, profile, depth);
        if (r == 0) {
            r = add_profile_role(planner, profile);
        }
        return r < 0 ? r : set_profile_origin(planner, profile, file);
    }
    const int r = plan_profile_keys(planner, profile);
    if (r != -ENOENT) {
        return r;
    }
    for (size_t i = 0; i < ELEMENTS(unsupported); i++) {
        if (shared_files_get(&planner->files, profile, unsupported[i])) {
            return refuse_profile(planner, profile, unsupported[i],
                                  "has neither keys nor role_arn, and programs and single sign-on are not for a "
                                  "daemon; use keys or a role");
        }
    }
    return -ENOENT;
}

/* A profile that was asked for by name must be there; one without credentials (a region alone) leaves them to the rest of
 * the chain, as in the SDKs. */
static int plan_named_profile(struct planner *planner, const char *profile, bool is_asked_for)
{
    const int r = plan_profile(planner, profile, 0);
    if (r == -ENOENT && is_asked_for && !shared_files_find(&planner->files, profile)) {
        buffer_printf(planner->message, "profile %s: not in ", profile);
        shared_files_describe(&planner->files, planner->message);
        buffer_append_text(planner->message, "; add it, or correct route53.profile or AWS_PROFILE");
        return -EINVAL;
    }
    return r;
}

/* ---- the chain ---- */

static void append_looked(const struct planner *planner, const char *profile, struct buffer *buffer)
{
    buffer_printf(buffer, "no AWS credentials: there is no AWS_ACCESS_KEY_ID, nothing for profile %s in ", profile);
    shared_files_describe(&planner->files, buffer);
    buffer_append_text(buffer,
                       ", no AWS_WEB_IDENTITY_TOKEN_FILE, no AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI, "
                       "and instance metadata ");
}

static void append_advice(const struct planner *planner, struct buffer *buffer)
{
    buffer_printf(buffer,
                  "; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write aws_access_key_id and "
                  "aws_secret_access_key into %s",
                  planner->files.count > 0 ? planner->files.files[0].path : "~/.aws/credentials");
}

static void say_none(const struct planner *planner, const char *profile)
{
    append_looked(planner, profile, planner->message);
    buffer_append_text(planner->message, "is turned off by AWS_EC2_METADATA_DISABLED");
    append_advice(planner, planner->message);
}

/* The last of the chain, tried when nothing says that this is not EC2. */
static int plan_last_resort(struct planner *planner, const char *profile)
{
    _cleanup_buffer_ struct buffer looked = BUFFER_INIT;
    _cleanup_buffer_ struct buffer advice = BUFFER_INIT;
    int r = plan_instance(planner);

    if (r < 0) {
        return r;
    }
    append_looked(planner, profile, &looked);
    buffer_append_text(&looked, "gave none: ");
    append_advice(planner, &advice);
    r = copy(buffer_text(&looked), &planner->plan->failure_prefix);
    return r < 0 ? r : copy(buffer_text(&advice), &planner->plan->failure_advice);
}

static int plan_chain(struct planner *planner, const char *asked_profile)
{
    const char *profile = *asked_profile ? asked_profile : variable(planner, "AWS_PROFILE");
    int r = plan_environment(planner);

    if (r == -ENOENT) {
        r = shared_files_load(planner->getenv_like, &planner->files, planner->message);
        if (r == 0) {
            r = plan_named_profile(planner, profile ? profile : "default", profile != NULL);
        }
    }
    if (r == -ENOENT) {
        r = plan_web_identity(planner);
    }
    if (r == -ENOENT) {
        r = plan_container(planner);
    }
    if (r == -ENOENT) {
        r = plan_last_resort(planner, profile ? profile : "default");
    }
    if (r == -ENOENT) {
        say_none(planner, profile ? profile : "default");
    }
    return r;
}

int credentials_plan_make(environment getenv_like, const char *profile, const char *region, struct buffer *message,
                          struct credentials_plan **ret_plan)
{
    _cleanup_(credentials_plan_freep) struct credentials_plan *plan = calloc(1, sizeof(*plan));
    struct planner planner = {.getenv_like = getenv_like, .plan = plan, .message = message};

    if (!plan) {
        return -ENOMEM;
    }
    planner.region = variable(&planner, "AWS_REGION");
    if (!planner.region) {
        planner.region = variable(&planner, "AWS_DEFAULT_REGION");
    }
    if (!planner.region) {
        planner.region = region && *region ? region : "us-east-1";
    }
    const char *endpoint = variable(&planner, "AWS_ENDPOINT_URL_STS");
    int r = copy(endpoint ? endpoint : variable(&planner, "AWS_ENDPOINT_URL"), &plan->sts_endpoint);
    if (r == 0) {
        r = plan_chain(&planner, profile);
    }
    shared_files_done(&planner.files);
    if (r < 0) {
        return r;
    }
    *ret_plan = TAKE_PTR(plan);
    return 0;
}
