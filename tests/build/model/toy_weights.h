/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOY_WEIGHTS_H
#define TOY_WEIGHTS_H

#include <stdint.h>

extern const int8_t toy_weights[2][4];

#endif
