/*
 * ddns53d.yaml as a typed, immutable snapshot with a reference count. One table row per key feeds the loader,
 * the unknown-key error, --dump-config and the tests that the man page and the sample file have every key.
 * settings_load builds a new one; nobody changes one after that, so reading needs no lock.
 */
#ifndef DDNS53_CONFIG_SETTINGS_H
#define DDNS53_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/name.h"
#include "base/secret.h"
#include "base/yaml.h"

/* How a client may prove itself; bits of a set. No host allows AUTH_OPERATOR: that is who sits at the machine. */
enum auth_scheme { AUTH_HASH = 1, AUTH_SIGNED = 2, AUTH_SECRET = 4, AUTH_BASIC = 8, AUTH_OPERATOR = 16 };

/* Which header of a trusted proxy names the client. */
enum proxy_header { PROXY_X_FORWARDED_FOR, PROXY_FORWARDED };

/* A place to listen at: an address and a port (0: any free one), or a unix socket. */
struct endpoint {
    struct address address; /* family NONE: unix */
    uint16_t port;
    char *unix_path;
    char *text; /* as written */
};

struct settings;

/* What a provider adds to ddns53d.yaml: the keys of a section of its own, and those of its zones. */
struct provider_settings {
    const char *name;    /* as in zones[].provider */
    const char *missing; /* the library that this program was built without: no zone can have it. NULL: none is */
    const struct setting *rows; /* config/settings_table.h; those of "zones[]" belong to its zones */
    size_t row_count;
    size_t size;      /* of the struct that its section is read into; 0: it has no section */
    size_t zone_size; /* of the struct that its keys of a zone are read into; 0: they have none */
    /* What the keys of one zone get wrong together; `node` is the zone's mapping. 0, -EINVAL with a problem, -ENOMEM.
     * NULL: nothing. */
    int (*check_zone)(struct problems *problems, const struct yaml_node *node, const void *zone);
    /* Does the settings file have a secret of the zone, so that others may not read it? NULL: no. */
    bool (*has_secret)(const void *zone);
    /* Are the secrets of two zones the same, which are written as "***"? NULL: there are none. */
    bool (*has_same_hidden)(const void *a, const void *b);
    /* Once everything is read and right: makes paths absolute, reads files that keys name. `path` is the absolute path of the
     * settings file, `root` its mapping, `own` the section's struct. 0, -EINVAL with a problem, -ENOMEM. NULL: nothing. */
    int (*finish)(struct problems *problems, const struct yaml_node *root, const char *path, struct settings *settings,
                  void *own);
};

/* Every provider, the default one first, NULL at the end. The table is provider/registry.c's: this folder knows none
 * of them. */
extern const struct provider_settings *const provider_table[];

struct zone_settings {
    struct name name;
    const struct provider_settings *provider;
    uint32_t default_ttl_s;
    void *own; /* the provider's struct, see zone_size */
};

/* server.acme; config/acme.h says what follows from it. */
struct acme_settings {
    char *email;     /* "": off */
    char *directory; /* URL */
    struct name *names;
    size_t name_count;
    struct endpoint *ask; /* name servers; port 53 unless said */
    size_t ask_count;
};

struct settings {
    /* server */
    struct endpoint *listen;
    size_t listen_count;
    char *certificate; /* absolute path, NULL: self-signed */
    char *private_key;
    char *second_certificate; /* absolute path, NULL: none */
    char *second_private_key;
    bool tls;
    uint32_t threads; /* 0: one per core */
    char *public_url; /* "" : derived */
    struct prefix *trusted_proxies;
    size_t trusted_proxy_count;
    enum proxy_header proxy_header;
    struct secret **api_keys;
    size_t api_key_count;
    struct acme_settings acme;
    /* admin */
    struct endpoint *admin_listen; /* NULL: off */
    char *control_socket;          /* absolute path, NULL: off */
    char *hosts_file;              /* absolute */
    char *state_dir;               /* absolute */
    /* update */
    uint32_t update_timeout_s;
    uint32_t reconcile_s;
    unsigned default_auth; /* set of enum auth_scheme */
    /* limits */
    uint32_t connections;
    uint32_t connections_per_address;
    uint32_t request_s;
    uint32_t reads_per_minute;
    uint32_t auth_failures_per_minute;
    uint32_t queued_changes;
    uint32_t decisions_mib; /* 0: none are kept */
    /* zones */
    struct zone_settings *zones;
    size_t zone_count;
    void **of_providers; /* their own structs, in the order of provider_table; see settings_of_provider */
};

/* 0, or -EINVAL with everything that is wrong in `problems`, or -ENOMEM. Only settings_load looks at the environment, whose
 * settings count more than the file's: see config/environment.h. */
int settings_load(const char *path, struct problems *problems, struct settings **ret_settings);
int settings_load_text(const char *text, size_t length, const char *path, struct problems *problems,
                       struct settings **ret_settings);
struct settings *settings_ref(struct settings *settings);
void settings_unref(struct settings *settings);
DEFINE_CLEANUP(struct settings *, settings_unref)

/* The effective settings as YAML that settings_load reads again; secrets as "***", which it refuses for the key of a
 * zone. */
void settings_dump(const struct settings *settings, struct buffer *buffer);

/* What is in force once `loaded` takes the place of `running`: puts the running value of each key that needs a restart
 * into `loaded`, which nobody else may have seen yet. Appends the keys that differed to `names`, comma separated.
 * After -ENOMEM `loaded` is only good for settings_unref. */
int settings_merge(const struct settings *running, struct settings *loaded, struct buffer *names);

/* For tests and documentation: the dotted names of all keys (those of a zone as "zones[].name"), help, and default
 * as YAML text, NULL where the key is needed; NULL past the end. */
const char *settings_key_name(size_t index);
const char *settings_key_help(size_t index);
const char *settings_key_default(size_t index);

/* `[::]:443`, `127.0.0.1:80`, `unix:/run/x.sock`. -EINVAL otherwise. Contents owned by the struct. */
int endpoint_parse(const char *text, struct endpoint *ret_endpoint);
void endpoint_done(struct endpoint *endpoint);
/* Where to bind or to connect to; returns its length. */
socklen_t endpoint_sockaddr(const struct endpoint *endpoint, struct sockaddr_storage *ret_address);
/* The host in `https://HOST[:PORT]/...`: borrowed, without brackets; false: none. */
bool url_host(const char *url, const char **ret_host, size_t *ret_length);
/* A loopback address or a unix socket: nothing from outside gets there. */
bool endpoint_is_local(const struct endpoint *endpoint);

/* The struct that the provider's section was read into. Borrowed from the settings. */
void *settings_of_provider(const struct settings *settings, const struct provider_settings *provider);

/* Index of the zone with the longest name that `hostname` (normalised) is within; -ENOENT: none. A few look-ups, however
 * many zones there are. For settings that were loaded. */
int settings_zone_of(const struct settings *settings, const char *hostname);

/* "hash" and so on -> one bit of enum auth_scheme; 0: no such scheme. */
unsigned auth_scheme_parse(const char *text);
/* Of one bit. */
const char *auth_scheme_text(unsigned scheme);

#endif
