/* RP2040: the second stage of its boot loader. The ROM copies these 256 bytes from the start of flash to the end of RAM,
 * checks the CRC-32 in their last word (written after linking) and calls them. They let the flash be read in place, with
 * the one command that every flash has (03h, one bit at a time, at a quarter of the core's clock), and enter the program
 * by its vector table, which stands behind. Registers: RP2040 data sheet, "SSI"; pico-sdk hardware/regs/ssi.h.
 * Untested on silicon.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

/* Position-independent: addresses as numbers, no calls, no literals of the linker. The core's registers are free.
 *   SSIENR (0x08) = 0   off, to be set up
 *   BAUDR (0x14) = 4    clk_sys / 4
 *   CTRLR0 (0x00)       frames of 32 bits; read as from an EEPROM: command, address, data
 *   CTRLR1 (0x04) = 0   one frame a read
 *   SPI_CTRLR0 (0xF4)   command 03h of 8 bits, 24 bits of address, all on one line
 *   SSIENR (0x08) = 1   on: reads at 0x10000000 are reads of the flash from here on */
__attribute__((section(".boot"), naked, used)) void boot_stage_2(void);

void boot_stage_2(void)
{
    __asm volatile(".syntax unified\n\t"
                   "ldr r0, 1f\n\t"
                   "movs r1, #0\n\t"
                   "str r1, [r0, #0x08]\n\t"
                   "movs r2, #4\n\t"
                   "str r2, [r0, #0x14]\n\t"
                   "ldr r2, 2f\n\t"
                   "str r2, [r0, #0x00]\n\t"
                   "str r1, [r0, #0x04]\n\t"
                   "ldr r2, 3f\n\t"
                   "movs r3, r0\n\t"
                   "adds r3, #0xF4\n\t"
                   "str r2, [r3]\n\t"
                   "movs r1, #1\n\t"
                   "str r1, [r0, #0x08]\n\t"
                   "ldr r0, 4f\n\t" /* the vector table */
                   "ldr r1, 5f\n\t"
                   "str r0, [r1]\n\t"
                   "ldmia r0, {r0, r1}\n\t"
                   "msr msp, r0\n\t"
                   "bx r1\n\t"
                   ".balign 4\n"
                   "1: .word 0x18000000\n" /* XIP_SSI_BASE */
                   "2: .word 0x001F0300\n" /* DFS_32 = 31, TMOD = EEPROM_READ */
                   "3: .word 0x03000218\n" /* XIP_CMD = 3, INST_L = 8 bits, ADDR_L = 24 bits */
                   "4: .word 0x10000100\n"
                   "5: .word 0xE000ED08\n" /* VTOR */
                   ".org 256\n");
}
