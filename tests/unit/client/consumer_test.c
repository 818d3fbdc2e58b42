/* The consumer against a broker that refuses and cuts, over logs made here. */
#include "rig.h"

#include <limits.h>
#include <stdio.h>

#include "client/consumer_priv.h"
#include "record/build.h"

static const struct client_spec rig_spec = RIG_SPEC;

/* Appends a batch of count records whose values are their offsets. */
static void fill(struct fake_broker *b, int partition, int count, enum codec codec)
{
	struct fake_partition *p = &b->partitions[partition];
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct compressor *c = compressor_create();
	struct batch_builder builder;
	struct slice batch;

	spec.codec = codec;
	spec.level = LEVEL_DEFAULT_ZSTD;
	spec.base_offset = p->next_offset;
	spec.leader_epoch = p->cut_at > 0;
	batch_build_begin(&builder, &spec, c, &p->log, p->log.len + (1 << 20));
	for (int i = 0; i < count; i++) {
		char value[100];
		snprintf(value, sizeof(value), "%lld and something to make it longer", (long long)p->next_offset++);
		batch_build_add(&builder, 5000, SLICE_NULL, slice_str(value), NULL, 0);
	}
	ck_assert_int_eq(batch_build_end(&builder, &batch), OK);
	compressor_destroy(&c);
}

struct run {
	struct rig       rig;
	struct consumer *consumer;
	int64_t          next[FAKE_PARTITIONS];		/* what must come next */
	int              records, ends, troubles, failures;
	char             text[400];			/* of the last failure or trouble */
};

static void run_init(struct run *x, uint64_t seed, const struct consumer_spec *spec)
{
	memset(x, 0, sizeof(*x));
	rig_init(&x->rig, seed, &rig_spec);
	consumer_create(&x->consumer, x->rig.client, spec);
}

static void run_fini(struct run *x)
{
	consumer_destroy(&x->consumer);
	rig_fini(&x->rig);
}

static void take(struct run *x, const struct consumer_event *e)
{
	char expected[32];

	ck_assert_str_eq(e->topic, FAKE_TOPIC);
	switch (e->kind) {
	case CONSUMER_RECORD:
		ck_assert_int_eq(e->offset, x->next[e->partition]);
		snprintf(expected, sizeof(expected), "%lld and", (long long)e->offset);
		ck_assert(memcmp(e->record.value.ptr, expected, strlen(expected)) == 0);
		ck_assert_int_eq(e->record.timestamp, 5000);
		x->next[e->partition]++;
		x->records++;
		break;
	case CONSUMER_END:
		ck_assert_int_eq(e->offset, x->next[e->partition]);
		x->ends++;
		break;
	case CONSUMER_TROUBLE:
		snprintf(x->text, sizeof(x->text), "%s", e->error->text);
		x->troubles++;
		break;
	case CONSUMER_FAILED:
		snprintf(x->text, sizeof(x->text), "%s", e->error->text);
		x->failures++;
		break;
	}
}

static void run_until(struct run *x, int ms, int ends)
{
	struct consumer_event e;

	for (int i = 0; i < ms && x->ends + x->failures < ends; i++) {
		rig_step(&x->rig);
		while (consumer_next(x->consumer, &e))
			take(x, &e);
	}
	ck_assert_int_ge(x->ends + x->failures, ends);
}

START_TEST(reads_everything_once)
{
	struct consumer_spec spec = CONSUMER_SPEC_INIT;
	struct run x;

	spec.partition_bytes_max = _i % 2 ? 300 : 1 << 20;	/* small: batches are cut off at the end of an answer */
	run_init(&x, (uint64_t)_i, &spec);
	for (int i = 0; i < 60; i++)
		fill(x.rig.broker, i % FAKE_PARTITIONS, 1 + i % 9, (enum codec)(i % CODEC_COUNT));
	if (_i % 3 == 0)
		x.rig.broker->faults = (struct fake_faults){ .refuse = 100, .cut_before = 50 };
	for (int p = 0; p < FAKE_PARTITIONS; p++)
		consumer_assign(x.consumer, FAKE_TOPIC, p, CONSUMER_EARLIEST);
	run_until(&x, 60000, FAKE_PARTITIONS);
	for (int p = 0; p < FAKE_PARTITIONS; p++)
		ck_assert_int_eq(x.next[p], x.rig.broker->partitions[p].next_offset);
	fill(x.rig.broker, 1, 5, CODEC_NONE);
	run_until(&x, 60000, FAKE_PARTITIONS + 1);	/* the end is told again */
	ck_assert_int_eq(x.next[1], x.rig.broker->partitions[1].next_offset);
	run_fini(&x);
}
END_TEST

START_TEST(begins_where_it_is_told)
{
	static const struct consumer_spec spec = CONSUMER_SPEC_INIT;
	struct run x;

	run_init(&x, 1, &spec);
	fill(x.rig.broker, 0, 10, CODEC_ZSTD);
	fill(x.rig.broker, 1, 10, CODEC_NONE);
	consumer_assign(x.consumer, FAKE_TOPIC, 0, 7);		/* inside a batch */
	consumer_assign(x.consumer, FAKE_TOPIC, 1, CONSUMER_LATEST);
	x.next[0] = 7;
	x.next[1] = 10;
	run_until(&x, 5000, 2);
	ck_assert_int_eq(x.records, 3);
	run_fini(&x);
}
END_TEST

START_TEST(offsets_that_are_not_there)
{
	static const struct consumer_spec spec = CONSUMER_SPEC_INIT;
	struct run x;

	run_init(&x, 1, &spec);
	consumer_assign(x.consumer, FAKE_TOPIC, 0, 1);
	run_until(&x, 5000, 1);
	ck_assert_int_eq(x.failures, 1);
	ck_assert_msg(strstr(x.text, "OFFSET_OUT_OF_RANGE") != NULL, "%s", x.text);
	run_fini(&x);
}
END_TEST

START_TEST(damage_is_found)
{
	static const struct consumer_spec spec = CONSUMER_SPEC_INIT;
	struct run x;

	run_init(&x, 1, &spec);
	fill(x.rig.broker, 0, 3, CODEC_NONE);
	size_t whole = x.rig.broker->partitions[0].log.len;
	fill(x.rig.broker, 0, 3, CODEC_NONE);
	x.rig.broker->partitions[0].log.ptr[whole + 70 + (size_t)_i] ^= 1;
	consumer_assign(x.consumer, FAKE_TOPIC, 0, 0);
	run_until(&x, 5000, 1);
	ck_assert_int_eq(x.records, 3);
	ck_assert_msg(strstr(x.text, "damaged batch at offset 3") != NULL, "%s", x.text);
	run_fini(&x);
}
END_TEST

/* Steps, and hands out count records at most. */
static void run_for(struct run *x, int ms, int count)
{
	struct consumer_event e;

	for (int i = 0; i < ms; i++) {
		rig_step(&x->rig);
		for (int had = x->records; x->records - had < count && consumer_next(x->consumer, &e);)
			take(x, &e);
		if (x->records >= count)
			return;
	}
}

/* Seeks forth and back, from the midst of compressed batches and of calls. */
START_TEST(goes_where_it_is_sent)
{
	static const struct consumer_spec spec = CONSUMER_SPEC_INIT;
	struct consumer_position position;
	struct run x;

	run_init(&x, (uint64_t)_i, &spec);
	for (int i = 0; i < 10; i++)
		fill(x.rig.broker, 0, 10, (enum codec)(_i % CODEC_COUNT));
	consumer_assign(x.consumer, FAKE_TOPIC, 0, 0);
	ck_assert(!consumer_seek(x.consumer, FAKE_TOPIC, 1, 0));
	for (int round = 0; round < 40; round++) {
		int64_t to = (round * 37) % 100;

		x.records = 0;
		ck_assert(consumer_seek(x.consumer, FAKE_TOPIC, 0, to));
		x.next[0] = to;
		if (round % 3 == 0)
			rig_step(&x.rig);	/* so that a call is under way when it is sent on */
		run_for(&x, round % 4 == 0 ? 1 : 200, 1 + round % 25);
		ck_assert(consumer_position(x.consumer, FAKE_TOPIC, 0, &position));
		ck_assert_int_eq(position.offset, x.next[0]);
	}
	ck_assert(consumer_seek(x.consumer, FAKE_TOPIC, 0, CONSUMER_EARLIEST));
	x.next[0] = x.records = x.ends = 0;
	run_until(&x, 5000, 1);
	ck_assert_int_eq(x.records, 100);
	ck_assert(consumer_unassign(x.consumer, FAKE_TOPIC, 0));
	ck_assert(!consumer_unassign(x.consumer, FAKE_TOPIC, 0));
	fill(x.rig.broker, 0, 3, CODEC_NONE);
	run_for(&x, 300, INT_MAX);
	ck_assert_int_eq(x.records, 100);
	run_fini(&x);
}
END_TEST

START_TEST(waits_while_it_is_paused)
{
	static const struct consumer_spec spec = CONSUMER_SPEC_INIT;
	struct run x;

	run_init(&x, (uint64_t)_i, &spec);
	fill(x.rig.broker, 0, 50, (enum codec)(_i % CODEC_COUNT));
	fill(x.rig.broker, 1, 50, (enum codec)(_i % CODEC_COUNT));
	consumer_assign(x.consumer, FAKE_TOPIC, 0, 0);
	consumer_assign(x.consumer, FAKE_TOPIC, 1, 0);
	run_for(&x, 2000, 7);		/* in the midst of a batch */
	int first = x.next[0] > 0 ? 0 : 1;
	ck_assert_int_eq(x.next[first], 7);
	ck_assert(consumer_pause(x.consumer, FAKE_TOPIC, first, true));
	run_for(&x, 500, INT_MAX);
	ck_assert_int_eq(x.next[first], 7);
	ck_assert_int_eq(x.next[1 - first], 50);
	ck_assert(consumer_pause(x.consumer, FAKE_TOPIC, first, false));
	run_for(&x, 500, INT_MAX);
	ck_assert_int_eq(x.next[first], 50);
	ck_assert_int_eq(x.records, 100);
	run_fini(&x);
}
END_TEST

START_TEST(begins_anew_where_there_is_something)
{
	struct consumer_spec spec = CONSUMER_SPEC_INIT;
	struct run x;

	spec.reset = _i == 0 ? CONSUMER_EARLIEST : CONSUMER_LATEST;
	run_init(&x, 1, &spec);
	fill(x.rig.broker, 0, 5, CODEC_NONE);
	fill(x.rig.broker, 0, 5, CODEC_NONE);
	x.rig.broker->partitions[0].log_start_offset = 5;
	consumer_assign(x.consumer, FAKE_TOPIC, 0, 2);
	x.next[0] = _i == 0 ? 5 : 10;
	run_until(&x, 5000, 1);
	ck_assert_int_eq(x.records, _i == 0 ? 5 : 0);
	ck_assert_int_eq(x.troubles, 1);
	ck_assert_msg(strstr(x.text, "offset 2 is not there; reading goes on from") != NULL, "%s", x.text);
	run_fini(&x);
}
END_TEST

/* A leader that has lost what was read already: with a rule reading goes on where both logs part, and it is told; without one it is an error. */
START_TEST(a_log_that_was_cut_off_is_noticed)
{
	struct consumer_spec spec = CONSUMER_SPEC_INIT;
	struct fake_partition *p;
	struct run x;

	spec.reset = _i == 0 ? CONSUMER_LATEST : 0;
	run_init(&x, 1, &spec);
	p = &x.rig.broker->partitions[0];
	fill(x.rig.broker, 0, 5, CODEC_NONE);
	size_t whole = p->log.len;
	fill(x.rig.broker, 0, 5, CODEC_NONE);
	consumer_assign(x.consumer, FAKE_TOPIC, 0, 0);
	run_until(&x, 5000, 1);
	ck_assert_int_eq(x.records, 10);
	strbuf_truncate(&p->log, whole);
	p->next_offset = p->cut_at = 5;
	fill(x.rig.broker, 0, 8, CODEC_NONE);	/* longer than it was: by its offset alone nobody would notice */
	if (_i == 0)
		x.next[0] = 5;
	x.ends = 0;
	run_until(&x, 5000, 1);
	ck_assert_int_eq(x.failures, _i);
	ck_assert_int_eq(x.records, _i == 0 ? 18 : 10);
	ck_assert_msg(strstr(x.text, "cut off") != NULL, "%s", x.text);
	run_fini(&x);
}
END_TEST

static void fill_transaction(struct fake_broker *b, int64_t producer_id, int count)
{
	struct fake_partition *p = &b->partitions[0];
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct batch_builder builder;
	struct slice batch;

	spec.base_offset = p->next_offset;
	spec.producer_id = producer_id;
	spec.producer_epoch = 0;
	spec.base_sequence = 0;
	spec.is_transactional = true;
	batch_build_begin(&builder, &spec, NULL, &p->log, p->log.len + (1 << 20));
	for (int i = 0; i < count; i++)
		batch_build_add(&builder, 5000, SLICE_NULL, SLICE_LIT("in a transaction"), NULL, 0);
	ck_assert_int_eq(batch_build_end(&builder, &batch), OK);
	p->next_offset += count;
}

static void fill_marker(struct fake_broker *b, int64_t producer_id, enum marker_type type)
{
	struct fake_partition *p = &b->partitions[0];
	const struct marker m = { .type = type, .producer_id = producer_id, .timestamp = 5000 };
	struct slice batch = marker_build(&m, &p->log);

	batch_set_base_offset((uint8_t *)p->log.ptr + p->log.len - batch.len, p->next_offset++);
}

/* Two transactions among one another: one is aborted, the other is not; afterwards the same producer commits. Read committed, uncommitted, and each with its markers. */
START_TEST(what_was_aborted_is_left_out)
{
	static const int64_t expected[4][10] = { { 2, 3, 6, 7, -1 }, { 0, 1, 2, 3, 6, 7, -1 }, { 2, 3, 4, 5, 6, 7, 8, -1 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, -1 } };
	struct consumer_spec spec = CONSUMER_SPEC_INIT;
	struct consumer_event e;
	struct run x;
	int n = 0;

	spec.is_read_committed = _i % 2 == 0;
	spec.wants_control = _i >= 2;
	run_init(&x, 1, &spec);
	fill_transaction(x.rig.broker, 7, 2);		/* 0, 1: aborted */
	fill_transaction(x.rig.broker, 8, 2);		/* 2, 3 */
	fill_marker(x.rig.broker, 7, MARKER_ABORT);	/* 4 */
	fill_marker(x.rig.broker, 8, MARKER_COMMIT);	/* 5 */
	fill_transaction(x.rig.broker, 7, 2);		/* 6, 7 */
	fill_marker(x.rig.broker, 7, MARKER_COMMIT);	/* 8 */
	x.rig.broker->partitions[0].aborted_producer = 7;
	x.rig.broker->partitions[0].aborted_first = 0;
	consumer_assign(x.consumer, FAKE_TOPIC, 0, 0);
	for (int i = 0; i < 1000 && x.ends == 0; i++) {
		rig_step(&x.rig);
		while (consumer_next(x.consumer, &e)) {
			if (e.kind == CONSUMER_END)
				x.ends++;
			if (e.kind != CONSUMER_RECORD)
				continue;
			ck_assert_int_eq(e.offset, expected[_i][n]);
			ck_assert(e.is_control == (e.offset == 4 || e.offset == 5 || e.offset == 8));
			ck_assert_int_eq(e.producer_id, e.offset == 2 || e.offset == 3 || e.offset == 5 ? 8 : 7);
			n++;
		}
	}
	ck_assert_int_eq(expected[_i][n], -1);
	ck_assert_int_eq(e.offset, 9);
	run_fini(&x);
}
END_TEST

/* A program that does not read holds fetch_bytes_max, and one answer to each broker, no more. */
START_TEST(unread_bytes_are_bounded)
{
	struct consumer_spec spec = CONSUMER_SPEC_INIT;
	struct run x;

	spec.fetch_bytes_max = 3000;
	spec.partition_bytes_max = 1000;
	run_init(&x, 1, &spec);
	for (int i = 0; i < 300; i++)
		fill(x.rig.broker, i % FAKE_PARTITIONS, 5, CODEC_NONE);
	for (int p = 0; p < FAKE_PARTITIONS; p++)
		consumer_assign(x.consumer, FAKE_TOPIC, p, 0);
	for (int i = 0; i < 2000; i++) {
		rig_step(&x.rig);
		ck_assert_int_le(x.consumer->unread_bytes, 6000);
	}
	ck_assert_int_gt(x.consumer->unread_bytes, 2000);
	run_until(&x, 5000, FAKE_PARTITIONS);
	ck_assert_int_eq(x.records, 1500);
	ck_assert_int_eq(x.consumer->unread_bytes, 0);
	run_fini(&x);
}
END_TEST

/* The leader names a replica that nobody knows: it is tried, and the leader read from all the same. */
START_TEST(a_replica_that_cannot_be_read_from)
{
	struct consumer_spec spec = CONSUMER_SPEC_INIT;
	struct run x;

	spec.rack = "here";
	run_init(&x, 1, &spec);
	fill(x.rig.broker, 0, 5, CODEC_NONE);
	x.rig.broker->partitions[0].preferred_replica = 2;
	consumer_assign(x.consumer, FAKE_TOPIC, 0, 0);
	run_until(&x, 5000, 1);
	ck_assert_int_eq(x.records, 5);
	fill(x.rig.broker, 0, 5, CODEC_NONE);
	run_until(&x, 5000, 2);
	ck_assert_int_eq(x.records, 10);
	run_fini(&x);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("consumer");
	TCase *tc = tcase_create("consumer");
	SRunner *sr = srunner_create(s);

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, reads_everything_once, 0, 20);
	tcase_add_test(tc, begins_where_it_is_told);
	tcase_add_test(tc, offsets_that_are_not_there);
	tcase_add_loop_test(tc, damage_is_found, 0, 10);
	tcase_add_loop_test(tc, goes_where_it_is_sent, 0, 10);
	tcase_add_loop_test(tc, waits_while_it_is_paused, 0, 5);
	tcase_add_loop_test(tc, begins_anew_where_there_is_something, 0, 2);
	tcase_add_loop_test(tc, a_log_that_was_cut_off_is_noticed, 0, 2);
	tcase_add_loop_test(tc, what_was_aborted_is_left_out, 0, 4);
	tcase_add_test(tc, unread_bytes_are_bounded);
	tcase_add_test(tc, a_replica_that_cannot_be_read_from);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
