/* As much of Arduino's interface as the emitted sketches use. SPDX-License-Identifier: Apache-2.0 */
#ifndef ARDUINO_H
#define ARDUINO_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
void setup(void);
void loop(void);
unsigned long micros(void);
#ifdef __cplusplus
}

/* The CMSDK UART 0 of the MPS2 boards. */
class HardwareSerial {
public:
    void begin(unsigned long baud);
    int available();
    size_t readBytes(char *buffer, size_t length);
    size_t write(uint8_t byte);
    size_t print(const char *text);
    size_t print(char c);
    size_t print(int value);
    size_t print(long value);
    size_t print(unsigned long value);
    size_t print(double value, int digits = 2);
    size_t println();
    template <typename T> size_t println(T value)
    {
        const size_t printed = print(value);
        return printed + println();
    }
};
extern HardwareSerial Serial;
#endif

#endif
