/* SPDX-License-Identifier: Apache-2.0 */
int printf(const char *format, ...);
