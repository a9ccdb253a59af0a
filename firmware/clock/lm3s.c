/* LM3S6965: 50 MHz from the 8 MHz crystal, by the PLL, and the pins of UART0, PA0 and PA1. Registers, bits and order of
 * steps: as libopencm3's lm3s/rcc.c. Untested on silicon.
 * SPDX-License-Identifier: Apache-2.0 */
#include "board.h"
#include "board_config.h"

#define RIS 0x400FE050u
#define RCC 0x400FE060u
#define RCGC1 0x400FE104u
#define RCGC2 0x400FE108u
#define GPIOA_AFSEL 0x40004420u
#define GPIOA_DEN 0x4000451Cu

#define RIS_PLLLRIS (1u << 6)
#define RCC_MOSCDIS (1u << 0)
#define RCC_OSCSRC (3u << 4) /* 0: the crystal */
#define RCC_XTAL (0xFu << 6)
#define RCC_XTAL_8MHZ (0xEu << 6)
#define RCC_BYPASS (1u << 11)
#define RCC_PWRDN (1u << 13)
#define RCC_USESYSDIV (1u << 22)
#define RCC_SYSDIV (0xFu << 23)
#define RCC_SYSDIV_4 (3u << 23) /* 200 MHz / 4 */

#define CRYSTAL_HZ 8000000u

uint32_t clock_init(void)
{
    uint32_t rcc = (*reg(RCC) | RCC_BYPASS) & ~(RCC_USESYSDIV | RCC_MOSCDIS);
    *reg(RCC) = rcc;
    rcc &= ~(RCC_XTAL | RCC_OSCSRC | RCC_PWRDN);
    *reg(RCC) = rcc | RCC_XTAL_8MHZ;
    rcc = (rcc & ~RCC_SYSDIV) | RCC_XTAL_8MHZ | RCC_SYSDIV_4 | RCC_USESYSDIV;
    *reg(RCC) = rcc;
    uint32_t hz = CRYSTAL_HZ / 4u;
    if (becomes(RIS, RIS_PLLLRIS, RIS_PLLLRIS)) {
        *reg(RCC) = rcc & ~RCC_BYPASS;
        hz = TINYML_CLOCK_HZ;
    }

    *reg(RCGC1) |= 1u << 0; /* UART0 */
    *reg(RCGC2) |= 1u << 0; /* port A */
    (void)*reg(RCGC2);      /* the port answers a few cycles later */
    *reg(GPIOA_AFSEL) |= 3u;
    *reg(GPIOA_DEN) |= 3u;
    return hz;
}
