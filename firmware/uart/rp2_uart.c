/* UART of the RP2040 and RP2350: a PL011 behind resets and a choice of pins. Registers and bits: pico-sdk
 * hardware/regs/{resets,io_bank0,pads_bank0}.h. Untested on silicon.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pl011_port.h"

#define RESETS TINYML_UART_RESETS_ADDRESS
#define RESETS_DONE (TINYML_UART_RESETS_ADDRESS + 0x08u)
#define IO_CTRL(pin) (TINYML_UART_IO_ADDRESS + 8u * (pin) + 4u)
#define PAD(pin) (TINYML_UART_PADS_ADDRESS + 4u * (pin) + 4u)

#define FUNCTION_UART 2u
#define PAD_SCHMITT (1u << 1)
#define PAD_PULL_UP (1u << 3)
#define PAD_4_MA (1u << 4)
#define PAD_INPUT (1u << 6)

/* The whole word: it also ends the isolation of the RP2350's pads (bit 8). */
static void connect(uint32_t pin)
{
    *reg(PAD(pin)) = PAD_INPUT | PAD_4_MA | PAD_PULL_UP | PAD_SCHMITT;
    *reg(IO_CTRL(pin)) = FUNCTION_UART;
}

void uart_init(uint32_t clock_hz)
{
    *reg(RESETS) &= ~TINYML_UART_RESET_BITS; /* the UART, the pins and their pads */
    (void)becomes(RESETS_DONE, TINYML_UART_RESET_BITS, TINYML_UART_RESET_BITS);
    connect(TINYML_UART_TX_PIN);
    connect(TINYML_UART_RX_PIN);
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
