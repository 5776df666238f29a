#include "base/rows.h"

#include <stdlib.h>
#include <string.h>

static int add_chunk(struct rows *rows)
{
    char **chunks = reallocarray(rows->chunks, rows->chunk_count + 1, sizeof(*chunks));

    if (!chunks) {
        return -1;
    }
    rows->chunks = chunks;
    chunks[rows->chunk_count] = calloc(ROWS_PER_CHUNK, rows->row_size);
    if (!chunks[rows->chunk_count]) {
        return -1;
    }
    rows->chunk_count++;
    return 0;
}

void *rows_add(struct rows *rows)
{
    if (rows->count == rows->chunk_count * ROWS_PER_CHUNK && add_chunk(rows) < 0) {
        return NULL;
    }
    return rows_at(rows, rows->count++);
}

void rows_done(struct rows *rows)
{
    for (size_t i = 0; i < rows->chunk_count; i++) {
        const size_t first = i * ROWS_PER_CHUNK;
        const size_t used = rows->count - first < ROWS_PER_CHUNK ? rows->count - first : ROWS_PER_CHUNK;
        explicit_bzero(rows->chunks[i], used * rows->row_size);
        free(rows->chunks[i]);
    }
    free(rows->chunks);
    *rows = (struct rows){.row_size = rows->row_size};
}
