/* UART of the nRF51, without DMA (nRF51 Series Reference Manual, "Universal Asynchronous Receiver/Transmitter").
 * SPDX-License-Identifier: Apache-2.0 */
#include "board.h"
#include "board_config.h"

#define TASKS_STARTRX (TINYML_UART_BASE + 0x000u)
#define TASKS_STARTTX (TINYML_UART_BASE + 0x008u)
#define EVENTS_RXDRDY (TINYML_UART_BASE + 0x108u)
#define EVENTS_TXDRDY (TINYML_UART_BASE + 0x11Cu)
#define ENABLE (TINYML_UART_BASE + 0x500u)
#define PSELTXD (TINYML_UART_BASE + 0x50Cu)
#define PSELRXD (TINYML_UART_BASE + 0x514u)
#define RXD (TINYML_UART_BASE + 0x518u)
#define TXD (TINYML_UART_BASE + 0x51Cu)
#define BAUDRATE (TINYML_UART_BASE + 0x524u)

/* In 2^-32 of the clock; the lower 12 bits are not there, so it is rounded to the upper 20. */
#define BAUD_FRACTION \
    ((uint32_t)((((uint64_t)TINYML_UART_BAUD << 32) / TINYML_UART_KERNEL_CLOCK_HZ + 0x800u) & 0xFFFFF000u))

#define GPIO_OUTSET 0x50000508u
#define GPIO_DIRSET 0x50000518u

void uart_init(uint32_t clock_hz)
{
    (void)clock_hz;
    *reg(GPIO_OUTSET) = 1u << TINYML_UART_TX_PIN; /* idle, before the pin becomes an output */
    *reg(GPIO_DIRSET) = 1u << TINYML_UART_TX_PIN;
    *reg(PSELTXD) = TINYML_UART_TX_PIN;
    *reg(PSELRXD) = TINYML_UART_RX_PIN;
    *reg(BAUDRATE) = BAUD_FRACTION;
    *reg(ENABLE) = 4u;
    *reg(EVENTS_RXDRDY) = 0;
    *reg(TASKS_STARTTX) = 1u;
    *reg(TASKS_STARTRX) = 1u;
}

void uart_put(uint8_t byte)
{
    *reg(EVENTS_TXDRDY) = 0;
    *reg(TXD) = byte;
    while (*reg(EVENTS_TXDRDY) == 0) {
    }
}

int32_t uart_poll(void)
{
    if (*reg(EVENTS_RXDRDY) == 0) {
        return -1;
    }
    *reg(EVENTS_RXDRDY) = 0; /* first: reading RXD raises it again where another byte waits */
    return (int32_t)(*reg(RXD) & 0xFFu);
}
