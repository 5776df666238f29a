#include "base/process_metrics.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

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

/* The fields of /proc/self/stat that are wanted, as proc(5) numbers them. */
struct stat_fields {
    unsigned long long user_ticks, system_ticks, start_ticks, virtual_bytes;
    long threads, resident_pages;
};

static int read_stat(struct stat_fields *ret)
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");

    if (!file) {
        return -errno;
    }
    size_t length = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    text[length] = '\0';
    const char *after_name = strrchr(text, ')'); /* the name may hold anything */
    if (!after_name ||
        sscanf(after_name + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %ld %*d %llu %llu %ld",
               &ret->user_ticks, &ret->system_ticks, &ret->threads, &ret->start_ticks, &ret->virtual_bytes,
               &ret->resident_pages) != 6) {
        return -EBADMSG;
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
    double ticks_per_s = (double)sysconf(_SC_CLK_TCK);
    struct stat_fields stat;
    struct rlimit limit;

    if (read_stat(&stat) == 0) {
        set(metrics, CPU_SECONDS, (double)(stat.user_ticks + stat.system_ticks) / ticks_per_s);
        set(metrics, RESIDENT_BYTES, (double)stat.resident_pages * (double)sysconf(_SC_PAGESIZE));
        set(metrics, VIRTUAL_BYTES, (double)stat.virtual_bytes);
        set(metrics, START_TIME, boot_time_s() + (double)stat.start_ticks / ticks_per_s);
        set(metrics, THREADS, (double)stat.threads);
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
