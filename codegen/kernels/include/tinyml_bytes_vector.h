/* Bytes that lie end to end, for Helium. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_BYTES_VECTOR_H
#define TINYML_BYTES_VECTOR_H

#include "tinyml_memory.h"
#include "tinyml_mve.h"
#include "tinyml_requant.h"

#if TINYML_HELIUM

TINYML_ASSEMBLY TINYML_UNUSED static void fill(TINYML_UNUSED int8_t *to, TINYML_UNUSED int32_t value, TINYML_UNUSED int32_t bytes)
{
    __asm__(".syntax unified\n"
            "push {r4, lr}\n vdup.8 q0, r1\n"
            "wlstp.8 lr, r2, 2f\n"
            "1: vstrb.8 q0, [r0], #16\n letp lr, 1b\n"
            "2: pop {r4, pc}\n");
}

TINYML_ASSEMBLY TINYML_UNUSED static void limit(TINYML_UNUSED int8_t *out, TINYML_UNUSED int32_t count, TINYML_UNUSED int32_t low,
                                  TINYML_UNUSED int32_t high)
{
    __asm__(".syntax unified\n"
            "push {r4, lr}\n"
            "vdup.8 q1, r2\n vdup.8 q2, r3\n"
            "dlstp.8 lr, r1\n"
            "1: vldrb.u8 q0, [r0]\n vmax.s8 q0, q0, q1\n vmin.s8 q0, q0, q2\n vstrb.8 q0, [r0], #16\n letp lr, 1b\n"
            "pop {r4, pc}\n");
}

#else

static inline void fill(int8_t *to, int32_t value, int32_t bytes)
{
    tinyml_fill(to, (uint32_t)(value & 0xFF) * 0x01010101u, bytes);
}

static inline void limit(int8_t *out, int32_t count, int32_t low, int32_t high)
{
    for (int32_t i = 0; i < count; ++i) {
        out[i] = (int8_t)tinyml_clamp(out[i], low, high);
    }
}

#endif

#endif
