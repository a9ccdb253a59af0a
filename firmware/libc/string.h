/* The four functions that freestanding C code may rely on (GCC and Clang call them of their own accord).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_STRING_H
#define TINYML_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);

#endif
