/* Writes text to the serial port. SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include "board.h"

void put_text(const char *text)
{
    while (*text != '\0') {
        uart_put((uint8_t)*text++);
    }
}

void put_decimal(uint64_t value)
{
    uint8_t digits[20]; /* 2^64 has 20 */
    uint32_t count = 0;
    do {
        digits[count++] = (uint8_t)('0' + value % 10u);
        value /= 10u;
    } while (value != 0);
    while (count != 0) {
        uart_put(digits[--count]);
    }
}

void put_hex(uint32_t value)
{
    for (uint32_t shift = 32; shift != 0;) {
        shift -= 4;
        uart_put((uint8_t)"0123456789abcdef"[(value >> shift) & 15u]);
    }
}

void put_line_end(void)
{
    put_text("\r\n");
}

void put_line_number(const char *before, uint64_t value)
{
    put_text(before);
    put_decimal(value);
    put_line_end();
}

void put_line(const char *before, const char *text, const char *after)
{
    put_text(before);
    put_text(text);
    put_text(after);
    put_line_end();
}
