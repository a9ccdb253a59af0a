/* Calls app_main as a Linux program of RISC-V, with as much of a C library as the example uses. SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void app_main(void);

static long system_call(long number, long a, const void *b, long c)
{
    register long a0 __asm__("a0") = a;
    register long a1 __asm__("a1") = (long)b;
    register long a2 __asm__("a2") = c;
    register long a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
    return a0;
}

static void put(char c)
{
    (void)system_call(64, 1, &c, 1);
}

void *memmove(void *to, const void *from, size_t count)
{
    volatile char *t = to; /* volatile: the loop must not become a call of this function */
    const char *f = from;
    for (size_t i = 0; i < count; ++i) {
        const size_t at = t < f ? i : count - 1 - i;
        t[at] = f[at];
    }
    return to;
}

void *memcpy(void *to, const void *from, size_t count)
{
    return memmove(to, from, count);
}

void *memset(void *to, int value, size_t count)
{
    volatile char *t = to;
    for (size_t i = 0; i < count; ++i) t[i] = (char)value;
    return to;
}

/* A decimal of at least `width` characters, filled from the left. */
static void put_number(int value, int width, char fill)
{
    char digits[12];
    int count = 0;
    unsigned rest = value < 0 ? 0u - (unsigned)value : (unsigned)value;
    do {
        digits[count++] = (char)('0' + rest % 10u);
        rest /= 10u;
    } while (rest != 0u);
    if (value < 0) digits[count++] = '-';
    for (int i = count; i < width; ++i) put(fill);
    while (count > 0) put(digits[--count]);
}

/* %s, and %d with a width. */
int printf(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    for (; *format != 0; ++format) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        const char fill = format[1] == '0' ? '0' : ' ';
        int width = 0;
        while (*++format >= '0' && *format <= '9') width = 10 * width + (*format - '0');
        if (*format == 's') {
            for (const char *text = va_arg(arguments, const char *); *text != 0; ++text) put(*text);
        } else {
            put_number(va_arg(arguments, int), width, fill);
        }
    }
    va_end(arguments);
    return 0;
}

void _start(void)
{
    app_main();
    (void)system_call(93, 0, NULL, 0);
}
