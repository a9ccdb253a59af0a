/* Convolution, int8, for Helium. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_mve.h"

#define BYTES 1
#define WEIGHTS(q) "vldrb.u8 " q ", [r1], #16\n"
#define SOME_WEIGHTS(q) "vldrb.u8 " q ", [r1]\n add r1, r1, r9\n"
#define STEP_OF(mac, weights)                                       \
    weights("q2") mac " r0, q0, q2\n" weights("q3") mac " r8, q1, q2\n" \
    mac " r2, q0, q3\n" weights("q2") mac " r10, q1, q3\n"          \
    mac " r4, q0, q2\n" weights("q3") mac " r12, q1, q2\n"          \
    mac " r6, q0, q3\n" mac " r14, q1, q3\n"
#define SEPARATE ""
#define SEPARATE_LANES ""

#if !TINYML_HELIUM
static const int8_t *add_step(const int8_t *x, const int8_t *w, int32_t taps, int32_t sum[4])
{
    for (int32_t f = 0; f < 4; ++f, w += taps) {
        for (int32_t i = 0; i < taps; ++i) {
            sum[f] += x[i] * w[i];
        }
    }
    return w;
}
#endif

#include "tinyml_conv_vector_runs.h"

void tinyml_conv_s8_mve(const tinyml_conv_vector_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch)
{
    convolve(op, in, out, tile, scratch);
}
