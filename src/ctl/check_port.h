/* Who listens at a port, as /proc tells: for "ddns53ctl check". */
#ifndef DDNS53_CTL_CHECK_PORT_H
#define DDNS53_CTL_CHECK_PORT_H

#include "ctl/report.h"

/* A finding for each TCP endpoint. Root sees everybody's programs, others only their own. */
void check_ports(struct report *report, const struct endpoint *endpoints, size_t count, const char *what);

#endif
