/*
 * ListOffsets and OffsetForLeaderEpoch: what is asked of partitions, and what becomes of answers.
 */
#include <stdlib.h>

#include "rig.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/offset_for_leader_epoch.h"

extern const struct api_row list_offsets_row, offset_for_leader_epoch_row;

static struct partition_addr *addr;

static void setup(void)
{
	static const int32_t own[] = { 0 };

	rig_setup();
	addr = rig_addr_create();
	const struct cluster_partition_spec specs[] = {
		{ .id = 0, .replicas = own, .replica_count = 1, .isr = own, .isr_count = 1,
		  .local = &addr->counted },
		{ .id = 1, .replicas = own, .replica_count = 1, .isr = own, .isr_count = 1 },
	};
	rig_add_topic("t", UUID_ZERO, specs, 2);
	ck_assert_uint_eq(rig_addr_refs(addr), 2);	/* ours and the topic's */
}

static void teardown(void)
{
	ck_assert_uint_eq(rig_addr_refs(addr), 2);	/* handlers gave back what they took */
	rig_teardown();
	partition_addr_unref(&addr);
}

/* Partitions of topic "t", all with this timestamp. */
static struct call *ask(int16_t version, int64_t timestamp, const int32_t *partitions, int32_t n)
{
	struct call *c = rig_call(&list_offsets_row, version);
	struct list_offsets_request *r = c->request;

	list_offsets_request_init(r);
	r->replica_id = REPLICA_CONSUMER;
	r->topics = arena_calloc(&c->arena, 1, sizeof(*r->topics));
	r->topics_count = 1;
	r->topics->name = SLICE_LIT("t");
	r->topics->partitions = arena_calloc(&c->arena, (size_t)n, sizeof(*r->topics->partitions));
	r->topics->partitions_count = n;
	for (int32_t i = 0; i < n; i++) {
		list_offsets_request_partition_init(&r->topics->partitions[i]);
		r->topics->partitions[i].partition_index = partitions[i];
		r->topics->partitions[i].timestamp = timestamp;
	}
	return c;
}

static struct partition_list_offsets *question(int i)
{
	ck_assert_int_lt(i, rig.asked_count);
	ck_assert_int_eq(rig.asked[i]->kind, PARTITION_list_offsets);
	return (struct partition_list_offsets *)rig.asked[i];
}

static const struct list_offsets_response_partition *answer(struct call *c, int i)
{
	const struct list_offsets_response *out = rig_response(c);

	ck_assert_int_eq(out->topics_count, 1);
	ck_assert_int_lt(i, out->topics->partitions_count);
	return &out->topics->partitions[i];
}

START_TEST(kinds_that_came_with_later_versions)
{
	static const struct {
		int64_t timestamp;
		int     since;
	} kinds[] = {
		{ 0, 0 }, { -1, 0 }, { -2, 0 }, { -3, 7 }, { -4, 8 }, { -5, 9 }, { -6, 99 },
		{ INT64_MIN, 99 }, { INT64_MAX, 0 },
	};
	const int32_t partitions[] = { 0 };

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		for (int16_t v = 0; v <= 9; v++) {
			struct call *c = ask(v, kinds[k].timestamp, partitions, 1);

			rig.asked_count = 0;
			rig_begin(c);
			ck_assert_int_eq(rig.asked_count, v >= kinds[k].since);
			if (rig.asked_count == 1) {
				ck_assert_int_eq(question(0)->timestamp, kinds[k].timestamp);
				ck_assert_int_eq(question(0)->old_style, v == 0);
				question(0)->found = (struct log_time_offset){ 11, 22, 3 };
				rig_answer(c, 0);
				ck_assert_int_eq(answer(c, 0)->offset, v == 0 ? -1 : 22);
				ck_assert_int_eq(answer(c, 0)->leader_epoch, v >= 4 ? 3 : -1);
			} else {
				ck_assert_int_eq(answer(c, 0)->error_code, UNSUPPORTED_VERSION);
			}
			rig_free(&c);
		}
	}
}
END_TEST

START_TEST(errors_old_clients_do_not_know)
{
	const int32_t partitions[] = { 0 };

	for (int16_t v = 1; v <= 9; v++) {
		struct call *c = ask(v, -1, partitions, 1);

		rig.asked_count = 0;
		rig_begin(c);
		question(0)->error = OFFSET_NOT_AVAILABLE;
		rig_answer(c, 0);
		ck_assert_int_eq(answer(c, 0)->error_code, v <= 4 ? LEADER_NOT_AVAILABLE
		                 : OFFSET_NOT_AVAILABLE);
		ck_assert_int_eq(answer(c, 0)->offset, -1);
		rig_free(&c);
	}
}
END_TEST

START_TEST(partitions_that_are_not_asked)
{
	const int32_t partitions[] = { 0, 1, 2, 0 };
	struct call *c = ask(9, -1, partitions, 4);

	rig_begin(c);
	ck_assert_int_eq(rig.asked_count, 0);
	/* listed twice, at both places */
	ck_assert_int_eq(answer(c, 0)->error_code, INVALID_REQUEST);
	ck_assert_int_eq(answer(c, 1)->error_code, NOT_LEADER_OR_FOLLOWER);
	ck_assert_int_eq(answer(c, 2)->error_code, UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(answer(c, 3)->error_code, INVALID_REQUEST);
	rig_free(&c);

	addr->is_open = false;
	c = ask(9, -1, partitions, 1);
	rig_begin(c);
	ck_assert_int_eq(answer(c, 0)->error_code, NOT_LEADER_OR_FOLLOWER);
	rig_free(&c);
}
END_TEST

START_TEST(version_0_answers_a_partition_twice)
{
	const int32_t partitions[] = { 0, 0 };
	struct call *c = ask(0, -1, partitions, 2);

	rig_begin(c);
	ck_assert_int_eq(rig.asked_count, 2);
	rig_answer(c, 1);
	rig_answer(c, 0);
	ck_assert_int_eq(answer(c, 0)->error_code, NONE);
	rig_free(&c);
}
END_TEST

/* The partition has 40 segments: the first round has room for 16 of the 100 wanted. */
START_TEST(version_0_asks_again_for_the_rest)
{
	const int32_t partitions[] = { 0 };
	struct call *c = ask(0, -1, partitions, 1);
	int rounds = 0, room = 0;

	((struct list_offsets_request *)c->request)->topics->partitions[0].max_num_offsets = 100;
	rig_begin(c);
	while (!rig_has_ended(c)) {
		struct partition_list_offsets *m = question(rounds);

		ck_assert_int_gt(m->offsets_max, room);
		room = m->offsets_max;
		m->error = NONE;
		m->offsets_count = MIN(40, m->offsets_max);
		for (int i = 0; i < m->offsets_count; i++)
			m->offsets[i] = 40 - i;
		rig_answer(c, rounds++);
		ck_assert_int_lt(rounds, 5);
	}
	ck_assert_int_eq(rounds, 2);
	ck_assert_int_eq(answer(c, 0)->old_style_offsets_count, 40);
	ck_assert_int_eq(answer(c, 0)->old_style_offsets[39], 1);
	rig_free(&c);
}
END_TEST

START_TEST(no_offsets_wanted)
{
	const int32_t partitions[] = { 0 };
	const int32_t wanted[] = { 0, -1, INT32_MIN };

	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		struct call *c = ask(0, -1, partitions, 1);

		((struct list_offsets_request *)c->request)->topics->partitions[0].max_num_offsets =
			wanted[i];
		rig.asked_count = 0;
		rig_begin(c);
		ck_assert_int_eq(question(0)->max_offsets, 0);
		rig_answer(c, 0);
		ck_assert_int_eq(answer(c, 0)->old_style_offsets_count, 0);
		rig_free(&c);
	}
}
END_TEST

START_TEST(who_asks)
{
	static const struct { int32_t sent, asked; } ids[] = {
		{ -1, REPLICA_CONSUMER }, { -2, REPLICA_DEBUG }, { -3, 0 }, { 0, 0 }, { 7, 7 },
	};
	const int32_t partitions[] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		struct call *c = ask(7, -1, partitions, 1);

		((struct list_offsets_request *)c->request)->replica_id = ids[i].sent;
		rig.asked_count = 0;
		rig_begin(c);
		ck_assert_int_eq(question(0)->replica_id, ids[i].asked);
		rig_answer(c, 0);
		rig_free(&c);
	}
	struct call *c = ask(7, -1, partitions, 1);
	((struct list_offsets_request *)c->request)->isolation_level = 2;
	rig_begin(c);
	ck_assert_int_eq(answer(c, 0)->error_code, UNKNOWN_SERVER_ERROR);
	rig_free(&c);
}
END_TEST

START_TEST(where_an_epoch_ended)
{
	for (int16_t v = 0; v <= 4; v++) {
		struct call *c = rig_call(&offset_for_leader_epoch_row, v);
		struct offset_for_leader_epoch_request *r = c->request;
		struct offset_for_leader_epoch_request_partition parts[3];
		struct offset_for_leader_epoch_request_topic topic = {
			.topic = SLICE_LIT("t"), .partitions = parts, .partitions_count = 3,
		};

		offset_for_leader_epoch_request_init(r);
		for (int i = 0; i < 3; i++) {
			offset_for_leader_epoch_request_partition_init(&parts[i]);
			parts[i].partition = i;
			parts[i].leader_epoch = 5;
		}
		r->topics = &topic;
		r->topics_count = 1;
		rig.asked_count = 0;
		rig_begin(c);
		ck_assert_int_eq(rig.asked_count, 1);
		struct partition_epoch_end *m = (struct partition_epoch_end *)rig.asked[0];
		ck_assert_int_eq(m->leader_epoch, 5);
		ck_assert_int_eq(m->current_leader_epoch, -1);
		m->epoch = 4;
		m->end_offset = 44;
		rig_answer(c, 0);
		const struct offset_for_leader_epoch_response *out = rig_response(c);
		const struct offset_for_leader_epoch_response_partition *p =
			out->topics[0].partitions;
		ck_assert_int_eq(p[0].error_code, NONE);
		ck_assert_int_eq(p[0].leader_epoch, 4);
		ck_assert_int_eq(p[0].end_offset, 44);
		ck_assert_int_eq(p[1].error_code, NOT_LEADER_OR_FOLLOWER);
		ck_assert_int_eq(p[2].error_code, UNKNOWN_TOPIC_OR_PARTITION);
		ck_assert_int_eq(p[2].end_offset, -1);
		rig_free(&c);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("offsets");
	TCase *tc = tcase_create("offsets");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, kinds_that_came_with_later_versions);
	tcase_add_test(tc, errors_old_clients_do_not_know);
	tcase_add_test(tc, partitions_that_are_not_asked);
	tcase_add_test(tc, version_0_answers_a_partition_twice);
	tcase_add_test(tc, version_0_asks_again_for_the_rest);
	tcase_add_test(tc, no_offsets_wanted);
	tcase_add_test(tc, who_asks);
	tcase_add_test(tc, where_an_epoch_ended);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
