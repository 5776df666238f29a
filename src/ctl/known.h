/*
 * What is known of each host besides hosts.yaml: what was set last and who asked (state.db), which secret it used (the
 * decisions), and what DNS holds (the running daemon, where there is one). Main thread only.
 */
#ifndef DDNS53_CTL_KNOWN_H
#define DDNS53_CTL_KNOWN_H

#include <jansson.h>

#include "ctl/ctl.h"
#include "store/state_read.h"

struct known {
    struct state_reader *reader; /* NULL: there is no state yet */
    struct table *flagged;       /* records that are not in step; NULL: no daemon was asked */
    json_t *failing;             /* zones that fail: an object, name -> why; NULL: no daemon was asked */
    json_t *secrets;             /* see kept_secrets; NULL: no host has two */
    int64_t now_s;
};

/* Of all hosts, or of one where `hostname` is not NULL. EXIT_FINE, or an exit status once it was said what is wrong. End it
 * with known_done in any case. Load the hosts before: root becomes the state's owner here. */
int known_gather(struct ctl *ctl, const struct hosts *hosts, const char *hostname, struct known *ret_known);
void known_done(struct known *all);

/* A record with all that is known of it. */
struct known_record {
    const struct host *host;
    enum record_type type;
    struct store_record stored; /* zeroes: nothing is known */
    const json_t *flagged;      /* NULL: in step, or not known */
    const char *failing;        /* why its zone fails; NULL: it works, or that is not known */
    const char *secret;         /* "previous", "current"; NULL: not known */
};
/* EXIT_FINE, or an exit status once it was said. Drop it with known_record_done in any case. */
int known_look_up(struct ctl *ctl, const struct known *all, const struct host *host, enum record_type type,
                  struct known_record *ret);
void known_record_done(struct known_record *record);

/* "drifted" and so on; "": in step, or not known. */
const char *known_state(const struct known_record *record);
/* What is special about it, in words with commas between. */
void known_append_marks(const struct known_record *record, struct buffer *buffer);
enum color known_color(const struct known_record *record);
/* As ddns53ctl(8) has it; NULL: no memory. */
json_t *known_object(struct ctl *ctl, const struct known *known, const struct known_record *record);

/* Appends a word of a list. */
void append_mark(struct buffer *buffer, const char *mark);

#endif
