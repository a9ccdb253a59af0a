/* Times a model where an operating system runs, and shows what it computes. SPDX-License-Identifier: Apache-2.0
 *
 *     benchmark RUNS INPUTS OUTPUTS
 *
 * INPUTS is a file with the bytes of all inputs, in order; those of all outputs go to OUTPUTS. One line of JSON goes to
 * stdout: times are of the model's run function alone, by the monotonic clock, behind one run to warm up. Every run begins
 * on a poisoned arena.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tinyml_model.h"

#define MOST_RUNS 1000000
#define POISON 0xA5

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + (int64_t)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int fail(const char *what, const char *name)
{
    fprintf(stderr, "benchmark: %s %s\n", what, name);
    return 1;
}

static size_t total(const uint32_t *bytes, uint32_t count)
{
    size_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += bytes[i];
    }
    return sum;
}

static int64_t infer(const tinyml_model_t *model, const uint8_t *inputs)
{
    for (uint32_t i = 0; i < model->arena_count; i++) {
        memset(model->arenas[i], POISON, model->arena_bytes[i]);
    }
    model->init();
    for (uint32_t i = 0; i < model->input_count; i++) {
        memcpy(model->input(i), inputs, model->input_bytes[i]);
        inputs += model->input_bytes[i];
    }
    const int64_t start = now();
    model->run();
    return now() - start;
}

static int read_inputs(const char *path, uint8_t *to, size_t bytes)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return 0;
    }
    const size_t got = fread(to, 1, bytes, file);
    const int more = fgetc(file) != EOF;
    fclose(file);
    return got == bytes && !more;
}

static int write_outputs(const char *path, const tinyml_model_t *model)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        return 0;
    }
    int whole = 1;
    for (uint32_t i = 0; i < model->output_count; i++) {
        whole = whole && fwrite(model->output(i), 1, model->output_bytes[i], file) == model->output_bytes[i];
    }
    return fclose(file) == 0 && whole;
}

int main(int argc, char **argv)
{
    const tinyml_model_t *model = &tinyml_model;
    if (argc != 4) {
        return fail("usage:", "benchmark RUNS INPUTS OUTPUTS");
    }
    const long runs = strtol(argv[1], NULL, 10);
    if (runs < 1 || runs > MOST_RUNS) {
        return fail("expected 1 to 1000000 runs, not", argv[1]);
    }
    const size_t input_bytes = total(model->input_bytes, model->input_count);
    uint8_t *inputs = malloc(input_bytes);
    int64_t *times = malloc((size_t)runs * sizeof *times);
    if (inputs == NULL || times == NULL) {
        return fail("no memory for", argv[2]);
    }
    if (!read_inputs(argv[2], inputs, input_bytes)) {
        return fail("these are not the inputs' bytes:", argv[2]);
    }
    infer(model, inputs);
    for (long i = 0; i < runs; i++) {
        times[i] = infer(model, inputs);
    }
    if (!write_outputs(argv[3], model)) {
        return fail("cannot write", argv[3]);
    }
    qsort(times, (size_t)runs, sizeof *times, ascending);
    printf("{\"model\": \"%s\", \"plan\": \"%s\", \"runs\": %ld, \"median_ns\": %lld, \"least_ns\": %lld, \"most_ns\": %lld}\n",
           model->name, model->plan, runs, (long long)times[runs / 2], (long long)times[0], (long long)times[runs - 1]);
    free(times);
    free(inputs);
    return 0;
}
