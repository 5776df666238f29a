/* The shared credentials file: the first byte chooses which kind of file it is. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "aws/credentials_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = {"aws_access_key_id", "aws_secret_access_key", "role_arn", "source_profile"};
    static const char *const profiles[] = {"default", "x"};
    struct profile_file *file = NULL;
    const char *reason = NULL;
    unsigned line = 0;

    if (size == 0) {
        return 0;
    }
    const enum profile_naming naming = (enum profile_naming)(data[0] % 3);
    if (profile_file_parse((const char *)data + 1, size - 1, naming, &file, &line, &reason) < 0) {
        assert(reason && *reason);
        return 0;
    }
    for (size_t p = 0; p < ELEMENTS(profiles); p++) {
        for (size_t k = 0; k < ELEMENTS(keys); k++) {
            const char *value = profile_file_get(file, profiles[p], keys[k]);
            assert(!value || profile_file_has(file, profiles[p]));
            assert(!value || !strchr(value, '\n')); /* one line each */
        }
    }
    profile_file_free(file);
    return 0;
}
