/* The characters of a scenario: UTF-8, with the blanks and the ends of lines that Python knows. */
#ifndef SHEAF_TESTS_CONFORMANCE_CHARACTERS_H
#define SHEAF_TESTS_CONFORMANCE_CHARACTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the first character of a text.
 *
 *   size   at least 1
 *   *code  its number in Unicode
 *
 * Returns: how many bytes it has; 0 when the text does not begin with one in UTF-8 */
size_t character_read(const char *text, size_t size, uint32_t *code);

/* Whether it separates words.  Ends of lines do. */
bool character_is_blank(uint32_t code);

bool character_ends_line(uint32_t code);

#endif
