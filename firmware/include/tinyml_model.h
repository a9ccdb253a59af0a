/* A model under fixed names, whatever it is called: what the firmware and the host's library see of it.
 * model_adapter.c, generated for each build, fills it in from the model's own header.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_MODEL_H
#define TINYML_MODEL_H

#include <stdint.h>

typedef struct {
    const char *name;
    const char *sha256; /* of the model file, hexadecimal */
    const char *plan;   /* SHA-256 of the emitted C: network, schedule and memory plan */
    uint32_t traced_layers; /* that `layers` and `tensor` tell of; 0 where it was built without trace */
    uint32_t input_preserved;
    uint32_t arena_count;
    uint32_t input_count;
    uint32_t output_count;
    const uint32_t *arena_bytes;
    const uint32_t *input_bytes;
    const uint32_t *output_bytes;
    void *const *arenas;
    void (*init)(void);
    void *(*input)(uint32_t index);
    const void *(*output)(uint32_t index);
    void (*run)(void);
} tinyml_model_t;

#if defined(_WIN32)
__declspec(dllexport)
#endif
extern const tinyml_model_t tinyml_model;

#endif
