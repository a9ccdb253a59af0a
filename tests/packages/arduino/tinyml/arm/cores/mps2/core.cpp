/* Sketches on an MPS2 board of QEMU: reset, UART, main. SPDX-License-Identifier: Apache-2.0 */
#include "Arduino.h"

#include <stdio.h>

extern "C" void _start(void);

static volatile uint32_t *const uart = reinterpret_cast<volatile uint32_t *>(0x40004000);
enum { DATA, STATE, CTRL };
enum { TX_FULL = 1, RX_FULL = 2 };
static const uint32_t PATIENCE = 2000000000; /* polls, in place of a second: the host may be busy */

HardwareSerial Serial;

static void reset()
{
    *reinterpret_cast<volatile uint32_t *>(0xE000ED88) |= 0xFu << 20; /* CPACR: the floating point unit is on */
    _start();
}

extern "C" {
extern void (*const vectors[])(void);
__attribute__((section(".vectors"))) void (*const vectors[])(void) = {reinterpret_cast<void (*)(void)>(0x00400000), reset};
}

unsigned long micros() { return 0; } /* this board has no clock that means anything */

void HardwareSerial::begin(unsigned long) { uart[CTRL] = 3; }

int HardwareSerial::available() { return (uart[STATE] & RX_FULL) != 0; }

size_t HardwareSerial::readBytes(char *buffer, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        for (uint32_t polls = 0; !available(); polls++) {
            if (polls == PATIENCE) return i;
        }
        buffer[i] = static_cast<char>(uart[DATA]);
    }
    return length;
}

size_t HardwareSerial::write(uint8_t byte)
{
    while (uart[STATE] & TX_FULL) {
    }
    uart[DATA] = byte;
    return 1;
}

size_t HardwareSerial::print(const char *text)
{
    size_t count = 0;
    while (text[count] != 0) count += write(static_cast<uint8_t>(text[count]));
    return count;
}

size_t HardwareSerial::print(char c) { return write(static_cast<uint8_t>(c)); }
size_t HardwareSerial::print(int value) { return print(static_cast<long>(value)); }

size_t HardwareSerial::print(long value)
{
    char text[16];
    snprintf(text, sizeof text, "%ld", value);
    return print(text);
}

size_t HardwareSerial::print(unsigned long value) { return print(static_cast<long>(value)); }

size_t HardwareSerial::print(double value, int digits)
{
    char text[48];
    snprintf(text, sizeof text, "%.*f", digits, value);
    return print(text);
}

size_t HardwareSerial::println() { return print("\r\n"); }

int main()
{
    setup();
    for (;;) loop();
}
