/* The cycle counter of the data watchpoint and trace unit: Cortex-M3 and later (Armv7-M manual, C1.8).
 * SPDX-License-Identifier: Apache-2.0 */
#include "board.h"

#define DEMCR 0xE000EDFCu
#define DWT_CTRL 0xE0001000u
#define DWT_CYCCNT 0xE0001004u
#define DWT_LAR 0xE0001FB0u

static uint64_t total;
static uint32_t last;

void timer_init(void)
{
    *reg(DEMCR) |= 1u << 24;      /* TRCENA */
    *reg(DWT_LAR) = 0xC5ACCE55u;  /* unlocks the unit on the Cortex-M7; others ignore it */
    *reg(DWT_CYCCNT) = 0;
    *reg(DWT_CTRL) |= 1u;         /* CYCCNTENA */
    total = 0;
    last = *reg(DWT_CYCCNT);
}

uint64_t timer_cycles(void)
{
    const uint32_t now = *reg(DWT_CYCCNT);
    total += now - last; /* modulo 2^32: right across one wrap */
    last = now;
    return total;
}
