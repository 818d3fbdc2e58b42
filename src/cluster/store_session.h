/*
 * The broker's session with the coordination store, as the controller actor last saw it: written by it alone, each number by itself, read by anyone.
 */
#ifndef SKEIN_CLUSTER_STORE_SESSION_H
#define SKEIN_CLUSTER_STORE_SESSION_H

#include "base/base.h"

struct store_session {
	uint64_t connects, disconnects, expires;	/* since the broker's start */
	uint64_t is_connected;
	mono_ms  since;			/* when that changed last */
};

#endif
