/* LPUART of STM32, whose baud rate is in 1/256 of its clock. SPDX-License-Identifier: Apache-2.0 */
#include "stm32_serial.h"

void uart_init(uint32_t clock_hz)
{
    (void)clock_hz;
    serial_init((uint32_t)((256ull * TINYML_UART_KERNEL_CLOCK_HZ + TINYML_UART_BAUD / 2u) / TINYML_UART_BAUD));
}

void uart_put(uint8_t byte)
{
    serial_put(byte);
}

int32_t uart_poll(void)
{
    return serial_poll();
}
