#include "web/server_certificate_source.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/file.h"

int certificate_sources_find(const struct settings *settings, struct certificate_sources *ret_sources)
{
    *ret_sources = (struct certificate_sources){
        .named = {settings->certificate, settings->private_key, settings->second_certificate,
                  settings->second_private_key, false},
        .own_certificate = path_join(settings->state_dir, "certificate.pem"),
        .own_key = path_join(settings->state_dir, "private_key.pem"),
    };
    if (!ret_sources->own_certificate || !ret_sources->own_key) {
        return -ENOMEM;
    }
    ret_sources->own = (struct certificate_source){.certificate = ret_sources->own_certificate,
                                                   .private_key = ret_sources->own_key,
                                                   .is_self_signed = true};
    if (!acme_is_on(settings)) {
        return 0;
    }
    int r = acme_wanted_read(settings, &ret_sources->wanted);
    if (r == 0) {
        ret_sources->obtained = (struct certificate_source){.certificate = ret_sources->wanted.certificate,
                                                            .private_key = ret_sources->wanted.private_key};
    }
    return r == -ENOENT ? 0 : r;
}

void certificate_sources_done(struct certificate_sources *sources)
{
    acme_wanted_done(&sources->wanted);
    free(TAKE_PTR(sources->own_certificate));
    free(TAKE_PTR(sources->own_key));
}

bool certificate_source_is_there(const struct certificate_source *source)
{
    struct stat info;

    return source->certificate && stat(source->certificate, &info) == 0 && stat(source->private_key, &info) == 0;
}

const struct certificate_source *certificate_sources_choose(const struct certificate_sources *sources)
{
    if (sources->named.certificate) {
        return &sources->named;
    }
    return certificate_source_is_there(&sources->obtained) ? &sources->obtained : &sources->own;
}

static void read_one(const char *path, struct stat *ret_info)
{
    if (!path || stat(path, ret_info) < 0) {
        *ret_info = (struct stat){.st_size = 0};
    }
}

void certificate_mark_read(const struct certificate_source *source, struct certificate_mark *ret_mark)
{
    const char *const paths[] = {source->certificate, source->private_key, source->second_certificate,
                                 source->second_private_key};

    for (size_t i = 0; i < ELEMENTS(paths); i++) {
        read_one(paths[i], &ret_mark->files[i]);
    }
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* What stat(2) says changes with each way of writing a file, renaming another in its place included. */
static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           is_same_time(&a->st_mtim, &b->st_mtim) && is_same_time(&a->st_ctim, &b->st_ctim);
}

bool certificate_mark_equals(const struct certificate_mark *a, const struct certificate_mark *b)
{
    for (size_t i = 0; i < ELEMENTS(a->files); i++) {
        if (!is_same_file(&a->files[i], &b->files[i])) {
            return false;
        }
    }
    return true;
}
