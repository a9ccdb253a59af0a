/* Fully connected layer, int8 with weights of 4 bits, for Helium. SPDX-License-Identifier: Apache-2.0
 *
 * Two outputs share a byte of weights, as in tinyml_conv_w4_mve.c.
 */
#include "tinyml_fully_connected_vector_runs.h"

#if TINYML_HELIUM

#define FIRST(a, b)                                                                                 \
    SOME_WEIGHTS("q1") "vmladav.s8 " b ", q0, q1\n vshl.i8 q1, q1, #4\n vmladav.s8 " a ", q0, q1\n"

TINYML_ASSEMBLY static void multiply(TINYML_UNUSED const product_t *product)
{
    __asm__(PRODUCT(SOME_INPUTS FIRST("r0", "r2") FIRST("r4", "r6"),
                    INPUTS("b.u8") WEIGHTS("q1") "vshl.i8 q2, q1, #4\n vmladava.s8 r2, q0, q1\n"
                    WEIGHTS("q3") "vmladava.s8 r0, q0, q2\n vshl.i8 q1, q3, #4\n vmladava.s8 r6, q0, q3\n"
                    "vmladava.s8 r4, q0, q1\n",
                    "sub r2, r2, r0, asr #4\n sub r6, r6, r4, asr #4\n" TO_LANES "vshr.s32 q0, q0, #4\n" KEEP RESCALE));
}

#else

static void multiply(const product_t *product)
{
    const int8_t *w = product->weights;
    for (int32_t c = 0; c < product->outputs; c += OUTPUTS) {
        int32_t *sum = product->sums + c;
        const int8_t *x = product->x;
        int32_t inputs = product->first;
        sum[0] = sum[1] = sum[2] = sum[3] = 0;
        for (int32_t s = 0; s <= product->steps; ++s, x += inputs, inputs = STEP) {
            for (int32_t i = 0; i < OUTPUTS; i += 2, w += inputs) {
                for (int32_t k = 0; k < inputs; ++k) {
                    const int32_t a = ((w[k] & 15) ^ 8) - 8;
                    sum[i] += a * x[k];
                    sum[i + 1] += (w[k] - a) / 16 * x[k];
                }
            }
        }
        rescale_four(product, c, sum);
    }
}

#endif

void tinyml_fully_connected_w4_mve(const tinyml_fully_connected_vector_w4_t *op, const tinyml_rows_t *in,
                                   const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch)
{
    int32_t *const sums = scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        int8_t *o = tinyml_row(out, y);
        const product_t product = product_of(&op->product, in, out, y, sums);
        multiply(&product);
        const int32_t *exact = op->exact;
        for (int32_t i = 0; i < op->exact_count; ++i, exact += 5) {
            const int32_t scaled = tinyml_requantize_once(sums[exact[0]] + exact[1], exact[2], exact[3], exact[4]);
            o[exact[0]] = (int8_t)tinyml_clamp(scaled + op->out_offset, op->product.out_min, op->product.out_max);
        }
    }
}
