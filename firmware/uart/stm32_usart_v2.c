/* USART of STM32 (16-fold oversampling). SPDX-License-Identifier: Apache-2.0 */
#include "stm32_serial.h"

void uart_init(uint32_t clock_hz)
{
    (void)clock_hz;
    serial_init((TINYML_UART_KERNEL_CLOCK_HZ + TINYML_UART_BAUD / 2u) / TINYML_UART_BAUD);
}

void uart_put(uint8_t byte)
{
    serial_put(byte);
}

int32_t uart_poll(void)
{
    return serial_poll();
}
