/*
 * The table behind config/settings.h, private to src/config: one row per key of ddns53d.yaml. A row's type reads its
 * value out of a YAML node into the struct, writes it as YAML, and frees it. Rows named "zones[].KEY" and
 * "zones[].tsig.KEY" describe one item of `zones`: their base is a struct zone_settings, that of all others the struct
 * settings.
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
struct zone_settings;

struct setting_type {
    /* 0, -EINVAL with a problem added, -ENOMEM. What it set is freed with `clear` in any case. */
    int (*read)(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base);
    void (*write)(const struct setting *row, const void *base, struct buffer *buffer);
    /* Frees, and leaves the field as it was before `read`. NULL: it owns no memory. */
    void (*clear)(const struct setting *row, void *base);
};

struct setting {
    const char *name;    /* dotted: "server.listen" */
    const char *section; /* its first part, "" for a key at the top, "zones[]" or "zones[].tsig" for one of a zone */
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

/* NULL past the end. */
const struct setting *settings_row(size_t index);

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
/* settings_zones.c */
extern const struct setting_type setting_zones; /* struct zone_settings * and a count */
extern const struct setting_type setting_zone_name;
extern const struct setting_type setting_provider;
extern const struct setting_type setting_zone_id;
/* Their secrets are written as "***", so that neither is seen by what is written. -ENOMEM. */
bool settings_have_same_zone_secrets(const struct settings *a, const struct settings *b);
int settings_copy_zones(const struct settings *from, struct settings *to);
/* settings_rfc2136.c */
extern const struct setting_type setting_server;     /* struct address */
extern const struct setting_type setting_tsig;       /* the rows of "zones[].tsig" */
extern const struct setting_type setting_key_name;   /* struct name */
extern const struct setting_type setting_algorithm;  /* char * */
extern const struct setting_type setting_key_secret; /* struct secret * */

/* Does the row describe a zone, not the whole? */
bool setting_is_of_zone(const struct setting *row);
/* The next row of a section after `*index`; NULL: no more. */
const struct setting *setting_next(const char *section, size_t *index);
/* What a zone of provider rfc2136 needs. 0, or -EINVAL with a problem. */
int settings_check_rfc2136(struct problems *problems, const struct yaml_node *node, const struct zone_settings *zone);
/* Reads the secret files of keys; `file`: the settings file's absolute path. 0, -EINVAL with problems, -ENOMEM. */
int settings_read_key_files(struct problems *problems, const struct yaml_node *root, const char *file,
                            struct settings *settings);

/* A double-quoted YAML scalar. */
void setting_write_quoted(struct buffer *buffer, const char *text);

#endif
