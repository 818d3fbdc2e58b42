/*
 * skein bench consume: reads a topic from its beginning to where it ended when it was first heard of, as fast as it comes.
 */
#include "bench.h"

#include <stdlib.h>
#include <time.h>

#include "client/consumer.h"
#include "peers.h"

struct reading {
	struct bench     *b;
	struct peers      peers;
	struct consumer **consumers;		/* one per connection; partitions go round */
	int               consumer_count;
	int32_t           open;			/* partitions that have not come to their end */
	int64_t           records, bytes;	/* of keys and values */
};

static bool prepare(struct reading *r)
{
	struct bench *b = r->b;
	struct consumer_spec spec = CONSUMER_SPEC_INIT;
	char name[300];

	if (peers_init(&r->peers, b->connections) != OK) {
		tool_say("there is nothing to wait with: %m");
		b->code = EXIT_FAILED;
		return false;
	}
	spec.partition_bytes_max = b->fetch_bytes;
	r->consumers = mem_calloc((size_t)b->connections, sizeof(*r->consumers));
	for (int c = 0; c < b->connections; c++) {
		struct peer *p = peers_add(&r->peers, &b->code);
		if (p == NULL)
			return false;
		consumer_create(&r->consumers[c], p->client, &spec);
		r->consumer_count++;
	}
	for (int i = 0; i < b->topics; i++) {
		bench_topic_name(b, i, name);
		const struct client_topic *t = tool_topic_info(b->client, name, &b->code);
		for (int32_t n = 0; t != NULL && n < t->partition_count; n++)
			consumer_assign(r->consumers[r->open++ % b->connections], name, n, CONSUMER_EARLIEST);
		if (t == NULL)
			return false;
	}
	return true;
}

static bool is_enough(const struct reading *r)
{
	return r->b->records > 0 && r->records >= r->b->records;
}

static void read_all(struct reading *r, struct consumer *s)
{
	struct consumer_event e;

	while (r->b->code == EXIT_OK && !is_enough(r) && consumer_next(s, &e)) {
		switch (e.kind) {
		case CONSUMER_RECORD:
			r->records++;
			r->bytes += (int64_t)(e.record.key.len + e.record.value.len);
			break;
		case CONSUMER_END:
			r->open--;
			consumer_unassign(s, e.topic, e.partition);
			break;
		case CONSUMER_FAILED:
			r->b->code = tool_fail(e.error);
			break;
		case CONSUMER_TROUBLE:
			break;
		}
	}
}

static void run(struct reading *r)
{
	struct os *os = os_real();
	mono_ns began = os_mono_ns(os), told = began;
	clock_t cpu = clock();

	while (r->open > 0 && r->b->code == EXIT_OK && !tool_is_stopped() && !is_enough(r)) {
		peers_turn(&r->peers, MONO_NEVER, true);
		for (int i = 0; i < r->consumer_count; i++)
			read_all(r, r->consumers[i]);
		for (int i = 0; i < r->peers.count; i++)
			r->peers.peers[i].is_ready = true;	/* room was made */
		mono_ns now = os_mono_ns(os);
		if (now - told > 1000000000) {
			bench_progress("%lld records, %.1f MB/s", (long long)r->records, (double)r->bytes * 1e3 / (double)(now - began));
			told = now;
		}
	}
	bench_progress("%s", "");
	double seconds = (double)(os_mono_ns(os) - began) / 1e9;
	bench_number(r->b, "records", (double)r->records, 0);
	bench_number(r->b, "bytes", (double)r->bytes, 0);
	bench_number(r->b, "seconds", seconds, 3);
	bench_number(r->b, "records_per_s", (double)r->records / seconds, 1);
	bench_number(r->b, "mb_per_s", (double)r->bytes / seconds / 1e6, 3);
	bench_number(r->b, "client_cpu_s", (double)(clock() - cpu) / CLOCKS_PER_SEC, 3);
}

int bench_consume(struct bench *b)
{
	struct reading r = { .b = b, .peers = PEERS_INIT };

	if (b->topic == NULL)
		return tool_usage("bench", "consume needs --topic");
	if (bench_connect(b) && prepare(&r)) {
		bench_begin(b);
		run(&r);
		if (b->code == EXIT_OK)
			b->code = bench_tell(b);
	}
	for (int i = 0; i < r.consumer_count; i++)
		consumer_destroy(&r.consumers[i]);
	peers_fini(&r.peers);
	free(r.consumers);
	return b->code;
}
