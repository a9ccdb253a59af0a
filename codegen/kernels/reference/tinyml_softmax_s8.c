/* Softmax, int8. SPDX-License-Identifier: Apache-2.0
 *
 * The fixed-point arithmetic of TFLite's reference kernel, bit for bit. Qm means a 32-bit number with m integer bits,
 * whose real value is raw / 2^(31 - m). A product of Qm and Qn by tinyml_high_mul() is Q(m + n).
 */
#include "tinyml_softmax_s8.h"
#include "tinyml_requant.h"

static int32_t saturating_shift_left(int32_t x, int32_t exponent)
{
    const int32_t limit = INT32_MAX >> exponent;
    return x > limit ? INT32_MAX : x < -limit ? INT32_MIN : tinyml_shift_left(x, exponent);
}

/* exp(x) in Q0 for x in Q0, -1/4 <= x < 0: the Taylor series of fourth order around -1/8. */
static int32_t exp_within_quarter(int32_t x)
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
static int32_t exp_of_negative(int32_t x)
{
    /* exp(-1/4), exp(-1/2), exp(-1), exp(-2), exp(-4), exp(-8), exp(-16) in Q0 */
    static const int32_t factor[7] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
    const int32_t quarter = 1 << 24;
    const int32_t rest = (x & (quarter - 1)) - quarter;
    const int32_t quarters = rest - x;
    int32_t y = exp_within_quarter(rest * 32);

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
static int32_t one_over_one_plus(int32_t x)
{
    const int32_t half_denominator = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
    int32_t y = 1515870810 + tinyml_high_mul(half_denominator, -1010580540); /* Q2 */
    for (int32_t i = 0; i < 3; ++i) {
        const int32_t error = (1 << 29) - tinyml_high_mul(half_denominator, y);
        y += saturating_shift_left(tinyml_high_mul(y, error), 2);
    }
    return saturating_shift_left(y, 1);
}

static void softmax(const tinyml_softmax_s8_t *op, const int8_t *x, int8_t *o)
{
    int32_t max = INT8_MIN;
    int32_t sum = 0; /* Q12 */
    int32_t leading_zeros = 0;

    for (int32_t c = 0; c < op->channels; ++c) {
        max = x[c] > max ? x[c] : max;
    }
    for (int32_t c = 0; c < op->channels; ++c) {
        const int32_t diff = x[c] - max;
        if (diff >= op->diff_min) {
            const int32_t scaled = tinyml_high_mul(tinyml_shift_left(diff, op->left_shift), op->multiplier);
            sum += tinyml_divide_pow2(exp_of_negative(scaled), 12);
        }
    }
    while ((((uint32_t)sum << leading_zeros) & UINT32_C(0x80000000)) == 0) {
        ++leading_zeros;
    }
    const int32_t fraction = (int32_t)(((uint32_t)sum << leading_zeros) - UINT32_C(0x80000000));
    const int32_t reciprocal = one_over_one_plus(fraction);
    const int32_t shift = 12 - leading_zeros + 31 - 8;

    for (int32_t c = 0; c < op->channels; ++c) {
        const int32_t diff = x[c] - max;
        int32_t y = INT8_MIN;
        if (diff >= op->diff_min) {
            const int32_t scaled = tinyml_high_mul(tinyml_shift_left(diff, op->left_shift), op->multiplier);
            y += tinyml_divide_pow2(tinyml_high_mul(reciprocal, exp_of_negative(scaled)), shift);
        }
        o[c] = (int8_t)tinyml_clamp(y, INT8_MIN, INT8_MAX);
    }
}

void tinyml_softmax_s8(const tinyml_softmax_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                       const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int8_t *x = (const int8_t *)tinyml_row(in, y) + (tile->col - in->first_col) * op->channels;
        int8_t *o = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->channels;
        for (int32_t i = 0; i < tile->cols; ++i) {
            softmax(op, x, o);
            x += op->channels;
            o += op->channels;
        }
    }
}
