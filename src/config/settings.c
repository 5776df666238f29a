#include "config/settings.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "config/settings_table.h"
#include "config/value.h"

#define FILE_MAX_BYTES (1024UL * 1024)

/* What settings_ref counts; the struct that others see comes first, so that one pointer is both. */
struct counted_settings {
    struct settings settings;
    atomic_uint references;
};

/* ---- loading ---- */

static const struct yaml_node *find_node(const struct yaml_node *root, const struct setting *row)
{
    const struct yaml_node *section = row->section[0] == '\0' ? root : yaml_get(root, row->section);
    /* A section that is no mapping is told by settings_check_keys. */
    return section == NULL || section->kind != YAML_MAPPING ? NULL : yaml_get(section, row->key);
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
    for (size_t i = 0; settings_row(i) != NULL; i++) {
        const struct setting *row = settings_row(i);
        if (!setting_is_of_zone(row)) {
            int r = setting_read(problems, row, find_node(root, row), root, settings);
            result = r < 0 && result != -ENOMEM ? r : result;
        }
    }
    return result;
}

static bool is_given(const struct yaml_node *node)
{
    return node != NULL && node->kind == YAML_SCALAR && node->length > 0;
}

/* What two keys together get wrong. Where one of them is wrong by itself, that is enough. */
static void check_together(struct problems *problems, const struct yaml_node *root, const struct settings *settings)
{
    const struct yaml_node *certificate = find_named(root, "server.certificate");
    const struct yaml_node *private_key = find_named(root, "server.private_key");
    const struct yaml_node *tls = find_named(root, "server.tls");

    if (is_given(certificate) && !is_given(private_key)) {
        problems_add(problems, certificate->line, certificate->column,
                     "server.certificate: comes without server.private_key, name both or neither");
    } else if (is_given(private_key) && !is_given(certificate)) {
        problems_add(problems, private_key->line, private_key->column,
                     "server.private_key: comes without server.certificate, name both or neither");
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

/* Replaces an owned path by one that does not depend on the working directory; `file` is absolute. */
static int make_absolute(char **path, const char *file)
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

static int find_file(const char *path, char **ret_file)
{
    _cleanup_free_ char *folder = getcwd(NULL, 0);
    if (folder == NULL) {
        return -errno;
    }
    char *file = path[0] == '/' ? strdup(path) : path_join(folder, path);
    if (file == NULL) {
        return -ENOMEM;
    }
    *ret_file = file;
    return 0;
}

/* systemd makes /run/NAME beside /var/lib/NAME (RuntimeDirectory=, StateDirectory=). */
static int place_control_socket(struct settings *settings, const char *file)
{
    static const char library[] = "/var/lib/";
    const char *name = settings->state_dir + strlen(library);
    char *path = NULL;

    if (!settings->control_socket || strcmp(settings->control_socket, "auto") != 0) {
        return make_absolute(&settings->control_socket, file);
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
    char **beside_file[] = {&settings->certificate, &settings->private_key, &settings->hosts_file,
                            &settings->state_dir};
    for (size_t i = 0; i < ELEMENTS(beside_file); i++) {
        int r = make_absolute(beside_file[i], file);
        if (r < 0) {
            return r;
        }
    }
    for (size_t i = 0; i < settings->zone_count; i++) {
        int r = make_absolute(&settings->zones[i].rfc2136.secret_file, file);
        if (r < 0) {
            return r;
        }
    }
    if (settings->zonefile_directory[0] != '/') {
        char *inside = path_join(settings->state_dir, settings->zonefile_directory);
        if (inside == NULL) {
            return -ENOMEM;
        }
        free(settings->zonefile_directory);
        settings->zonefile_directory = inside;
    }
    return place_control_socket(settings, file);
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
    int r = read_rows(problems, root, settings);
    if (r < 0 && r != -EINVAL) {
        return r;
    }
    check_together(problems, root, settings);
    if (r < 0 || problems_count(problems) > problems_before) {
        return -EINVAL;
    }
    _cleanup_free_ char *file = NULL;
    r = find_file(path, &file);
    r = r < 0 ? r : settings_read_key_files(problems, root, file, settings);
    r = r < 0 ? r : make_paths_absolute(settings, file);
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
    bool has_key = false;

    for (size_t i = 0; i < settings->zone_count; i++) {
        has_key |= settings->zones[i].rfc2136.secret && !settings->zones[i].rfc2136.secret_file;
    }
    return has_key || settings->api_key_count > 0;
}

int settings_load(const char *path, struct problems *problems, struct settings **ret_settings)
{
    _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;

    int r = yaml_load_file(path, FILE_MAX_BYTES, problems, &document);
    if (r == 0) {
        r = load(yaml_root(document), path, problems, ret_settings);
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

void settings_unref(struct settings *settings)
{
    struct counted_settings *counted = (struct counted_settings *)settings;

    if (counted == NULL || atomic_fetch_sub_explicit(&counted->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; settings_row(i) != NULL; i++) {
        const struct setting *row = settings_row(i);
        if (!setting_is_of_zone(row) && row->type->clear != NULL) {
            row->type->clear(row, settings);
        }
    }
    free(counted);
}

/* ---- writing ---- */

void settings_dump(const struct settings *settings, struct buffer *buffer)
{
    const char *section = "";

    for (size_t i = 0; settings_row(i) != NULL; i++) {
        const struct setting *row = settings_row(i);
        if (setting_is_of_zone(row)) {
            continue;
        }
        if (strcmp(row->section, section) != 0 && row->section[0] != '\0') {
            buffer_printf(buffer, "%s:\n", row->section);
        }
        section = row->section;
        bool is_list_below = row->type == &setting_zones;
        buffer_printf(buffer, "%s%s:%s", section[0] == '\0' ? "" : "  ", row->key, is_list_below ? "" : " ");
        row->type->write(row, settings, buffer);
        buffer_append_char(buffer, '\n');
    }
}

/* ---- merging ---- */

/* Reads the row from what its type wrote. */
static int read_written(const struct setting *row, const struct buffer *written, struct settings *settings)
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
    return r < 0 ? r : row->type->read(problems, row, yaml_get(yaml_root(document), "running"), settings);
}

/* 1: the values differed, and the loaded one is now the running one. */
static int keep_running(const struct setting *row, const struct settings *running, struct settings *loaded)
{
    _cleanup_buffer_ struct buffer before = BUFFER_INIT;
    _cleanup_buffer_ struct buffer after = BUFFER_INIT;

    row->type->write(row, running, &before);
    row->type->write(row, loaded, &after);
    if (buffer_status(&before) < 0 || buffer_status(&after) < 0) {
        return -ENOMEM;
    }
    const bool is_zones = row->type == &setting_zones;
    const bool is_same = !is_zones || settings_have_same_zone_secrets(running, loaded);
    if (is_same && strcmp(buffer_text(&before), buffer_text(&after)) == 0) {
        return 0;
    }
    if (row->type->clear != NULL) {
        row->type->clear(row, loaded);
    }
    int r = is_zones ? settings_copy_zones(running, loaded) : read_written(row, &before, loaded);
    return r < 0 ? r : 1;
}

int settings_merge(const struct settings *running, struct settings *loaded, struct buffer *names)
{
    const char *separator = "";

    for (size_t i = 0; settings_row(i) != NULL; i++) {
        const struct setting *row = settings_row(i);
        if (!row->restart || setting_is_of_zone(row)) {
            continue;
        }
        int r = keep_running(row, running, loaded);
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
