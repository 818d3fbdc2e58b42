/*
 * A hostile broker must not hurt a client. A producer, a consumer and a member of a group drive one that answers whatever it likes; whatever comes, the client goes on, in
 * bounded memory and bounded turns, and can be destroyed. Sanitizers see what is read amiss.
 */
#include "hostile.h"

#include "client/consumer.h"
#include "client/group_member.h"
#include "client/producer.h"

/* ---- the client's side ---- */

struct driven {
	struct client       *client;
	struct producer     *producer;
	struct consumer     *consumer;
	struct group_member *member;
	int64_t              sent, delivered, records;
};

static void on_delivery(void *arg, const struct producer_delivery *d UNUSED)
{
	((struct driven *)arg)->delivered++;
}

static void drive_group(struct driven *d, struct hostile *h)
{
	struct group_event e;

	while (d->member != NULL && group_member_next(d->member, &e)) {
		if (e.kind == GROUP_ASSIGNED) {
			for (int32_t i = 0; i < e.count; i++)
				consumer_assign(d->consumer, e.partitions[i].topic, e.partitions[i].partition, below(h, 2) == 0 ? MAX(e.partitions[i].offset, 0) : CONSUMER_EARLIEST);
		} else if (e.kind == GROUP_REVOKED || e.kind == GROUP_LOST) {
			for (int32_t i = 0; i < e.count; i++)
				consumer_unassign(d->consumer, e.partitions[i].topic, e.partitions[i].partition);
			group_member_release(d->member, e.partitions, e.count);
		} else if (e.kind == GROUP_FAILED) {
			group_member_destroy(&d->member);
		}
	}
}

static void drive(struct driven *d, struct hostile *h)
{
	struct producer_record r = { .topic = SLICE_LIT(TOPIC), .partition = PRODUCER_PARTITION_ANY, .value = SLICE_LIT("value"), .timestamp = -1 };
	struct client_error error;
	struct consumer_event e;

	if (d->sent < 2000 && producer_send(d->producer, &r, &error) == OK)
		d->sent++;
	drive_group(d, h);
	for (int i = 0; i < 1000 && consumer_next(d->consumer, &e); i++) {
		if (e.kind == CONSUMER_RECORD)
			d->records++;
		if (e.kind == CONSUMER_FAILED && below(h, 2) == 0)
			consumer_seek(d->consumer, e.topic, e.partition, below(h, 2) == 0 ? CONSUMER_EARLIEST : 0);
	}
	if (below(h, 50) == 0)
		consumer_pause(d->consumer, TOPIC, (int32_t)below(h, 3), below(h, 2) == 0);
}

START_TEST(whatever_a_broker_says)
{
	struct client_spec spec = RIG_SPEC;
	struct producer_spec ps = PRODUCER_SPEC_INIT;
	struct consumer_spec cs = CONSUMER_SPEC_INIT;
	struct group_member_spec gs = GROUP_MEMBER_SPEC_INIT;
	const char *topic = TOPIC;
	struct client_error error;
	struct driven d = { .sent = 0 };
	struct hostile h;
	uint64_t seed = (uint64_t)_i + 1;
	struct sim_net *net = sim_net_create(seed);
	struct sim_os *machine = sim_create(net, "client", seed + 1);

	hostile_begin(&h, net, seed);
	spec.metadata_max_age_ms = 50;
	spec.request_timeout_ms = 100;	/* an answer that was cut off costs so much */
	ck_assert_int_eq(client_create(&d.client, sim_os(machine), &spec, &error), OK);
	ps.on_delivery = on_delivery;
	ps.arg = &d;
	ps.delivery_timeout_ms = 2000;
	ps.codec = (enum codec)(_i % CODEC_COUNT);
	ck_assert_int_eq(producer_create(&d.producer, d.client, &ps, &error), OK);
	cs.reset = _i % 2 == 0 ? CONSUMER_EARLIEST : 0;
	cs.is_read_committed = _i % 3 == 0;
	cs.rack = "here";
	cs.batch_bytes_max = 1 << 20;
	consumer_create(&d.consumer, d.client, &cs);

	gs.group = "group";
	gs.topics = &topic;
	gs.topic_count = 1;
	for (int i = 0; i < ASSIGN_STRATEGY_COUNT; i++)
		gs.strategies[i] = (enum assign_strategy)((i + _i) % ASSIGN_STRATEGY_COUNT);
	gs.strategy_count = _i % 4 == 0 ? 1 : ASSIGN_STRATEGY_COUNT;
	gs.session_timeout_ms = 500;
	gs.heartbeat_interval_ms = 50;
	gs.rebalance_timeout_ms = 200;
	group_member_create(&d.member, d.client, &gs);
	if (_i % 5 == 0) {
		for (int32_t p = 0; p < 3; p++)
			consumer_assign(d.consumer, TOPIC, p, CONSUMER_EARLIEST);
	}
	for (int i = 0; i < 3000; i++) {
		client_step(d.client, 0);
		hostile_step(&h);
		drive(&d, &h);
		sim_advance(machine, 1);
		if (d.member == NULL)
			group_member_create(&d.member, d.client, &gs);
	}
	if (getenv("SKEIN_HOSTILE_TELL") != NULL)
		fprintf(stderr, "seed %d: %d answers, %lld records, %lld sent, %s\n", _i, h.answers, (long long)d.records, (long long)d.sent, client_last_error(d.client)->text);
	ck_assert_int_gt(h.answers, 0);	/* few when the versions that it says it speaks are none of ours */
	group_member_destroy(&d.member);
	consumer_destroy(&d.consumer);
	producer_destroy(&d.producer);
	ck_assert_int_eq(d.delivered, d.sent);	/* each has had its answer, once */
	client_destroy(&d.client);
	hostile_end(&h);
	sim_destroy(&machine);
	sim_net_destroy(&net);
}
END_TEST

int main(void)
{
	const char *seeds = getenv("SKEIN_SEEDS");
	Suite *s = suite_create("hostile");
	TCase *t = tcase_create("hostile");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, whatever_a_broker_says, 0, seeds != NULL ? atoi(seeds) : 100);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
