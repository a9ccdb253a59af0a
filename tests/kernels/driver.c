/* Runs kernels on request: the tests' way into C, under the sanitizers. SPDX-License-Identifier: Apache-2.0
 *
 * A request on standard input, all numbers uint32 of this machine:
 *   kernel index; number of buffers; each: size, bytes; number of pointers; each: buffer, offset, target, offset in it;
 *   the five buffers that the kernel is called with.
 * The answer is the bytes of every buffer. Each buffer is a heap block of its own, so that the address sanitizer sees
 * the first byte that is touched outside.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void (*kernel_t)(const void *, const void *, const void *, const void *, void *);

#define KERNEL(name) void name(const void *, const void *, const void *, const void *, void *);
#include "kernels.inc"
#undef KERNEL

#define KERNEL(name) name,
static const kernel_t kernels[] = {
#include "kernels.inc"
};

static void fetch(void *to, size_t bytes)
{
    if (bytes && fread(to, bytes, 1, stdin) != 1) {
        exit(0);
    }
}

static uint32_t number(void)
{
    uint32_t n;
    fetch(&n, sizeof n);
    return n;
}

int main(void)
{
    for (;;) {
        const uint32_t kernel = number();
        const uint32_t count = number();
        uint8_t **buffer = calloc(count, sizeof *buffer);
        uint32_t *size = calloc(count, sizeof *size);
        for (uint32_t i = 0; i < count; ++i) {
            size[i] = number();
            buffer[i] = malloc(size[i]);
            fetch(buffer[i], size[i]);
        }
        for (uint32_t i = number(); i > 0; --i) {
            const uint32_t at = number(), offset = number(), target = number();
            uint8_t *pointer = buffer[target] + number();
            memcpy(buffer[at] + offset, &pointer, sizeof pointer);
        }
        uint32_t arg[5];
        fetch(arg, sizeof arg);
        kernels[kernel](buffer[arg[0]], buffer[arg[1]], buffer[arg[2]], buffer[arg[3]], buffer[arg[4]]);
        for (uint32_t i = 0; i < count; ++i) {
            fwrite(buffer[i], 1, size[i], stdout);
            free(buffer[i]);
        }
        free(buffer);
        free(size);
        fflush(stdout);
    }
}
