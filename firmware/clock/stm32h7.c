/* STM32H742/743/753: 480 MHz from an 8 MHz clock on OSC_IN, by PLL1 (8 MHz / 2 * 240 / 2).
 * Registers and bits: CMSIS stm32h743xx.h; PLL and prescalers: Zephyr's nucleo_h743zi.dts; order: reference manual
 * RM0433, "PWR", "RCC" and "FLASH read access latency". Untested on silicon.
 * SPDX-License-Identifier: Apache-2.0 */
#include "board.h"
#include "board_config.h"

#define PWR_CSR1 0x58024804u
#define PWR_CR3 0x5802480Cu
#define PWR_D3CR 0x58024818u
#define RCC_CR 0x58024400u
#define RCC_CFGR 0x58024410u
#define RCC_D1CFGR 0x58024418u
#define RCC_D2CFGR 0x5802441Cu
#define RCC_D3CFGR 0x58024420u
#define RCC_PLLCKSELR 0x58024428u
#define RCC_PLLCFGR 0x5802442Cu
#define RCC_PLL1DIVR 0x58024430u
#define RCC_AHB2ENR 0x580244DCu
#define RCC_APB4ENR 0x580244F4u
#define SYSCFG_PWRCR 0x5800042Cu
#define FLASH_ACR 0x52002000u
#define DBGMCU_IDCODE 0x5C001000u

#define PWR_CR3_SUPPLY_MASK 0x7u /* BYPASS, LDOEN, SCUEN */
#define PWR_CR3_LDOEN (1u << 1)
#define PWR_CSR1_ACTVOSRDY (1u << 13)
#define PWR_D3CR_VOS1 (3u << 14)
#define PWR_D3CR_VOSRDY (1u << 13)
#define RCC_CR_HSEON (1u << 16)
#define RCC_CR_HSERDY (1u << 17)
#define RCC_CR_HSEBYP (1u << 18)
#define RCC_CR_PLL1ON (1u << 24)
#define RCC_CR_PLL1RDY (1u << 25)
#define RCC_CFGR_SW_PLL1 3u
#define RCC_CFGR_SWS_MASK (7u << 3)
#define RCC_CFGR_SWS_PLL1 (3u << 3)
#define REVISION_Y 0x1003u

#define HSI_HZ 64000000u

/* Core voltage for the highest clock: scale 1, and overdrive (scale 0) where the chip has it. */
static int raise_voltage(int overdrive)
{
    *reg(PWR_CR3) = (*reg(PWR_CR3) & ~PWR_CR3_SUPPLY_MASK) | PWR_CR3_LDOEN;
    if (!becomes(PWR_CSR1, PWR_CSR1_ACTVOSRDY, PWR_CSR1_ACTVOSRDY)) {
        return 0;
    }
    *reg(PWR_D3CR) |= PWR_D3CR_VOS1;
    if (!becomes(PWR_D3CR, PWR_D3CR_VOSRDY, PWR_D3CR_VOSRDY)) {
        return 0;
    }
    if (overdrive) {
        *reg(RCC_APB4ENR) |= 1u << 1; /* SYSCFGEN */
        (void)*reg(RCC_APB4ENR);
        *reg(SYSCFG_PWRCR) |= 1u; /* ODEN */
        return becomes(PWR_D3CR, PWR_D3CR_VOSRDY, PWR_D3CR_VOSRDY);
    }
    return 1;
}

uint32_t clock_init(void)
{
    /* Revision Y has no overdrive and ends at 400 MHz. */
    const int overdrive = (*reg(DBGMCU_IDCODE) >> 16) != REVISION_Y;
    const uint32_t multiplier = overdrive ? 240u : 200u;

    *reg(RCC_AHB2ENR) |= 7u << 29; /* SRAM1EN, SRAM2EN, SRAM3EN: off after reset */
    (void)*reg(RCC_AHB2ENR);

    if (!TINYML_FULL_SPEED || !raise_voltage(overdrive)) {
        return HSI_HZ;
    }
    *reg(RCC_CR) |= RCC_CR_HSEBYP;
    *reg(RCC_CR) |= RCC_CR_HSEON;
    if (!becomes(RCC_CR, RCC_CR_HSERDY, RCC_CR_HSERDY)) {
        return HSI_HZ;
    }
    *reg(RCC_PLLCKSELR) = (*reg(RCC_PLLCKSELR) & ~0x3F3u) | (2u << 4) | 2u; /* DIVM1 = 2, HSE */
    *reg(RCC_PLLCFGR) = (1u << 16) | (2u << 2);                             /* DIVP1EN; input of 4 to 8 MHz, wide VCO */
    *reg(RCC_PLL1DIVR) = (1u << 24) | (1u << 16) | (1u << 9) | (multiplier - 1u);
    *reg(RCC_CR) |= RCC_CR_PLL1ON;
    if (!becomes(RCC_CR, RCC_CR_PLL1RDY, RCC_CR_PLL1RDY)) {
        return HSI_HZ;
    }
    *reg(FLASH_ACR) = (2u << 4) | 4u; /* WRHIGHFREQ, 4 wait states: 240 MHz at scale 0 */
    (void)*reg(FLASH_ACR);
    *reg(RCC_D1CFGR) = (4u << 4) | 8u;        /* core / 1, buses / 2, APB3 / 2 */
    *reg(RCC_D2CFGR) = (4u << 8) | (4u << 4); /* APB1, APB2 / 2 */
    *reg(RCC_D3CFGR) = 4u << 4;               /* APB4 / 2 */
    *reg(RCC_CFGR) = (*reg(RCC_CFGR) & ~7u) | RCC_CFGR_SW_PLL1;
    if (!becomes(RCC_CFGR, RCC_CFGR_SWS_MASK, RCC_CFGR_SWS_PLL1)) {
        return HSI_HZ;
    }
    return 2000000u * multiplier; /* 4 MHz * multiplier / 2 */
}
