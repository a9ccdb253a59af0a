/* Depthwise convolution, int8, 3x3, for Helium. SPDX-License-Identifier: Apache-2.0
 *
 * A window takes at most 15 of 16 bytes, so that what one load brings serves two sums: the second by weights that are shifted by the
 * distance of their windows. */
#include "tinyml_depthwise_vector.h"

#if TINYML_HELIUM

/* Four sums: two windows `shift` bytes apart, two more `next` bytes on; then `step` to the next four. */
#define SUMS_OF_FOUR(next, step)                                                                    \
    "vldrb.u8 q5, [r1, #" #next "]\n vldrb.u8 q4, [r1], #" #step "\n"                               \
    "vmladav.s8 r4, q5, q0\n vmladav.s8 r6, q5, q1\n"                                               \
    "vmladav.s8 r0, q4, q0\n vmladav.s8 r2, q4, q1\n"

/* Eight sums, and then eight of them; q2 their offsets, r3 the output's zero point, r9 from eight outputs to the next. */
#define TWICE(sums)                                                                                 \
    "ldrd r2, r3, [r0, #100]\n wls lr, r2, 7f\n"                                                     \
    "vldrh.u16 q2, [r3]\n ldr r3, [r0, #80]\n lsl r9, r11, #1\n"                                     \
    "6:" sums "vmov q3[2], q3[0], r0, r4\n vmov q3[3], q3[1], r2, r6\n"                             \
    sums "vmov q4[2], q4[0], r0, r4\n vmov q4[3], q4[1], r2, r6\n"                                  \
    "vadd.i32 q3, q3, r8\n vadd.i32 q4, q4, r8\n vqrdmulh.s32 q3, q3, r10\n vqrdmulh.s32 q4, q4, r10\n" \
    "vrshl.s32 q3, r12\n vrshl.s32 q4, r12\n vqmovnb.s32 q3, q3\n vqmovnt.s32 q3, q4\n"             \
    "vqadd.s16 q3, q3, r3\n vqmovnb.s16 q3, q3\n vstrb.16 q3, [r7, q2]\n add r7, r7, r9\n le lr, 6b\n" \
    "ldr r0, [sp]\n 7:"

#define PAIRS(shift, next, step)                                                                    \
    BLOCK(WEIGHTS(0) "ldr r2, [r0, #48]\n vstrb.8 q0, [r2]\n vldrb.u8 q1, [r2, #-" #shift "]\n",    \
          TWICE(SUMS_OF_FOUR(next, step)), SUMS_OF_FOUR(next, step))

/* 4 rows, stride 1: columns of 6. */
TINYML_ASSEMBLY static void compute_four_rows(TINYML_UNUSED block_t *block)
{
    __asm__(PAIRS(1, 2, 6));
}

/* 2 rows, stride 1: columns of 4. */
TINYML_ASSEMBLY static void compute_two_rows(TINYML_UNUSED block_t *block)
{
    __asm__(PAIRS(1, 4, 8));
}

/* 2 rows, stride 2: columns of 5. */
TINYML_ASSEMBLY static void compute_two_rows_stride_2(TINYML_UNUSED block_t *block)
{
    __asm__(PAIRS(2, 10, 20));
}

/* 1 row: columns of 3. */
TINYML_ASSEMBLY static void compute_row(TINYML_UNUSED block_t *block)
{
    __asm__(PAIRS(3, 6, 12));
}

TINYML_ASSEMBLY static void compute_row_stride_2(TINYML_UNUSED block_t *block)
{
    __asm__(PAIRS(6, 12, 24));
}

static void compute(block_t *block, const layout_t *layout)
{
    const int32_t column_rows = layout->column_rows;
    if (layout->rows == 4) {
        compute_four_rows(block);
    } else if (layout->rows == 2) {
        (column_rows == 4 ? compute_two_rows : compute_two_rows_stride_2)(block);
    } else {
        (block->sum_step[0] == column_rows ? compute_row : compute_row_stride_2)(block);
    }
}

#else
#define compute compute_portably
#endif

void tinyml_depthwise_3x3_s8_mve(const tinyml_depthwise_vector_s8_t *op, const tinyml_rows_t *in,
                                 const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch)
{
    static const kernel_t kernel = {compute, TINYML_HELIUM};
    depthwise(op, in, out, tile, scratch, &kernel);
}
