/*
 * The one question that name servers are asked, and their answers: does a name have these texts (RFC 1035 section 4)? Pure;
 * what a server sends is checked here.
 */
#ifndef DDNS53_ACME_QUESTION_H
#define DDNS53_ACME_QUESTION_H

#include <stddef.h>
#include <stdint.h>

#include "base/name.h"
#include "base/rdata.h"

#define QUESTION_MAX 512

/* Returns the length. */
size_t question_write(const struct name *name, uint16_t id, uint8_t ret_message[QUESTION_MAX]);

enum question_answer {
    QUESTION_YES, /* all of them, perhaps among others */
    QUESTION_NO,
    QUESTION_TRUNCATED, /* the rest comes by TCP */
    QUESTION_REFUSED,   /* the server will not, or cannot, say */
    QUESTION_SENSELESS,
};
enum question_answer question_read(const uint8_t *message, size_t length, const struct rdata *texts);

#endif
