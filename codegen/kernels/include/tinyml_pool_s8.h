/* int8 pooling. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_POOL_S8_H
#define TINYML_POOL_S8_H

#include "tinyml_types.h"
#include "tinyml_window.h"

#ifdef __cplusplus
extern "C" {
#endif

/* zero_point   of input and output, which share their scale
 * whole_window averages divide by all taps of the window, those outside the image counting as zero_point; otherwise by
 *              the taps inside
 */
typedef struct {
    tinyml_window_t window;
    int32_t zero_point;
    int32_t whole_window;
    int32_t out_min;
    int32_t out_max;
} tinyml_pool_s8_t;

void tinyml_max_pool_s8(const tinyml_pool_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch);

/* Rounds half away from zero, as TFLite does. */
void tinyml_average_pool_s8(const tinyml_pool_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                            const tinyml_tile_t *tile, void *scratch);

/* The same, for four channels or more; averages of at most 256 taps. */
void tinyml_max_pool_s8_dsp(const tinyml_pool_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                            const tinyml_tile_t *tile, void *scratch);
void tinyml_average_pool_s8_dsp(const tinyml_pool_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                                const tinyml_tile_t *tile, void *scratch);

/* The same for Helium; averages of at most 4096 taps. */
void tinyml_max_pool_s8_mve(const tinyml_pool_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                            const tinyml_tile_t *tile, void *scratch);
void tinyml_average_pool_s8_mve(const tinyml_pool_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                                const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif
