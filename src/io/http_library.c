#include "io/http_library.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Of libssh2, which libcurl brings for protocols that are not used here; NULL where libcurl was built without it. */
extern int libssh2_init(int flags) __attribute__((weak));
#define LIBSSH2_WITHOUT_CRYPTO 1 /* LIBSSH2_INIT_NO_CRYPTO of libssh2.h */

static bool curl_is_ready;

static void init_curl(void)
{
    /* libcurl starts it with everything it has, and Debian's then sets up all of OpenSSL: 1.4 MB that nothing else in this
     * process needs. The first to start it decides. */
    if (libssh2_init) {
        (void)libssh2_init(LIBSSH2_WITHOUT_CRYPTO);
    }
    curl_is_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

bool http_library_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, init_curl);
    return curl_is_ready;
}

const char *http_library_ca_file(void)
{
    static const char *const names[] = {"AWS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"};
    static const char *const of_systems[] = {
        "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
        "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora */
    };

    for (size_t i = 0; i < ELEMENTS(names); i++) {
        const char *value = getenv(names[i]);
        if (value && *value) {
            return value;
        }
    }
    for (size_t i = 0; i < ELEMENTS(of_systems); i++) {
        if (access(of_systems[i], R_OK) == 0) {
            return of_systems[i];
        }
    }
    return NULL;
}
