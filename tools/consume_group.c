/*
 * skein consume as a member of a group. What is committed has been written: before partitions are given back, once a second, and in the end.
 */
#include "consume.h"

#include <stdlib.h>
#include <string.h>

#define COMMIT_EVERY_MS  1000
#define LEAVE_TIMEOUT_MS 5000

void consume_set_group_trouble(struct consume *x, const char *text)
{
	free(x->group_trouble);
	x->group_trouble = text == NULL ? NULL : mem_strdup(text);
}

void consume_join(struct consume *x)
{
	struct group_member_spec spec = config_member_spec(&x->config);

	spec.group = x->group;
	spec.topics = x->topics;
	spec.topic_count = x->topic_count;
	group_member_create(&x->member, x->client, &spec);
}

void consume_group_discover(struct consume *x)
{
	if (x->group == NULL || x->pattern == NULL || !topic_pattern_changed(x->pattern) || !consume_take_matching(x))
		return;
	if (x->member != NULL)
		group_member_subscribe(x->member, x->topics, x->topic_count);
	else if (x->topic_count > 0)		/* what it has waited for */
		consume_join(x);
}

/* Eager assignors have taken everything away before; a cooperative one only adds. */
static void take_assignment(struct consume *x, const struct group_event *e)
{
	struct group_partition *list = mem_calloc((size_t)e->count + 1, sizeof(*list));
	int32_t count = e->count;

	if (count > 0)
		memcpy(list, e->partitions, (size_t)count * sizeof(*list));	/* the event ends with the next turn, which adding may take */
	if (x->consumer == NULL)
		consume_set_places(x, NULL, 0);
	for (int i = 0; i < count; i++) {
		struct place *p = consume_add_place(x, list[i].topic, list[i].partition);
		if (p != NULL && list[i].offset >= 0)
			consumer_assign(x->consumer, p->topic, p->partition, list[i].offset);
		else if (p != NULL)
			consume_begin(x, p);
	}
	free(list);
	x->commit_at = os_mono_ms(os_real()) + COMMIT_EVERY_MS;
}

/* With the last of them the consumer goes: what there is to be read is not known then. */
static void give_back(struct consume *x, const struct group_partition *list, int32_t count)
{
	for (int32_t i = 0; i < count; i++)
		consume_remove_place(x, list[i].topic, list[i].partition);
	if (x->place_count == 0)
		consume_drop_places(x);
}

/* What has been written, in a list that the caller frees. */
static int32_t list_positions(struct consume *x, struct group_partition **out)
{
	struct group_partition *list = mem_calloc((size_t)x->place_count + 1, sizeof(*list));
	int32_t n = 0;

	*out = list;
	consume_flush(x);
	for (int i = 0; i < x->place_count; i++) {
		const struct place *p = &x->places[i];
		if (p->written >= 0)
			list[n++] = (struct group_partition){ .topic = p->topic, .partition = p->partition, .offset = p->written, .leader_epoch = p->written_epoch };
	}
	return n;
}

static void on_group_event(struct consume *x, const struct group_event *e)
{
	struct group_partition *list, *revoked;
	int32_t n, revoked_count;

	switch (e->kind) {
	case GROUP_ASSIGNED:
		consume_set_group_trouble(x, NULL);
		take_assignment(x, e);
		break;
	case GROUP_REVOKED:
	case GROUP_LOST:
		revoked = mem_calloc((size_t)e->count + 1, sizeof(*revoked));
		revoked_count = e->count;
		if (revoked_count > 0)
			memcpy(revoked, e->partitions, (size_t)revoked_count * sizeof(*revoked));	/* writing may take a turn, which ends the event */
		n = list_positions(x, &list);
		group_member_release(x->member, list, n);
		give_back(x, revoked, revoked_count);
		free(list);
		free(revoked);
		break;
	case GROUP_TROUBLE:
		tool_say("%s; trying on", e->error->text);
		consume_set_group_trouble(x, e->error->text);
		break;
	case GROUP_FAILED:
		x->code = tool_fail(e->error);
		x->has_failed = true;
		break;
	}
}

bool consume_group_turn(struct consume *x)
{
	struct group_event e;
	struct group_partition *list;
	mono_ms now = os_mono_ms(os_real());

	if (x->member == NULL)
		return false;
	if (x->consumer != NULL && now >= x->commit_at) {
		int32_t n = list_positions(x, &list);

		if (group_member_commit(x->member, list, n))
			x->commit_at = now + COMMIT_EVERY_MS;
		free(list);
	}
	if (!group_member_next(x->member, &e))
		return false;
	on_group_event(x, &e);
	return true;
}

void consume_leave(struct consume *x)
{
	struct group_partition *list;
	struct client_error error;
	int32_t n;

	if (x->member == NULL)
		return;
	n = list_positions(x, &list);
	if (group_member_leave(x->member, list, n, LEAVE_TIMEOUT_MS, &error) != OK) {
		tool_say("what was printed last is not committed, and will be read again: %s", error.text);
		if (x->code == EXIT_OK)
			x->code = x->output.written > 0 ? EXIT_PARTIAL : tool_exit_code(&error);
	} else if (x->output.is_broken) {
		tool_say("group %s stands behind the last record that was written", x->group);
	}
	free(list);
}
