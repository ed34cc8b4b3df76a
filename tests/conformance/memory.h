/* The player's memory: blocks that are given back all at once, and texts that grow.
 *
 * Who asks for memory gets it: the program ends with a message when there is none.
 */
#ifndef SHEAF_TESTS_CONFORMANCE_MEMORY_H
#define SHEAF_TESTS_CONFORMANCE_MEMORY_H

#include <stdarg.h>
#include <stddef.h>

#include <sheaf/base.h>

/* ---------------------------------------------------------------- arena */

struct arena_block;

/* Valid when zeroed.  Not for two threads at a time. */
struct arena {
    struct arena_block *blocks;
    size_t bytes; /* taken so far */
};

/* Zeroed memory, valid until arena_free(). */
void *arena_take(struct arena *arena, size_t bytes);

/* A copy of `length` bytes and a zero byte behind them. */
char *arena_copy(struct arena *arena, const char *bytes, size_t length);

void arena_free(struct arena *arena);

/* ---------------------------------------------------------------- text */

/* Valid when zeroed; `data` ends in a zero byte once something was added. */
struct text {
    char *data;
    size_t length;
    size_t room;
};

void text_add(struct text *text, const char *format, ...) SHEAF_PRINTF(2, 3);
void text_add_v(struct text *text, const char *format, va_list arguments) SHEAF_PRINTF(2, 0);

void text_add_bytes(struct text *text, const char *bytes, size_t count);

/* Gives the memory back; the text is empty then. */
void text_free(struct text *text);

/* ---------------------------------------------------------------- arrays */

/* Makes room for one entry more in an array on the heap.
 *
 * Returns: the array, perhaps at another place; *room is how many entries it has now */
void *array_grow(void *array, size_t count, size_t *room, size_t entry_size);

#endif
