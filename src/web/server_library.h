/*
 * Where libmicrohttpd 0.9.75 would act by itself, and we don't want it to. It calls three of its own public functions
 * through the dynamic linker, which finds the program's first, and server_library.c defines them:
 *   MHD_set_connection_value_n, by which it keeps a header once it has the next line. A line with nothing but a colon
 *   looks like an empty one afterwards, but not yet then: it is refused.
 *   MHD_lookup_connection_value_n, by which it learns how long a body is. It reads a malformed length as a second
 *   answer and runs out of memory over cookies: it is told what body_framing made of the headers, and no cookies.
 *   MHD_queue_response, by which it answers what is no HTTP: its status is kept, its words are ours.
 * A library that is linked otherwise answers in its own words; server_check refuses the same requests in any case.
 * Worker threads.
 */
#ifndef DDNS53_WEB_SERVER_LIBRARY_H
#define DDNS53_WEB_SERVER_LIBRARY_H

#include <microhttpd.h>
#include <stdbool.h>

/* libmicrohttpd's own MHD_queue_response: what our answers go through. */
enum MHD_Result library_queue_response(struct MHD_Connection *mhd, unsigned status, struct MHD_Response *response);

/* Does it take heads apart in place (see head.h)? Those before 0.9.77 do. */
bool library_parses_in_place(void);

#endif
