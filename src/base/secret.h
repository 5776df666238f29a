/*
 * A secret that cannot be logged by accident, is wiped when it is freed, and is compared in constant time.
 * The bytes come out only through secret_bytes, so that every use can be found by grep.
 * A reference count (atomic) lets snapshots share one: secret_ref adds an owner, secret_free drops one.
 */
#ifndef DDNS53_BASE_SECRET_H
#define DDNS53_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define SHA256_SIZE 32

struct secret;

/* Copies; returns owned, NULL when memory runs out. */
struct secret *secret_new(const void *bytes, size_t length);
/* A copy in memory of the caller's, which has secret_size(length) bytes, is aligned for a pointer, and wipes it: such a
 * secret is neither shared nor freed. At most UINT32_MAX bytes. */
size_t secret_size(size_t length);
struct secret *secret_place(void *memory, const void *bytes, size_t length);
struct secret *secret_ref(struct secret *secret); /* returns owned, the same one; NULL stays NULL */
void secret_free(struct secret *secret);
DEFINE_CLEANUP(struct secret *, secret_free)

const uint8_t *secret_bytes(const struct secret *secret);
size_t secret_length(const struct secret *secret);

/* Constant time in the length of `bytes`. */
bool secret_equals(const struct secret *secret, const void *bytes, size_t length);

/* First line of a regular file, without its newline (LF or CR LF). -EFBIG: longer than 4096 bytes, -EINVAL: empty
 * or with a NUL, -EISDIR, else errno of open and read. */
int secret_read_file(const char *path, struct secret **ret_secret);

/* Random numbers, comparing and wiping are libsodium's; call crypto_init once at start (0 or -EIO). Hashing is nettle's,
 * which uses the instructions that the processor has for it. */
int crypto_init(void);

struct bytes {
    const void *data;
    size_t length;
};
/* SHA-256 of the parts one after the other. */
void sha256(const struct bytes *parts, size_t count, uint8_t ret_digest[SHA256_SIZE]);
void hmac_sha256(const void *key, size_t key_length, const struct bytes *parts, size_t count,
                 uint8_t ret_digest[SHA256_SIZE]);
/* The same, with the work that a last part (sha256_even) or a key (hmac_sha256_even) of `longest` bytes would take, so
 * that the time does not tell how long that one is. A longer one takes its own. */
void sha256_even(const struct bytes *parts, size_t count, size_t longest, uint8_t ret_digest[SHA256_SIZE]);
void hmac_sha256_even(const void *key, size_t key_length, size_t longest, const struct bytes *parts, size_t count,
                      uint8_t ret_digest[SHA256_SIZE]);
/* Both of `length` bytes; constant time. */
bool constant_time_equal(const void *a, const void *b, size_t length);
void wipe(void *bytes, size_t length);
uint32_t random_uniform(uint32_t upper_bound); /* 0 <= value < upper_bound */
void random_bytes(void *ret_bytes, size_t length);

#endif
