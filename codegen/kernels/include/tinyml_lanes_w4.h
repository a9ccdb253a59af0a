/* Weights of 4 bits, of four channels in the lanes of one word. SPDX-License-Identifier: Apache-2.0
 *
 * A word holds two taps of the channels a, b, c and d; the lane of a tap is 4096 d + 256 (c + 8) + 16 (b + 8) + (a + 8), of
 * which d is in two's complement. Multiplied with two inputs by SMLAD,
 *
 *     the word                  sums 4096 d + 256 (c + 8) + 16 (b + 8) + (a + 8)      R
 *     UXTB16 of it              sums                        16 (b + 8) + (a + 8)      Q
 *     the word & 0x000f000f     sums                                     (a + 8)      A
 *     the word & 0x0f000f00     sums         256 (c + 8)                              C
 *
 * No weight is widened and no accumulator shifted: three instructions unpack eight weights. What the eights add depends on
 * the inputs alone. It is taken off where the sums begin; then the channels' sums are A, (Q - A) / 16, C / 256 and
 * (R - Q - C) / 4096. All of it is modulo 2^32, hence exact while the sum of c stays below 2^23 and that of d below 2^19.
 */
#ifndef TINYML_LANES_W4_H
#define TINYML_LANES_W4_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* R, Q, A and C of no taps, for inputs that have this sum. */
typedef struct {
    int32_t r;
    int32_t q;
    int32_t a;
    int32_t c;
} tinyml_lanes_w4_t;

static inline tinyml_lanes_w4_t tinyml_lanes_w4(int32_t sum_of_inputs)
{
    const uint32_t eights = 8u * (uint32_t)sum_of_inputs;
    const tinyml_lanes_w4_t lanes = {(int32_t)(0u - 273u * eights), (int32_t)(0u - 17u * eights), (int32_t)(0u - eights),
                                     (int32_t)(0u - 256u * eights)};
    return lanes;
}

/* The weight of channel 0 to 3 of tap 0 or 1 in a word. */
static inline int32_t tinyml_weight_w4(uint32_t word, int32_t channel, int32_t tap)
{
    const int32_t nibble = (int32_t)(word >> (16 * tap + 4 * channel) & 15u);
    return channel < 3 ? nibble - 8 : (nibble ^ 8) - 8;
}

#ifdef __cplusplus
}
#endif

#endif
