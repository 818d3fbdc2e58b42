/*
 * UpdateMetadata that waits for a member, as a table: what waits, and what is sent.
 *
 * A request is written as its kind (U, L: LeaderAndIsr, S: StopReplica), what is special of it (!: was sent before, e: another broker epoch, c: another controller epoch,
 * 4: version 4), and partition states as topic, id, partition, leader ("tA/0=3"). After it: how many brokers it lists; before, the n-th request lists n.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "controller/active_priv.h"

#define REQUESTS_MAX 8
#define STATES_MAX   8

static const struct row {
	const char *what, *before, *after;
} rows[] = {
	{ "one", "U tA/0=1", "U tA/0=1 (1)" },
	{ "the newest state of each partition, the newest list of brokers", "U tA/0=1 tA/1=2 | U tA/1=3 tA/2=1 | U tA/1=4", "U tA/0=1 tA/1=4 tA/2=1 (3)" },
	{ "topics beside each other", "U tA/0=1 sB/0=2 | U tA/0=3 rC/5=1", "U rC/5=1 sB/0=2 tA/0=3 (2)" },
	{ "brokers only", "U | U | U", "U (3)" },
	{ "brokers, then all", "U | U tA/0=1", "U tA/0=1 (2)" },
	{ "a topic that is going", "U tA/0=1 tA/1=1 | U tA/0=- tA/1=-", "U tA/0=- tA/1=- (2)" },
	{ "one that was sent is sent again as it was", "U! tA/0=1 | U tA/0=2 | U tA/0=3", "U tA/0=1 (1) | U tA/0=3 (3)" },
	{ "a role stands between", "U tA/0=1 | U tA/1=1 | L | U tA/0=2", "U tA/0=1 tA/1=1 (2) | L | U tA/0=2 (4)" },
	{ "a stop stands between", "U tA/0=1 | S | U tA/0=2", "U tA/0=1 (1) | S | U tA/0=2 (3)" },
	{ "a role comes first", "L | U tA/0=1 | U tA/0=2", "L | U tA/0=2 (3)" },
	{ "another life of the broker", "U tA/0=1 | Ue tA/0=2", "U tA/0=1 (1) | U tA/0=2 (2)" },
	{ "another controller", "U tA/0=1 | Uc tA/0=2", "U tA/0=1 (1) | U tA/0=2 (2)" },
	{ "another topic of the same name", "U tA/0=- tA/1=- | U tB/0=1", "U tA/0=- tA/1=- (1) | U tB/0=1 (2)" },
	{ "without topics around partitions", "U4 | U4", "U (1) | U (2)" },
};

struct world {
	struct list                                    queue;
	struct active_request                          requests[REQUESTS_MAX];
	struct update_metadata_request_topic_state     topics[REQUESTS_MAX][STATES_MAX];
	struct update_metadata_request_partition_state states[REQUESTS_MAX][STATES_MAX];
	int                                            count;
};

/* "tA/0=3"; neighbours of one topic are one topic's states. */
static void add_state(struct world *w, const char *token)
{
	struct update_metadata_request *m = &w->requests[w->count].request.update_metadata;
	struct update_metadata_request_topic_state *t = m->topic_states_count > 0 ? &m->topic_states[m->topic_states_count - 1] : NULL;
	struct update_metadata_request_partition_state *all = w->states[w->count];
	int used = 0;

	for (int32_t i = 0; i < m->topic_states_count; i++)
		used += m->topic_states[i].partition_states_count;
	if (t == NULL || t->topic_name.ptr[0] != (uint8_t)token[0]) {
		t = &m->topic_states[m->topic_states_count++];
		update_metadata_request_topic_state_init(t);
		t->topic_name = slice_of(token, 1);
		t->topic_id.bytes[0] = (uint8_t)token[1];
		t->partition_states = &all[used];
	}
	update_metadata_request_partition_state_init(&all[used]);
	all[used].partition_index = token[3] - '0';
	all[used].leader = token[5] == '-' ? LEADER_BEING_DELETED : token[5] - '0';
	t->partition_states_count++;
}

static void add_request(struct world *w, const char *text)
{
	struct active_request *r = &w->requests[w->count];
	struct update_metadata_request *m = &r->request.update_metadata;
	const char *p = text + 1;

	r->key = *text == 'U' ? API_UPDATE_METADATA : *text == 'L' ? API_LEADER_AND_ISR : API_STOP_REPLICA;
	r->version = 8;
	list_init(&r->merged);
	arena_init(&r->arena, SIZE_MAX);
	list_push_back(&w->queue, &r->link);
	if (r->key == API_UPDATE_METADATA) {
		update_metadata_request_init(m);
		m->topic_states = w->topics[w->count];
		m->live_brokers_count = w->count + 1;
		m->controller_epoch = 1;
		m->broker_epoch = 1;
	}
	for (; *p != ' ' && *p != '\0'; p++) {
		r->was_sent = r->was_sent || *p == '!';
		m->broker_epoch += *p == 'e';
		m->controller_epoch += *p == 'c';
		r->version = *p == '4' ? 4 : r->version;
	}
	for (; *p == ' ' && p[1] != '\0' && p[1] != '|'; p += 7)
		add_state(w, p + 1);
	w->count++;
}

static size_t describe(const struct active_request *r, char *out, size_t room)
{
	const struct update_metadata_request *m = &r->request.update_metadata;
	int n = snprintf(out, room, "%s", r->key == API_UPDATE_METADATA ? "U" : r->key == API_LEADER_AND_ISR ? "L" : "S");

	if (r->key != API_UPDATE_METADATA)
		return (size_t)n;
	for (int32_t i = 0; i < m->topic_states_count; i++) {
		const struct update_metadata_request_topic_state *t = &m->topic_states[i];

		for (int32_t k = 0; k < t->partition_states_count; k++) {
			int32_t leader = t->partition_states[k].leader;

			n += snprintf(out + n, room - (size_t)n, " %c%c/%d=%c", t->topic_name.ptr[0], t->topic_id.bytes[0], t->partition_states[k].partition_index,
				      leader == LEADER_BEING_DELETED ? '-' : (char)('0' + leader));
		}
	}
	return (size_t)n + (size_t)snprintf(out + n, room - (size_t)n, " (%d)", m->live_brokers_count);
}

/* As a channel does: the head is merged, and gone; the next. */
static void drain(struct world *w, char *out, size_t room)
{
	size_t n = 0;

	out[0] = '\0';
	while (!list_empty(&w->queue)) {
		active_merge_waiting(&w->queue);
		struct active_request *r = LIST_ENTRY(list_pop_front(&w->queue), struct active_request, link);

		n += (size_t)snprintf(out + n, room - n, "%s", n > 0 ? " | " : "");
		n += describe(r, out + n, room - n);
	}
}

START_TEST(every_row)
{
	const struct row *row = &rows[_i];
	struct world *w = mem_calloc(1, sizeof(*w));
	char text[1024];
	int merged = 0;

	list_init(&w->queue);
	for (const char *p = row->before; p != NULL; p = strstr(p, " | ") != NULL ? strstr(p, " | ") + 3 : NULL)
		add_request(w, p);
	drain(w, text, sizeof(text));
	ck_assert_msg(strcmp(text, row->after) == 0, "%s: %s", row->what, text);
	for (int i = 0; i < w->count; i++) {
		while (list_pop_front(&w->requests[i].merged) != NULL)
			merged++;
		arena_fini(&w->requests[i].arena);
	}
	for (const char *p = row->after; p != NULL; p = strstr(p, " | ") != NULL ? strstr(p, " | ") + 3 : NULL)
		merged++;
	ck_assert_msg(merged == w->count, "%s: %d of %d requests", row->what, merged, w->count);	/* none is lost: each is sent, or part of one */
	free(w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("active_merge");
	TCase *t = tcase_create("queues");

	tcase_add_loop_test(t, every_row, 0, (int)ARRAY_LEN(rows));
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
