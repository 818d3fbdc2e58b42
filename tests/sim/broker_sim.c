#include "broker_sim.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/config_file.h"
#include "controller/controller_priv.h"
#include "net/net_priv.h"
#include "wire/header.h"

#define STEPS_MAX 3000000

/* --- the home of the messages ----------------------------------------------------------------------------------------------------- */

static void home_on_answer(void *arg, struct msg *m)
{
	struct broker_sim *b = arg;

	if (m == &b->ready.msg)
		b->is_ready = true;
	else if (m == &b->retire.msg)
		b->has_retired = true;
	else
		b->is_stopped = true;
}

static int ask_controller(struct broker_sim *b, struct msg *m, bool *is_wanted)
{
	if (!*is_wanted || m->at != MSG_HOME)
		return 0;
	bool sent = actor_ask(&b->home, controller_actor(b->parts.controller), m);

	ck_assert(sent);
	*is_wanted = false;
	return 1;
}

static int home_step(struct actor *a, mono_ms now UNUSED)
{
	struct broker_sim *b = CONTAINER_OF(a, struct broker_sim, home);
	int work = actor_drain_answers(a, home_on_answer, b);

	work += ask_controller(b, &b->retire.msg, &b->retire_wanted);
	work += ask_controller(b, &b->stop.msg, &b->stop_wanted);
	a->deadline = MONO_NEVER;
	return work;
}

static const struct actor_ops home_ops = { .module = "sim", .step = home_step };

/* --- the broker -------------------------------------------------------------------------------------------------------------------- */

static void quiet_sink(void *arg UNUSED, enum log_level level UNUSED, const char *line UNUSED, size_t len UNUSED)
{
}

static void read_config(struct broker_sim *b, const char *const *configs)
{
	struct strbuf why = STRBUF_INIT;
	struct config_env env = { .home = "/root" };
	struct config_layers layers = { .at = { [CONFIG_LEVEL_FIXED] = &b->set } };

	config_set_init(&b->set);
	for (; *configs != NULL; configs++)
		ck_assert_msg(config_override_parse(&b->set, *configs, &why), "%s", strbuf_cstr(&why));
	ck_assert_msg(config_preset(&b->set, &env, &why), "%s", strbuf_cstr(&why));
	ck_assert_msg(broker_config_create(&b->config, &layers, &why), "%s", strbuf_cstr(&why));
	strbuf_fini(&why);
}

/* ck_assert writes to a pipe also when it holds: not in a loop. */
static void step(struct broker_sim *b, int i, const char *until)
{
	if (i >= STEPS_MAX || !sched_sim_step(b->sched))
		ck_abort_msg("%s: after %d steps not %s", b->host, i, until);
}

static void furnish(struct broker_sim *b, const char *const *configs)
{
	b->workers = workers_create(b->sched, 1);
	log_source_init(&b->log, "sim", "%s", b->host);
	read_config(b, configs);
	actor_init(&b->home, b->sched, &home_ops, LANE_NONE, "home %s", b->host);
	ck_assert_int_eq(actor_start(&b->home, 0), OK);
}

void broker_sim_init(struct broker_sim *b, uint64_t seed, const char *const *configs)
{
	memset(b, 0, sizeof(*b));
	if (getenv("SKEIN_SIM_LOG") == NULL)
		log_set_sink(quiet_sink, NULL);
	map_seed_set(seed, seed);
	b->net = sim_net_create(seed);
	snprintf(b->host, sizeof(b->host), "broker");
	b->machine = sim_create(b->net, b->host, seed);
	b->elsewhere = sim_create(b->net, "client", seed + 1);
	b->sched = sched_sim_create(sim_os(b->machine), seed);
	sched_sim_set_clock(b->sched, sim_clock_next_event, sim_clock_advance, b->machine);
	b->tree = coord_tree_create();
	furnish(b, configs);
}

void broker_sim_join(struct broker_sim *b, const struct broker_sim_world *w, const char *host, uint64_t seed, const char *const *configs)
{
	memset(b, 0, sizeof(*b));
	b->is_guest = true;
	b->net = w->net;
	b->elsewhere = w->elsewhere;
	b->tree = w->tree;
	snprintf(b->host, sizeof(b->host), "%s", host);
	b->machine = sim_create(b->net, b->host, seed);
	b->sched = sched_sim_add_machine(w->sched, sim_os(b->machine));
	furnish(b, configs);
}

void broker_sim_fini(struct broker_sim *b)
{
	ck_assert(!b->is_up);
	actor_stop(&b->home);
	actor_join(&b->home);
	actor_fini(&b->home);
	workers_destroy(&b->workers);
	sched_destroy(&b->sched);
	broker_config_unref(&b->config);
	config_set_fini(&b->set);
	sim_destroy(&b->machine);
	if (b->is_guest)
		return;
	coord_tree_destroy(&b->tree);
	sim_destroy(&b->elsewhere);
	sim_net_destroy(&b->net);
}

uint64_t broker_sim_hash(const struct broker_sim *b)
{
	return sched_sim_hash(b->sched) * 31 + sim_hash(b->machine) * 7 + sim_hash(b->elsewhere);
}

bool broker_sim_begin(struct broker_sim *b)
{
	char problem[ASSEMBLY_PROBLEM_MAX];
	struct assembly_spec spec = {
		.sched = b->sched, .workers = b->workers, .set = &b->set, .config = b->config, .log = &b->log, .host_name = b->host, .tree = b->tree,
	};

	b->is_ready = b->retire_wanted = b->has_retired = b->is_stopped = b->stop_wanted = false;
	memset(&b->ready, 0, sizeof(b->ready));
	memset(&b->retire, 0, sizeof(b->retire));
	memset(&b->stop, 0, sizeof(b->stop));
	msg_init(&b->ready.msg, CONTROLLER_ready, &b->home);
	msg_init(&b->retire.msg, CONTROLLER_retire, &b->home);
	msg_init(&b->stop.msg, CONTROLLER_stop, &b->home);
	enum err e = assembly_start(&b->parts, &spec, &b->ready, problem);
	if (e != OK) {
		ck_assert_msg(sim_is_dead(b->machine), "%s", problem);
		return false;
	}
	b->is_up = true;
	return true;
}

bool broker_sim_start(struct broker_sim *b)
{
	if (!broker_sim_begin(b))
		return false;
	for (int i = 0; !b->is_ready && !sim_is_dead(b->machine); i++)
		step(b, i, "ready");
	if (!b->is_ready || b->ready.result != OK) {
		ck_assert_msg(sim_is_dead(b->machine), "%s", b->ready.problem);
		return false;
	}
	assembly_serve(&b->parts);
	return true;
}

static void take_apart(struct broker_sim *b, bool is_clean)
{
	b->stop.is_clean = is_clean;
	b->retire_wanted = false;
	assembly_hush(&b->parts);
	b->stop_wanted = true;
	actor_wake(&b->home);
	for (int i = 0; !b->is_stopped; i++)
		step(b, i, "stopped");
	ck_assert_int_eq(b->retire.msg.at, MSG_HOME);
	enum err e = assembly_end(&b->parts, b->stop.is_clean_everywhere);
	ck_assert(e == OK || sim_is_dead(b->machine) || (e == ERR_IO && b->may_meet_io));
	b->is_up = false;
}

void broker_sim_stop(struct broker_sim *b)
{
	take_apart(b, true);
}

void broker_sim_retire(struct broker_sim *b)
{
	b->retire_wanted = true;
	actor_wake(&b->home);
}

void broker_sim_silence(struct broker_sim *b)
{
	const struct coord_faults all_lost = { .lose_before = 65536 };

	if (b->parts.controller->coord != NULL)
		coord_set_faults(b->parts.controller->coord, &all_lost);
}

/* Dead machines do nothing: what the parts still try while they are taken apart has no effect, as if they had vanished. */
void broker_sim_crash(struct broker_sim *b, enum sim_crash kind)
{
	if (!sim_is_dead(b->machine))
		sim_kill(b->machine);
	if (b->is_up) {
		broker_sim_silence(b);
		take_apart(b, false);
	}
	sim_crash(b->machine, kind);
}

void broker_sim_run(struct broker_sim *b, int steps)
{
	for (int i = 0; i < steps; i++)
		step(b, 0, "done");
}

int broker_sim_pass(struct broker_sim *b, mono_ms ms)
{
	mono_ms until = os_mono_ms(sim_os(b->elsewhere)) + ms;
	int steps = 0;

	while (os_mono_ms(sim_os(b->elsewhere)) < until) {
		if (sched_sim_step(b->sched))
			steps++;
		else
			sim_advance(b->machine, 1);
	}
	return steps;
}

/* --- clients ------------------------------------------------------------------------------------------------------------------------ */

static struct os *client_os(const struct sim_client *c)
{
	return sim_os(c->b->elsewhere);
}

void sim_client_init(struct sim_client *c, struct broker_sim *b)
{
	memset(c, 0, sizeof(*c));
	c->b = b;
	c->fd = -1;
	writer_init(&c->out);
}

void sim_client_close(struct sim_client *c)
{
	os_close(client_os(c), &c->fd);
	c->in_len = c->taken = c->sent = 0;
	c->asked_count = 0;
	c->is_connecting = false;
	c->has_ended = true;
	writer_reset(&c->out);
}

void sim_client_fini(struct sim_client *c)
{
	sim_client_close(c);
	writer_fini(&c->out);
	free(c->in);
}

void sim_client_connect(struct sim_client *c)
{
	struct os_addr to;
	int n = 0;

	sim_client_close(c);
	ck_assert_int_eq(os_resolve(client_os(c), c->b->host, BROKER_SIM_PORT, &to, 1, &n), OK);
	ck_assert_int_eq(n, 1);
	enum err e = os_connect(client_os(c), &to, &c->fd);
	c->is_connecting = e == ERR_AGAIN;
	c->has_ended = e != OK && e != ERR_AGAIN;
}

bool sim_client_ask(struct sim_client *c, int16_t key, int16_t version, sim_encode *encode, const void *request, void *tag)
{
	struct request_header h = {
		.request_api_key = key, .request_api_version = version, .correlation_id = c->correlation, .client_id = SLICE_LIT("sim"),
	};

	if (c->fd < 0 || c->has_ended || c->asked_count == SIM_CLIENT_PIPELINE)
		return false;
	writer_begin_frame(&c->out);
	ck_assert(header_encode_request(&h, &c->out));
	ck_assert(encode(request, &c->out, version));
	ck_assert(writer_end_frame(&c->out));
	c->asked[c->asked_count].correlation = c->correlation++;
	c->asked[c->asked_count].key = key;
	c->asked[c->asked_count].version = version;
	c->asked[c->asked_count++].tag = tag;
	return true;
}

static void client_send(struct sim_client *c)
{
	if (c->is_connecting) {
		enum err e = os_connect_result(client_os(c), c->fd);

		c->is_connecting = e == ERR_AGAIN;
		c->has_ended = e != OK && e != ERR_AGAIN;
		if (e != OK)
			return;
	}
	while (c->sent < c->out.len) {
		struct iovec iov = { c->out.buf + c->sent, c->out.len - c->sent };
		size_t n = 0;
		enum err e = os_sendv(client_os(c), c->fd, &iov, 1, &n);

		c->has_ended |= e != OK && e != ERR_AGAIN;
		if (e != OK || n == 0)
			return;
		c->sent += n;
	}
	writer_reset(&c->out);
	c->sent = 0;
}

static void client_receive(struct sim_client *c)
{
	size_t got = 0;

	if (c->taken > 0)
		memmove(c->in, c->in + c->taken, c->in_len - c->taken);
	c->in_len -= c->taken;
	c->taken = 0;
	if (c->in_room - c->in_len < 65536) {
		c->in_room = c->in_room * 2 + 65536;
		c->in = mem_realloc_array(c->in, c->in_room, 1);
	}
	enum err e = os_recv(client_os(c), c->fd, c->in + c->in_len, c->in_room - c->in_len, &got);
	c->has_ended |= (e != OK && e != ERR_AGAIN) || (e == OK && got == 0);
	c->in_len += got;
}

bool sim_client_answer(struct sim_client *c, void **tag, int16_t *version, struct slice *body)
{
	int32_t correlation;

	if (c->fd < 0)
		return false;
	client_send(c);
	if (c->is_connecting || c->has_ended)
		return false;
	client_receive(c);
	if (c->in_len < 4 || c->in_len < 4 + (size_t)load_be32(c->in))
		return false;
	size_t size = load_be32(c->in);
	struct reader r = reader_of(slice_of(c->in + 4, size));

	ck_assert_int_gt(c->asked_count, 0);
	ck_assert(header_decode_response(&correlation, &r, c->asked[0].key, c->asked[0].version));
	ck_assert_int_eq(correlation, c->asked[0].correlation);	/* in the order of the requests */
	*tag = c->asked[0].tag;
	*version = c->asked[0].version;
	*body = slice_of(r.ptr, reader_left(&r));
	c->taken = 4 + size;
	memmove(&c->asked[0], &c->asked[1], (size_t)(--c->asked_count) * sizeof(c->asked[0]));
	return true;
}

bool sim_client_call(struct sim_client *c, int16_t key, int16_t version, sim_encode *encode, const void *request, struct slice *body)
{
	int16_t answered;
	void *tag;

	ck_assert_int_eq(c->asked_count, 0);
	if (!sim_client_ask(c, key, version, encode, request, NULL))
		return false;
	for (int i = 0; i < STEPS_MAX; i++) {
		if (sim_client_answer(c, &tag, &answered, body))
			return true;
		if (c->has_ended || sim_is_dead(c->b->machine))
			return false;
		broker_sim_run(c->b, 1);
	}
	ck_assert_msg(false, "no answer to request %d", key);
	return false;
}
