/* USART of the older STM32 (F1, F2, F4, L1: status and data registers), with 16-fold oversampling. It runs on its bus's
 * clock, a fixed share of the core's. Registers: CMSIS stm32f407xx.h, USART_TypeDef; reference manual RM0090, "USART".
 * SPDX-License-Identifier: Apache-2.0 */
#include "stm32_pins.h"

#define SR (TINYML_UART_BASE + 0x00u)
#define DR (TINYML_UART_BASE + 0x04u)
#define BRR (TINYML_UART_BASE + 0x08u)
#define CR1 (TINYML_UART_BASE + 0x0Cu)

#define SR_RXNE (1u << 5)
#define SR_TXE (1u << 7)
#define CR1_RE (1u << 2)
#define CR1_TE (1u << 3)
#define CR1_UE (1u << 13)

void uart_init(uint32_t clock_hz)
{
    serial_pins();
    *reg(CR1) = 0;
    *reg(BRR) = (clock_hz / TINYML_UART_CORE_CLOCK_DIVIDER + TINYML_UART_BAUD / 2u) / TINYML_UART_BAUD;
    *reg(CR1) = CR1_UE | CR1_TE | CR1_RE;
}

void uart_put(uint8_t byte)
{
    while ((*reg(SR) & SR_TXE) == 0) {
    }
    *reg(DR) = byte;
}

/* Reading status, then data, also clears an overrun: it loses a byte, which the CRC finds, and does not stop the port. */
int32_t uart_poll(void)
{
    return (*reg(SR) & SR_RXNE) != 0 ? (int32_t)(*reg(DR) & 0xFFu) : -1;
}
