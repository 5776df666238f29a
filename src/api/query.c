/* The query API's own form: `/?mode=...&hostname=...&hash=...`, the same names in a form-encoded body. */
#include "api/dialects.h"

#include <errno.h>
#include <string.h>

#include "api/dialect.h"
#include "api/modes.h"

#define DIALECT "query"

enum { MODE, HOSTNAME, HASH, INTERNAL_IP, TIME, NONCE, SIGNATURE, TYPE };

static const char *const names[] = {
    [MODE] = "mode", [HOSTNAME] = "hostname", [HASH] = "hash",           [INTERNAL_IP] = "internalIp",
    [TIME] = "time", [NONCE] = "nonce",       [SIGNATURE] = "signature", [TYPE] = "type",
};

bool api_query_only_reads(const struct request *request)
{
    _cleanup_(params_done) struct params params = {0};
    const char *reason = "";

    return dialect_params(request, names, ELEMENTS(names), &params, &reason) == 0 && params.values[MODE] &&
           strcmp(params.values[MODE], "get") == 0;
}

void api_query(struct request *request)
{
    _cleanup_(params_done) struct params params = {0};
    const char *reason = "";
    int status = dialect_all_params(request, names, ELEMENTS(names), &params, &reason);

    if (status < 0) {
        modes_refuse(request, DIALECT, dialect_status_of(status), status == -ENOMEM ? "out_of_memory" : "bad_request",
                     status == -ENOMEM ? "the server is out of memory; try again later" : reason);
        return;
    }
    modes_run(request, &(struct query){
                           .dialect = DIALECT,
                           .mode = params.values[MODE],
                           .hostname = params.values[HOSTNAME],
                           .hash = params.values[HASH],
                           .internal_ip = params.values[INTERNAL_IP],
                           .time = params.values[TIME],
                           .nonce = params.values[NONCE],
                           .signature = params.values[SIGNATURE],
                           .type = params.values[TYPE],
                           .has_others = params.has_others,
                           .unspoken = params.unspoken,
                       });
}
