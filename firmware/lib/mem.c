/* memcpy, memmove, memset and memcmp. Words where both sides are aligned, bytes otherwise.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <string.h>

/* A compiler would find a memcpy in these loops and make them call themselves. */
#if defined(__clang__)
#define LOOPS_AS_WRITTEN __attribute__((no_builtin("memcpy", "memmove", "memset", "memcmp")))
#else
#define LOOPS_AS_WRITTEN __attribute__((optimize("no-tree-loop-distribute-patterns")))
#endif

/* Words that may alias anything. */
typedef uint32_t __attribute__((may_alias)) word_t;

static int aligned(const void *a, const void *b)
{
    return (((uintptr_t)a | (uintptr_t)b) & 3u) == 0;
}

/* Copies upwards. The ranges may overlap where d lies below s: nothing is written before it was read. */
LOOPS_AS_WRITTEN static void copy_up(uint8_t *d, const uint8_t *s, size_t bytes)
{
    if (aligned(d, s)) {
        for (; bytes >= 16; bytes -= 16, d += 16, s += 16) {
            const uint32_t w0 = ((const word_t *)(const void *)s)[0];
            const uint32_t w1 = ((const word_t *)(const void *)s)[1];
            const uint32_t w2 = ((const word_t *)(const void *)s)[2];
            const uint32_t w3 = ((const word_t *)(const void *)s)[3];
            ((word_t *)(void *)d)[0] = w0;
            ((word_t *)(void *)d)[1] = w1;
            ((word_t *)(void *)d)[2] = w2;
            ((word_t *)(void *)d)[3] = w3;
        }
        for (; bytes >= 4; bytes -= 4, d += 4, s += 4) {
            *(word_t *)(void *)d = *(const word_t *)(const void *)s;
        }
    }
    while (bytes-- != 0) {
        *d++ = *s++;
    }
}

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    copy_up(to, from, bytes);
    return to;
}

LOOPS_AS_WRITTEN void *memmove(void *to, const void *from, size_t bytes)
{
    uint8_t *d = to;
    const uint8_t *s = from;
    if ((uintptr_t)d - (uintptr_t)s >= bytes) { /* d lies below s (the difference wraps), or past its end */
        copy_up(d, s, bytes);
    } else {
        while (bytes-- != 0) {
            d[bytes] = s[bytes];
        }
    }
    return to;
}

LOOPS_AS_WRITTEN void *memset(void *to, int value, size_t bytes)
{
    uint8_t *d = to;
    const uint32_t word = (uint8_t)value * 0x01010101u;
    if (aligned(d, d)) {
        for (; bytes >= 4; bytes -= 4, d += 4) {
            *(word_t *)(void *)d = word;
        }
    }
    while (bytes-- != 0) {
        *d++ = (uint8_t)value;
    }
    return to;
}

LOOPS_AS_WRITTEN int memcmp(const void *a, const void *b, size_t bytes)
{
    const uint8_t *x = a;
    const uint8_t *y = b;
    for (; bytes != 0; --bytes, ++x, ++y) {
        if (*x != *y) {
            return *x < *y ? -1 : 1;
        }
    }
    return 0;
}
