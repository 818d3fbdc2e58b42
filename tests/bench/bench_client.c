/*
 * Requests on blocking sockets. Frames are made by the codec that the broker uses, so their making
 * is not what is measured: a load sends one frame again and again.
 */
#include "bench.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "record/build.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/elect_leaders.h"
#include "wire/gen/fetch.h"
#include "wire/gen/metadata.h"
#include "wire/gen/produce.h"
#include "wire/header.h"

#define PRODUCE_VERSION       9
#define FETCH_VERSION         12
#define CREATE_TOPICS_VERSION 5
#define METADATA_VERSION      9
#define ELECT_LEADERS_VERSION 2
#define START_SECONDS_MAX     20.0
#define START_POLL_SECONDS    100e-6

int client_try_connect(uint16_t port)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		bench_die("socket");
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		close(fd);
		return -1;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

int client_connect(uint16_t port)
{
	double until = bench_now() + START_SECONDS_MAX;
	int fd;

	while ((fd = client_try_connect(port)) < 0) {
		if (bench_now() > until)
			bench_die("nobody listens on port %d", port);
		bench_sleep(START_POLL_SECONDS);
	}
	return fd;
}

void client_send(int fd, struct slice frame)
{
	for (size_t done = 0; done < frame.len;) {
		ssize_t n = send(fd, frame.ptr + done, frame.len - done, MSG_NOSIGNAL);

		if (n <= 0)
			bench_die("send: the broker has closed the connection");
		done += (size_t)n;
	}
}

static void receive_exactly(int fd, uint8_t *to, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = recv(fd, to + done, len - done, 0);

		if (n <= 0)
			bench_die("recv: the broker has closed the connection");
		done += (size_t)n;
	}
}

struct slice client_receive(int fd)
{
	static uint8_t *answer;
	static size_t room;
	uint8_t size[4];

	receive_exactly(fd, size, sizeof(size));
	size_t len = load_be32(size);
	if (len > room) {
		answer = mem_realloc_array(answer, len, 1);
		room = len;
	}
	receive_exactly(fd, answer, len);
	return slice_of(answer, len);
}

size_t client_receive_away(int fd)
{
	static uint8_t sink[256 << 10];
	uint8_t size[4];

	receive_exactly(fd, size, sizeof(size));
	size_t len = load_be32(size);
	for (size_t left = len; left > 0;) {
		size_t piece = MIN(left, sizeof(sink));

		receive_exactly(fd, sink, piece);
		left -= piece;
	}
	return len;
}

/* --- frames ----------------------------------------------------------------------------------- */

static void begin_frame(struct writer *w, int key, int version)
{
	struct request_header h = {
		.request_api_key = (int16_t)key, .request_api_version = (int16_t)version,
		.correlation_id = 1, .client_id = SLICE_LIT("skein_bench"),
	};

	writer_begin_frame(w);
	if (!header_encode_request(&h, w))
		bench_die("a request's header does not encode");
}

static void end_frame(struct writer *w, bool is_encoded)
{
	if (!is_encoded || !writer_end_frame(w))
		bench_die("a request does not encode");
}

void client_make_produce(struct writer *w, const char *topic, int partition, int acks,
                         struct slice batch)
{
	struct produce_request_partition_data p = {
		.index = partition, .records = { .ptr = batch.ptr, .len = (uint32_t)batch.len },
	};
	struct produce_request_topic_data t = {
		.name = slice_str(topic), .partition_data = &p, .partition_data_count = 1,
	};
	struct produce_request r = {
		.acks = (int16_t)acks, .timeout_ms = 30000, .topic_data = &t, .topic_data_count = 1,
	};

	begin_frame(w, API_PRODUCE, PRODUCE_VERSION);
	end_frame(w, produce_request_encode(&r, w, PRODUCE_VERSION));
}

void client_make_fetch(struct writer *w, const char *topic, int64_t offset, int32_t bytes)
{
	struct fetch_request_partition p;
	struct fetch_request_topic t;
	struct fetch_request r;

	fetch_request_partition_init(&p);
	fetch_request_topic_init(&t);
	fetch_request_init(&r);
	p.fetch_offset = offset;
	p.partition_max_bytes = bytes;
	t.topic = slice_str(topic);
	t.partitions = &p;
	t.partitions_count = 1;
	r.max_wait_ms = 500;
	r.min_bytes = 1;
	r.topics = &t;
	r.topics_count = 1;
	begin_frame(w, API_FETCH, FETCH_VERSION);
	end_frame(w, fetch_request_encode(&r, w, FETCH_VERSION));
}

static struct reader answer_body(struct slice answer, int key, int version)
{
	struct reader r = reader_of(answer);
	int32_t correlation;

	if (!header_decode_response(&correlation, &r, key, version))
		bench_die("an answer without a header");
	return r;
}

int client_produce_error(struct slice answer)
{
	static struct arena arena;
	struct reader r = answer_body(answer, API_PRODUCE, PRODUCE_VERSION);
	struct produce_response p;

	if (arena.limit == 0)
		arena_init(&arena, 1 << 20);
	arena_reset(&arena);
	if (!produce_response_decode(&p, &r, PRODUCE_VERSION, &arena)
	    || p.responses_count != 1 || p.responses[0].partition_responses_count != 1)
		bench_die("a Produce answer that does not decode");
	return p.responses[0].partition_responses[0].error_code;
}

void client_produce_until_acked(int fd, struct slice frame)
{
	double until = bench_now() + START_SECONDS_MAX;
	int error;

	do {
		client_send(fd, frame);
		error = client_produce_error(client_receive(fd));
		if (error != NONE && bench_now() > until)
			bench_die("no record was acknowledged, error %d", error);
		if (error != NONE)
			bench_sleep(START_POLL_SECONDS);
	} while (error != NONE);
}

/* --- topics ----------------------------------------------------------------------------------- */

static bool are_created(struct slice answer)
{
	struct reader r = answer_body(answer, API_CREATE_TOPICS, CREATE_TOPICS_VERSION);
	struct create_topics_response c;
	struct arena arena;
	bool ok = true;

	arena_init(&arena, 16 << 20);
	if (!create_topics_response_decode(&c, &r, CREATE_TOPICS_VERSION, &arena))
		bench_die("a CreateTopics answer that does not decode");
	for (int32_t i = 0; i < c.topics_count; i++)
		ok &= c.topics[i].error_code == NONE;
	arena_fini(&arena);
	return ok;
}

bool client_create_topics(int fd, const char *name, int topics, int partitions, int replicas)
{
	struct create_topics_request_topic *t = mem_calloc((size_t)topics, sizeof(*t));
	char (*names)[64] = mem_calloc((size_t)topics, sizeof(*names));
	struct create_topics_request r = { .topics = t, .topics_count = topics, .timeout_ms = 60000 };
	struct writer w;

	for (int i = 0; i < topics; i++) {
		snprintf(names[i], sizeof(names[i]), topics > 1 ? "%s%d" : "%s", name, i);
		t[i] = (struct create_topics_request_topic){
			.name = slice_str(names[i]), .num_partitions = partitions,
			.replication_factor = (int16_t)replicas,
		};
	}
	writer_init(&w);
	begin_frame(&w, API_CREATE_TOPICS, CREATE_TOPICS_VERSION);
	end_frame(&w, create_topics_request_encode(&r, &w, CREATE_TOPICS_VERSION));
	client_send(fd, slice_of(w.buf, w.len));
	writer_fini(&w);
	free(names);
	free(t);
	return are_created(client_receive(fd));
}

/* --- metadata --------------------------------------------------------------------------------- */

static void take_topic(struct client_view *v, const struct metadata_response_topic *t)
{
	for (int32_t i = 0; i < t->partitions_count; i++) {
		const struct metadata_response_partition *p = &t->partitions[i];

		v->partitions++;
		v->in_sync += p->isr_nodes_count;
		if (p->leader_id >= 0 && p->leader_id < CLIENT_BROKERS_MAX)
			v->led[p->leader_id]++;
		if (p->partition_index == 0)
			v->first_leader = p->leader_id;
	}
}

bool client_look(int fd, const char *topic, struct client_view *v)
{
	struct metadata_request_topic t = { .name = slice_str(topic) };
	struct metadata_request q = { .topics = &t, .topics_count = topic[0] != 0 };
	struct metadata_response m;
	struct arena arena;
	struct writer w;
	char first;

	writer_init(&w);
	begin_frame(&w, API_METADATA, METADATA_VERSION);
	end_frame(&w, metadata_request_encode(&q, &w, METADATA_VERSION));
	client_send(fd, slice_of(w.buf, w.len));
	writer_fini(&w);
	if (recv(fd, &first, 1, MSG_PEEK) <= 0)
		return false;
	struct reader r = answer_body(client_receive(fd), API_METADATA, METADATA_VERSION);
	arena_init(&arena, 64 << 20);
	if (!metadata_response_decode(&m, &r, METADATA_VERSION, &arena))
		bench_die("a Metadata answer that does not decode");
	*v = (struct client_view){
		.controller = m.controller_id, .brokers = m.brokers_count, .first_leader = -1,
	};
	for (int32_t i = 0; i < m.topics_count; i++)
		take_topic(v, &m.topics[i]);
	arena_fini(&arena);
	return true;
}

void client_elect_preferred(int fd)
{
	struct elect_leaders_request q;
	struct elect_leaders_response e;
	struct arena arena;
	struct writer w;

	elect_leaders_request_init(&q);		/* preferred ones */
	q.topic_partitions_count = -1;		/* of all */
	q.timeout_ms = 60000;
	writer_init(&w);
	begin_frame(&w, API_ELECT_LEADERS, ELECT_LEADERS_VERSION);
	end_frame(&w, elect_leaders_request_encode(&q, &w, ELECT_LEADERS_VERSION));
	client_send(fd, slice_of(w.buf, w.len));
	writer_fini(&w);
	struct reader r = answer_body(client_receive(fd), API_ELECT_LEADERS, ELECT_LEADERS_VERSION);
	arena_init(&arena, 64 << 20);
	if (!elect_leaders_response_decode(&e, &r, ELECT_LEADERS_VERSION, &arena) || e.error_code != NONE)
		bench_die("no preferred leaders were elected");
	arena_fini(&arena);
}

/* --- batches ---------------------------------------------------------------------------------- */

/* Of every 64 bytes the first 32 are noise: general-purpose codecs about halve it. */
static void fill_value(uint8_t *value, size_t len, uint64_t *seed)
{
	for (size_t i = 0; i < len; i++) {
		*seed = *seed * 6364136223846793005u + 1442695040888963407u;
		value[i] = i % 64 < 32 ? (uint8_t)(*seed >> 56) : (uint8_t)('a' + i % 16);
	}
}

void bench_batch_init(struct bench_batch *b, enum codec codec, int count, size_t value_bytes)
{
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct compressor *compressor = compressor_create();
	struct batch_builder builder;
	struct timespec now;
	uint8_t *value = mem_alloc(value_bytes);
	uint64_t seed = 42;

	*b = (struct bench_batch){ .buffer = mem_calloc(1, sizeof(struct strbuf)) };
	clock_gettime(CLOCK_REALTIME, &now);
	spec.codec = codec;
	spec.level = codec == CODEC_ZSTD ? LEVEL_DEFAULT_ZSTD : 1;
	batch_build_begin(&builder, &spec, compressor, b->buffer, 64 << 20);
	for (int i = 0; i < count; i++) {
		fill_value(value, value_bytes, &seed);
		batch_build_add(&builder, (time_ms)now.tv_sec * 1000, SLICE_NULL,
		                slice_of(value, value_bytes), NULL, 0);
	}
	b->plain_bytes = builder.plain_bytes;
	if (batch_build_end(&builder, &b->batch) != OK)
		bench_die("a batch does not build");
	free(value);
	compressor_destroy(&compressor);
}

void bench_batch_fini(struct bench_batch *b)
{
	strbuf_fini(b->buffer);
	free(b->buffer);
}
