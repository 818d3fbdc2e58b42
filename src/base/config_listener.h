/*
 * listeners, advertised.listeners and listener.security.protocol.map taken apart. Any thread.
 */
#ifndef SKEIN_CONFIG_LISTENER_H
#define SKEIN_CONFIG_LISTENER_H

#include "base/arena.h"
#include "base/config.h"

/*
 * Fills listeners, advertised and inter_broker_listener_name of c from its texts and checks them against each other.
 * Memory comes from arena. false: why says what is wrong, *blame names the config to look at.
 */
bool config_listeners_resolve(struct broker_config *c, struct arena *arena, struct strbuf *why,
			      const char **blame) MUST_CHECK;

/* A name, an IPv4 address, or an IPv6 address in brackets, which host is without; borrowed from text, possibly empty. */
bool config_host_parse(struct slice text, struct slice *host) MUST_CHECK;
/* host:port, port from 0 to 65535 */
bool config_address_parse(struct slice text, struct slice *host, int32_t *port) MUST_CHECK;

#endif
