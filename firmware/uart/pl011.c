/* Arm PrimeCell UART. SPDX-License-Identifier: Apache-2.0 */
#include "pl011_port.h"

void uart_init(uint32_t clock_hz)
{
    port_init(clock_hz);
}

void uart_put(uint8_t byte)
{
    port_put(byte);
}

int32_t uart_poll(void)
{
    return port_poll();
}
