/*
 * An environment of the test's own, for code that is handed a getenv.
 */
#ifndef DDNS53_TESTS_UNIT_ENVIRONMENT_H
#define DDNS53_TESTS_UNIT_ENVIRONMENT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENVIRONMENT_MAX 24

static struct {
    char *names[ENVIRONMENT_MAX];
    char *values[ENVIRONMENT_MAX];
    size_t count;
} test_environment;

static inline void environment_clear(void)
{
    for (size_t i = 0; i < test_environment.count; i++) {
        free(test_environment.names[i]);
        free(test_environment.values[i]);
    }
    test_environment.count = 0;
}

/* The newest of a name counts. */
static inline void environment_set(const char *name, const char *value)
{
    if (test_environment.count == ENVIRONMENT_MAX) {
        abort();
    }
    test_environment.names[test_environment.count] = strdup(name);
    test_environment.values[test_environment.count] = strdup(value);
    test_environment.count++;
}

static inline const char *environment_get(const char *name)
{
    for (size_t i = test_environment.count; i > 0; i--) {
        if (strcmp(test_environment.names[i - 1], name) == 0) {
            return test_environment.values[i - 1];
        }
    }
    return NULL;
}

/* A file in a folder, with this text. */
static inline void environment_write(const char *folder, const char *name, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0) {
        perror(path);
        abort();
    }
}

static inline void environment_remove(const char *folder, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    (void)remove(path);
}

#endif
