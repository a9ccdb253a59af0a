/* The UART of Arm's Cortex-M System Design Kit (DDI 0479, "APB UART"): MPS2 boards, as QEMU emulates them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "board.h"
#include "board_config.h"

#define DATA (TINYML_UART_BASE + 0x00u)
#define STATE (TINYML_UART_BASE + 0x04u)
#define CTRL (TINYML_UART_BASE + 0x08u)
#define BAUDDIV (TINYML_UART_BASE + 0x10u)

#define STATE_TXFULL 1u
#define STATE_RXFULL 2u

void uart_init(uint32_t clock_hz)
{
    (void)clock_hz;
    *reg(BAUDDIV) = TINYML_UART_KERNEL_CLOCK_HZ / TINYML_UART_BAUD;
    *reg(CTRL) = 3u; /* transmitter and receiver on */
}

void uart_put(uint8_t byte)
{
    while ((*reg(STATE) & STATE_TXFULL) != 0) {
    }
    *reg(DATA) = byte;
}

int32_t uart_poll(void)
{
    return (*reg(STATE) & STATE_RXFULL) != 0 ? (int32_t)(*reg(DATA) & 0xFFu) : -1;
}
