/*
 * Runs a fuzz target without a fuzzer: every file named on the command line as it is, cut short at each length,
 * and with single bytes changed. Deterministic and bounded, so that "make check" finds with any compiler, and with
 * any sanitizer, what a mutation next door to the seeds breaks.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEED_MAX_BYTES (1024 * 1024)
#define VARIANTS_MAX 1024 /* per seed and kind of mutation; longer seeds are sampled evenly */

/* What parsers stumble over: NUL, the highest byte, line ends, quotes, and the punctuation of our formats. */
static const uint8_t replacements[] = {0x00, 0xff, 0x80, '\n', '\r', '"', '\'', '%', '&', '<', ':', ';', '*', '-', '9'};

static void freep_file(FILE **file)
{
    if (*file) {
        (void)fclose(*file);
    }
}

static int read_seed(const char *path, uint8_t **ret_data, size_t *ret_size)
{
    _cleanup_(freep_file) FILE *file = fopen(path, "rb");
    _cleanup_free_ uint8_t *data = malloc(SEED_MAX_BYTES);
    size_t size;

    if (!file) {
        return -errno;
    }
    if (!data) {
        return -ENOMEM;
    }
    size = fread(data, 1, SEED_MAX_BYTES, file);
    if (ferror(file)) {
        return -EIO;
    }
    if (!feof(file)) {
        return -EFBIG;
    }
    *ret_data = TAKE_PTR(data);
    *ret_size = size;
    return 0;
}

/* The target gets a copy of exactly `size` bytes on the heap, so that reading one too many is seen. */
static int run_one(const uint8_t *data, size_t size)
{
    _cleanup_free_ uint8_t *copy = malloc(size ? size : 1);

    if (!copy) {
        return -ENOMEM;
    }
    if (size) {
        memcpy(copy, data, size);
    }
    (void)LLVMFuzzerTestOneInput(copy, size);
    return 0;
}

static int run_seed(uint8_t *data, size_t size, size_t *ret_runs)
{
    size_t step = size / VARIANTS_MAX + 1, runs = 0;
    int r = run_one(data, size);

    runs++;
    for (size_t length = 0; r == 0 && length < size; length += step) {
        r = run_one(data, length);
        runs++;
    }
    for (size_t i = 0; r == 0 && i < size; i += step) {
        uint8_t original = data[i];

        data[i] = replacements[i / step % ELEMENTS(replacements)];
        r = run_one(data, size);
        data[i] = (uint8_t)(original ^ (1U << (i % 8)));
        r = r ? r : run_one(data, size);
        data[i] = original;
        runs += 2;
    }
    if (r == 0) {
        *ret_runs = runs;
    }
    return r;
}

int main(int argc, char **argv)
{
    size_t runs = 0;

    if (argc < 2) {
        fprintf(stderr, "usage: %s SEED...: give it the files of tests/fuzz/seeds/NAME\n", argv[0]);
        return EXIT_FAILURE;
    }
    for (int i = 1; i < argc; i++) {
        _cleanup_free_ uint8_t *data = NULL;
        size_t size = 0, seed_runs = 0;
        int r = read_seed(argv[i], &data, &size);

        if (r == 0) {
            r = run_seed(data, size, &seed_runs);
        }
        if (r < 0) {
            fprintf(stderr, "%s: %s\n", argv[i], strerror(-r));
            return EXIT_FAILURE;
        }
        runs += seed_runs;
    }
    printf("%d seeds, %zu runs\n", argc - 1, runs);
    return EXIT_SUCCESS;
}
