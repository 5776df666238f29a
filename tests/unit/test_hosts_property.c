/* Edits of files in every style, made up by numbers that are the same each time: what comes out loads, the host that was
 * named differs and no other, and every other byte is as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/yaml.h"
#include "edit_actions.h"

#define FILES 1000
#define HOSTS_MAX 6

enum layout { BLOCK, BLOCK_OF_BRACES, ONE_LINE, LINES, JSON, LAYOUT_COUNT };

/* A file that was made up, and what is to be different in it than its numbers say. */
struct made {
    uint64_t random;
    enum layout layout;
    const char *line_break;
    size_t host_count;
    size_t changed; /* the host with another name or TTL; SIZE_MAX: none */
    const char *new_name;
    const char *new_ttl;
    struct buffer text;
    size_t start[HOSTS_MAX]; /* of what belongs to a host, its comments included */
    size_t end[HOSTS_MAX];
    bool has_ttl[HOSTS_MAX];
    size_t dash;
    size_t gap;
    bool is_dash_alone;
    unsigned comments;
};

/* Knuth's MMIX numbers; the high bits are the good ones. */
static unsigned draw(struct made *made, unsigned limit)
{
    made->random = made->random * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(made->random >> 33) % limit;
}

static bool draw_one_in(struct made *made, unsigned odds)
{
    return draw(made, odds) == 0;
}

static void put(struct made *made, const char *text)
{
    buffer_append_text(&made->text, text);
}

static void put_spaces(struct made *made, size_t count)
{
    buffer_printf(&made->text, "%*s", (int)count, "");
}

/* A comment that is there once: "#c12;". */
static void put_comment(struct made *made)
{
    buffer_printf(&made->text, "#c%u; '%s\"", made->comments++, draw_one_in(made, 2) ? "{\xc3\xa4" : "- x: [");
}

static void end_line(struct made *made)
{
    if (draw_one_in(made, 4) && made->layout != JSON) {
        put(made, "  ");
        put_comment(made);
    }
    put(made, made->line_break);
}

static void maybe_comment_lines(struct made *made, size_t column)
{
    while (made->layout != JSON && draw_one_in(made, 4)) {
        put_spaces(made, column);
        put_comment(made);
        put(made, made->line_break);
    }
}

static void put_quoted(struct made *made, const char *text)
{
    unsigned style = made->layout == JSON ? 2 : draw(made, 3);

    const char *quote = style == 0 ? "" : style == 1 ? "'" : "\"";

    buffer_printf(&made->text, "%s%s%s", quote, text, quote);
}

/* ---- hosts ---- */

/* Host 0 is a router; some follow it. */
static void put_name(struct made *made, size_t host)
{
    bool is_shouted = draw_one_in(made, 2), has_dot = draw_one_in(made, 2);
    char name[64];

    if (host == made->changed && made->new_name) {
        (void)snprintf(name, sizeof(name), "%s%s", made->new_name, has_dot ? "." : "");
    } else {
        (void)snprintf(name, sizeof(name), "%c%zu.a.%s%s", is_shouted ? 'H' : 'h', host, is_shouted ? "TEST" : "test",
                       has_dot ? "." : "");
    }
    put_quoted(made, name);
}

enum field { NAME, TYPE, SECRET, FOLLOWS, INTERFACE, TTL, LOCK, COMMENT, FIELD_COUNT };

static void put_types(struct made *made, bool is_block, size_t column)
{
    bool is_quoted = made->layout == JSON;

    if (is_block && draw_one_in(made, 3)) {
        end_line(made);
        put_spaces(made, column);
        put(made, "- A");
        end_line(made);
        put_spaces(made, column);
        put(made, "- AAAA");
    } else {
        put(made, is_quoted ? "[\"A\", \"AAAA\"]" : draw_one_in(made, 2) ? "[A, AAAA]" : "[ 'A', \"AAAA\" ]");
    }
}

static void put_comment_value(struct made *made, bool is_block, size_t column)
{
    if (is_block && draw_one_in(made, 3)) {
        put(made, draw_one_in(made, 2) ? "|+" : ">-");
        put(made, made->line_break);
        put_spaces(made, column + 1);
        put(made, "# no comment, 5");
        if (draw_one_in(made, 2)) {
            put(made, made->line_break);
        }
        return;
    }
    put(made, made->layout == JSON   ? "\"J\xc3\xb6rg, {x}\""
              : draw_one_in(made, 2) ? "'it''s #5'"
                                     : "\"\xe2\x82\xac \\u00fc\"");
}

static void put_value(struct made *made, size_t host, enum field field, bool is_block, size_t column)
{
    char text[64];

    switch (field) {
    case NAME: put_name(made, host); break;
    case TYPE: put_types(made, is_block, column); break;
    case SECRET:
        (void)snprintf(text, sizeof(text), "secret-of-host-number-%zu", host);
        put_quoted(made, text);
        break;
    case FOLLOWS: put_name(made, 0); break;
    case INTERFACE: put(made, made->layout == JSON ? "\"::1:2\"" : "'::1:2'"); break;
    case TTL: put(made, host == made->changed && made->new_ttl ? made->new_ttl : "300"); break;
    case LOCK: put(made, "true"); break;
    default: put_comment_value(made, is_block, column); break;
    }
}

/* The keys of a host in an order of their own. */
static size_t draw_fields(struct made *made, size_t host, enum field *ret_fields)
{
    bool follows = host > 0 && draw_one_in(made, 4);
    size_t count = 0;

    ret_fields[count++] = NAME;
    ret_fields[count++] = TYPE;
    if (follows) {
        ret_fields[count++] = FOLLOWS;
        ret_fields[count++] = INTERFACE;
    } else {
        ret_fields[count++] = SECRET;
    }
    made->has_ttl[host] = draw_one_in(made, 2);
    if (made->has_ttl[host]) {
        ret_fields[count++] = TTL;
    }
    if (draw_one_in(made, 3)) {
        ret_fields[count++] = LOCK;
    }
    if (draw_one_in(made, 3)) {
        ret_fields[count++] = COMMENT;
    }
    for (size_t i = count - 1; i > 0; i--) {
        size_t other = draw(made, (unsigned)i + 1);
        enum field field = ret_fields[i];
        ret_fields[i] = ret_fields[other];
        ret_fields[other] = field;
    }
    return count;
}

static const char *const field_names[FIELD_COUNT] = {"hostname",     "record_type", "shared_secret", "follows",
                                                     "interface_id", "ttl",         "lock_record",   "comment"};

static void put_field(struct made *made, size_t host, enum field field, bool is_block, size_t column)
{
    buffer_printf(&made->text,
                  made->layout == JSON   ? "\"%s\": "
                  : draw_one_in(made, 4) ? "%s:   "
                                         : "%s: ",
                  field_names[field]);
    put_value(made, host, field, is_block, column);
}

static void put_braces(struct made *made, size_t host)
{
    enum field fields[FIELD_COUNT];
    size_t count = draw_fields(made, host, fields);
    bool is_padded = draw_one_in(made, 3);
    bool has_lines = made->layout == BLOCK_OF_BRACES && draw_one_in(made, 3);

    put(made, is_padded ? "{ " : "{");
    for (size_t i = 0; i < count; i++) {
        put_field(made, host, fields[i], false, 0);
        put(made, i + 1 < count ? "," : "");
        if (has_lines && i + 1 < count) {
            end_line(made);
            put_spaces(made, made->dash + 4);
        } else {
            put(made, i + 1 < count ? " " : "");
        }
    }
    put(made, made->layout != JSON && draw_one_in(made, 6) ? ",}" : is_padded ? " }" : "}");
}

static void put_block_host(struct made *made, size_t host)
{
    size_t column = made->dash + 1 + made->gap;
    enum field fields[FIELD_COUNT];
    size_t count = made->layout == BLOCK ? draw_fields(made, host, fields) : 0;

    if (host > 0 && draw_one_in(made, 3)) {
        put(made, made->line_break);
    }
    made->start[host] = made->text.length;
    maybe_comment_lines(made, made->dash);
    put_spaces(made, made->dash);
    put(made, "-");
    if (made->is_dash_alone) {
        put(made, made->line_break);
    }
    put_spaces(made, made->is_dash_alone ? column : made->gap);
    if (made->layout == BLOCK_OF_BRACES) {
        put_braces(made, host);
        end_line(made);
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            maybe_comment_lines(made, column);
            put_spaces(made, column);
        }
        put_field(made, host, fields[i], true, column);
        if (fields[i] == COMMENT) {
            put(made, made->line_break);
        } else {
            end_line(made);
        }
    }
    maybe_comment_lines(made, column);
    made->end[host] = made->text.length;
}

static void put_brackets(struct made *made)
{
    bool has_lines = made->layout == LINES;

    put(made, made->layout == JSON ? "{\"hosts\": [" : "hosts: [");
    if (has_lines) {
        end_line(made);
    }
    for (size_t i = 0; i < made->host_count; i++) {
        bool is_last = i + 1 == made->host_count;
        made->start[i] = made->text.length;
        if (has_lines) {
            maybe_comment_lines(made, 2);
            put_spaces(made, 2);
        }
        put_braces(made, i);
        made->end[i] = made->text.length;
        put(made, !is_last ? (has_lines ? "," : ", ") : made->layout != JSON && draw_one_in(made, 3) ? "," : "");
        if (has_lines) {
            end_line(made);
            made->end[i] = made->text.length;
        }
    }
    put(made, made->layout == JSON ? "]}" : "]");
}

/* The same numbers make the same file, but for the host that is to be different. */
static void make_file(struct made *made, uint64_t number, size_t changed, const char *new_name, const char *new_ttl)
{
    *made = (struct made){
        .random = number, .changed = changed, .new_name = new_name, .new_ttl = new_ttl, .text = BUFFER_INIT};
    (void)draw(made, 2);
    made->layout = (enum layout)draw(made, LAYOUT_COUNT);
    made->line_break = draw_one_in(made, 3) ? "\r\n" : "\n";
    made->host_count = 1 + draw(made, HOSTS_MAX);
    made->dash = 2 * draw(made, 3);
    made->gap = 1 + draw(made, 3);
    made->is_dash_alone = draw_one_in(made, 8);
    put(made, draw_one_in(made, 6) ? "\xef\xbb\xbf" : "");
    maybe_comment_lines(made, 0);
    if (made->layout != JSON && draw_one_in(made, 8)) {
        put(made, "---");
        put(made, made->line_break);
    }
    if (made->layout == BLOCK || made->layout == BLOCK_OF_BRACES) {
        put(made, draw_one_in(made, 3) ? "'hosts':" : "hosts:");
        end_line(made);
        for (size_t i = 0; i < made->host_count; i++) {
            put_block_host(made, i);
        }
    } else {
        put_brackets(made);
        end_line(made);
    }
    if (draw_one_in(made, 3)) {
        put(made, made->line_break);
        maybe_comment_lines(made, 0);
    }
    /* A text that keeps its line breaks and has none at the end of the file is another one with a line behind it. */
    size_t last = made->text.length - strlen(made->line_break) - 1;
    if (draw_one_in(made, 3) && made->text.data[last] != '5') {
        made->text.length -= strlen(made->line_break);
        made->text.data[made->text.length] = '\0';
    }
    for (size_t i = 0; i < made->host_count; i++) {
        made->end[i] = made->end[i] < made->text.length ? made->end[i] : made->text.length;
    }
    assert_int_equal(buffer_status(&made->text), 0);
}

/* ---- what must hold ---- */

static const char *failing; /* a word for which check it was */

static _Noreturn void complain(const struct made *made, uint64_t number, const struct buffer *new_text)
{
    /* cmocka cuts long messages off. */
    (void)fprintf(stderr, "file %llu: %s\n---- before\n%s\n---- after\n%s\n----\n", (unsigned long long)number, failing,
                  buffer_text(&made->text), buffer_text(new_text));
    fail();
    abort();
}

static bool is_same_node(const struct yaml_node *a, const struct yaml_node *b)
{
    if (a->kind != b->kind || a->count != b->count || a->length != b->length || a->plain != b->plain) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (!is_same_node(a->items[i], b->items[i]) || (a->keys && !is_same_node(a->keys[i], b->keys[i]))) {
            return false;
        }
    }
    return a->kind != YAML_SCALAR || memcmp(a->text, b->text, a->length) == 0;
}

static struct yaml_document *document_of(const struct buffer *text)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("h.yaml");
    struct yaml_document *document = NULL;

    assert_int_equal(yaml_load_text(buffer_text(text), text->length, problems, &document), 0);
    return document;
}

/* Are all hosts the same, but for number `host`, which was added, went, or is another one? */
static bool are_others_same(const struct buffer *before, const struct buffer *after, size_t host, int more)
{
    _cleanup_(yaml_document_freep) struct yaml_document *a = document_of(before);
    _cleanup_(yaml_document_freep) struct yaml_document *b = document_of(after);
    const struct yaml_node *old = yaml_get(yaml_root(a), "hosts"), *new = yaml_get(yaml_root(b), "hosts");

    if ((long)new->count != (long)old->count + more) {
        return false;
    }
    for (size_t i = 0, j = 0; i < old->count && j < new->count; i++, j++) {
        if (i == host && more < 0) {
            i++;
        }
        if (i < old->count && (i != host || more != 0) && !is_same_node(old->items[i], new->items[j])) {
            return false;
        }
    }
    return true;
}

/* The comments of a file, but for what stands from `start` to `end`; each has a number of its own. */
static void gather_comments(const struct buffer *text, size_t start, size_t end, struct buffer *ret_found)
{
    for (size_t i = 0; i + 1 < text->length; i++) {
        if (text->data[i] == '#' && text->data[i + 1] == 'c' && (i < start || i >= end)) {
            buffer_append(ret_found, text->data + i, strcspn(text->data + i, ";"));
        }
    }
}

static bool keeps_comments(const struct made *made, const struct buffer *after, size_t start, size_t end)
{
    _cleanup_buffer_ struct buffer a = BUFFER_INIT;
    _cleanup_buffer_ struct buffer b = BUFFER_INIT;

    gather_comments(&made->text, start, end, &a);
    gather_comments(after, 0, 0, &b);
    return strcmp(buffer_text(&a), buffer_text(&b)) == 0;
}

static bool is_same_around(const struct made *made, const struct buffer *after, size_t host)
{
    size_t start = made->start[host], rest = made->text.length - made->end[host];

    return after->length >= start + rest && memcmp(after->data, made->text.data, start) == 0 &&
           memcmp(after->data + after->length - rest, made->text.data + made->end[host], rest) == 0;
}

/* Is `more` what `less` is, with `insertions` at most put in? */
static bool is_inserted(const struct buffer *less, const struct buffer *more, unsigned insertions)
{
    size_t front = 0, back = 0;

    while (front < less->length && less->data[front] == more->data[front]) {
        front++;
    }
    while (back < less->length - front && less->data[less->length - 1 - back] == more->data[more->length - 1 - back]) {
        back++;
    }
    if (front + back == less->length) {
        return true;
    }
    /* A comma by itself, then the rest. */
    if (insertions < 2 || more->data[front] != ',') {
        return false;
    }
    for (size_t at = front; at < less->length && less->data[at] == more->data[at + 1]; at++) {
        if (at + 1 + back >= less->length) {
            return true;
        }
    }
    return false;
}

static void strip(const char *text, size_t length, struct buffer *ret_stripped)
{
    for (size_t i = 0; i < length; i++) {
        if (!strchr(" ,\r\n\t", text[i])) {
            buffer_append_char(ret_stripped, text[i]);
        }
    }
}

/* But for white space and commas, is what is left what stood around the host? */
static bool is_only_that_gone(const struct made *made, const struct buffer *after, size_t host)
{
    _cleanup_buffer_ struct buffer expected = BUFFER_INIT;
    _cleanup_buffer_ struct buffer found = BUFFER_INIT;

    strip(made->text.data, made->start[host], &expected);
    strip(made->text.data + made->end[host], made->text.length - made->end[host], &expected);
    strip(after->data, after->length, &found);
    if (made->host_count == 1 && (made->layout == BLOCK || made->layout == BLOCK_OF_BRACES)) {
        char *brackets = strstr(found.data, "[]");
        assert_non_null(brackets);
        memmove(brackets, brackets + 2, strlen(brackets + 2) + 1);
    }
    return strcmp(buffer_text(&expected), found.data ? found.data : "") == 0;
}

/* ---- the edits ---- */

static void run(const struct made *made, uint64_t number, struct action action, struct buffer *after)
{
    _cleanup_buffer_ struct buffer said = BUFFER_INIT;
    int r = edit_text(made->text.data, made->text.length, &action, after, &said);

    if (r < 0) {
        failing = buffer_text(&said);
        complain(made, number, after);
    }
}

static void insist(bool condition, const char *what, const struct made *made, uint64_t number,
                   const struct buffer *after)
{
    if (!condition) {
        failing = what;
        complain(made, number, after);
    }
}

static const struct action add_action = {
    .what = ADD,
    .values = {{"hostname", "new.b.test"},
               {"record_type", "A,AAAA"},
               {"shared_secret", "0123456789abcdefghijk"},
               {"auth", "secret,basic"},
               {"comment", "a: b"}},
    .value_count = 5,
};

static void check_add_and_remove(const struct made *made, uint64_t number)
{
    _cleanup_buffer_ struct buffer with = BUFFER_INIT;
    _cleanup_buffer_ struct buffer without = BUFFER_INIT;
    _cleanup_buffer_ struct buffer said = BUFFER_INIT;
    struct action away = {.what = REMOVE, .hostname = "new.b.test."};

    run(made, number, add_action, &with);
    insist(are_others_same(&made->text, &with, SIZE_MAX, 1), "add: another host differs", made, number, &with);
    insist(is_inserted(&made->text, &with, made->layout == LINES ? 2 : 1), "add: another byte differs", made, number,
           &with);
    assert_int_equal(edit_text(with.data, with.length, &away, &without, &said), 0);
    insist(without.length == made->text.length && memcmp(without.data, made->text.data, without.length) == 0,
           "add, remove: not what it was", made, number, &without);
}

static void check_remove(const struct made *made, uint64_t number, size_t host, const char *hostname)
{
    _cleanup_buffer_ struct buffer after = BUFFER_INIT;
    _cleanup_buffer_ struct buffer said = BUFFER_INIT;
    struct action away = {.what = REMOVE, .hostname = hostname};

    if (edit_text(made->text.data, made->text.length, &away, &after, &said) < 0) {
        insist(strstr(buffer_text(&said), "follows: there is no host") != NULL, "remove: refused", made, number,
               &after);
        return;
    }
    insist(are_others_same(&made->text, &after, host, -1), "remove: another host differs", made, number, &after);
    insist(is_only_that_gone(made, &after, host), "remove: something else went", made, number, &after);
    insist(keeps_comments(made, &after, made->start[host], made->end[host]), "remove: a comment", made, number, &after);
    insist(made->layout == LINES || is_inserted(&after, &made->text, 2) || made->host_count == 1,
           "remove: another byte differs", made, number, &after);
}

static void check_set(const struct made *made, uint64_t number, size_t host, const char *hostname)
{
    _cleanup_buffer_ struct buffer after = BUFFER_INIT;
    _cleanup_buffer_ struct buffer out = BUFFER_INIT;
    _cleanup_buffer_ struct buffer said = BUFFER_INIT;
    struct action set = {.what = SET, .hostname = hostname, .values = {{"ttl", "7"}}, .value_count = 1};
    struct action unset = {.what = SET, .hostname = hostname, .values = {{"ttl", NULL}}, .value_count = 1};
    struct made expected;

    run(made, number, set, &after);
    insist(are_others_same(&made->text, &after, host, 0), "set: another host differs", made, number, &after);
    insist(is_same_around(made, &after, host), "set: another byte differs", made, number, &after);
    insist(keeps_comments(made, &after, 0, 0), "set: a comment", made, number, &after);
    if (made->has_ttl[host]) {
        make_file(&expected, number, host, NULL, "7");
        insist(strcmp(buffer_text(&after), expected.text.data) == 0, "set: not that value alone", made, number, &after);
        buffer_done(&expected.text);
    } else {
        assert_int_equal(edit_text(after.data, after.length, &unset, &out, &said), 0);
        insist(strcmp(buffer_text(&out), made->text.data) == 0, "set, unset: not what it was", made, number, &out);
        return;
    }
    run(made, number, unset, &out);
    insist(are_others_same(&made->text, &out, host, 0), "unset: another host differs", made, number, &out);
    insist(is_same_around(made, &out, host), "unset: another byte differs", made, number, &out);
}

static void check_rename(const struct made *made, uint64_t number, size_t host, const char *hostname)
{
    _cleanup_buffer_ struct buffer after = BUFFER_INIT;
    struct action rename = {.what = RENAME, .hostname = hostname, .new_name = "renamed.b.test."};
    struct made expected;

    run(made, number, rename, &after);
    make_file(&expected, number, host, "renamed.b.test", NULL);
    insist(strcmp(buffer_text(&after), expected.text.data) == 0, "rename: not the names alone", made, number, &after);
    buffer_done(&expected.text);
}

static void check_rotate(const struct made *made, uint64_t number, size_t host, const char *hostname)
{
    _cleanup_buffer_ struct buffer after = BUFFER_INIT;
    _cleanup_buffer_ struct buffer said = BUFFER_INIT;
    struct action rotate = {.what = ROTATE, .hostname = hostname, .new_name = "2099-12-31T10:00:00Z"};

    if (edit_text(made->text.data, made->text.length, &rotate, &after, &said) < 0) {
        insist(strstr(buffer_text(&said), "it follows a router") != NULL, "rotate: refused", made, number, &after);
        return;
    }
    insist(are_others_same(&made->text, &after, host, 0), "rotate: another host differs", made, number, &after);
    insist(is_same_around(made, &after, host), "rotate: another byte differs", made, number, &after);
    insist(keeps_comments(made, &after, 0, 0), "rotate: a comment", made, number, &after);
    insist(strstr(after.data, NEXT_SECRET) != NULL, "rotate: no secret", made, number, &after);
}

static void test_properties(void **state)
{
    size_t layouts[LAYOUT_COUNT] = {0};
    (void)state;

    for (uint64_t number = 1; number <= FILES; number++) {
        struct made made;
        char hostname[32];
        make_file(&made, number, SIZE_MAX, NULL, NULL);
        size_t host = (size_t)number % made.host_count;
        (void)snprintf(hostname, sizeof(hostname), "h%zu.a.test.", host);
        layouts[made.layout]++;
        check_add_and_remove(&made, number);
        check_remove(&made, number, host, hostname);
        check_set(&made, number, host, hostname);
        check_rename(&made, number, host, hostname);
        check_rotate(&made, number, host, hostname);
        buffer_done(&made.text);
    }
    for (size_t i = 0; i < LAYOUT_COUNT; i++) {
        assert_true(layouts[i] > FILES / 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_properties),
    };
    if (crypto_init() < 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
