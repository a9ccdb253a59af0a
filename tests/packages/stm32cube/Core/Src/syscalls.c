/* What newlib asks of a bare board, as CubeMX's files have it. SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

extern int __io_putchar(int c);
extern char _end;

int _write(int file, char *text, int count);
void *_sbrk(ptrdiff_t increment);

int _write(int file, char *text, int count)
{
    (void)file;
    for (int i = 0; i < count; i++) {
        __io_putchar(text[i]);
    }
    return count;
}

void *_sbrk(ptrdiff_t increment)
{
    static char *end = &_end;
    char *const before = end;
    end += increment;
    return before;
}
