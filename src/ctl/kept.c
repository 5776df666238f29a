#include "ctl/kept.h"

#include <errno.h>
#include <string.h>

#include "base/decisions_file.h"

struct reading {
    const char *needle;
    size_t needle_length;
    bool (*wanted)(const json_t *decision, void *userdata);
    void *userdata;
    size_t limit;
    json_t *found; /* array, newest first */
};

static int look(const char *line, size_t length, void *userdata)
{
    struct reading *reading = userdata;

    if (reading->needle && !memmem(line, length, reading->needle, reading->needle_length)) {
        return 0;
    }
    json_t *decision = json_loadb(line, length, 0, NULL);
    if (!json_is_object(decision) || (reading->wanted && !reading->wanted(decision, reading->userdata))) {
        json_decref(decision); /* what is no object is the rest of a crash */
        return 0;
    }
    if (json_array_append_new(reading->found, decision) < 0) {
        return -ENOMEM;
    }
    return json_array_size(reading->found) >= reading->limit ? 1 : 0;
}

static int tell(const char *state_dir, int r)
{
    if (r == -ENOMEM) {
        return ctl_no_memory();
    }
    ctl_error("%s/" DECISIONS_FOLDER ": %s; run this as root or as the daemon's user", state_dir, strerror(-r));
    return r == -EACCES ? EXIT_FORBIDDEN : EXIT_FAILED;
}

static json_int_t time_of(const json_t *decision)
{
    return json_integer_value(json_object_get(decision, "time_ms"));
}

/* The newest `limit` of two arrays, each newest first. NULL: no memory. */
static json_t *merge(const json_t *a, const json_t *b, size_t limit)
{
    json_t *all = json_array();
    size_t i = 0, k = 0;

    while (all && json_array_size(all) < limit) {
        json_t *from_a = json_array_get(a, i);
        json_t *from_b = json_array_get(b, k);
        if (!from_a && !from_b) {
            break;
        }
        const bool is_a = !from_b || (from_a && time_of(from_a) >= time_of(from_b));
        if (json_array_append(all, is_a ? from_a : from_b) < 0) {
            json_decref(TAKE_PTR(all));
        }
        i += is_a ? 1 : 0;
        k += is_a ? 0 : 1;
    }
    return all;
}

/* Each family gives the newest `limit` of its own. */
static int read_family(const struct settings *settings, enum decisions_family family, struct reading *reading)
{
    reading->found = json_array();
    int r = reading->found ? decisions_read(settings->state_dir, family, look, reading) : -ENOMEM;

    if (r < 0) {
        json_decref(TAKE_PTR(reading->found));
        return tell(settings->state_dir, r);
    }
    return EXIT_FINE;
}

int kept_read(struct ctl *ctl, const char *needle, bool (*wanted)(const json_t *decision, void *userdata),
              void *userdata, size_t limit, json_t **ret_decisions)
{
    const struct settings *settings;
    int status = ctl_settings(ctl, &settings);
    struct reading readings[DECISIONS_FAMILIES];

    memset(readings, 0, sizeof(readings));
    for (size_t i = 0; status == EXIT_FINE && i < DECISIONS_FAMILIES; i++) {
        readings[i] = (struct reading){needle, needle ? strlen(needle) : 0, wanted, userdata, limit, NULL};
        status = read_family(settings, (enum decisions_family)i, &readings[i]);
    }
    if (status == EXIT_FINE) {
        *ret_decisions = merge(readings[DECISIONS_HOSTS].found, readings[DECISIONS_OTHERS].found, limit);
        status = *ret_decisions ? EXIT_FINE : ctl_no_memory();
    }
    for (size_t i = 0; i < DECISIONS_FAMILIES; i++) {
        json_decref(readings[i].found);
    }
    return status;
}

/* The newest of each host stays. */
static bool note_secret(const json_t *decision, void *userdata)
{
    const char *host = json_string_value(json_object_get(decision, "host"));
    json_t *secret = json_object_get(decision, "secret");

    if (host && json_is_string(secret) && !json_object_get(userdata, host)) {
        (void)json_object_set_new(userdata, host,
                                  json_pack("{s:O, s:I}", "secret", secret, "time_ms", time_of(decision)));
    }
    return false; /* nothing is collected */
}

int kept_secrets(struct ctl *ctl, json_t **ret_by_host)
{
    json_t *by_host = json_object();
    json_t *none = NULL;
    int status = by_host ? kept_read(ctl, "\"secret\":\"", note_secret, by_host, SIZE_MAX, &none) : ctl_no_memory();

    json_decref(none);
    if (status != EXIT_FINE) {
        json_decref(by_host);
        return status;
    }
    *ret_by_host = by_host;
    return EXIT_FINE;
}
