/* What USART and LPUART of STM32 have in common (the peripherals with an ISR and a FIFO: H7, L4+, G0, G4, ...).
 * They differ in how a baud rate is written. Registers: CMSIS, USART_TypeDef.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_STM32_SERIAL_H
#define TINYML_STM32_SERIAL_H

#include "board.h"
#include "board_config.h"

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

#define GPIO_MODER (TINYML_UART_GPIO_ADDRESS + 0x00u)
#define GPIO_PUPDR (TINYML_UART_GPIO_ADDRESS + 0x0Cu)
#define GPIO_AFRL (TINYML_UART_GPIO_ADDRESS + 0x20u)

static inline void set_field(uint32_t address, uint32_t mask, uint32_t value)
{
    *reg(address) = (*reg(address) & ~mask) | value;
}

/* Gives a pin to the port's alternate function, pulled up so that an open line reads as idle. */
static inline void serial_pin(uint32_t pin)
{
    set_field(GPIO_AFRL + 4u * (pin / 8u), 0xFu << (4u * (pin % 8u)),
              TINYML_UART_ALTERNATE_FUNCTION << (4u * (pin % 8u)));
    set_field(GPIO_PUPDR, 3u << (2u * pin), 1u << (2u * pin));
    set_field(GPIO_MODER, 3u << (2u * pin), 2u << (2u * pin));
}

static inline void serial_init(uint32_t baud_register)
{
    *reg(TINYML_UART_GPIO_ENABLE_ADDRESS) |= 1u << TINYML_UART_GPIO_ENABLE_BIT;
    (void)*reg(TINYML_UART_GPIO_ENABLE_ADDRESS); /* the clock runs once the write has arrived */
    set_field(TINYML_UART_CLOCK_SELECT_ADDRESS, TINYML_UART_CLOCK_SELECT_MASK, TINYML_UART_CLOCK_SELECT_VALUE);
    *reg(TINYML_UART_ENABLE_ADDRESS) |= 1u << TINYML_UART_ENABLE_BIT;
    (void)*reg(TINYML_UART_ENABLE_ADDRESS);
    serial_pin(TINYML_UART_TX_PIN);
    serial_pin(TINYML_UART_RX_PIN);

    *reg(SERIAL_CR1) = 0;
    *reg(SERIAL_CR3) = CR3_OVRDIS; /* an overrun loses bytes, which the CRC finds, and does not stop the receiver */
    *reg(SERIAL_BRR) = baud_register;
    *reg(SERIAL_CR1) = CR1_FIFOEN | CR1_TE | CR1_RE | CR1_UE;
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
