#include "tests/conformance/characters.h"

enum { CODE_MAX = 0x10ffff, SURROGATE_MIN = 0xd800, SURROGATE_MAX = 0xdfff };

/* How many bytes a character has by its first one, 0 for what begins none, and the least code that
 * needs so many. */
static size_t length_of(unsigned char first, uint32_t *bits, uint32_t *least)
{
    static const struct {
        unsigned char mask, mark;
        uint32_t least;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if ((first & forms[i].mask) == forms[i].mark) {
            *bits = first & (unsigned char)~forms[i].mask;
            *least = forms[i].least;
            return i + 1;
        }
    }
    return 0;
}

size_t character_read(const char *text, size_t size, uint32_t *code)
{
    uint32_t bits = 0;
    uint32_t least = 0;
    size_t length = length_of((unsigned char)text[0], &bits, &least);
    if (length > size) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if ((byte & 0xc0) != 0x80) {
            return 0;
        }
        bits = bits << 6 | (byte & 0x3f);
    }
    if (bits < least || bits > CODE_MAX || (bits >= SURROGATE_MIN && bits <= SURROGATE_MAX)) {
        return 0;
    }
    *code = bits;
    return length;
}

bool character_ends_line(uint32_t code)
{
    return (code >= '\n' && code <= '\r') || (code >= 0x1c && code <= 0x1e) || code == 0x85 ||
           code == 0x2028 || code == 0x2029;
}

bool character_is_blank(uint32_t code)
{
    return character_ends_line(code) || code == ' ' || code == '\t' || code == 0x1f ||
           code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x202f ||
           code == 0x205f || code == 0x3000;
}
