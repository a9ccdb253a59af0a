/* What every board provides to main.c. Which files implement it is said by the board's TOML file.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_BOARD_H
#define TINYML_BOARD_H

#include <stdint.h>

/* clock/<startup>.c ------------------------------------------------------------------------------------------------ */

/* Sets up the core's clock and the power of the pins. Returns the clock that was reached, in Hz: that of reset where an
 * oscillator does not start, for which no loop waits for ever. */
uint32_t clock_init(void);

/* timer/<timer>.c -------------------------------------------------------------------------------------------------- */

void timer_init(void);

/* Core cycles since timer_init. Call it at least once per wrap of the counter (2^32 cycles for dwt). */
uint64_t timer_cycles(void);

/* uart/<driver>.c -------------------------------------------------------------------------------------------------- */

/* 8 data bits, no parity, 1 stop bit. Polled: no interrupts, so nothing disturbs a measured inference. `clock_hz` is what
 * clock_init returned; ports with a clock of their own do not need it. */
void uart_init(uint32_t clock_hz);
void uart_put(uint8_t byte);

/* The next byte received, or -1 where there is none yet. */
int32_t uart_poll(void);

/* startup/ --------------------------------------------------------------------------------------------------------- */

/* Bytes of stack that were in use at the deepest point since reset or stack_paint, and how many there are. */
uint32_t stack_high_water(void);
uint32_t stack_size(void);
void stack_paint(void);

/* As power-up does; RAM keeps what is in it. Does not return. */
void reset_board(void);

/* lib/ ------------------------------------------------------------------------------------------------------------- */

/* CRC-32 as in zlib, PNG and Ethernet. Begin with crc = 0; pass the result to continue. */
uint32_t crc32_update(uint32_t crc, const uint8_t *data, uint32_t bytes);

/* A register of a peripheral. */
static inline volatile uint32_t *reg(uint32_t address)
{
    return (volatile uint32_t *)(uintptr_t)address;
}

/* Waits until the bits under mask are `wanted`, for some milliseconds at most: hardware that never answers hangs nothing. */
static inline int becomes(uint32_t address, uint32_t mask, uint32_t wanted)
{
    for (uint32_t tries = 0; tries < 50000u; ++tries) {
        if ((*reg(address) & mask) == wanted) {
            return 1;
        }
    }
    return 0;
}

#endif
