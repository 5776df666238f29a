/*
 * What was decided about each request, kept so that a person can find out why a router is refused: one line of JSON a
 * decision, in STATE_DIR/decisions, over a restart, bounded. Never a secret, a token or a query string.
 * Decisions about hosts of ours and about everything else are kept apart, in two files each (decisions_file.h), so that
 * a flood of unknown names pushes nothing else out. In each minute the first decisions about a host, from a source, and
 * in all are written; the rest is counted, and told in a line when the minute is over.
 * Whoever keeps a decision never waits for the disk: lines go into a bounded memory, and a thread writes them. What
 * finds no room there is dropped and counted. Any thread, where nothing else is said.
 */
#ifndef DDNS53_BASE_DECISIONS_H
#define DDNS53_BASE_DECISIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/cleanup.h"

/* Texts are borrowed for the call; NULL: none. The names of the fields are those of the JSON. */
struct kept_decision {
    int64_t time_ms;       /* since 1970 */
    struct address source; /* family NONE: "local" */
    const char *dialect;
    const char *host;      /* as asked, where it may be shown */
    const char *type;      /* of the record */
    const char *value;     /* that was asked for; NULL: none, or a withdrawal */
    const char *verdict;   /* the word: "good", "badauth", ... */
    const char *reason;    /* one word more */
    const char *message;   /* a sentence, ours or the provider's */
    const char *change_id; /* the provider's */
    const char *secret;    /* "current" or "previous": which one was used */
    unsigned status;       /* of the answer in HTTP; 0: one answer for several records */
    bool is_withdrawal;
    bool is_ours;       /* the host is one of hosts.yaml */
    bool is_refused;    /* counts for its source, too */
    bool is_unchanged;  /* of those few are kept: each router asks every few minutes */
    bool is_in_overlap; /* but for hosts that have two secrets */
};

struct decisions;
struct clock;

struct decisions_options {
    const char *state_dir; /* the folder "decisions" is made in it */
    size_t bytes;          /* for all files together; 0: nothing is kept */
    const struct clock *clock;
};

/* Copies the options. NULL: no memory. */
struct decisions *decisions_new(const struct decisions_options *options);
/* Once. Before it, and without it, lines wait in memory. Negative errno. */
int decisions_start(struct decisions *decisions);
/* Writes what there is, for at most two seconds, when nobody keeps decisions any more. NULL is fine. */
void decisions_free(struct decisions *decisions);
DEFINE_CLEANUP(struct decisions *, decisions_free)

/* NULL: does nothing. */
void decisions_keep(struct decisions *decisions, const struct kept_decision *decision);
/* Tells what was counted in the minutes that are over. Call it once a second. NULL is fine. */
void decisions_tick(struct decisions *decisions, int64_t now_ms);

/* Since the start: counted instead of written, and dropped because the disk was too slow or failed. */
uint64_t decisions_counted(const struct decisions *decisions);
uint64_t decisions_lost(const struct decisions *decisions);

#endif
