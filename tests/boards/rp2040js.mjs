// Runs a flash image in rp2040js, an RP2040 that others wrote: from the second stage of its boot loader on, with UART0
// on stdin and stdout. Usage: node rp2040js.mjs ENTRY-OF-RP2040JS FLASH-IMAGE. SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [, , entry, image] = process.argv;
const { Simulator } = await import(pathToFileURL(entry).href);
const simulator = new Simulator();
const chip = simulator.rp2040;
chip.logger = { debug() {}, info() {}, warn() {}, error() {} };
chip.flash.set(readFileSync(image), 0);

const waiting = [];
const uart = chip.uart[0];
let sent = [];
uart.onByte = (byte) => sent.push(byte);
process.stdin.on('data', (data) => waiting.push(...data));
process.stdin.on('end', () => process.exit(0));
setInterval(() => {
  while (waiting.length && !uart.rxFIFO.full) {
    uart.feedByte(waiting.shift());
  }
  if (sent.length) {
    process.stdout.write(Buffer.from(sent));
    sent = [];
  }
}, 0);

chip.core.PC = 0x10000000;
simulator.execute();
