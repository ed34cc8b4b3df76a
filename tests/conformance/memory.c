#include "tests/conformance/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *or_end(void *memory)
{
    if (!memory) {
        fputs("player: out of memory\n", stderr);
        _exit(2);
    }
    return memory;
}

/* ---------------------------------------------------------------- arena */

struct arena_block {
    struct arena_block *next;
    max_align_t bytes[];
};

void *arena_take(struct arena *arena, size_t bytes)
{
    struct arena_block *block = or_end(calloc(1, sizeof *block + bytes));
    block->next = arena->blocks;
    arena->blocks = block;
    arena->bytes += sizeof *block + bytes;
    return block->bytes;
}

char *arena_copy(struct arena *arena, const char *bytes, size_t length)
{
    char *copy = arena_take(arena, length + 1);
    memcpy(copy, bytes, length);
    return copy;
}

void arena_free(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
    arena->bytes = 0;
}

/* ---------------------------------------------------------------- text */

static void text_room(struct text *text, size_t more)
{
    while (text->room - text->length <= more) {
        text->room = text->room ? 2 * text->room : 64;
        text->data = or_end(realloc(text->data, text->room));
    }
}

void text_add_bytes(struct text *text, const char *bytes, size_t count)
{
    text_room(text, count);
    memcpy(text->data + text->length, bytes, count);
    text->length += count;
    text->data[text->length] = '\0';
}

void text_add_v(struct text *text, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    size_t more = length > 0 ? (size_t)length : 0;
    text_room(text, more);
    vsnprintf(text->data + text->length, more + 1, format, again);
    va_end(again);
    text->length += more;
}

void text_add(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    text_add_v(text, format, arguments);
    va_end(arguments);
}

void text_free(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}

/* ---------------------------------------------------------------- arrays */

void *array_grow(void *array, size_t count, size_t *room, size_t entry_size)
{
    if (count < *room) {
        return array;
    }
    *room = *room ? 2 * *room : 16;
    return or_end(realloc(array, *room * entry_size));
}
