/*
 * Changes for tests that hand them to a provider or a store: made from text, alive until the program ends.
 * Include after cmocka.h.
 */
#ifndef DDNS53_TESTS_UNIT_REQUESTS_H
#define DDNS53_TESTS_UNIT_REQUESTS_H

#include <stdio.h>
#include <string.h>

#include "base/record.h"

#define REQUESTS_MAX 20000

struct made_request {
    struct change_request request;
    struct record record;
    char hostname[256];
};

static inline struct record *record_made(const char *hostname, enum record_type type)
{
    static struct made_request made[REQUESTS_MAX];
    static size_t count;
    struct made_request *next = &made[count++];

    assert_true(count <= REQUESTS_MAX);
    (void)snprintf(next->hostname, sizeof(next->hostname), "%s", hostname);
    next->record = (struct record){next->hostname, type};
    next->request.record = &next->record;
    return &next->record;
}

static inline struct change_request *request_of(struct record *record)
{
    return &((struct made_request *)(void *)((char *)record - offsetof(struct made_request, record)))->request;
}

static inline struct rdata rdata_made(const char *text)
{
    struct rdata value = {0};

    assert_int_equal(rdata_parse(text, strlen(text), &value), 0);
    return value;
}

/* The record's type is the address's, TXT for texts. */
static inline const struct change_request *change(const char *hostname, const char *text, uint32_t ttl_s)
{
    const struct rdata value = rdata_made(text);
    struct change_request *request =
        request_of(record_made(hostname, value.texts ? RECORD_TXT : record_type_of(&value.address)));

    request->value = value;
    request->ttl_s = ttl_s;
    return request;
}

/* A withdrawal of what is there. */
static inline const struct change_request *withdrawal(const char *hostname, const char *was, uint32_t was_ttl_s)
{
    struct change_request *request = request_of((struct record *)change(hostname, was, was_ttl_s)->record);

    request->was = request->value;
    request->was_ttl_s = was_ttl_s;
    request->value = (struct rdata){0};
    return request;
}

#endif
