/* Texts as strings of JSON. */
#ifndef SHEAF_LIB_JSON_STRING_H
#define SHEAF_LIB_JSON_STRING_H

#include <stddef.h>

/* Writes a string, with its quotes and without a zero byte behind it; what is no UTF-8 is replaced.
 *
 *   room  of `out`; a text that does not fit is cut short, one for which there is no room for the
 *         quotes is left out
 *   text  NULL is written as null
 *   most  bytes of the text
 *
 * Returns: the bytes written */
size_t sheaf__json_string(char *out, size_t room, const char *text, size_t most);

#endif
