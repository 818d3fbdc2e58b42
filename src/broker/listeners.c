#include "broker/listeners.h"

#include <stdio.h>

static const char *protocol_name(enum security_protocol p)
{
	switch (p) {
	case PROTOCOL_PLAINTEXT:      return "PLAINTEXT";
	case PROTOCOL_SSL:            return "SSL";
	case PROTOCOL_SASL_PLAINTEXT: return "SASL_PLAINTEXT";
	case PROTOCOL_SASL_SSL:       return "SASL_SSL";
	}
	return "PLAINTEXT";
}

int listeners_advertised(const struct broker_config *config, const char *host_name, struct cluster_endpoint *out, int max)
{
	int count = MIN(config->advertised_count, max);

	for (int i = 0; i < count; i++) {
		snprintf(out[i].listener, sizeof(out[i].listener), "%s", config->advertised[i].name);
		snprintf(out[i].protocol, sizeof(out[i].protocol), "%s", protocol_name(config->advertised[i].protocol));
		snprintf(out[i].host, sizeof(out[i].host), "%s", config->advertised[i].host[0] != 0 ? config->advertised[i].host : host_name);
		out[i].port = (uint16_t)config->advertised[i].port;
	}
	return count;
}
