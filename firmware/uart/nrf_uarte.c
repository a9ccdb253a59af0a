/* UARTE of the nRF52: bytes go by DMA, which reaches RAM only. Registers: Nordic's nrf52840.h; nRF52840 Product
 * Specification, "UARTE". No cache lies between the core and this RAM, so none is maintained. Untested on silicon.
 * SPDX-License-Identifier: Apache-2.0 */
#include "board.h"
#include "board_config.h"

#define TASKS_STARTRX (TINYML_UART_BASE + 0x000u)
#define TASKS_STARTTX (TINYML_UART_BASE + 0x008u)
#define EVENTS_ENDRX (TINYML_UART_BASE + 0x110u)
#define EVENTS_ENDTX (TINYML_UART_BASE + 0x120u)
#define EVENTS_RXSTARTED (TINYML_UART_BASE + 0x14Cu)
#define SHORTS (TINYML_UART_BASE + 0x200u)
#define ENABLE (TINYML_UART_BASE + 0x500u)
#define PSEL_TXD (TINYML_UART_BASE + 0x50Cu)
#define PSEL_RXD (TINYML_UART_BASE + 0x514u)
#define BAUDRATE (TINYML_UART_BASE + 0x524u)
#define RXD_PTR (TINYML_UART_BASE + 0x534u)
#define RXD_MAXCNT (TINYML_UART_BASE + 0x538u)
#define TXD_PTR (TINYML_UART_BASE + 0x544u)
#define TXD_MAXCNT (TINYML_UART_BASE + 0x548u)

#define SHORT_ENDRX_STARTRX (1u << 5)
#define ENABLED 8u

/* The values that the manual gives. */
#if TINYML_UART_BAUD == 115200
#define BAUD 0x01D60000u
#elif TINYML_UART_BAUD == 921600
#define BAUD 0x0F000000u
#elif TINYML_UART_BAUD == 1000000
#define BAUD 0x10000000u
#else
#error "the UARTE driver knows 115200, 921600 and 1000000 baud"
#endif

/* Pins of both ports are numbered through: 32 is P1.00. */
#define GPIO(pin) (0x50000000u + 0x300u * ((pin) / 32u))
#define OUTSET 0x508u
#define DIRSET 0x518u
#define PIN_CNF(pin) (0x700u + 4u * ((pin) % 32u))
#define PULL_UP (3u << 2)

/* Two buffers of one byte: while one is read, the other fills. */
static volatile uint8_t received[2];
static volatile uint8_t sending;
static uint32_t next;

static uint32_t address_of(const volatile uint8_t *byte)
{
    return (uint32_t)(uintptr_t)byte;
}

void uart_init(uint32_t clock_hz)
{
    (void)clock_hz;
    const uint32_t tx = TINYML_UART_TX_PIN;
    const uint32_t rx = TINYML_UART_RX_PIN;
    *reg(GPIO(tx) + OUTSET) = 1u << (tx % 32u); /* idle, before the pin becomes an output */
    *reg(GPIO(tx) + DIRSET) = 1u << (tx % 32u);
    *reg(GPIO(rx) + PIN_CNF(rx)) = PULL_UP; /* an open line reads as idle */
    *reg(PSEL_TXD) = tx;
    *reg(PSEL_RXD) = rx;
    *reg(BAUDRATE) = BAUD;
    *reg(ENABLE) = ENABLED;

    next = 0;
    *reg(SHORTS) = SHORT_ENDRX_STARTRX;
    *reg(RXD_PTR) = address_of(&received[0]);
    *reg(RXD_MAXCNT) = 1u;
    *reg(EVENTS_ENDRX) = 0;
    *reg(EVENTS_RXSTARTED) = 0;
    *reg(TASKS_STARTRX) = 1u;
    while (*reg(EVENTS_RXSTARTED) == 0) { /* the address was taken over */
    }
    *reg(RXD_PTR) = address_of(&received[1]);
}

void uart_put(uint8_t byte)
{
    sending = byte;
    *reg(TXD_PTR) = address_of(&sending);
    *reg(TXD_MAXCNT) = 1u;
    *reg(EVENTS_ENDTX) = 0;
    *reg(TASKS_STARTTX) = 1u;
    while (*reg(EVENTS_ENDTX) == 0) {
    }
}

int32_t uart_poll(void)
{
    if (*reg(EVENTS_ENDRX) == 0) {
        return -1;
    }
    *reg(EVENTS_ENDRX) = 0;
    const uint8_t byte = received[next];
    *reg(RXD_PTR) = address_of(&received[next]); /* for the time when the other buffer is full */
    next ^= 1u;
    return (int32_t)byte;
}
