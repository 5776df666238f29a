#include "config/settings.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "config/acme.h"
#include "config/environment.h"
#include "config/settings_table.h"
#include "config/value.h"

#define FILE_MAX_BYTES (1024UL * 1024)

/* What settings_ref counts; the struct that others see comes first, so that one pointer is both. */
struct counted_settings {
    struct settings settings;
    atomic_uint references;
};

/* ---- loading ---- */

static size_t provider_count(void)
{
    size_t count = 0;

    while (provider_table[count]) {
        count++;
    }
    return count;
}

void *settings_of_provider(const struct settings *settings, const struct provider_settings *provider)
{
    size_t index = 0;

    while (provider_table[index] != provider) {
        index++;
    }
    return settings->of_providers[index];
}

static int allocate_of_providers(struct settings *settings)
{
    settings->of_providers = calloc(provider_count() + 1, sizeof(*settings->of_providers));
    if (!settings->of_providers) {
        return -ENOMEM;
    }
    for (size_t i = 0; provider_table[i]; i++) {
        settings->of_providers[i] = calloc(1, provider_table[i]->size + 1);
        if (!settings->of_providers[i]) {
            return -ENOMEM;
        }
    }
    return 0;
}

const struct setting *settings_row_in(const struct settings *settings, size_t index, void **ret_base)
{
    const struct provider_settings *owner = NULL;
    const struct setting *row = settings_row_of(index, &owner);

    if (row) {
        *ret_base = setting_is_of_zone(row) ? NULL : owner ? settings_of_provider(settings, owner) : (void *)settings;
    }
    return row;
}

static const struct yaml_node *find_node(const struct yaml_node *root, const struct setting *row)
{
    const struct yaml_node *section = settings_section_node(root, row->section);
    /* A section that is no mapping is told by settings_check_keys. */
    return section ? yaml_get(section, row->key) : NULL;
}

static const struct yaml_node *find_named(const struct yaml_node *root, const char *name)
{
    for (size_t i = 0; settings_row(i) != NULL; i++) {
        if (strcmp(settings_row(i)->name, name) == 0) {
            return find_node(root, settings_row(i));
        }
    }
    return NULL;
}

static int read_rows(struct problems *problems, const struct yaml_node *root, struct settings *settings)
{
    int result = 0;

    settings_check_keys(problems, "", root);
    const struct setting *row;
    void *base;
    for (size_t i = 0; (row = settings_row_in(settings, i, &base)); i++) {
        if (!setting_is_of_zone(row)) {
            int r = setting_read(problems, row, find_node(root, row), root, base);
            result = r < 0 && result != -ENOMEM ? r : result;
        }
    }
    return result;
}

static bool is_given(const struct yaml_node *node)
{
    return node != NULL && node->kind == YAML_SCALAR && node->length > 0;
}

static void check_both(struct problems *problems, const struct yaml_node *root, const char *certificate,
                       const char *private_key)
{
    const struct yaml_node *nodes[] = {find_named(root, certificate), find_named(root, private_key)};

    if (is_given(nodes[0]) != is_given(nodes[1])) {
        const bool is_key = is_given(nodes[1]);
        problems_add(problems, nodes[is_key]->line, nodes[is_key]->column, "%s: comes without %s, name both or neither",
                     is_key ? private_key : certificate, is_key ? certificate : private_key);
    }
}

/* What two keys together get wrong. Where one of them is wrong by itself, that is enough. */
static void check_together(struct problems *problems, const struct yaml_node *root, const struct settings *settings)
{
    const struct yaml_node *tls = find_named(root, "server.tls");

    check_both(problems, root, "server.certificate", "server.private_key");
    check_both(problems, root, "server.second_certificate", "server.second_private_key");
    const struct yaml_node *second = find_named(root, "server.second_certificate");
    if (is_given(second) && !is_given(find_named(root, "server.certificate"))) {
        problems_add(problems, second->line, second->column,
                     "server.second_certificate: comes without server.certificate, which it is to stand beside; name "
                     "that one, too");
    }
    for (size_t i = 0; !settings->tls && i < settings->listen_count; i++) {
        const struct endpoint *endpoint = &settings->listen[i];
        if (endpoint->text != NULL && !endpoint_is_local(endpoint)) {
            problems_add(problems, tls->line, tls->column,
                         "server.tls: must be true, for %s of server.listen is neither a loopback address nor a unix "
                         "socket",
                         value_show(endpoint->text).text);
        }
    }
}

int settings_make_absolute(char **path, const char *file)
{
    if (*path == NULL || (*path)[0] == '/') {
        return 0;
    }
    char *absolute = path_beside(file, *path);
    if (absolute == NULL) {
        return -ENOMEM;
    }
    free(*path);
    *path = absolute;
    return 0;
}

/* systemd makes /run/NAME beside /var/lib/NAME (RuntimeDirectory=, StateDirectory=). */
static int place_control_socket(struct settings *settings, const char *file)
{
    static const char library[] = "/var/lib/";
    const char *name = settings->state_dir + strlen(library);
    char *path = NULL;

    if (!settings->control_socket || strcmp(settings->control_socket, "auto") != 0) {
        return settings_make_absolute(&settings->control_socket, file);
    }
    if (strncmp(settings->state_dir, library, strlen(library)) == 0 && name[0] != '\0' && !strchr(name, '/')) {
        path = asprintf(&path, "/run/%s/control.sock", name) < 0 ? NULL : path;
    } else {
        path = path_join(settings->state_dir, "control.sock");
    }
    if (!path) {
        return -ENOMEM;
    }
    free(settings->control_socket);
    settings->control_socket = path;
    return 0;
}

static int make_paths_absolute(struct settings *settings, const char *file)
{
    char **beside_file[] = {&settings->certificate,        &settings->private_key, &settings->second_certificate,
                            &settings->second_private_key, &settings->hosts_file,  &settings->state_dir};
    for (size_t i = 0; i < ELEMENTS(beside_file); i++) {
        int r = settings_make_absolute(beside_file[i], file);
        if (r < 0) {
            return r;
        }
    }
    return place_control_socket(settings, file);
}

/* What can only be done once all keys are known. */
static int finish(struct problems *problems, const struct yaml_node *root, const char *path, struct settings *settings)
{
    _cleanup_free_ char *folder = getcwd(NULL, 0);
    if (folder == NULL) {
        return -errno;
    }
    _cleanup_free_ char *file = path[0] == '/' ? strdup(path) : path_join(folder, path);
    int r = file ? make_paths_absolute(settings, file) : -ENOMEM;

    for (size_t i = 0; r == 0 && provider_table[i]; i++) {
        if (provider_table[i]->finish) {
            r = provider_table[i]->finish(problems, root, file, settings, settings->of_providers[i]);
        }
    }
    return r;
}

static int load(const struct yaml_node *root, const char *path, struct problems *problems,
                struct settings **ret_settings)
{
    if (root->kind != YAML_MAPPING) {
        problems_add(problems, root->line, root->column, "must be a mapping of keys such as server: and zones:");
        return -EINVAL;
    }
    struct counted_settings *counted = calloc(1, sizeof(*counted));
    if (counted == NULL) {
        return -ENOMEM;
    }
    atomic_init(&counted->references, 1);
    _cleanup_(settings_unrefp) struct settings *settings = &counted->settings;

    size_t problems_before = problems_count(problems);
    settings->tls = true; /* in case it cannot be read: one problem is enough */
    int r = allocate_of_providers(settings);
    if (r == 0) {
        r = read_rows(problems, root, settings);
    }
    if (r < 0 && r != -EINVAL) {
        return r;
    }
    check_together(problems, root, settings);
    if (r < 0 || problems_count(problems) > problems_before) {
        return -EINVAL;
    }
    r = acme_check(problems, root, settings);
    if (r == 0) {
        r = finish(problems, root, path, settings);
    }
    if (r < 0) {
        return r;
    }
    *ret_settings = TAKE_PTR(settings);
    return 0;
}

int settings_load_text(const char *text, size_t length, const char *path, struct problems *problems,
                       struct settings **ret_settings)
{
    _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;

    int r = yaml_load_text(text, length, problems, &document);
    return r < 0 ? r : load(yaml_root(document), path, problems, ret_settings);
}

static bool has_secrets(const struct settings *settings)
{
    bool has_secret = settings->api_key_count > 0;

    for (size_t i = 0; i < settings->zone_count; i++) {
        const struct zone_settings *zone = &settings->zones[i];
        has_secret |= zone->provider->has_secret && zone->provider->has_secret(zone->own);
    }
    return has_secret;
}

static int load_with_environment(const struct yaml_node *root, const char *path, struct problems *problems,
                                 struct settings **ret_settings)
{
    struct overlay overlay = {.root = root};
    int r = 0;

    if (root->kind == YAML_MAPPING) {
        r = overlay_init(problems, root, (const char *const *)environ, &overlay);
    }
    if (r == 0) {
        r = load(overlay.root, path, problems, ret_settings);
    }
    if (r == -EINVAL && overlay.count > 0) {
        overlay_explain(problems, (const char *const *)environ);
    }
    overlay_done(&overlay);
    return r;
}

int settings_load(const char *path, struct problems *problems, struct settings **ret_settings)
{
    _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;

    int r = yaml_load_file(path, FILE_MAX_BYTES, problems, &document);
    if (r == 0) {
        r = load_with_environment(yaml_root(document), path, problems, ret_settings);
    }
    if (r == 0 && has_secrets(*ret_settings)) {
        value_warn_readable(path, problems);
    }
    return r;
}

/* ---- references ---- */

struct settings *settings_ref(struct settings *settings)
{
    atomic_fetch_add_explicit(&((struct counted_settings *)settings)->references, 1, memory_order_relaxed);
    return settings;
}

static void clear_rows(struct settings *settings)
{
    const struct setting *row;
    void *base;

    for (size_t i = 0; (row = settings_row_in(settings, i, &base)); i++) {
        if (!setting_is_of_zone(row) && row->type->clear) {
            row->type->clear(row, base);
        }
    }
    for (size_t i = 0; provider_table[i]; i++) {
        free(settings->of_providers[i]);
    }
    free(TAKE_PTR(settings->of_providers));
}

void settings_unref(struct settings *settings)
{
    struct counted_settings *counted = (struct counted_settings *)settings;

    if (counted == NULL || atomic_fetch_sub_explicit(&counted->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (settings->of_providers) {
        clear_rows(settings);
    }
    free(counted);
}

/* ---- writing ---- */

/* How many mappings the keys of a section stand in. */
static int depth_of(const char *section)
{
    int depth = section[0] == '\0' ? 0 : 1;

    for (const char *at = section; (at = strchr(at, '.')); at++) {
        depth++;
    }
    return depth;
}

static void dump_section(const char *section, struct buffer *buffer)
{
    const char *dot = strrchr(section, '.');

    buffer_printf(buffer, "%*s%s:\n", 2 * (depth_of(section) - 1), "", dot ? dot + 1 : section);
}

void settings_dump(const struct settings *settings, struct buffer *buffer)
{
    const char *section = "";
    const struct setting *row;
    void *base;

    for (size_t i = 0; (row = settings_row_in(settings, i, &base)); i++) {
        if (setting_is_of_zone(row)) {
            continue;
        }
        if (strcmp(row->section, section) != 0 && row->section[0] != '\0') {
            dump_section(row->section, buffer);
        }
        section = row->section;
        bool is_list_below = row->type == &setting_zones;
        buffer_printf(buffer, "%*s%s:%s", 2 * depth_of(section), "", row->key, is_list_below ? "" : " ");
        row->type->write(row, base, buffer);
        buffer_append_char(buffer, '\n');
    }
}

/* ---- merging ---- */

/* Reads the row from what its type wrote. */
static int read_written(const struct setting *row, const struct buffer *written, void *base)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("running");
    _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;

    if (problems == NULL) {
        return -ENOMEM;
    }
    buffer_printf(&text, "running: %s\n", buffer_text(written));
    int r = buffer_status(&text);
    if (r == 0) {
        r = yaml_load_text(text.data, text.length, problems, &document);
    }
    return r < 0 ? r : row->type->read(problems, row, yaml_get(yaml_root(document), "running"), base);
}

/* 1: they differ. */
static int is_written_differently(const struct setting *row, const void *running, const void *loaded,
                                  struct buffer *before)
{
    _cleanup_buffer_ struct buffer after = BUFFER_INIT;

    row->type->write(row, running, before);
    row->type->write(row, loaded, &after);
    if (buffer_status(before) < 0 || buffer_status(&after) < 0) {
        return -ENOMEM;
    }
    return strcmp(buffer_text(before), buffer_text(&after)) != 0;
}

/* 1: the values differed, and the loaded one is now the running one. Of what needs a restart, only zones have secrets,
 * which are not written. */
static int keep_running(const struct setting *row, const void *running, void *loaded)
{
    _cleanup_buffer_ struct buffer before = BUFFER_INIT;
    const bool is_zones = row->type == &setting_zones;
    int r = is_written_differently(row, running, loaded, &before);

    if (r < 0 || (r == 0 && (!is_zones || settings_have_same_hidden(running, loaded)))) {
        return r;
    }
    if (is_zones) {
        settings_share_zones(running, loaded);
        return 1;
    }
    if (row->type->clear) {
        row->type->clear(row, loaded);
    }
    r = read_written(row, &before, loaded);
    return r < 0 ? r : 1;
}

int settings_merge(const struct settings *running, struct settings *loaded, struct buffer *names)
{
    const char *separator = "";

    const struct setting *row;
    void *base, *running_base = NULL;
    for (size_t i = 0; (row = settings_row_in(loaded, i, &base)); i++) {
        if (!row->restart || setting_is_of_zone(row)) {
            continue;
        }
        (void)settings_row_in(running, i, &running_base);
        int r = keep_running(row, running_base, base);
        if (r < 0) {
            return r;
        }
        if (r > 0) {
            buffer_printf(names, "%s%s", separator, row->name);
            separator = ", ";
        }
    }
    return 0;
}
