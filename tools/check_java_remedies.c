/*
 * skein cluster check-java: what can be done about a setting of the file that stops skein.
 */
#include "check_java.h"

#define PLUGIN "take it out, if the cluster can do without what the class does (skein runs no plug-ins); else this broker has to stay"
#define PLAIN  "give clients and brokers a PLAINTEXT listener, in a network that is closed to others, and let inter.broker.listener.name name it; else this broker has to stay"
#define KRAFT  "skein can be a member only before the move to KRaft, or after it was rolled back: take it out when that is so, not before"
#define OPEN   "take the authorizer out of every broker, if everybody may do everything; else this broker has to stay"
#define ZK_TLS "let the brokers reach ZooKeeper by a port without TLS, in a network that is closed to others; else this broker has to stay"

/* The first whose letters the name begins with, or, after '*', ends with. */
static const struct remedy {
	const char *name, *text;
} remedies[] = {
	{ "inter.broker.protocol.version", "leave it as it is for now: it is the language of the whole cluster. First bring every broker to a release from 2.8 to 3.9, then raise it in all of them, as "
	                                   "Kafka's notes on upgrading say" },
	{ "log.message.format.version", "first raise it, or take it out, in every broker, as Kafka's notes on upgrading say; then see check-java again for what lies on disk" },
	{ "process.roles", KRAFT },
	{ "zookeeper.metadata.migration.enable", KRAFT },
	{ "remote.log.storage.system.enable", "first end it for each topic that has it (remote.storage.enable=false, remote.log.delete.on.disable=true), then take it out of every broker" },
	{ "zookeeper.set.acl", "set it to false in every broker, and open the nodes: zookeeper-security-migration --zookeeper.acl=unsecure" },
	{ "zookeeper.ssl.", ZK_TLS },
	{ "authorizer.", OPEN },
	{ "super.users", OPEN },
	{ "allow.everyone.if.no.acl.found", OPEN },
	{ "control.plane.listener.name", "take it out of every broker: the controller then uses the listener that brokers use among themselves" },
	{ "max.connections.per.ip.overrides", "set max.connections.per.ip, which is the same for all, or have a firewall count" },
	{ "security.inter.broker.protocol", PLAIN },
	{ "listeners", PLAIN },
	{ "advertised.listeners", PLAIN },
	{ "listener.security.protocol.map", PLAIN },
	{ "inter.broker.listener.name", PLAIN },
	{ "ssl.", PLAIN },
	{ "sasl.", PLAIN },
	{ "listener.name.", PLAIN },
	{ "config.providers", "take it out, and write the values themselves" },
	{ "principal.builder.class", PLUGIN },
	{ "replica.selector.class", PLUGIN },
	{ "*.policy.class.name", PLUGIN },
};

static bool fits(const char *pattern, struct slice name)
{
	size_t n = strlen(pattern);

	if (pattern[0] == '*')
		return name.len >= n - 1 && memcmp(name.ptr + name.len - (n - 1), pattern + 1, n - 1) == 0;
	return name.len >= n && memcmp(name.ptr, pattern, n) == 0 && (name.len == n || pattern[n - 1] == '.');
}

const char *check_remedy(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(remedies); i++) {
		if (fits(remedies[i].name, name))
			return remedies[i].text;
	}
	return NULL;
}
