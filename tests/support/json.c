#include "tests/support/json.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

/* Each reads what it is named after and returns what comes behind it; NULL: it is not there.  NULL
 * is passed through. */

static const char *space(const char *at)
{
    return at ? at + strspn(at, " \t\r\n") : NULL;
}

static const char *word(const char *at, const char *expected)
{
    size_t length = strlen(expected);
    return at && strncmp(at, expected, length) == 0 ? at + length : NULL;
}

static const char *escape(const char *at)
{
    if (*at != 'u') {
        return *at && strchr("\"\\/bfnrt", *at) ? at + 1 : NULL;
    }
    for (int i = 1; i <= 4; i++) {
        if (!isxdigit((unsigned char)at[i])) {
            return NULL;
        }
    }
    return at + 5;
}

static const char *string(const char *at)
{
    at = word(at, "\"");
    while (at && *at != '"') {
        if ((unsigned char)*at < 0x20) {
            return NULL;
        }
        at = *at == '\\' ? escape(at + 1) : at + 1;
    }
    return at ? at + 1 : NULL;
}

static const char *number(const char *at)
{
    at += *at == '-';
    size_t digits = strspn(at, "0123456789");
    if (digits == 0 || (*at == '0' && digits > 1)) {
        return NULL;
    }
    at += digits;
    size_t decimals = *at == '.' ? strspn(at + 1, "0123456789") : 0;
    return *at != '.' ? at : decimals ? at + 1 + decimals : NULL;
}

static const char *value(const char *at);

static const char *member(const char *at)
{
    return value(word(space(string(space(at))), ":"));
}

/* Items between brackets, separated by commas. */
static const char *list(const char *at, const char *(*item)(const char *), char end)
{
    at = space(at + 1);
    if (*at == end) {
        return at + 1;
    }
    do {
        at = space(item(at));
    } while (at && *at == ',' && at++);
    return at && *at == end ? at + 1 : NULL;
}

static const char *value(const char *at)
{
    at = space(at);
    if (!at) {
        return NULL;
    }
    switch (*at) {
    case '{':
        return list(at, member, '}');
    case '[':
        return list(at, value, ']');
    case '"':
        return string(at);
    case 't':
        return word(at, "true");
    case 'f':
        return word(at, "false");
    case 'n':
        return word(at, "null");
    default:
        return number(at);
    }
}

bool is_json(const char *text)
{
    const char *end = space(value(text));
    return end && *end == '\0';
}
