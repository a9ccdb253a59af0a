/* A program for tests of the emulator: a bare board with the product's own drivers, one command per received byte.
 * SPDX-License-Identifier: Apache-2.0 */
#include "board.h"
#include "board_config.h"

#define SAMPLES 512u

extern uint32_t image_stack_top;

void start(void);
void bench_init(void);
void bench_run(void);
void layer_integer(void);
void layer_branches(void);
void layer_float(void);
void layer_nested(void);
void systick_handler(void);

/* timer/systick.c has its own. */
__attribute__((weak)) void systick_handler(void)
{
}

__attribute__((section(".vectors"), used)) const void *const vectors[16] = {
    [0] = &image_stack_top,
    [1] = (const void *)&start,
    [15] = (const void *)&systick_handler,
};

static int8_t weights[SAMPLES];
static int8_t samples[SAMPLES];
static volatile uint32_t result;
volatile uint8_t scratch[64];

/* Dot products: loads, multiply-accumulates, shifts. */
__attribute__((noinline)) void layer_integer(void)
{
    uint32_t sum = 0;
    for (uint32_t row = 0; row < 40u; ++row) {
        int32_t dot = 0;
        for (uint32_t i = 0; i < SAMPLES; ++i) {
            dot += (int32_t)weights[i] * (int32_t)samples[(i + row) % SAMPLES];
        }
        sum += (uint32_t)((int64_t)dot * 1518500250 >> 31);
#if defined(__ARM_FEATURE_DSP)
        for (uint32_t i = 0; i < 64u; ++i) {
            int32_t pair = (int32_t)(i * 0x00030001u);
            __asm volatile("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(pair), "r"(sum));
        }
#endif
    }
    result += sum;
}

/* Data-dependent branches, IT blocks, a jump table, division, calls with pushed registers. */
__attribute__((noinline)) static uint32_t step(uint32_t x, uint32_t kind)
{
    switch (kind) {
    case 0: return x + 17u;
    case 1: return x * 3u;
    case 2: return x / 7u + 5u;
    case 3: return (x & 1u) != 0u ? x * 5u + 1u : x >> 1;
    case 4: return x ^ (x >> 3);
    case 5: return x < 1000u ? x + 1000u : x - 999u;
    default: return (x % 13u) << 8;
    }
}

__attribute__((noinline)) void layer_branches(void)
{
    uint32_t x = 1u;
    for (uint32_t i = 0; i < 5000u; ++i) {
        x = step(x, (x ^ i) % 7u);
        __asm volatile("cmp %0, #100\n\titte lo\n\taddlo %0, #7\n\taddlo %0, %0, %0, lsl #1\n\tsubhs %0, #3" : "+r"(x) : : "cc");
    }
    result += x;
}

__attribute__((noinline)) void layer_float(void)
{
    float sum = 0.0f;
    for (uint32_t i = 1; i < 2000u; ++i) {
        const float x = (float)(int32_t)samples[i % SAMPLES];
        sum = sum * 0.5f + x / (float)i;
    }
    result += (uint32_t)(int32_t)sum;
}

/* Ends in a call that compilers turn into a jump, and calls a layer itself. */
__attribute__((noinline)) void layer_nested(void)
{
    layer_float();
    layer_branches();
}

__attribute__((noinline)) void bench_init(void)
{
    for (uint32_t i = 0; i < SAMPLES; ++i) {
        weights[i] = (int8_t)(i * 37u);
        samples[i] = (int8_t)(i * 101u);
    }
    result = 0;
}

__attribute__((noinline)) void bench_run(void)
{
    layer_integer();
    layer_branches();
    layer_float();
    layer_nested();
}

static uint32_t receive(void)
{
    int32_t byte;
    do {
        byte = uart_poll();
    } while (byte < 0);
    return (uint32_t)byte;
}

static void send_word(uint32_t word)
{
    for (uint32_t i = 0; i < 4u; ++i) {
        uart_put((uint8_t)(word >> (8u * i)));
    }
}

void start(void)
{
    *reg(0xE000ED88u) |= 0xFu << 20; /* CPACR: the FPU */
    __asm volatile("dsb\n\tisb");
    const uint32_t clock = clock_init();
    timer_init();
    uart_init(clock);
    send_word(clock);
    for (;;) {
        switch (receive()) {
        case 'e': /* echo */
            uart_put((uint8_t)receive());
            break;
        case 'r': { /* run */
            bench_init();
            const uint32_t before = (uint32_t)timer_cycles();
            bench_run();
            send_word((uint32_t)timer_cycles() - before);
            send_word(result);
            break;
        }
        case 'R': { /* run for long: 60 times */
            bench_init();
            const uint32_t before = (uint32_t)timer_cycles();
            for (uint32_t i = 0; i < 60u; ++i) {
                bench_run();
            }
            send_word((uint32_t)timer_cycles() - before);
            send_word(result);
            break;
        }
        case 'p': /* the byte that RAM holds at power-up */
            uart_put(scratch[5]);
            break;
        case 'o': /* outside */
            result = *reg(0x90000000u);
            break;
        case 'f': /* into flash */
            *reg((uint32_t)(uintptr_t)&vectors[0]) = 0;
            break;
        case 'u': /* a poll that only unmodelled hardware would end */
            while (*reg(0x4000F000u) == 0u) {
            }
            break;
        case 'l':
            for (;;) {
                __asm volatile("nop");
            }
        case 'w':
            __asm volatile("wfi");
            break;
        case 'b':
            __asm volatile("bkpt #0");
            break;
        default:
            uart_put('?');
        }
    }
}
