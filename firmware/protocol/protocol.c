/* The device side of PROTOCOL.md: every byte that arrives may be wrong, and none may do harm.
 * SPDX-License-Identifier: Apache-2.0 */
#include "protocol.h"

#include <string.h>

#include "board.h"
#include "board_config.h"
#include "command.h"
#include "text.h"
#include "tinyml_model.h"

#define LINE_BYTES 80u
#define SILENCE_SECONDS 2u
#define ASKS_A_SECOND 10u

/* The linker gives the addresses; the CRCs are written into the linked file (see link.ld.j2). */
extern const uint8_t code_start[], code_end[], weights_start[], weights_end[];
#define CRC_WORD __attribute__((section(".tinyml_crc"), used)) const volatile uint32_t
CRC_WORD code_crc = 0;
CRC_WORD weights_crc = 0;

static const struct {
    const char *name;
    const uint8_t *start, *end;
    const volatile uint32_t *crc;
} parts[] = {
    {"Code", code_start, code_end, &code_crc},
    {"Weights", weights_start, weights_end, &weights_crc},
};
#define PARTS (sizeof parts / sizeof parts[0])

static uint32_t clock_hz;
static uint32_t crc_found[PARTS];
static uint32_t painted; /* the arenas were filled, with this: */
static uint8_t paint;

uint64_t microseconds(uint64_t cycles)
{
    /* In two parts, so that the product stays below 2^64 for centuries. */
    return cycles / clock_hz * 1000000u + cycles % clock_hz * 1000000u / clock_hz;
}

int image_refused(void)
{
    int refused = 0;
    for (uint32_t i = 0; i < PARTS; ++i) {
        if (crc_found[i] != *parts[i].crc) {
            put_text("e-[");
            put_text(parts[i].name);
            put_text(" damaged: CRC ");
            put_hex(crc_found[i]);
            put_text(", expected ");
            put_hex(*parts[i].crc);
            put_line("", "]", "");
            refused = 1;
        }
    }
    return refused;
}

/* Fills all arenas, so that what is used of them shows. The network's state goes back to its beginning. */
static void paint_arenas(uint8_t byte)
{
    painted = 1u;
    paint = byte;
    for (uint32_t i = 0; i < tinyml_model.arena_count; ++i) {
        memset(tinyml_model.arenas[i], byte, tinyml_model.arena_bytes[i]);
    }
    tinyml_model.init();
}

/* Runs ------------------------------------------------------------------------------------------------------------- */

int run_network(uint32_t count, void (*prepare)(void), uint64_t *cycles)
{
    uint64_t asked = timer_cycles();
    for (uint32_t i = 0; i < count; ++i) {
        if (prepare != NULL) {
            prepare();
        }
        const uint64_t begin = timer_cycles();
        tinyml_model.run();
        const uint64_t end = timer_cycles();
        *cycles += end - begin;
        if (end - asked > clock_hz / ASKS_A_SECOND) {
            asked = end;
            if (uart_poll() == '%') {
                put_text("e-[Stopped after ");
                put_decimal(i + 1u);
                put_text(" of ");
                put_decimal(count);
                put_line("", " inferences]", "");
                return 0;
            }
        }
    }
    return 1;
}

void put_bytes(const uint8_t *from, uint32_t bytes)
{
    put_text("m-get-");
    put_decimal(bytes);
    put_text("-");
    put_hex(crc32_update(0, from, bytes));
    put_line_end();
    for (uint32_t i = 0; i < bytes; ++i) {
        uart_put(from[i]);
    }
    put_line_end();
}

/* Commands --------------------------------------------------------------------------------------------------------- */

static void command_name(const arguments_t arguments)
{
    (void)arguments;
    put_line("m-name-dut-[", "tinyml", "]");
}

static void command_timestamp(const arguments_t arguments)
{
    (void)arguments;
    put_line_number("m-lap-us-", microseconds(timer_cycles()));
}

static void put_tensors(const char *kind, uint32_t count, const uint32_t *bytes)
{
    put_text("m-");
    put_text(kind);
    put_line_number("s-", count);
    for (uint32_t i = 0; i < count; ++i) {
        put_text("m-");
        put_text(kind);
        put_text("-");
        put_decimal(i);
        put_line_number("-", bytes[i]);
    }
}

static void command_model(const arguments_t arguments)
{
    (void)arguments;
    put_line("m-model-[", tinyml_model.name, "]");
    put_line("m-sha256-[", tinyml_model.sha256, "]");
    put_line("m-plan-[", tinyml_model.plan, "]");
    put_line("m-board-[", TINYML_BOARD_ID, "]");
    put_line_number("m-clock-hz-", clock_hz);
    put_line_number("m-traced-layers-", tinyml_model.traced_layers);
    put_line_number("m-input-preserved-", tinyml_model.input_preserved);
    put_tensors("input", tinyml_model.input_count, tinyml_model.input_bytes);
    put_tensors("output", tinyml_model.output_count, tinyml_model.output_bytes);
}

/* Reads bytes until all are there or none came for a while. Returns how many came. */
static uint32_t receive(uint8_t *to, uint32_t bytes)
{
    const uint64_t patience = (uint64_t)clock_hz * SILENCE_SECONDS;
    uint64_t heard = timer_cycles();
    uint32_t count = 0;
    uint32_t counted = 0; /* when the line was last found silent */
    while (count < bytes) {
        const int32_t byte = uart_poll();
        if (byte >= 0) {
            to[count++] = (uint8_t)byte; /* and look again at once: the next one may be there */
        } else if (count != counted) {
            counted = count;
            heard = timer_cycles();
        } else if (timer_cycles() - heard > patience) {
            break;
        }
    }
    return count;
}

static void command_put(const arguments_t arguments)
{
    uint32_t index;
    uint32_t bytes;
    uint32_t crc;
    if (!parse_decimal(arguments[0], &index) || !parse_decimal(arguments[1], &bytes) || !parse_hex(arguments[2], 8u, &crc) ||
        arguments[2][8] != '\0') {
        put_line("e-[", "put takes: input bytes crc", "]");
        return;
    }
    if (index >= tinyml_model.input_count) {
        put_text("e-[No input ");
        put_decimal(index);
        put_line("", "]", "");
        return;
    }
    if (bytes != tinyml_model.input_bytes[index]) {
        put_text("e-[Input ");
        put_decimal(index);
        put_text(" takes ");
        put_decimal(tinyml_model.input_bytes[index]);
        put_line("", " bytes]", "");
        return;
    }
    put_line("m-go", "", "");
    uint8_t *to = tinyml_model.input(index);
    const uint32_t count = receive(to, bytes);
    if (count != bytes) {
        put_text("e-[Only ");
        put_decimal(count);
        put_text(" of ");
        put_decimal(bytes);
        put_line("", " bytes came]", "");
        return;
    }
    const uint32_t found = crc32_update(0, to, bytes);
    if (found != crc) {
        put_text("e-[CRC of ");
        put_decimal(bytes);
        put_text(" bytes is ");
        put_hex(found);
        put_text(", expected ");
        put_hex(crc);
        put_line("", "]", "");
        return;
    }
    put_line("m-put-done", "", "");
}

static void command_run(const arguments_t arguments)
{
    uint32_t count;
    if (!parse_decimal(arguments[0], &count) || count == 0) {
        put_line("e-[", "run takes: a number of inferences above 0", "]");
        return;
    }
    if (image_refused()) {
        return;
    }
    const uint64_t lap = microseconds(timer_cycles());
    uint64_t cycles = 0;
    put_line_number("m-lap-us-", lap);
    if (!run_network(count, NULL, &cycles)) {
        return;
    }
    put_line_number("m-lap-us-", lap + microseconds(cycles));
    put_line_number("m-cycles-", cycles);
    put_line("m-run-done", "", "");
}

static void command_get(const arguments_t arguments)
{
    uint32_t index;
    if (!parse_decimal(arguments[0], &index)) {
        put_line("e-[", "get takes: output", "]");
        return;
    }
    if (index >= tinyml_model.output_count) {
        put_text("e-[No output ");
        put_decimal(index);
        put_line("", "]", "");
        return;
    }
    put_bytes(tinyml_model.output(index), tinyml_model.output_bytes[index]);
}

/* How much of an arena differs from the paint, up to the last byte. */
static uint32_t arena_used(uint32_t index)
{
    const uint8_t *arena = tinyml_model.arenas[index];
    uint32_t used = tinyml_model.arena_bytes[index];
    while (used != 0 && arena[used - 1u] == paint) {
        --used;
    }
    return used;
}

static void command_mem(const arguments_t arguments)
{
    (void)arguments;
    uint32_t arenas = 0;
    for (uint32_t i = 0; i < tinyml_model.arena_count; ++i) {
        arenas += tinyml_model.arena_bytes[i];
    }
    put_line_number("m-stack-", stack_high_water());
    put_line_number("m-stack-size-", stack_size());
    put_line_number("m-arena-", arenas);
    for (uint32_t i = 0; painted && i < tinyml_model.arena_count; ++i) {
        put_text("m-arena-used-");
        put_decimal(i);
        put_line_number("-", arena_used(i));
    }
}

static void command_paint(const arguments_t arguments)
{
    uint32_t byte;
    if (!parse_hex(arguments[0], 2u, &byte) || arguments[0][2] != '\0') {
        put_line("e-[", "paint takes: a byte as two hexadecimal digits", "]");
        return;
    }
    paint_arenas((uint8_t)byte);
    stack_paint();
    put_line("m-paint-done", "", "");
}

static void command_reset(const arguments_t arguments)
{
    (void)arguments;
    reset_board();
}

static void command_help(const arguments_t arguments);

typedef struct {
    const char *name;
    uint32_t least, most; /* arguments */
    void (*run)(const arguments_t arguments);
    const char *help;
} command_t;

static const command_t commands[] = {
    {"name", 0, 0, command_name, "name%            who answers"},
    {"timestamp", 0, 0, command_timestamp, "timestamp%       microseconds since reset"},
    {"profile", 0, 0, command_profile, "profile%         the benchmark's version and model"},
    {"db", 0, 2, command_db, "db HH..%         bytes of the input; db load N% first; db print% shows them"},
    {"infer", 0, 2, command_infer, "infer N W%       N timed inferences on it after W others, and results"},
    {"results", 0, 0, command_results, "results%         output 0 as numbers"},
    {"model", 0, 0, command_model, "model%           the model, its inputs and outputs"},
    {"put", 3, 3, command_put, "put I N CRC%     write the N bytes that follow to input I"},
    {"run", 1, 1, command_run, "run N%           run the network N times"},
    {"get", 1, 1, command_get, "get I%           read output I"},
#if defined(TINYML_TRACE)
    {"layers", 1, 1, command_layers, "layers N%        run it N times, cycles of each layer"},
    {"tensor", 5, 5, command_tensor, "tensor L C A O N%  run it once; N bytes at O of arena A behind call C of layer L"},
#endif
    {"mem", 0, 0, command_mem, "mem%             stack and arena in bytes"},
    {"paint", 1, 1, command_paint, "paint HH%        fill arenas and free stack; state back to its beginning"},
    {"reset", 0, 0, command_reset, "reset%           as power-up"},
    {"help", 0, 0, command_help, "help%            this text"},
};

#define COMMANDS (sizeof commands / sizeof commands[0])

static void command_help(const arguments_t arguments)
{
    (void)arguments;
    for (uint32_t i = 0; i < COMMANDS; ++i) {
        put_line(commands[i].help, "", "");
    }
}

/* Splits at single spaces and calls. The name is echoed in an error as it came: it holds printable characters only. */
static void execute(char *line)
{
    arguments_t arguments = {NULL, NULL, NULL, NULL};
    uint32_t count = 0;
    for (char *p = line; *p != '\0'; ++p) {
        if (*p == ' ') {
            *p = '\0';
            if (count < MAX_ARGUMENTS) {
                arguments[count] = p + 1;
            }
            ++count;
        }
    }
    for (uint32_t i = 0; i < COMMANDS; ++i) {
        if (same_text(line, commands[i].name)) {
            if (count < commands[i].least || count > commands[i].most) {
                put_line("e-[Wrong number of arguments: ", commands[i].help, "]");
            } else {
                commands[i].run(arguments);
            }
            return;
        }
    }
    put_line("e-[Unknown command: ", line, "]");
}

/* Reads up to '%' into a string. Returns 0 where the line was too long to be a command; it is read to its end. */
static int read_line(char line[LINE_BYTES])
{
    uint32_t length = 0;
    for (;;) {
        const int32_t byte = uart_poll();
        (void)timer_cycles(); /* keeps time while waiting */
        if (byte == '%') {
            line[length < LINE_BYTES ? length : LINE_BYTES - 1u] = '\0';
            return length < LINE_BYTES;
        }
        if (byte >= ' ' && byte <= '~') {
            if (length < LINE_BYTES) {
                line[length] = (char)byte;
                ++length;
            }
        }
    }
}

void protocol_serve(uint32_t clock)
{
    char line[LINE_BYTES];

    clock_hz = clock;
    tinyml_model.init();
    for (uint32_t i = 0; i < PARTS; ++i) {
        crc_found[i] = crc32_update(0, parts[i].start, (uint32_t)((uintptr_t)parts[i].end - (uintptr_t)parts[i].start));
    }

    put_line("m-timestamp-mode-performance", "", "");
    put_line_number("m-lap-us-", microseconds(timer_cycles()));
    (void)image_refused();
    put_line("m-init-done", "", "");
    put_line("m-ready", "", "");
    for (;;) {
        if (read_line(line)) {
            execute(line);
        } else {
            put_line("e-[Command too long]", "", "");
        }
        put_line("m-ready", "", "");
    }
}
