/* float32 clamping. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_CLAMP_F32_H
#define TINYML_CLAMP_F32_H

#ifdef __cplusplus
extern "C" {
#endif

/* Not-a-number stays. */
static inline float tinyml_clamp_f32(float x, float lo, float hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

#ifdef __cplusplus
}
#endif

#endif
