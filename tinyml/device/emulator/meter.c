/* SPDX-License-Identifier: Apache-2.0
 *
 * Adds up what the basic blocks that an emulated core executes cost. meter.py compiles this file once, hands
 * `tinyml_on_block` to Unicorn as a block hook, and shares the structures below; their layouts must agree with meter.py.
 *
 * Unicorn may translate the code at one address more than once, with different lengths (a block that is entered in the
 * middle of an IT sequence, a page border), so a block is identified by its address and its length together.
 */
#include <stdint.h>

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

typedef struct {
    uint32_t address; /* of the first instruction */
    uint32_t bytes;   /* 0: this slot is free */
    uint32_t instructions;
    uint32_t cycles;
    uint32_t watched; /* the listener is told when control gets here */
} block_t;

typedef struct {
    block_t *slots;
    void (*price)(block_t *block); /* fills in the last three members of a new block */
    void (*listener)(uint32_t address);
    int (*emu_stop)(void *engine);
    uint64_t instructions; /* executed so far */
    uint64_t cycles;
    uint64_t alarm;     /* the core stops before the next block once this many cycles have passed */
    int64_t fuel;       /* instructions that may still be executed */
    uint32_t mask;      /* number of slots - 1; a power of two less one */
    uint32_t used;      /* slots taken */
    uint32_t return_to; /* the listener is told of this address too; 1 (never an address of Thumb code): none */
    uint32_t stop;      /* request: stop before the next block */
    uint32_t full;      /* report: the table has no room */
} meter_t;

static block_t *find(meter_t *meter, uint32_t address, uint32_t bytes)
{
    uint32_t index = ((address >> 1) * 2654435761u + bytes) & meter->mask;
    block_t *block = &meter->slots[index];
    while (block->bytes != 0u && (block->address != address || block->bytes != bytes)) {
        index = (index + 1u) & meter->mask;
        block = &meter->slots[index];
    }
    if (block->bytes == 0u) {
        if (meter->used >= meter->mask - meter->mask / 4u) {
            return 0;
        }
        meter->used++;
        block->address = address;
        block->bytes = bytes;
        meter->price(block);
    }
    return block;
}

EXPORT void tinyml_on_block(void *engine, uint64_t address, uint32_t bytes, void *user)
{
    meter_t *meter = user;
    block_t *block = 0;

    /* Only here, before anything of the block has run, can the core be stopped without counting part of it twice. */
    if (meter->stop == 0u && meter->fuel > 0 && meter->cycles < meter->alarm) {
        block = find(meter, (uint32_t)address, bytes);
        meter->full = (block == 0);
    }
    if (block == 0) {
        (void)meter->emu_stop(engine);
        return;
    }
    if (block->watched != 0u || (uint32_t)address == meter->return_to) {
        meter->listener((uint32_t)address);
    }
    meter->fuel -= (int64_t)block->instructions;
    meter->instructions += block->instructions;
    meter->cycles += block->cycles;
}
