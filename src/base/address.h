/*
 * How an address with a port is written: "host:port", an IPv6 address in brackets. The other way round: config_address_parse.
 */
#ifndef SKEIN_ADDRESS_H
#define SKEIN_ADDRESS_H

#include <stdio.h>

#include "base/slice.h"

#define ADDRESS_TEXT_SIZE 300	/* a host has 255 bytes; what is longer is cut */

static inline const char *address_text(char out[ADDRESS_TEXT_SIZE], struct slice host, int port)
{
	bool is_v6 = host.len > 0 && memchr(host.ptr, ':', host.len) != NULL;

	snprintf(out, ADDRESS_TEXT_SIZE, "%s%.*s%s:%d", is_v6 ? "[" : "", (int)MIN(host.len, 255u), (const char *)host.ptr, is_v6 ? "]" : "", port);
	return out;
}

#endif
