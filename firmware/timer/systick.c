/* SysTick, for cores without a cycle counter: 24 bits that count down, wraps counted by its interrupt.
 * SPDX-License-Identifier: Apache-2.0 */
#include "board.h"

#define SYST_CSR 0xE000E010u
#define SYST_RVR 0xE000E014u
#define SYST_CVR 0xE000E018u
#define RELOAD 0x00FFFFFFu

static volatile uint32_t wraps;

void systick_handler(void);

void systick_handler(void)
{
    wraps = wraps + 1u;
}

void timer_init(void)
{
    wraps = 0;
    *reg(SYST_RVR) = RELOAD;
    *reg(SYST_CVR) = 0;
    *reg(SYST_CSR) = 7u; /* core clock, interrupt, on */
}

uint64_t timer_cycles(void)
{
    /* A wrap between the reads is seen as a changed count: then read again. */
    uint32_t before;
    uint32_t value;
    do {
        before = wraps;
        value = *reg(SYST_CVR);
    } while (before != wraps);
    return (uint64_t)before * (RELOAD + 1u) + (RELOAD - value);
}
