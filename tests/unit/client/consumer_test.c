/* The consumer against a broker that refuses and cuts, over logs made here. */
#include "rig.h"

#include <stdio.h>

#include "client/consumer.h"
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
	char             text[400];			/* of the last failure */
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
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
