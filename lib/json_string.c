#include "lib/json_string.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* How many bytes the UTF-8 sequence has that begins there; 0: it is none. */
static size_t sequence_length(const unsigned char *at)
{
    size_t length = at[0] < 0x80                     ? 1
                    : at[0] >= 0xc2 && at[0] <= 0xdf ? 2
                    : at[0] >= 0xe0 && at[0] <= 0xef ? 3
                    : at[0] >= 0xf0 && at[0] <= 0xf4 ? 4
                                                     : 0;
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0; /* the end of the text, too */
        }
    }
    bool low = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    bool high = (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf4 && at[1] > 0x8f);
    return low || high ? 0 : length;
}

#define ENCODED_SIZE 8

static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

/* One character as it stands in a string.
 *
 *   length  of its sequence; 0: it is none
 *
 * Returns: the bytes */
static size_t encode(char encoded[ENCODED_SIZE], const unsigned char *at, size_t length)
{
    int size;
    if (length == 0) {
        size = snprintf(encoded, ENCODED_SIZE, "\\ufffd");
    } else if (*at < 0x20 || *at == 0x7f) {
        size = snprintf(encoded, ENCODED_SIZE, "\\u%04x", *at);
    } else if (*at == '"' || *at == '\\') {
        size = snprintf(encoded, ENCODED_SIZE, "\\%c", *at);
    } else {
        memcpy(encoded, at, length);
        return length;
    }
    return (size_t)size;
}

size_t sheaf__json_string(char *out, size_t room, const char *text, size_t most)
{
    static const char null[] = "null";
    size_t written = 0;
    if (room < sizeof null - 1) {
        return 0;
    }
    if (!text) {
        memcpy(out, null, sizeof null - 1);
        return sizeof null - 1;
    }
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + strnlen(text, most);
    out[written++] = '"';
    while (at < end) {
        if (is_plain(*at) && written + 2 <= room) {
            out[written++] = (char)*at++;
            continue;
        }
        char encoded[ENCODED_SIZE];
        size_t length = sequence_length(at);
        size_t size = encode(encoded, at, length);
        if (written + size + 1 > room) {
            break;
        }
        memcpy(out + written, encoded, size);
        written += size;
        at += length ? length : 1;
    }
    out[written++] = '"';
    return written;
}
