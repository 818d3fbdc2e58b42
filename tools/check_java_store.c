/*
 * skein cluster check-java: what the cluster's ZooKeeper says.
 */
#include <stdio.h>
#include <stdlib.h>

#include "broker/listeners.h"
#include "check_java.h"
#include "controller/joining.h"
#include "controller/znode.h"
#include "os/process.h"
#include "tool.h"

#define ABOUT "cluster"

static void say(struct check_java *x, enum check_kind kind, const struct joining_finding *f)
{
	check_say_once(x, kind, ABOUT, f->what, f->remedy);
}

static bool is_there(struct store *s, const char *path)
{
	return store_one(s, COORD_EXISTS, path).result == OK;
}

/* Whether there is a cluster, and it lets itself be read. */
static bool check_identity(struct check_java *x, struct store *s)
{
	struct store_op id = store_one(s, COORD_GET, "/cluster/id");
	/* What nobody else may read, where there are ACLs: users have secrets, so may settings of brokers. */
	struct store_op users = store_one(s, COORD_CHILDREN, "/config/users"), brokers = store_one(s, COORD_CHILDREN, "/config/brokers");
	char cluster_id[64], what[LOGDIR_ERROR_MAX];
	struct joining_finding f;

	if (joining_access_forbids(id.result, &f) || joining_access_forbids(users.result, &f) || joining_access_forbids(brokers.result, &f)) {
		say(x, CHECK_STOPS, &f);
		return false;
	}
	if (id.result != OK || !znode_cluster_id_decode(id.out, cluster_id)) {
		snprintf(what, sizeof(what), "there is no cluster at zookeeper.connect=%s (no /cluster/id)", x->file.config->zookeeper_connect);
		check_say(x, CHECK_STOPS, ABOUT, what, "look at the path behind the servers (chroot): it is the same in the files of all brokers");
		return false;
	}
	for (int i = 0; i < x->file.config->log_dirs.count; i++) {
		const char *path = x->file.config->log_dirs.items[i];
		struct meta_properties m;

		if (logdir_read_meta(os_real(), path, &m, what) == OK && !logdir_is_of(path, &m, -1, cluster_id, what))
			check_say(x, CHECK_STOPS, ABOUT, what, "point zookeeper.connect at the cluster that the directory belongs to, or log.dirs at this broker's directories");
	}
	return true;
}

static void check_nodes(struct check_java *x, struct store *s)
{
	struct joining_finding f;

	for (int i = 0; i < JOINING_NODES; i++) {
		struct store_op op = store_one(s, COORD_GET, joining_nodes[i]);

		if (joining_node_forbids(i, op.result, op.out, &f))
			say(x, CHECK_STOPS, &f);
	}
}

/* ---- brokers ---- */

/* The own registration is the Java broker's that is to be replaced, if it is where the file says. */
static void check_own(struct check_java *x, const struct store_op *op, const struct cluster_endpoint *own, int own_count)
{
	struct cluster_broker there;
	bool is_skein, is_same = false;
	char what[512], at[320] = "an unknown address";

	if (!znode_broker_decode(&there, &is_skein, op->out))
		there.endpoint_count = 0;
	for (int i = 0; i < there.endpoint_count; i++) {
		snprintf(at, sizeof(at), "%s:%d", there.endpoints[i].host, there.endpoints[i].port);
		for (int k = 0; k < own_count; k++)
			is_same |= there.endpoints[i].port == own[k].port && strcmp(there.endpoints[i].host, own[k].host) == 0;
	}
	if (is_same) {
		snprintf(what, sizeof(what), "broker %d is running (%s)", x->broker_id, is_skein ? "skein has its place already" : "Java");
		check_say(x, CHECK_FIRST, ABOUT, what, "stop it cleanly (SIGTERM), and wait until its process has ended, before skein serve begins");
		there.id = x->broker_id;
		if (!is_skein)
			check_release(x, &there);
	} else {
		snprintf(what, sizeof(what), "another broker runs as broker %d, at %s", x->broker_id, at);
		check_say(x, CHECK_STOPS, ABOUT, what, "two brokers may not have one id: see which file is right, and set broker.id in the other");
	}
}

static void check_peer(struct check_java *x, int32_t id, const struct store_op *op, const struct cluster_endpoint *own, int own_count)
{
	struct cluster_broker peer;
	struct joining_finding f;
	char what[128];
	bool is_skein;
	enum err e;

	switch (joining_judge_peer(x->file.config, own, own_count, id, op->out, &e, &f)) {
	case JOINING_PEER_FITS:
		if (znode_broker_decode(&peer, &is_skein, op->out) && !is_skein) {
			peer.id = id;
			check_release(x, &peer);
		}
		break;
	case JOINING_PEER_FORBIDS:
		say(x, CHECK_STOPS, &f);
		break;
	case JOINING_PEER_UNREADABLE:
		snprintf(what, sizeof(what), "the registration of broker %d cannot be read", id);
		check_say(x, CHECK_CHANGES, ABOUT, what, "skein would not talk to it; see what wrote it");
	}
}

static void check_controller(struct check_java *x, struct store *s)
{
	struct store_op op = store_one(s, COORD_GET, "/controller");
	int32_t id, kraft;

	if (op.result == OK && znode_controller_decode(op.out, &id, &kraft) && id == x->broker_id)
		check_say(x, CHECK_FIRST, ABOUT, "this broker is the controller of the cluster", "take it last: each change of the controller is a failover");
}

static void check_brokers(struct check_java *x, struct store *s)
{
	struct store_op ids = store_one(s, COORD_CHILDREN, "/brokers/ids");
	struct cluster_endpoint own[8];
	char path[64], host[256];
	bool is_running = false;
	int32_t id;

	process_host_name(host, sizeof(host));
	int own_count = listeners_advertised(x->file.config, host, own, (int)ARRAY_LEN(own));
	for (int32_t i = 0; ids.result == OK && i < ids.name_count; i++) {
		snprintf(path, sizeof(path), "/brokers/ids/" SLICE_FMT, (int)MIN(ids.names[i].len, 16u), ids.names[i].ptr);
		struct store_op op = store_one(s, COORD_GET, path);
		if (op.result != OK || !znode_int_decode(ids.names[i], &id))
			continue;
		if (id == x->broker_id) {
			is_running = true;
			check_own(x, &op, own, own_count);
			continue;
		}
		check_peer(x, id, &op, own, own_count);
	}
	check_unset_version(x);
	if (!is_running && !x->was_clean)
		check_say(x, CHECK_CHANGES, "directory", "the broker is not running, and was not stopped cleanly", "nothing: the first start reads the logs from their recovery points, as Java's would");
	check_controller(x, s);
}

/* ---- configurations ---- */

static void read_config(struct store *s, const char *path, struct config_set *set)
{
	struct store_op op = store_one(s, COORD_GET, path);
	struct cluster_override *pairs;
	int32_t n;

	config_set_init(set);
	znode_config_decode(op.result == OK ? op.out : SLICE_NULL, &pairs, &n, store_arena(s));
	for (int32_t i = 0; i < n; i++)
		config_set_put(set, slice_str(pairs[i].name), slice_str(pairs[i].value), (struct config_place){ .origin = CONFIG_FROM_STORE });
}

static void check_dynamic(struct check_java *x, struct store *s, const char *path)
{
	struct config_findings findings = { .errors = STRBUF_INIT, .warnings = STRBUF_INIT };
	struct joining_finding f;
	struct config_set set;

	read_config(s, path, &set);
	if (joining_configs_forbid(&set, &f))
		say(x, CHECK_STOPS, &f);
	config_check(&set, &findings);
	if (findings.warning_count > 0)
		check_say(x, CHECK_CHANGES, ABOUT, strbuf_cstr(&findings.warnings), "nothing, if it is not missed");
	config_findings_fini(&findings);
	config_set_fini(&set);
}

static bool has_any(const struct config_set *set, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (config_set_find(set, slice_str(names[i])) != NULL)
			return true;
	}
	return false;
}

/* The names of an entity's kind, and below users those of their clients. */
static void check_entities(struct check_java *x, struct store *s, const char *parent, int depth)
{
	static const char *const quotas[] = { "producer_byte_rate", "consumer_byte_rate", "request_percentage", "connection_creation_rate" };
	static const char *const scram[] = { "SCRAM-SHA-256", "SCRAM-SHA-512" };
	struct store_op list = store_one(s, COORD_CHILDREN, parent);
	struct config_set set;
	char what[512];

	for (int32_t i = 0; list.result == OK && i < list.name_count; i++) {
		struct slice path = arena_printf(store_arena(s), "%s/" SLICE_FMT, parent, SLICE_ARG(list.names[i]));

		read_config(s, (const char *)path.ptr, &set);
		snprintf(what, sizeof(what), "clients have quotas of bytes, requests or connections (" SLICE_FMT ")", SLICE_ARG(path));
		if (has_any(&set, quotas, ARRAY_LEN(quotas)))
			check_say_once(x, CHECK_CHANGES, ABOUT, what, "skein does not enforce them: what it leads is served without a limit; keep them in mind, they stay in ZooKeeper");
		snprintf(what, sizeof(what), "users have SCRAM credentials (" SLICE_FMT ")", SLICE_ARG(path));
		if (has_any(&set, scram, ARRAY_LEN(scram)))
			check_say_once(x, CHECK_CHANGES, ABOUT, what, "nobody can log in to skein: clients must reach it by a PLAINTEXT listener");
		config_set_fini(&set);
		if (depth > 0) {
			struct slice below = arena_printf(store_arena(s), SLICE_FMT "/clients", SLICE_ARG(path));

			check_entities(x, s, (const char *)below.ptr, depth - 1);
		}
	}
}

static void check_features(struct check_java *x, struct store *s)
{
	struct store_op op = store_one(s, COORD_GET, "/feature"), tokens = store_one(s, COORD_CHILDREN, "/delegation_token/tokens");
	struct znode_feature f;

	if (op.result == OK && znode_feature_decode(&f, op.out, store_arena(s)) && f.level_count > 0)
		check_say(x, CHECK_CHANGES, ABOUT, "the cluster has finalized features (/feature), of which skein knows none", "see what they are: no feature of a ZooKeeper cluster is known that needs one");
	if (tokens.result == OK && tokens.name_count > 0)
		check_say(x, CHECK_CHANGES, ABOUT, "clients log in with delegation tokens", "they cannot log in to skein: they must reach it by a PLAINTEXT listener");
}

/* ---- topics ---- */

static bool has_replica(const struct znode_topic *z, int32_t partition, int32_t broker)
{
	for (int32_t i = 0; i < z->partition_count; i++) {
		for (int32_t k = 0; z->partitions[i].id == partition && k < z->partitions[i].replica_count; k++) {
			if (z->partitions[i].replicas[k] == broker)
				return true;
		}
	}
	return false;
}

static void check_topic_config(struct check_java *x, struct store *s, const char *topic)
{
	struct strbuf skipped = STRBUF_INIT;
	struct topic_config config;
	struct config_set set;
	struct joining_finding f;
	char path[512], what[1024];

	snprintf(path, sizeof(path), "/config/topics/%s", topic);
	read_config(s, path, &set);
	if (topic_config_resolve(&config, &set, x->file.config, &skipped) > 0) {
		snprintf(what, sizeof(what), "topic %s has settings that skein cannot read: %.300s", topic, strbuf_cstr(&skipped));
		check_say(x, CHECK_CHANGES, ABOUT, what, "the default holds instead");
	}
	if (joining_topic_forbids(x->file.config, topic, &config, &f))
		say(x, CHECK_STOPS, &f);
	config_set_fini(&set);
	strbuf_fini(&skipped);
}

static void check_replica(struct check_java *x, const struct check_replica *r, enum err result, const struct znode_topic *z)
{
	char what[LOGDIR_ERROR_MAX], one[UUID_TEXT_LEN + 1], two[UUID_TEXT_LEN + 1];

	if (r->at.at.kind != LOGDIR_PARTITION)
		return;
	if (result == ERR_NOT_FOUND || (result == OK && !has_replica(z, r->at.at.partition, x->broker_id))) {
		snprintf(what, sizeof(what), "%s/%s is of no replica of this broker: %s", r->dir, r->at.at.name,
		         result == OK ? "it was moved to others" : "there is no such topic any more");
		check_say(x, CHECK_CHANGES, ABOUT, what, "skein sets the directory aside, as ...-stray, and never removes it; look whether it is wanted");
	} else if (result == OK && r->at.id_result == OK && !uuid_is_zero(z->id) && !uuid_eq(z->id, r->at.topic_id)) {
		snprintf(what, sizeof(what), "%s/%s is of another topic than %s is now: its id is %s, that of the topic %s", r->dir, r->at.at.name, r->at.at.topic,
		         uuid_to_text(r->at.topic_id, one), uuid_to_text(z->id, two));
		check_say(x, CHECK_STOPS, ABOUT, what, "skein does not serve it where it counts as in sync, else sets it aside and fetches the replica anew: move the directory away "
		          "before the start, if the other replicas have the records");
	}
}

static void check_topics(struct check_java *x, struct store *s)
{
	struct znode_topic z = { .partition_count = 0 };
	const char *topic = NULL;
	enum err result = OK;
	char path[512];

	for (int i = 0; i < x->replica_count; i++) {
		const struct check_replica *r = &x->replicas[i];

		if (topic == NULL || strcmp(topic, r->at.at.topic) != 0) {
			topic = r->at.at.topic;
			snprintf(path, sizeof(path), "/brokers/topics/%s", topic);
			struct store_op op = store_one(s, COORD_GET, path);
			result = op.result;
			if (result == OK && !znode_topic_decode(&z, op.out, store_arena(s)))
				result = ERR_CORRUPT;
			if (result == OK)
				check_topic_config(x, s, topic);
		}
		check_replica(x, r, result, &z);
	}
	if (is_there(s, "/brokers/topics/__transaction_state"))
		check_say(x, CHECK_CHANGES, ABOUT, "transactions are used here (there is __transaction_state), and skein cannot coordinate them",
		          "keep the leaders of __transaction_state on Java brokers: reassign its partitions to these; transactional clients whose coordinator would be skein are refused");
}

int check_cluster(struct check_java *x)
{
	int code = EXIT_OK;
	char path[64];
	struct store *s = store_open(x->file.config, &code);

	if (s == NULL)
		return code;
	x->is_seen = true;
	if (check_identity(x, s)) {
		check_nodes(x, s);
		check_brokers(x, s);
		check_dynamic(x, s, "/config/brokers/<default>");
		snprintf(path, sizeof(path), "/config/brokers/%d", x->broker_id);
		check_dynamic(x, s, path);
		check_entities(x, s, "/config/users", 1);
		check_entities(x, s, "/config/clients", 0);
		check_entities(x, s, "/config/ips", 0);
		check_features(x, s);
		check_topics(x, s);
	}
	store_close(&s);
	return EXIT_OK;
}
