/* The same text as X-Forwarded-For and as Forwarded, from a proxy that is trusted and from a stranger. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "web/client_address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct prefix trusted[] = {{{ADDRESS_IPV4, {10}}, 8}, {{ADDRESS_IPV6, {0x20, 0x01, 0x0d, 0xb8}}, 48}};
    static const struct address proxy = {ADDRESS_IPV4, {10, 0, 0, 1}};
    static const struct address stranger = {ADDRESS_IPV4, {198, 18, 7, 9}};
    _cleanup_free_ char *text = strndup(size > 0 ? (const char *)data : "", size);
    struct address source = {0};

    if (text == NULL) {
        return 0;
    }
    const struct client_headers variants[] = {
        {PROXY_X_FORWARDED_FOR, text, NULL},
        {PROXY_X_FORWARDED_FOR, text, text},
        {PROXY_FORWARDED, NULL, text},
    };
    for (size_t i = 0; i < ELEMENTS(variants); i++) {
        source = (struct address){0};
        if (client_address(&proxy, trusted, ELEMENTS(trusted), &variants[i], &source) == 0 &&
            source.family == ADDRESS_NONE) {
            abort();
        }
        if (client_address(&stranger, trusted, ELEMENTS(trusted), &variants[i], &source) != 0 ||
            !address_equal(&source, &stranger)) {
            abort();
        }
    }
    return 0;
}
