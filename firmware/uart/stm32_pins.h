/* Clock and pins of a serial port of STM32 (all families with alternate functions by number: F4, F7, H7, L4, ...).
 * Registers: CMSIS, GPIO_TypeDef. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_STM32_PINS_H
#define TINYML_STM32_PINS_H

#include "board.h"
#include "board_config.h"

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

/* Clocks of the pins and of the port, then the pins. */
static inline void serial_pins(void)
{
    *reg(TINYML_UART_GPIO_ENABLE_ADDRESS) |= 1u << TINYML_UART_GPIO_ENABLE_BIT;
    (void)*reg(TINYML_UART_GPIO_ENABLE_ADDRESS); /* the clock runs once the write has arrived */
    *reg(TINYML_UART_ENABLE_ADDRESS) |= 1u << TINYML_UART_ENABLE_BIT;
    (void)*reg(TINYML_UART_ENABLE_ADDRESS);
    serial_pin(TINYML_UART_TX_PIN);
    serial_pin(TINYML_UART_RX_PIN);
}

#endif
