/* How depthwise kernels for SMLAD prepare four channels. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_DEPTHWISE_PREPARE_H
#define TINYML_DEPTHWISE_PREPARE_H

#include "tinyml_depthwise_dsp.h"

/* Finishes `count` channels from c on, `size` words from one to the next, that cannot be finished evenly. factor: of their
 * weights. */
static inline void tinyml_finish_unevenly(const tinyml_conv_s8_t *op, int32_t c, uint32_t *to, int32_t size,
                                          int32_t *factor, int32_t count)
{
    const tinyml_outputs_t outputs = tinyml_outputs_of(op);

    for (const int32_t *const end = factor + count; factor < end; to += size, ++c) {
        tinyml_finish_t *const f = (tinyml_finish_t *)(void *)to;
        *factor++ = 1 << tinyml_finish_channel(f, op->multiplier[c], -op->shift[c], op->bias[c], outputs);
    }
}

/* Finishes channels c to c + 3, evenly where that is possible: by 2 to 8 bits, so that weights are int16, and sums below
 * 2^31. */
TINYML_STEP static void tinyml_finish_four(const tinyml_conv_s8_t *op, int32_t c, void *to, int32_t size, int32_t factor[4])
{
    const int32_t *multiplier = op->multiplier + c, *bias = op->bias + c;
    const int8_t *shift = op->shift + c;
    const uint32_t room = UINT32_C(1) << 22;
    const int32_t rounding = tinyml_shift_left(2 * op->out_offset + 1, TINYML_EVEN_SHIFT - 1);
    uint32_t *at = to;

    if (op->out_min < op->out_offset) {
        tinyml_finish_unevenly(op, c, at, size, factor, 4);
        return;
    }
    for (const int32_t *const end = factor + 4; factor < end; at += size, ++factor, ++multiplier) {
        tinyml_finish_t *const f = (tinyml_finish_t *)(void *)at;
        const int32_t b = *bias++, bits = TINYML_EVEN_SHIFT - 1 + *shift++;
        if ((uint32_t)bits < 7 && (uint32_t)b + room < 2 * room) {
            f->multiplier = *multiplier;
            f->rounding = rounding + (1 << bits);
            f->shift = TINYML_EVEN;
            f->bias = tinyml_shift_left(b, bits + 2);
            *factor = 4 << bits;
        } else {
            tinyml_finish_unevenly(op, (int32_t)(multiplier - op->multiplier), at, size, factor, 1);
        }
    }
}

/* Two taps of four channels, `size` words from one to the next. */
static inline void tinyml_spread_taps(const int8_t *a, const int8_t *b, const int32_t factor[4], uint32_t *to, int32_t size)
{
    uint32_t pair[4];

    tinyml_interleave(a, b, pair);
    to[0] = tinyml_times(pair[0], factor[0]);
    to[size] = tinyml_times(pair[1], factor[1]);
    to[2 * size] = tinyml_times(pair[2], factor[2]);
    to[3 * size] = tinyml_times(pair[3], factor[3]);
}

#endif
