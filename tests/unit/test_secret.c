#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <sodium.h>

#include "base/parse.h"
#include "base/secret.h"
#include "temporary.h"

static int setup(void **state)
{
    *state = temporary_folder_make();
    return crypto_init();
}

static int teardown(void **state)
{
    temporary_folder_remove(*state);
    return 0;
}

static void test_holds_bytes(void **state)
{
    (void)state;
    char text[] = "s3cret\0tail";
    _cleanup_(secret_freep) struct secret *secret = secret_new(text, sizeof(text) - 1);
    memset(text, 0, sizeof(text));
    assert_int_equal(secret_length(secret), 11);
    assert_memory_equal(secret_bytes(secret), "s3cret\0tail", 12);

    _cleanup_(secret_freep) struct secret *empty = secret_new(NULL, 0);
    assert_int_equal(secret_length(empty), 0);
    secret_free(NULL);
    assert_null(secret_ref(NULL));
}

static void test_equals(void **state)
{
    static const struct {
        const char *given;
        bool equal;
    } rows[] = {
        {"abc", true},  {"", false},     {"ab", false},     {"abd", false},
        {"xbc", false}, {"abca", false}, {"abcabc", false}, {"ABC", false},
    };
    (void)state;
    _cleanup_(secret_freep) struct secret *secret = secret_new("abc", 3);
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        if (secret_equals(secret, rows[i].given, strlen(rows[i].given)) != rows[i].equal) {
            fail_msg("\"%s\"", rows[i].given);
        }
    }
    assert_false(secret_equals(secret, "abc\0", 4));

    _cleanup_(secret_freep) struct secret *empty = secret_new("", 0);
    assert_true(secret_equals(empty, "", 0));
    assert_false(secret_equals(empty, "\0", 1));

    /* A length that differs by a multiple of 256 or 65536 must not be taken for the same. */
    static char zeros[65536 + 3];
    _cleanup_(secret_freep) struct secret *three = secret_new(zeros, 3);
    assert_true(secret_equals(three, zeros, 3));
    assert_false(secret_equals(three, zeros, 256 + 3));
    assert_false(secret_equals(three, zeros, 65536 + 3));
}

static void *ref_and_free(void *userdata)
{
    struct secret *secret = userdata;
    for (unsigned i = 0; i < 10000; i++) {
        struct secret *mine = secret_ref(secret);
        if (!secret_equals(mine, "shared", 6)) {
            return NULL;
        }
        secret_free(mine);
    }
    secret_free(secret);
    return userdata;
}

/* The last of the owners frees it; the sanitizers see a leak or a double free. */
static void test_shared(void **state)
{
    (void)state;
    pthread_t threads[4];
    struct secret *secret = secret_new("shared", 6);
    for (size_t i = 0; i < ELEMENTS(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ref_and_free, secret_ref(secret)), 0);
    }
    secret_free(secret);
    for (size_t i = 0; i < ELEMENTS(threads); i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_non_null(result);
    }
}

static void expect_file(const char *folder, const void *content, size_t length, int result, const char *expected)
{
    struct secret *secret = NULL;
    const char *path = temporary_file(folder, "secret", content, length, 0600);
    assert_int_equal(secret_read_file(path, &secret), result);
    if (expected == NULL) {
        assert_null(secret);
        return;
    }
    assert_int_equal(secret_length(secret), strlen(expected));
    assert_memory_equal(secret_bytes(secret), expected, strlen(expected));
    secret_free(secret);
}

static void test_read_file(void **state)
{
    const char *folder = *state;
    static char large[4200];
    static char longest[4097];
    struct secret *secret = NULL;

    expect_file(folder, "word\n", 5, 0, "word");
    expect_file(folder, "word", 4, 0, "word");
    expect_file(folder, "word\r\nsecond\n", 13, 0, "word");
    expect_file(folder, " two words \nmore", 16, 0, " two words ");
    expect_file(folder, "word\nNUL\0", 9, 0, "word");
    expect_file(folder, "cr\r", 3, 0, "cr\r");
    expect_file(folder, "", 0, -EINVAL, NULL);
    expect_file(folder, "\n", 1, -EINVAL, NULL);
    expect_file(folder, "\r\n", 2, -EINVAL, NULL);
    expect_file(folder, "\nword\n", 6, -EINVAL, NULL);
    expect_file(folder, "wo\0rd\n", 6, -EINVAL, NULL);

    memset(large, 'x', sizeof(large));
    memset(longest, 'x', 4096);
    expect_file(folder, large, 4096, 0, longest);
    expect_file(folder, large, 4097, -EFBIG, NULL);
    expect_file(folder, large, 4200, -EFBIG, NULL);
    large[4096] = '\n';
    expect_file(folder, large, 4200, 0, longest);
    large[4096] = '\r';
    large[4097] = '\n';
    expect_file(folder, large, 4200, 0, longest);

    assert_int_equal(secret_read_file(temporary_path(folder, "none"), &secret), -ENOENT);
    assert_int_equal(secret_read_file(folder, &secret), -EISDIR);
    assert_int_equal(mkfifo(temporary_path(folder, "fifo"), 0600), 0);
    assert_int_equal(secret_read_file(temporary_path(folder, "fifo"), &secret), -EINVAL);
    assert_null(secret);
}

static void test_sha256(void **state)
{
    (void)state;
    uint8_t digest[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    const struct bytes parts[] = {{"a", 1}, {"", 0}, {"bc", 2}};
    sha256(parts, ELEMENTS(parts), digest);
    print_hex(digest, sizeof(digest), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256(NULL, 0, digest);
    print_hex(digest, sizeof(digest), hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* Of every length around a block, in parts, against libsodium's. */
static void test_sha256_lengths(void **state)
{
    uint8_t bytes[200], expected[SHA256_SIZE], digest[SHA256_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    for (size_t length = 0; length <= sizeof(bytes); length++) {
        const struct bytes parts[] = {{bytes, length / 3}, {bytes + length / 3, length - length / 3}};
        crypto_hash_sha256(expected, bytes, length);
        sha256(parts, ELEMENTS(parts), digest);
        assert_memory_equal(digest, expected, sizeof(digest));
        sha256_even(parts, ELEMENTS(parts), 300, digest);
        assert_memory_equal(digest, expected, sizeof(digest));
        hmac_sha256_even(bytes, length, 300, parts, ELEMENTS(parts), digest);
        crypto_auth_hmacsha256_state hmac;
        crypto_auth_hmacsha256_init(&hmac, bytes, length);
        crypto_auth_hmacsha256_update(&hmac, bytes, length);
        crypto_auth_hmacsha256_final(&hmac, expected);
        assert_memory_equal(digest, expected, sizeof(digest));
    }
}

/* RFC 4231, test cases 2 and 6. */
static void test_hmac(void **state)
{
    (void)state;
    uint8_t digest[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    const struct bytes parts[] = {{"what do ya want ", 16}, {"for nothing?", 12}};
    hmac_sha256("Jefe", 4, parts, ELEMENTS(parts), digest);
    print_hex(digest, sizeof(digest), hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");

    uint8_t key[131];
    memset(key, 0xaa, sizeof(key));
    const char *text = "Test Using Larger Than Block-Size Key - Hash Key First";
    const struct bytes whole = {text, strlen(text)};
    hmac_sha256(key, sizeof(key), &whole, 1, digest);
    print_hex(digest, sizeof(digest), hex);
    assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void test_compare_and_wipe(void **state)
{
    (void)state;
    char bytes[4] = "abc";
    assert_true(constant_time_equal("abc", bytes, 3));
    assert_false(constant_time_equal("abd", bytes, 3));
    assert_true(constant_time_equal("x", "y", 0));
    wipe(bytes, sizeof(bytes));
    assert_memory_equal(bytes, "\0\0\0\0", 4);
}

static void test_random(void **state)
{
    (void)state;
    bool seen[5] = {false};
    for (unsigned i = 0; i < 1000; i++) {
        uint32_t value = random_uniform(5);
        assert_in_range(value, 0, 4);
        seen[value] = true;
    }
    for (size_t i = 0; i < ELEMENTS(seen); i++) {
        assert_true(seen[i]); /* misses one in 10^97 runs */
    }
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};
    random_bytes(a, sizeof(a));
    random_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holds_bytes), cmocka_unit_test(test_equals),
        cmocka_unit_test(test_shared),      cmocka_unit_test(test_read_file),
        cmocka_unit_test(test_sha256),      cmocka_unit_test(test_sha256_lengths),
        cmocka_unit_test(test_hmac),        cmocka_unit_test(test_compare_and_wipe),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
