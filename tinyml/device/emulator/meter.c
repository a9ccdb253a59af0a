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
    uint32_t tests;   /* conditions, by IT */
} block_t;

/* Lines of slow memory that are at hand: `ways` tags a set, the one used last in front. A tag is a line's number plus
 * one; 0: empty. */
typedef struct {
    uint32_t *tags;
    uint32_t sets; /* a power of two */
    uint32_t ways;
} cache_t;

/* What a cache stands before. */
typedef struct {
    uint32_t start;
    uint32_t end;
    uint32_t cycles; /* that the core waits for a line that is not at hand */
} region_t;

typedef struct {
    block_t *slots;
    void (*price)(block_t *block); /* fills in the last four members of a new block */
    void (*listener)(uint32_t address);
    int (*emu_stop)(void *engine);
    int (*reg_read)(void *engine, int id, void *value);
    int (*reg_write)(void *engine, int id, const void *value);
    uint64_t instructions; /* executed so far */
    uint64_t cycles;
    uint64_t alarm;     /* the core stops before the next block once this many cycles have passed */
    int64_t fuel;       /* instructions that may still be executed */
    uint32_t mask;      /* number of slots - 1; a power of two less one */
    uint32_t used;      /* slots taken */
    uint32_t return_to; /* the listener is told of this address too; 1 (never an address of Thumb code): none */
    uint32_t stop;      /* request: stop before the next block */
    uint32_t full;      /* report: the table has no room */
    uint64_t waits;     /* of the cycles, those in which the core waited for a line */
    cache_t code;
    cache_t data;
    region_t regions[8];
    uint32_t region_count; /* 0: no memory is slow */
    uint32_t line_shift;   /* log2 of bytes in a line */
    uint32_t prefetch;     /* the line behind the last one of code is fetched while that is executed */
    uint32_t last_line;    /* of code */
    int32_t status;        /* number of the status register */
    uint32_t tests;        /* those of this block and of the one before, which may end amid an IT sequence */
    uint32_t tests_before; /* of the block before alone */
} meter_t;

#define IT_STATE UINT32_C(0x0600fc00) /* bits of the status register */

/* Whether a line was not at hand; now it is. */
static int misses(const cache_t *cache, uint32_t line)
{
    uint32_t *tags = &cache->tags[(line & (cache->sets - 1u)) * cache->ways];
    uint32_t found = line + 1u;
    uint32_t i = 0;
    while (i < cache->ways) {
        const uint32_t tag = tags[i];
        tags[i] = found;
        if (tag == line + 1u) {
            return 0;
        }
        found = tag; /* moves one place back; what falls off the end is forgotten */
        i++;
    }
    return 1;
}

static const region_t *region_of(const meter_t *meter, uint32_t address)
{
    for (uint32_t i = 0; i < meter->region_count; i++) {
        if (address >= meter->regions[i].start && address < meter->regions[i].end) {
            return &meter->regions[i];
        }
    }
    return 0;
}

static void fetch_code(meter_t *meter, uint32_t address, uint32_t bytes)
{
    const region_t *region = region_of(meter, address);
    if (region == 0) {
        return;
    }
    const uint32_t last = (address + bytes - 1u) >> meter->line_shift;
    for (uint32_t line = address >> meter->line_shift; line <= last; line++) {
        if (misses(&meter->code, line) && !(meter->prefetch != 0u && line == meter->last_line + 1u)) {
            meter->waits += region->cycles;
            meter->cycles += region->cycles;
        }
        meter->last_line = line;
    }
}

/* For a hook amid an IT sequence Unicorn 2.1 writes down how far that is, and forgets to erase it: whatever block it looks up
 * next, it takes for the rest of the sequence. */
static void end_condition(const meter_t *meter, void *engine)
{
    uint32_t status = 0;
    (void)meter->reg_read(engine, meter->status, &status);
    if ((status & IT_STATE) != 0u) {
        status &= ~IT_STATE;
        (void)meter->reg_write(engine, meter->status, &status);
    }
}

EXPORT void tinyml_on_access(void *engine, int type, uint64_t address, int bytes, int64_t value, void *user)
{
    meter_t *meter = user;
    const region_t *region = region_of(meter, (uint32_t)address);
    (void)type;
    (void)bytes; /* an access that spans two lines counts for the first */
    (void)value;
    if (meter->tests != 0u) {
        end_condition(meter, engine);
    }
    if (region != 0 && misses(&meter->data, (uint32_t)address >> meter->line_shift)) {
        meter->waits += region->cycles;
        meter->cycles += region->cycles;
    }
}

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
    meter->tests = block->tests | meter->tests_before;
    meter->tests_before = block->tests;
    if (meter->region_count != 0u) {
        fetch_code(meter, block->address, block->bytes);
    }
}
