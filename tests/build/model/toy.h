/* A network of two layers, written by hand. SPDX-License-Identifier: Apache-2.0 */
#ifndef TOY_H
#define TOY_H

#define TOY_ARENA_COUNT 1
#define TOY_ARENA_BYTES 16
#define TOY_ARENA_ALIGN 32
#define TOY_INPUT_BYTES 4
#define TOY_OUTPUT_BYTES 8
#define TOY_INPUT_PRESERVED 0
#define TOY_MODEL_SHA256 "00000000000000000000000000000000000000000000000000000000deadbeef"

typedef struct {
    void *arena;
} toy_t;

void toy_init(toy_t *net, void *arena);
void *toy_input(const toy_t *net);
const void *toy_output(const toy_t *net);
void toy_run(toy_t *net);

#endif
