/* Eight int32 side by side: AVX2 where the compiler may use it, else plain C. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_LANES_H
#define TINYML_LANES_H

#include <stdint.h>

#include "tinyml_conv_s8.h"
#include "tinyml_memory.h"
#include "tinyml_requant.h"

#if defined(__AVX2__)
#include <immintrin.h>

typedef __m256i tinyml_lanes_t;

static inline tinyml_lanes_t tinyml_lanes_load(const int32_t *from)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)from);
}

/* sum + w[2 i] * low half + w[2 i + 1] * high half of `pair`, in each lane i. No product may reach 2^30. */
static inline tinyml_lanes_t tinyml_lanes_pair(tinyml_lanes_t sum, const int16_t *w, const int16_t *pair)
{
    const __m256i weights = _mm256_loadu_si256((const __m256i *)(const void *)w);
    const __m256i both = _mm256_set1_epi32((int32_t)tinyml_load_word(pair));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(weights, both));
}

/* sum + w * (x + offset), which has to fit into 16 bits. */
static inline tinyml_lanes_t tinyml_lanes_tap(tinyml_lanes_t sum, const int16_t *w, const int8_t *x, int32_t offset)
{
    const __m128i wide = _mm_cvtepi8_epi16(_mm_loadl_epi64((const __m128i *)(const void *)x));
    const __m128i weights = _mm_loadu_si128((const __m128i *)(const void *)w);
    const __m128i moved = _mm_add_epi16(wide, _mm_set1_epi16((int16_t)offset));
    return _mm256_add_epi32(sum, _mm256_cvtepi16_epi32(_mm_mullo_epi16(moved, weights)));
}

/* tinyml_requantize(), output offset and clamp of eight channels from `c` on; eight bytes. */
static inline void tinyml_lanes_finish(const tinyml_conv_s8_t *op, int32_t c, tinyml_lanes_t sum, int8_t *to)
{
    const __m256i zero = _mm256_setzero_si256();
    const __m256i multiplier = tinyml_lanes_load(op->multiplier + c);
    const __m256i shift = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(op->shift + c)));
    const __m256i left = _mm256_max_epi32(shift, zero);
    const __m256i right = _mm256_max_epi32(_mm256_sub_epi32(zero, shift), zero);

    /* tinyml_high_mul(): bits 31 to 62 of the products, of even and of odd lanes. */
    const __m256i x = _mm256_sllv_epi32(sum, left);
    const __m256i half = _mm256_set1_epi64x(INT64_C(1) << 30);
    const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(x, multiplier), half);
    const __m256i odd =
        _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(x, 32), _mm256_srli_epi64(multiplier, 32)), half);
    const __m256i high = _mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_slli_epi64(odd, 1), 0xAA);

    /* tinyml_divide_pow2(): a comparison gives -1 for yes. */
    const __m256i mask = _mm256_sub_epi32(_mm256_sllv_epi32(_mm256_set1_epi32(1), right), _mm256_set1_epi32(1));
    const __m256i threshold = _mm256_sub_epi32(_mm256_srli_epi32(mask, 1), _mm256_cmpgt_epi32(zero, high));
    const __m256i up = _mm256_cmpgt_epi32(_mm256_and_si256(high, mask), threshold);
    const __m256i scaled = _mm256_sub_epi32(_mm256_srav_epi32(high, right), up);

    const __m256i moved = _mm256_add_epi32(scaled, _mm256_set1_epi32(op->out_offset));
    const __m256i most = _mm256_min_epi32(moved, _mm256_set1_epi32(op->out_max));
    const __m256i clamped = _mm256_max_epi32(most, _mm256_set1_epi32(op->out_min));
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(clamped), _mm256_extracti128_si256(clamped, 1));
    _mm_storel_epi64((__m128i *)(void *)to, _mm_packs_epi16(words, words));
}

#else

typedef struct {
    int32_t of[8];
} tinyml_lanes_t;

static inline tinyml_lanes_t tinyml_lanes_load(const int32_t *from)
{
    tinyml_lanes_t lanes;
    for (int32_t i = 0; i < 8; ++i) {
        lanes.of[i] = from[i];
    }
    return lanes;
}

static inline tinyml_lanes_t tinyml_lanes_pair(tinyml_lanes_t sum, const int16_t *w, const int16_t *pair)
{
    for (int32_t i = 0; i < 8; ++i) {
        sum.of[i] += w[2 * i] * pair[0] + w[2 * i + 1] * pair[1];
    }
    return sum;
}

static inline tinyml_lanes_t tinyml_lanes_tap(tinyml_lanes_t sum, const int16_t *w, const int8_t *x, int32_t offset)
{
    for (int32_t i = 0; i < 8; ++i) {
        sum.of[i] += w[i] * (x[i] + offset);
    }
    return sum;
}

static inline void tinyml_lanes_finish(const tinyml_conv_s8_t *op, int32_t c, tinyml_lanes_t sum, int8_t *to)
{
    for (int32_t i = 0; i < 8; ++i) {
        const int32_t scaled = tinyml_requantize(sum.of[i], op->multiplier[c + i], op->shift[c + i]) + op->out_offset;
        to[i] = (int8_t)tinyml_clamp(scaled, op->out_min, op->out_max);
    }
}

#endif

/* Eight finished channels from `c` on to their place, or as many as there are. */
static inline void tinyml_lanes_store(const tinyml_conv_s8_t *op, int32_t c, tinyml_lanes_t sum, int8_t *to)
{
    const int32_t rest = op->out_channels - c;
    if (rest >= 8) {
        tinyml_lanes_finish(op, c, sum, to);
    } else {
        int8_t lanes[8];
        tinyml_lanes_finish(op, c, sum, lanes);
        tinyml_copy(to, lanes, rest);
    }
}

#endif
