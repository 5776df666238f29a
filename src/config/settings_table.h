/*
 * The table behind config/settings.h, for src/config and for providers, which have rows of their own: one row per key
 * of ddns53d.yaml. A row's type reads its value out of a YAML node into a struct, its base, writes it as YAML, and
 * frees it. Rows of section "zones[]" describe one item of `zones`, and those of "zones[].KEY" a mapping in it. The base
 * of our own rows is struct zone_settings there, and struct settings elsewhere; that of a provider's rows is the struct
 * of its zones, or of its section.
 */
#ifndef DDNS53_CONFIG_SETTINGS_TABLE_H
#define DDNS53_CONFIG_SETTINGS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/yaml.h"

struct setting;
struct settings;
struct provider_settings;

#define SETTING_KEY(in, of) .name = in "." of, .section = (in), .key = (of)
#define SETTING_AT(base, field) .offset = offsetof(base, field)
#define SETTING_LIST_AT(base, field, count) SETTING_AT(base, field), .count_offset = offsetof(base, count)
#define SETTING_RANGE(low, high, what) .minimum = (low), .maximum = (high), .unit = (what)

struct setting_type {
    /* 0, -EINVAL with a problem added, -ENOMEM. What it set is freed with `clear` in any case. */
    int (*read)(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base);
    void (*write)(const struct setting *row, const void *base, struct buffer *buffer);
    /* Frees, and leaves the field as it was before `read`. NULL: it owns no memory. */
    void (*clear)(const struct setting *row, void *base);
};

struct setting {
    const char *name;    /* dotted: "server.listen" */
    const char *section; /* all but its last part: "server", "server.acme" for a mapping in it, "" for a key at the top,
                            "zones[]" or "zones[].tsig" for one of a zone */
    const char *key;     /* its last part */
    const struct setting_type *type;
    size_t offset;       /* in its base */
    size_t count_offset; /* lists: of their count */
    uint64_t minimum;
    uint64_t maximum;
    const char *unit;         /* of a number, "" */
    const char *default_text; /* as YAML; NULL: the key is needed */
    const char *help;
    bool restart; /* a change takes effect only at the next start */
};

/* Our rows, then those of each provider; NULL past the end. `ret_owner` is the provider whose row it is, NULL for ours;
 * it may be NULL itself. */
const struct setting *settings_row_of(size_t index, const struct provider_settings **ret_owner);
const struct setting *settings_row(size_t index);
/* The same, with the struct of the settings that is the row's base; NULL there for a row of zones. */
const struct setting *settings_row_in(const struct settings *settings, size_t index, void **ret_base);
/* The next row of a section that is ours (`owner` NULL) or the provider's, after `*index`; NULL: no more. */
const struct setting *settings_next_row(const char *section, const struct provider_settings *owner, size_t *index);
/* Does the row describe a zone, not the whole? */
bool setting_is_of_zone(const struct setting *row);

/* The mapping of a section, "server.acme" say; NULL: not there, or something else. */
const struct yaml_node *settings_section_node(const struct yaml_node *root, const char *section);
/* Every key of `mapping` that `section` has no row for is a problem. */
void settings_check_keys(struct problems *problems, const char *section, const struct yaml_node *mapping);
/* Reads a row from its node, or from its default when that is NULL; `whole` is where a missing key is told. */
int setting_read(struct problems *problems, const struct setting *row, const struct yaml_node *node,
                 const struct yaml_node *whole, void *base);

/* settings_types.c */
extern const struct setting_type setting_bool;
extern const struct setting_type setting_uint;           /* uint32_t */
extern const struct setting_type setting_text;           /* char *, may be "" */
extern const struct setting_type setting_path;           /* char *, not empty */
extern const struct setting_type setting_path_or_none;   /* char *, "" is NULL */
extern const struct setting_type setting_url;            /* char *, may be "" */
extern const struct setting_type setting_region;         /* char * */
extern const struct setting_type setting_schemes;        /* unsigned */
extern const struct setting_type setting_listen;         /* struct endpoint * and a count */
extern const struct setting_type setting_admin_listen;   /* struct endpoint *, "" is NULL */
extern const struct setting_type setting_control_socket; /* char *, "" is NULL, "auto" stays until state_dir is known */
extern const struct setting_type setting_prefixes;       /* struct prefix * and a count */
extern const struct setting_type setting_proxy_header;   /* enum proxy_header */
extern const struct setting_type setting_command;        /* char ** and a count, may be empty */
extern const struct setting_type setting_secrets;        /* struct secret ** and a count */
/* settings_acme.c */
extern const struct setting_type setting_email;        /* char *, may be "" */
extern const struct setting_type setting_https_url;    /* char * */
extern const struct setting_type setting_names;        /* struct name * and a count, may be empty */
extern const struct setting_type setting_name_servers; /* struct endpoint * and a count, may be empty */
/* settings_zones.c */
extern const struct setting_type setting_zones; /* struct zone_settings * and a count */
extern const struct setting_type setting_zone_name;
extern const struct setting_type setting_provider;
/* Do zones that are written equal also have the same secrets, which are not written? */
bool settings_have_same_hidden(const struct settings *a, const struct settings *b);
/* Gives up the zones of `to`, and takes a reference to those of `from`. */
void settings_share_zones(const struct settings *from, struct settings *to);

/* Replaces an owned path by one beside `file`, which is absolute, unless it is NULL or absolute already. -ENOMEM. */
int settings_make_absolute(char **path, const char *file);
/* For types of lists: makes room for one struct per item and reads them all; `read_item` has the place of its own, which
 * is zeroed, and stays zero where it could not be read. `example` shows how to write one. */
int setting_read_list(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base,
                      const char *example, size_t item_size,
                      int (*read_item)(struct problems *problems, const struct setting *row,
                                       const struct yaml_node *node, void *item));
/* For types of texts: `check` returns what is wrong with the text, NULL when nothing is. */
int setting_read_checked(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base,
                         const char *(*check)(const char *text));
void setting_write_text(const struct setting *row, const void *base, struct buffer *buffer);
void setting_clear_text(const struct setting *row, void *base);
/* What is wrong with a URL, NULL: nothing, or it is empty. */
const char *setting_check_url(const char *text);
/* A double-quoted YAML scalar. */
void setting_write_quoted(struct buffer *buffer, const char *text);
/* A YAML list in one line: each text in turn, quoted, then the end with how many there were. */
void setting_write_item(struct buffer *buffer, size_t index, const char *text);
void setting_write_end(struct buffer *buffer, size_t count);

#endif
