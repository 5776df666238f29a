#include "ctl/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"

static const struct {
    const char *text;
    const char *key; /* in JSON */
    enum color color;
} verdicts[] = {
    [VERDICT_OK] = {"OK", "ok", COLOR_GOOD},
    [VERDICT_WARN] = {"WARN", "warn", COLOR_WARN},
    [VERDICT_FAIL] = {"FAIL", "fail", COLOR_BAD},
};

void report_init(struct report *report, const struct ctl *ctl)
{
    *report = (struct report){.ctl = ctl, .items = ctl->is_json ? json_array() : NULL};
}

static void print_item(const struct report *report, enum verdict verdict, const char *what, const char *mend,
                       const char *message)
{
    _cleanup_buffer_ struct buffer line = BUFFER_INIT;

    buffer_append_escaped(&line, message, strlen(message));
    ctl_print("%s%-4s%s  %-12s %s\n", ctl_color(report->ctl, verdicts[verdict].color), verdicts[verdict].text,
              ctl_plain(report->ctl), what, buffer_text(&line));
    if (mend) {
        buffer_clear(&line);
        buffer_append_escaped(&line, mend, strlen(mend));
        ctl_print("%19s%sto do: %s%s\n", "", ctl_color(report->ctl, COLOR_STRONG), ctl_plain(report->ctl),
                  buffer_text(&line));
    }
    (void)fflush(stdout); /* the next one may take a while */
}

void report_add(struct report *report, enum verdict verdict, const char *what, const char *mend, const char *format,
                ...)
{
    char *message = NULL;
    va_list arguments;

    va_start(arguments, format);
    int length = vasprintf(&message, format, arguments);
    va_end(arguments);
    report->worst = verdict > report->worst ? verdict : report->worst;
    report->counts[verdict]++;
    if (length < 0) {
        return;
    }
    if (report->items) {
        json_t *item = json_pack("{s:s, s:s, s:s, s:s?}", "verdict", verdicts[verdict].key, "what", what, "message",
                                 message, "mend", mend);
        (void)json_array_append_new(report->items, item);
    } else {
        print_item(report, verdict, what, mend, message);
    }
    free(message);
}

int report_finish(struct report *report)
{
    if (report->items) {
        json_t *whole = json_pack("{s:s, s:o}", "worst", verdicts[report->worst].key, "findings", report->items);
        report->items = NULL;
        int status = ctl_print_json(whole);
        if (status != EXIT_FINE) {
            return status;
        }
    } else {
        ctl_print("%zu fine, %zu to look at, %zu wrong\n", report->counts[VERDICT_OK], report->counts[VERDICT_WARN],
                  report->counts[VERDICT_FAIL]);
    }
    return report->worst == VERDICT_OK ? EXIT_FINE : (report->worst == VERDICT_WARN ? EXIT_WARNED : EXIT_BROKEN);
}
