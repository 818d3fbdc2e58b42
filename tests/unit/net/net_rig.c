#include "net_rig.h"

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "wire/gen/api_table.h"

/* --- what lies below and beside net, as far as it is asked ----------------------------------- */

struct log_file *log_file_ref(struct log_file *f)
{
	__atomic_fetch_add(&f->refs, 1, __ATOMIC_ACQ_REL);
	return f;
}

void log_file_unref(struct log_file **f)
{
	ck_assert_uint_gt(__atomic_fetch_sub(&(*f)->refs, 1, __ATOMIC_ACQ_REL), 0);
	*f = NULL;
}

os_fd log_file_fd(const struct log_file *f)
{
	return f->fd;
}

uint32_t log_file_generation(const struct log_file *f)
{
	return __atomic_load_n(&f->generation, __ATOMIC_ACQUIRE);
}

bool partition_ask(struct actor *from, struct partition_addr *to, struct msg *m)
{
	return partition_is_open(to) && actor_ask(from, to->actor, m);
}

void partition_refuse(struct msg *m, enum kafka_error error)
{
	((struct partition_append *)m)->error = error;
}

/* --- the receiver ---------------------------------------------------------------------------- */

static void receiver_take(void *arg, struct msg *m)
{
	struct rig *r = arg;
	int n = __atomic_load_n(&r->held_count, __ATOMIC_RELAXED);

	ck_assert_int_lt(n, (int)ARRAY_LEN(r->held));
	r->held[n] = m;
	__atomic_store_n(&r->held_count, n + 1, __ATOMIC_RELEASE);
}

static int receiver_step(struct actor *a, mono_ms now)
{
	struct rig *r = CONTAINER_OF(a, struct rig, receiver);
	int work = actor_drain_questions(a, 64, receiver_take, r);
	int n = __atomic_load_n(&r->held_count, __ATOMIC_RELAXED);

	if (n > 0 && n >= __atomic_load_n(&r->answer_at, __ATOMIC_ACQUIRE)) {
		__atomic_store_n(&r->held_count, 0, __ATOMIC_RELEASE);
		for (work += n; n > 0; n--)
			actor_answer(a, r->held[n - 1]);
	}
	/* simulated time goes by in small steps */
	a->deadline = r->sim != NULL ? now + 1 : MONO_NEVER;
	return work;
}

static const struct actor_ops receiver_ops = { .module = "receiver", .step = receiver_step };

/* --- the rows -------------------------------------------------------------------------------- */

struct rig_req { int8_t op; int32_t arg; struct slice bytes; };
struct rig_res { int32_t begun_before; struct wire_records bytes; bool is_unencodable; };
struct rig_state { bool was_resumed, was_refused; mono_ms deadline; };
enum { RIG_QUESTION = MSG_BASE_BROKER };

static struct rig *rig_of(struct call *c)
{
	return network_app(c->network);
}

static bool rig_decode(void *request, struct reader *r, int version UNUSED,
                       struct arena *arena UNUSED)
{
	struct rig_req *q = request;

	q->op = get_i8(r);
	q->arg = get_i32(r);
	q->bytes = slice_of(r->ptr, reader_left(r));
	return !r->failed;
}

static bool rig_encode(const void *response, struct writer *w, int version UNUSED)
{
	const struct rig_res *s = response;

	put_i32(w, s->begun_before);
	put_records(w, false, false, s->bytes);
	return !s->is_unencodable;
}

static void ask(struct call *c, int32_t count, bool by_partition)
{
	uint16_t kind = by_partition ? PARTITION_append : RIG_QUESTION;

	for (int32_t i = 0; i < count; i++) {
		struct partition_append *m = call_message(c, sizeof(*m), kind);

		ck_assert_ptr_nonnull(m);
		if (!by_partition)
			call_ask(c, &rig_of(c)->receiver, &m->msg);
		else if (!call_ask_partition(c, &rig_of(c)->partition, &m->msg))
			((struct rig_state *)c->state)->was_refused = true;
	}
}

static void rig_begin(struct call *c)
{
	struct rig_req *q = c->request;
	struct rig_res *out = c->response;
	struct rig_state *s = arena_calloc(&c->arena, 1, sizeof(*s));

	ck_assert(slice_eq_str(c->client_id, "rig"));
	ck_assert_str_eq(c->listener, "PLAINTEXT");
	c->state = s;
	out->begun_before = __atomic_fetch_add(&rig_of(c)->begun, 1, __ATOMIC_ACQ_REL);
	switch ((enum rig_op)q->op) {
	case OP_HOLD:
		c->holds_connection = true;
		ask(c, 1, false);
		break;
	case OP_ASK:
	case OP_ASK_PARTITION:
		ask(c, q->arg, q->op == OP_ASK_PARTITION);
		break;
	case OP_PARK:
		s->deadline = call_now(c) + q->arg;
		call_park(c, s->deadline);
		__atomic_fetch_add(&rig_of(c)->parked, 1, __ATOMIC_ACQ_REL);
		break;
	case OP_SILENT:      c->wants_no_response = true; break;
	case OP_CLOSE:       c->wants_close = true; break;
	case OP_THROTTLE:    c->throttle_ms = q->arg; break;
	case OP_UNENCODABLE: out->is_unencodable = true; break;
	case OP_ECHO:
	case OP_BIG:
	case OP_FILE:
		break;
	}
}

static void rig_on_answer(struct call *c, struct msg *m)
{
	ck_assert_ptr_eq(m->context, c);
	c->holds_connection = false;
	if (m->kind == PARTITION_append
	    && ((struct partition_append *)m)->error == NOT_LEADER_OR_FOLLOWER)
		((struct rig_state *)c->state)->was_refused = true;
}

static void rig_on_wakeup(struct call *c)
{
	struct rig_state *s = c->state;

	ck_assert(!c->is_parked);
	s->was_resumed = call_now(c) < s->deadline;
}

static struct wire_records records_of(struct slice s)
{
	return (struct wire_records){ .ptr = s.ptr, .len = (uint32_t)s.len };
}

static struct wire_records file_records(struct call *c, uint32_t len)
{
	struct log_range *range = arena_calloc(&c->arena, 1, sizeof(*range));

	range->file = log_file_ref(&rig_of(c)->file);
	range->generation = log_file_generation(range->file);
	return (struct wire_records){ .file = range, .len = len };
}

static void rig_end(struct call *c)
{
	struct rig_req *q = c->request;
	struct rig_res *out = c->response;
	struct rig_state *s = c->state;

	ck_assert_int_eq(c->waiting, 0);
	out->bytes = records_of(q->bytes);
	if (c->connection == NULL) {
		__atomic_fetch_add(&rig_of(c)->ended_alone, 1, __ATOMIC_ACQ_REL);
		return;
	}
	if (q->op == OP_BIG)
		out->bytes = (struct wire_records){
			.ptr = arena_calloc(&c->arena, 1, (size_t)q->arg), .len = (uint32_t)q->arg,
		};
	if (q->op == OP_FILE)
		out->bytes = file_records(c, (uint32_t)q->arg);
	if (q->op == OP_PARK)
		out->bytes = records_of(s->was_resumed ? SLICE_LIT("early") : SLICE_LIT("late"));
	if (s->was_refused)
		out->bytes = records_of(SLICE_LIT("refused"));
}

#define RIG_ROW .version_min = 3, .version_max = 5, \
	.request_size = sizeof(struct rig_req), .response_size = sizeof(struct rig_res), \
	.decode = rig_decode, .encode = rig_encode, .begin = rig_begin, \
	.on_answer = rig_on_answer, .on_wakeup = rig_on_wakeup, .end = rig_end
static const struct api_row produce_row = {
	.key = RIG_PRODUCE, .name = "Produce", .overlaps_itself = true, .needs_no_picture = true, RIG_ROW
};
static const struct api_row metadata_row = {
	.key = RIG_METADATA, .name = "Metadata", .needs_no_picture = true, RIG_ROW
};
static const struct api_row picture_row = { .key = RIG_PICTURE, .name = "Picture", RIG_ROW };
static const struct api_row versions_row = {
	.key = API_API_VERSIONS, .name = "ApiVersions", .needs_no_picture = true, RIG_ROW
};
static const struct api_row *const rows[] = {
	[RIG_PRODUCE] = &produce_row,
	[RIG_METADATA] = &metadata_row,
	[RIG_PICTURE] = &picture_row,
	[API_API_VERSIONS] = &versions_row,
};

/* --- life ------------------------------------------------------------------------------------ */

static void make_sim(struct rig *r, uint64_t seed)
{
	r->sim_net = sim_net_create(seed);
	r->sim = sim_create(r->sim_net, "broker", seed);
	r->os = sim_os(r->sim);
	r->sched = sched_sim_create(r->os, seed);
	sched_sim_set_clock(r->sched, sim_clock_next_event, sim_clock_advance, r->sim);
}

struct rig *rig_new(uint64_t seed)
{
	struct rig *r = mem_calloc(1, sizeof(*r));

	r->os = os_real();
	if (seed != 0)
		make_sim(r, seed);
	else
		r->sched = sched_threads_create(r->os);
	r->workers = workers_create(r->sched, 1);
	r->answer_at = 1;
	r->file.fd = -1;
	strcpy(r->listener.name, "PLAINTEXT");
	strcpy(r->listener.host, "127.0.0.1");
	r->spec = (struct net_spec){
		.sched = r->sched, .workers = r->workers, .network_threads = 1, .app = r,
		.rows = rows, .row_count = ARRAY_LEN(rows),
		.max_request_bytes = 1 << 24, .send_buffer = 100 << 10, .recv_buffer = 100 << 10,
		.max_idle_ms = 600000, .max_connections = INT_MAX, .max_connections_per_ip = INT_MAX,
		.listeners = &r->listener, .listener_count = 1, .backlog = 64,
	};
	return r;
}

void rig_start(struct rig *r, unsigned receiver_lane_slots)
{
	char problem[200] = "";

	actor_init(&r->receiver, r->sched, &receiver_ops, LANE_NONE, "receiver");
	if (receiver_lane_slots != 0)
		r->receiver.lane_slots = receiver_lane_slots;
	ck_assert_int_eq(actor_start(&r->receiver, 0), OK);
	r->partition.actor = &r->receiver;
	r->partition.is_open = true;
	counted_init(&r->partition.counted, NULL);
	ck_assert_msg(net_create(&r->net, &r->spec, problem, sizeof(problem)) == OK, "%s", problem);
	net_start(r->net);
}

void rig_free(struct rig *r)
{
	rig_answer_at(r, 1);
	net_destroy(&r->net);
	actor_stop(&r->receiver);
	actor_join(&r->receiver);
	actor_fini(&r->receiver);
	workers_destroy(&r->workers);
	sched_destroy(&r->sched);
	ck_assert_uint_eq(r->file.refs, 0);
	ck_assert_uint_eq(r->partition.counted.refs, 1);
	os_close(r->os, &r->file.fd);
	if (r->sim != NULL) {
		sim_destroy(&r->sim);
		sim_net_destroy(&r->sim_net);
	}
	free(r);
}

uint8_t rig_file_byte(uint32_t i)
{
	return (uint8_t)(i * 2654435761u >> 24);
}

void rig_make_file(struct rig *r, uint32_t size)
{
	char path[64];
	uint8_t *bytes = mem_alloc(size);

	snprintf(path, sizeof(path), "/tmp/skein-net-test-%016llx",
	         (unsigned long long)os_random_u64(r->os));
	for (uint32_t i = 0; i < size; i++)
		bytes[i] = rig_file_byte(i);
	if (r->sim != NULL)
		ck_assert_int_eq(os_mkdir_all(r->os, "/tmp"), OK);
	ck_assert_int_eq(os_open(r->os, path, OS_RDWR | OS_CREATE | OS_EXCL, &r->file.fd), OK);
	ck_assert_int_eq(os_pwrite(r->os, r->file.fd, bytes, size, 0), OK);
	ck_assert_int_eq(os_unlink(r->os, path), OK);
	free(bytes);
}

void rig_pump(struct rig *r)
{
	if (r->sim == NULL) {
		os_sleep_ms(r->os, 1);
		return;
	}
	for (mono_ms until = os_mono_ms(r->os) + 1; os_mono_ms(r->os) < until;)
		ck_assert(sched_sim_step(r->sched));
}

void rig_answer_at(struct rig *r, int count)
{
	__atomic_store_n(&r->answer_at, count, __ATOMIC_RELEASE);
	actor_wake(&r->receiver);
}

int rig_read(const int *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

/* --- clients --------------------------------------------------------------------------------- */

struct rig_client *client_new(struct rig *r)
{
	struct rig_client *c = mem_calloc(1, sizeof(*c));
	struct os_addr addr = {
		.ip = { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 },
		.port = r->listener.bound_port,
	};
	enum err err = os_connect(r->os, &addr, &c->fd);

	c->rig = r;
	for (int i = 0; err == ERR_AGAIN && i < 5000; i++) {
		rig_pump(r);
		err = os_connect_result(r->os, c->fd);
	}
	ck_assert_int_eq(err, OK);
	return c;
}

void client_free(struct rig_client *c)
{
	os_close(c->rig->os, &c->fd);
	free(c->in);
	free(c->answer);
	free(c);
}

size_t rig_request(uint8_t *out, int key, int32_t correlation, enum rig_op op, int32_t arg,
                   const char *bytes)
{
	size_t len = strlen(bytes);

	store_be32(out, (uint32_t)(8 + 5 + 5 + len));
	store_be16(out + 4, (uint16_t)key);
	store_be16(out + 6, 3);
	store_be32(out + 8, (uint32_t)correlation);
	store_be16(out + 12, 3);
	memcpy(out + 14, "rig", 3);
	out[17] = (uint8_t)op;
	store_be32(out + 18, (uint32_t)arg);
	memcpy(out + 22, bytes, len);
	return 22 + len;
}

size_t client_try_send(struct rig_client *c, const void *data, size_t len)
{
	struct iovec iov = { (void *)(uintptr_t)data, len };
	size_t sent = 0;
	enum err err = os_sendv(c->rig->os, c->fd, &iov, 1, &sent);

	ck_assert(err == OK || err == ERR_AGAIN);
	return sent;
}

void client_send(struct rig_client *c, const void *data, size_t len)
{
	for (int tries = 0; len > 0 && tries < 20000; tries++) {
		size_t sent = client_try_send(c, data, len);

		data = (const uint8_t *)data + sent;
		len -= sent;
		if (sent == 0)
			rig_pump(c->rig);
	}
	ck_assert_uint_eq(len, 0);
}

void client_ask(struct rig_client *c, int key, int32_t correlation, enum rig_op op, int32_t arg,
                const char *bytes)
{
	uint8_t frame[4096];

	ck_assert_uint_le(strlen(bytes), sizeof(frame) - 22);
	client_send(c, frame, rig_request(frame, key, correlation, op, arg, bytes));
}

void client_shutdown(struct rig_client *c)
{
	ck_assert_int_eq(os_shutdown_send(c->rig->os, c->fd), OK);
}

bool client_receive(struct rig_client *c)
{
	size_t got = 0;
	enum err err;

	if (c->in_size - c->in_len < 65536) {
		c->in_size = c->in_size * 2 + 65536;
		c->in = mem_realloc_array(c->in, c->in_size, 1);
	}
	err = os_recv(c->rig->os, c->fd, c->in + c->in_len, c->in_size - c->in_len, &got);
	if (err == ERR_AGAIN)
		return false;
	c->has_ended = err != OK || got == 0;
	c->in_len += got;
	return got > 0;
}

static bool has_answer(const struct rig_client *c)
{
	return c->in_len >= 4 && c->in_len >= 4 + (size_t)load_be32(c->in);
}

struct slice client_answer(struct rig_client *c, int32_t correlation, int32_t *begun_before)
{
	size_t size;

	for (int i = 0; i < 20000 && !c->has_ended && !has_answer(c); i++)
		if (!client_receive(c))
			rig_pump(c->rig);
	ck_assert_msg(has_answer(c), "no answer to %d", correlation);
	size = 4 + load_be32(c->in);
	ck_assert_uint_ge(size, 16);
	free(c->answer);
	c->answer = mem_alloc(size);
	memcpy(c->answer, c->in, size);
	memmove(c->in, c->in + size, c->in_len - size);
	c->in_len -= size;
	ck_assert_int_eq((int32_t)load_be32(c->answer + 4), correlation);
	ck_assert_uint_eq(load_be32(c->answer + 12), size - 16);
	if (begun_before != NULL)
		*begun_before = (int32_t)load_be32(c->answer + 8);
	return slice_of(c->answer + 16, size - 16);
}

void client_expect(struct rig_client *c, int32_t correlation, const char *bytes)
{
	struct slice got = client_answer(c, correlation, NULL);

	ck_assert_msg(slice_eq_str(got, bytes), "answer to %d: '" SLICE_FMT "' instead of '%s'",
	              correlation, SLICE_ARG(got), bytes);
}

void client_expect_end(struct rig_client *c)
{
	for (int i = 0; i < 20000 && !c->has_ended; i++)
		if (!client_receive(c))
			rig_pump(c->rig);
	ck_assert(c->has_ended);
	ck_assert_uint_eq(c->in_len, 0);
}
