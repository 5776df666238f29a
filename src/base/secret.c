#include "base/secret.h"

#include <errno.h>
#include <nettle/hmac.h>
#include <nettle/sha2.h>
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>

#include "base/file.h"

#define LINE_MAX_BYTES 4096

/* Plain malloc: a guarded page each (sodium_malloc) would be too dear for a million hosts. */
struct secret {
    atomic_uint owners;
    uint32_t length;
    uint8_t bytes[]; /* and a NUL that does not count */
};

size_t secret_size(size_t length)
{
    return sizeof(struct secret) + length + 1;
}

struct secret *secret_place(void *memory, const void *bytes, size_t length)
{
    struct secret *secret = memory;

    atomic_init(&secret->owners, 1);
    secret->length = (uint32_t)length;
    if (length > 0) {
        memcpy(secret->bytes, bytes, length);
    }
    secret->bytes[length] = 0;
    return secret;
}

struct secret *secret_new(const void *bytes, size_t length)
{
    void *memory = length < UINT32_MAX ? malloc(secret_size(length)) : NULL;

    return memory == NULL ? NULL : secret_place(memory, bytes, length);
}

struct secret *secret_ref(struct secret *secret)
{
    if (secret != NULL) {
        atomic_fetch_add_explicit(&secret->owners, 1, memory_order_relaxed);
    }
    return secret;
}

void secret_free(struct secret *secret)
{
    if (secret == NULL || atomic_fetch_sub_explicit(&secret->owners, 1, memory_order_acq_rel) > 1) {
        return;
    }
    sodium_memzero(secret->bytes, secret->length);
    free(secret);
}

const uint8_t *secret_bytes(const struct secret *secret)
{
    return secret->bytes;
}

size_t secret_length(const struct secret *secret)
{
    return secret->length;
}

bool secret_equals(const struct secret *secret, const void *bytes, size_t length)
{
    const volatile uint8_t *ours = secret->bytes;
    const volatile uint8_t *theirs = bytes;
    size_t difference = secret->length ^ length;
    /* Walks what the client sent, whatever we hold: past the end of ours it looks at our first byte again,
     * chosen by a mask and not by a branch, so that the time tells nothing about our length. */
    for (size_t i = 0; i < length; i++) {
        size_t within = (size_t)0 - (size_t)(i < secret->length);
        difference |= (size_t)(ours[i & within] ^ theirs[i]);
    }
    return difference == 0;
}

static int secret_from_text(const char *text, size_t length, struct secret **ret_secret)
{
    const char *newline = memchr(text, '\n', length);
    size_t line = newline != NULL ? (size_t)(newline - text) : length;
    if (newline != NULL && line > 0 && text[line - 1] == '\r') {
        line--;
    }
    if (line > LINE_MAX_BYTES) {
        return -EFBIG;
    }
    if (line == 0 || memchr(text, '\0', line) != NULL) {
        return -EINVAL;
    }
    struct secret *secret = secret_new(text, line);
    if (secret == NULL) {
        return -ENOMEM;
    }
    *ret_secret = secret;
    return 0;
}

int secret_read_file(const char *path, struct secret **ret_secret)
{
    struct stat info = {0};
    _cleanup_close_ int fd = file_open_regular(path, &info);
    if (fd < 0) {
        return fd;
    }
    char text[LINE_MAX_BYTES + 2]; /* the longest line and CR LF */
    size_t length = 0;
    int r = file_read_up_to(fd, text, sizeof(text), &length);
    if (r == 0) {
        r = secret_from_text(text, length, ret_secret);
    }
    wipe(text, sizeof(text));
    return r;
}

int crypto_init(void)
{
    return sodium_init() < 0 ? -EIO : 0;
}

void sha256(const struct bytes *parts, size_t count, uint8_t ret_digest[SHA256_SIZE])
{
    struct sha256_ctx context;

    sha256_init(&context);
    for (size_t i = 0; i < count; i++) {
        sha256_update(&context, parts[i].length, parts[i].data);
    }
    sha256_digest(&context, SHA256_SIZE, ret_digest);
    wipe(&context, sizeof(context));
}

void hmac_sha256(const void *key, size_t key_length, const struct bytes *parts, size_t count,
                 uint8_t ret_digest[SHA256_SIZE])
{
    struct hmac_sha256_ctx context;

    hmac_sha256_set_key(&context, key_length, key);
    for (size_t i = 0; i < count; i++) {
        hmac_sha256_update(&context, parts[i].length, parts[i].data);
    }
    hmac_sha256_digest(&context, SHA256_SIZE, ret_digest);
    wipe(&context, sizeof(context));
}

/* ---- the same work for secrets of any length ---- */

/* The message, a bit and 8 bytes for its length, in whole blocks (FIPS 180-4 section 5.1.1). */
static size_t blocks_of(size_t length)
{
    return (length + 1 + 8 + SHA256_BLOCK_SIZE - 1) / SHA256_BLOCK_SIZE;
}

/* A key that is longer than a block is hashed first (RFC 2104 section 2). */
static size_t blocks_of_key(size_t length)
{
    return length > SHA256_BLOCK_SIZE ? blocks_of(length) : 0;
}

static void work_off(size_t done, size_t wanted)
{
    static const uint8_t block[SHA256_BLOCK_SIZE];
    struct sha256_ctx context;

    sha256_init(&context);
    for (; done < wanted; done++) {
        sha256_update(&context, sizeof(block), block);
    }
}

void sha256_even(const struct bytes *parts, size_t count, size_t longest, uint8_t ret_digest[SHA256_SIZE])
{
    size_t before = 0;

    for (size_t i = 0; i + 1 < count; i++) {
        before += parts[i].length;
    }
    sha256(parts, count, ret_digest);
    work_off(blocks_of(before + parts[count - 1].length), blocks_of(before + longest));
}

void hmac_sha256_even(const void *key, size_t key_length, size_t longest, const struct bytes *parts, size_t count,
                      uint8_t ret_digest[SHA256_SIZE])
{
    hmac_sha256(key, key_length, parts, count, ret_digest);
    work_off(blocks_of_key(key_length), blocks_of_key(longest));
}

bool constant_time_equal(const void *a, const void *b, size_t length)
{
    return (length == SHA256_SIZE ? crypto_verify_32(a, b) : sodium_memcmp(a, b, length)) == 0;
}

void wipe(void *bytes, size_t length)
{
    sodium_memzero(bytes, length);
}

uint32_t random_uniform(uint32_t upper_bound)
{
    return randombytes_uniform(upper_bound);
}

void random_bytes(void *ret_bytes, size_t length)
{
    randombytes_buf(ret_bytes, length);
}
