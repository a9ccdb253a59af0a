/* int8 depthwise convolutions for SMLAD. SPDX-License-Identifier: Apache-2.0
 *
 * What tinyml_depthwise_s8() computes, for one output channel an input channel, without dilation where the window has a
 * size of its own kernel. Most take weights of 4 bits too: they widen those of four channels at a time.
 */
#ifndef TINYML_DEPTHWISE_S8_H
#define TINYML_DEPTHWISE_S8_H

#include "tinyml_conv_s8.h"

#ifdef __cplusplus
extern "C" {
#endif

/* conv         weights [kernel_height][kernel_width][channels], channels >= 4, stride_x 1 or 2;
 *              bias includes in_offset * (sum of a channel's weights); shift from -22 to 6, all of them below 0 where
 *              out_min < out_offset;
 *              2^(shift + 1) times any sum of a channel fits into int32, where shift is positive or taken as 0
 * narrow       1 where weights are of 4 bits, as tinyml_widen_w4.h has them, but for the last four channels: they lie in the
 *              place of the last one to four that are left when all before have gone in fours
 * patch_bytes  scratch for the inputs of one channel; 3x3 has no use for it
 * block_cols   that many neighbouring outputs of a row, or less, are computed at once: their inputs have to fit; for 3x3
 *              they are 50 columns at most. 5x5 and 7x7 compute all of a tile at once where the inputs of that fit
 */
typedef struct {
    tinyml_conv_s8_t conv;
    int32_t narrow;
    int32_t patch_bytes;
    int32_t block_cols;
} tinyml_depthwise_s8_t;

/* depthwise    as above, without weights, bias, multiplier and shift; narrow is 0
 * channels     what the kernels above make of the weights of each, times a power of two, two int16 a word; then the
 *              tinyml_finish_t of tinyml_depthwise_dsp.h, which says what power. 3x3: rows 0 and 1 of columns 0, 1 and 2, row 2 of columns 0
 *              and 1, of columns 1 and 2; for others see tinyml_depthwise_planar.h
 */
typedef struct {
    tinyml_depthwise_s8_t depthwise;
    const int32_t *channels;
} tinyml_depthwise_ready_s8_t;

/* Any window, dilation and stride; bias as tinyml_depthwise_s8 has it; shift from -22 to 0, and no sum of a channel beyond
 * 2^30. patch_bytes and block_cols are not used. scratch: 4 bytes a tap where weights are narrow. */
void tinyml_depthwise_s8_dsp(const tinyml_depthwise_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                             const tinyml_tile_t *tile, void *scratch);
/* scratch: 144 + 900 + 12 * pairs, of columns of the input of so many outputs, an even number of them, rounded up. */
void tinyml_depthwise_3x3_s8_dsp(const tinyml_depthwise_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                                 const tinyml_tile_t *tile, void *scratch);
/* The same for tiles of few rows: no call prepares the channels. Blocks of 16 outputs at most, 8 where stride_x is 2, and
 * scratch: 324 + 12 * pairs; wide: 900 + 12 * pairs. */
void tinyml_depthwise_3x3_ready_s8_dsp(const tinyml_depthwise_ready_s8_t *op, const tinyml_rows_t *in,
                                       const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch);
void tinyml_depthwise_3x3_ready_wide_s8_dsp(const tinyml_depthwise_ready_s8_t *op, const tinyml_rows_t *in,
                                            const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch);
/* scratch: 4 * (weights_bytes + patch): weights_bytes = 4 * (4 + kernel * words), words = 4, 6 (stride_x 1) or 3, 4
 * (stride_x 2) for 5x5, 7x7; patch: patch_bytes, or what the tile needs to be computed at once where that is less. */
void tinyml_depthwise_5x5_s8_dsp(const tinyml_depthwise_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                                 const tinyml_tile_t *tile, void *scratch);
void tinyml_depthwise_7x7_s8_dsp(const tinyml_depthwise_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                                 const tinyml_tile_t *tile, void *scratch);
/* The same for tiles of few rows: no call prepares the channels. scratch: 4 * patch. */
void tinyml_depthwise_5x5_ready_s8_dsp(const tinyml_depthwise_ready_s8_t *op, const tinyml_rows_t *in,
                                       const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch);
void tinyml_depthwise_7x7_ready_s8_dsp(const tinyml_depthwise_ready_s8_t *op, const tinyml_rows_t *in,
                                       const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif
