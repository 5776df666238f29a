#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "aws/credentials_plan.h"

#include "environment.h"

static char folder[64];

static int setup(void **state)
{
    (void)state;
    char path[80];
    (void)snprintf(folder, sizeof(folder), "/tmp/ddns53-plan-XXXXXX");
    if (!mkdtemp(folder)) {
        return -1;
    }
    environment_clear();
    (void)snprintf(path, sizeof(path), "%s/credentials", folder);
    environment_set("AWS_SHARED_CREDENTIALS_FILE", path);
    (void)snprintf(path, sizeof(path), "%s/config", folder);
    environment_set("AWS_CONFIG_FILE", path);
    return crypto_init();
}

static int teardown(void **state)
{
    (void)state;
    environment_remove(folder, "credentials");
    environment_remove(folder, "config");
    remove(folder);
    environment_clear();
    return 0;
}

static struct credentials_plan *plan_of(const char *profile)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    struct credentials_plan *plan = NULL;

    if (credentials_plan_make(environment_get, profile, "eu-west-1", &message, &plan) < 0) {
        fail_msg("%s", buffer_text(&message));
    }
    assert_int_equal(message.length, 0);
    return plan;
}

/* `words` are in the message, "FOLDER" in them standing for the folder. */
static void expect_refusal(const char *profile, int error, const char *words)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    _cleanup_buffer_ struct buffer expected = BUFFER_INIT;
    struct credentials_plan *plan = NULL;

    for (const char *p = words; *p;) {
        if (strncmp(p, "FOLDER", 6) == 0) {
            buffer_append_text(&expected, folder);
            p += 6;
        } else {
            buffer_append_char(&expected, *p++);
        }
    }
    assert_int_equal(credentials_plan_make(environment_get, profile, "eu-west-1", &message, &plan), error);
    assert_null(plan);
    if (!strstr(buffer_text(&message), buffer_text(&expected))) {
        fail_msg("'%s' does not have '%s'", buffer_text(&message), buffer_text(&expected));
    }
}

static void expect_keys(const struct credentials_plan *plan, const char *id, const char *secret, const char *token)
{
    assert_int_equal(plan->base, PLAN_KEYS);
    assert_string_equal(plan->keys->access_key_id, id);
    assert_true(secret_equals(plan->keys->secret_access_key, secret, strlen(secret)));
    if (token) {
        assert_true(secret_equals(plan->keys->session_token, token, strlen(token)));
    } else {
        assert_null(plan->keys->session_token);
    }
    assert_true(plan->keys->expires_s == INT64_MAX);
}

static void test_environment_is_first(void **state)
{
    (void)state;
    environment_write(folder, "credentials", "[default]\naws_access_key_id = F\naws_secret_access_key = f\n");
    environment_set("AWS_WEB_IDENTITY_TOKEN_FILE", "/token");
    environment_set("AWS_ROLE_ARN", "arn");
    environment_set("AWS_ACCESS_KEY_ID", "E");
    environment_set("AWS_SECRET_ACCESS_KEY", "e");
    environment_set("AWS_SESSION_TOKEN", "t");
    _cleanup_(credentials_plan_freep) struct credentials_plan *plan = plan_of("");
    expect_keys(plan, "E", "e", "t");
    assert_string_equal(plan->origin, "environment");
    assert_int_equal(plan->role_count, 0);

    environment_set("AWS_SECRET_ACCESS_KEY", "");
    expect_refusal("", -EINVAL, "environment: AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY");
}

static void test_profiles(void **state)
{
    (void)state;
    _cleanup_buffer_ struct buffer origin = BUFFER_INIT;
    environment_write(folder, "credentials",
                      "[default]\naws_access_key_id = D\naws_secret_access_key = d\naws_session_token = t\n"
                      "[x]\naws_access_key_id = X\naws_secret_access_key = x\n[half]\naws_access_key_id = H\n");
    environment_write(folder, "config",
                      "[default]\nregion = eu-central-1\naws_session_token = other\n[profile half]\n"
                      "aws_secret_access_key = h\n[profile region]\nregion = eu-west-3\n"
                      "[profile program]\ncredential_process = /bin/echo\n");
    buffer_printf(&origin, "profile default of %s/credentials", folder);

    struct credentials_plan *plan = plan_of("");
    expect_keys(plan, "D", "d", "t");
    assert_string_equal(plan->origin, buffer_text(&origin));
    credentials_plan_free(plan);

    plan = plan_of("x");
    expect_keys(plan, "X", "x", NULL);
    credentials_plan_free(plan);

    environment_set("AWS_PROFILE", "x");
    plan = plan_of("");
    expect_keys(plan, "X", "x", NULL);
    credentials_plan_free(plan);
    plan = plan_of("default"); /* the setting counts more than the variable */
    expect_keys(plan, "D", "d", "t");
    credentials_plan_free(plan);

    expect_refusal("half", -EINVAL, "profile half of FOLDER/credentials: aws_access_key_id without");
    expect_refusal("nowhere", -EINVAL, "profile nowhere: not in FOLDER/credentials and FOLDER/config; add it");
    expect_refusal("program", -EINVAL, "profile program of FOLDER/config: has neither keys nor role_arn");
    environment_set("AWS_EC2_METADATA_DISABLED", "true");
    expect_refusal("region", -ENOENT, "no AWS credentials");
}

static void test_role_with_source_profile(void **state)
{
    (void)state;
    environment_write(folder, "credentials", "[base]\naws_access_key_id = B\naws_secret_access_key = b\n");
    environment_write(folder, "config",
                      "[profile middle]\nrole_arn = arn:middle\nsource_profile = base\nregion = eu-west-2\n"
                      "[profile dns]\nrole_arn = arn:dns\nsource_profile = middle\nrole_session_name = me\n"
                      "external_id = 42\nduration_seconds = 900\n");
    environment_set("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    _cleanup_(credentials_plan_freep) struct credentials_plan *plan = plan_of("dns");

    expect_keys(plan, "B", "b", NULL);
    assert_int_equal(plan->role_count, 2);
    assert_string_equal(plan->roles[0].arn, "arn:middle");
    assert_string_equal(plan->roles[0].session_name, "ddns53d");
    assert_string_equal(plan->roles[0].region, "eu-west-2");
    assert_null(plan->roles[0].external_id);
    assert_int_equal(plan->roles[0].duration_s, 0);
    assert_string_equal(plan->roles[1].arn, "arn:dns");
    assert_string_equal(plan->roles[1].session_name, "me");
    assert_string_equal(plan->roles[1].external_id, "42");
    assert_string_equal(plan->roles[1].region, "eu-west-1");
    assert_int_equal(plan->roles[1].duration_s, 900);
    assert_null(plan->roles[1].token_file);
    assert_string_equal(plan->sts_endpoint, "http://127.0.0.1:1");
    environment_set("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:2");
    environment_set("AWS_REGION", "eu-north-1");
    struct credentials_plan *other = plan_of("dns");
    assert_string_equal(other->sts_endpoint, "http://127.0.0.1:2");
    assert_string_equal(other->roles[1].region, "eu-north-1");
    credentials_plan_free(other);
}

static void test_role_with_own_keys_and_long_chains(void **state)
{
    (void)state;
    environment_write(folder, "credentials",
                      "[self]\naws_access_key_id = S\naws_secret_access_key = s\n"
                      "role_arn = arn:self\nsource_profile = self\n"
                      "[a]\nrole_arn = arn:a\nsource_profile = b\n[b]\nrole_arn = arn:b\nsource_profile = a\n"
                      "[r1]\nrole_arn = r1\nsource_profile = r2\n[r2]\nrole_arn = r2\nsource_profile = r3\n"
                      "[r3]\nrole_arn = r3\nsource_profile = r4\n[r4]\nrole_arn = r4\nsource_profile = self\n"
                      "[r0]\nrole_arn = r0\nsource_profile = r1\n");
    struct credentials_plan *plan = plan_of("self");
    expect_keys(plan, "S", "s", NULL);
    assert_int_equal(plan->role_count, 1);
    credentials_plan_free(plan);

    expect_refusal("a", -EINVAL, "of FOLDER/credentials: more than 5 profiles");
    plan = plan_of("r1");
    assert_int_equal(plan->role_count, PLAN_ROLES_MAX);
    assert_string_equal(plan->roles[0].arn, "arn:self");
    assert_string_equal(plan->roles[4].arn, "r1");
    credentials_plan_free(plan);
    expect_refusal("r0", -EINVAL, "more than 5 profiles");
}

static void test_role_with_credential_source(void **state)
{
    (void)state;
    environment_write(folder, "config",
                      "[profile e]\nrole_arn = arn\ncredential_source = Environment\n"
                      "[profile i]\nrole_arn = arn\ncredential_source = Ec2InstanceMetadata\n"
                      "[profile c]\nrole_arn = arn\ncredential_source = EcsContainer\n"
                      "[profile w]\nrole_arn = arn\nweb_identity_token_file = /token\nrole_session_name = me\n");
    environment_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2");
    struct credentials_plan *plan = plan_of("i");
    assert_int_equal(plan->base, PLAN_INSTANCE);
    assert_int_equal(plan->role_count, 1);
    assert_null(plan->failure_prefix);
    credentials_plan_free(plan);
    plan = plan_of("c");
    assert_int_equal(plan->base, PLAN_CONTAINER);
    assert_int_equal(plan->role_count, 1);
    credentials_plan_free(plan);
    plan = plan_of("w");
    assert_int_equal(plan->base, PLAN_WEB_IDENTITY);
    assert_string_equal(plan->roles[0].token_file, "/token");
    assert_string_equal(plan->roles[0].session_name, "me");
    credentials_plan_free(plan);
    expect_refusal("e", -EINVAL, "profile e of FOLDER/config: credential_source names a place where there are no");
}

static void test_roles_that_cannot_be_assumed(void **state)
{
    (void)state;
    static const struct {
        const char *text; /* of profile x, which has a role_arn */
        const char *words;
    } rows[] = {
        {"", "profile x of FOLDER/config: role_arn without source_profile"},
        {"source_profile = y\ncredential_source = Environment\n", "has both source_profile and credential_source"},
        {"credential_source = Nowhere\n", "credential_source is none of"},
        {"source_profile = nowhere\n", "source_profile names a profile without credentials"},
        {"source_profile = x\n", "source_profile names a profile without credentials"},
        {"source_profile = y\nmfa_serial = arn:mfa\n", "mfa_serial: a daemon has nobody"},
        {"source_profile = y\nduration_seconds = 899\n", "duration_seconds is not a number from 900 to 43200"},
        {"source_profile = y\nduration_seconds = 1h\n", "duration_seconds is not a number from 900 to 43200"},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        char text[512];
        (void)snprintf(text, sizeof(text),
                       "[profile x]\nrole_arn = arn\n%s[profile y]\naws_access_key_id = Y\naws_secret_access_key = y\n",
                       rows[i].text);
        environment_write(folder, "config", text);
        expect_refusal("x", -EINVAL, rows[i].words);
    }
}

static void test_web_identity_of_the_environment(void **state)
{
    (void)state;
    environment_set("AWS_WEB_IDENTITY_TOKEN_FILE", "/token");
    expect_refusal("", -EINVAL, "AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN");
    environment_set("AWS_ROLE_ARN", "arn:role");
    environment_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2");
    struct credentials_plan *plan = plan_of("");
    assert_int_equal(plan->base, PLAN_WEB_IDENTITY);
    assert_int_equal(plan->role_count, 1);
    assert_string_equal(plan->roles[0].arn, "arn:role");
    assert_string_equal(plan->roles[0].token_file, "/token");
    assert_string_equal(plan->roles[0].session_name, "ddns53d");
    assert_string_equal(plan->origin, "web identity");
    credentials_plan_free(plan);
    environment_set("AWS_ROLE_SESSION_NAME", "pod");
    plan = plan_of("");
    assert_string_equal(plan->roles[0].session_name, "pod");
    credentials_plan_free(plan);
}

static void test_container(void **state)
{
    (void)state;
    static const struct {
        const char *uri;
        bool is_allowed;
    } rows[] = {
        {"http://127.0.0.1:8080/x", true},  {"http://127.9.9.9/x", true},     {"http://localhost:1/x", true},
        {"http://[::1]:1/x", true},         {"http://169.254.170.2/x", true}, {"http://169.254.170.23/v1", true},
        {"http://[fd00:ec2::23]/v1", true}, {"https://example.com/x", true},  {"http://169.254.170.3/x", false},
        {"http://example.com/x", false},    {"http://10.0.0.1/x", false},     {"http://127.0.0.1@evil/x", false},
        {"http://evil/127.0.0.1", false},   {"http://[::2]/x", false},        {"http://localhost.evil/x", false},
        {"ftp://127.0.0.1/x", false},       {"127.0.0.1/x", false},           {"http://127.0.0.1.evil/x", false},
        {"http://evil?@127.0.0.1/", false}, {"http://evil#127.0.0.1", false},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        environment_clear();
        environment_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", rows[i].uri);
        if (!rows[i].is_allowed) {
            expect_refusal("", -EINVAL, "AWS_CONTAINER_CREDENTIALS_FULL_URI: must be https");
            continue;
        }
        _cleanup_(credentials_plan_freep) struct credentials_plan *plan = plan_of("");
        assert_int_equal(plan->base, PLAN_CONTAINER);
        assert_string_equal(plan->url, rows[i].uri);
        assert_string_equal(plan->origin, "container");
    }
    environment_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x");
    environment_set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret");
    struct credentials_plan *plan = plan_of("");
    assert_string_equal(plan->url, "http://169.254.170.2/v2/x");
    assert_string_equal(plan->authorization, "secret");
    credentials_plan_free(plan);
    environment_set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/token");
    plan = plan_of("");
    assert_string_equal(plan->authorization_file, "/token");
    assert_null(plan->authorization);
    credentials_plan_free(plan);
    environment_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@evil/x");
    expect_refusal("", -EINVAL, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: must begin with a slash");
}

static void test_instance_metadata_is_last(void **state)
{
    (void)state;
    struct credentials_plan *plan = plan_of("");
    assert_int_equal(plan->base, PLAN_INSTANCE);
    assert_string_equal(plan->url, "http://169.254.169.254");
    assert_string_equal(plan->origin, "instance metadata");
    assert_non_null(strstr(plan->failure_prefix, folder));
    assert_non_null(strstr(plan->failure_advice, "set AWS_ACCESS_KEY_ID"));
    credentials_plan_free(plan);
    environment_set("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6");
    plan = plan_of("");
    assert_string_equal(plan->url, "http://[fd00:ec2::254]");
    credentials_plan_free(plan);
    environment_set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1338//");
    plan = plan_of("");
    assert_string_equal(plan->url, "http://127.0.0.1:1338");
    credentials_plan_free(plan);
    environment_set("AWS_EC2_METADATA_DISABLED", "TRUE");
    expect_refusal("", -ENOENT,
                   "no AWS credentials: there is no AWS_ACCESS_KEY_ID, nothing for profile default in "
                   "FOLDER/credentials (No such file or directory) and FOLDER/config (No such file or directory)");
    expect_refusal("", -ENOENT, "turned off by AWS_EC2_METADATA_DISABLED; set AWS_ACCESS_KEY_ID");
    credentials_plan_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_environment_is_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_profiles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_role_with_source_profile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_role_with_own_keys_and_long_chains, setup, teardown),
        cmocka_unit_test_setup_teardown(test_role_with_credential_source, setup, teardown),
        cmocka_unit_test_setup_teardown(test_roles_that_cannot_be_assumed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_web_identity_of_the_environment, setup, teardown),
        cmocka_unit_test_setup_teardown(test_container, setup, teardown),
        cmocka_unit_test_setup_teardown(test_instance_metadata_is_last, setup, teardown),
    };
    return cmocka_run_group_tests_name("credentials_plan", tests, NULL, NULL);
}
