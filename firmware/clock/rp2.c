/* RP2040 and RP2350: the full clock from the 12 MHz crystal, by the system PLL; the crystal's own 12 MHz as the safe clock.
 * The peripherals' clock is the core's. Where blocks stand, and what the PLL multiplies and divides by, is in the board
 * file. Registers and bits: pico-sdk hardware/regs/{clocks,xosc,pll,resets}.h; order: RP2040 data sheet, "Clocks", "XOSC"
 * and "PLL". Untested on silicon.
 * SPDX-License-Identifier: Apache-2.0 */
#include "board.h"
#include "board_config.h"

#define CLK_REF_CTRL (TINYML_CLOCK_CLOCKS_ADDRESS + 0x30u)
#define CLK_REF_SELECTED (TINYML_CLOCK_CLOCKS_ADDRESS + 0x38u)
#define CLK_SYS_CTRL (TINYML_CLOCK_CLOCKS_ADDRESS + 0x3Cu)
#define CLK_SYS_SELECTED (TINYML_CLOCK_CLOCKS_ADDRESS + 0x44u)
#define CLK_PERI_CTRL (TINYML_CLOCK_CLOCKS_ADDRESS + 0x48u)
#define XOSC_CTRL (TINYML_CLOCK_XOSC_ADDRESS + 0x00u)
#define XOSC_STATUS (TINYML_CLOCK_XOSC_ADDRESS + 0x04u)
#define XOSC_STARTUP (TINYML_CLOCK_XOSC_ADDRESS + 0x0Cu)
#define PLL_CS (TINYML_CLOCK_PLL_ADDRESS + 0x00u)
#define PLL_PWR (TINYML_CLOCK_PLL_ADDRESS + 0x04u)
#define PLL_FBDIV (TINYML_CLOCK_PLL_ADDRESS + 0x08u)
#define PLL_PRIM (TINYML_CLOCK_PLL_ADDRESS + 0x0Cu)
#define RESETS (TINYML_CLOCK_RESETS_ADDRESS + 0x00u)
#define RESETS_DONE (TINYML_CLOCK_RESETS_ADDRESS + 0x08u)

#define REF_IS_CRYSTAL 2u
#define SYS_IS_REF 0u
#define SYS_IS_PLL 1u
#define PERI_ENABLE (1u << 11)
#define XOSC_1_TO_15_MHZ 0xAA0u
#define XOSC_ENABLE (0xFABu << 12)
#define XOSC_DELAY 282u /* times 256 cycles: 6 ms, for slow crystals */
#define STABLE (1u << 31)
#define LOCK (1u << 31)
#define PLL_POWER_DOWN (1u << 0)
#define PLL_POSTDIV_POWER_DOWN (1u << 3)
#define PLL_VCO_POWER_DOWN (1u << 5)

#define CRYSTAL_HZ 12000000u
#define RING_OSCILLATOR_HZ 6500000u /* about: it has no certain speed */

static void reset_and_release(uint32_t block)
{
    *reg(RESETS) |= block;
    *reg(RESETS) &= ~block;
    (void)becomes(RESETS_DONE, block, block);
}

static int start_pll(void)
{
    reset_and_release(TINYML_CLOCK_PLL_RESET);
    *reg(PLL_CS) = 1u; /* the crystal, undivided */
    *reg(PLL_FBDIV) = TINYML_CLOCK_PLL_MULTIPLIER;
    *reg(PLL_PWR) &= ~(PLL_POWER_DOWN | PLL_VCO_POWER_DOWN);
    if (!becomes(PLL_CS, LOCK, LOCK)) {
        return 0;
    }
    *reg(PLL_PRIM) = (TINYML_CLOCK_PLL_DIVIDER_1 << 16) | (TINYML_CLOCK_PLL_DIVIDER_2 << 12);
    *reg(PLL_PWR) &= ~PLL_POSTDIV_POWER_DOWN;
    return 1;
}

static uint32_t core_clock(void)
{
    /* Off the PLL, which a reset of the core alone leaves running; SELECTED has one bit for each source. */
    *reg(CLK_SYS_CTRL) = SYS_IS_REF;
    (void)becomes(CLK_SYS_SELECTED, 1u << SYS_IS_REF, 1u << SYS_IS_REF);

    *reg(XOSC_CTRL) = XOSC_1_TO_15_MHZ;
    *reg(XOSC_STARTUP) = XOSC_DELAY;
    *reg(XOSC_CTRL) = XOSC_ENABLE | XOSC_1_TO_15_MHZ;
    if (!becomes(XOSC_STATUS, STABLE, STABLE)) {
        return RING_OSCILLATOR_HZ;
    }
    *reg(CLK_REF_CTRL) = REF_IS_CRYSTAL;
    if (!becomes(CLK_REF_SELECTED, 1u << REF_IS_CRYSTAL, 1u << REF_IS_CRYSTAL)) {
        return RING_OSCILLATOR_HZ;
    }
    if (!TINYML_FULL_SPEED || !start_pll()) {
        return CRYSTAL_HZ;
    }
    *reg(CLK_SYS_CTRL) = SYS_IS_PLL; /* of the auxiliary sources, 0 is the system PLL */
    if (!becomes(CLK_SYS_SELECTED, 1u << SYS_IS_PLL, 1u << SYS_IS_PLL)) {
        return CRYSTAL_HZ;
    }
    return CRYSTAL_HZ / (TINYML_CLOCK_PLL_DIVIDER_1 * TINYML_CLOCK_PLL_DIVIDER_2) * TINYML_CLOCK_PLL_MULTIPLIER;
}

uint32_t clock_init(void)
{
    const uint32_t hz = core_clock();
    *reg(CLK_PERI_CTRL) = PERI_ENABLE; /* of the auxiliary sources, 0 is the core's clock */
    return hz;
}
