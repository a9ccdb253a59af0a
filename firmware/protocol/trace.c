/* What traced firmware tells besides: cycles of each layer, and any tensor of a run. The emitted C, compiled with
 * TINYML_TRACE, calls tinyml_trace after each call of a layer; TINYML_LAYERS is their number. See PROTOCOL.md.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "board.h"
#include "command.h"
#include "text.h"
#include "tinyml_model.h"

void tinyml_trace(const void *net, int index);

/* Of `layers`: cycles by layer, and when the layer under way began. */
static uint64_t cycles_of[TINYML_LAYERS];
static uint64_t began;

/* Of `tensor`: what to send behind which layer, after how many calls of it; NULL otherwise, and once it was sent. */
static const uint8_t *wanted;
static uint32_t wanted_bytes;
static uint32_t wanted_layer;
static uint32_t calls_before;

void tinyml_trace(const void *net, int index)
{
    (void)net;
    if (wanted != NULL && (uint32_t)index == wanted_layer && calls_before-- == 0) {
        const uint8_t *from = wanted;
        wanted = NULL;
        put_bytes(from, wanted_bytes);
    }
    cycles_of[index] += timer_cycles() - began;
    began = timer_cycles(); /* read again: what was done here is no layer's */
}

static void begin(void)
{
    began = timer_cycles();
}

void command_layers(const arguments_t arguments)
{
    uint32_t count;
    uint64_t cycles = 0;
    if (!parse_decimal(arguments[0], &count) || count == 0) {
        put_line("e-[", "layers takes: a number of inferences above 0", "]");
        return;
    }
    if (image_refused()) {
        return;
    }
    for (uint32_t i = 0; i < TINYML_LAYERS; ++i) {
        cycles_of[i] = 0;
    }
    if (!run_network(count, begin, &cycles)) {
        return;
    }
    for (uint32_t i = 0; i < tinyml_model.traced_layers; ++i) {
        put_text("m-layer-");
        put_decimal(i);
        put_line_number("-", cycles_of[i]);
    }
    put_line_number("m-cycles-", cycles);
}

void command_tensor(const arguments_t arguments)
{
    uint32_t layer;
    uint32_t call;
    uint32_t arena;
    uint32_t offset;
    uint32_t bytes;
    uint64_t cycles = 0;
    if (!parse_decimal(arguments[0], &layer) || !parse_decimal(arguments[1], &call) ||
        !parse_decimal(arguments[2], &arena) || !parse_decimal(arguments[3], &offset) ||
        !parse_decimal(arguments[4], &bytes)) {
        put_line("e-[", "tensor takes: layer call arena offset bytes", "]");
        return;
    }
    if (layer >= tinyml_model.traced_layers) {
        put_text("e-[No layer ");
        put_decimal(layer);
        put_line("", "]", "");
        return;
    }
    if (arena >= tinyml_model.arena_count || offset > tinyml_model.arena_bytes[arena] ||
        bytes > tinyml_model.arena_bytes[arena] - offset) {
        put_line("e-[", "That is in no arena", "]");
        return;
    }
    if (image_refused()) {
        return;
    }
    wanted = (const uint8_t *)tinyml_model.arenas[arena] + offset;
    wanted_bytes = bytes;
    wanted_layer = layer;
    calls_before = call;
    (void)run_network(1u, begin, &cycles);
    if (wanted != NULL) {
        wanted = NULL;
        put_line("e-[", "That layer was not called so often", "]");
    }
}
