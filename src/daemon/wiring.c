/* From settings and hosts to a daemon that listens. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "acme/challenge_names.h"
#include "api/routes.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process_metrics.h"
#include "base/service_manager.h"
#include "daemon/control.h"
#include "daemon/daemon.h"
#include "daemon/reload.h"
#include "daemon/work.h"

#define TROUBLE_MS (5 * 60 * 1000)
#define LIMIT_SOURCES 65536
#define LOGINS_MAX 16384 /* addresses that are preferred while all connections are in use */
#define SOCKETS_MAX 16
#define NONCES_PER_HOST 256 /* in ten minutes: one request every two seconds */
#define NONCES_MAX 1000000
#define LINGER_MS 2000      /* for answers to go out at the end */
#define WORKER_STOP_MS 5000 /* for what a worker does at the end */
/* Files besides limits.connections: state, logs, curl, epoll and so on, connections of the admin listener and the control
 * socket, and those of all servers that are about to be closed. */
#define ADMIN_CONNECTIONS 64
#define CONTROL_CONNECTIONS 64
#define CONTROL_FOLDER_MODE 0750
#define SPARE_FILES (256 + ADMIN_CONNECTIONS + CONTROL_CONNECTIONS + 3 * CONNECTIONS_SPARE)

static const struct metric_row updates_row = {
    .name = "ddns53_updates_total",
    .help = "Records that clients asked to set, by how it ended",
    .type = METRIC_COUNTER,
    .labels = {"dialect", "result"},
};
static const struct metric_row requests_row = {
    .name = "ddns53_requests_total",
    .help = "Requests, by how they were answered",
    .type = METRIC_COUNTER,
    .labels = {"dialect", "result"},
};
static const double request_buckets[] = {0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
static const struct metric_row request_seconds_row = {
    .name = "ddns53_request_seconds",
    .help = "Time from the whole request to its answer",
    .type = METRIC_HISTOGRAM,
    .labels = {"dialect"},
    .buckets = request_buckets,
    .bucket_count = ELEMENTS(request_buckets),
};
static const struct metric_row build_info_row = {.name = "ddns53_build_info",
                                                 .help = "The version that runs; always 1",
                                                 .type = METRIC_GAUGE,
                                                 .labels = {"version"}};
static const struct metric_row hosts_row = {.name = "ddns53_hosts",
                                            .help = "Hosts in hosts.yaml",
                                            .type = METRIC_GAUGE};
static const struct metric_row certificate_row = {
    .name = "ddns53_certificate_expiry_timestamp_seconds",
    .help = "When the server's certificate expires, Unix time",
    .type = METRIC_GAUGE,
};

static const struct metric_row lines_lost_row = {
    .name = "ddns53_log_lines_lost_total",
    .help = "Lines of the log that were dropped, its reader being too slow",
    .type = METRIC_COUNTER,
};

static const struct metric_row lines_suppressed_row = {
    .name = "ddns53_log_lines_suppressed_total",
    .help = "Lines about strangers that were only summed up, there being many of them",
    .type = METRIC_COUNTER,
    .labels = {"event"},
};

static const struct metric_row decisions_counted_row = {
    .name = "ddns53_decisions_counted_total",
    .help = "Decisions that were only counted, there being many of them about one host or source or in all",
    .type = METRIC_COUNTER,
};

static const struct metric_row decisions_lost_row = {
    .name = "ddns53_decisions_lost_total",
    .help = "Decisions that were dropped, the disk being too slow or full",
    .type = METRIC_COUNTER,
};

static const char *environment_of(const char *name)
{
    return getenv(name); // NOLINT(concurrency-mt-unsafe): nobody calls setenv
}

static int remember(const struct store_record *record, void *userdata)
{
    records_remember(userdata, record);
    return 0;
}

static int wire_store(struct daemon *daemon, struct buffer *message)
{
    struct state *state = NULL;
    int status = state_open(daemon->started->state_dir, message, &state);

    if (status < 0) {
        return status;
    }
    daemon->store_worker = worker_new(daemon->loop, "store");
    daemon->store = daemon->store_worker ? sqlite_store_new(state, daemon->store_worker) : NULL;
    if (!daemon->store) {
        state_close(state);
        return -ENOMEM;
    }
    return 0;
}

static int wire_records(struct daemon *daemon, const struct hosts *hosts, struct buffer *message)
{
    int status = 0;

    daemon->loop = loop_new(clock_system());
    daemon->records = records_new();
    status = daemon->loop && daemon->records ? records_configure(daemon->records, hosts) : -ENOMEM;
    if (status == 0) {
        status = challenge_names_configure(daemon->records, daemon->started);
    }
    if (status == 0) {
        status = wire_store(daemon, message);
    }
    if (status < 0) {
        return status;
    }
    return daemon->store->ops->each_record(daemon->store, remember, daemon->records, message);
}

static int wire_changes(struct daemon *daemon)
{
    const struct queue_options options = daemon_queue_options(daemon->started);

    daemon->client = http_client_new(daemon->loop);
    if (!daemon->client) {
        return -ENOMEM;
    }
    daemon->queue = queue_new(daemon->loop, daemon->records, daemon->store, daemon->metrics, &options);
    if (!daemon->queue) {
        return -ENOMEM;
    }
    daemon->providers = providers_new(&(struct provider_means){
        .loop = daemon->loop,
        .client = daemon->client,
        .metrics = daemon->metrics,
        .environment = environment_of,
    });
    return daemon->providers ? providers_add_zones(daemon->providers, daemon->started, daemon->queue) : -ENOMEM;
}

static size_t report_trouble(void *userdata, struct buffer *buffer)
{
    const struct daemon *daemon = userdata;
    size_t count = queue_report_trouble(daemon->queue, TROUBLE_MS, buffer);

    count += providers_report_trouble(daemon->providers, buffer);
    return count + certificate_report_trouble(daemon->certificate, clock_realtime_s(clock_system()), buffer);
}

static void collect_figures(void *userdata)
{
    struct daemon *daemon = userdata;
    _cleanup_(hosts_unrefp) struct hosts *hosts = current_hosts(daemon->current);

    metric_set(metrics_family(daemon->metrics, &hosts_row), (double)hosts_count(hosts), NULL, NULL, NULL);
    metric_set(metrics_family(daemon->metrics, &build_info_row), 1, PACKAGE_VERSION, NULL, NULL);
    metric_set(metrics_family(daemon->metrics, &lines_lost_row), (double)log_lines_lost(), NULL, NULL, NULL);
    for (enum log_limited i = 0; i < LOG_LIMITED_KINDS; i++) {
        metric_set(metrics_family(daemon->metrics, &lines_suppressed_row),
                   (double)log_limit_suppressed(daemon->log_limit, i), log_limit_rows[i].event, NULL, NULL);
    }
    metric_set(metrics_family(daemon->metrics, &decisions_counted_row), (double)decisions_counted(daemon->decisions),
               NULL, NULL, NULL);
    metric_set(metrics_family(daemon->metrics, &decisions_lost_row), (double)decisions_lost(daemon->decisions), NULL,
               NULL, NULL);
    reload_figures(daemon);
    if (tls_expires_s(daemon->tls) != 0) {
        metric_set(metrics_family(daemon->metrics, &certificate_row), (double)tls_expires_s(daemon->tls), NULL, NULL,
                   NULL);
    }
}

static int wire_web(struct daemon *daemon, struct buffer *message)
{
    const struct settings *settings = daemon->started;

    daemon->reads = ratelimit_new(settings->reads_per_minute, LIMIT_SOURCES);
    daemon->failures = ratelimit_new(settings->auth_failures_per_minute, LIMIT_SOURCES);
    daemon->logins = logins_new(LOGINS_MAX);
    daemon->replay = replay_new(clock_system(), NONCES_PER_HOST, NONCES_MAX);
    daemon->log_limit = log_limit_new();
    daemon->decisions = decisions_new(&(struct decisions_options){
        .state_dir = settings->state_dir, .bytes = (size_t)settings->decisions_mib << 20, .clock = clock_system()});
    daemon->tls = tls_new();
    if (!daemon->log_limit || !daemon->decisions || !daemon->replay || !daemon->reads || !daemon->failures ||
        !daemon->logins || !daemon->tls || process_metrics_add(daemon->metrics) < 0 ||
        metrics_on_collect(daemon->metrics, collect_figures, daemon) < 0) {
        return -ENOMEM;
    }
    daemon->updater = (struct updater){daemon->records, daemon->queue, clock_system(),
                                       metrics_family(daemon->metrics, &updates_row), daemon->decisions};
    daemon->api_handlers = (struct api){&daemon->updater, daemon->replay, daemon->reads, daemon->failures};
    daemon->service = (struct service){
        .current = daemon->current,
        .handlers = &daemon->api_handlers,
        .log_limit = daemon->log_limit,
        .decisions = daemon->decisions,
        .logins = daemon->logins,
        .clock = clock_system(),
        .requests = metrics_family(daemon->metrics, &requests_row),
        .request_seconds = metrics_family(daemon->metrics, &request_seconds_row),
        .connections_open = metrics_family(daemon->metrics, &connections_open_row),
        .connections_refused = metrics_family(daemon->metrics, &connections_refused_row),
        .connections_closed = metrics_family(daemon->metrics, &connections_closed_row),
    };
    daemon->admin = (struct admin){daemon->metrics, report_trouble, daemon};
    daemon->admin_service = daemon->service;
    daemon->admin_service.handlers = &daemon->admin;
    daemon->admin_service.decisions = NULL; /* nobody asks for a host there */
    daemon->certificate = certificate_new(&(struct certificate_means){
        .loop = daemon->loop,
        .queue = daemon->queue,
        .records = daemon->records,
        .current = daemon->current,
        .metrics = daemon->metrics,
        .tls = daemon->tls,
        .environment = environment_of,
    });
    if (!daemon->certificate) {
        return -ENOMEM;
    }
    daemon->control = (struct control){
        .current = daemon->current,
        .updater = &daemon->updater,
        .records = daemon->records,
        .queue = daemon->queue,
        .tls = daemon->tls,
        .acme = daemon->certificate->acme,
        .challenges = daemon->certificate->challenges,
        .describe = control_describe,
        .reload = reload_ask,
        .userdata = daemon,
    };
    daemon->control_service = daemon->admin_service;
    daemon->control_service.handlers = &daemon->control;
    daemon->started_s = clock_realtime_s(clock_system());
    return settings->tls ? tls_load(daemon->tls, settings, clock_realtime_s(clock_system()), message) : 0;
}

/* systemd makes the folder; without it we do, where we may. */
static void make_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *folder = slash && slash != path ? strndup(path, (size_t)(slash - path)) : NULL;

    if (folder) {
        (void)folder_make(folder, CONTROL_FOLDER_MODE); /* what is wrong shows when the socket is made */
    }
}

/* A socket at which somebody listens is another daemon's. Anything else that is wrong is told, and the hosts are served
 * without an operator's socket. */
static int start_control(struct daemon *daemon, struct buffer *message)
{
    const struct settings *settings = daemon->started;
    _cleanup_buffer_ struct buffer wrong = BUFFER_INIT;
    struct endpoint endpoint = {.unix_path = settings->control_socket};
    const struct server_options options = {
        .what = "control",
        .listen = &endpoint,
        .listen_count = 1,
        .threads = 1,
        .connections = CONTROL_CONNECTIONS,
        .request_ms = settings->request_s * 1000,
        .find = control_route_find,
        .check_peers = true,
    };

    if (!settings->control_socket) {
        return 0;
    }
    if (asprintf(&endpoint.text, "unix:%s", settings->control_socket) < 0) {
        return -ENOMEM;
    }
    make_folder_of(settings->control_socket);
    int r = server_start(&daemon->control_service, &options, &wrong, &daemon->control_server);
    free(endpoint.text);
    if (r == -EADDRINUSE) {
        buffer_printf(message,
                      "another ddns53d listens at the control socket %s; stop that one, or give this one its own "
                      "admin.socket",
                      settings->control_socket);
        return r;
    }
    if (r < 0) {
        log_warning("control_failed", "ddns53ctl cannot reach this daemon: %s; or name another path as admin.socket",
                    wrong.length > 0 ? buffer_text(&wrong) : strerror(-r));
    }
    return 0;
}

/* They are bound, and accept later. */
static int start_servers(struct daemon *daemon, struct buffer *message)
{
    const struct settings *settings = daemon->started;
    int sockets[SOCKETS_MAX];
    struct server_options options = {
        .what = "api",
        .listen = settings->listen,
        .listen_count = settings->listen_count,
        .sockets = sockets,
        .socket_count = service_manager_sockets("api", 1, sockets, ELEMENTS(sockets)),
        .tls = settings->tls ? daemon->tls : NULL,
        .threads = settings->threads,
        .connections = settings->connections,
        .connections_per_address = settings->connections_per_address,
        .request_ms = settings->request_s * 1000,
        .find = route_find,
        .check_api_keys = true,
    };
    if (options.socket_count == 0 && daemon->opened.count > 0) {
        options.sockets = daemon->opened.sockets;
        options.socket_count = daemon->opened.count;
        options.has_own_sockets = true;
    }
    int status = server_start(&daemon->service, &options, message, &daemon->api);

    if (status < 0) {
        return status;
    }
    options = (struct server_options){
        .what = "admin",
        .listen = settings->admin_listen,
        .listen_count = settings->admin_listen ? 1 : 0,
        .sockets = sockets,
        .socket_count = service_manager_sockets("admin", 0, sockets, ELEMENTS(sockets)),
        .threads = 1,
        .connections = ADMIN_CONNECTIONS,
        .request_ms = settings->request_s * 1000,
        .find = admin_route_find,
    };
    if (options.listen_count > 0 || options.socket_count > 0) {
        status = server_start(&daemon->admin_service, &options, message, &daemon->admin_server);
    }
    return status < 0 ? status : start_control(daemon, message);
}

static void raise_file_limit(const struct settings *settings)
{
    rlim_t wanted = (rlim_t)settings->connections + SPARE_FILES;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted) {
        return;
    }
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < wanted) {
        log_warning(
            "file_limit",
            "limits.connections is %u, but only %llu files may be open; raise LimitNOFILE or lower limits.connections",
            settings->connections, (unsigned long long)limit.rlim_cur);
    }
}

static int open_signals(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN); // NOLINT(cert-err33-c)
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* A disk that hangs must not make the end hang: what was acknowledged is on disk already. */
static void stop_workers(struct daemon *daemon)
{
    if (worker_stop(daemon->store_worker, WORKER_STOP_MS) == 0 &&
        (!daemon->providers || providers_stop(daemon->providers, WORKER_STOP_MS) == 0) &&
        certificate_stop(daemon->certificate, WORKER_STOP_MS) == 0) {
        return;
    }
    log_error("stopped", "a disk does not answer; stopping without it: see that the disk of state_dir is healthy");
    log_stop(DAEMON_LOG_MS);
    _exit(EX_IOERR);
}

struct daemon *daemon_new(const char *config)
{
    struct daemon *daemon = calloc(1, sizeof(*daemon));

    if (daemon) {
        daemon->config = config;
        daemon->signals = -1;
        daemon->drained = -1;
        daemon->reload.ended = -1;
    }
    return daemon;
}

static int wire_all(struct daemon *daemon, struct hosts *hosts, struct buffer *message)
{
    int status = wire_records(daemon, hosts, message);

    if (status == 0) {
        status = wire_changes(daemon);
    }
    if (status == 0) {
        status = wire_web(daemon, message);
    }
    if (status == 0) {
        status = start_servers(daemon, message);
    }
    return status;
}

static int begin(struct daemon *daemon)
{
    int status = worker_start(daemon->store_worker, 0);

    if (status == 0) {
        status = decisions_start(daemon->decisions);
    }
    if (status == 0) {
        status = providers_start(daemon->providers);
    }
    if (status == 0) {
        status = certificate_start(daemon->certificate);
    }
    if (status == 0) {
        status = loop_start_thread(daemon->loop);
    }
    if (status < 0) {
        return status;
    }
    daemon->threads = true;
    work_post_start(daemon);
    server_accept(daemon->api);
    if (daemon->admin_server) {
        server_accept(daemon->admin_server);
    }
    if (daemon->control_server) {
        server_accept(daemon->control_server);
    }
    return 0;
}

int daemon_init(struct daemon *daemon, struct settings *settings, struct hosts *hosts, struct buffer *message)
{
    daemon->started = settings_ref(settings);
    daemon->current = current_new(settings, hosts);
    daemon->metrics = metrics_new();
    daemon->drained = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    daemon->signals = open_signals();
    work_init(daemon);
    if (reload_init(daemon) < 0 || !daemon->current || !daemon->metrics || daemon->drained < 0 || daemon->signals < 0) {
        return -ENOMEM;
    }
    raise_file_limit(settings);
    int status = wire_all(daemon, hosts, message);
    if (status == 0) {
        status = begin(daemon);
    }
    /* Who lives on has copied what it needs: a reload is what lets go of secrets. */
    settings_unref(TAKE_PTR(daemon->started));
    return status;
}

/* The operator's first: what it tells of the others is looked up in them. */
static int free_servers(struct daemon *daemon)
{
    struct server **servers[] = {&daemon->control_server, &daemon->api, &daemon->admin_server};

    for (size_t i = 0; i < ELEMENTS(servers); i++) {
        int r = server_free(*servers[i], LINGER_MS);
        if (r < 0) {
            return r;
        }
        *servers[i] = NULL;
    }
    return 0;
}

int daemon_free(struct daemon *daemon)
{
    int r = free_servers(daemon);

    if (r < 0) {
        return r;
    }
    if (daemon->threads) {
        loop_stop(daemon->loop);
        loop_join_thread(daemon->loop);
    }
    stop_workers(daemon);
    queue_free(daemon->queue);
    certificate_free(daemon->certificate);
    providers_free(daemon->providers);
    http_client_free(daemon->client);
    if (daemon->store) {
        daemon->store->ops->free(daemon->store);
    }
    worker_free(daemon->store_worker);
    loop_free(daemon->loop);
    records_free(daemon->records);
    tls_free(daemon->tls);
    ratelimit_free(daemon->reads);
    ratelimit_free(daemon->failures);
    logins_free(daemon->logins);
    replay_free(daemon->replay);
    log_limit_flush(daemon->log_limit);
    log_limit_free(daemon->log_limit);
    decisions_free(daemon->decisions);
    metrics_free(daemon->metrics);
    current_free(daemon->current);
    settings_unref(daemon->started);
    reload_done(daemon);
    if (daemon->drained >= 0) {
        close(daemon->drained);
    }
    if (daemon->signals >= 0) {
        close(daemon->signals);
    }
    free(daemon);
    return 0;
}
