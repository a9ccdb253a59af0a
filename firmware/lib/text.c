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

void put_hex_byte(uint8_t value)
{
    uart_put((uint8_t)"0123456789abcdef"[value >> 4]);
    uart_put((uint8_t)"0123456789abcdef"[value & 15u]);
}

void put_float(float value)
{
    if (value < 0) {
        put_text("-");
        value = -value;
    }
    if (!(value < 4294967296.0f)) {
        put_text(value >= 4294967296.0f ? "inf" : "nan");
        return;
    }
    uint32_t whole = (uint32_t)value;
    /* Exact up to the product: a float's digits behind the point are a float. */
    uint32_t millionths = (uint32_t)((value - (float)whole) * 1000000.0f + 0.5f);
    if (millionths == 1000000u) {
        millionths = 0;
        ++whole; /* never past 2^32: so large a float has no digits behind the point */
    }
    put_decimal(whole);
    put_text(".");
    for (uint32_t unit = 100000u; unit != 0; unit /= 10u) {
        uart_put((uint8_t)('0' + millionths / unit % 10u));
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
