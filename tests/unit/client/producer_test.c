/*
 * The producer against a broker that refuses, doubts, cuts and swallows: what it says about each record is held against the
 * log in the end.
 */
#include "../../slowness.h"
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/murmur2.h"
#include "client/producer.h"

#define RECORDS 400

static const struct client_spec rig_spec = RIG_SPEC;

struct fate {
	bool     is_told;
	enum err err;
	int32_t  partition;
	int64_t  offset;
};

struct run {
	struct rig       rig;
	struct producer *producer;
	struct fate      fates[RECORDS];
	int              sent;
	int              seen[RECORDS];		/* how often in the log */
	int              ok_count, failed_count;
	char             text[400];		/* of the first failure */
};

static void on_delivery(void *arg, const struct producer_delivery *d)
{
	struct run *x = arg;
	int number = (int)(intptr_t)d->tag;

	ck_assert_str_eq(d->topic, FAKE_TOPIC);
	ck_assert_int_lt(number, RECORDS);
	ck_assert(!x->fates[number].is_told);
	x->fates[number] = (struct fate){ true, d->error->err, d->partition, d->offset };
	if (d->error->err == OK)
		x->ok_count++;
	else if (x->failed_count++ == 0)
		snprintf(x->text, sizeof(x->text), "%s", d->error->text);
}

static void run_init(struct run *x, uint64_t seed, struct producer_spec spec)
{
	struct client_error error;

	memset(x, 0, sizeof(*x));
	rig_init(&x->rig, seed, &rig_spec);
	spec.on_delivery = on_delivery;
	spec.arg = x;
	ck_assert_int_eq(producer_create(&x->producer, x->rig.client, &spec, &error), OK);
}

static void run_fini(struct run *x)
{
	producer_destroy(&x->producer);
	rig_fini(&x->rig);
}

/* Record n is the text of n, its key that of n % 17 for every other one. */
static enum err send_one(struct run *x, int32_t partition, struct client_error *error)
{
	char key[16], value[64];
	struct producer_record r = { .topic = SLICE_LIT(FAKE_TOPIC), .partition = partition, .timestamp = 1000 + x->sent,
				     .tag = (void *)(intptr_t)x->sent };

	snprintf(key, sizeof(key), "k%d", x->sent % 17);
	snprintf(value, sizeof(value), "%d with some text to compress, compress, compress", x->sent);
	r.key = x->sent % 2 ? slice_str(key) : SLICE_NULL;
	r.value = slice_str(value);
	enum err e = producer_send(x->producer, &r, error);
	if (e == OK)
		x->sent++;
	return e;
}

static void send_all(struct run *x, int count, int ms)
{
	struct client_error error;

	for (int i = 0; i < ms && x->sent < count; i++) {
		for (int k = 0; k < 3 && x->sent < count; k++) {
			enum err e = send_one(x, PRODUCER_PARTITION_ANY, &error);
			ck_assert_msg(e == OK || e == ERR_AGAIN, "%s", error.text);
			if (e != OK)
				break;
		}
		rig_step(&x->rig);
	}
	ck_assert_int_eq(x->sent, count);
}

static void drain(struct run *x, int ms)
{
	producer_push(x->producer);
	for (int i = 0; i < ms && producer_pending(x->producer) > 0; i++)
		rig_step(&x->rig);
	ck_assert_int_eq(producer_pending(x->producer), 0);
}

/* Every record in the log was sent, in that order within its partition; what was confirmed is where it was said to be. */
static void check_log(struct run *x, int copies_max)
{
	struct decompressor *stream = decompressor_create();

	for (int p = 0; p < FAKE_PARTITIONS; p++) {
		struct slice rest = strbuf_slice(&x->rig.broker->partitions[p].log), batch;
		int last = -1;
		while (batch_next(&rest, &batch) == OK) {
			struct record_iter it;
			struct record r;
			record_iter_init(&it, batch, stream, 1 << 20);
			while (record_iter_next(&it, &r)) {
				int number = atoi((const char *)r.value.ptr);
				ck_assert_int_lt(number, x->sent);
				if (copies_max == 1)
					ck_assert_int_gt(number, last);
				last = number;
				x->seen[number]++;
				ck_assert_int_eq(r.timestamp, 1000 + number);
				if (number % 2)
					ck_assert_int_eq(murmur2_partition(r.key, FAKE_PARTITIONS), p);
				if (x->fates[number].err == OK && copies_max == 1 && x->fates[number].offset >= 0) {
					ck_assert_int_eq(x->fates[number].partition, p);
					ck_assert_int_eq(x->fates[number].offset, r.offset);
				}
			}
			ck_assert_int_eq(it.err, OK);
			record_iter_fini(&it);
		}
	}
	for (int i = 0; i < x->sent; i++) {
		ck_assert(x->fates[i].is_told);
		ck_assert_int_le(x->seen[i], copies_max);
		if (x->fates[i].err == OK)
			ck_assert_int_ge(x->seen[i], 1);
	}
	decompressor_destroy(&stream);
}

static struct producer_spec spec_of(int seed)
{
	struct producer_spec spec = PRODUCER_SPEC_INIT;

	spec.codec = (enum codec)(seed % CODEC_COUNT);
	spec.linger_ms = seed % 7;
	spec.batch_size = seed % 3 == 0 ? 200 : 16384;
	return spec;
}

START_TEST(delivers)
{
	struct run x;

	run_init(&x, (uint64_t)_i, spec_of(_i));
	send_all(&x, RECORDS, 10000);
	drain(&x, 10000);
	check_log(&x, 1);
	ck_assert_msg(x.ok_count == RECORDS, "%d: %s", x.ok_count, x.text);
	run_fini(&x);
}
END_TEST

START_TEST(each_once_and_in_order_whatever_happens)
{
	struct run x;

	run_init(&x, 100 + (uint64_t)_i, spec_of(_i));
	x.rig.broker->faults = (struct fake_faults){ .refuse = 100, .doubt = 60, .cut_before = 30, .cut_after = 40, .swallow = 10 };
	send_all(&x, RECORDS, 60000);
	for (int i = 0; i < 20000 && producer_pending(x.producer) > 0; i++)
		rig_step(&x.rig);
	x.rig.broker->faults = (struct fake_faults){ .refuse = 0 };
	drain(&x, 60000);
	check_log(&x, 1);
	ck_assert_msg(x.ok_count == RECORDS, "%d: %s", x.ok_count, x.text);
	run_fini(&x);
}
END_TEST

/* Of each number so many lives, each of another seed. */
#define COPIES_MAX 10	/* of a record that was in doubt again and again */
#define LIVES (10 / MIN(SEEDS_SLOWNESS, 10))

/* A batch that fails for good must not take those behind it along, nor let any be written twice. */
START_TEST(goes_on_after_final_failures)
{
	for (int seed = _i; seed < _i + 40 * LIVES; seed += 40) {
		struct run x;

		run_init(&x, 200 + (uint64_t)seed, spec_of(seed));
		x.rig.broker->faults = (struct fake_faults){ .refuse = 50, .doubt = 50, .cut_after = 30, .too_large = 40 };
		send_all(&x, RECORDS, 60000);
		x.rig.broker->faults.too_large = 20;
		drain(&x, 120000);
		check_log(&x, 1);
		ck_assert_int_eq(x.ok_count + x.failed_count, RECORDS);
		ck_assert_int_gt(x.ok_count, 0);
		run_fini(&x);
	}
}
END_TEST

/* Every other life with connections that are cut: that takes answers with it that were on their way, so that their records may be written again. Else nothing is in doubt. */
START_TEST(keeps_order_without_idempotence)
{
	for (int seed = _i; seed < _i + 20 * LIVES; seed += 20) {
		bool is_cut = seed % 2 != 0;
		struct producer_spec spec = spec_of(seed);
		struct run x;

		spec.is_idempotent = false;
		spec.acks = 1;
		run_init(&x, 300 + (uint64_t)seed, spec);
		x.rig.broker->faults = (struct fake_faults){ .refuse = 150, .cut_before = is_cut ? 50 : 0 };
		send_all(&x, RECORDS, 60000);
		drain(&x, 60000);
		check_log(&x, is_cut ? COPIES_MAX : 1);
		ck_assert_msg(x.ok_count == RECORDS, "%d: %s", x.ok_count, x.text);
		run_fini(&x);
	}
}
END_TEST

START_TEST(without_acks)
{
	struct producer_spec spec = spec_of(_i);
	struct run x;

	spec.is_idempotent = false;
	spec.acks = 0;
	run_init(&x, 400 + (uint64_t)_i, spec);
	send_all(&x, RECORDS, 60000);
	drain(&x, 60000);
	for (int i = 0; i < 100; i++)
		rig_step(&x.rig);
	check_log(&x, 1);
	ck_assert_int_eq(x.fates[0].offset, -1);
	run_fini(&x);
}
END_TEST

START_TEST(gives_up_in_time)
{
	struct producer_spec spec = PRODUCER_SPEC_INIT;
	struct run x;

	spec.delivery_timeout_ms = 3000;
	run_init(&x, 5, spec);
	send_all(&x, 10, 1000);
	x.rig.broker->faults.refuse = 1000;
	drain(&x, 5000);
	ck_assert_int_eq(x.failed_count, 10);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(x.fates[i].err, ERR_TIMEOUT);
	x.rig.broker->faults.refuse = 0;
	send_all(&x, 20, 1000);
	drain(&x, 5000);
	ck_assert_int_eq(x.ok_count, 10);
	check_log(&x, 1);
	run_fini(&x);
}
END_TEST

START_TEST(memory_is_bounded)
{
	struct producer_spec spec = PRODUCER_SPEC_INIT;
	struct client_error error;
	struct run x;

	spec.request_size_max = 4096;
	spec.buffer_memory = 8192;
	run_init(&x, 6, spec);
	send_all(&x, 1, 1000);
	x.rig.broker->faults.swallow = 1000;
	while (send_one(&x, PRODUCER_PARTITION_ANY, &error) == OK)
		ck_assert_int_lt(x.sent, RECORDS);
	ck_assert_int_gt(x.sent, 50);
	x.rig.broker->faults.swallow = 0;
	drain(&x, 60000);
	ck_assert_int_eq(send_one(&x, PRODUCER_PARTITION_ANY, &error), OK);
	drain(&x, 60000);
	check_log(&x, 1);
	run_fini(&x);
}
END_TEST

START_TEST(refuses_what_cannot_be)
{
	static char big[2000000];
	struct producer_spec spec = PRODUCER_SPEC_INIT;
	struct producer_record r = { .topic = SLICE_LIT("nothing"), .partition = 0, .value = SLICE_LIT("x"), .timestamp = -1 };
	struct client_error error;
	struct run x;
	enum err e = ERR_AGAIN;

	run_init(&x, 6, spec);
	for (int i = 0; i < 1000 && e == ERR_AGAIN; i++) {
		e = producer_send(x.producer, &r, &error);
		rig_step(&x.rig);
	}
	ck_assert_int_eq(e, ERR_NOT_FOUND);
	send_all(&x, 1, 1000);
	ck_assert_int_eq(send_one(&x, 3, &error), ERR_NOT_FOUND);
	r.topic = SLICE_LIT(FAKE_TOPIC);
	r.value = slice_of(big, sizeof(big));
	ck_assert_int_eq(producer_send(x.producer, &r, &error), ERR_TOO_LARGE);
	run_fini(&x);
	ck_assert_int_eq(x.fates[0].err, ERR_CLOSED);	/* told when the producer was destroyed */
}
END_TEST

/* Every batch is at first larger than the topic takes, whatever comes of the others at the same time. */
START_TEST(splits_what_is_too_large)
{
	struct producer_spec spec = spec_of(_i % 5);
	bool has_faults = _i >= 20;
	struct run x;

	spec.batch_size = 16384;
	spec.linger_ms = 100;
	if (_i % 4 == 3) {
		spec.is_idempotent = false;
		spec.acks = 1;
	}
	run_init(&x, 500 + (uint64_t)_i, spec);
	x.rig.broker->batch_bytes_max = 300;		/* of records of 85 bytes: more for those that are compressed */
	if (has_faults)
		x.rig.broker->faults = (struct fake_faults){ .refuse = 100, .cut_before = 50 };
	send_all(&x, RECORDS, 60000);
	drain(&x, 60000);
	check_log(&x, 1);
	ck_assert_msg(x.ok_count == RECORDS, "%d: %s", x.ok_count, x.text);
	ck_assert_int_gt(x.rig.broker->too_large, 0);
	if (!has_faults)
		ck_assert_int_le(x.rig.broker->too_large, 30);	/* remembered: not once per batch that is written */
	run_fini(&x);
}
END_TEST

/* Pieces count for the memory what their batch did, and a record that is too large alone takes nothing along. */
START_TEST(one_record_is_not_split)
{
	static char big[5000];
	struct producer_spec spec = PRODUCER_SPEC_INIT;
	struct producer_record r = { .topic = SLICE_LIT(FAKE_TOPIC), .partition = 0, .timestamp = 1000 };
	struct client_error error;
	struct run x;

	spec.buffer_memory = spec.request_size_max = 20000;
	spec.linger_ms = 100;
	run_init(&x, 7, spec);
	send_all(&x, 1, 1000);
	x.rig.broker->batch_bytes_max = 2000;
	for (int round = 0; round < 10; round++) {
		for (int k = 0; k < 5; k++)
			ck_assert_int_eq(send_one(&x, 0, &error), OK);
		r.value = slice_of(big, sizeof(big));
		r.tag = (void *)(intptr_t)x.sent++;
		ck_assert_int_eq(producer_send(x.producer, &r, &error), OK);
		for (int k = 0; k < 5; k++)
			ck_assert_int_eq(send_one(&x, 0, &error), OK);
		drain(&x, 5000);
		ck_assert_int_eq(x.failed_count, round + 1);
		ck_assert_int_eq(x.fates[x.sent - 6].err, ERR_TOO_LARGE);
	}
	ck_assert_msg(strstr(x.text, "one record") != NULL && strstr(x.text, "max.message.bytes") != NULL, "%s", x.text);
	ck_assert_int_eq(x.ok_count, 1 + 10 * 10);
	ck_assert_int_eq(x.rig.broker->partitions[0].next_offset + x.rig.broker->partitions[1].next_offset +
			 x.rig.broker->partitions[2].next_offset, x.ok_count);
	run_fini(&x);
}
END_TEST

START_TEST(pieces_have_the_time_of_their_batch)
{
	struct producer_spec spec = PRODUCER_SPEC_INIT;
	struct run x;

	spec.delivery_timeout_ms = 3000;
	spec.linger_ms = 1000;
	run_init(&x, 9, spec);
	x.rig.broker->batch_bytes_max = 500;
	send_all(&x, 50, 1000);
	for (int i = 0; i < 1000 && x.rig.broker->too_large == 0; i++)
		rig_step(&x.rig);
	ck_assert_int_gt(x.rig.broker->too_large, 0);
	x.rig.broker->faults.refuse = 1000;
	drain(&x, 2500);
	ck_assert_int_gt(x.failed_count, 0);
	ck_assert_int_eq(x.ok_count + x.failed_count, 50);
	check_log(&x, 1);
	run_fini(&x);
}
END_TEST

START_TEST(batches_fill)
{
	struct producer_spec spec = PRODUCER_SPEC_INIT;
	struct run x;

	spec.linger_ms = 1000;
	run_init(&x, 8, spec);
	send_all(&x, RECORDS, 2000);
	int before = x.rig.broker->produce_count;
	ck_assert_int_le(before, 1);		/* 400 small records fit three batches: nothing is due yet */
	drain(&x, 1000);
	ck_assert_int_le(x.rig.broker->produce_count - before, 4);
	check_log(&x, 1);
	run_fini(&x);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("producer");
	TCase *tc = tcase_create("producer");
	SRunner *sr = srunner_create(s);

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, delivers, 0, 15);
	tcase_add_loop_test(tc, each_once_and_in_order_whatever_happens, 0, 40);
	tcase_add_loop_test(tc, goes_on_after_final_failures, 0, 40);
	tcase_add_loop_test(tc, keeps_order_without_idempotence, 0, 20);
	tcase_add_loop_test(tc, without_acks, 0, 5);
	tcase_add_test(tc, gives_up_in_time);
	tcase_add_test(tc, memory_is_bounded);
	tcase_add_test(tc, refuses_what_cannot_be);
	tcase_add_test(tc, batches_fill);
	tcase_add_loop_test(tc, splits_what_is_too_large, 0, 40);
	tcase_add_test(tc, one_record_is_not_split);
	tcase_add_test(tc, pieces_have_the_time_of_their_batch);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
