/*
 * Changes of hosts.yaml that leave every other byte as it is (base/yaml_edit.h): the file is read, a change is made of
 * what it says, what comes out is loaded as the daemon would load it, and only then takes the place of the file, at once
 * and whole. When somebody else was quicker, the change is made again of what is there then, so that no edit is lost:
 * not that of a second tool, nor one by hand (base/file_update.h).
 * Blocks on the disk, and at most 30 seconds on others. Not for the daemon, which never writes into this file.
 */
#ifndef DDNS53_CONFIG_HOSTS_EDIT_H
#define DDNS53_CONFIG_HOSTS_EDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/problems.h"
#include "config/hosts.h"

struct hosts_edit;

/* A key of a host as it is to be, as a person types it: several words with commas between them. All are borrowed until
 * the edit is over. NULL: the host is to be without that key. */
struct host_value {
    const char *key;
    const char *text;
};

/* What is to be done, with the functions below. May be called several times, each time with a file as it was never
 * touched. A negative value ends the edit; what is wrong is among hosts_edit_problems then. */
typedef int (*hosts_change)(struct hosts_edit *edit, void *context);

/* `ret_hosts`: what the file says now; `ret_changed`: was it written? What was not to be changed is not written.
 * -EINVAL: what would come out is wrong, as `problems` say; -EBADMSG: the file itself was wrong before, as they say;
 * -EBUSY: others held the file for too long; -ENOENT and others from `change`; or why it cannot be read or written.
 * There is a problem for each. The file is as it was then. */
int hosts_edit_file(const char *path, const struct settings *settings, hosts_change change, void *context,
                    struct problems *problems, struct hosts **ret_hosts, bool *ret_changed);

/* The same without writing: what would come of it. */
int hosts_edit_rehearse(const char *path, const struct settings *settings, hosts_change change, void *context,
                        struct problems *problems, struct hosts **ret_hosts, bool *ret_changed);

/* The same with a text: appends the new one to `new_text`. */
struct host_text {
    const char *text;
    size_t length;
    const char *path; /* for messages, and files named relative to it */
    const struct settings *settings;
};
int hosts_edit_text(const struct host_text *text, hosts_change change, void *context, struct problems *problems,
                    struct buffer *new_text, struct hosts **ret_hosts, bool *ret_changed);

struct problems *hosts_edit_problems(struct hosts_edit *edit); /* borrowed */

/* `hostname` is normalised everywhere. A host may have several rows, each for other record types: `types` chooses
 * those with any of them (bit 1 << enum record_type), 0 is all. -ENOENT: there is none. */

/* At the end of the list. The first value is the hostname. */
int hosts_edit_add(struct hosts_edit *edit, const struct host_value *values, size_t count);
int hosts_edit_set(struct hosts_edit *edit, const char *hostname, unsigned types, const struct host_value *values,
                   size_t count);
int hosts_edit_remove(struct hosts_edit *edit, const char *hostname, unsigned types);
/* With it, the hosts that follow it follow the new name. -EEXIST: that is there already. */
int hosts_edit_rename(struct hosts_edit *edit, const char *hostname, const char *new_name);
/* The secret that it has becomes previous_secret until `until` (as previous_secret_until); NULL: it ends now.
 * -EOPNOTSUPP: the file does not hold the secret that is to be replaced. */
int hosts_edit_rotate(struct hosts_edit *edit, const char *hostname, unsigned types, const char *secret,
                      const char *until);

/* The row of that number, counted from 0 through all of the name; what it says for a key, lists with commas. Borrowed
 * until the edit is over; NULL: there is no such row or key. */
const char *hosts_edit_value(struct hosts_edit *edit, const char *hostname, size_t row, const char *key);

/* The record types of all rows of a host; 0: there is none. */
unsigned hosts_edit_types(const struct hosts_edit *edit, const char *hostname);

#endif
