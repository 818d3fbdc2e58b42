/*
 * Keys begin with their kind and values with their version, both as int16; what follows is in the schemas of src/wire. What a member of a group of consumers
 * subscribes to and was given are messages of their own within the value.
 */
#include "decode.h"

#include <string.h>

#include "json_record.h"
#include "wire/gen/consumer_protocol_assignment.h"
#include "wire/subscription.h"
#include "wire/gen/group_metadata_key.h"
#include "wire/gen/group_metadata_value.h"
#include "wire/gen/offset_commit_key.h"
#include "wire/gen/offset_commit_value.h"
#include "wire/gen/transaction_log_key.h"
#include "wire/gen/transaction_log_value.h"

enum { KEY_OFFSET_MAX = 1, KEY_GROUP = 2, VALUE_MAX = 4, TXN_KEY_MAX = 0, TXN_VALUE_MAX = 1, CONSUMER_MAX = 3 };

#define ARENA_PER_BYTE 64		/* a decoded array's element beside its bytes */

bool decode_kind_parse(const char *text, enum decode_kind *out)
{
	*out = strcmp(text, "offsets") == 0 ? DECODE_OFFSETS : strcmp(text, "transactions") == 0 ? DECODE_TRANSACTIONS : DECODE_NONE;
	return *out != DECODE_NONE;
}

enum decode_kind decode_kind_of(const char *topic)
{
	return strcmp(topic, "__consumer_offsets") == 0 ? DECODE_OFFSETS : strcmp(topic, "__transaction_state") == 0 ? DECODE_TRANSACTIONS : DECODE_NONE;
}

/* ---- parts ---- */

/* "name":number with a comma before it. */
static void number(struct strbuf *out, const char *name, int64_t n)
{
	strbuf_printf(out, ",\"%s\":%lld", name, (long long)n);
}

static void text(struct strbuf *out, const char *name, struct slice s)
{
	strbuf_add_char(out, ',');
	json_write_bytes(out, name, s);
}

static void numbers(struct strbuf *out, const int32_t *n, int32_t count)
{
	strbuf_add_str(out, "\"partitions\":[");
	for (int32_t i = 0; i < count; i++)
		strbuf_printf(out, "%s%d", i > 0 ? "," : "", n[i]);
	strbuf_add_char(out, ']');
}

static void topic_partitions(struct strbuf *out, bool is_first, struct slice topic, const int32_t *n, int32_t count)
{
	strbuf_add_str(out, is_first ? "{" : ",{");
	json_write_bytes(out, "topic", topic);
	strbuf_add_char(out, ',');
	numbers(out, n, count);
	strbuf_add_char(out, '}');
}

/* The version that bytes begin with. False: none is there, or it is negative. */
static bool version_of(struct reader *r, struct slice bytes, int16_t *version)
{
	*r = reader_of(slice_is_null(bytes) ? SLICE_EMPTY : bytes);
	*version = get_i16(r);
	return !r->failed && *version >= 0;
}

/* ---- members ---- */

/* Newer versions only add to what is known. False: not a subscription. */
static bool subscription(struct strbuf *out, struct slice bytes, struct arena *arena)
{
	struct consumer_protocol_subscription s;
	int16_t version;

	if (!subscription_read(bytes, &s, &version, arena))
		return false;
	strbuf_printf(out, ",\"subscription\":{\"version\":%d,\"topics\":[", version);
	for (int32_t i = 0; i < s.topics_count; i++) {
		if (i > 0)
			strbuf_add_char(out, ',');
		json_write_string(out, s.topics[i]);
	}
	strbuf_add_char(out, ']');
	text(out, "user_data", s.user_data);
	if (version >= 1) {
		strbuf_add_str(out, ",\"owned_partitions\":[");
		for (int32_t i = 0; i < s.owned_partitions_count; i++)
			topic_partitions(out, i == 0, s.owned_partitions[i].topic, s.owned_partitions[i].partitions,
					 s.owned_partitions[i].partitions_count);
		strbuf_add_char(out, ']');
	}
	if (version >= 2)
		number(out, "generation", s.generation_id);
	if (version >= 3)
		text(out, "rack", s.rack_id);
	strbuf_add_char(out, '}');
	return true;
}

static bool assignment(struct strbuf *out, struct slice bytes, struct arena *arena)
{
	struct consumer_protocol_assignment a;
	struct reader r;
	int16_t version;

	if (!version_of(&r, bytes, &version) || !consumer_protocol_assignment_decode(&a, &r, MIN(version, CONSUMER_MAX), arena))
		return false;
	strbuf_printf(out, ",\"assignment\":{\"version\":%d,\"assigned_partitions\":[", version);
	for (int32_t i = 0; i < a.assigned_partitions_count; i++)
		topic_partitions(out, i == 0, a.assigned_partitions[i].topic, a.assigned_partitions[i].partitions,
				 a.assigned_partitions[i].partitions_count);
	strbuf_add_char(out, ']');
	text(out, "user_data", a.user_data);
	strbuf_add_char(out, '}');
	return true;
}

static void member(struct strbuf *out, const struct group_metadata_value_member_metadata *m, bool is_consumer, int version, struct arena *arena)
{
	strbuf_add_char(out, '{');
	json_write_bytes(out, "member_id", m->member_id);
	if (version >= 3)
		text(out, "group_instance_id", m->group_instance_id);
	text(out, "client_id", m->client_id);
	text(out, "client_host", m->client_host);
	if (version >= 1)
		number(out, "rebalance_timeout", m->rebalance_timeout);
	number(out, "session_timeout", m->session_timeout);
	if (!is_consumer || !subscription(out, m->subscription, arena))
		text(out, "subscription", m->subscription);
	if (!is_consumer || !assignment(out, m->assignment, arena))
		text(out, "assignment", m->assignment);
	strbuf_add_char(out, '}');
}

/* ---- values ---- */

static bool group_value(struct strbuf *out, struct reader *r, int16_t version, struct arena *arena)
{
	struct group_metadata_value v;

	if (!group_metadata_value_decode(&v, r, version, arena))
		return false;
	text(out, "protocol_type", v.protocol_type);
	number(out, "generation", v.generation);
	text(out, "protocol", v.protocol);
	text(out, "leader", v.leader);
	if (version >= 2)
		number(out, "current_state_timestamp", v.current_state_timestamp);
	strbuf_add_str(out, ",\"members\":[");
	for (int32_t i = 0; i < v.members_count; i++) {
		if (i > 0)
			strbuf_add_char(out, ',');
		member(out, &v.members[i], slice_eq_str(v.protocol_type, "consumer"), version, arena);
	}
	strbuf_add_char(out, ']');
	return true;
}

static bool offset_value(struct strbuf *out, struct reader *r, int16_t version, struct arena *arena)
{
	struct offset_commit_value v;

	if (!offset_commit_value_decode(&v, r, version, arena))
		return false;
	number(out, "offset", v.offset);
	if (version >= 3)
		number(out, "leader_epoch", v.leader_epoch);
	text(out, "metadata", v.metadata);
	number(out, "commit_timestamp", v.commit_timestamp);
	if (version == 1)
		number(out, "expire_timestamp", v.expire_timestamp);
	return true;
}

static void txn_status(struct strbuf *out, int8_t status)
{
	static const char *const names[] = { "Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead",
					     "PrepareEpochFence" };

	if (status >= 0 && (size_t)status < ARRAY_LEN(names))
		text(out, "status", slice_str(names[status]));
	else
		number(out, "status", status);
}

static bool txn_value(struct strbuf *out, struct reader *r, int16_t version, struct arena *arena)
{
	struct transaction_log_value v;

	if (!transaction_log_value_decode(&v, r, version, arena))
		return false;
	number(out, "producer_id", v.producer_id);
	number(out, "producer_epoch", v.producer_epoch);
	number(out, "timeout_ms", v.transaction_timeout_ms);
	txn_status(out, v.transaction_status);
	strbuf_add_str(out, v.transaction_partitions_count < 0 ? ",\"partitions\":null" : ",\"partitions\":[");
	for (int32_t i = 0; i < v.transaction_partitions_count; i++)
		topic_partitions(out, i == 0, v.transaction_partitions[i].topic, v.transaction_partitions[i].partition_ids,
				 v.transaction_partitions[i].partition_ids_count);
	if (v.transaction_partitions_count >= 0)
		strbuf_add_char(out, ']');
	number(out, "last_update_timestamp", v.transaction_last_update_timestamp_ms);
	number(out, "start_timestamp", v.transaction_start_timestamp_ms);
	return true;
}

/* ---- keys ---- */

/* The beginning of the object up to the key's end; *value and *value_max: what the value is read with. */
static enum err write_key(struct strbuf *out, enum decode_kind kind, struct slice key, struct arena *arena,
			  bool (**value)(struct strbuf *, struct reader *, int16_t, struct arena *), int *value_max)
{
	struct offset_commit_key offset;
	struct group_metadata_key group;
	struct transaction_log_key txn;
	struct reader r;
	int16_t version;

	if (!version_of(&r, key, &version))
		return ERR_CORRUPT;
	*value_max = kind == DECODE_OFFSETS ? VALUE_MAX : TXN_VALUE_MAX;
	if (kind == DECODE_TRANSACTIONS && version <= TXN_KEY_MAX) {
		*value = txn_value;
		if (!transaction_log_key_decode(&txn, &r, version, arena))
			return ERR_CORRUPT;
		strbuf_printf(out, "{\"type\":\"transaction\",\"key\":{\"version\":%d", version);
		text(out, "transactional_id", txn.transactional_id);
	} else if (kind == DECODE_OFFSETS && version <= KEY_OFFSET_MAX) {
		*value = offset_value;
		if (!offset_commit_key_decode(&offset, &r, version, arena))
			return ERR_CORRUPT;
		strbuf_printf(out, "{\"type\":\"offset_commit\",\"key\":{\"version\":%d", version);
		text(out, "group", offset.group);
		text(out, "topic", offset.topic);
		number(out, "partition", offset.partition);
	} else if (kind == DECODE_OFFSETS && version == KEY_GROUP) {
		*value = group_value;
		if (!group_metadata_key_decode(&group, &r, version, arena))
			return ERR_CORRUPT;
		strbuf_printf(out, "{\"type\":\"group_metadata\",\"key\":{\"version\":%d", version);
		text(out, "group", group.group);
	} else {
		return ERR_UNSUPPORTED;
	}
	strbuf_add_char(out, '}');
	return OK;
}

static enum err write_record(struct strbuf *out, enum decode_kind kind, struct slice key, struct slice value, struct arena *arena)
{
	bool (*write_value)(struct strbuf *, struct reader *, int16_t, struct arena *) = NULL;
	int value_max = 0;
	struct reader r;
	int16_t version;
	enum err e = write_key(out, kind, key, arena, &write_value, &value_max);

	if (e != OK)
		return e;
	if (slice_is_null(value)) {
		strbuf_add_str(out, ",\"value\":null}");
		return OK;
	}
	if (!version_of(&r, value, &version))
		return ERR_CORRUPT;
	if (version > value_max)
		return ERR_UNSUPPORTED;
	strbuf_printf(out, ",\"value\":{\"version\":%d", version);
	if (!write_value(out, &r, version, arena))
		return ERR_CORRUPT;
	strbuf_add_str(out, "}}");
	return OK;
}

enum err decode_record(enum decode_kind kind, struct slice key, struct slice value, struct strbuf *out)
{
	size_t start = out->len;
	struct arena arena;

	arena_init(&arena, ARENA_PER_BYTE * (key.len + value.len) + ARENA_CHUNK);
	enum err e = write_record(out, kind, key, value, &arena);
	arena_fini(&arena);
	if (e != OK)
		strbuf_truncate(out, start);
	return e;
}
