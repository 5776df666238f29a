/*
 * What the commands share that change hosts.yaml: the edit itself with its exit status, new secrets, and what is said
 * afterwards. Main thread only.
 */
#ifndef DDNS53_CTL_EDIT_H
#define DDNS53_CTL_EDIT_H

#include "config/hosts_edit.h"
#include "ctl/ctl.h"

/* Makes the change (config/hosts_edit.h) in the hosts file of the settings. EXIT_FINE, or an exit status once it was said
 * what is wrong. Then ctl_hosts has the hosts as they are now. `ret_changed`: was there something to change? */
int edit_hosts(struct ctl *ctl, hosts_change change, void *context, bool *ret_changed);

/* The same without writing: would it be made? */
int edit_rehearse(struct ctl *ctl, hosts_change change, void *context);

/* "NAME: WHAT in FILE", and the daemon is told; where nothing was to be changed, that. --json: prints nothing. */
int edit_tell(struct ctl *ctl, const char *hostname, const char *what, bool is_changed);

/* A secret of 160 random bits: letters and digits that every password field takes and nobody has to encode. */
#define EDIT_SECRET_SIZE 33
void edit_make_secret(char ret_secret[EDIT_SECRET_SIZE]);

/* "A", "A,AAAA" -> bits 1 << enum record_type; NULL is 0, all of them. EXIT_USAGE after having said what is wrong. */
int edit_types(const char *text, unsigned *ret_types);

#endif
