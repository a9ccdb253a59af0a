/* Weights of 4 bits, widened where they are few and used often. SPDX-License-Identifier: Apache-2.0
 *
 * Depthwise weights come in blocks of eight channels: four bytes for each tap, of which each holds a weight of the first
 * four channels in its low nibble and one of the last four in the high one, in two's complement. Zeros fill up the last
 * block.
 */
#ifndef TINYML_WIDEN_W4_H
#define TINYML_WIDEN_W4_H

#include "tinyml_memory.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The low nibbles (shift 0) or the high ones (shift 4) of so many words, as bytes. */
static inline void tinyml_widen_w4(const int8_t *packed, int32_t shift, int32_t words, int8_t *to)
{
    for (const int8_t *const end = packed + 4 * words; packed < end; packed += 4, to += 4) {
        const uint32_t nibbles = tinyml_load_word(packed) >> shift & UINT32_C(0x0f0f0f0f);
        /* 8 and more carry into the sign and leave the bits below it clear. */
        tinyml_store_word(to, (nibbles + UINT32_C(0x78787878)) ^ UINT32_C(0x78787878));
    }
}

#ifdef __cplusplus
}
#endif

#endif
