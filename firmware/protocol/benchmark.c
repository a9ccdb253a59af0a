/* The commands of MLPerf Tiny, as its runner sends them. See PROTOCOL.md. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_benchmark.h"

#include <stddef.h>

#include "board.h"
#include "command.h"
#include "text.h"

#define DEFAULT_WARMUPS 10u
#define BYTES_A_LINE 8u

/* Of the `db load` under way: received <= expected <= tinyml_benchmark.bytes. */
static uint32_t expected;
static uint32_t received;

void command_profile(const arguments_t arguments)
{
    (void)arguments;
    put_line("m-profile-[", "ULPMark for tinyML Firmware V0.0.1", "]");
    put_line("m-model-[", tinyml_benchmark.model, "]");
}

/* db --------------------------------------------------------------------------------------------------------------- */

static void load(const char *size)
{
    uint32_t bytes;
    if (size == NULL) {
        put_line("e-[", "Command 'db load' requires the # of bytes", "]");
        return;
    }
    if (!parse_decimal(size, &bytes) || bytes == 0) {
        put_line("e-[", "Command 'db load' must be >0 bytes", "]");
        return;
    }
    if (bytes > tinyml_benchmark.bytes) {
        put_text("e-[Supplied buffer size ");
        put_decimal(bytes);
        put_text(" exceeds maximum of ");
        put_decimal(tinyml_benchmark.bytes);
        put_line("", "]", "");
        return;
    }
    expected = bytes;
    received = 0;
    put_text("m-[Expecting ");
    put_decimal(bytes);
    put_line("", " bytes]", "");
}

static void print(void)
{
    for (uint32_t i = 0; i < expected; ++i) {
        put_text(i % BYTES_A_LINE == 0 ? "m-buffer-" : "-");
        put_hex_byte(tinyml_benchmark.get(i));
        if (i % BYTES_A_LINE == BYTES_A_LINE - 1u || i + 1u == expected) {
            put_line_end();
        }
    }
}

/* Digits past the last byte are disregarded, as the runner's reference does. */
static void append(const char *digits)
{
    uint32_t odd = 0;
    for (const char *p = digits; *p != '\0'; ++p) {
        odd ^= 1u;
    }
    if (odd != 0) {
        put_line("e-[", "Insufficent number of hex digits", "]"); /* spelt so in the reference */
        return;
    }
    if (received == expected) {
        put_line("e-[", "Command 'db load' must come before the bytes", "]");
        return;
    }
    for (; *digits != '\0' && received != expected; digits += 2) {
        uint32_t byte;
        if (!parse_hex(digits, 2u, &byte)) {
            const char pair[] = {digits[0], digits[1], '\0'};
            put_line("e-[Invalid hex digit '", pair, "']");
            return;
        }
        tinyml_benchmark.put(received, (uint8_t)byte);
        ++received;
    }
    if (received == expected) {
        put_line("m-load-done", "", "");
    }
}

void command_db(const arguments_t arguments)
{
    if (arguments[0] == NULL) {
        put_line("e-[", "Command 'db' requires a subcommand", "]");
    } else if (same_text(arguments[0], "load")) {
        load(arguments[1]);
    } else if (same_text(arguments[0], "print")) {
        print();
    } else {
        append(arguments[0]);
    }
}

/* infer, results --------------------------------------------------------------------------------------------------- */

void command_results(const arguments_t arguments)
{
    (void)arguments;
    put_text("m-results-[");
    for (uint32_t i = 0; i < tinyml_benchmark.results; ++i) {
        if (i != 0) {
            put_text(",");
        }
        put_float(tinyml_benchmark.result(i));
    }
    put_line("", "]", "");
}

void command_infer(const arguments_t arguments)
{
    uint32_t count = 1;
    uint32_t warmups = DEFAULT_WARMUPS;
    uint64_t cycles = 0;
    if (arguments[0] != NULL && (!parse_decimal(arguments[0], &count) || count == 0)) {
        put_line("e-[", "Inference iterations must be >0", "]");
        return;
    }
    if (arguments[0] != NULL && arguments[1] != NULL && !parse_decimal(arguments[1], &warmups)) {
        put_line("e-[", "Inference warmup must be >=0", "]");
        return;
    }
    if (!tinyml_benchmark.repeatable && (count != 1 || warmups != 0)) {
        put_line("e-[", "A run overwrites the input and no copy is kept: infer takes 1 0", "]");
        return;
    }
    if (image_refused()) {
        return;
    }
    put_line_number("m-warmup-start-", warmups);
    if (!run_network(warmups, tinyml_benchmark.load, &cycles)) {
        return;
    }
    put_line("m-warmup-done", "", "");
    put_line_number("m-infer-start-", count);
    const uint64_t lap = microseconds(timer_cycles());
    put_line_number("m-lap-us-", lap);
    cycles = 0;
    if (!run_network(count, tinyml_benchmark.load, &cycles)) {
        return;
    }
    put_line_number("m-lap-us-", lap + microseconds(cycles));
    put_line("m-infer-done", "", "");
    command_results(arguments);
}
