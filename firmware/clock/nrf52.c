/* nRF52: the core always runs at 64 MHz; the crystal makes that exact, which a serial port at high speed wants. The
 * instruction cache hides the flash's wait states. Registers: Nordic's nrf52840.h; nRF52840 Product Specification, "CLOCK"
 * and "NVMC". Untested on silicon.
 * SPDX-License-Identifier: Apache-2.0 */
#include "board.h"

#define TASKS_HFCLKSTART 0x40000000u
#define EVENTS_HFCLKSTARTED 0x40000100u
#define NVMC_ICACHECNF 0x4001E540u

uint32_t clock_init(void)
{
    *reg(NVMC_ICACHECNF) = 1u;
    *reg(EVENTS_HFCLKSTARTED) = 0;
    *reg(TASKS_HFCLKSTART) = 1u;
    /* Without a crystal the internal oscillator goes on, within 1.5 %. */
    (void)becomes(EVENTS_HFCLKSTARTED, 1u, 1u);
    return 64000000u;
}
