/*
 * Each rule is one sentence about what is there, and one about what to do.
 */
#include "controller/joining.h"

#include <stdio.h>

#include "base/config_change.h"
#include "base/config_file.h"
#include "controller/znode.h"
#include "wire/gen/api_table.h"

const char *const joining_nodes[JOINING_NODES] = { "/migration", "/controller", "/kafka-acl", "/kafka-acl-extended", JOINING_ADOPTION_NODE };

static bool say(struct joining_finding *f, const char *what, const char *remedy)
{
	snprintf(f->what, sizeof(f->what), "%s", what);
	snprintf(f->remedy, sizeof(f->remedy), "%s", remedy);
	return true;
}

static bool moves_to_kraft(struct joining_finding *f, const char *node)
{
	char what[128];

	snprintf(what, sizeof(what), "this cluster is being moved to KRaft (%s says so)", node);
	return say(f, what, "skein can be a member only before that, or after the move was rolled back");
}

/* An authorizer makes these nodes at its start, before there is any rule. */
static bool has_authorizer(struct joining_finding *f, const char *node)
{
	char what[256], remedy[256];

	snprintf(what, sizeof(what), "this cluster has an authorizer, or had one (the store has %s), and skein has none: it would let everybody do everything", node);
	snprintf(remedy, sizeof(remedy), "wait until skein can authorize; or, if no broker has authorizer.class.name any more and the rules shall go: delete /kafka-acl and /kafka-acl-extended in "
	         "ZooKeeper (zookeeper-shell: deleteall)");
	return say(f, what, remedy);
}

static bool controller_is_kraft(struct slice data)
{
	int32_t id, epoch;

	return znode_controller_decode(data, &id, &epoch) && epoch > 0;
}

bool joining_node_forbids(int i, enum err result, struct slice data, struct joining_finding *f)
{
	if (result != OK)
		return false;
	switch (i) {
	case 0:  return moves_to_kraft(f, "/migration");
	case 1:  return controller_is_kraft(data) && moves_to_kraft(f, "/controller");
	case 2:
	case 3:  return has_authorizer(f, joining_nodes[i]);
	default: return say(f, "a lone broker's state is being written into this cluster (the store has " JOINING_ADOPTION_NODE "), and that has not ended",
		            "repeat skein cluster adopt --execute with the same file: it finishes what it has begun");
	}
}

bool joining_access_forbids(enum err result, struct joining_finding *f)
{
	return result == ERR_ACCESS && say(f, "the nodes of this cluster in ZooKeeper have ACLs (zookeeper.set.acl), and skein does not log in to ZooKeeper",
	                                   "set zookeeper.set.acl=false in every broker, and open the nodes: zookeeper-security-migration --zookeeper.acl=unsecure");
}

/* A Java broker listens where the store says; one that opened what its file says could be more open. */
static bool is_listener_of_the_store(const struct config_entry *e, struct joining_finding *f)
{
	if (!config_needs_restart(e))
		return false;
	snprintf(f->what, sizeof(f->what), "the store sets " SLICE_FMT "=%.256s for this broker (kafka-configs), and skein listens where its file says", SLICE_ARG(e->name),
	         (const char *)e->text.ptr);
	snprintf(f->remedy, sizeof(f->remedy), "write into the file what shall hold, and remove it from the store: kafka-configs --alter --entity-type brokers --delete-config " SLICE_FMT
	         ", with --entity-name or --entity-default", SLICE_ARG(e->name));
	return true;
}

bool joining_configs_forbid(const struct config_set *dynamic, struct joining_finding *f)
{
	const struct config_entry *e;
	uint32_t at = 0;

	while ((e = config_set_next(dynamic, &at)) != NULL) {
		if (is_listener_of_the_store(e, f))
			return true;
		if (!config_is_refused(e))
			continue;
		snprintf(f->what, sizeof(f->what), "the store sets " SLICE_FMT " for this broker (kafka-configs), which cannot be ignored safely, and is not supported", SLICE_ARG(e->name));
		snprintf(f->remedy, sizeof(f->remedy), "remove it: kafka-configs --alter --entity-type brokers --delete-config " SLICE_FMT ", with --entity-name or --entity-default",
		         SLICE_ARG(e->name));
		return true;
	}
	return false;
}

/* Also a name that two brokers write alike: who asks for one would get the other. */
static bool shares_address(const struct cluster_broker *other, const struct cluster_endpoint *own, int own_count, struct joining_finding *f)
{
	for (int i = 0; i < other->endpoint_count; i++) {
		for (int k = 0; k < own_count; k++) {
			const struct cluster_endpoint *e = &other->endpoints[i];

			if (e->port != own[k].port || strcmp(e->host, own[k].host) != 0)
				continue;
			snprintf(f->what, sizeof(f->what), "broker %d of this cluster advertises %s:%d already", other->id, e->host, e->port);
			snprintf(f->remedy, sizeof(f->remedy), "give this broker another address (listeners, advertised.listeners), or stop that one");
			return true;
		}
	}
	return false;
}

/* Where the brokers of the cluster talk to each other must be a plain listener, of the same name with all of them. */
static bool is_out_of_reach(const struct broker_config *config, const struct cluster_broker *other, struct joining_finding *f)
{
	const char *name = config->inter_broker_listener_name;
	const struct cluster_endpoint *e = cluster_broker_endpoint(other, name);

	if (e == NULL) {
		snprintf(f->what, sizeof(f->what), "broker %d of this cluster has no listener %s, by which this broker would talk to it", other->id, name);
		snprintf(f->remedy, sizeof(f->remedy), "set inter.broker.listener.name as it is set there");
		return true;
	}
	if (strcmp(e->protocol, "PLAINTEXT") == 0)
		return false;
	snprintf(f->what, sizeof(f->what), "listener %s of broker %d speaks %s, and skein speaks nothing but PLAINTEXT to other brokers", name, other->id, e->protocol);
	snprintf(f->remedy, sizeof(f->remedy), "give every broker a PLAINTEXT listener on a network of their own, and name it in inter.broker.listener.name");
	return true;
}

/*
 * What a controller sends is decided by its own inter.broker.protocol.version, nothing is negotiated; who does not know the version of a request closes the connection, without a word, for
 * ever. Of theirs a registration tells no more than on which side of 2.7 it is.
 */
static bool is_too_old_to_lead(const struct broker_config *config, int32_t id, struct slice registration, struct joining_finding *f)
{
	if (!config->is_controller_eligible || config->inter_broker_protocol_version < KAFKA_VERSION(2, 7, 0) || znode_broker_has_features(registration))
		return false;
	snprintf(f->what, sizeof(f->what), "broker %d of this cluster has an inter.broker.protocol.version below 2.7, this one a later version: it would not understand this broker as "
	         "controller", id);
	snprintf(f->remedy, sizeof(f->remedy), "set both to the same version, or controller.eligible=false here");
	return true;
}

enum joining_peer joining_judge_peer(const struct broker_config *config, const struct cluster_endpoint *own, int own_count, int32_t id, struct slice registration,
                                     enum err *error, struct joining_finding *f)
{
	struct cluster_broker other = { .id = id };
	bool is_skein;

	if (!znode_broker_decode(&other, &is_skein, registration))
		return JOINING_PEER_UNREADABLE;
	other.id = id;
	*error = ERR_IN_USE;
	if (shares_address(&other, own, own_count, f))
		return JOINING_PEER_FORBIDS;
	*error = ERR_UNSUPPORTED;
	return is_too_old_to_lead(config, id, registration, f) || is_out_of_reach(config, &other, f) ? JOINING_PEER_FORBIDS : JOINING_PEER_FITS;
}

/* Newest first. With each release some request got a version that none before it knows, and a broker says so whatever its configuration. */
static const struct release {
	int32_t version;
	int16_t key, since;
} releases[] = {
	{ KAFKA_VERSION(3, 9, 0), API_FETCH, 17 },        { KAFKA_VERSION(3, 8, 0), API_FIND_COORDINATOR, 5 }, { KAFKA_VERSION(3, 7, 0), API_FETCH, 16 },
	{ KAFKA_VERSION(3, 6, 0), API_ADD_PARTITIONS_TO_TXN, 4 }, { KAFKA_VERSION(3, 5, 0), API_FETCH, 15 },   { KAFKA_VERSION(3, 4, 0), API_LEADER_AND_ISR, 7 },
	{ KAFKA_VERSION(3, 3, 0), API_DESCRIBE_LOG_DIRS, 4 }, { KAFKA_VERSION(3, 2, 0), API_LEADER_AND_ISR, 6 }, { KAFKA_VERSION(3, 1, 0), API_FETCH, 13 },
	{ KAFKA_VERSION(3, 0, 0), API_LIST_OFFSETS, 7 },  { KAFKA_VERSION(2, 8, 0), API_UPDATE_METADATA, 7 },
};

static bool speaks(const struct api_versions_response *spoken, int16_t key, int16_t version)
{
	for (int32_t i = 0; i < spoken->api_keys_count; i++) {
		if (spoken->api_keys[i].api_key == key)
			return spoken->api_keys[i].max_version >= version;
	}
	return false;
}

bool joining_release_forbids(const struct broker_config *config, int32_t id, const struct api_versions_response *spoken, struct joining_finding *f)
{
	int32_t own = config->inter_broker_protocol_version;
	size_t i = 0;

	while (i < ARRAY_LEN(releases) && !speaks(spoken, releases[i].key, releases[i].since))
		i++;
	if (i == ARRAY_LEN(releases)) {
		snprintf(f->what, sizeof(f->what), "broker %d of this cluster is older than Kafka 2.8, and would not understand this one", id);
		snprintf(f->remedy, sizeof(f->remedy), "first bring every broker of the cluster to a release from 2.8 to 3.9");
		return true;
	}
	int major = releases[i].version / 100000, minor = releases[i].version / 100 % 1000;
	if (own / 100 <= releases[i].version / 100)
		return false;
	snprintf(f->what, sizeof(f->what), "broker %d of this cluster is of Kafka %d.%d, and would not understand this one, whose inter.broker.protocol.version is %d.%d (which it is "
	         "also when it is not set)", id, major, minor, own / 100000, own / 100 % 1000);
	snprintf(f->remedy, sizeof(f->remedy), "write into this broker's file what the others have, which unset is their own release: inter.broker.protocol.version=%d.%d", major, minor);
	return true;
}

bool joining_topic_forbids(const struct broker_config *broker, const char *topic, const struct topic_config *config, struct joining_finding *f)
{
	if (config_wants_old_format(broker, config)) {
		snprintf(f->what, sizeof(f->what), "topic %s has a message.format.version below 0.11, and with an inter.broker.protocol.version below 3.0 Java brokers write it in that format, which skein "
		         "does not read", topic);
		snprintf(f->remedy, sizeof(f->remedy), "take the setting off: kafka-configs --alter --entity-type topics --entity-name %s --delete-config message.format.version; or raise "
		         "inter.broker.protocol.version in every broker to 3.0 or later, where it has no effect any more", topic);
		return true;
	}
	if (!config->is_remote_storage_enabled)
		return false;
	snprintf(f->what, sizeof(f->what), "topic %s keeps its older records in remote storage (remote.storage.enable=true), which skein does not read", topic);
	snprintf(f->remedy, sizeof(f->remedy), "let the Java brokers end that: kafka-configs --alter --entity-type topics --entity-name %s --add-config "
	         "remote.storage.enable=false,remote.log.delete.on.disable=true", topic);
	return true;
}
