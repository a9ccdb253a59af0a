/* STM32L4+: 120 MHz from the internal 16 MHz oscillator, by the PLL (16 MHz / 4 * 60 / 2), in range 1 boost mode.
 * Registers and bits: CMSIS stm32l4r5xx.h; order: reference manual RM0432, "Dynamic voltage scaling management" and
 * "Read access latency". Untested on silicon.
 * SPDX-License-Identifier: Apache-2.0 */
#include "board.h"
#include "board_config.h"

#define PWR_CR2 0x40007004u
#define PWR_CR5 0x40007080u
#define RCC_CR 0x40021000u
#define RCC_CFGR 0x40021008u
#define RCC_PLLCFGR 0x4002100Cu
#define RCC_APB1ENR1 0x40021058u
#define FLASH_ACR 0x40022000u

#define PWR_CR2_IOSV (1u << 9)
#define PWR_CR5_R1MODE (1u << 8)
#define RCC_CR_HSION (1u << 8)
#define RCC_CR_HSIRDY (1u << 10)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_CFGR_SW_PLL 3u
#define RCC_CFGR_SWS_MASK (3u << 2)
#define RCC_CFGR_SWS_PLL (3u << 2)
#define RCC_CFGR_HPRE_MASK (15u << 4)
#define RCC_CFGR_HPRE_2 (8u << 4)

#define MSI_HZ 4000000u

uint32_t clock_init(void)
{
    *reg(RCC_APB1ENR1) |= 1u << 28; /* PWREN */
    (void)*reg(RCC_APB1ENR1);
    *reg(PWR_CR2) |= PWR_CR2_IOSV; /* VDDIO2: pins of port G, among them the serial port's */
    *reg(PWR_CR5) &= ~PWR_CR5_R1MODE;

    /* The serial port runs on this oscillator too: right whatever the PLL does. */
    *reg(RCC_CR) |= RCC_CR_HSION;
    if (!becomes(RCC_CR, RCC_CR_HSIRDY, RCC_CR_HSIRDY)) {
        return MSI_HZ;
    }
    if (!TINYML_FULL_SPEED) {
        return MSI_HZ;
    }
    *reg(RCC_PLLCFGR) = (1u << 24) | (60u << 8) | (3u << 4) | 2u; /* PLLREN, R = 2, N = 60, M = 4, HSI16 */
    *reg(RCC_CR) |= RCC_CR_PLLON;
    if (!becomes(RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY)) {
        return MSI_HZ;
    }
    *reg(FLASH_ACR) = (1u << 10) | (1u << 9) | (1u << 8) | 5u; /* caches, prefetch, 5 wait states */
    (void)*reg(FLASH_ACR);

    /* Above 80 MHz the bus clock must pass through half of it for at least a microsecond. */
    *reg(RCC_CFGR) = (*reg(RCC_CFGR) & ~RCC_CFGR_HPRE_MASK) | RCC_CFGR_HPRE_2;
    *reg(RCC_CFGR) |= RCC_CFGR_SW_PLL;
    if (!becomes(RCC_CFGR, RCC_CFGR_SWS_MASK, RCC_CFGR_SWS_PLL)) {
        return MSI_HZ;
    }
    for (uint32_t i = 0; i < 200u; ++i) {
        (void)*reg(RCC_CFGR);
    }
    *reg(RCC_CFGR) &= ~RCC_CFGR_HPRE_MASK;
    return 120000000u;
}
