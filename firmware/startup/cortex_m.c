/* From reset to main(), on every Cortex-M: vector table, floating point, caches, .data, .bss, painted stack, faults.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "board.h"
#include "board_config.h"
#include "text.h"

#define SYST_CSR 0xE000E010u
#define NVIC_ICER 0xE000E180u
#define SCB_VTOR 0xE000ED08u
#define SCB_AIRCR 0xE000ED0Cu
#define SCB_CCR 0xE000ED14u
#define SCB_CFSR 0xE000ED28u
#define SCB_HFSR 0xE000ED2Cu
#define SCB_CCSIDR 0xE000ED80u
#define SCB_CSSELR 0xE000ED84u
#define SCB_CPACR 0xE000ED88u
#define SCB_ICIALLU 0xE000EF50u
#define SCB_DCISW 0xE000EF60u

#if defined(__ARM_ARCH_6M__)
#define NVIC_WORDS 1u /* enough for all of its interrupts, and all that there is */
#else
#define NVIC_WORDS 16u
#endif
#define PAINT 0xC5C5C5C5u

/* Addresses that the linker gives (link.ld.j2). */
extern uint32_t stack_limit[], stack_top[];
extern uint32_t data_start[], data_end[], data_load[];
extern uint32_t bss_start[], bss_end[];

int main(void);
void reset_handler(void);
void systick_handler(void);
void fault_handler(void);
void fault_report(const uint32_t *frame);

/* timer/systick.c has its own. */
__attribute__((weak)) void systick_handler(void)
{
    fault_handler();
}

typedef struct {
    uint32_t *stack;
    void (*handlers[15])(void);
} vector_table_t;

/* No interrupt but SysTick's is ever enabled, so the table ends with the core's own exceptions. */
__attribute__((section(".vectors"), used, aligned(128))) const vector_table_t vectors = {
    stack_top,
    {
        reset_handler, /* 1 */
        fault_handler, /* 2: NMI */
        fault_handler, /* 3: HardFault */
        fault_handler, /* 4: MemManage */
        fault_handler, /* 5: BusFault */
        fault_handler, /* 6: UsageFault */
        fault_handler, /* 7: SecureFault */
        fault_handler,
        fault_handler,
        fault_handler,
        fault_handler,   /* 11: SVCall */
        fault_handler,   /* 12: DebugMonitor */
        fault_handler,
        fault_handler,   /* 14: PendSV */
        systick_handler, /* 15 */
    },
};

static inline void barrier(void)
{
    __asm volatile("dsb\n\tisb" ::: "memory");
}

#if TINYML_HAS_CACHES
/* Armv7-M manual, B2.2.7: invalidate before enabling, by set and way. */
static void enable_caches(void)
{
    *reg(SCB_ICIALLU) = 0;
    barrier();

    *reg(SCB_CSSELR) = 0; /* level 1 data cache */
    barrier();
    const uint32_t geometry = *reg(SCB_CCSIDR);
    const uint32_t sets = (geometry >> 13) & 0x7FFFu; /* minus one */
    const uint32_t ways = (geometry >> 3) & 0x3FFu;   /* minus one */
    const uint32_t line_shift = (geometry & 7u) + 4u; /* log2 of bytes in a line */
    uint32_t way_shift = 32;
    for (uint32_t w = ways; w != 0; w >>= 1) {
        --way_shift;
    }
    for (uint32_t set = 0; set <= sets; ++set) {
        for (uint32_t way = 0; way <= ways; ++way) {
            *reg(SCB_DCISW) = (way_shift == 32 ? 0 : way << way_shift) | (set << line_shift);
        }
    }
    barrier();
    *reg(SCB_CCR) |= (1u << 17) | (1u << 16); /* IC, DC */
    barrier();
}
#endif

/* Writes that no compiler turns into a call: the callee would use the very stack that is painted. */
static void fill(volatile uint32_t *from, const volatile uint32_t *end, uint32_t value)
{
    while (from < end) {
        *from++ = value;
    }
}

void stack_paint(void)
{
    uint32_t *sp;
    __asm volatile("mov %0, sp" : "=r"(sp));
    fill(stack_limit, sp - 8, PAINT); /* 8 words for the call itself */
}

void reset_board(void)
{
    barrier();
    *reg(SCB_AIRCR) = 0x05FA0004u; /* the key, SYSRESETREQ */
    barrier();
    for (;;) {
    }
}

/* What a boot loader may have left on; nothing here handles it. */
static void disable_interrupts(void)
{
    *reg(SYST_CSR) = 0;
    for (uint32_t i = 0; i < NVIC_WORDS; ++i) {
        *reg(NVIC_ICER + 4u * i) = 0xFFFFFFFFu;
    }
}

void reset_handler(void)
{
    disable_interrupts();
    *reg(SCB_VTOR) = (uint32_t)(uintptr_t)&vectors;
#if TINYML_HAS_FPU
    *reg(SCB_CPACR) |= 0xFu << 20; /* full access to CP10 and CP11 */
#endif
    barrier();
#if TINYML_HAS_CACHES
    enable_caches();
#endif
    stack_paint();
    const uint32_t *load = data_load;
    for (volatile uint32_t *d = data_start; d < data_end; ++d) {
        *d = *load++;
    }
    fill(bss_start, bss_end, 0);
    (void)main();
    for (;;) {
    }
}

uint32_t stack_high_water(void)
{
    const uint32_t *p = stack_limit;
    while (p < stack_top && *p == PAINT) {
        ++p;
    }
    return (uint32_t)((uintptr_t)stack_top - (uintptr_t)p);
}

uint32_t stack_size(void)
{
    return (uint32_t)((uintptr_t)stack_top - (uintptr_t)stack_limit);
}

/* Passes the frame that the exception pushed: r0 to r3, r12, lr, pc, xPSR. The report begins a stack of its own, for the
 * old one may be what overflowed. */
__attribute__((naked)) void fault_handler(void)
{
    __asm volatile("mrs r0, msp\n\t"
                   "ldr r1, =stack_top\n\t"
                   "mov sp, r1\n\t"
                   "ldr r1, =fault_report\n\t"
                   "bx r1\n\t"
                   ".ltorg");
}

void fault_report(const uint32_t *frame)
{
    /* Where the stack overflowed, there is no frame to read. */
    const int overflow = frame < stack_limit || frame + 8 > stack_top;
    const uint32_t lr = overflow ? 0 : frame[5];
    const uint32_t pc = overflow ? 0 : frame[6];
    uint32_t exception;
    __asm volatile("mrs %0, ipsr" : "=r"(exception));
    put_text("\r\ne-[Fault ");
    put_decimal(exception);
    put_text(": pc ");
    put_hex(pc);
    put_text(" lr ");
    put_hex(lr);
    put_text(" cfsr ");
    put_hex(*reg(SCB_CFSR));
    put_text(" hfsr ");
    put_hex(*reg(SCB_HFSR));
    put_text(overflow ? " stack overflow]\r\n" : "]\r\n");
    for (;;) {
    }
}
