/* Fully connected layers of int8 with weights of 4 bits. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_FULLY_CONNECTED_W4_H
#define TINYML_FULLY_CONNECTED_W4_H

#include "tinyml_fully_connected_s8.h"
#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As tinyml_fully_connected_s8. weights [out][depth], two a byte, the first in the low nibble, in two's complement; a row
 * begins with a byte. */
void tinyml_fully_connected_w4(const tinyml_fully_connected_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                               const tinyml_tile_t *tile, void *scratch);

/* As tinyml_fully_connected_s8_t, with weights and rescaling prepared for tinyml_fully_connected_w4_dsp.
 *
 * weights      [four outputs a b c d][pair of inputs], a word each, see tinyml_lanes_w4.h. The inputs go in eights, each
 *              as 0 2 1 3 4 6 5 7; zeros fill up the last eight, and the last four outputs.
 * rescale      as in tinyml_fully_connected_paired_s8.h. An output for which 31 bits of the factor were not proved to be
 *              enough has bias, high, low and -exponent instead (see tinyml_requantize_once).
 */
typedef struct {
    const int8_t *weights;
    const int32_t *rescale;
    int32_t depth;
    int32_t out_channels;
    int32_t out_offset;
    int32_t out_min;
    int32_t out_max;
} tinyml_fully_connected_w4_t;

/* scratch: 2 bytes an input, a multiple of eight inputs. */
void tinyml_fully_connected_w4_dsp(const tinyml_fully_connected_w4_t *op, const tinyml_rows_t *in,
                                   const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif
