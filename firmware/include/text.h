/* Writes text to the serial port. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_TEXT_H
#define TINYML_TEXT_H

#include <stdint.h>

void put_text(const char *text);
void put_decimal(uint64_t value);
void put_hex(uint32_t value); /* 8 digits */
void put_hex_byte(uint8_t value);
void put_float(float value); /* 6 digits behind the point; "nan", "inf", "-inf", also from 2^32 on */
void put_line_end(void);

/* "<before><value>\r\n" and "<before><text><after>\r\n" */
void put_line_number(const char *before, uint64_t value);
void put_line(const char *before, const char *text, const char *after);

#endif
