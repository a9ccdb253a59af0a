/* A network of two layers in the form that the emitter writes: two inputs, two outputs, an arena with a gap.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net.h"

#include <stdint.h>

void net_init(net_t *net, void *arena)
{
    net->arena = arena;
}

void *net_input_0(const net_t *net)
{
    return net->arena;
}

void *net_input_1(const net_t *net)
{
    return net->arena + 64;
}

const void *net_output_0(const net_t *net)
{
    return net->arena + 128;
}

const void *net_output_1(const net_t *net)
{
    return net->arena + 192;
}

static __attribute__((noinline)) void net_layer_00_add(const net_t *net)
{
    for (int i = 0; i < 64; i++) {
        net->arena[128 + i] = (uint8_t)(net->arena[i] + net->arena[64 + i]);
    }
}

static __attribute__((noinline)) void net_layer_01_sums(const net_t *net)
{
    volatile int32_t squares[128];
    int32_t *out = (int32_t *)(void *)(net->arena + 192);
    for (int i = 0; i < 64; i++) {
        const int32_t x = (int8_t)net->arena[128 + i];
        squares[i] = x * x;
        squares[64 + i] = x;
    }
    out[0] = 0;
    out[1] = 0;
    for (int i = 0; i < 64; i++) {
        out[0] += squares[i];
        out[1] += squares[64 + i];
    }
}

void net_run(net_t *net)
{
    net_layer_00_add(net);
    net_layer_01_sums(net);
}
