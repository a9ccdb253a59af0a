/* Arm PrimeCell UART (DDI 0183), on its own or as part of a chip. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_PL011_PORT_H
#define TINYML_PL011_PORT_H

#include "board.h"
#include "board_config.h"

#define DR (TINYML_UART_BASE + 0x00u)
#define FR (TINYML_UART_BASE + 0x18u)
#define IBRD (TINYML_UART_BASE + 0x24u)
#define FBRD (TINYML_UART_BASE + 0x28u)
#define LCR_H (TINYML_UART_BASE + 0x2Cu)
#define CR (TINYML_UART_BASE + 0x30u)

#define FR_RXFE (1u << 4)
#define FR_TXFF (1u << 5)

static inline void port_init(uint32_t clock_hz)
{
    /* Of 16 times the baud rate, in 1/64. */
    const uint32_t divisor = (4u * (clock_hz / TINYML_UART_CORE_CLOCK_DIVIDER) + TINYML_UART_BAUD / 2u) / TINYML_UART_BAUD;
    *reg(CR) = 0;
    *reg(IBRD) = divisor / 64u;
    *reg(FBRD) = divisor % 64u;
    *reg(LCR_H) = 0x70u; /* 8 bits, FIFOs; writing it also takes the divisor over */
    *reg(CR) = 0x301u;   /* receiver, transmitter, UART on */
}

static inline void port_put(uint8_t byte)
{
    while ((*reg(FR) & FR_TXFF) != 0) {
    }
    *reg(DR) = byte;
}

static inline int32_t port_poll(void)
{
    return (*reg(FR) & FR_RXFE) != 0 ? -1 : (int32_t)(*reg(DR) & 0xFFu);
}

#endif
