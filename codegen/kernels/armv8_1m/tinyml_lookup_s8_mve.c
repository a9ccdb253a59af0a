/* Table of 256 results, for Helium: 16 at a time. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_lookup.h"
#include "tinyml_mve.h"

#if TINYML_HELIUM

TINYML_ASSEMBLY static void look_up(TINYML_UNUSED const uint8_t *table, TINYML_UNUSED const int8_t *x,
                                    TINYML_UNUSED uint8_t *out, TINYML_UNUSED int32_t count)
{
    __asm__(".syntax unified\n"
            "push {r4, lr}\n"
            "mov r4, #128\n vdup.8 q1, r4\n"
            "dlstp.8 lr, r3\n"
            "1: vldrb.u8 q0, [r1], #16\n veor q0, q0, q1\n vldrb.u8 q2, [r0, q0]\n vstrb.8 q2, [r2], #16\n"
            "letp lr, 1b\n"
            "pop {r4, pc}\n");
}

#else

static void look_up(const uint8_t *table, const int8_t *x, uint8_t *out, int32_t count)
{
    for (int32_t i = 0; i < count; ++i) {
        out[i] = table[x[i] + 128];
    }
}

#endif

void tinyml_lookup_s8_mve(const tinyml_lookup_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                          const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int8_t *x = (const int8_t *)tinyml_row(in, y) + (tile->col - in->first_col) * op->channels;
        uint8_t *o = (uint8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->channels;
        look_up(op->table, x, o, tile->cols * op->channels);
    }
}
