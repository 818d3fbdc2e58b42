#include "scale_count.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "wire/header.h"

#define ASKED_MAX 64		/* requests of one connection that are under way */
#define HEAD      12		/* length, key, version, correlation */

struct half {			/* one direction of a connection: where its next frame begins */
	uint8_t head[HEAD];
	size_t  head_len;	/* of the frame at hand */
	size_t  left;		/* of it, behind the head */
};

struct scale_stream {
	struct half client, server;
	int16_t     asked[ASKED_MAX];	/* keys, a ring */
	unsigned    first, count;
};

/* --- the store ---------------------------------------------------------------------------------------------------------------------- */

static void on_call(void *arg, const struct tree_session *s, const struct coord_call *call)
{
	struct scale_counter *k = arg;
	bool writes = false;

	for (int i = 0; i < call->op_count; i++) {
		const struct coord_op *op = &call->ops[i];

		k->now.ops[op->kind]++;
		k->now.bytes_in += strlen(op->path) + op->data.len;
		k->now.bytes_out += op->out.len;
		for (int32_t n = 0; n < op->name_count; n++)
			k->now.bytes_out += op->names[n].len;
		writes |= op->kind == COORD_CREATE || op->kind == COORD_SET || op->kind == COORD_DELETE;
	}
	k->now.calls++;
	k->now.multis += call->is_multi || call->op_count > 1;
	k->now.write_calls += writes && call->result == OK;
	k->changes++;
	if (k->round_of != s)
		k->now.rounds++;
	k->round_of = s;
}

static void on_event(void *arg, const struct tree_session *s UNUSED, enum coord_event_kind kind UNUSED, const char *path UNUSED)
{
	struct scale_counter *k = arg;

	k->now.events++;
}

/* --- requests ------------------------------------------------------------------------------------------------------------------------- */

static void count_request(struct scale_counter *k, struct scale_stream *s, const uint8_t *head, size_t size)
{
	int16_t key = load_i16(head + 4);

	if (key < 0 || key >= SCALE_APIS || s->count == ASKED_MAX) {
		fprintf(stderr, "a request that cannot be counted: key %d, %u under way\n", key, s->count);
		abort();
	}
	struct scale_api *a = &k->now.apis[key];
	a->requests++;
	a->request_bytes += size;
	a->largest = MAX(a->largest, size);
	a->version = load_i16(head + 6);
	k->changes += key != API_FETCH;
	s->asked[(s->first + s->count++) % ASKED_MAX] = key;
}

/* Answers come in the order of the requests. */
static void count_answer(struct scale_counter *k, struct scale_stream *s, size_t size)
{
	if (s->count == 0) {
		fprintf(stderr, "an answer to nothing\n");
		abort();
	}
	k->now.apis[s->asked[s->first]].answer_bytes += size;
	s->first = (s->first + 1) % ASKED_MAX;
	s->count--;
}

/* An answer's head is 8 bytes: it may have no more. */
static void follow(struct scale_counter *k, struct scale_stream *s, struct half *h, bool is_of_client, struct slice data)
{
	size_t want = is_of_client ? HEAD : 8;

	while (data.len > 0) {
		size_t n = h->head_len < want ? MIN(want - h->head_len, data.len) : MIN(h->left, data.len);

		if (h->head_len < want) {
			memcpy(h->head + h->head_len, data.ptr, n);
			h->head_len += n;
			if (h->head_len == want) {
				size_t size = 4 + (size_t)load_be32(h->head);

				h->left = size - want;
				if (is_of_client)
					count_request(k, s, h->head, size);
				else
					count_answer(k, s, size);
			}
		} else {
			h->left -= n;
		}
		data = slice_of(data.ptr + n, data.len - n);
		if (h->head_len == want && h->left == 0)
			h->head_len = 0;
	}
}

static void on_piece(void *arg, const struct sim_piece *p)
{
	struct scale_counter *k = arg;

	if (p->from == k->elsewhere || p->to == k->elsewhere)
		return;
	if (p->connection >= k->stream_room) {
		size_t room = (size_t)p->connection * 2 + 64;

		k->streams = mem_realloc_array(k->streams, room, sizeof(*k->streams));
		memset(k->streams + k->stream_room, 0, (room - k->stream_room) * sizeof(*k->streams));
		k->stream_room = room;
	}
	struct scale_stream *s = &k->streams[p->connection];
	follow(k, s, p->is_of_client ? &s->client : &s->server, p->is_of_client, p->data);
}

static void on_step(void *arg, struct actor *a UNUSED)
{
	struct scale_counter *k = arg;

	k->now.steps++;
	k->round_of = NULL;
}

/* --- the counter ---------------------------------------------------------------------------------------------------------------------- */

void scale_counter_init(struct scale_counter *k, struct coord_tree *tree, struct sched *sched, struct sim_net *net, struct sim_os *elsewhere)
{
	memset(k, 0, sizeof(*k));
	k->tree = tree;
	k->sched = sched;
	k->net = net;
	k->elsewhere = elsewhere;
	k->observer = (struct tree_observer){ .on_call = on_call, .on_event = on_event, .arg = k };
	tree_observe(tree, &k->observer);
	sim_net_set_observer(net, on_piece, k);
	sched_sim_set_observer(sched, on_step, k);
}

void scale_counter_fini(struct scale_counter *k)
{
	tree_observe(k->tree, NULL);
	sim_net_set_observer(k->net, NULL, NULL);
	sched_sim_set_observer(k->sched, NULL, NULL);
	free(k->streams);
}

void scale_counter_reset(struct scale_counter *k)
{
	memset(&k->now, 0, sizeof(k->now));
}

static const char *api_name(int key)
{
	switch (key) {
#define NAME(constant, prefix, name, number, first, last, flexible) case number: return name;
	API_TABLE(NAME)
#undef NAME
	}
	return "unknown";
}

void scale_counts_print(const struct scale_counts *n, FILE *out)
{
	static const char *const ops[] = {
		[COORD_CREATE] = "create", [COORD_SET] = "set", [COORD_DELETE] = "delete", [COORD_CHECK] = "check",
		[COORD_GET] = "get", [COORD_EXISTS] = "exists", [COORD_CHILDREN] = "children",
	};
	const char *comma = "";

	fprintf(out, "\"store\": {\"calls\": %llu, \"writes\": %llu, \"multis\": %llu, \"rounds\": %llu, \"bytes_in\": %llu, \"bytes_out\": %llu, \"events\": %llu",
		(unsigned long long)n->calls, (unsigned long long)n->write_calls, (unsigned long long)n->multis, (unsigned long long)n->rounds,
		(unsigned long long)n->bytes_in, (unsigned long long)n->bytes_out, (unsigned long long)n->events);
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		fprintf(out, ", \"%s\": %llu", ops[i], (unsigned long long)n->ops[i]);
	fprintf(out, "}, \"steps\": %llu, \"apis\": {", (unsigned long long)n->steps);
	for (int key = 0; key < SCALE_APIS; key++) {
		const struct scale_api *a = &n->apis[key];

		if (a->requests == 0)
			continue;
		fprintf(out, "%s\"%s\": {\"version\": %d, \"requests\": %llu, \"bytes\": %llu, \"largest\": %llu, \"answer_bytes\": %llu}", comma, api_name(key), a->version,
			(unsigned long long)a->requests, (unsigned long long)a->request_bytes, (unsigned long long)a->largest, (unsigned long long)a->answer_bytes);
		comma = ", ";
	}
	fputs("}", out);
}
