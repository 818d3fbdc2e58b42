/*
 * The limit of a reassignment, in the configs that Kafka's own tool uses, so that either takes away what the other has set: a rate per broker for what it gives and what it takes,
 * and of each topic the replicas that the rate is for: those that are read from, and those that are being made.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cluster.h"
#include "show.h"
#include "tool.h"

#define LEADER_RATE       "leader.replication.throttled.rate"
#define FOLLOWER_RATE     "follower.replication.throttled.rate"
#define LEADER_REPLICAS   "leader.replication.throttled.replicas"
#define FOLLOWER_REPLICAS "follower.replication.throttled.replicas"

struct brokers {
	int32_t *ids;
	int      count;
};

static void brokers_add(struct brokers *b, int32_t id)
{
	for (int i = 0; i < b->count; i++) {
		if (b->ids[i] == id)
			return;
	}
	b->ids = mem_realloc_array(b->ids, (size_t)b->count + 1, sizeof(*b->ids));
	b->ids[b->count++] = id;
}

static bool is_there(const struct metadata_response *m, int32_t id)
{
	for (int32_t i = 0; i < m->brokers_count; i++) {
		if (m->brokers[i].node_id == id)
			return true;
	}
	return false;
}

/* rate 0: no limit any more. A broker that is away has none that anybody could change, and is told of. */
static int alter_brokers(struct client *c, const struct metadata_response *m, const struct brokers *b, int64_t rate)
{
	char text[32], name[16];
	struct admin_config changes[] = { { LEADER_RATE, rate > 0 ? text : NULL }, { FOLLOWER_RATE, rate > 0 ? text : NULL } };
	struct client_error error;
	int code = EXIT_OK;

	snprintf(text, sizeof(text), "%" PRId64, rate);
	for (int i = 0; i < b->count; i++) {
		snprintf(name, sizeof(name), "%d", b->ids[i]);
		if (!is_there(m, b->ids[i]))
			tool_say("broker %s is away: it gives and takes nothing now, and if it comes back it does without a limit", name);
		else if (admin_alter_configs(c, ADMIN_BROKER, name, changes, ARRAY_LEN(changes), CLUSTER_TIMEOUT_MS, &error) != OK)
			code = tool_fail(&error);
	}
	return code;
}

static int alter_topic(struct client *c, const char *topic, const char *leaders, const char *followers)
{
	struct admin_config changes[] = { { LEADER_REPLICAS, leaders }, { FOLLOWER_REPLICAS, followers } };
	struct client_error error;

	return admin_alter_configs(c, ADMIN_TOPIC, topic, changes, ARRAY_LEN(changes), CLUSTER_TIMEOUT_MS, &error) == OK ? EXIT_OK : tool_fail(&error);
}

/* --- setting it --------------------------------------------------------------------------------------------------------------- */

static bool is_in(const int32_t *ids, int32_t count, int32_t id)
{
	for (int32_t i = 0; i < count; i++) {
		if (ids[i] == id)
			return true;
	}
	return false;
}

static void add_replica(struct strbuf *out, int32_t partition, int32_t broker)
{
	strbuf_printf(out, "%s%d:%d", out->len > 0 ? "," : "", partition, broker);
}

/* What is being moved already, a plan may name again: NULL, it is not. */
static const struct list_partition_reassignments_response_partition *find_moving(const struct list_partition_reassignments_response *r, const struct admin_partition *p)
{
	for (int32_t t = 0; t < r->topics_count; t++) {
		for (int32_t i = 0; slice_eq_str(r->topics[t].name, p->topic) && i < r->topics[t].partitions_count; i++) {
			if (r->topics[t].partitions[i].partition_index == p->partition)
				return &r->topics[t].partitions[i];
		}
	}
	return NULL;
}

static bool is_made(const struct metadata_response_partition *now, const struct list_partition_reassignments_response_partition *m, int32_t broker)
{
	return is_in(now->replica_nodes, now->replica_nodes_count, broker) &&
		(m == NULL || !is_in(m->adding_replicas, m->adding_replicas_count, broker));
}

/* Of one partition: where it is read from, and where it is to be made. */
static void add_partition(const struct metadata_response_partition *now, const struct list_partition_reassignments_response_partition *m,
			  const struct admin_partition *p, struct brokers *brokers, struct strbuf *leaders, struct strbuf *followers)
{
	bool moves = false;

	for (int32_t i = 0; i < p->replica_count; i++) {
		if (is_made(now, m, p->replicas[i]))
			continue;
		moves = true;
		add_replica(followers, p->partition, p->replicas[i]);
		brokers_add(brokers, p->replicas[i]);
	}
	for (int32_t i = 0; moves && i < now->replica_nodes_count; i++) {
		if (!is_made(now, m, now->replica_nodes[i]))
			continue;
		add_replica(leaders, p->partition, now->replica_nodes[i]);
		brokers_add(brokers, now->replica_nodes[i]);
	}
}

static const struct metadata_response_topic *find_topic(const struct metadata_response *m, const char *name)
{
	for (int32_t t = 0; t < m->topics_count; t++) {
		if (slice_eq_str(m->topics[t].name, name))
			return &m->topics[t];
	}
	return NULL;
}

/* The plan's partitions of one topic, from `at` on: returns where the next topic begins. */
static int limit_topic(struct client *c, const struct metadata_response *m, const struct list_partition_reassignments_response *r, const struct partition_list *plan,
		       int at, struct brokers *brokers, int *code)
{
	const char *topic = plan->items[at].topic;
	const struct metadata_response_topic *t = find_topic(m, topic);
	struct strbuf leaders = STRBUF_INIT, followers = STRBUF_INIT;

	for (; at < plan->count && strcmp(plan->items[at].topic, topic) == 0; at++) {
		for (int32_t i = 0; t != NULL && i < t->partitions_count; i++) {
			if (t->partitions[i].partition_index == plan->items[at].partition)
				add_partition(&t->partitions[i], find_moving(r, &plan->items[at]), &plan->items[at], brokers, &leaders, &followers);
		}
	}
	if (followers.len > 0 && *code == EXIT_OK)
		*code = alter_topic(c, topic, strbuf_cstr(&leaders), strbuf_cstr(&followers));
	strbuf_fini(&leaders);
	strbuf_fini(&followers);
	return at;
}

int reassign_limit(struct client *c, const struct partition_list *plan, int64_t rate)
{
	struct client_call *answer = NULL, *list = NULL;
	const struct metadata_response *m;
	const struct list_partition_reassignments_response *r;
	struct client_error error;
	struct brokers brokers = { 0 };
	int code = EXIT_OK;

	if (admin_describe_topics(c, NULL, 0, CLUSTER_TIMEOUT_MS, &answer, &m, &error) != OK ||
	    admin_list_reassignments(c, CLUSTER_TIMEOUT_MS, &list, &r, &error) != OK)
		code = tool_fail(&error);
	for (int at = 0; code == EXIT_OK && at < plan->count;)
		at = limit_topic(c, m, r, plan, at, &brokers, &code);
	if (code == EXIT_OK)
		code = alter_brokers(c, m, &brokers, rate);
	free(brokers.ids);
	admin_answer_destroy(&list);
	admin_answer_destroy(&answer);
	return code;
}

/* --- taking it away ------------------------------------------------------------------------------------------------------------- */

int reassign_lift(struct client *c, const struct partition_list *plan)
{
	struct client_call *answer = NULL;
	const struct metadata_response *m;
	struct client_error error;
	struct brokers brokers = { 0 };
	int code = EXIT_OK;

	if (admin_describe_topics(c, NULL, 0, CLUSTER_TIMEOUT_MS, &answer, &m, &error) != OK)
		return tool_fail(&error);
	for (int32_t i = 0; i < m->brokers_count; i++)
		brokers_add(&brokers, m->brokers[i].node_id);
	code = alter_brokers(c, m, &brokers, 0);
	for (int i = 0; i < plan->count; i++) {
		bool is_next = i == 0 || strcmp(plan->items[i].topic, plan->items[i - 1].topic) != 0;
		int one = is_next && find_topic(m, plan->items[i].topic) != NULL ? alter_topic(c, plan->items[i].topic, NULL, NULL) : EXIT_OK;

		code = code == EXIT_OK ? one : code;
	}
	free(brokers.ids);
	admin_answer_destroy(&answer);
	return code;
}
