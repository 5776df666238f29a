#include "ctl/init_files.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define SAMPLE_MAX_BYTES ((size_t)64 * 1024)

void place_done(struct place *place)
{
    free(place->settings);
    free(place->hosts);
}

int place_find(const char *config, const char *group, struct place *ret_place)
{
    const struct group *entry = getgrnam(group ? group : "ddns53"); // NOLINT(concurrency-mt-unsafe): one thread

    if (group && !entry) {
        ctl_error("--group %s: there is no such group; adduser --system --group makes it", group);
        return EXIT_UNKNOWN;
    }
    ret_place->has_group = entry != NULL && geteuid() == 0;
    ret_place->group = entry ? entry->gr_gid : 0;
    ret_place->settings = strdup(config);
    ret_place->hosts = path_beside(config, "hosts.yaml");
    return ret_place->settings && ret_place->hosts ? EXIT_FINE : ctl_no_memory();
}

static bool is_there(const char *path)
{
    struct stat info;

    return lstat(path, &info) == 0;
}

/* The first lines of the samples in etc/. */
static const char settings_sample[] = "# Settings of ddns53d, each with its default; what you leave out has it too.";
static const char hosts_sample[] = "# Who may set which record. See ddns53-hosts.yaml(5).";

static bool begins_with(const char *path, const char *words)
{
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;

    return file_read(path, SAMPLE_MAX_BYTES, &text, NULL) == 0 &&
           strncmp(buffer_text(&text), words, strlen(words)) == 0;
}

/* The files that an installation leaves, which nobody has made their own yet: a zone that nobody can have (RFC 2606), and
 * no host. */
static bool are_samples(const struct place *place)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new(place->settings);
    _cleanup_(settings_unrefp) struct settings *settings = NULL;
    _cleanup_(hosts_unrefp) struct hosts *hosts = NULL;

    return problems && begins_with(place->settings, settings_sample) && begins_with(place->hosts, hosts_sample) &&
           settings_load(place->settings, problems, &settings) == 0 &&
           hosts_load(settings->hosts_file, settings, NULL, problems, &hosts) == 0 && settings->zone_count == 1 &&
           strcmp(settings->zones[0].name.text, "example.com.") == 0 && hosts_count(hosts) == 0;
}

static int move_aside(const char *path)
{
    _cleanup_buffer_ struct buffer aside = BUFFER_INIT;

    buffer_printf(&aside, "%s.sample", path);
    if (buffer_status(&aside) < 0) {
        return ctl_no_memory();
    }
    if (renameat2(AT_FDCWD, path, AT_FDCWD, buffer_text(&aside), RENAME_NOREPLACE) < 0) {
        ctl_error("%s: the sample cannot be moved to %s: %s; move it away", path, buffer_text(&aside), strerror(errno));
        return EXIT_EXISTS;
    }
    return EXIT_FINE;
}

static int refuse_existing(const struct place *place)
{
    for (int i = 0; i < 2; i++) {
        const char *path = i == 0 ? place->settings : place->hosts;
        if (is_there(path)) {
            ctl_error("%s is there already, and is not overwritten: edit it, or move it away", path);
            return EXIT_EXISTS;
        }
    }
    return EXIT_FINE;
}

/* Whoever makes one of them from now on keeps it, too: see create. */
static int make_room(const struct place *place)
{
    if (!are_samples(place)) {
        return refuse_existing(place);
    }
    int status = move_aside(place->settings);
    return status == EXIT_FINE ? move_aside(place->hosts) : status;
}

int place_is_free(const struct place *place)
{
    return are_samples(place) ? EXIT_FINE : refuse_existing(place);
}

static int fill(const struct place *place, int fd, const char *text)
{
    int r = file_write_all(fd, text, strlen(text));

    if (r < 0) {
        return r;
    }
    if (fsync(fd) < 0 || (place->has_group && (fchown(fd, (uid_t)-1, place->group) < 0 || fchmod(fd, 0640) < 0))) {
        return -errno;
    }
    return 0;
}

/* A new file, readable by the owner and the service's group. */
static int create(const struct place *place, const char *path, const char *text)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    int r = fd < 0 ? -errno : fill(place, fd, text);

    if (r < 0) {
        const char *advice = file_advice(r);
        if (fd >= 0) {
            (void)unlink(path); /* ours, and of no use */
        }
        ctl_error("%s: cannot be written: %s%s%s", path, strerror(-r), advice ? "; " : "", advice ? advice : "");
        return r == -EACCES || r == -EPERM ? EXIT_FORBIDDEN : EXIT_EXISTS;
    }
    return EXIT_FINE;
}

static int make_folder(const char *path)
{
    _cleanup_free_ char *folder = strdup(path);
    char *slash = folder ? strrchr(folder, '/') : NULL;

    if (!folder) {
        return ctl_no_memory();
    }
    if (!slash || slash == folder) {
        return EXIT_FINE;
    }
    *slash = '\0';
    int r = folder_make(folder, 0755);
    if (r < 0) {
        ctl_error("%s: the folder cannot be made: %s", folder, strerror(-r));
        return r == -EACCES || r == -EPERM ? EXIT_FORBIDDEN : EXIT_EXISTS;
    }
    return EXIT_FINE;
}

/* Nothing is written that the daemon would refuse. */
static int prove(const struct place *place, const struct buffer *text)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new(place->settings);
    _cleanup_(settings_unrefp) struct settings *settings = NULL;

    if (!problems || buffer_status(text) < 0) {
        return ctl_no_memory();
    }
    int r = settings_load_text(buffer_text(text), text->length, place->settings, problems, &settings);
    ctl_tell_problems(problems);
    if (r == -ENOMEM) {
        return ctl_no_memory();
    }
    if (r < 0) {
        ctl_error("init: correct the options; nothing was written");
        return EXIT_SETTINGS;
    }
    return EXIT_FINE;
}

int place_write(const struct place *place, const struct buffer *settings, const char *hosts)
{
    int status = prove(place, settings);

    if (status == EXIT_FINE) {
        status = make_folder(place->settings);
    }
    if (status == EXIT_FINE) {
        status = make_room(place);
    }
    if (status == EXIT_FINE) {
        status = create(place, place->hosts, hosts);
    }
    if (status == EXIT_FINE) {
        status = create(place, place->settings, buffer_text(settings));
        if (status != EXIT_FINE) {
            (void)unlink(place->hosts);
        }
    }
    return status;
}
