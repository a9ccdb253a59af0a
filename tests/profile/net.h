/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_H
#define NET_H
#include <stdint.h>

#define NET_ARENA_COUNT 1
#define NET_ARENA_BYTES 256
#define NET_ARENA_ALIGN 32
#define NET_INPUT_0_BYTES 64
#define NET_INPUT_1_BYTES 64
#define NET_OUTPUT_0_BYTES 64
#define NET_OUTPUT_1_BYTES 8
#define NET_INPUT_PRESERVED 1
#define NET_MODEL_SHA256 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

typedef struct {
    uint8_t *arena;
} net_t;

void net_init(net_t *net, void *arena);
void *net_input_0(const net_t *net);
void *net_input_1(const net_t *net);
const void *net_output_0(const net_t *net);
const void *net_output_1(const net_t *net);
void net_run(net_t *net);

#endif
