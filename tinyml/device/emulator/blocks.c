/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts the basic blocks that an emulated core executes. counter.py compiles this file once, hands `tinyml_on_block` to
 * Unicorn as a block hook, and shares the two structures below; their layouts must agree with counter.py.
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
    uint64_t count;
    uint32_t address; /* of the first instruction */
    uint32_t bytes;   /* 0: this slot is free */
    uint32_t watched; /* the listener wants to know when control gets here */
    uint32_t unused;
} block_t;

typedef struct {
    block_t *slots;
    const uint32_t *watched; /* addresses */
    void (*listener)(uint32_t address);
    int (*emu_stop)(void *engine);
    int64_t fuel;          /* bytes of code that may still be executed */
    uint32_t mask;         /* number of slots - 1; a power of two less one */
    uint32_t used;         /* slots taken */
    uint32_t watched_count;
    uint32_t return_to;    /* the listener wants to know of this address too; 1 (never an address of Thumb code): none */
    uint32_t stop;         /* request: stop before the next block */
    uint32_t full;         /* report: the table has no room */
} counter_t;

static block_t *find(counter_t *counter, uint32_t address, uint32_t bytes)
{
    uint32_t index = ((address >> 1) * 2654435761u + bytes) & counter->mask;
    block_t *block = &counter->slots[index];
    while (block->bytes != 0u && (block->address != address || block->bytes != bytes)) {
        index = (index + 1u) & counter->mask;
        block = &counter->slots[index];
    }
    if (block->bytes == 0u) {
        if (counter->used >= counter->mask - counter->mask / 4u) {
            return 0;
        }
        counter->used++;
        block->address = address;
        block->bytes = bytes;
        for (uint32_t i = 0; i < counter->watched_count; i++) {
            if (counter->watched[i] == address) {
                block->watched = 1u;
            }
        }
    }
    return block;
}

EXPORT void tinyml_on_block(void *engine, uint64_t address, uint32_t bytes, void *user)
{
    counter_t *counter = user;
    block_t *block = 0;

    /* Only here, before anything of the block has run, can the core be stopped without counting part of it twice. */
    if (counter->stop == 0u) {
        block = find(counter, (uint32_t)address, bytes);
        counter->full = (block == 0);
    }
    if (block == 0 || counter->fuel < 0) {
        (void)counter->emu_stop(engine);
        return;
    }
    if (block->watched != 0u || (uint32_t)address == counter->return_to) {
        counter->listener((uint32_t)address);
    }
    counter->fuel -= (int64_t)bytes;
    block->count++;
}
