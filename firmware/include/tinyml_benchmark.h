/* How the commands of MLPerf Tiny reach the model: benchmark.c, generated for each build, fills it in.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_BENCHMARK_H
#define TINYML_BENCHMARK_H

#include <stdint.h>

typedef struct {
    const char *model;    /* who `profile` says that it is */
    uint32_t bytes;       /* of an input as `db` sends it */
    uint32_t repeatable;  /* after `load` the input is what `db` sent, even behind a run */
    uint32_t results;
    void (*put)(uint32_t index, uint8_t byte);
    uint8_t (*get)(uint32_t index);
    void (*load)(void);
    float (*result)(uint32_t index);
} tinyml_benchmark_t;

extern const tinyml_benchmark_t tinyml_benchmark;

#endif
