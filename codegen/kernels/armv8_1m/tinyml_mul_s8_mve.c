/* Product of two int8 tensors, for Helium: four elements at a time. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_binary_s8.h"
#include "tinyml_bytes_vector.h"
#include "tinyml_mve.h"
#include "tinyml_requant.h"

typedef int8_t element_t;
typedef tinyml_operand_s8_t operand_t;
typedef tinyml_binary_s8_t op_t;

static inline element_t function(const op_t *op, int32_t a, int32_t b)
{
    const int32_t r = tinyml_requantize((a + op->a.offset) * (b + op->b.offset), op->multiplier, op->shift) + op->out_offset;
    return (element_t)tinyml_clamp(r, op->out_min, op->out_max);
}

#include "tinyml_binary_elements.h"

#if TINYML_HELIUM

/* The assembly knows this order. The shift is negative. */
typedef struct {
    const int8_t *a;
    const int8_t *b;
    int8_t *out;
    int32_t count;
    int32_t a_offset;
    int32_t b_offset;
    int32_t multiplier;
    int32_t shift;
    int32_t out_offset;
} product_t;

/* The sign takes 1 off, for ties to be rounded away from zero. */
TINYML_ASSEMBLY static void multiply(TINYML_UNUSED const product_t *product)
{
    __asm__(".syntax unified\n"
            "push {r4-r8, lr}\n"
            "ldm r0, {r0-r8}\n"
            "dlstp.32 lr, r3\n"
            "1: vldrb.s32 q0, [r0], #4\n vldrb.s32 q1, [r1], #4\n"
            "vadd.i32 q0, q0, r4\n vadd.i32 q1, q1, r5\n vmul.i32 q0, q0, q1\n"
            "vshr.s32 q1, q0, #31\n vqrdmlah.s32 q1, q0, r6\n vrshl.s32 q1, r7\n"
            "vadd.i32 q1, q1, r8\n vqmovnb.s32 q1, q1\n vqmovnb.s16 q1, q1\n vstrb.32 q1, [r2], #4\n"
            "letp lr, 1b\n"
            "pop {r4-r8, pc}\n");
}

static void multiply_all(const op_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out, const tinyml_tile_t *tile)
{
    const tinyml_rows_t *in_b = op->a.constant ? in : in + 1;
    const int32_t channels = op->channels;
    /* Where neither operand repeats its columns, a row is one run. */
    const int32_t cols = op->a.col_stride == channels && op->b.col_stride == channels ? tile->cols : 1;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        int8_t *const o = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * channels;
        product_t product = {
            element_of(&op->a, in, y, tile->col), element_of(&op->b, in_b, y, tile->col), o, cols * channels,
            op->a.offset, op->b.offset, op->multiplier, op->shift, op->out_offset,
        };
        for (int32_t x = 0; x < tile->cols; x += cols) {
            multiply(&product);
            product.a += op->a.col_stride;
            product.b += op->b.col_stride;
            product.out += channels;
        }
        if (op->out_min > INT8_MIN || op->out_max < INT8_MAX) {
            limit(o, tile->cols * channels, op->out_min, op->out_max);
        }
    }
}

#else
#define multiply_all each_pair
#endif

void tinyml_mul_s8_mve(const tinyml_binary_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                       const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;
    multiply_all(op, in, out, tile);
}
