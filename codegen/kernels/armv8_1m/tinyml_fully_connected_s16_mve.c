/* Fully connected layer, int16 with int8 weights, for Helium. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_fully_connected_vector_runs.h"

#define INPUTS_OF_A_STEP (STEP / 2)

#if TINYML_HELIUM

#define WIDENED(q) "vldrb.s16 " q ", [r1], #8\n"
#define FIRST(sum) "vldrb.s16 q1, [r1]\n add r1, r1, r9\n vmladav.s16 " sum ", q0, q1\n"

TINYML_ASSEMBLY static void add_up(TINYML_UNUSED const product_t *product)
{
    __asm__(PRODUCT("vctp.16 r9\n vpst\n vldrht.u16 q0, [r3]\n add r3, r3, r9, lsl #1\n"
                    FIRST("r0") FIRST("r2") FIRST("r4") FIRST("r6"),
                    INPUTS("h.u16") WIDENED("q1") WIDENED("q2") "vmladava.s16 r0, q0, q1\n"
                    WIDENED("q3") "vmladava.s16 r2, q0, q2\n" WIDENED("q1") "vmladava.s16 r4, q0, q3\n"
                    "vmladava.s16 r6, q0, q1\n",
                    TO_LANES KEEP));
}

#else

static void add_up(const product_t *product)
{
    const int8_t *w = product->weights;
    for (int32_t c = 0; c < product->outputs; c += OUTPUTS) {
        int32_t *sum = product->sums + c;
        const int16_t *x = product->x;
        int32_t inputs = product->first;
        sum[0] = sum[1] = sum[2] = sum[3] = 0;
        for (int32_t s = 0; s <= product->steps; ++s, x += inputs, inputs = INPUTS_OF_A_STEP) {
            for (int32_t i = 0; i < OUTPUTS; ++i) {
                for (int32_t k = 0; k < inputs; ++k) {
                    sum[i] += *w++ * x[k];
                }
            }
        }
    }
}

#endif

void tinyml_fully_connected_s16_mve(const tinyml_fully_connected_s16_t *op, const tinyml_rows_t *in,
                                    const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch)
{
    const int32_t steps = (op->depth - 1) / INPUTS_OF_A_STEP;
    int32_t *const sums = scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        int16_t *o = tinyml_row(out, y);
        const product_t product = {
            (const int16_t *)in->base + y * op->depth, op->weights, 0, o, op->out_channels,
            op->depth - steps * INPUTS_OF_A_STEP, steps, 0, 0, sums,
        };
        add_up(&product);
        for (int32_t c = 0; c < op->out_channels; ++c) {
            const int32_t q = op->per_channel ? c : 0;
            const int32_t scaled = tinyml_requantize_once(sums[c] + op->bias[c], op->factor_high[q], op->factor_low[q],
                                                          op->factor_exponent[q]);
            o[c] = (int16_t)tinyml_clamp(scaled, op->out_min, op->out_max);
        }
    }
}
