/* Softmax in fixed point. SPDX-License-Identifier: Apache-2.0
 *
 * The arithmetic of TFLite's reference kernel, bit for bit. Qm means a 32-bit number with m integer bits, whose real value
 * is raw / 2^(31 - m). A product of Qm and Qn by tinyml_high_mul() is Q(m + n).
 */
#ifndef TINYML_SOFTMAX_FIXED_H
#define TINYML_SOFTMAX_FIXED_H

#include "tinyml_requant.h"
#include "tinyml_softmax_s8.h"

#ifdef __cplusplus
extern "C" {
#endif

static inline int32_t tinyml_saturating_shift_left(int32_t x, int32_t exponent)
{
    const int32_t limit = INT32_MAX >> exponent;
    return x > limit ? INT32_MAX : x < -limit ? INT32_MIN : tinyml_shift_left(x, exponent);
}

/* exp(x) in Q0 for x in Q0, -1/4 <= x < 0: the Taylor series of fourth order around -1/8. */
static inline int32_t tinyml_exp_within_quarter(int32_t x)
{
    const int32_t exp_minus_eighth = 1895147668;
    const int32_t third = 715827883;
    const int32_t d = x + (1 << 28);
    const int32_t d2 = tinyml_high_mul(d, d);
    const int32_t d3 = tinyml_high_mul(d2, d);
    const int32_t d4 = tinyml_high_mul(d2, d2);
    const int32_t d4_quarter = tinyml_divide_pow2(d4, 2);
    const int32_t tail = tinyml_divide_pow2(tinyml_high_mul(d4_quarter + d3, third) + d2, 1);
    return exp_minus_eighth + tinyml_high_mul(exp_minus_eighth, d + tail);
}

/* exp(x) in Q0 for x <= 0 in Q5. x is a multiple of 1/4, whose binary digits each contribute a factor, plus a rest. */
static inline int32_t tinyml_exp_of_negative(int32_t x)
{
    /* exp(-1/4), exp(-1/2), exp(-1), exp(-2), exp(-4), exp(-8), exp(-16) in Q0 */
    static const int32_t factor[7] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
    const int32_t quarter = 1 << 24;
    const int32_t rest = (x & (quarter - 1)) - quarter;
    const int32_t quarters = rest - x;
    int32_t y = tinyml_exp_within_quarter(rest * 32);

    if (x == 0) {
        return INT32_MAX;
    }
    for (int32_t i = 0; i < 7; ++i) {
        if (quarters & (quarter << i)) {
            y = tinyml_high_mul(y, factor[i]);
        }
    }
    return y;
}

/* 1 / (1 + x) in Q0 for 0 <= x < 1 in Q0: three Newton steps from 48/17 - 32/17 * d. */
static inline int32_t tinyml_one_over_one_plus(int32_t x)
{
    const int32_t half_denominator = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
    int32_t y = 1515870810 + tinyml_high_mul(half_denominator, -1010580540); /* Q2 */
    for (int32_t i = 0; i < 3; ++i) {
        const int32_t error = (1 << 29) - tinyml_high_mul(half_denominator, y);
        y += tinyml_saturating_shift_left(tinyml_high_mul(y, error), 2);
    }
    return tinyml_saturating_shift_left(y, 1);
}

/* exp(x - maximum) in Q0, for a difference of stored values of at least op->diff_min. */
static inline int32_t tinyml_softmax_exp(const tinyml_softmax_s8_t *op, int32_t diff)
{
    return tinyml_exp_of_negative(tinyml_high_mul(tinyml_shift_left(diff, op->left_shift), op->multiplier));
}

/* What the probabilities of one row have in common: 1 / sum is reciprocal / 2^(31 + shift). */
typedef struct {
    int32_t max;
    int32_t reciprocal;
    int32_t shift;
} tinyml_softmax_row_t;

static inline tinyml_softmax_row_t tinyml_softmax_row(const tinyml_softmax_s8_t *op, const int8_t *x)
{
    tinyml_softmax_row_t row = {INT8_MIN, 0, 12};
    int32_t sum = 0; /* Q12 */
    uint32_t normal;

    for (int32_t c = 0; c < op->channels; ++c) {
        row.max = x[c] > row.max ? x[c] : row.max;
    }
    for (int32_t c = 0; c < op->channels; ++c) {
        if (x[c] - row.max >= op->diff_min) {
            sum += tinyml_divide_pow2(tinyml_softmax_exp(op, x[c] - row.max), 12);
        }
    }
    for (normal = (uint32_t)sum; normal < UINT32_C(0x80000000); normal <<= 1) {
        --row.shift;
    }
    row.reciprocal = tinyml_one_over_one_plus((int32_t)(normal - UINT32_C(0x80000000)));
    return row;
}

/* The probability of one element, in units of 2^-bits; not yet clamped. */
static inline int32_t tinyml_softmax_at(const tinyml_softmax_s8_t *op, const tinyml_softmax_row_t *row, int32_t x,
                                        int32_t bits)
{
    const int32_t diff = x - row->max;
    if (diff < op->diff_min) {
        return 0;
    }
    const int32_t exponent = row->shift + 31 - bits;
    if (exponent > 31) { /* hundreds of equal elements, less than half a unit each: TFLite's kernel shifts too far */
        return 0;
    }
    return tinyml_divide_pow2(tinyml_high_mul(row->reciprocal, tinyml_softmax_exp(op, diff)), exponent);
}

#ifdef __cplusplus
}
#endif

#endif
