#include "config/hosts_edit.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/name.h"
#include "base/parse.h"
#include "base/yaml_edit.h"
#include "config/hosts_table.h"

struct hosts_edit {
    struct yaml_edit yaml;
    struct arena arena; /* what values are made of */
    struct problems *problems;
    size_t list;             /* YAML_NOWHERE: there are no hosts yet */
    size_t last;             /* the last of them; 0: there are none */
    struct yaml_item *added; /* owned; written together at the end */
    size_t added_count;
    size_t added_capacity;
    size_t removed_count;
};

struct problems *hosts_edit_problems(struct hosts_edit *edit)
{
    return edit->problems;
}

/* ---- values ---- */

static bool is_one_of(const char *key, const enum host_key_id *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(key, host_key_row(ids[i])->name) == 0) {
            return true;
        }
    }
    return false;
}

static enum yaml_form form_of(const char *key)
{
    static const enum host_key_id words[] = {HOST_PREVIOUS_SECRET_UNTIL, HOST_TTL,
                                             HOST_ALLOW_INTERNAL,        HOST_LOCK_RECORD,
                                             HOST_READ_PRIVILEGE,        HOST_SUBNET_ID};
    static const enum host_key_id secrets[] = {HOST_SHARED_SECRET, HOST_PREVIOUS_SECRET};

    if (is_one_of(key, words, ELEMENTS(words))) {
        return YAML_WORD;
    }
    return is_one_of(key, secrets, ELEMENTS(secrets)) ? YAML_SECRET : YAML_TEXT;
}

/* One word or several with commas between them, blanks around each left out. */
static int split_words(struct arena *arena, const char *text, const char ***ret_words, size_t *ret_count)
{
    size_t count = 1, used = 0;

    for (const char *c = text; *c != '\0'; c++) {
        count += *c == ',' ? 1 : 0;
    }
    const char **words = arena_alloc(arena, count * sizeof(*words));
    if (!words) {
        return -ENOMEM;
    }
    for (const char *word = text; used < count; word += strcspn(word, ",") + 1) {
        const char *start = word + strspn(word, " ");
        size_t length = strcspn(start, ",");
        while (length > 0 && start[length - 1] == ' ') {
            length--;
        }
        words[used] = arena_copy_text(arena, start, length);
        if (!words[used++]) {
            return -ENOMEM;
        }
    }
    *ret_words = words;
    *ret_count = count;
    return 0;
}

/* The values as YAML has them. auth is always a list; record_type where it names several. */
static int make_pairs(struct hosts_edit *edit, const struct host_value *values, size_t count,
                      struct yaml_pair **ret_pairs)
{
    struct yaml_pair *pairs = arena_alloc(&edit->arena, (count + 1) * sizeof(*pairs));
    struct yaml_value *made = arena_alloc(&edit->arena, (count + 1) * sizeof(*made));

    if (!pairs || !made) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        bool is_auth = strcmp(values[i].key, host_key_row(HOST_AUTH)->name) == 0;
        bool is_type = strcmp(values[i].key, host_key_row(HOST_RECORD_TYPE)->name) == 0;
        pairs[i].key = values[i].key;
        if (!values[i].text) {
            continue;
        }
        pairs[i].value = &made[i];
        made[i] = (struct yaml_value){.form = form_of(values[i].key), .count = 1};
        if (is_auth || is_type) {
            const char **words;
            int r = split_words(&edit->arena, values[i].text, &words, &made[i].count);
            if (r < 0) {
                return r;
            }
            made[i].texts = words;
            made[i].is_list = is_auth || made[i].count > 1;
        } else {
            const char **text = arena_alloc(&edit->arena, sizeof(*text));
            if (!text) {
                return -ENOMEM;
            }
            *text = values[i].text;
            made[i].texts = text;
        }
    }
    *ret_pairs = pairs;
    return 0;
}

/* ---- rows ---- */

static const struct yaml_span *value_of(const struct hosts_edit *edit, size_t row, enum host_key_id id)
{
    size_t value = yaml_spans_value(&edit->yaml.spans, row, host_key_row(id)->name);

    return value == YAML_NOWHERE ? NULL : &edit->yaml.spans.nodes[value];
}

static bool has_name(const struct yaml_span *value, const char *hostname)
{
    struct name name;

    return value && value->kind == YAML_SCALAR && name_parse(value->text, value->length, &name, NULL) == 0 &&
           strcmp(name.text, hostname) == 0;
}

static unsigned type_of(const struct yaml_span *value)
{
    unsigned set = 0;

    for (unsigned type = 0; value->kind == YAML_SCALAR && type < RECORD_TYPE_COUNT; type++) {
        const char *text = record_type_text((enum record_type)type);
        set |= strlen(text) == value->length && memcmp(text, value->text, value->length) == 0 ? 1U << type : 0;
    }
    return set;
}

static unsigned types_of(const struct hosts_edit *edit, size_t row)
{
    const struct yaml_span *value = value_of(edit, row, HOST_RECORD_TYPE);
    unsigned set = 0;

    if (!value || value->kind != YAML_SEQUENCE) {
        return value ? type_of(value) : 0;
    }
    for (size_t i = 1; i <= value->count; i++) {
        set |= type_of(&value[i]); /* a list of scalars: each is one node */
    }
    return set;
}

/* The next row, the first one where `row` is 0; 0: there is none. */
static size_t next_row(const struct hosts_edit *edit, size_t row)
{
    const struct yaml_span *nodes = edit->yaml.spans.nodes;

    if (edit->list == YAML_NOWHERE) {
        return 0;
    }
    size_t next = row == 0 ? edit->list + 1 : nodes[row].next;
    return next < nodes[edit->list].next ? next : 0;
}

static size_t next_row_of(const struct hosts_edit *edit, size_t row, const char *hostname, unsigned types)
{
    while ((row = next_row(edit, row)) != 0) {
        if (has_name(value_of(edit, row, HOST_HOSTNAME), hostname) &&
            (types == 0 || (types_of(edit, row) & types) != 0)) {
            break;
        }
    }
    return row;
}

const char *hosts_edit_value(struct hosts_edit *edit, const char *hostname, size_t row, const char *key)
{
    _cleanup_buffer_ struct buffer list = BUFFER_INIT;
    size_t at = 0;

    for (size_t i = 0; i <= row; i++) {
        at = next_row_of(edit, at, hostname, 0);
        if (at == 0) {
            return NULL;
        }
    }
    size_t value = yaml_spans_value(&edit->yaml.spans, at, key);
    const struct yaml_span *node = value == YAML_NOWHERE ? NULL : &edit->yaml.spans.nodes[value];
    if (!node || node->kind == YAML_MAPPING) {
        return NULL;
    }
    if (node->kind == YAML_SCALAR) {
        return arena_copy_text(&edit->arena, node->text, node->length);
    }
    for (size_t i = 1; i <= node->count && node[i].kind == YAML_SCALAR; i++) {
        buffer_append_text(&list, i > 1 ? "," : "");
        buffer_append(&list, node[i].text, node[i].length);
    }
    return arena_copy_text(&edit->arena, buffer_text(&list), list.length);
}

unsigned hosts_edit_types(const struct hosts_edit *edit, const char *hostname)
{
    unsigned types = 0;

    for (size_t row = 0; (row = next_row_of(edit, row, hostname, 0)) != 0;) {
        types |= types_of(edit, row);
    }
    return types;
}

/* ---- changes ---- */

static int add_no_host(const struct hosts_edit *edit, const char *hostname, unsigned types)
{
    problems_add(edit->problems, 0, 0, "there is no host %s%s; ddns53ctl list shows those that there are", hostname,
                 types == 0 ? "" : " with that record type");
    return -ENOENT;
}

/* A name as this one is written: with or without the final dot. */
static const char *name_like(struct hosts_edit *edit, const char *hostname, const struct yaml_span *like)
{
    _cleanup_buffer_ struct buffer name = BUFFER_INIT;
    bool has_dot = like && like->kind == YAML_SCALAR && like->length > 0 && like->text[like->length - 1] == '.';
    size_t length = strlen(hostname);

    buffer_append(&name, hostname, length > 0 && hostname[length - 1] == '.' ? length - 1 : length);
    buffer_append_text(&name, has_dot ? "." : "");
    return buffer_status(&name) < 0 ? NULL : arena_copy_text(&edit->arena, buffer_text(&name), name.length);
}

int hosts_edit_add(struct hosts_edit *edit, const struct host_value *values, size_t count)
{
    const struct yaml_span *like = edit->last == 0 ? NULL : value_of(edit, edit->last, HOST_HOSTNAME);
    struct yaml_pair *pairs;
    int r = make_pairs(edit, values, count, &pairs);

    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < count; i++) {
        bool is_name = strcmp(values[i].key, host_key_row(HOST_HOSTNAME)->name) == 0 ||
                       strcmp(values[i].key, host_key_row(HOST_FOLLOWS)->name) == 0;
        if (is_name && values[i].text) {
            const char **text = (const char **)(void *)pairs[i].value->texts;
            *text = name_like(edit, values[i].text, like);
            if (!*text) {
                return -ENOMEM;
            }
        }
    }
    if (edit->added_count == edit->added_capacity) {
        size_t capacity = edit->added_capacity == 0 ? 4 : edit->added_capacity * 2;
        struct yaml_item *added = reallocarray(edit->added, capacity, sizeof(*added));
        if (!added) {
            return -ENOMEM;
        }
        edit->added = added;
        edit->added_capacity = capacity;
    }
    edit->added[edit->added_count++] = (struct yaml_item){pairs, count};
    return 0;
}

int hosts_edit_set(struct hosts_edit *edit, const char *hostname, unsigned types, const struct host_value *values,
                   size_t count)
{
    size_t row = next_row_of(edit, 0, hostname, types);
    struct yaml_pair *pairs;
    int r = row == 0 ? add_no_host(edit, hostname, types) : make_pairs(edit, values, count, &pairs);

    for (; r == 0 && row != 0; row = next_row_of(edit, row, hostname, types)) {
        r = yaml_edit_set(&edit->yaml, row, pairs, count);
    }
    return r;
}

int hosts_edit_remove(struct hosts_edit *edit, const char *hostname, unsigned types)
{
    _cleanup_free_ size_t *rows = NULL;
    size_t count = 0;

    for (size_t row = 0; (row = next_row_of(edit, row, hostname, types)) != 0;) {
        size_t *more = reallocarray(rows, count + 1, sizeof(*rows));
        if (!more) {
            return -ENOMEM;
        }
        rows = more;
        rows[count++] = row;
    }
    edit->removed_count += count;
    return count == 0 ? add_no_host(edit, hostname, types) : yaml_edit_remove(&edit->yaml, "hosts", rows, count);
}

static int rename_value(struct hosts_edit *edit, size_t row, enum host_key_id id, const char *new_name)
{
    struct host_value value = {host_key_row(id)->name, name_like(edit, new_name, value_of(edit, row, id))};
    struct yaml_pair *pairs;
    int r = value.text ? make_pairs(edit, &value, 1, &pairs) : -ENOMEM;

    return r < 0 ? r : yaml_edit_set(&edit->yaml, row, pairs, 1);
}

int hosts_edit_rename(struct hosts_edit *edit, const char *hostname, const char *new_name)
{
    size_t found = 0;

    if (strcmp(hostname, new_name) != 0 && next_row_of(edit, 0, new_name, 0) != 0) {
        problems_add(edit->problems, 0, 0, "there is a host %s already; remove it first, or choose another name",
                     new_name);
        return -EEXIST;
    }
    for (size_t row = 0; (row = next_row(edit, row)) != 0;) {
        bool is_it = has_name(value_of(edit, row, HOST_HOSTNAME), hostname);
        bool follows_it = has_name(value_of(edit, row, HOST_FOLLOWS), hostname);
        int r = is_it ? rename_value(edit, row, HOST_HOSTNAME, new_name) : 0;
        r = r == 0 && follows_it ? rename_value(edit, row, HOST_FOLLOWS, new_name) : r;
        if (r < 0) {
            return r;
        }
        found += is_it ? 1 : 0;
    }
    return found == 0 ? add_no_host(edit, hostname, 0) : 0;
}

/* Why the secret of a row cannot be rotated. */
static int refuse_rotation(const struct hosts_edit *edit, size_t row, const char *hostname)
{
    const struct yaml_span *file = value_of(edit, row, HOST_SHARED_SECRET_FILE);
    const char *why = "has no secret, for it follows a router";

    if (file) {
        why = "has its secret in a file (shared_secret_file): write the new one there";
    } else if (value_of(edit, row, HOST_SECRET_SHA256)) {
        why = "has only the digest of its secret here, so the old one cannot stay valid: use --overlap 0";
    }
    problems_add(edit->problems, 0, 0, "%s %s", hostname, why);
    return -EOPNOTSUPP;
}

static int rotate_digest(struct hosts_edit *edit, size_t row, const char *secret)
{
    const struct bytes part = {secret, strlen(secret)};
    uint8_t digest[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    struct yaml_pair *pairs;

    sha256(&part, 1, digest);
    print_hex(digest, SHA256_SIZE, hex);
    const struct host_value values[] = {
        {host_key_row(HOST_SECRET_SHA256)->name, arena_copy_text(&edit->arena, hex, strlen(hex))},
        {host_key_row(HOST_PREVIOUS_SECRET)->name, NULL},
        {host_key_row(HOST_PREVIOUS_SECRET_UNTIL)->name, NULL},
    };
    int r = values[0].text ? make_pairs(edit, values, ELEMENTS(values), &pairs) : -ENOMEM;
    return r < 0 ? r : yaml_edit_set(&edit->yaml, row, pairs, ELEMENTS(values));
}

static int rotate_secret(struct hosts_edit *edit, size_t row, const struct yaml_span *old, const char *secret,
                         const char *until)
{
    struct yaml_pair *pairs;
    const struct host_value values[] = {
        {host_key_row(HOST_SHARED_SECRET)->name, secret},
        {host_key_row(HOST_PREVIOUS_SECRET)->name,
         until ? arena_copy_text(&edit->arena, old->text, old->length) : NULL},
        {host_key_row(HOST_PREVIOUS_SECRET_UNTIL)->name, until},
    };
    int r = until && !values[1].text ? -ENOMEM : make_pairs(edit, values, ELEMENTS(values), &pairs);

    return r < 0 ? r : yaml_edit_set(&edit->yaml, row, pairs, ELEMENTS(values));
}

int hosts_edit_rotate(struct hosts_edit *edit, const char *hostname, unsigned types, const char *secret,
                      const char *until)
{
    size_t found = 0;

    for (size_t row = 0; (row = next_row_of(edit, row, hostname, types)) != 0; found++) {
        const struct yaml_span *old = value_of(edit, row, HOST_SHARED_SECRET);
        int r;
        if (old && old->kind == YAML_SCALAR) {
            r = rotate_secret(edit, row, old, secret, until);
        } else if (value_of(edit, row, HOST_SECRET_SHA256) && !until) {
            r = rotate_digest(edit, row, secret);
        } else {
            r = refuse_rotation(edit, row, hostname);
        }
        if (r < 0) {
            return r;
        }
    }
    return found == 0 ? add_no_host(edit, hostname, types) : 0;
}

/* ---- an edit of a text ---- */

static size_t last_row(const struct hosts_edit *edit)
{
    size_t last = 0;

    for (size_t row = 0; (row = next_row(edit, row)) != 0;) {
        last = row;
    }
    return last;
}

static int begin(struct hosts_edit *edit, const char *text, size_t length)
{
    int r = yaml_edit_begin(text, length, &edit->yaml);

    if (r < 0) {
        return r;
    }
    edit->list = yaml_spans_value(&edit->yaml.spans, 0, "hosts");
    if (edit->list != YAML_NOWHERE && edit->yaml.spans.nodes[edit->list].kind != YAML_SEQUENCE) {
        edit->list = YAML_NOWHERE;
    }
    edit->last = last_row(edit);
    return 0;
}

static void done(struct hosts_edit *edit)
{
    yaml_edit_done(&edit->yaml);
    arena_done(&edit->arena);
    free(edit->added);
}

static size_t expected_count(const struct hosts_edit *edit)
{
    size_t before = edit->list == YAML_NOWHERE ? 0 : edit->yaml.spans.nodes[edit->list].count;

    return before + edit->added_count - edit->removed_count;
}

/* Was the text wrong before anything was changed? Its own problems are what counts then. */
static int judge_text(const struct host_text *text, struct problems *problems)
{
    struct hosts *hosts = NULL;
    int r = hosts_load_text(text->text, text->length, text->path, text->settings, problems, &hosts);

    hosts_unref(hosts);
    return r == -EINVAL ? -EBADMSG : r;
}

static int refuse_style(const struct host_text *text, struct problems *problems)
{
    int r = judge_text(text, problems);

    if (r == 0) {
        problems_add(problems, 0, 0,
                     "is written in a way that this program cannot change (a key with \"?\" before it, say); change it "
                     "by hand");
        r = -EINVAL;
    }
    return r;
}

/* What would come out, as the daemon reads it. */
static int load_result(struct hosts_edit *edit, const struct host_text *old, const struct buffer *new_text,
                       struct hosts **ret_hosts)
{
    _cleanup_(problems_freep) struct problems *found = problems_new(old->path);
    _cleanup_(hosts_unrefp) struct hosts *hosts = NULL;

    if (!found) {
        return -ENOMEM;
    }
    int r = hosts_load_text(buffer_text(new_text), new_text->length, old->path, old->settings, found, &hosts);
    if (r == -EINVAL) {
        const struct host_text new = {buffer_text(new_text), new_text->length, old->path, old->settings};
        r = judge_text(old, edit->problems);
        if (r == 0) {
            r = judge_text(&new, edit->problems);
            r = r == -EBADMSG ? -EINVAL : r;
        }
        return r;
    }
    if (r == 0 && hosts_count(hosts) != expected_count(edit)) {
        return refuse_style(old, edit->problems);
    }
    if (r == 0) {
        *ret_hosts = TAKE_PTR(hosts);
    }
    return r;
}

static int make_text(struct hosts_edit *edit, const struct host_text *old, hosts_change change, void *context,
                     struct buffer *new_text)
{
    int r = change(edit, context);

    if (r == 0 && edit->added_count > 0) {
        r = yaml_edit_append(&edit->yaml, "hosts", edit->added, edit->added_count);
    }
    if (edit->yaml.error == -EOPNOTSUPP) {
        return refuse_style(old, edit->problems);
    }
    return r < 0 ? r : yaml_edit_text(&edit->yaml, new_text);
}

int hosts_edit_text(const struct host_text *text, hosts_change change, void *context, struct problems *problems,
                    struct buffer *new_text, struct hosts **ret_hosts, bool *ret_changed)
{
    struct hosts_edit edit = {.problems = problems, .list = YAML_NOWHERE, .arena = ARENA_INIT};
    int r = begin(&edit, text->text, text->length);

    if (r == -EINVAL) {
        r = refuse_style(text, problems);
    } else if (r == 0) {
        r = make_text(&edit, text, change, context, new_text);
        r = r < 0 ? r : load_result(&edit, text, new_text, ret_hosts);
    }
    if (r == 0) {
        *ret_changed = edit.yaml.splice_count > 0;
    }
    done(&edit);
    return r;
}
