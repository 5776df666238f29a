/*
 * The shared files of the AWS SDKs: an INI form with profiles as sections, read with their own rules about names
 * ("[profile x]" in the config file, "[x]" in the credentials file), comments and indented sub-settings. What a file
 * held is wiped when it is freed. Pure but for the loading; loop thread only.
 */
#ifndef DDNS53_AWS_CREDENTIALS_FILE_H
#define DDNS53_AWS_CREDENTIALS_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "aws/credentials.h"
#include "base/buffer.h"

enum profile_naming {
    PROFILES_OF_CREDENTIALS, /* [x] */
    PROFILES_OF_CONFIG,      /* [profile x], [default] */
    PROFILES_OF_EITHER,      /* one file for both */
};

struct profile_file;

/* -EINVAL: not of the form; the line (from 1) and a constant phrase about it in `ret_line` and `ret_reason`, which are
 * set in this case only. -ENOMEM. */
int profile_file_parse(const char *text, size_t length, enum profile_naming naming, struct profile_file **ret_file,
                       unsigned *ret_line, const char **ret_reason);
void profile_file_free(struct profile_file *file);
DEFINE_CLEANUP(struct profile_file *, profile_file_free)

bool profile_file_has(const struct profile_file *file, const char *profile);
/* The last one of that name (keys are lower case); NULL: none. Borrowed. */
const char *profile_file_get(const struct profile_file *file, const char *profile, const char *key);

/* The files of an environment, in their order: $CREDENTIALS_DIRECTORY/aws, AWS_SHARED_CREDENTIALS_FILE or
 * ~/.aws/credentials, AWS_CONFIG_FILE or ~/.aws/config. */
#define SHARED_FILES_MAX 3
struct shared_file {
    char *path;
    struct profile_file *file; /* NULL: it could not be read */
    int error;                 /* of reading: 0 or a negative errno */
};
struct shared_files {
    struct shared_file files[SHARED_FILES_MAX];
    size_t count;
};

/* -EINVAL: one is not of the form, with a sentence in `message`. -ENOMEM. A file that cannot be read is no error. */
int shared_files_load(environment getenv_like, struct shared_files *ret_files, struct buffer *message);
void shared_files_done(struct shared_files *files);

/* The first file that has the profile, or that has the key in it; NULL: none. */
const struct shared_file *shared_files_find(const struct shared_files *files, const char *profile);
const struct shared_file *shared_files_find_key(const struct shared_files *files, const char *profile, const char *key);
const char *shared_files_get(const struct shared_files *files, const char *profile, const char *key);

/* "A, B (Permission denied) and C", for messages. */
void shared_files_describe(const struct shared_files *files, struct buffer *buffer);

#endif
