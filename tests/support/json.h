/* Whether a text is JSON, as RFC 8259 has it: for what the library writes. */
#ifndef SHEAF_TESTS_SUPPORT_JSON_H
#define SHEAF_TESTS_SUPPORT_JSON_H

#include <stdbool.h>

bool is_json(const char *text);

#endif
