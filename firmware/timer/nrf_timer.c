/* TIMER0 of the nRF51, 32 bits at 16 MHz, which is the core's clock: the chip has neither DWT nor SysTick
 * (nRF51 Series Reference Manual, "Timer/counter").
 * SPDX-License-Identifier: Apache-2.0 */
#include "board.h"

#define TIMER0 0x40008000u
#define TASKS_START (TIMER0 + 0x000u)
#define TASKS_CLEAR (TIMER0 + 0x00Cu)
#define TASKS_CAPTURE0 (TIMER0 + 0x040u)
#define MODE (TIMER0 + 0x504u)
#define BITMODE (TIMER0 + 0x508u)
#define PRESCALER (TIMER0 + 0x510u)
#define CC0 (TIMER0 + 0x540u)

static uint64_t total;
static uint32_t last;

static uint32_t capture(void)
{
    *reg(TASKS_CAPTURE0) = 1u;
    return *reg(CC0);
}

void timer_init(void)
{
    *reg(MODE) = 0;      /* timer, not counter */
    *reg(BITMODE) = 3u;  /* 32 bits */
    *reg(PRESCALER) = 0; /* 16 MHz */
    *reg(TASKS_CLEAR) = 1u;
    *reg(TASKS_START) = 1u;
    total = 0;
    last = capture();
}

uint64_t timer_cycles(void)
{
    const uint32_t now = capture();
    total += now - last; /* modulo 2^32: right across one wrap */
    last = now;
    return total;
}
