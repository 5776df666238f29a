/* Any answer of a name server to the question for a challenge; and what a client prints when it fails. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "acme/question.h"
#include "acme/uacme.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* Texts that the message itself has not: it must not say yes. */
static void read_answer(const uint8_t *data, size_t size)
{
    static const char text[] = "a text of eleven words that no seed and no chance will bring";
    struct rdata texts = {0};

    insist(rdata_add_bytes(&texts, text, strlen(text)) == 0);
    const enum question_answer answer = question_read(data, size, &texts);
    insist(answer != QUESTION_YES || memmem(data, size, text, strlen(text)));
    rdata_drop(&texts);
}

static void read_output(const uint8_t *data, size_t size)
{
    _cleanup_buffer_ struct buffer output = BUFFER_INIT;
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    int64_t retry_s = -1;

    buffer_append(&output, data, size);
    const enum uacme_end end = uacme_explain(buffer_text(&output), "otherwise", &message, &retry_s);
    insist(end != UACME_ISSUED && (retry_s == 0 || end == UACME_LIMITED));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_answer(data, size);
    read_output(data, size);
    return 0;
}
