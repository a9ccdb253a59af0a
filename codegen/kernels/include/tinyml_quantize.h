/* Between real numbers and integers, and between integers of different scales. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_QUANTIZE_H
#define TINYML_QUANTIZE_H

#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* stored = clamp(round(real / scale) + zero_point), halves away from zero. out_min and out_max span the type. */
typedef struct {
    int32_t channels;
    float scale;
    int32_t zero_point;
    int32_t out_min;
    int32_t out_max;
} tinyml_quantize_t;

/* real = scale * (stored - zero_point) */
typedef struct {
    int32_t channels;
    float scale;
    int32_t zero_point;
} tinyml_dequantize_t;

/* stored = clamp(requantize(stored + in_offset) + out_offset), see tinyml_requant.h. */
typedef struct {
    int32_t channels;
    int32_t in_offset;
    int32_t multiplier;
    int32_t shift;
    int32_t out_offset;
    int32_t out_min;
    int32_t out_max;
} tinyml_requantize_t;

/* Between uint8 and int8 of one scale, the zero points 128 apart: the same number, its highest bit turned around. */
typedef struct {
    int32_t channels;
} tinyml_flip_sign_t;

void tinyml_flip_sign(const tinyml_flip_sign_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                      const tinyml_tile_t *tile, void *scratch);

void tinyml_quantize_f32_s8(const tinyml_quantize_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                            const tinyml_tile_t *tile, void *scratch);

void tinyml_quantize_f32_u8(const tinyml_quantize_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                            const tinyml_tile_t *tile, void *scratch);

void tinyml_quantize_f32_s16(const tinyml_quantize_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                             const tinyml_tile_t *tile, void *scratch);

void tinyml_dequantize_s8_f32(const tinyml_dequantize_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                              const tinyml_tile_t *tile, void *scratch);

void tinyml_dequantize_u8_f32(const tinyml_dequantize_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                              const tinyml_tile_t *tile, void *scratch);

void tinyml_dequantize_s16_f32(const tinyml_dequantize_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                               const tinyml_tile_t *tile, void *scratch);

void tinyml_requantize_s8_s8(const tinyml_requantize_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                             const tinyml_tile_t *tile, void *scratch);

void tinyml_requantize_s8_u8(const tinyml_requantize_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                             const tinyml_tile_t *tile, void *scratch);

void tinyml_requantize_s8_s16(const tinyml_requantize_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                              const tinyml_tile_t *tile, void *scratch);

void tinyml_requantize_s8_s32(const tinyml_requantize_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                              const tinyml_tile_t *tile, void *scratch);

void tinyml_requantize_u8_s8(const tinyml_requantize_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                             const tinyml_tile_t *tile, void *scratch);

void tinyml_requantize_u8_u8(const tinyml_requantize_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                             const tinyml_tile_t *tile, void *scratch);

void tinyml_requantize_s16_s8(const tinyml_requantize_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                              const tinyml_tile_t *tile, void *scratch);

void tinyml_requantize_s16_s16(const tinyml_requantize_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                               const tinyml_tile_t *tile, void *scratch);

void tinyml_requantize_s16_s32(const tinyml_requantize_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                               const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif
