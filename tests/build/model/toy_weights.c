/* SPDX-License-Identifier: Apache-2.0 */
#include "toy_weights.h"

#ifndef TINYML_WEIGHTS_SECTION
#define TINYML_WEIGHTS_SECTION
#endif

const int8_t toy_weights[2][4] TINYML_WEIGHTS_SECTION = {{1, -2, 3, -4}, {5, 6, -7, 8}};
