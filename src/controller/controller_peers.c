/*
 * Brokers of other makers: whose controller this broker can be. What it sends them is decided by its own inter.broker.protocol.version, nothing is negotiated; who does not know the
 * version of a request closes the connection, without a word, for ever. Of theirs a registration tells no more than on which side of 2.7 it is, and where the broker is reached.
 */
#include "controller/controller_priv.h"

#include <stdio.h>

bool controller_can_lead(const struct controller *c, const struct cluster_broker *other, struct slice registration, char *problem, size_t size)
{
	const char *listener = c->config->inter_broker_listener_name;
	const struct cluster_endpoint *e = cluster_broker_endpoint(other, listener);

	if (c->config->inter_broker_protocol_version >= KAFKA_VERSION(2, 7, 0) && !znode_broker_has_features(registration))
		snprintf(problem, size, "broker %d of this cluster has an inter.broker.protocol.version below 2.7, this one a later version: it would not understand this broker "
		         "as controller; set both to the same version, or controller.eligible=false here", other->id);
	else if (e == NULL)
		snprintf(problem, size, "broker %d of this cluster has no listener %s, by which this broker as controller would talk to it; set inter.broker.listener.name as it is "
		         "set there, or controller.eligible=false here", other->id, listener);
	else if (strcmp(e->protocol, "PLAINTEXT") != 0)
		snprintf(problem, size, "listener %s of broker %d speaks %s, this broker as controller would speak PLAINTEXT to it; set controller.eligible=false here", listener,
		         other->id, e->protocol);
	else
		return true;
	return false;
}
