/* What the kernels for Helium share. SPDX-License-Identifier: Apache-2.0
 *
 * TINYML_HELIUM says whether their assembly can be compiled: Cortex-M55 and M85, GCC or Clang. All else gets portable C.
 */
#ifndef TINYML_MVE_H
#define TINYML_MVE_H

#include "tinyml_types.h"

#if defined(__ARM_FEATURE_MVE) && (defined(__GNUC__) || defined(__clang__))
#define TINYML_HELIUM 1
/* A function that is all assembly: its arguments are in r0 to r3 and must not look unused. */
#define TINYML_ASSEMBLY __attribute__((naked)) TINYML_STEP
#define TINYML_UNUSED __attribute__((unused))
#else
#define TINYML_HELIUM 0
#endif

#endif
