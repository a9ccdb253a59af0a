/* The command loop of PROTOCOL.md. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_PROTOCOL_H
#define TINYML_PROTOCOL_H

#include <stdint.h>

/* Prints the banner and answers commands for ever. clock_hz: the clock that microseconds are computed with. */
void protocol_serve(uint32_t clock_hz);

#endif
