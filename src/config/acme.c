#include "config/acme.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/settings_table.h"

bool acme_is_on(const struct settings *settings)
{
    return settings->acme.email[0] != '\0' && settings->tls && !settings->certificate;
}

/* ---- names ---- */

/* The host of public_url where it is a name; false: there is none, or an address. */
static bool public_name(const struct settings *settings, struct name *ret_name)
{
    const char *host;
    size_t length;
    struct address address;

    return url_host(settings->public_url, &host, &length) && address_parse(host, length, &address) < 0 &&
           name_parse(host, length, ret_name, NULL) == 0;
}

static void add_name(struct acme_wanted *wanted, const struct name *name)
{
    for (size_t i = 0; i < wanted->count; i++) {
        if (strcmp(wanted->names[i].text, name->text) == 0) {
            return;
        }
    }
    wanted->names[wanted->count++] = *name;
}

static int read_names(const struct settings *settings, struct acme_wanted *wanted)
{
    struct name name;

    wanted->names = calloc(settings->acme.name_count + 1, sizeof(struct name));
    if (!wanted->names) {
        return -ENOMEM;
    }
    if (public_name(settings, &name)) {
        add_name(wanted, &name);
    }
    for (size_t i = 0; i < settings->acme.name_count; i++) {
        add_name(wanted, &settings->acme.names[i]);
    }
    return wanted->count == 0 ? -ENOENT : 0;
}

static const char *without_wildcard(const char *name)
{
    return strncmp(name, "*.", 2) == 0 ? name + 2 : name;
}

int acme_challenge_name(const struct name *of, struct name *ret_name)
{
    char text[NAME_SIZE + sizeof("_acme-challenge.")];

    (void)snprintf(text, sizeof(text), "_acme-challenge.%s", without_wildcard(of->text));
    return name_parse(text, strlen(text), ret_name, NULL);
}

/* ---- files ---- */

/* A folder for each authority, so that another one has an account and a certificate of its own. */
static char *folder_of(const struct settings *settings)
{
    const char *host = "";
    size_t length = 0;
    char *path = NULL;

    (void)url_host(settings->acme.directory, &host, &length);
    return asprintf(&path, "%s/acme/%.*s", settings->state_dir, (int)length, host) < 0 ? NULL : path;
}

/* As uacme(1) lays them out: without the wildcard, and without the final dot. */
static char *file_of(const struct acme_wanted *wanted, const char *between, const char *file)
{
    const char *name = without_wildcard(wanted->names[0].text);
    const int length = (int)strlen(name) - 1;
    char *path = NULL;

    return asprintf(&path, "%s/%s%.*s/%s", wanted->folder, between, length, name, file) < 0 ? NULL : path;
}

int acme_wanted_read(const struct settings *settings, struct acme_wanted *ret_wanted)
{
    struct acme_wanted wanted = {0};
    int r = read_names(settings, &wanted);

    if (r == 0) {
        wanted.folder = folder_of(settings);
        wanted.certificate = wanted.folder ? file_of(&wanted, "", "cert.pem") : NULL;
        wanted.private_key = wanted.folder ? file_of(&wanted, "private/", "key.pem") : NULL;
        r = wanted.certificate && wanted.private_key ? 0 : -ENOMEM;
    }
    if (r < 0) {
        acme_wanted_done(&wanted);
        return r;
    }
    *ret_wanted = wanted;
    return 0;
}

void acme_wanted_done(struct acme_wanted *wanted)
{
    free(TAKE_PTR(wanted->names));
    free(TAKE_PTR(wanted->folder));
    free(TAKE_PTR(wanted->certificate));
    free(TAKE_PTR(wanted->private_key));
    wanted->count = 0;
}

/* ---- together with the rest ---- */

static void warn_off(struct problems *problems, const struct yaml_node *node, const struct settings *settings)
{
    problems_warn(problems, node->line, node->column, "server.acme.email: has no effect, for %s",
                  settings->tls ? "server.certificate is given; remove one of them" : "server.tls is false; remove it");
}

static void check_name(struct problems *problems, const struct yaml_node *node, const struct settings *settings,
                       const struct name *name)
{
    struct name challenge;

    if (acme_challenge_name(name, &challenge) < 0) {
        problems_add(problems, node->line, node->column,
                     "server.acme: %s is too long a name for a challenge in front of it, choose another", name->text);
    } else if (settings_zone_of(settings, challenge.text) < 0) {
        problems_add(problems, node->line, node->column,
                     "server.acme: %s is in none of the zones, so that its challenge cannot be set: add its zone, or "
                     "remove the name",
                     name->text);
    }
}

static int check_names(struct problems *problems, const struct yaml_node *node, const struct settings *settings)
{
    struct acme_wanted wanted = {0};
    int r = acme_wanted_read(settings, &wanted);

    if (r == -ENOENT) {
        problems_add(problems, node->line, node->column,
                     "server.acme.names: is empty, and server.public_url has no domain name; set one of them");
    }
    for (size_t i = 0; i < wanted.count; i++) {
        check_name(problems, node, settings, &wanted.names[i]);
    }
    acme_wanted_done(&wanted);
    return r == -ENOMEM ? r : 0;
}

int acme_check(struct problems *problems, const struct yaml_node *root, const struct settings *settings)
{
    const struct yaml_node *section = settings_section_node(root, "server.acme");
    const bool has_email = settings->acme.email[0] != '\0';
    const size_t before = problems_count(problems);
    int r = 0;

    if (!has_email && settings->acme.name_count > 0) {
        problems_add(problems, section->line, section->column,
                     "server.acme.email: is missing, and nothing is obtained without it; add yours");
    }
    if (has_email && !acme_is_on(settings)) {
        warn_off(problems, section, settings);
    } else if (has_email) {
        r = check_names(problems, section, settings);
        if (!settings->control_socket) {
            problems_add(problems, section->line, section->column,
                         "server.acme: needs admin.socket, over which challenges are set; leave that out for its "
                         "default");
        }
    }
    return r < 0 ? r : problems_count(problems) > before ? -EINVAL : 0;
}
