#include "api/dialects.h"

#include "api/ratelimit.h"

#define DIALECT "checkip"

static void answer_address(struct request *request, const char *content_type, const char *before, const char *after)
{
    struct answer answer = {.status = 200, .content_type = content_type, .dialect = DIALECT, .result = "good"};
    char address[ADDRESS_TEXT_SIZE];

    if (!ratelimit_may_read(request, &answer.retry_after_s)) {
        answer.status = 429;
        answer.result = "too_many";
        answer.content_type = "text/plain; charset=utf-8";
        request->decision.reason = "too_many_reads";
        buffer_append_text(&answer.body, "too many requests from your address; try again later\n");
    } else if (request->source.family == ADDRESS_NONE) {
        answer.status = 400;
        answer.result = "bad_request";
        answer.content_type = "text/plain; charset=utf-8";
        request->decision.reason = "unknown_source";
        buffer_append_text(&answer.body, "your address is not known; the proxy in front must send X-Forwarded-For\n");
    } else {
        address_print(&request->source, address);
        buffer_printf(&answer.body, "%s%s%s", before, address, after);
    }
    request_answer(request, &answer);
}

bool api_checkip_only_reads(const struct request *request)
{
    (void)request;
    return true;
}

void api_ip(struct request *request)
{
    answer_address(request, "text/plain; charset=utf-8", "", "\n");
}

void api_checkip(struct request *request)
{
    answer_address(request, "text/html; charset=utf-8",
                   "<html><head><title>Current IP Check</title></head><body>Current IP Address: ", "</body></html>\n");
}
