/* Fully connected layer, int16 with int8 weights, for SMLAD: two outputs at a time. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_conv_s16.h"
#include "tinyml_dsp.h"
#include "tinyml_memory.h"
#include "tinyml_requant.h"

/* Adds the products of `count` inputs, fours of them, with the weights of two outputs, fours of both in turn. */
static void multiply(const int8_t *weights, const int16_t *x, int32_t count, int32_t sum[2])
{
    const int16_t *end = x + count;
    int32_t s0 = sum[0], s1 = sum[1];

    for (; x < end; x += 4, weights += 8) {
#if defined(__ARM_FEATURE_DSP)
        const uint32_t f = tinyml_load_aligned(weights), g = tinyml_load_aligned(weights + 4);
        const int16x2_t x01 = (int16x2_t)tinyml_load_word(x), x23 = (int16x2_t)tinyml_load_word(x + 2);
        s0 = __smlad(tinyml_odd(f), x23, __smlad(tinyml_even(f), x01, s0));
        s1 = __smlad(tinyml_odd(g), x23, __smlad(tinyml_even(g), x01, s1));
#else
        s0 += weights[0] * x[0] + weights[2] * x[1] + weights[1] * x[2] + weights[3] * x[3];
        s1 += weights[4] * x[0] + weights[6] * x[1] + weights[5] * x[2] + weights[7] * x[3];
#endif
    }
    sum[0] = s0;
    sum[1] = s1;
}

void tinyml_fully_connected_s16_dsp(const tinyml_fully_connected_s16_t *op, const tinyml_rows_t *in,
                                    const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch)
{
    const int32_t whole = op->depth & ~3, taps = (op->depth + 3) & ~3;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int16_t *x = (const int16_t *)in->base + y * op->depth;
        int16_t *o = tinyml_row(out, y);
        int16_t rest[4] = {0};
        for (int32_t k = whole; k < op->depth; ++k) {
            rest[k - whole] = x[k];
        }
        for (int32_t c = 0; c < op->out_channels; c += 2) {
            const int32_t outputs = op->out_channels - c < 2 ? 1 : 2;
            const int8_t *w = op->weights + c * taps;
            int32_t sum[2] = {op->bias[c], op->bias[c + outputs - 1]};
            multiply(w, x, whole, sum);
            multiply(w + 2 * whole, rest, taps - whole, sum);
            for (int32_t i = 0; i < outputs; ++i) {
                const int32_t q = op->per_channel ? c + i : 0;
                const int32_t scaled =
                    tinyml_requantize_once(sum[i], op->factor_high[q], op->factor_low[q], op->factor_exponent[q]);
                o[c + i] = (int16_t)tinyml_clamp(scaled, op->out_min, op->out_max);
            }
        }
    }
}
