#include "base/buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

void buffer_done(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer)BUFFER_INIT;
}

void buffer_wipe(struct buffer *buffer)
{
    if (buffer->data != NULL) {
        explicit_bzero(buffer->data, buffer->capacity);
    }
    buffer_done(buffer);
}

void buffer_clear(struct buffer *buffer)
{
    buffer->length = 0;
    buffer->error = 0;
    if (buffer->data != NULL) {
        buffer->data[0] = '\0';
    }
}

void buffer_reserve(struct buffer *buffer, size_t length)
{
    if (buffer->error != 0) {
        return;
    }
    if (length > SIZE_MAX / 2 - buffer->length) {
        buffer->error = -ENOMEM;
        return;
    }
    size_t needed = buffer->length + length + 1;
    if (needed <= buffer->capacity) {
        return;
    }
    size_t capacity = buffer->capacity + buffer->capacity / 2;
    if (capacity < needed) {
        capacity = needed < 64 ? 64 : needed;
    }
    char *data = realloc(buffer->data, capacity);
    if (data == NULL) {
        buffer->error = -ENOMEM;
        return;
    }
    data[buffer->length] = '\0';
    buffer->data = data;
    buffer->capacity = capacity;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t length)
{
    if (length == 0) {
        return;
    }
    buffer_reserve(buffer, length);
    if (buffer->error != 0) {
        return;
    }
    memcpy(buffer->data + buffer->length, bytes, length);
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_append_char(struct buffer *buffer, char c)
{
    buffer_append(buffer, &c, 1);
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);

    if (length < 0) {
        if (buffer->error == 0) {
            buffer->error = -ENOMEM;
        }
        return;
    }
    buffer_reserve(buffer, (size_t)length);
    if (buffer->error != 0) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buffer->length += (size_t)length;
}

const char *buffer_text(const struct buffer *buffer)
{
    return buffer->data != NULL ? buffer->data : "";
}

int buffer_status(const struct buffer *buffer)
{
    return buffer->error;
}

char *buffer_take(struct buffer *buffer)
{
    buffer_reserve(buffer, 0);
    if (buffer->error != 0) {
        return NULL;
    }
    buffer->length = 0;
    buffer->capacity = 0;
    return TAKE_PTR(buffer->data);
}
