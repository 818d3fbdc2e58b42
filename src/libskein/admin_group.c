/*
 * Administration of groups and offsets, in public types.
 */
#include <skein/admin.h>

#include <stdlib.h>

#include "client/admin_group.h"
#include "client/client_call.h"
#include "libskein/answer.h"
#include "wire/gen/consumer_protocol_assignment.h"
#include "wire/wire.h"

void answer_set_error(struct skein_offset *offsets, int32_t count, struct slice topic, int32_t partition, int16_t code)
{
	for (int32_t i = 0; i < count; i++) {
		if (offsets[i].partition == partition && slice_eq_str(topic, offsets[i].topic))
			offsets[i].error = code;
	}
}

/* ---- groups ---- */

/* Groups come one by one, and nobody knows how many. */
struct listing {
	struct skein_answer      *answer;
	struct skein_group_entry *entries;
	int32_t                   count, room;
};

static void add_group(void *arg, const struct list_groups_response_group *g)
{
	struct listing *l = arg;

	if (l->count == l->room) {
		l->room = MAX(2 * l->room, 64);
		l->entries = mem_realloc_array(l->entries, (size_t)l->room, sizeof(*l->entries));
	}
	l->entries[l->count++] = (struct skein_group_entry){ answer_text(l->answer, g->group_id), answer_text(l->answer, g->group_state),
							    answer_text(l->answer, g->protocol_type) };
}

enum skein_code skein_admin_groups(struct skein_client *client, const char *state, int64_t timeout_ms, struct skein_answer **answer,
				   const struct skein_group_entry **out, int32_t *out_count, struct skein_error *error)
{
	FACE_NEEDS(client);
	FACE_NEEDS(answer);
	FACE_NEEDS(out);
	FACE_NEEDS(out_count);

	struct listing l = { .answer = answer_create() };
	struct client_error why;
	struct skein_group_entry *entries;

	*answer = NULL;
	*out = NULL;
	*out_count = 0;
	enum err e = admin_list_groups(client->client, state, add_group, &l, timeout_ms, &why);
	if (e == OK) {
		entries = answer_array(l.answer, l.count, sizeof(*entries));
		if (l.count > 0)
			memcpy(entries, l.entries, (size_t)l.count * sizeof(*entries));
		*answer = l.answer;
		*out = entries;
		*out_count = l.count;
	} else {
		skein_answer_destroy(&l.answer);
	}
	free(l.entries);
	return answer_code(error, e, &why);
}

/* What the leader gave the member, in the consumer protocol; nothing for groups of other kinds, and for what cannot be read. */
static void fill_partitions(struct skein_answer *a, struct skein_group_member *out, struct slice bytes)
{
	struct consumer_protocol_assignment assignment = { .assigned_partitions_count = 0 };
	struct reader r = reader_of(bytes);
	struct skein_offset *partitions;
	struct arena arena;
	int16_t version = bytes.len > 0 ? get_i16(&r) : -1;
	int64_t count = 0;

	arena_init(&arena, bytes.len * 16 + 4096);
	if (version < 0 || r.failed || !consumer_protocol_assignment_decode(&assignment, &r, MIN(version, 3), &arena))
		assignment.assigned_partitions_count = 0;
	for (int32_t t = 0; t < assignment.assigned_partitions_count; t++)
		count += assignment.assigned_partitions[t].partitions_count;
	out->partitions = partitions = answer_array(a, count, sizeof(*partitions));
	for (int32_t t = 0; t < assignment.assigned_partitions_count; t++) {
		const struct consumer_protocol_assignment_assigned_partition *p = &assignment.assigned_partitions[t];
		const char *topic = answer_text(a, p->topic);

		for (int32_t i = 0; i < p->partitions_count; i++)
			partitions[out->partition_count++] = (struct skein_offset){ .topic = topic, .partition = p->partitions[i], .offset = -1, .timestamp = -1 };
	}
	arena_fini(&arena);
}

enum skein_code skein_admin_group(struct skein_client *client, const char *id, int64_t timeout_ms, struct skein_answer **answer, const struct skein_group **out,
				  struct skein_error *error)
{
	FACE_NEEDS(client);
	FACE_NEEDS(id);
	FACE_NEEDS(answer);
	FACE_NEEDS(out);

	const struct describe_groups_response_group *r;
	struct skein_group_member *members;
	struct skein_group *group;
	struct client_call *call;
	struct client_error why;

	*answer = NULL;
	*out = NULL;
	if (admin_describe_group(client->client, id, timeout_ms, &call, &r, &why) != OK)
		return face_error(error, &why);
	*answer = answer_create();
	group = answer_array(*answer, 1, sizeof(*group));
	members = answer_array(*answer, r->members_count, sizeof(*members));
	*group = (struct skein_group){ answer_text(*answer, r->group_id), answer_text(*answer, r->group_state), answer_text(*answer, r->protocol_data), members,
				       MAX(r->members_count, 0) };
	for (int32_t i = 0; i < r->members_count; i++) {
		const struct describe_groups_response_member *m = &r->members[i];

		members[i] = (struct skein_group_member){ .id = answer_text(*answer, m->member_id), .instance_id = answer_text(*answer, m->group_instance_id),
							  .client_id = answer_text(*answer, m->client_id), .host = answer_text(*answer, m->client_host) };
		fill_partitions(*answer, &members[i], slice_eq_str(r->protocol_type, "consumer") ? m->member_assignment : SLICE_EMPTY);
	}
	*out = group;
	admin_answer_destroy(&call);
	return face_ok(error);
}

enum skein_code skein_admin_delete_group(struct skein_client *client, const char *id, int64_t timeout_ms, struct skein_error *error)
{
	FACE_NEEDS(client);
	FACE_NEEDS(id);

	struct client_error why;

	return answer_code(error, admin_delete_group(client->client, id, timeout_ms, &why), &why);
}

enum skein_code skein_admin_group_offsets(struct skein_client *client, const char *id, int64_t timeout_ms, struct skein_answer **answer,
					  const struct skein_offset **out, int32_t *out_count, struct skein_error *error)
{
	FACE_NEEDS(client);
	FACE_NEEDS(id);
	FACE_NEEDS(answer);
	FACE_NEEDS(out);
	FACE_NEEDS(out_count);

	const struct offset_fetch_response *r;
	struct skein_offset *offsets;
	struct client_call *call;
	struct client_error why;
	int64_t count = 0;

	*answer = NULL;
	*out = NULL;
	*out_count = 0;
	if (admin_fetch_offsets(client->client, id, timeout_ms, &call, &r, &why) != OK)
		return face_error(error, &why);
	*answer = answer_create();
	for (int32_t t = 0; t < r->topics_count; t++)
		count += MAX(r->topics[t].partitions_count, 0);
	*out = offsets = answer_array(*answer, count, sizeof(*offsets));
	for (int32_t t = 0; t < r->topics_count; t++) {
		const char *topic = answer_text(*answer, r->topics[t].name);

		for (int32_t i = 0; i < r->topics[t].partitions_count; i++) {
			const struct offset_fetch_response_partition *p = &r->topics[t].partitions[i];

			offsets[(*out_count)++] = (struct skein_offset){ topic, p->partition_index, p->committed_offset, -1, p->error_code };
		}
	}
	admin_answer_destroy(&call);
	return face_ok(error);
}

/* ---- lists of offsets, each of which has its answer ---- */

typedef enum err ask_fn(struct client *c, const char *group, struct admin_offset *offsets, int count, mono_ms timeout_ms, struct client_error *error);

static enum skein_code ask_each(struct skein_client *client, ask_fn *ask, const char *group, struct skein_offset *offsets, int32_t count, int64_t timeout_ms,
				bool is_listing, struct skein_error *error)
{
	struct admin_offset *list = mem_calloc((size_t)MAX(count, 0) + 1, sizeof(*list));
	struct client_error why;
	enum err e;

	for (int32_t i = 0; i < count; i++) {
		FACE_NEEDS(offsets[i].topic);
		list[i] = (struct admin_offset){ .topic = offsets[i].topic, .partition = offsets[i].partition, .offset = is_listing ? -1 : offsets[i].offset,
						 .timestamp = offsets[i].timestamp, .found_at = -1 };
	}
	e = ask(client->client, group, list, count, timeout_ms, &why);
	for (int32_t i = 0; e == OK && i < count; i++) {
		offsets[i].error = list[i].error;
		offsets[i].offset = list[i].offset;
		if (is_listing)
			offsets[i].timestamp = list[i].found_at;
	}
	free(list);
	return answer_code(error, e, &why);
}

static enum err ask_list(struct client *c, const char *group UNUSED, struct admin_offset *offsets, int count, mono_ms timeout_ms, struct client_error *error)
{
	return admin_list_offsets(c, offsets, count, timeout_ms, error);
}

static enum err ask_deletion(struct client *c, const char *group UNUSED, struct admin_offset *offsets, int count, mono_ms timeout_ms, struct client_error *error)
{
	return admin_delete_records(c, offsets, count, timeout_ms, error);
}

enum skein_code skein_admin_list_offsets(struct skein_client *client, struct skein_offset *offsets, int32_t count, int64_t timeout_ms, struct skein_error *error)
{
	FACE_NEEDS(client);
	FACE_NEEDS_LIST(offsets, count);

	return ask_each(client, ask_list, NULL, offsets, count, timeout_ms, true, error);
}

enum skein_code skein_admin_delete_records(struct skein_client *client, struct skein_offset *offsets, int32_t count, int64_t timeout_ms, struct skein_error *error)
{
	FACE_NEEDS(client);
	FACE_NEEDS_LIST(offsets, count);

	return ask_each(client, ask_deletion, NULL, offsets, count, timeout_ms, false, error);
}

enum skein_code skein_admin_set_group_offsets(struct skein_client *client, const char *id, struct skein_offset *offsets, int32_t count, int64_t timeout_ms,
					      struct skein_error *error)
{
	FACE_NEEDS(client);
	FACE_NEEDS(id);
	FACE_NEEDS_LIST(offsets, count);

	return ask_each(client, admin_commit_offsets, id, offsets, count, timeout_ms, false, error);
}

enum skein_code skein_admin_delete_group_offsets(struct skein_client *client, const char *id, struct skein_offset *offsets, int32_t count, int64_t timeout_ms,
						 struct skein_error *error)
{
	FACE_NEEDS(client);
	FACE_NEEDS(id);
	FACE_NEEDS_LIST(offsets, count);

	return ask_each(client, admin_delete_offsets, id, offsets, count, timeout_ms, false, error);
}
