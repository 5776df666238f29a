#include "api/list_hosts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A piece ends with so many bytes, or after so many hosts, of which not all may be shown. */
#define PIECE_BYTES 16384
#define PIECE_HOSTS 2000

struct listing {
    struct hosts *hosts;
    const struct host *asking;
    const struct host *const *group;
    size_t count;
    size_t next;         /* of the group */
    bool has_row;        /* a comma goes before the next one */
    bool is_over;        /* the last piece is made */
    struct buffer piece; /* the current one */
    size_t read;         /* of it */
};

/* Neither a name nor a MAC address has a character that JSON escapes. */
static void append_row(struct listing *listing, const struct host *host, enum record_type type, struct buffer *buffer)
{
    const char *mac_address = host->more->mac_address;
    const char *quote = mac_address ? "\"" : "";

    buffer_append_text(buffer, listing->has_row ? ", {\"record_type\": \"" : "{\"record_type\": \"");
    buffer_append_text(buffer, record_type_text(type));
    buffer_append_text(buffer, "\", \"hostname\": \"");
    buffer_append_text(buffer, host->hostname);
    buffer_append_text(buffer, "\", \"mac_address\": ");
    buffer_append_text(buffer, quote);
    buffer_append_text(buffer, mac_address ? mac_address : "null");
    buffer_append_text(buffer, quote);
    buffer_append_char(buffer, '}');
    listing->has_row = true;
}

/* A host that has the secret only as its previous one is of another group by now. */
static void append_host(struct listing *listing, const struct host *host, struct buffer *buffer)
{
    const bool shares = constant_time_equal(host->secret->sha256, listing->asking->secret->sha256, SHA256_SIZE);

    for (unsigned type = 0; type < RECORD_TYPE_COUNT && shares && host->read_privilege; type++) {
        if (host_has_type(host, (enum record_type)type)) {
            append_row(listing, host, (enum record_type)type, buffer);
        }
    }
}

/* Makes the next piece, of at least a byte. */
static int make_piece(struct listing *listing)
{
    struct buffer *piece = &listing->piece;

    listing->read = 0;
    for (size_t i = 0; i < PIECE_HOSTS && listing->next < listing->count && piece->length < PIECE_BYTES; i++) {
        append_host(listing, listing->group[listing->next++], piece);
    }
    listing->is_over = listing->next == listing->count;
    if (listing->is_over) {
        buffer_append_text(piece, "], \"return_status\": \"success\"}");
    } else if (piece->length == 0) {
        buffer_append_char(piece, ' '); /* there is more, and JSON does not mind */
    }
    return buffer_status(piece);
}

struct listing *listing_new(struct hosts *hosts, const struct host *asking)
{
    _cleanup_(listing_freep) struct listing *listing = calloc(1, sizeof(*listing));

    if (!listing) {
        return NULL;
    }
    listing->hosts = hosts_ref(hosts);
    listing->asking = asking;
    listing->group = hosts_by_secret(hosts, asking->secret->sha256, &listing->count);
    buffer_append_text(&listing->piece, "{\"return_message\": [");
    return make_piece(listing) < 0 ? NULL : TAKE_PTR(listing);
}

void listing_free(struct listing *listing)
{
    if (listing) {
        hosts_unref(listing->hosts);
        buffer_done(&listing->piece);
        free(listing);
    }
}

bool listing_take(struct listing *listing, struct buffer *ret_text)
{
    if (!listing->is_over) {
        return false;
    }
    *ret_text = listing->piece;
    listing->piece = (struct buffer)BUFFER_INIT;
    return true;
}

ssize_t listing_read(struct listing *listing, char *ret_bytes, size_t size)
{
    struct buffer *piece = &listing->piece;

    if (listing->read == piece->length) {
        if (listing->is_over) {
            return 0;
        }
        buffer_clear(piece);
        const int r = make_piece(listing);
        if (r < 0) {
            return r;
        }
    }
    const size_t left = piece->length - listing->read, taken = left < size ? left : size;
    memcpy(ret_bytes, piece->data + listing->read, taken);
    listing->read += taken;
    return (ssize_t)taken;
}
