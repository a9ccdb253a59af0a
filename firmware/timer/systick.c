/* SysTick, for cores without a cycle counter: 24 bits that count down, wraps counted by its interrupt.
 * SPDX-License-Identifier: Apache-2.0 */
#include "board.h"

#define SYST_CSR 0xE000E010u
#define SYST_RVR 0xE000E014u
#define SYST_CVR 0xE000E018u
#define SCB_ICSR 0xE000ED04u
#define ICSR_PENDSTSET (1u << 26)
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
    /* The interrupt may come between the reads (then wraps changes: read again), or be pending but not yet taken. */
    uint32_t count;
    uint32_t value;
    uint32_t pending;
    do {
        count = wraps;
        value = *reg(SYST_CVR);
        pending = *reg(SCB_ICSR) & ICSR_PENDSTSET;
        if (pending != 0) {
            value = *reg(SYST_CVR);
        }
    } while (count != wraps);
    /* The interrupt comes as the counter reaches 0; the next tick reloads it. */
    const uint32_t since_wrap = value == 0 ? 0 : RELOAD - value + 1u;
    return (uint64_t)(count + (pending != 0)) * (RELOAD + 1u) + since_wrap;
}
