/*
 * The cluster picture: persistent (copy on write) tables of counted topics.
 *
 * A picture under construction is private to its builder; a bucket is copied the first time the builder touches it, because an older picture may hold it
 * too. What is published is never written again, so readers need no lock and no fence beyond the message that brought the picture.
 */
#include "cluster/cluster.h"

#include <stdio.h>
#include <stdlib.h>

struct brokers_block {
	struct counted        counted;
	struct cluster_broker brokers[];
};

static uint32_t name_bucket(struct slice name)
{
	uint32_t h = 2166136261u;	/* FNV-1a */

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ name.ptr[i]) * 16777619u;
	return (h ^ h >> 16) % CLUSTER_BUCKETS;
}

static uint32_t id_bucket(struct uuid id)
{
	return id.bytes[0] % CLUSTER_BUCKETS;
}

static struct slice topic_name(const struct cluster_topic *t)
{
	return slice_of(t->name, t->name_len);
}

/* --- buckets ---------------------------------------------------------------------------------------------------------- */

static void bucket_destroy(struct counted *c)
{
	struct cluster_bucket *b = CONTAINER_OF(c, struct cluster_bucket, counted);

	for (uint32_t i = 0; i < b->count; i++)
		counted_unref(&b->topics[i]->counted);
	free(b);
}

/* The first position whose name is not below `name`. */
static uint32_t bucket_find(const struct cluster_bucket *b, struct slice name, bool *found)
{
	uint32_t lo = 0, hi = b != NULL ? b->count : 0;

	*found = false;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int c = slice_cmp(topic_name(b->topics[mid]), name);

		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* A copy without the topic of this name, and with `add` (whose reference is taken) when it is given. */
static struct cluster_bucket *bucket_with(const struct cluster_bucket *from, struct slice name, struct cluster_topic *add)
{
	bool found;
	uint32_t at = bucket_find(from, name, &found);
	uint32_t old = from != NULL ? from->count : 0;
	uint32_t count = old - (found ? 1 : 0) + (add != NULL ? 1 : 0);

	if (count == 0)
		return NULL;
	struct cluster_bucket *b = mem_alloc(sizeof(*b) + count * sizeof(b->topics[0]));
	counted_init(&b->counted, bucket_destroy);
	b->count = 0;
	for (uint32_t i = 0; i <= old; i++) {
		if (i == at && add != NULL)
			b->topics[b->count++] = add;
		if (i == old || (found && i == at))
			continue;
		counted_ref(&from->topics[i]->counted);
		b->topics[b->count++] = from->topics[i];
	}
	ASSERT(b->count == count);
	return b;
}

static void bucket_replace(struct cluster_bucket **slot, struct slice name, struct cluster_topic *add)
{
	struct cluster_bucket *next = bucket_with(*slot, name, add);

	if (*slot != NULL)
		counted_unref(&(*slot)->counted);
	*slot = next;
}

/* --- pictures ------------------------------------------------------------------------------------------------------------ */

static void brokers_destroy(struct counted *c)
{
	free(CONTAINER_OF(c, struct brokers_block, counted));
}

static void cluster_destroy(struct counted *counted)
{
	struct cluster *c = CONTAINER_OF(counted, struct cluster, counted);

	for (int i = 0; i < CLUSTER_BUCKETS; i++) {
		if (c->buckets[i] != NULL)
			counted_unref(&c->buckets[i]->counted);
		if (c->ids[i] != NULL)
			counted_unref(&c->ids[i]->counted);
	}
	if (c->brokers_block != NULL)
		counted_unref(c->brokers_block);
	counted_unref(&c->broker_defaults->counted);
	counted_unref(&c->broker_own->counted);
	free(c);
}

struct cluster *cluster_ref(struct cluster *c)
{
	counted_ref(&c->counted);
	return c;
}

void cluster_unref(struct cluster **c)
{
	if (*c != NULL)
		counted_unref(&(*c)->counted);
	*c = NULL;
}

struct cluster *cluster_create(const char *cluster_id, int32_t broker_id)
{
	struct cluster *c = mem_calloc(1, sizeof(*c));

	counted_init(&c->counted, cluster_destroy);
	snprintf(c->cluster_id, sizeof(c->cluster_id), "%s", cluster_id);
	c->controller_id = -1;
	c->feature_version = -1;
	c->broker_id = broker_id;
	c->broker_defaults = cluster_overrides_create(NULL, 0);
	c->broker_own = cluster_overrides_create(NULL, 0);
	return c;
}

struct cluster *cluster_next(const struct cluster *from)
{
	const size_t head = sizeof(from->counted);
	struct cluster *c = mem_alloc(sizeof(*c));

	/* all but the count, which others change meanwhile */
	_Static_assert(offsetof(struct cluster, counted) == 0, "the count comes first");
	memcpy((uint8_t *)c + head, (const uint8_t *)from + head, sizeof(*c) - head);
	counted_init(&c->counted, cluster_destroy);
	for (int i = 0; i < CLUSTER_BUCKETS; i++) {
		if (c->buckets[i] != NULL)
			counted_ref(&c->buckets[i]->counted);
		if (c->ids[i] != NULL)
			counted_ref(&c->ids[i]->counted);
	}
	if (c->brokers_block != NULL)
		counted_ref(c->brokers_block);
	counted_ref(&c->broker_defaults->counted);
	counted_ref(&c->broker_own->counted);
	c->generation = from->generation + 1;
	return c;
}

void cluster_set_controller(struct cluster *c, int32_t controller_id)
{
	c->controller_id = controller_id;
}

void cluster_set_brokers(struct cluster *c, const struct cluster_broker *brokers, int n)
{
	struct brokers_block *block = mem_alloc(sizeof(*block) + (size_t)n * sizeof(brokers[0]));

	counted_init(&block->counted, brokers_destroy);
	for (int i = 0; i < n; i++) {
		ASSERT(i == 0 || brokers[i - 1].id < brokers[i].id);
		block->brokers[i] = brokers[i];
	}
	if (c->brokers_block != NULL)
		counted_unref(c->brokers_block);
	c->brokers_block = &block->counted;
	c->brokers = block->brokers;
	c->broker_count = n;
}

void cluster_set_broker_configs(struct cluster *c, struct cluster_overrides *defaults, struct cluster_overrides *own)
{
	counted_ref(&defaults->counted);
	counted_ref(&own->counted);
	counted_unref(&c->broker_defaults->counted);
	counted_unref(&c->broker_own->counted);
	c->broker_defaults = defaults;
	c->broker_own = own;
}

void cluster_put_topic(struct cluster *c, struct cluster_topic *t)
{
	struct slice name = topic_name(t);
	const struct cluster_topic *old = cluster_topic(c, name);

	if (old != NULL)
		cluster_remove_topic(c, name);
	if (!uuid_is_zero(t->id)) {
		counted_ref(&t->counted);
		bucket_replace(&c->ids[id_bucket(t->id)], name, t);
	}
	bucket_replace(&c->buckets[name_bucket(name)], name, t);
	c->topic_count++;
}

void cluster_remove_topic(struct cluster *c, struct slice name)
{
	const struct cluster_topic *old = cluster_topic(c, name);

	if (old == NULL)
		return;
	if (!uuid_is_zero(old->id))
		bucket_replace(&c->ids[id_bucket(old->id)], name, NULL);
	bucket_replace(&c->buckets[name_bucket(name)], name, NULL);
	c->topic_count--;
}

/* --- looking things up ------------------------------------------------------------------------------------------------------ */

const struct cluster_topic *cluster_topic(const struct cluster *c, struct slice name)
{
	const struct cluster_bucket *b = c->buckets[name_bucket(name)];
	bool found;
	uint32_t at = bucket_find(b, name, &found);

	return found ? b->topics[at] : NULL;
}

const struct cluster_topic *cluster_topic_by_id(const struct cluster *c, struct uuid id)
{
	const struct cluster_bucket *b = c->ids[id_bucket(id)];

	for (uint32_t i = 0; b != NULL && i < b->count; i++) {
		if (uuid_eq(b->topics[i]->id, id))
			return b->topics[i];
	}
	return NULL;
}

const struct cluster_partition *cluster_topic_partition(const struct cluster_topic *t, int32_t partition)
{
	if (partition >= 0 && partition < t->partition_count && t->partitions[partition].id == partition)
		return &t->partitions[partition];
	for (int32_t i = 0; i < t->partition_count; i++) {	/* a store with a hole in the ids */
		if (t->partitions[i].id == partition)
			return &t->partitions[i];
	}
	return NULL;
}

const struct cluster_broker *cluster_broker(const struct cluster *c, int32_t id)
{
	for (int i = 0; i < c->broker_count; i++) {
		if (c->brokers[i].id == id)
			return &c->brokers[i];
	}
	return NULL;
}

const struct cluster_endpoint *cluster_broker_endpoint(const struct cluster_broker *b, const char *listener)
{
	for (int i = 0; i < b->endpoint_count; i++) {
		if (strcmp(b->endpoints[i].listener, listener) == 0)
			return &b->endpoints[i];
	}
	return NULL;
}

void cluster_each_topic(const struct cluster *c, void (*each)(void *arg, const struct cluster_topic *t), void *arg)
{
	for (int i = 0; i < CLUSTER_BUCKETS; i++) {
		const struct cluster_bucket *b = c->buckets[i];

		for (uint32_t k = 0; b != NULL && k < b->count; k++)
			each(arg, b->topics[k]);
	}
}
