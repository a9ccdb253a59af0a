/* As CubeMX makes it. SPDX-License-Identifier: Apache-2.0 */
#ifndef __MAIN_H
#define __MAIN_H

void Error_Handler(void);

#endif
