/*
 * The names whose challenges may be set: those of server.acme, and those whose challenge stands in hosts.yaml, with record type
 * TXT, for other ACME clients. No state.
 */
#ifndef DDNS53_ACME_CHALLENGE_NAMES_H
#define DDNS53_ACME_CHALLENGE_NAMES_H

#include "config/current.h"
#include "queue/records.h"

/* Calls `each` with the challenge of each name that server.acme wants, until it returns something else than 0, and returns
 * that; a wildcard has the challenge of its name. -ENOMEM. */
int challenge_names_each(const struct settings *settings, int (*each)(const struct name *hostname, void *userdata),
                         void *userdata);

/* Any thread: `hostname` begins with _acme-challenge. `ret_is_of_host`: it is one of hosts.yaml. */
bool challenge_name_is_permitted(struct current *current, const struct name *hostname, bool *ret_is_of_host);

/* Makes the records of server.acme's names, so that they can be set, after each records_configure: at the start, and on the
 * thread of a reload. -ENOMEM. */
int challenge_names_configure(struct records *records, const struct settings *settings);

#endif
