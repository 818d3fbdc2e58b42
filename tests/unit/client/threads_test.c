/*
 * Clients in threads of their own know nothing of one another, and one that waits is woken from elsewhere. What this is for is ThreadSanitizer: the results alone would be right
 * most of the time.
 */
#include "rig.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/consumer.h"
#include "client/producer.h"

#define THREADS 4
#define RECORDS 300
#define WAKES   300

static const struct client_spec rig_spec = RIG_SPEC;

struct worker {
	pthread_t thread;
	int       number, acknowledged, read;
	char      trouble[400];
};

static void on_delivery(void *arg, const struct producer_delivery *d)
{
	struct worker *w = arg;

	if (d->error->err == OK)
		w->acknowledged++;
	else
		snprintf(w->trouble, sizeof(w->trouble), "%s", d->error->text);
}

static void produce(struct worker *w, struct rig *r, struct producer *p)
{
	char value[64];
	struct client_error error;

	for (int i = 0, ms = 0; i < RECORDS && ms < 20000; ms++) {
		snprintf(value, sizeof(value), "%d of %d", i, w->number);
		struct producer_record record = { .topic = SLICE_LIT(FAKE_TOPIC), .partition = i % FAKE_PARTITIONS, .value = slice_str(value), .timestamp = -1 };
		if (producer_send(p, &record, &error) == OK)
			i++;
		rig_step(r);
	}
	producer_push(p);
	for (int ms = 0; ms < 20000 && producer_pending(p) > 0; ms++)
		rig_step(r);
}

static void consume(struct worker *w, struct rig *r, struct consumer *s)
{
	struct consumer_event e;
	char end[16];

	snprintf(end, sizeof(end), " of %d", w->number);
	for (int i = 0; i < FAKE_PARTITIONS; i++)
		consumer_assign(s, FAKE_TOPIC, i, 0);
	for (int ms = 0; ms < 20000 && w->read < RECORDS; ms++) {
		rig_step(r);
		while (consumer_next(s, &e))
			w->read += e.kind == CONSUMER_RECORD && memmem(e.record.value.ptr, e.record.value.len, end, strlen(end)) != NULL;
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct producer_spec producer_spec = PRODUCER_SPEC_INIT;
	struct consumer_spec consumer_spec = CONSUMER_SPEC_INIT;
	struct producer *p;
	struct consumer *s;
	struct client_error error;
	struct rig r;

	rig_init(&r, 10 + (uint64_t)w->number, &rig_spec);
	r.broker->batch_bytes_max = 2000;
	r.broker->faults = (struct fake_faults){ .refuse = 50, .cut_before = 20 };
	producer_spec.codec = (enum codec)(1 + w->number % (CODEC_COUNT - 1));
	producer_spec.on_delivery = on_delivery;
	producer_spec.arg = w;
	if (producer_create(&p, r.client, &producer_spec, &error) == OK) {
		produce(w, &r, p);
		producer_destroy(&p);
	}
	consumer_create(&s, r.client, &consumer_spec);
	consume(w, &r, s);
	consumer_destroy(&s);
	rig_fini(&r);
	return NULL;
}

START_TEST(clients_share_nothing)
{
	struct worker workers[THREADS] = { { .number = 0 } };

	for (int i = 0; i < THREADS; i++) {
		workers[i].number = i;
		ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	for (int i = 0; i < THREADS; i++) {
		ck_assert_msg(workers[i].acknowledged == RECORDS, "%d of client %d: %s", workers[i].acknowledged, i, workers[i].trouble);
		ck_assert_int_eq(workers[i].read, RECORDS);
	}
}
END_TEST

struct waker {
	struct client *client;
	int            asked;		/* so often it is to wake */
};

static void *wake(void *arg)
{
	struct waker *w = arg;

	for (int i = 1; i <= WAKES; i++) {
		while (__atomic_load_n(&w->asked, __ATOMIC_ACQUIRE) < i)
			sched_yield();
		client_wake(w->client);		/* before it waits, or while it does */
	}
	return NULL;
}

START_TEST(is_woken)
{
	static const struct client_spec spec = { .client_id = "test", .request_timeout_ms = 2000, .connect_timeout_ms = 500, .retry_backoff_ms = 20,
						 .retry_backoff_max_ms = 100, .reconnect_backoff_ms = 10, .reconnect_backoff_max_ms = 100, .metadata_max_age_ms = 300000 };
	struct client_error error;
	struct waker w = { .asked = 0 };
	pthread_t thread;

	ck_assert_int_eq(client_create(&w.client, os_real(), &spec, &error), OK);
	ck_assert_int_eq(pthread_create(&thread, NULL, wake, &w), 0);
	for (int i = 1; i <= WAKES; i++) {
		__atomic_store_n(&w.asked, i, __ATOMIC_RELEASE);
		client_step(w.client, 600000);		/* nothing else ends this before the test's time is over */
	}
	pthread_join(thread, NULL);
	client_destroy(&w.client);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("threads");
	TCase *tc = tcase_create("threads");
	SRunner *sr = srunner_create(s);

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, clients_share_nothing);
	tcase_add_test(tc, is_woken);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
