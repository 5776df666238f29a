/*
 * A list of findings, for commands that judge: a line each with OK, WARN or FAIL, below it what mends it, and as JSON an
 * object each. Lines are printed as they come. Main thread only.
 */
#ifndef DDNS53_CTL_REPORT_H
#define DDNS53_CTL_REPORT_H

#include "ctl/ctl.h"

enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL };

struct report {
    const struct ctl *ctl;
    json_t *items; /* --json: all of them; NULL otherwise */
    enum verdict worst;
    size_t counts[VERDICT_FAIL + 1];
};

void report_init(struct report *report, const struct ctl *ctl);
/* `mend` NULL: nothing is to be done. */
void report_add(struct report *report, enum verdict verdict, const char *what, const char *mend, const char *format,
                ...) _printf_(5, 6);
/* The sum, or the JSON. EXIT_FINE, EXIT_WARNED or EXIT_BROKEN by the worst; EXIT_NO_MEMORY. */
int report_finish(struct report *report);

#endif
