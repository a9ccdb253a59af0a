/* What USART and LPUART of STM32 have in common (the peripherals with an ISR: F7, H7, L4+, G0, G4, ...).
 * They differ in how a baud rate is written. Registers: CMSIS, USART_TypeDef.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_STM32_SERIAL_H
#define TINYML_STM32_SERIAL_H

#include "board.h"
#include "board_config.h"
#include "stm32_pins.h"

#define SERIAL_CR1 (TINYML_UART_BASE + 0x00u)
#define SERIAL_CR3 (TINYML_UART_BASE + 0x08u)
#define SERIAL_BRR (TINYML_UART_BASE + 0x0Cu)
#define SERIAL_ISR (TINYML_UART_BASE + 0x1Cu)
#define SERIAL_RDR (TINYML_UART_BASE + 0x24u)
#define SERIAL_TDR (TINYML_UART_BASE + 0x28u)

#define CR1_UE (1u << 0)
#define CR1_RE (1u << 2)
#define CR1_TE (1u << 3)
#define CR1_FIFOEN (1u << 29)
#define CR3_OVRDIS (1u << 12)
#define ISR_RXNE (1u << 5)
#define ISR_TXE (1u << 7)

static inline void serial_init(uint32_t baud_register)
{
    set_field(TINYML_UART_CLOCK_SELECT_ADDRESS, TINYML_UART_CLOCK_SELECT_MASK, TINYML_UART_CLOCK_SELECT_VALUE);
    serial_pins();

    *reg(SERIAL_CR1) = 0;
    *reg(SERIAL_CR3) = CR3_OVRDIS; /* an overrun loses bytes, which the CRC finds, and does not stop the receiver */
    *reg(SERIAL_BRR) = baud_register;
    *reg(SERIAL_CR1) = (TINYML_UART_HAS_FIFO ? CR1_FIFOEN : 0) | CR1_TE | CR1_RE | CR1_UE;
}

static inline void serial_put(uint8_t byte)
{
    while ((*reg(SERIAL_ISR) & ISR_TXE) == 0) {
    }
    *reg(SERIAL_TDR) = byte;
}

static inline int32_t serial_poll(void)
{
    return (*reg(SERIAL_ISR) & ISR_RXNE) != 0 ? (int32_t)(*reg(SERIAL_RDR) & 0xFFu) : -1;
}

#endif
