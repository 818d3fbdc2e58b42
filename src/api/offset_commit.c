/*
 * OffsetCommit (8). Each partition is answered by itself; an error of the group stands at each. Version 0 does not speak to the group's coordinator: its offsets lie
 * in the coordination store.
 */
#include "api/api.h"
#include "base/utf16.h"
#include "group/group_msg.h"
#include "wire/gen/offset_commit.h"

#define COMMIT_LIGHT_MAX 32		/* to write so many offsets takes no longer than to wake their coordinator */

struct commit_item {
	struct offset_commit_response_partition *out;
	enum kafka_error                         error;
	int32_t                                  asked;		/* place in the question; -1: not asked */
};

struct commit_state {
	struct commit_item               *items;	/* in the request's order */
	int32_t                           count;
	struct partition_addr            *addr;
	struct group_offset_commit       *ask;		/* from version 1 on */
	struct controller_stored_offsets *store;	/* version 0 */
};

/* --- what is asked ---------------------------------------------------------------------------- */

static bool lay_out(struct call *c, struct commit_state *s)
{
	const struct offset_commit_request *r = c->request;
	struct offset_commit_response *out = c->response;
	size_t n = 0;

	for (int32_t t = 0; t < r->topics_count; t++)
		n += (size_t)r->topics[t].partitions_count;
	struct offset_commit_response_partition *parts = arena_calloc(&c->arena, n, sizeof(*parts));
	s->items = arena_calloc(&c->arena, n, sizeof(*s->items));
	out->topics = arena_calloc(&c->arena, (size_t)r->topics_count, sizeof(*out->topics));
	if (parts == NULL || s->items == NULL || out->topics == NULL)
		return false;
	for (int32_t t = 0; t < r->topics_count; t++) {
		const struct offset_commit_request_topic *topic = &r->topics[t];

		out->topics[t] = (struct offset_commit_response_topic){
			.name = topic->name, .partitions = parts + s->count, .partitions_count = topic->partitions_count,
		};
		for (int32_t p = 0; p < topic->partitions_count; p++, s->count++) {
			parts[s->count].partition_index = topic->partitions[p].partition_index;
			s->items[s->count] = (struct commit_item){ .out = &parts[s->count], .asked = -1 };
		}
	}
	out->topics_count = r->topics_count;
	return true;
}

/* How many are left to be asked about. */
static int32_t check_items(struct call *c, struct commit_state *s)
{
	const struct offset_commit_request *r = c->request;
	bool may_commit = call_authorize(c, ACL_READ, ACL_GROUP, r->group_id);
	struct commit_item *it = s->items;
	int32_t left = 0;

	for (int32_t t = 0; t < r->topics_count; t++) {
		bool may_read = may_commit && call_authorize(c, ACL_READ, ACL_TOPIC, r->topics[t].name);

		for (int32_t p = 0; p < r->topics[t].partitions_count; p++, it++) {
			it->error = !may_commit ? GROUP_AUTHORIZATION_FAILED
				: api_check_committed(c, r->topics[t].name, may_read, r->topics[t].partitions[p].partition_index);
			if (it->error == NONE)
				it->asked = left++;
		}
	}
	return left;
}

static struct slice metadata_of(const struct offset_commit_request_partition *p)
{
	return slice_is_null(p->committed_metadata) ? SLICE_EMPTY : p->committed_metadata;
}

static void ask_coordinator(struct call *c, struct commit_state *s, int32_t count)
{
	const struct offset_commit_request *r = c->request;
	const struct commit_item *it = s->items;

	s->ask = api_commit_question(c, &(struct group_caller){
		.group = r->group_id, .member_id = r->member_id, .instance_id = r->group_instance_id, .generation = r->generation_id_or_member_epoch,
	}, count);
	if (s->ask == NULL)
		return;
	s->ask->q.msg.is_light = count <= COMMIT_LIGHT_MAX;
	s->ask->retention_ms = r->retention_time_ms;
	for (int32_t t = 0; t < r->topics_count; t++) {
		for (int32_t p = 0; p < r->topics[t].partitions_count; p++, it++) {
			const struct offset_commit_request_partition *from = &r->topics[t].partitions[p];

			if (it->asked >= 0)
				s->ask->offsets[it->asked] = (struct group_offset){
					.topic = r->topics[t].name, .partition = from->partition_index, .offset = from->committed_offset,
					.leader_epoch = from->committed_leader_epoch, .metadata = metadata_of(from), .commit_time = from->commit_timestamp,
				};
		}
	}
	enum kafka_error error = api_find_group(c, r->group_id, &s->addr);
	if (error != NONE || !call_ask_partition(c, s->addr, &s->ask->q.msg))	/* asked, it is the coordinator's: it may be answered by now */
		s->ask->q.error = NOT_COORDINATOR;
}

static void ask_store(struct call *c, struct commit_state *s, int32_t count)
{
	const struct offset_commit_request *r = c->request;
	struct commit_item *it = s->items;

	s->store = call_message(c, sizeof(*s->store), CONTROLLER_stored_offsets);
	if (s->store == NULL || (s->store->offsets = arena_calloc(&c->arena, (size_t)count, sizeof(*s->store->offsets))) == NULL) {
		c->wants_close = true;
		return;
	}
	s->store->is_commit = true;
	s->store->group = r->group_id;
	for (int32_t t = 0; t < r->topics_count; t++) {
		for (int32_t p = 0; p < r->topics[t].partitions_count; p++, it++) {
			const struct offset_commit_request_partition *from = &r->topics[t].partitions[p];

			if (it->asked < 0)
				continue;
			it->asked = -1;
			if (utf16_length(metadata_of(from)) > (size_t)MAX(call_api(c)->broker->offset_metadata_max_bytes, 0)) {
				it->error = OFFSET_METADATA_TOO_LARGE;
				continue;
			}
			it->asked = s->store->count;
			s->store->offsets[s->store->count++] = (struct controller_stored_offset){
				.topic = r->topics[t].name, .partition = from->partition_index, .offset = from->committed_offset,
			};
		}
	}
	if (s->store->count > 0)
		call_ask(c, call_api(c)->controller, &s->store->msg);
}

static void offset_commit_begin(struct call *c)
{
	struct commit_state *s = arena_calloc(&c->arena, 1, sizeof(*s));
	int32_t left;

	c->state = s;
	if (s == NULL || !lay_out(c, s)) {
		c->wants_close = true;
		return;
	}
	left = check_items(c, s);
	if (left > 0 && c->version == 0)
		ask_store(c, s, left);
	else if (left > 0)
		ask_coordinator(c, s, left);
}

static void offset_commit_on_answer(struct call *c, struct msg *m)
{
	(void)c;
	(void)m;		/* filled in by end, from the message */
}

/* --- the answer ------------------------------------------------------------------------------- */

static void offset_commit_end(struct call *c)
{
	struct commit_state *s = c->state;

	for (int32_t i = 0; s != NULL && !c->wants_close && i < s->count; i++) {
		const struct commit_item *it = &s->items[i];
		enum kafka_error error = it->asked < 0 ? it->error
			: s->store != NULL ? s->store->offsets[it->asked].error
			: s->ask->q.error != NONE ? s->ask->q.error : s->ask->offsets[it->asked].error;

		it->out->error_code = (int16_t)error;
	}
	if (s != NULL && s->addr != NULL)
		partition_addr_unref(&s->addr);
}

API_CODEC(offset_commit)

const struct api_row offset_commit_row = {
	.key = 8, .version_min = 0, .version_max = 9, .name = "OffsetCommit",
	.operation = ACL_READ, .resource = ACL_GROUP,
	API_CODEC_FIELDS(offset_commit),
	.begin = offset_commit_begin, .on_answer = offset_commit_on_answer, .end = offset_commit_end,
};
