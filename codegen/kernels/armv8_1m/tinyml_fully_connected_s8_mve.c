/* Fully connected layer, int8, for Helium. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_fully_connected_vector_runs.h"

#if TINYML_HELIUM

#define FIRST(sum) SOME_WEIGHTS("q1") "vmladav.s8 " sum ", q0, q1\n"

TINYML_ASSEMBLY static void multiply(TINYML_UNUSED const product_t *product)
{
    __asm__(PRODUCT(SOME_INPUTS FIRST("r0") FIRST("r2") FIRST("r4") FIRST("r6"),
                    INPUTS("b.u8") WEIGHTS("q1") WEIGHTS("q2") "vmladava.s8 r0, q0, q1\n"
                    WEIGHTS("q3") "vmladava.s8 r2, q0, q2\n" WEIGHTS("q1") "vmladava.s8 r4, q0, q3\n"
                    "vmladava.s8 r6, q0, q1\n",
                    TO_LANES RESCALE));
}

#else

static void multiply(const product_t *product)
{
    const int8_t *w = product->weights;
    for (int32_t c = 0; c < product->outputs; c += OUTPUTS) {
        int32_t sum[OUTPUTS] = {0, 0, 0, 0};
        const int8_t *x = product->x;
        int32_t inputs = product->first;
        for (int32_t s = 0; s <= product->steps; ++s, x += inputs, inputs = STEP) {
            for (int32_t i = 0; i < OUTPUTS; ++i) {
                for (int32_t k = 0; k < inputs; ++k) {
                    sum[i] += *w++ * x[k];
                }
            }
        }
        rescale_four(product, c, sum);
    }
}

#endif

void tinyml_fully_connected_s8_mve(const tinyml_fully_connected_vector_t *op, const tinyml_rows_t *in,
                                   const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const product_t product = product_of(op, in, out, y, 0);
        multiply(&product);
    }
}
