/* Any text as a domain name: what parses is normalised, of bounded length, and parses to itself. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void check_labels(const char *text)
{
    size_t labels = 0;
    for (const char *label = text; *label != '\0'; labels++) {
        size_t length = strcspn(label, ".");
        insist(length >= 1 && length <= 63 && label[length] == '.');
        insist(strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") == length ||
               (labels == 0 && length == 1 && label[0] == '*'));
        label += length + 1;
    }
    insist(labels >= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct name name;
    struct name again;
    const char *reason = NULL;
    int r = name_parse((const char *)data, size, &name, &reason);
    if (r != 0) {
        insist(r == -EINVAL && reason != NULL);
        return 0;
    }
    size_t length = strlen(name.text);
    insist(length <= 254 && (length == size || length == size + 1));
    check_labels(name.text);
    insist(name_parse(name.text, length, &again, NULL) == 0 && strcmp(name.text, again.text) == 0);
    insist(name_is_within(name.text, strchr(name.text, '.')[1] != '\0' ? strchr(name.text, '.') + 1 : name.text));
    return 0;
}
