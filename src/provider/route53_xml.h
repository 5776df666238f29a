/*
 * What Route 53 is told and what it answers (API 2013-04-01), as pure functions over XML: no call, no state.
 * Whatever a server sends is bounded by base/xml.h and checked here; what makes no sense is -EBADMSG.
 */
#ifndef DDNS53_PROVIDER_ROUTE53_XML_H
#define DDNS53_PROVIDER_ROUTE53_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/name.h"
#include "base/xml.h"
#include "provider/provider.h"

#define ROUTE53_NAMESPACE "https://route53.amazonaws.com/doc/2013-04-01/"
#define ROUTE53_ID_SIZE 33            /* ResourceId: at most 32 characters */
#define ROUTE53_CURSOR_NAME_SIZE 1025 /* DNSName: at most 1024 characters, escapes and all */
#define ROUTE53_IDENTIFIER_SIZE 513   /* ResourceRecordSetIdentifier: at most 128 characters of up to 4 bytes */

/* Appends a ChangeResourceRecordSetsRequest that UPSERTs each, or DELETEs what it `was`; look at buffer_status. */
void route53_write_changes(const struct change_request *const *changes, size_t count, struct buffer *buffer);

/* Undoes octal escapes (`\052` is '*') and normalises. -EINVAL: not a name that could be ours. */
int route53_read_name(const char *text, size_t length, struct name *ret_name);

/* The change that the message of an InvalidChangeBatch is about, PROVIDER_NO_CULPRIT when it cannot be told. */
size_t route53_find_culprit(const char *message, const struct change_request *const *changes, size_t count);

/* Does the message say that what was to be deleted is not there, or is not what it was? */
bool route53_is_outdated(const char *message);

/* The id of ChangeInfo without "/change/", "" when there is none. Borrowed from the document. */
const char *route53_change_id(const struct xml_element *root);

/* GetChangeResponse: is it INSYNC, so that all of Route 53's servers have it? -EBADMSG. */
int route53_read_change(const struct xml_element *root, bool *ret_in_sync);

/* Where the next page of a listing begins; is_set false: there is none. */
struct route53_cursor {
    bool is_set;
    char name[ROUTE53_CURSOR_NAME_SIZE]; /* as the server spelled it */
    char type[16];
    char identifier[ROUTE53_IDENTIFIER_SIZE]; /* "": none */
};

/* The set that was reported last, so that the others of its name and type are not reported again. Zeroed at first,
 * kept from page to page. */
struct route53_last {
    struct name name;
    enum record_type type;
    bool is_set;
    bool is_foreign;
};

/* Calls `each` for the sets of our types in a ListResourceRecordSetsResponse whose names could be ours. Several sets
 * of one name and type count as one with a routing policy. Nothing is called when the page makes no sense. */
int route53_read_page(const struct xml_element *root, struct route53_last *last, provider_each each, void *userdata,
                      struct route53_cursor *ret_next);

/* The one zone of that name and kind in a ListHostedZonesByNameResponse. -ENOENT: none; -ENOTUNIQ: several;
 * -EXDEV: only of the other kind; -EBADMSG. */
int route53_find_zone(const struct xml_element *root, const char *name, bool is_private, char ret_id[ROUTE53_ID_SIZE]);

/* A zone of the account. */
struct route53_hosted_zone {
    struct name name;
    char id[ROUTE53_ID_SIZE];
    const char *comment; /* "": none; borrowed from the document */
    uint64_t record_count;
    bool is_private;
};
typedef void (*route53_each_zone)(const struct route53_hosted_zone *zone, void *userdata);
/* The zone of a GetHostedZoneResponse or a CreateHostedZoneResponse. -EBADMSG; -EINVAL: its name could not be ours. */
int route53_read_hosted(const struct xml_element *root, route53_each_zone each, void *userdata);
/* Calls `each` for the zones of a ListHostedZonesResponse whose names could be ours; `ret_marker` is where the next page
 * begins, "": there is none. Nothing is called when the page makes no sense. */
int route53_read_zones(const struct xml_element *root, route53_each_zone each, void *userdata,
                       char ret_marker[ROUTE53_ID_SIZE]);

/* GetHostedZoneResponse; the name is borrowed from the document, as the server spells it. */
int route53_read_zone(const struct xml_element *root, const char **ret_name, uint64_t *ret_record_count);

#endif
