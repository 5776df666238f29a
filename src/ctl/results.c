#include "ctl/results.h"

#include "ctl/call.h"
#include "ctl/verdict.h"

static void print_result(struct ctl *ctl, const json_t *record)
{
    const struct verdict verdict = {
        .word = call_text(record, "verdict"),
        .message = json_string_value(json_object_get(record, "message")),
        .is_withdrawal = !json_is_string(json_object_get(record, "value")),
    };
    _cleanup_buffer_ struct buffer sentence = BUFFER_INIT;
    const char *id = json_string_value(json_object_get(record, "change_id"));

    verdict_explain(&verdict, &sentence);
    ctl_print("%s %s: %s%s%s, %s%s%s\n", call_text(record, "hostname"), call_text(record, "type"),
              ctl_color(ctl, verdict_color(&verdict)), verdict.word, ctl_plain(ctl), buffer_text(&sentence),
              id ? "; change " : "", id ? id : "");
}

int results_tell(struct ctl *ctl, json_t *answer, unsigned http_status)
{
    const json_t *records = json_object_get(answer, "records");
    int status = call_is(answer, "ok") ? EXIT_FINE : EXIT_FAILED;
    size_t index;
    const json_t *record;

    if (!records) {
        status = ctl_refused(answer, http_status);
        json_decref(answer);
        return status;
    }
    if (ctl->is_json) {
        const int printed = ctl_print_json(answer);
        return printed == EXIT_FINE ? status : printed;
    }
    json_array_foreach(records, index, record)
    {
        print_result(ctl, record);
    }
    json_decref(answer);
    return status;
}
