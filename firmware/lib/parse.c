/* Reads numbers in text that may be anything. SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

int parse_decimal(const char *text, uint32_t *value)
{
    uint32_t result = 0;
    if (*text == '\0') {
        return 0;
    }
    for (; *text != '\0'; ++text) {
        if (*text < '0' || *text > '9') {
            return 0;
        }
        const uint32_t digit = (uint32_t)(*text - '0');
        if (result > (UINT32_MAX - digit) / 10u) {
            return 0;
        }
        result = result * 10u + digit;
    }
    *value = result;
    return 1;
}

int parse_hex(const char *text, uint32_t digits, uint32_t *value)
{
    uint32_t result = 0;
    for (uint32_t i = 0; i < digits; ++i) {
        const char c = text[i]; /* the end of the text is no digit */
        uint32_t digit;
        if (c >= '0' && c <= '9') {
            digit = (uint32_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = (uint32_t)(c - 'a') + 10u;
        } else if (c >= 'A' && c <= 'F') {
            digit = (uint32_t)(c - 'A') + 10u;
        } else {
            return 0;
        }
        result = (result << 4) | digit;
    }
    *value = result;
    return 1;
}

int same_text(const char *a, const char *b)
{
    while (*a == *b && *a != '\0') {
        ++a;
        ++b;
    }
    return *a == *b;
}
