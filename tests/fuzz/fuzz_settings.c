/* Any text as ddns53d.yaml: settings whose dump loads again and dumps the same, or at least one problem. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/problems.h"
#include "config/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct settings *load(const char *text, size_t length)
{
    struct problems *problems = problems_new("ddns53d.yaml");
    struct settings *settings = NULL;

    assert(problems != NULL);
    int r = settings_load_text(text, length, "/nowhere/ddns53d.yaml", problems, &settings);
    assert((r == 0) == (problems_count(problems) == 0) && (r == 0) == (settings != NULL));
    problems_free(problems);
    return settings;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer first = BUFFER_INIT, second = BUFFER_INIT, restart = BUFFER_INIT;
    struct settings *settings = load((const char *)data, size);

    if (settings == NULL) {
        return 0;
    }
    settings_dump(settings, &first);
    struct settings *again = load(buffer_text(&first), first.length);
    assert(again != NULL);
    settings_dump(again, &second);
    assert(strcmp(buffer_text(&first), buffer_text(&second)) == 0);
    if (settings_merge(settings, again, &restart) < 0) {
        abort();
    }
    assert(restart.length == 0);

    settings_unref(settings);
    settings_unref(again);
    buffer_done(&first);
    buffer_done(&second);
    buffer_done(&restart);
    return 0;
}
