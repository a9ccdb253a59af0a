/* STM32F405/407/415/417: 168 MHz from the crystal or clock on OSC_IN, by the PLL (1 MHz * 336 / 2). The buses run at a half
 * and a quarter of the core's clock, whatever it is. Registers and bits: CMSIS stm32f407xx.h; order: reference manual
 * RM0090, "RCC" and "Relation between CPU clock frequency and flash memory read time". Untested on silicon.
 * SPDX-License-Identifier: Apache-2.0 */
#include "board.h"
#include "board_config.h"

#define RCC_CR 0x40023800u
#define RCC_PLLCFGR 0x40023804u
#define RCC_CFGR 0x40023808u
#define RCC_APB1ENR 0x40023840u
#define PWR_CR 0x40007000u
#define FLASH_ACR 0x40023C00u
#define DBGMCU_IDCODE 0xE0042000u

#define PWR_CR_VOS (1u << 14)
#define RCC_CR_HSEON (1u << 16)
#define RCC_CR_HSERDY (1u << 17)
#define RCC_CR_HSEBYP (1u << 18)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_CFGR_SW_PLL 2u
#define RCC_CFGR_SWS_MASK (3u << 2)
#define RCC_CFGR_SWS_PLL (2u << 2)
#define RCC_CFGR_PPRE1_4 (5u << 10)
#define RCC_CFGR_PPRE2_2 (4u << 13)
#define FLASH_ACR_PRFTEN (1u << 8)
#define FLASH_ACR_CACHES (3u << 9)
#define REVISION_A 0x1000u

#define HSI_HZ 16000000u

uint32_t clock_init(void)
{
    *reg(RCC_CFGR) = RCC_CFGR_PPRE1_4 | RCC_CFGR_PPRE2_2; /* and the internal oscillator, as after reset */
    if (!TINYML_FULL_SPEED) {
        return HSI_HZ;
    }
    *reg(RCC_APB1ENR) |= 1u << 28; /* PWREN */
    (void)*reg(RCC_APB1ENR);
    *reg(PWR_CR) |= PWR_CR_VOS; /* scale 1 */
    if (TINYML_CLOCK_HSE_BYPASS) {
        *reg(RCC_CR) |= RCC_CR_HSEBYP;
    }
    *reg(RCC_CR) |= RCC_CR_HSEON;
    if (!becomes(RCC_CR, RCC_CR_HSERDY, RCC_CR_HSERDY)) {
        return HSI_HZ;
    }
    /* Q = 7 (USB's 48 MHz), HSE, P = 2, N = 336, M: 1 MHz */
    *reg(RCC_PLLCFGR) = (7u << 24) | (1u << 22) | (0u << 16) | (336u << 6) | (TINYML_CLOCK_HSE_HZ / 1000000u);
    *reg(RCC_CR) |= RCC_CR_PLLON;
    if (!becomes(RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY)) {
        return HSI_HZ;
    }
    /* 5 wait states at 2.7 to 3.6 V; the first chips must not prefetch (errata sheet ES0182). */
    const uint32_t prefetch = (*reg(DBGMCU_IDCODE) >> 16) == REVISION_A ? 0 : FLASH_ACR_PRFTEN;
    *reg(FLASH_ACR) = FLASH_ACR_CACHES | prefetch | 5u;
    (void)*reg(FLASH_ACR);
    *reg(RCC_CFGR) |= RCC_CFGR_SW_PLL;
    if (!becomes(RCC_CFGR, RCC_CFGR_SWS_MASK, RCC_CFGR_SWS_PLL)) {
        return HSI_HZ;
    }
    return 168000000u;
}
