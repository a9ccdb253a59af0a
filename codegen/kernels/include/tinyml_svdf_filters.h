/* Singular value decomposition filters, int8. SPDX-License-Identifier: Apache-2.0
 *
 * A source defines the type of the state and of the time weights, state_t, from STATE_MIN to STATE_MAX, and includes this
 * file.
 */
#ifndef TINYML_SVDF_FILTERS_H
#define TINYML_SVDF_FILTERS_H

#include "tinyml_requant.h"
#include "tinyml_svdf_s8.h"

/* Moves a filter's memory one run on and returns its weighed sum. */
static int32_t filter(const tinyml_svdf_s8_t *op, const int8_t *x, const int8_t *feature, const state_t *time,
                      const state_t *old, state_t *state)
{
    const int32_t last = op->memory - 1;
    int32_t activation = 0;
    int32_t sum = 0;

    for (int32_t k = 0; k < op->depth; ++k) {
        activation += feature[k] * (x[k] + op->in_offset);
    }
    activation = tinyml_requantize(activation, op->to_state_multiplier, op->to_state_shift);
    for (int32_t t = 0; t < last; ++t) {
        state[t] = old[t + 1];
        sum += time[t] * (state[t] - op->state_zero_point);
    }
    state[last] = (state_t)tinyml_clamp(activation + op->state_zero_point, STATE_MIN, STATE_MAX);
    return sum + time[last] * (state[last] - op->state_zero_point);
}

static inline void svdf(const tinyml_svdf_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile)
{
    const int32_t filters = op->units * op->rank;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int8_t *x = tinyml_row(&in[0], y);
        int8_t *o = tinyml_row(&out[0], y);
        const state_t *old = (const state_t *)in[1].base + y * filters * op->memory;
        state_t *state = (state_t *)out[1].base + y * filters * op->memory;
        const int8_t *feature = op->feature;
        const state_t *time = op->time;
        for (int32_t unit = 0; unit < op->units; ++unit) {
            int32_t sum = op->bias[unit];
            for (int32_t i = 0; i < op->rank; ++i) {
                sum += filter(op, x, feature, time, old, state);
                feature += op->depth;
                time += op->memory;
                old += op->memory;
                state += op->memory;
            }
            sum = tinyml_requantize(sum, op->to_output_multiplier, op->to_output_shift) + op->out_offset;
            *o++ = (int8_t)tinyml_clamp(sum, op->out_min, op->out_max);
        }
    }
}

#endif
