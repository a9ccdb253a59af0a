/* SPDX-License-Identifier: Apache-2.0 */
#include "toy.h"

#include <stdint.h>

#include "toy_weights.h"

/* A function of its own under its own name: GCC would rename a copy that it specialises. */
#if defined(__clang__)
#define STEP __attribute__((noinline))
#else
#define STEP __attribute__((noipa))
#endif

#ifdef TINYML_TRACE
extern void tinyml_trace(const void *net, int index);
#define TOY_AFTER_LAYER(net, index) tinyml_trace(net, index)
#else
#define TOY_AFTER_LAYER(net, index) ((void)0)
#endif

void toy_init(toy_t *net, void *arena)
{
    net->arena = arena;
}

void *toy_input(const toy_t *net)
{
    return net->arena;
}

const void *toy_output(const toy_t *net)
{
    return (const uint8_t *)net->arena + 8;
}

static STEP void toy_layer_00_add(const toy_t *net)
{
    int8_t *x = net->arena;
    for (int i = 0; i < 4; ++i) {
        x[i] = (int8_t)(x[i] + 1);
    }
}

static STEP void toy_layer_01_fc(const toy_t *net)
{
    const int8_t *x = net->arena;
    int32_t *out = (int32_t *)(void *)((uint8_t *)net->arena + 8);
    for (int row = 0; row < 2; ++row) {
        int32_t sum = 0;
        for (int i = 0; i < 4; ++i) {
            sum += toy_weights[row][i] * x[i];
        }
        out[row] = sum;
    }
}

void toy_run(toy_t *net)
{
    toy_layer_00_add(net);
    TOY_AFTER_LAYER(net, 0);
    toy_layer_01_fc(net);
    TOY_AFTER_LAYER(net, 1);
}
