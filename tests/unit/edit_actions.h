/*
 * Edits of a hosts file as data, made through config/hosts_edit.h. Include after cmocka.h.
 */
#ifndef DDNS53_TESTS_UNIT_EDIT_ACTIONS_H
#define DDNS53_TESTS_UNIT_EDIT_ACTIONS_H

#include <string.h>

#include "config/hosts_edit.h"
#include "some_hosts.h"

#define NEXT_SECRET "the next secret of all 1"

/* What a change is to do, as data. */
struct action {
    enum { ADD, SET, REMOVE, RENAME, ROTATE } what;
    const char *hostname;
    const char *new_name; /* RENAME; ROTATE: until */
    unsigned types;
    struct host_value values[8];
    size_t value_count;
};

static inline int perform(struct hosts_edit *edit, void *context)
{
    const struct action *action = context;

    switch (action->what) {
    case ADD: return hosts_edit_add(edit, action->values, action->value_count);
    case SET: return hosts_edit_set(edit, action->hostname, action->types, action->values, action->value_count);
    case REMOVE: return hosts_edit_remove(edit, action->hostname, action->types);
    case RENAME: return hosts_edit_rename(edit, action->hostname, action->new_name);
    default: return hosts_edit_rotate(edit, action->hostname, action->types, NEXT_SECRET, action->new_name);
    }
}

/* What is said when it fails is in `said`, as one text. */
static inline int edit_text(const char *text, size_t length, struct action *action, struct buffer *new_text,
                            struct buffer *said)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("h.yaml");
    _cleanup_(settings_unrefp) struct settings *settings = some_settings();
    _cleanup_(hosts_unrefp) struct hosts *hosts = NULL;
    const struct host_text old = {text, length, "/h.yaml", settings};
    bool is_changed = false;

    int r = hosts_edit_text(&old, perform, action, problems, new_text, &hosts, &is_changed);
    assert_true((r == 0) == (hosts != NULL));
    assert_true((r == 0) == (problems_count(problems) == 0));
    if (r == 0) {
        assert_int_equal(is_changed, new_text->length != length || memcmp(new_text->data, text, length) != 0);
    }
    for (size_t i = 0; i < problems_count(problems); i++) {
        buffer_printf(said, "%s\n", problems_text(problems, i));
    }
    return r;
}

#endif
