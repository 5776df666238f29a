#include "base/record.h"

#include <errno.h>
#include <string.h>

static const char *const type_texts[RECORD_TYPE_COUNT] = {
    [RECORD_A] = "A",
    [RECORD_AAAA] = "AAAA",
    [RECORD_TXT] = "TXT",
};

const char *record_type_text(enum record_type type)
{
    return type_texts[type];
}

int record_type_parse(const char *text, enum record_type *ret_type)
{
    for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
        if (strcmp(text, type_texts[type]) == 0) {
            *ret_type = (enum record_type)type;
            return 0;
        }
    }
    return -EINVAL;
}
