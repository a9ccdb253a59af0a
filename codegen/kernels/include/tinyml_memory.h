/* Words at any address, copies and fills, for compilers without a C library. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_MEMORY_H
#define TINYML_MEMORY_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Four bytes of memory as they lie there: one instruction on cores that take unaligned addresses. */
static inline uint32_t tinyml_load_word(const void *at)
{
    uint32_t word;
#if defined(__GNUC__) || defined(__clang__)
    __builtin_memcpy(&word, at, sizeof word);
#else
    uint8_t *to = (uint8_t *)&word;
    for (int32_t i = 0; i < 4; ++i) {
        to[i] = ((const uint8_t *)at)[i];
    }
#endif
    return word;
}

static inline void tinyml_store_word(void *at, uint32_t word)
{
#if defined(__GNUC__) || defined(__clang__)
    __builtin_memcpy(at, &word, sizeof word);
#else
    for (int32_t i = 0; i < 4; ++i) {
        ((uint8_t *)at)[i] = ((const uint8_t *)&word)[i];
    }
#endif
}

/* The two runs do not overlap, or `to` is the lower one: bytes are copied upwards. */
static inline void tinyml_copy(void *to, const void *from, int32_t bytes)
{
    uint8_t *o = (uint8_t *)to;
    const uint8_t *i = (const uint8_t *)from;
    for (; bytes >= 4; bytes -= 4, o += 4, i += 4) {
        tinyml_store_word(o, tinyml_load_word(i));
    }
    for (; bytes > 0; --bytes) {
        *o++ = *i++;
    }
}

/* Repeats the four bytes of `pattern`; the pattern starts with the first byte. */
static inline void tinyml_fill(void *to, uint32_t pattern, int32_t bytes)
{
    uint8_t *o = (uint8_t *)to;
    const uint8_t *p = (const uint8_t *)&pattern;
    for (; bytes >= 4; bytes -= 4, o += 4) {
        tinyml_store_word(o, pattern);
    }
    for (; bytes > 0; --bytes) {
        *o++ = *p++;
    }
}

#ifdef __cplusplus
}
#endif

#endif
