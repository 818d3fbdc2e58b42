/*
 * Who is in a group, and what members have in common. Nothing here answers anybody or looks at the clock.
 */
#include "group/group_priv.h"

#include <stdlib.h>

#include "base/utf16.h"
#include "wire/subscription.h"

#define SUBSCRIPTION_BYTES (16u << 20)	/* decoded */

char *copy_text(struct slice s)
{
	return slice_is_null(s) ? NULL : mem_strndup((const char *)s.ptr, s.len);
}

/* --- members ---------------------------------------------------------------------------------------------------------------------- */

struct member *group_member(const struct group *g, struct slice id)
{
	return map_get(&g->members, id);
}

struct member *group_static_member(const struct group *g, struct slice instance_id)
{
	return slice_is_null(instance_id) ? NULL : map_get(&g->statics, instance_id);
}

void member_set_protocols(struct member *m, const struct group_protocol *protocols, int32_t count)
{
	size_t bytes = (size_t)count * sizeof(*m->protocols) + 1;
	uint8_t *at;

	for (int32_t i = 0; i < count; i++)
		bytes += protocols[i].name.len + protocols[i].metadata.len;
	struct group_protocol *copy = mem_calloc(1, bytes);

	at = (uint8_t *)(copy + count);
	for (int32_t i = 0; i < count; i++) {
		if (protocols[i].name.len > 0)
			memcpy(at, protocols[i].name.ptr, protocols[i].name.len);
		copy[i].name = slice_of(at, protocols[i].name.len);
		at += protocols[i].name.len;
		if (protocols[i].metadata.len > 0)
			memcpy(at, protocols[i].metadata.ptr, protocols[i].metadata.len);
		copy[i].metadata = slice_of(at, protocols[i].metadata.len);
		at += protocols[i].metadata.len;
	}
	free(m->protocols);
	m->protocols = copy;
	m->protocol_count = count;
}

bool member_has_protocols(const struct member *m, const struct group_protocol *protocols, int32_t count)
{
	if (m->protocol_count != count)
		return false;
	for (int32_t i = 0; i < count; i++) {
		if (!slice_eq(m->protocols[i].name, protocols[i].name) || !slice_eq(m->protocols[i].metadata, protocols[i].metadata))
			return false;
	}
	return true;
}

const struct group_protocol *member_protocol(const struct member *m, const char *name)
{
	for (int32_t i = 0; name != NULL && i < m->protocol_count; i++) {
		if (slice_eq_str(m->protocols[i].name, name))
			return &m->protocols[i];
	}
	return NULL;
}

void member_set_assignment(struct member *m, struct slice bytes)
{
	free(m->assignment);
	m->assignment = NULL;
	m->assignment_bytes = bytes.len;
	if (bytes.len > 0)
		m->assignment = memcpy(mem_alloc(bytes.len), bytes.ptr, bytes.len);
}

struct member *member_create(const struct group_join *j, struct slice id)
{
	struct member *m = mem_calloc(1, sizeof(*m));

	m->id = copy_text(id);
	m->instance_id = copy_text(j->caller.instance_id);
	m->client_id = copy_text(j->client_id);
	m->client_host = copy_text(j->client_host);
	m->session_timeout_ms = j->session_timeout_ms;
	m->rebalance_timeout_ms = j->rebalance_timeout_ms;
	member_set_protocols(m, j->protocols, j->protocol_count);
	return m;
}

void member_destroy(struct member *m)
{
	free(m->id);
	free(m->instance_id);
	free(m->client_id);
	free(m->client_host);
	free(m->protocols);
	free(m->assignment);
	free(m);
}

void group_add_member(struct group *g, struct member *m)
{
	map_put(&g->members, slice_str(m->id), m);
	list_push_back(&g->in_order, &m->link);
	if (m->instance_id != NULL)
		map_put(&g->statics, slice_str(m->instance_id), m);
	if (g->leader_id == NULL)
		g->leader_id = mem_strdup(m->id);
}

/* A leader that leaves hands over to whoever has been there longest. */
void group_remove_member(struct group *g, struct member *m)
{
	bool leads = g->leader_id != NULL && strcmp(g->leader_id, m->id) == 0;

	ASSERT(m->join == NULL && m->sync == NULL && m->comeback == NULL);
	map_remove(&g->members, slice_str(m->id));
	list_remove(&m->link);
	if (m->instance_id != NULL && group_static_member(g, slice_str(m->instance_id)) == m)
		map_remove(&g->statics, slice_str(m->instance_id));
	if (leads) {
		free(g->leader_id);
		g->leader_id = list_empty(&g->in_order) ? NULL : mem_strdup(LIST_ENTRY(g->in_order.next, struct member, link)->id);
	}
	member_destroy(m);
}

struct pending_member *group_pending(const struct group *g, struct slice id)
{
	return map_get(&g->pending, id);
}

void group_add_pending(struct group *g, struct slice id, mono_ms end)
{
	struct pending_member *p = mem_calloc(1, sizeof(*p) + id.len + 1);

	memcpy(p->id, id.ptr, id.len);
	p->end = end;
	map_put(&g->pending, slice_of(p->id, id.len), p);
}

void group_remove_pending(struct group *g, struct pending_member *p)
{
	map_remove(&g->pending, slice_str(p->id));
	free(p);
}

int32_t group_rebalance_timeout(const struct group *g)
{
	int32_t longest = 1;	/* members may say anything, and what is due lies ahead */

	LIST_FOREACH(e, &g->in_order)
		longest = MAX(longest, LIST_ENTRY(e, struct member, link)->rebalance_timeout_ms);
	return longest;
}

enum kafka_error group_check_member(const struct group *g, const struct group_caller *caller, struct member **out)
{
	*out = NULL;
	if (!slice_is_null(caller->instance_id)) {
		struct member *m = group_static_member(g, caller->instance_id);

		if (m == NULL)
			return UNKNOWN_MEMBER_ID;
		if (!slice_eq_str(caller->member_id, m->id))
			return FENCED_INSTANCE_ID;
	}
	*out = group_member(g, caller->member_id);
	return *out != NULL ? NONE : UNKNOWN_MEMBER_ID;
}

/* --- protocols -------------------------------------------------------------------------------------------------------------------- */

static bool has_protocol(const struct member *m, struct slice name)
{
	for (int32_t i = 0; i < m->protocol_count; i++) {
		if (slice_eq(m->protocols[i].name, name))
			return true;
	}
	return false;
}

static bool is_supported_by_all(const struct group *g, struct slice name)
{
	LIST_FOREACH(e, &g->in_order) {
		if (!has_protocol(LIST_ENTRY(e, struct member, link), name))
			return false;
	}
	return true;
}

bool group_supports(const struct group *g, const struct group_join *j)
{
	if (j->protocol_count > PROTOCOLS_MAX)
		return false;
	if (g->state == GROUP_EMPTY)
		return j->protocol_type.len > 0 && j->protocol_count > 0;
	if (g->protocol_type == NULL || !slice_eq_str(j->protocol_type, g->protocol_type))
		return false;
	for (int32_t i = 0; i < j->protocol_count; i++) {
		if (is_supported_by_all(g, j->protocols[i].name))
			return true;
	}
	return false;
}

/* Each member has one vote: for the first of its own that all support. What all support is on everybody's list, so it is counted by its place on the first member's. */
char *group_vote(const struct group *g)
{
	int32_t votes[PROTOCOLS_MAX] = { 0 }, best = -1;
	bool is_common[PROTOCOLS_MAX] = { false };
	const struct member *first;

	if (list_empty(&g->in_order))
		return NULL;
	first = LIST_ENTRY(g->in_order.next, struct member, link);
	for (int32_t i = 0; i < first->protocol_count; i++)
		is_common[i] = is_supported_by_all(g, first->protocols[i].name);
	LIST_FOREACH(e, &g->in_order) {
		const struct member *m = LIST_ENTRY(e, struct member, link);
		int32_t vote = -1;

		for (int32_t i = 0; vote < 0 && i < m->protocol_count; i++) {
			for (int32_t k = 0; vote < 0 && k < first->protocol_count; k++)
				vote = is_common[k] && slice_eq(m->protocols[i].name, first->protocols[k].name) ? k : -1;
		}
		if (vote >= 0 && (++votes[vote], best < 0 || votes[vote] > votes[best]))
			best = vote;
	}
	return best < 0 ? NULL : copy_text(first->protocols[best].name);
}

static bool is_utf8(struct slice s)
{
	while (s.len > 0) {
		struct slice at = s;

		/* what is no code point is taken for a replacement, a byte at a time; the replacement itself has three */
		if (utf8_take(&s) == UTF8_REPLACEMENT && at.len - s.len == 1)
			return false;
	}
	return true;
}

/* What our decoder takes and others' do not: user data of a negative length that is not null's, names that are no text. */
static bool is_strict(struct slice metadata, const struct consumer_protocol_subscription *s)
{
	struct reader r = reader_of(metadata);

	get_i16(&r);
	get_i32(&r);
	for (int32_t i = 0; i < s->topics_count; i++) {
		if (!is_utf8(s->topics[i]))
			return false;
		get_string(&r, false, false);
	}
	int32_t user_data = get_i32(&r);

	return !r.failed && user_data >= -1;
}

bool group_can_read(const struct group_join *j)
{
	struct consumer_protocol_subscription s;
	struct arena arena;
	int16_t version;
	bool ok = true;

	if (!slice_eq_str(j->protocol_type, "consumer"))
		return true;
	arena_init(&arena, SUBSCRIPTION_BYTES);
	for (int32_t i = 0; ok && i < j->protocol_count; i++) {
		arena_reset(&arena);
		ok = subscription_read(j->protocols[i].metadata, &s, &version, &arena) && is_strict(j->protocols[i].metadata, &s);
	}
	arena_fini(&arena);
	return ok;
}

static bool add_topics(struct group_topics *t, const struct group_protocol *p)
{
	struct consumer_protocol_subscription s;
	struct arena arena;
	int16_t version;
	bool is_readable;

	if (p == NULL)
		return false;
	arena_init(&arena, SUBSCRIPTION_BYTES);
	is_readable = subscription_read(p->metadata, &s, &version, &arena);
	for (int32_t i = 0; is_readable && i < s.topics_count; i++)
		map_put(&t->topics, s.topics[i], t);		/* a slice of the member's metadata */
	arena_fini(&arena);
	return is_readable;
}

void group_topics_init(struct group_topics *t, const struct group *g)
{
	map_init(&t->topics);
	t->may_be_any = false;
	LIST_FOREACH(e, &g->in_order) {
		if (!add_topics(t, member_protocol(LIST_ENTRY(e, struct member, link), g->protocol)))
			t->may_be_any = true;
	}
}

void group_topics_fini(struct group_topics *t)
{
	map_fini(&t->topics);
}

bool group_topics_has(const struct group_topics *t, struct slice topic)
{
	return t->may_be_any || map_get(&t->topics, topic) != NULL;
}
