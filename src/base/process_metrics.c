#include "base/process_metrics.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/parse.h"

enum { CPU_SECONDS, RESIDENT_BYTES, VIRTUAL_BYTES, OPEN_FDS, MAX_FDS, START_TIME, THREADS, FIGURES };

static const struct metric_row rows[FIGURES] = {
    [CPU_SECONDS] = {.name = "process_cpu_seconds_total",
                     .help = "User and system CPU time spent",
                     .type = METRIC_COUNTER},
    [RESIDENT_BYTES] = {.name = "process_resident_memory_bytes", .help = "Resident memory", .type = METRIC_GAUGE},
    [VIRTUAL_BYTES] = {.name = "process_virtual_memory_bytes", .help = "Virtual memory", .type = METRIC_GAUGE},
    [OPEN_FDS] = {.name = "process_open_fds", .help = "Open file descriptors", .type = METRIC_GAUGE},
    [MAX_FDS] = {.name = "process_max_fds", .help = "Limit of open file descriptors", .type = METRIC_GAUGE},
    [START_TIME] = {.name = "process_start_time_seconds",
                    .help = "Start of the process, Unix time",
                    .type = METRIC_GAUGE},
    [THREADS] = {.name = "process_threads", .help = "Threads", .type = METRIC_GAUGE},
};

/* The fields of /proc/self/stat that are wanted, counted from the one after the name (proc(5) calls that one 3). */
enum {
    USER_TICKS = 11,
    SYSTEM_TICKS = 12,
    THREAD_COUNT = 17,
    START_TICKS = 19,
    SIZE_BYTES = 20,
    PAGES = 21,
    FIELDS = 22
};

static int read_stat(uint64_t ret_fields[FIELDS])
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");

    if (!file) {
        return -errno;
    }
    const size_t length = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    text[length] = '\0';
    const char *field = strrchr(text, ')'); /* the name may hold anything */
    if (!field) {
        return -EBADMSG;
    }
    field++;
    for (size_t i = 0; i < FIELDS; i++) {
        field += strspn(field, " ");
        const size_t field_length = strcspn(field, " ");
        if (field_length == 0) {
            return -EBADMSG;
        }
        ret_fields[i] = 0; /* what is no number is none that is wanted */
        (void)parse_uint(field, field_length, 0, UINT64_MAX, &ret_fields[i]);
        field += field_length;
    }
    return 0;
}

static double boot_time_s(void)
{
    struct timespec real;
    struct timespec boot;

    (void)clock_gettime(CLOCK_REALTIME, &real);
    (void)clock_gettime(CLOCK_BOOTTIME, &boot);
    return (double)(real.tv_sec - boot.tv_sec) + (double)(real.tv_nsec - boot.tv_nsec) / 1e9;
}

static long count_open_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    long count = -3; /* ".", ".." and the folder's own */

    if (!folder) {
        return 0;
    }
    while (readdir(folder)) {
        count++;
    }
    (void)closedir(folder);
    return count;
}

static void set(struct metrics *metrics, int figure, double value)
{
    metric_set(metrics_family(metrics, &rows[figure]), value, NULL, NULL, NULL);
}

static void collect(void *userdata)
{
    struct metrics *metrics = userdata;
    const double ticks_per_s = (double)sysconf(_SC_CLK_TCK);
    uint64_t fields[FIELDS] = {0};
    struct rlimit limit;

    if (read_stat(fields) == 0) {
        set(metrics, CPU_SECONDS, (double)(fields[USER_TICKS] + fields[SYSTEM_TICKS]) / ticks_per_s);
        set(metrics, RESIDENT_BYTES, (double)fields[PAGES] * (double)sysconf(_SC_PAGESIZE));
        set(metrics, VIRTUAL_BYTES, (double)fields[SIZE_BYTES]);
        set(metrics, START_TIME, boot_time_s() + (double)fields[START_TICKS] / ticks_per_s);
        set(metrics, THREADS, (double)fields[THREAD_COUNT]);
    }
    set(metrics, OPEN_FDS, (double)count_open_fds());
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        set(metrics, MAX_FDS, (double)limit.rlim_cur);
    }
}

int process_metrics_add(struct metrics *metrics)
{
    return metrics_on_collect(metrics, collect, metrics);
}
