/* A model on a bare board. SPDX-License-Identifier: Apache-2.0 */
#include "board.h"
#include "protocol.h"

int main(void)
{
    const uint32_t clock_hz = clock_init();
    timer_init();
    uart_init(clock_hz);
    protocol_serve(clock_hz);
    return 0;
}
