/* Runs kernels on a Cortex-M55 in QEMU on request, by semihosting. SPDX-License-Identifier: Apache-2.0
 *
 * A request on standard input, all numbers uint32:
 *   kernel index; how many bytes of RAM are used at its start and at its end, which are filled with POISON first;
 *   number of buffers, each: address, size, bytes; number of pointers, each: where, value;
 *   the addresses of the five buffers that the kernel is called with.
 * The answer: SysTick ticks of the call, and the used RAM afterwards. A fault ends the program with its program counter
 * as the answer.
 */
#include <stdint.h>

#define RAM ((uint8_t *)0x21000000)
#define RAM_BYTES 0x400000u
#define POISON 0xA5A5A5A5u
#define REGISTER(address) (*(volatile uint32_t *)(address))
#define CPACR REGISTER(0xE000ED88)
#define SYST_CSR REGISTER(0xE000E010)
#define SYST_RVR REGISTER(0xE000E014)
#define SYST_CVR REGISTER(0xE000E018)

typedef void (*kernel_t)(const void *, const void *, const void *, const void *, void *);

#define KERNEL(name) void name(const void *, const void *, const void *, const void *, void *);
#include "kernels.inc"
#undef KERNEL

#define KERNEL(name) name,
static const kernel_t kernels[] = {
#include "kernels.inc"
};

enum { SYS_OPEN = 1, SYS_WRITE = 5, SYS_READ = 6, SYS_EXIT = 24, EXIT_NORMALLY = 0x20026 };

static uint32_t host(uint32_t operation, const void *arguments)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static uint32_t input, output;

static uint32_t open_console(uint32_t mode)
{
    const uint32_t arguments[3] = {(uint32_t) ":tt", mode, 3};
    return host(SYS_OPEN, arguments);
}

static void leave(void)
{
    (void)host(SYS_EXIT, (const void *)EXIT_NORMALLY);
}

static void fetch(void *to, uint32_t bytes)
{
    uint8_t *at = to;
    while (bytes > 0) {
        const uint32_t arguments[3] = {input, (uint32_t)at, bytes};
        const uint32_t left = host(SYS_READ, arguments);
        if (left >= bytes) {
            leave();
        }
        at += bytes - left;
        bytes = left;
    }
}

static void answer(const void *from, uint32_t bytes)
{
    const uint32_t arguments[3] = {output, (uint32_t)from, bytes};
    (void)host(SYS_WRITE, arguments);
}

static uint32_t number(void)
{
    uint32_t n;
    fetch(&n, sizeof n);
    return n;
}

static void poison(void *from, uint32_t bytes)
{
    for (uint32_t *word = from; bytes > 0; bytes -= 4) {
        *word++ = POISON;
    }
}

static void serve(void)
{
    const uint32_t kernel = number();
    const uint32_t low = number(), high = number();
    poison(RAM, low);
    poison(RAM + RAM_BYTES - high, high);
    for (uint32_t i = number(); i > 0; --i) {
        uint8_t *at = (uint8_t *)number();
        fetch(at, number());
    }
    for (uint32_t i = number(); i > 0; --i) {
        uint32_t *at = (uint32_t *)number();
        *at = number();
    }
    void *arg[5];
    fetch(arg, sizeof arg);
    SYST_CVR = 0;
    const uint32_t start = SYST_CVR;
    kernels[kernel](arg[0], arg[1], arg[2], arg[3], arg[4]);
    const uint32_t ticks = (start - SYST_CVR) & 0xFFFFFFu;
    answer(&ticks, sizeof ticks);
    answer(RAM, low);
    answer(RAM + RAM_BYTES - high, high);
}

void reset_handler(void);
void reset_handler(void)
{
    CPACR |= 0xFu << 20;
    __asm__ volatile("dsb\n isb");
    SYST_RVR = 0xFFFFFF;
    SYST_CVR = 0;
    SYST_CSR = 5;
    input = open_console(0);
    output = open_console(4);
    for (;;) {
        serve();
    }
}

void fault(const uint32_t *frame);
void fault(const uint32_t *frame)
{
    answer(&frame[6], 4);
    leave();
}

__attribute__((naked)) void fault_handler(void);
void fault_handler(void)
{
    __asm__ volatile("mrs r0, msp\n b fault");
}

__attribute__((section(".vectors"), used)) void (*const vectors[16])(void) = {
    (void (*)(void))0x20040000, reset_handler, fault_handler, fault_handler, fault_handler, fault_handler, fault_handler,
};
