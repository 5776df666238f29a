/*
 * What state.c (reading and writing) and state_open.c (opening and checking) share; for src/store/ and its test.
 */
#ifndef DDNS53_STORE_STATE_INTERNAL_H
#define DDNS53_STORE_STATE_INTERNAL_H

#include <sqlite3.h>

#include "store/state.h"

#define STATE_VERSION 2                 /* PRAGMA user_version */
#define STATE_APPLICATION_ID 0x64353364 /* "d53d" */
#define STATE_HISTORY_MAX 1000000

enum state_statement {
    STATE_BEGIN,
    STATE_COMMIT,
    STATE_ROLLBACK,
    STATE_PUT_RECORD,
    STATE_PUT_HISTORY,
    STATE_PRUNE_HISTORY,
    STATE_PUT_TOUCH,
    STATE_EACH_RECORD,
    STATE_NEXT_RECORDS,
    STATE_DELETE_RECORD,
    STATE_STATEMENTS
};

struct state {
    sqlite3 *database;
    sqlite3_stmt *statements[STATE_STATEMENTS];
    struct buffer error;
    int64_t history_max;
    struct buffer forget_after; /* the hostname up to which state_forget has looked */
    enum record_type forget_after_type;
    int lock_fd;
};

/* Prepares all statements; needs the schema. 0, or what SQLite says. */
int state_prepare(struct state *state);

#endif
