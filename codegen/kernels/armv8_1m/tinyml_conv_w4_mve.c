/* Convolution, int8 with weights of 4 bits, for Helium. SPDX-License-Identifier: Apache-2.0
 *
 * The byte 16 b + a has the weights of two filters. VMLADAV of it adds up 16 times the sum of b and the sum of a; shifted to the
 * left by 4 bits it is 16 a, whatever the sign, and gives 16 times the sum of a. So two vectors of weights take a load and
 * a shift, where those of 8 bits take two loads. All is exact while sums are below 2^27.
 */
#include "tinyml_mve.h"

#define BYTES 1
#define WEIGHTS(q) "vldrb.u8 " q ", [r1], #16\n"
#define SOME_WEIGHTS(q) "vldrb.u8 " q ", [r1]\n add r1, r1, r9\n"
#define STEP_OF(mac, weights)                                             \
    weights("q2") "vshl.i8 q3, q2, #4\n" mac " r2, q0, q2\n" mac " r10, q1, q2\n" weights("q2") \
    mac " r0, q0, q3\n" mac " r8, q1, q3\n" "vshl.i8 q3, q2, #4\n"        \
    mac " r6, q0, q2\n" mac " r14, q1, q2\n" mac " r4, q0, q3\n" mac " r12, q1, q3\n"
#define SEPARATE                                                          \
    "sub r2, r2, r0, asr #4\n sub r6, r6, r4, asr #4\n sub r10, r10, r8, asr #4\n sub r14, r14, r12, asr #4\n"
#define SEPARATE_LANES "vshr.s32 q4, q4, #4\n vshr.s32 q5, q5, #4\n"

#define PAIR_OF_WEIGHTS(a, b)                                             \
    "vpst\n vldrbt.u8 " b ", [r1]\n vshl.i8 " a ", " b ", #4\n vshr.s8 " a ", " a ", #4\n" \
    "vsub.i8 " b ", " b ", " a "\n vshr.s8 " b ", " b ", #4\n"
#define PAIR_BYTES(taps) (taps)

#if !TINYML_HELIUM
static const int8_t *add_step(const int8_t *x, const int8_t *w, int32_t taps, int32_t sum[4])
{
    for (int32_t f = 0; f < 4; f += 2, w += taps) {
        for (int32_t i = 0; i < taps; ++i) {
            const int32_t a = ((w[i] & 15) ^ 8) - 8;
            sum[f] += x[i] * a;
            sum[f + 1] += x[i] * ((w[i] - a) / 16);
        }
    }
    return w;
}
#endif

#include "tinyml_conv_vector_runs.h"

void tinyml_conv_w4_mve(const tinyml_conv_vector_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch)
{
    convolve(op, in, out, tile, scratch);
}
