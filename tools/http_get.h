/*
 * One short answer by HTTP, whole, and the numbers of a page of metrics. For a broker's metrics listener; waits.
 */
#ifndef SKEIN_TOOL_HTTP_GET_H
#define SKEIN_TOOL_HTTP_GET_H

#include "base/err.h"
#include "base/strbuf.h"

/* *status: of HTTP; out: the body. ERR_INVALID: what answers is no HTTP. */
enum err http_get(const char *host, uint16_t port, const char *path, mono_ms timeout_ms, int *status, struct strbuf *out) MUST_CHECK;

/* The sum, or the largest, of all samples of this name; with `label` only of those that have that text among their labels. */
double http_number(const char *page, const char *name, const char *label, bool is_largest);

#endif
