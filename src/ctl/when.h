/*
 * Times as people say them: "3 min ago" for what was, "2h" and dates for what they ask for. Pure.
 */
#ifndef DDNS53_CTL_WHEN_H
#define DDNS53_CTL_WHEN_H

#include <stdint.h>

#define WHEN_SIZE 32

/* `now`, `12 s ago`, `3 min ago`, `5 h ago`, `12 days ago`; `in 3 min` for what is to come; `never` for 0. */
void when_print(int64_t time_s, int64_t now_s, char ret_text[WHEN_SIZE]);
/* A span alone: `12 s`, `3 min`, `5 h`, `12 days`. */
void when_print_span(int64_t span_s, char ret_text[WHEN_SIZE]);

/* `90s`, `15m`, `2h`, `3d`, `2w`. -EINVAL: none of these. */
int when_parse_span(const char *text, int64_t *ret_span_s);
/* `90s`, `15m`, `2h`, `3d`, `2w` back from now, or `2026-11-21`, `2026-11-21T23:15:51Z`. -EINVAL: none of these. */
int when_parse_past(const char *text, int64_t now_s, int64_t *ret_time_s);

#endif
