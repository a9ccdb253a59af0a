/* What the depthwise kernels for SMLAD share. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_DEPTHWISE_DSP_H
#define TINYML_DEPTHWISE_DSP_H

#include <stddef.h>

#include "tinyml_depthwise_s8.h"
#include "tinyml_dsp.h"
#include "tinyml_memory.h"
#include "tinyml_requant.h"
#include "tinyml_widen_w4.h"

/* The sums are those of assembly where compilers take it (GCC and Clang for ARMv7E-M and later), since they run out of
 * registers on their own. */
#if defined(__ARM_FEATURE_DSP) && (defined(__GNUC__) || defined(__clang__))
#define TINYML_DEPTHWISE_ASSEMBLY 1
#define UNUSED __attribute__((unused))
#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)
#else
#define TINYML_DEPTHWISE_ASSEMBLY 0
#endif

/* pair[c] = bytes a[c] and b[c] as two int16. */
static inline void tinyml_interleave(const int8_t *a, const int8_t *b, uint32_t pair[4])
{
#if TINYML_DEPTHWISE_ASSEMBLY
    const uint32_t u = tinyml_load_word(a), v = tinyml_load_word(b);
    uint32_t low, high;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(low) : "r"(u), "r"(v));
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(high) : "r"(v), "r"(u));
    pair[0] = (uint32_t)tinyml_even(low);
    pair[1] = (uint32_t)tinyml_odd(low);
    pair[2] = (uint32_t)tinyml_even(high);
    pair[3] = (uint32_t)tinyml_odd(high);
#else
    for (int32_t c = 0; c < 4; ++c) {
        pair[c] = ((uint32_t)a[c] & UINT32_C(0xffff)) | (uint32_t)b[c] << 16;
    }
#endif
}

/* The weights of four channels: those of the first tap, and how many bytes lie from a tap to the next. */
typedef struct {
    const int8_t *first;
    int32_t step;
} tinyml_weights_t;

/* Those of channels c to c + 3, which come after `before` others. wide: 4 bytes a tap, where narrow weights go. */
static inline tinyml_weights_t tinyml_weights_of(const tinyml_depthwise_s8_t *op, int32_t before, int32_t c, int32_t taps,
                                                 int8_t *wide)
{
    tinyml_weights_t weights = {op->conv.weights + c, op->conv.out_channels};

    if (op->narrow) {
        tinyml_widen_w4(op->conv.weights + (before >> 3) * 4 * taps, before & 4, taps, wide);
        weights.first = wide;
        weights.step = 4;
    }
    return weights;
}

/* Both halves times a power of two. */
static inline uint32_t tinyml_times(uint32_t pair, int32_t factor)
{
#if TINYML_DEPTHWISE_ASSEMBLY
    uint32_t low, high;
    __asm__("smulbb %0, %1, %2" : "=r"(low) : "r"(pair), "r"(factor));
    __asm__("smultb %0, %1, %2" : "=r"(high) : "r"(pair), "r"(factor));
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(low) : "0"(low), "r"(high));
    return low;
#else
    const uint32_t f = (uint32_t)factor;
    return (pair * f & UINT32_C(0xffff)) | (pair >> 16) * f << 16;
#endif
}

/* The lower half of a pair, or the upper one. */
static inline int32_t tinyml_half(uint32_t pair, int32_t upper)
{
    return (int16_t)(upper ? pair >> 16 : pair & UINT32_C(0xffff));
}

/* How the sums of a channel become outputs. Bias and weights are multiplied by a power of two: by two, as the high half of a
 * product with the multiplier wants it, and by the left shift, if any; or so that all channels shift to the right by
 * TINYML_EVEN_SHIFT, an instruction's constant. Then both roundings are one, before that shift. */
typedef struct {
    int32_t multiplier;
    int32_t rounding; /* of the right shift; the zero point of the output included */
    int32_t shift;    /* to the right, in the low byte; negative where ties of negative sums have to be rounded away from
                         zero, since no clamp hides them; or TINYML_EVEN */
    int32_t bias;
} tinyml_finish_t;

enum { TINYML_FINISH_WORDS = sizeof(tinyml_finish_t) / 4 };

/* No other shift has any of these bits. */
#define TINYML_EVEN 0x7f800000
#define TINYML_EVEN_SHIFT 10

/* How an output is rounded. */
typedef struct {
    int32_t offset; /* 2 * zero point + 1 */
    int32_t ties;   /* INT32_MIN where those of negative sums matter */
} tinyml_outputs_t;

static inline tinyml_outputs_t tinyml_outputs_of(const tinyml_conv_s8_t *op)
{
    const tinyml_outputs_t outputs = {2 * op->out_offset + 1, op->out_min < op->out_offset ? INT32_MIN : 0};
    return outputs;
}

/* Finishes a channel whose factor is multiplier * 2^(-31 - right). Returns by how many bits its weights shift to the left. */
static inline int32_t tinyml_finish_channel(tinyml_finish_t *f, int32_t multiplier, int32_t right, int32_t bias,
                                            tinyml_outputs_t outputs)
{
    const int32_t left = right < 0 ? 1 - right : 1;

    f->multiplier = multiplier;
    f->rounding = tinyml_shift_left(outputs.offset, right < 0 ? 0 : right) >> 1;
    f->shift = right < 0 ? 0 : right | (-right & outputs.ties);
    f->bias = tinyml_shift_left(bias, left);
    return left;
}

static inline int8_t tinyml_finish(const tinyml_finish_t *f, int32_t sum)
{
#if TINYML_DEPTHWISE_ASSEMBLY
    int32_t high, result;
    __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(sum), "r"(f->multiplier));
    high += f->shift < 0 ? high >> 31 : 0;
    __asm__("ssat %0, #8, %1" : "=r"(result) : "r"((high + f->rounding) >> (f->shift & 31)));
    return (int8_t)result;
#else
    if (f->shift == TINYML_EVEN) {
        const int32_t high = (int32_t)((int64_t)sum * f->multiplier >> 32);
        return (int8_t)tinyml_clamp((high + f->rounding) >> TINYML_EVEN_SHIFT, -128, 127);
    }
    const int32_t high = (int32_t)(((int64_t)sum * f->multiplier + (INT64_C(1) << 31)) >> 32);
    const int32_t tie = f->shift < 0 && high < 0 ? -1 : 0;
    return (int8_t)tinyml_clamp((high + tie + f->rounding) >> (f->shift & 31), -128, 127);
#endif
}

#endif
