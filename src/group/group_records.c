/*
 * What the coordinator stores, in Kafka's own form: a key that begins with its kind and a value that begins with its version, both as int16. The version of a value
 * follows from the protocol version that the cluster's brokers speak, so that a Java broker can take over.
 */
#include "group/group_priv.h"

#include <stdlib.h>

#include "wire/gen/group_metadata_key.h"
#include "wire/gen/group_metadata_value.h"
#include "wire/gen/offset_commit_key.h"
#include "wire/gen/offset_commit_value.h"

enum { KIND_OFFSET = 1, KIND_GROUP = 2 };

static void take(struct strbuf *out, struct writer *w, bool ok)
{
	ASSERT(ok);		/* every field is set, in a version that has it */
	strbuf_add(out, w->buf, w->len);
	writer_fini(w);
}

void records_offset_key(struct strbuf *out, struct slice group, struct slice topic, int32_t partition)
{
	struct offset_commit_key key = { .group = group, .topic = topic, .partition = partition };
	struct writer w;

	writer_init(&w);
	put_i16(&w, KIND_OFFSET);
	take(out, &w, offset_commit_key_encode(&key, &w, KIND_OFFSET));
}

/* A time of its own has a place in version 1 alone, which has none for the leader's epoch. */
static int offset_version(int32_t protocol_version, const struct stored_offset *o)
{
	if (o->expire_time != -1)
		return 1;
	if (protocol_version < KAFKA_VERSION(2, 1, 0))
		return 1;
	return protocol_version < KAFKA_VERSION(2, 1, 1) ? 2 : 3;
}

void records_offset_value(struct strbuf *out, int32_t protocol_version, const struct stored_offset *o)
{
	int version = offset_version(protocol_version, o);
	struct offset_commit_value value = {
		.offset = o->offset, .leader_epoch = version >= 3 ? o->leader_epoch : -1, .metadata = slice_of(o->metadata != NULL ? o->metadata : "", o->metadata_len),
		.commit_timestamp = o->commit_time, .expire_timestamp = version == 1 ? o->expire_time : -1,
	};
	struct writer w;

	writer_init(&w);
	put_i16(&w, (int16_t)version);
	take(out, &w, offset_commit_value_encode(&value, &w, version));
}

void records_group_key(struct strbuf *out, struct slice group)
{
	struct group_metadata_key key = { .group = group };
	struct writer w;

	writer_init(&w);
	put_i16(&w, KIND_GROUP);
	take(out, &w, group_metadata_key_encode(&key, &w, KIND_GROUP));
}

static int group_version(int32_t protocol_version)
{
	if (protocol_version < KAFKA_VERSION(0, 101, 0))
		return 0;
	if (protocol_version < KAFKA_VERSION(2, 1, 0))
		return 1;
	return protocol_version < KAFKA_VERSION(2, 3, 0) ? 2 : 3;
}

void records_group_value(struct strbuf *out, int32_t protocol_version, const struct group *g)
{
	int version = group_version(protocol_version);
	struct group_metadata_value value = {
		.protocol_type = slice_str(g->protocol_type != NULL ? g->protocol_type : ""), .generation = g->generation, .protocol = slice_str(g->protocol),
		.leader = slice_str(g->leader_id), .current_state_timestamp = version >= 2 ? g->state_since : -1,
	};
	struct writer w;

	value.members = mem_calloc((size_t)map_count(&g->members) + 1, sizeof(*value.members));
	LIST_FOREACH(e, &g->in_order) {
		const struct member *m = LIST_ENTRY(e, struct member, link);
		const struct group_protocol *p = member_protocol(m, g->protocol);

		value.members[value.members_count++] = (struct group_metadata_value_member_metadata){
			.member_id = slice_str(m->id), .group_instance_id = version >= 3 ? slice_str(m->instance_id) : SLICE_NULL,
			.client_id = slice_str(m->client_id), .client_host = slice_str(m->client_host),
			.rebalance_timeout = version >= 1 ? m->rebalance_timeout_ms : -1, .session_timeout = m->session_timeout_ms,
			.subscription = p != NULL ? p->metadata : SLICE_EMPTY, .assignment = m->assignment_bytes > 0 ? slice_of(m->assignment, m->assignment_bytes) : SLICE_EMPTY,
		};
	}
	writer_init(&w);
	put_i16(&w, (int16_t)version);
	take(out, &w, group_metadata_value_encode(&value, &w, version));
	free(value.members);
}
