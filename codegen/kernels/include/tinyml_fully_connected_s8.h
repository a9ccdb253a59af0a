/* int8 fully connected layers. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_FULLY_CONNECTED_S8_H
#define TINYML_FULLY_CONNECTED_S8_H

#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* out = clamp(requantize_once(bias + sum of weight * input) + out_offset), LiteRT's reference bit for bit.
 *
 * weights       [out][depth], packed as each kernel says
 * bias          one an output; includes minus the input's zero point times the sum of a row of weights
 * factor        one, or one an output where per_channel is 1 (see tinyml_requantize_once)
 *
 * Row y of the output is computed from `depth` bytes at y * depth: the input lies whole and end to end.
 */
typedef struct {
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *factor_high;
    const int32_t *factor_low;
    const int8_t *factor_exponent;
    int32_t per_channel;
    int32_t depth;
    int32_t out_channels;
    int32_t out_offset;
    int32_t out_min;
    int32_t out_max;
} tinyml_fully_connected_s8_t;

/* weights [out][depth]. */
void tinyml_fully_connected_s8(const tinyml_fully_connected_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                               const tinyml_tile_t *tile, void *scratch);

/* For SMLAD. The same weights; no scratch. */
void tinyml_fully_connected_s8_dsp(const tinyml_fully_connected_s8_t *op, const tinyml_rows_t *in,
                                   const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif
