/*
 * A table for people: columns aligned, numbers to the right, colour only where there is any. Cells are copied, and
 * escaped, so that text from elsewhere cannot steer the terminal. Keeps all rows until it is printed, which a listing of
 * a million prints in pages. Not thread-safe.
 */
#ifndef DDNS53_CTL_GRID_H
#define DDNS53_CTL_GRID_H

#include "ctl/ctl.h"

struct grid_column {
    const char *title;
    bool is_right; /* aligned to the right */
};

struct grid {
    const struct grid_column *columns; /* borrowed */
    size_t column_count;
    struct grid_cell *cells;
    size_t count; /* of cells, all rows */
    size_t size;  /* of cells there is room for */
    int error;    /* 0 or -ENOMEM, which grid_print tells */
};

void grid_init(struct grid *grid, const struct grid_column *columns, size_t count);
void grid_done(struct grid *grid);

/* The next cell; a row is full when it has as many as there are columns. */
void grid_add(struct grid *grid, enum color color, const char *format, ...) _printf_(3, 4);

/* With the titles above, unless there is no row: then nothing. EXIT_FINE or EXIT_NO_MEMORY. */
int grid_print(const struct grid *grid, const struct ctl *ctl);

#define _cleanup_grid_ _cleanup_(grid_done)

#endif
