/* The clock of reset is the board's clock. SPDX-License-Identifier: Apache-2.0 */
#include "board.h"
#include "board_config.h"

uint32_t clock_init(void)
{
    return TINYML_CLOCK_HZ;
}
