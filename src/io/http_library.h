/*
 * libcurl as the HTTP client takes it: started once in the process without what it brings for other protocols, and
 * which authorities it is to trust. Any thread.
 */
#ifndef DDNS53_IO_HTTP_LIBRARY_H
#define DDNS53_IO_HTTP_LIBRARY_H

#include <stdbool.h>

/* False: no memory. */
bool http_library_start(void);

/* The PEM file of AWS_CA_BUNDLE, SSL_CERT_FILE or CURL_CA_BUNDLE, else the system's; NULL: there is none where systems
 * have it, and libcurl may know better. Borrowed from the environment. */
const char *http_library_ca_file(void);

#endif
