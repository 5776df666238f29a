/*
 * The account at the provider, as ddns53ctl asks it for zones: those of the settings' provider that hosts zones, with the
 * daemon's credentials. Without a settings file the provider's defaults do. What fails is said to the user; functions that
 * return int return an exit status. Main thread only.
 */
#ifndef DDNS53_CTL_HOSTING_H
#define DDNS53_CTL_HOSTING_H

#include <jansson.h>

#include "ctl/ctl.h"
#include "provider/registry.h"

struct hosting {
    struct settings *settings; /* of the file; where there is none, what is good for asking */
    bool has_file;
    struct reach *reach;
    const struct provider *provider; /* NULL: no zone of the settings is at a provider that can be asked */
    void *shared;
};

/* Close it with hosting_close in any case. */
int hosting_open(struct ctl *ctl, struct hosting *ret);
void hosting_close(struct hosting *hosting);

/* A zone of the account. */
struct hosted {
    struct name name;
    char id[64];
    char *comment;
    uint64_t record_count;
    bool is_private;
};

/* Zeroed at first; freed by hosteds_done. */
struct hosteds {
    struct hosted *items;
    size_t count;
    int error; /* -ENOMEM: some are missing */
};
void hosteds_done(struct hosteds *zones);

/* The next three need a provider. All zones of the account. */
int hosting_list(struct hosting *hosting, struct hosteds *ret);
/* One zone, and the names of its servers, one a line. EXIT_UNKNOWN: there is none with that id. */
int hosting_get(struct hosting *hosting, const char *id, struct hosteds *ret, struct buffer *servers);
/* Makes a public zone. The provider must have create_hosted. */
int hosting_create(struct hosting *hosting, const char *name, const char *comment, struct hosteds *ret,
                   struct buffer *servers);

/* The zone of the settings file with that name, borrowed; NULL: none. */
const struct zone_settings *hosting_settings_of(const struct hosting *hosting, const char *name);
/* "public" or "private". */
const char *hosted_kind(const struct hosted *zone);
/* What --json shows of it; the caller's, NULL: no memory. */
json_t *hosted_object(const struct hosting *hosting, const struct hosted *zone);

#endif
