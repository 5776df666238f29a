#include "ctl/ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

int ask_line(const struct ctl *ctl, const char *question, const char *proposal, struct buffer *answer)
{
    _cleanup_free_ char *line = NULL;
    size_t size = 0;

    ctl_print("%s%s%s%s%s%s ", ctl_color(ctl, COLOR_STRONG), question, ctl_plain(ctl), proposal[0] != '\0' ? " [" : "",
              proposal, proposal[0] != '\0' ? "]:" : ":");
    (void)fflush(stdout);
    ssize_t length = getline(&line, &size, stdin);
    if (length < 0) {
        ctl_print("\n");
        return -ENODATA;
    }
    const char *begin = line + strspn(line, " \t");
    size_t end = strlen(begin);
    while (end > 0 && strchr(" \t\r\n", begin[end - 1])) {
        end--;
    }
    buffer_clear(answer);
    if (end > 0) {
        buffer_append(answer, begin, end);
    } else {
        buffer_append_text(answer, proposal);
    }
    return buffer_status(answer);
}

int ask_choice(const struct ctl *ctl, const char *question, size_t count, size_t proposal, size_t *ret_choice)
{
    char proposed[24];
    uint64_t number;

    (void)snprintf(proposed, sizeof(proposed), "%zu", proposal);
    for (;;) {
        _cleanup_buffer_ struct buffer answer = BUFFER_INIT;
        int r = ask_line(ctl, question, proposed, &answer);
        if (r < 0) {
            return r;
        }
        if (parse_uint(buffer_text(&answer), answer.length, 1, count, &number) == 0) {
            *ret_choice = (size_t)number;
            return 0;
        }
        ctl_print("  a number from 1 to %zu\n", count);
    }
}
