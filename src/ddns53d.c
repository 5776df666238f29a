/* ddns53d: arguments and exit codes; src/daemon/ does the rest. */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/log.h"
#include "base/secret.h"
#include "base/standard_files.h"
#include "config/value.h"
#include "daemon/daemon.h"

#define LARGE_BLOCK_BYTES (128 * 1024)

struct arguments {
    const char *config;
    const char *user; /* to run or to check as; NULL: as is, or see daemon_check */
    bool check;
    bool health;
    bool dump_config;
    bool verbose;
};

static void print_problems(const struct problems *problems, void *userdata)
{
    const char *line;

    (void)userdata;
    for (size_t i = 0; (line = problems_warning_text(problems, i)); i++) {
        (void)fprintf(stderr, "warning: %s\n", line);
    }
    for (size_t i = 0; (line = problems_text(problems, i)); i++) {
        (void)fprintf(stderr, "%s\n", line);
    }
}

/* For the journal, which shows errors by their priority. */
static void log_start_problems(const struct problems *problems, void *userdata)
{
    const char *line;

    (void)userdata;
    for (size_t i = 0; (line = problems_warning_text(problems, i)); i++) {
        log_warning("config_warning", "%s", line);
    }
    for (size_t i = 0; (line = problems_text(problems, i)); i++) {
        log_error("config_error", "%s", line);
    }
}

/* Takes settings and hosts: nothing here may keep the first table once a reload has put another in its place. */
static int run(const struct arguments *arguments, const struct opened *opened, struct settings *settings,
               struct hosts *hosts)
{
    struct daemon *daemon = daemon_new(arguments->config);
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    int status = daemon ? log_start() : -ENOMEM;

    if (daemon) {
        daemon->opened = *opened;
    }

    if (status == 0) {
        status = daemon_init(daemon, settings, hosts, &message);
    }
    settings_unref(settings);
    hosts_unref(hosts);
    if (status == 0) {
        int exit_status = daemon_serve(daemon);
        log_stop(DAEMON_LOG_MS);
        return exit_status;
    }
    /* Before the log's last line, which is to be the reason. Nothing was accepted, so that the servers can be freed. */
    if (daemon) {
        (void)daemon_free(daemon);
    }
    log_error("start_failed", "%s", message.length > 0 ? buffer_text(&message) : strerror(-status));
    log_stop(DAEMON_LOG_MS);
    return status == -EINVAL ? EX_CONFIG : EX_UNAVAILABLE;
}

static const char usage[] =
    "usage: ddns53d [--config FILE] [--user NAME] [--check | --health | --dump-config] [--verbose]\n"
    "A dynamic-DNS server: hosts tell it their address over HTTPS, it tells Route 53.\n"
    "\n"
    "  -c, --config FILE  settings (default " SYSCONFDIR "/ddns53/ddns53d.yaml)\n"
    "      --check        check settings, hosts, certificate and folders, tell everything that is wrong, and end\n"
    "      --health       ask the daemon that runs with these settings whether all is well; status 0, or 1 and why "
    "not\n"
    "      --user NAME    as root: bind server.listen, then become that user, without any privilege\n"
    "                     with --check: judge as that user (default: the owner of state_dir)\n"
    "      --dump-config  print the settings in force, defaults included, secrets masked\n"
    "  -v, --verbose      log every request that changed nothing as well\n"
    "      --version      print the version\n"
    "  -h, --help         print this\n"
    "\n"
    "SIGHUP reloads settings, hosts and certificate; SIGTERM finishes what is queued and ends.\n"
    "See ddns53d(8), ddns53d.yaml(5), ddns53-hosts.yaml(5) and ddns53-api(7).\n";

static int finish_output(void)
{
    return standard_output_finish("ddns53d") < 0 ? EX_IOERR : EXIT_SUCCESS;
}

/* -1: go on; otherwise the status to exit with. */
static int read_arguments(int argc, char **argv, struct arguments *ret)
{
    enum { CHECK = 256, HEALTH, USER, DUMP_CONFIG, VERSION_OPTION };
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, CHECK},
        {"health", no_argument, NULL, HEALTH},
        {"user", required_argument, NULL, USER},
        {"dump-config", no_argument, NULL, DUMP_CONFIG},
        {"verbose", no_argument, NULL, 'v'},
        {"version", no_argument, NULL, VERSION_OPTION},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    *ret = (struct arguments){.config = SYSCONFDIR "/ddns53/ddns53d.yaml"};
    while ((option = getopt_long(argc, argv, "c:vh", options, NULL)) !=
           -1) { // NOLINT(concurrency-mt-unsafe): no thread yet
        switch (option) {
        case 'c': ret->config = optarg; break;
        case CHECK: ret->check = true; break;
        case HEALTH: ret->health = true; break;
        case USER: ret->user = optarg; break;
        case DUMP_CONFIG: ret->dump_config = true; break;
        case 'v': ret->verbose = true; break;
        case VERSION_OPTION: (void)puts("ddns53d " PACKAGE_VERSION); return finish_output();
        case 'h': (void)fputs(usage, stdout); return finish_output();
        default: (void)fputs(usage, stderr); return EX_USAGE;
        }
    }
    const char *wrong = optind < argc ? "there are no arguments but options" : NULL;
    if (ret->check + ret->dump_config + ret->health > 1) {
        wrong = "--check, --health and --dump-config exclude each other";
    } else if (ret->user && (ret->dump_config || ret->health)) {
        wrong = "--user belongs to --check, or to a daemon that runs";
    }
    if (wrong) {
        (void)fprintf(stderr, "ddns53d: %s\n%s", wrong, usage);
        return EX_USAGE;
    }
    return -1;
}

static int dump_config(const struct settings *settings)
{
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;

    settings_dump(settings, &buffer);
    if (buffer_status(&buffer) < 0) {
        (void)fputs("ddns53d: no memory for the settings\n", stderr);
        return EX_OSERR;
    }
    (void)fputs(buffer_text(&buffer), stdout);
    return finish_output();
}

/* Root no more, once this has returned 0. */
static int become(const struct arguments *arguments, struct opened *opened)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    const struct passwd *user = NULL;
    int status = user_find(arguments->user, &message, &user);

    if (status == 0) {
        int r = user_become(arguments->config, user, log_start_problems, &message, opened);
        status = r == 0 ? 0 : r == -EINVAL ? EX_CONFIG : EX_UNAVAILABLE;
    }
    if (status != 0 && message.length > 0) {
        log_error("start_failed", "%s", buffer_text(&message));
    }
    memory_hide(); /* a process that has changed its user may be looked at again */
    return status;
}

int main(int argc, char **argv)
{
    _cleanup_(settings_unrefp) struct settings *settings = NULL;
    _cleanup_(hosts_unrefp) struct hosts *hosts = NULL;
    struct arguments arguments;
    struct opened opened = {.count = 0};

    memory_hide();
    /* A fixed limit: once a large block was freed, malloc would take the next ones from the heap, where one that is
     * empty (a table of 2 MB for strangers) is zeroed, and so resident. It would also keep twice as much at the end of a
     * thread's heap, which malloc_trim leaves alone. */
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES);
    standard_files_hold();
    int status = read_arguments(argc, argv, &arguments);

    if (status >= 0) {
        return status;
    }
    log_init(arguments.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    if (crypto_init() < 0) {
        log_error("start_failed", "libsodium cannot be initialised; is there a source of random numbers?");
        return EX_OSERR;
    }
    if (arguments.check) {
        return daemon_check(arguments.config, arguments.user, print_problems, finish_output);
    }
    if (arguments.health) {
        return daemon_health(arguments.config, print_problems, finish_output);
    }
    if (arguments.user) {
        status = become(&arguments, &opened);
        if (status != 0) {
            return status;
        }
    }
    status = daemon_load_files(arguments.config, NULL, NULL, NULL,
                               arguments.dump_config ? print_problems : log_start_problems, NULL, &settings, &hosts);
    if (status == -ENOMEM) {
        log_error("start_failed", "no memory for the settings and the hosts");
        return EX_OSERR;
    }
    if (status < 0) {
        return EX_CONFIG;
    }
    if (arguments.dump_config) {
        return dump_config(settings);
    }
    if (value_are_credentials_hidden()) {
        log_error("start_failed",
                  "$CREDENTIALS_DIRECTORY names a folder that this user cannot enter; unset it, or mend "
                  "LoadCredential= of the unit");
        return EX_CONFIG;
    }
    return run(&arguments, &opened, TAKE_PTR(settings), TAKE_PTR(hosts));
}
