/* What the parts of the command loop share. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_COMMAND_H
#define TINYML_COMMAND_H

#include <stdint.h>

#define MAX_ARGUMENTS 5u

/* The words behind a command's name; NULL where there are fewer. */
typedef char *arguments_t[MAX_ARGUMENTS];

/* lib/parse.c ------------------------------------------------------------------------------------------------------ */

/* Reads a whole decimal number of 32 bits. Returns 0 where the text is anything else. */
int parse_decimal(const char *text, uint32_t *value);

/* Reads exactly `digits` hexadecimal digits, 8 at most; what follows is not looked at. Returns 0 where there are fewer. */
int parse_hex(const char *text, uint32_t digits, uint32_t *value);

int same_text(const char *a, const char *b);

/* protocol.c ------------------------------------------------------------------------------------------------------- */

uint64_t microseconds(uint64_t cycles);

/* Where code or weights are damaged: says so and returns 1. */
int image_refused(void);

/* "m-get-N-CRC", the bytes, and the end of the line. */
void put_bytes(const uint8_t *from, uint32_t bytes);

/* Runs the network `count` times, each after `prepare` (which may be NULL). Adds the cycles of the runs alone to
 * *cycles. A '%' that comes meanwhile ends it: then says so and returns 0. */
int run_network(uint32_t count, void (*prepare)(void), uint64_t *cycles);

/* trace.c, in firmware that was built with it ---------------------------------------------------------------------- */

void command_layers(const arguments_t arguments);
void command_tensor(const arguments_t arguments);

/* benchmark.c ------------------------------------------------------------------------------------------------------ */

void command_profile(const arguments_t arguments);
void command_db(const arguments_t arguments);
void command_infer(const arguments_t arguments);
void command_results(const arguments_t arguments);

#endif
