/*
 * A broker and one client on one thread, on a simulated machine, and nothing but requests of one kind: what tests/bench/counts runs under callgrind.
 *
 *	count_requests KIND N [SEED]	N requests, one after the other, after some that warm up
 *
 * KIND: api_versions, metadata (of a topic of 100 partitions), produce_1 (one record of 100 B), produce_1000 (a batch of a thousand), fetch_empty, fetch_batch (one of a
 * thousand records), heartbeat (of a group that is not there). The same seed each time, so that two runs differ by their requests alone. And what a simulation draws is left out
 * where it can be (transfers in pieces, delays, cold pages): a change somewhere else, that draws once more, must not look like a request that costs more or less.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../sim/broker_sim.h"
#include "record/build.h"
#include "wire/gen/api_versions.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/fetch.h"
#include "wire/gen/heartbeat.h"
#include "wire/gen/metadata.h"
#include "wire/gen/produce.h"
#include "wire/gen/api_table.h"

#define WARM_UP   50
#define WIDE      100
#define BATCH_MAX (1 << 20)

#define WRAP(api) \
	static bool encode_##api(const void *m, struct writer *w, int v) { return api##_request_encode(m, w, v); }
WRAP(api_versions)
WRAP(create_topics)
WRAP(fetch)
WRAP(heartbeat)
WRAP(metadata)
WRAP(produce)

struct count {
	struct broker_sim b;
	struct sim_client client;
	struct strbuf     bytes;	/* of the batch */
	struct slice      batch;
	int64_t           fetch_at;
};

static struct slice ask(struct count *x, int16_t key, int16_t version, sim_encode *encode, const void *request)
{
	struct slice body;

	if (!sim_client_call(&x->client, key, version, encode, request, &body))
		ck_abort_msg("request %d was not answered", key);
	return body;
}

static void create_topic(struct count *x, const char *name, int32_t partitions)
{
	struct create_topics_request_topic t;
	struct create_topics_request q;

	create_topics_request_init(&q);
	create_topics_request_topic_init(&t);
	t.name = slice_str(name);
	t.num_partitions = partitions;
	t.replication_factor = 1;
	q.topics = &t;
	q.topics_count = 1;
	(void)ask(x, API_CREATE_TOPICS, 7, encode_create_topics, &q);
}

static void make_batch(struct count *x, int records)
{
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct batch_builder b;
	char value[101];

	memset(value, 'x', 100);
	value[100] = '\0';
	strbuf_reset(&x->bytes);
	batch_build_begin(&b, &spec, NULL, &x->bytes, BATCH_MAX);
	for (int i = 0; i < records; i++)
		batch_build_add(&b, 1700000000000 + i, SLICE_NULL, slice_str(value), NULL, 0);
	ck_assert_int_eq(batch_build_end(&b, &x->batch), OK);
}

static void api_versions(struct count *x)
{
	struct api_versions_request q;

	api_versions_request_init(&q);
	(void)ask(x, API_API_VERSIONS, 2, encode_api_versions, &q);
}

static void metadata(struct count *x)
{
	struct metadata_request_topic t;
	struct metadata_request q;

	metadata_request_init(&q);
	metadata_request_topic_init(&t);
	t.name = SLICE_LIT("wide");
	q.topics = &t;
	q.topics_count = 1;
	struct slice body = ask(x, API_METADATA, 9, encode_metadata, &q);
	if (body.len < WIDE * 10)
		ck_abort_msg("Metadata of %zu bytes", body.len);
}

static void produce(struct count *x)
{
	struct produce_request_partition_data d;
	struct produce_request_topic_data t;
	struct produce_response a;
	struct produce_request q;
	struct arena arena;

	produce_request_init(&q);
	produce_request_topic_data_init(&t);
	produce_request_partition_data_init(&d);
	q.transactional_id = SLICE_NULL;
	q.acks = 1;
	q.timeout_ms = 1000;
	q.topic_data = &t;
	q.topic_data_count = 1;
	t.name = SLICE_LIT("one");
	t.partition_data = &d;
	t.partition_data_count = 1;
	d.records = (struct wire_records){ .ptr = x->batch.ptr, .len = (uint32_t)x->batch.len };
	struct reader r = reader_of(ask(x, API_PRODUCE, 9, encode_produce, &q));
	arena_init(&arena, 1 << 16);
	if (!produce_response_decode(&a, &r, 9, &arena) || a.responses[0].partition_responses[0].error_code != 0)
		ck_abort_msg("a batch was refused");
	arena_fini(&arena);
}

static void fetch(struct count *x)
{
	struct fetch_request_partition p;
	struct fetch_request_topic t;
	struct fetch_request q;

	fetch_request_init(&q);
	fetch_request_topic_init(&t);
	fetch_request_partition_init(&p);
	q.max_bytes = 1 << 20;
	q.session_epoch = -1;
	t.topic = SLICE_LIT("one");
	t.partitions = &p;
	t.partitions_count = 1;
	q.topics = &t;
	q.topics_count = 1;
	p.fetch_offset = x->fetch_at;
	p.partition_max_bytes = 1 << 16;
	struct slice body = ask(x, API_FETCH, 11, encode_fetch, &q);
	if ((body.len > 1000) != (x->fetch_at == 0))
		ck_abort_msg("a Fetch answer of %zu bytes", body.len);
}

static void heartbeat(struct count *x)
{
	struct heartbeat_request q;

	heartbeat_request_init(&q);
	q.group_id = SLICE_LIT("nobody");
	q.member_id = SLICE_LIT("member");
	(void)ask(x, API_HEARTBEAT, 3, encode_heartbeat, &q);
}

static const struct kind {
	const char *name;
	void      (*run)(struct count *x);
	int         records;		/* in the batch */
	int64_t     fetch_at;
} kinds[] = {
	{ "api_versions", api_versions, 1, 0 }, { "metadata", metadata, 1, 0 }, { "produce_1", produce, 1, 0 }, { "produce_1000", produce, 1000, 0 },
	{ "fetch_empty", fetch, 1000, 1000 }, { "fetch_batch", fetch, 1000, 0 }, { "heartbeat", heartbeat, 1, 0 },
};

static const struct kind *kind;
static int count;
static uint64_t seed = 1;

/* A test, because the simulated broker states what it expects as tests do. */
START_TEST(requests)
{
	static const char *const configs[] = { "log.dirs=/data", "listeners=PLAINTEXT://broker:9092", "num.network.threads=1", NULL };
	static struct count x;

	broker_sim_init(&x.b, seed, configs);
	sim_net_set_partial(x.b.net, 0);
	sim_net_set_delay(x.b.net, 1000, 1000);
	sim_set_cold(x.b.machine, 0);
	if (!broker_sim_start(&x.b))
		ck_abort_msg("the broker did not start");
	sim_client_init(&x.client, &x.b);
	sim_client_connect(&x.client);
	create_topic(&x, "one", 1);
	if (kind->run == metadata)
		create_topic(&x, "wide", WIDE);
	make_batch(&x, kind->records);
	if (kind->run == fetch)
		produce(&x);
	x.fetch_at = kind->fetch_at;
	for (int i = WARM_UP + count; i > 0; i--)
		kind->run(&x);
	sim_client_fini(&x.client);
	broker_sim_stop(&x.b);
	broker_sim_fini(&x.b);
	strbuf_fini(&x.bytes);
}
END_TEST

int main(int argc, char **argv)
{
	for (size_t i = 0; (argc == 3 || argc == 4) && i < ARRAY_LEN(kinds); i++)
		if (strcmp(argv[1], kinds[i].name) == 0)
			kind = &kinds[i];
	if (kind == NULL) {
		fputs("usage: count_requests KIND N [SEED]\n", stderr);
		return 2;
	}
	count = atoi(argv[2]);
	if (argc == 4)
		seed = (uint64_t)atoll(argv[3]);
	Suite *s = suite_create("requests");
	TCase *t = tcase_create("requests");
	tcase_add_test(t, requests);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_set_fork_status(r, CK_NOFORK);	/* callgrind counts one process */
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
