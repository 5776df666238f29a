#include "ctl/grid.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/parse.h"

struct grid_cell {
    char *text;
    size_t width; /* in characters */
    enum color color;
};

#define GRID_GAP 2 /* spaces between columns */

void grid_init(struct grid *grid, const struct grid_column *columns, size_t count)
{
    *grid = (struct grid){.columns = columns, .column_count = count};
}

void grid_done(struct grid *grid)
{
    for (size_t i = 0; i < grid->count; i++) {
        free(grid->cells[i].text);
    }
    free(grid->cells);
    *grid = (struct grid){0};
}

/* Characters; what takes two columns of the terminal counts as one. */
static size_t width_of(const char *text)
{
    size_t length = strlen(text), width = 0, taken;

    while (length > 0 && (taken = utf8_decode(text, length, NULL)) > 0) {
        text += taken;
        length -= taken;
        width++;
    }
    return width;
}

static int make_room(struct grid *grid)
{
    if (grid->count < grid->size) {
        return 0;
    }
    size_t size = grid->size > 0 ? 2 * grid->size : 64;
    struct grid_cell *cells = reallocarray(grid->cells, size, sizeof(*cells));
    if (!cells) {
        return -ENOMEM;
    }
    grid->cells = cells;
    grid->size = size;
    return 0;
}

void grid_add(struct grid *grid, enum color color, const char *format, ...)
{
    _cleanup_buffer_ struct buffer escaped = BUFFER_INIT;
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0 || make_room(grid) < 0) {
        grid->error = -ENOMEM;
        if (length >= 0) {
            free(text);
        }
        return;
    }
    buffer_append_escaped(&escaped, text, (size_t)length);
    free(text);
    struct grid_cell cell = {strdup(buffer_text(&escaped)), width_of(buffer_text(&escaped)), color};
    if (!cell.text || buffer_status(&escaped) < 0) {
        grid->error = -ENOMEM;
    }
    grid->cells[grid->count++] = cell;
}

static void print_cell(const struct ctl *ctl, const struct grid_cell *cell, bool is_right, size_t width, bool is_last)
{
    int fill = width > cell->width ? (int)(width - cell->width) : 0;

    ctl_print("%*s%s%s%s%*s", is_right ? fill : 0, "", ctl_color(ctl, cell->color), cell->text,
              cell->color == COLOR_NONE ? "" : ctl_plain(ctl), is_right || is_last ? 0 : fill, "");
    ctl_print("%*s", is_last ? 0 : GRID_GAP, "");
}

int grid_print(const struct grid *grid, const struct ctl *ctl)
{
    size_t columns = grid->column_count;
    size_t *widths = calloc(columns + 1, sizeof(*widths));

    if (!widths || grid->error < 0) {
        free(widths);
        return ctl_no_memory();
    }
    if (columns == 0 || grid->count == 0) {
        free(widths);
        return EXIT_FINE;
    }
    for (size_t i = 0; i < columns; i++) {
        widths[i] = width_of(grid->columns[i].title);
    }
    for (size_t i = 0; i < grid->count; i++) {
        size_t *width = &widths[i % columns];
        *width = grid->cells[i].width > *width ? grid->cells[i].width : *width;
    }
    for (size_t i = 0; i < columns; i++) {
        char *title = (char *)grid->columns[i].title;
        struct grid_cell cell = {title, width_of(title), COLOR_DIM};
        print_cell(ctl, &cell, grid->columns[i].is_right, widths[i], i + 1 == columns);
    }
    for (size_t i = 0; i < grid->count; i++) {
        ctl_print("%s", i % columns == 0 ? "\n" : "");
        print_cell(ctl, &grid->cells[i], grid->columns[i % columns].is_right, widths[i % columns],
                   i % columns + 1 == columns);
    }
    ctl_print("\n");
    free(widths);
    return EXIT_FINE;
}
