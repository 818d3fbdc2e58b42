/*
 * A topic of the picture: one allocation that holds its name, partitions and replica lists. And Kafka's rules for topic names.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "cluster/cluster.h"

#define TOPIC_NAME_MAX 249	/* 255 less "-" and five digits of the partition's directory name */

static void topic_destroy(struct counted *c)
{
	struct cluster_topic *t = CONTAINER_OF(c, struct cluster_topic, counted);

	for (int32_t i = 0; i < t->partition_count; i++) {
		if (t->partitions[i].local != NULL)
			counted_unref(t->partitions[i].local);
	}
	counted_unref(&t->overrides->counted);
	free(t);
}

static const int32_t *copy_ids(int32_t **room, const int32_t *ids, int32_t n)
{
	int32_t *at = *room;

	if (n > 0)
		memcpy(at, ids, (size_t)n * sizeof(ids[0]));
	*room += n;
	return at;
}

struct cluster_topic *cluster_topic_create(const char *name, struct uuid id, const struct topic_config *config,
                                           struct cluster_overrides *overrides,
                                           const struct cluster_partition_spec *partitions, int32_t n)
{
	size_t ids = 0, name_len = strlen(name);

	for (int32_t i = 0; i < n; i++)
		ids += (size_t)(partitions[i].replica_count + partitions[i].isr_count + partitions[i].offline_count);
	size_t bytes = sizeof(struct cluster_topic) + (size_t)n * sizeof(struct cluster_partition) + ids * sizeof(int32_t) + name_len + 1;
	struct cluster_topic *t = mem_calloc(1, bytes);

	counted_init(&t->counted, topic_destroy);
	t->id = id;
	t->config = *config;
	counted_ref(&overrides->counted);
	t->overrides = overrides;
	t->partition_count = n;
	t->partitions = (struct cluster_partition *)(t + 1);
	int32_t *room = (int32_t *)(t->partitions + n);
	for (int32_t i = 0; i < n; i++) {
		const struct cluster_partition_spec *s = &partitions[i];

		t->partitions[i] = (struct cluster_partition){
			.id = s->id, .leader = s->leader, .leader_epoch = s->leader_epoch, .partition_epoch = s->partition_epoch,
			.controller_epoch = s->controller_epoch,
			.replica_count = s->replica_count, .isr_count = s->isr_count, .offline_count = s->offline_count,
			.replicas = copy_ids(&room, s->replicas, s->replica_count),
			.isr = copy_ids(&room, s->isr, s->isr_count),
			.offline = copy_ids(&room, s->offline, s->offline_count),
			.local = s->local,
		};
		if (s->local != NULL)
			counted_ref(s->local);
	}
	t->name = memcpy(room, name, name_len + 1);
	t->name_len = name_len;
	t->is_internal = topic_is_internal(slice_of(name, name_len));
	return t;
}

bool topic_is_internal(struct slice name)
{
	return slice_eq_str(name, TOPIC_CONSUMER_OFFSETS) || slice_eq_str(name, TOPIC_TRANSACTION_STATE) ||
	       slice_eq_str(name, "__share_group_state");
}

bool topic_names_collide(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		uint8_t x = a.ptr[i] == '.' ? '_' : a.ptr[i], y = b.ptr[i] == '.' ? '_' : b.ptr[i];

		if (x != y)
			return false;
	}
	return true;
}

static bool is_topic_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

const char *topic_name_problem(struct slice name, char *buf, size_t size)
{
	if (name.len == 0) {
		snprintf(buf, size, "Topic name is invalid: the empty string is not allowed");
		return buf;
	}
	if (slice_eq_str(name, ".") || slice_eq_str(name, "..")) {
		snprintf(buf, size, "Topic name is invalid: '" SLICE_FMT "' is not allowed", SLICE_ARG(name));
		return buf;
	}
	if (name.len > TOPIC_NAME_MAX) {
		snprintf(buf, size, "Topic name is invalid: the length of '" SLICE_FMT "' is longer than the max allowed length %d",
		         SLICE_ARG(name), TOPIC_NAME_MAX);
		return buf;
	}
	for (size_t i = 0; i < name.len; i++) {
		if (!is_topic_char(name.ptr[i])) {
			snprintf(buf, size, "Topic name is invalid: '" SLICE_FMT "' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
			         SLICE_ARG(name));
			return buf;
		}
	}
	return NULL;
}
