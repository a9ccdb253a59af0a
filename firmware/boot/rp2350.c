/* RP2350: the image definition that the boot ROM looks for in the first 4 KiB of flash: a Secure program for the Arm cores.
 * The ROM sets up the flash by itself. Layout: RP2350 data sheet, "Minimum Arm IMAGE_DEF"; constants: pico-sdk,
 * boot/picobin.h. Untested on silicon.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#define BLOCK_START 0xFFFFDED3u
#define BLOCK_END 0xAB123579u
#define ITEM_IMAGE_TYPE 0x42u
#define ITEM_LAST 0xFFu
#define ONE_WORD (1u << 8)
#define EXECUTABLE (0x1u << 16)
#define SECURE (0x2u << 20)
#define ARM (0x0u << 24)
#define RP2350 (0x1u << 28)

__attribute__((section(".boot_block"), used)) static const uint32_t image_definition[] = {
    BLOCK_START,
    RP2350 | ARM | SECURE | EXECUTABLE | ONE_WORD | ITEM_IMAGE_TYPE,
    ITEM_LAST | ONE_WORD, /* words of all items */
    0,                    /* no other block: to itself */
    BLOCK_END,
};
