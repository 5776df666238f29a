#include "base/problems.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/escape.h"

#define KEPT_MAX 100
#define MESSAGE_SIZE 1024

struct problem {
    char *text;
    unsigned line;
    unsigned column;
};

/* In the order of their places in the file; the first ones are kept. */
struct problem_list {
    struct problem rows[KEPT_MAX];
    size_t kept;
    size_t count;
    char *more; /* told after the last one that is kept */
};

struct problems {
    char *file;
    struct problem_list errors;
    struct problem_list warnings;
};

struct problems *problems_new(const char *file)
{
    struct problems *problems = calloc(1, sizeof(*problems));
    if (problems == NULL) {
        return NULL;
    }
    problems->file = strdup(file);
    if (problems->file == NULL) {
        problems_free(problems);
        return NULL;
    }
    return problems;
}

struct problems *problems_like(const struct problems *problems)
{
    return problems_new(problems->file);
}

static void list_done(struct problem_list *list)
{
    for (size_t i = 0; i < list->kept; i++) {
        free(list->rows[i].text);
    }
    free(list->more);
}

void problems_free(struct problems *problems)
{
    if (problems == NULL) {
        return;
    }
    list_done(&problems->errors);
    list_done(&problems->warnings);
    free(problems->file);
    free(problems);
}

/* Returns owned, NULL: no memory. */
static char *make_line(const char *file, unsigned line, unsigned column, const char *message)
{
    struct buffer text = BUFFER_INIT;
    buffer_append_text(&text, file);
    if (line > 0) {
        buffer_printf(&text, ":%u:%u", line, column);
    }
    buffer_append_text(&text, ": ");
    buffer_append_escaped(&text, message, strlen(message));
    char *result = buffer_take(&text);
    buffer_done(&text);
    return result;
}

static bool comes_before(const struct problem *a, const struct problem *b)
{
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

/* Takes the text. What no longer fits is dropped from the end. */
static void list_insert(struct problem_list *list, const struct problem *problem)
{
    size_t at = list->kept;

    while (at > 0 && comes_before(problem, &list->rows[at - 1])) {
        at--;
    }
    if (at == KEPT_MAX) {
        free(problem->text);
        return;
    }
    if (list->kept == KEPT_MAX) {
        free(list->rows[--list->kept].text);
    }
    memmove(&list->rows[at + 1], &list->rows[at], (list->kept - at) * sizeof(*list->rows));
    list->rows[at] = *problem;
    list->kept++;
}

static void list_add(struct problem_list *list, const char *file, unsigned line, unsigned column, const char *format,
                     va_list arguments) _printf_(5, 0);

/* Those that are not kept are counted. */
static void tell_more(struct problem_list *list, const char *file)
{
    char message[64];

    if (list->count > KEPT_MAX) {
        free(list->more);
        (void)snprintf(message, sizeof(message), "and %zu more like these; mend them first", list->count - list->kept);
        list->more = make_line(file, 0, 0, message);
    }
}

static void list_add(struct problem_list *list, const char *file, unsigned line, unsigned column, const char *format,
                     va_list arguments)
{
    char message[MESSAGE_SIZE];

    list->count++;
    if (vsnprintf(message, sizeof(message), format, arguments) < 0) {
        message[0] = '\0';
    }
    const struct problem problem = {make_line(file, line, column, message), line, column};
    if (problem.text != NULL) {
        list_insert(list, &problem);
    }
    tell_more(list, file);
}

void problems_add(struct problems *problems, unsigned line, unsigned column, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    list_add(&problems->errors, problems->file, line, column, format, arguments);
    va_end(arguments);
}

void problems_warn(struct problems *problems, unsigned line, unsigned column, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    list_add(&problems->warnings, problems->file, line, column, format, arguments);
    va_end(arguments);
}

static void list_move(struct problem_list *list, struct problem_list *from, const char *file)
{
    for (size_t i = 0; i < from->kept; i++) {
        list_insert(list, &from->rows[i]);
    }
    list->count += from->count;
    tell_more(list, file);
    from->kept = 0;
    list_done(from);
    *from = (struct problem_list){0};
}

void problems_move(struct problems *problems, struct problems *from)
{
    list_move(&problems->errors, &from->errors, problems->file);
    list_move(&problems->warnings, &from->warnings, problems->file);
}

size_t problems_count(const struct problems *problems)
{
    return problems->errors.count;
}

size_t problems_warning_count(const struct problems *problems)
{
    return problems->warnings.count;
}

static const char *list_text(const struct problem_list *list, size_t index)
{
    if (index < list->kept) {
        return list->rows[index].text;
    }
    return index == list->kept ? list->more : NULL;
}

const char *problems_text(const struct problems *problems, size_t index)
{
    return list_text(&problems->errors, index);
}

const char *problems_warning_text(const struct problems *problems, size_t index)
{
    return list_text(&problems->warnings, index);
}
