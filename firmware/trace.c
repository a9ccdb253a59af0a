/* Calls a function of the host's after each layer. Built with the model where it is compiled with -DTINYML_TRACE.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

typedef void (*tinyml_trace_fn)(int index);

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT
#endif

EXPORT void tinyml_trace_set(tinyml_trace_fn function);
void tinyml_trace(const void *net, int index);

static tinyml_trace_fn callback = NULL;

void tinyml_trace_set(tinyml_trace_fn function)
{
    callback = function;
}

void tinyml_trace(const void *net, int index)
{
    (void)net;
    if (callback != NULL) {
        callback(index);
    }
}
