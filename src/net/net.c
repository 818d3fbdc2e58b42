/*
 * The whole: listeners bound first, so that a wrong address is known before anything runs; then the
 * actors; accepting last. The end goes the other way round. The acceptor outlives the network
 * actors, which tell it of every connection that goes.
 */
#include "net/net_priv.h"

#include <stdio.h>
#include <stdlib.h>

#define SAY_AFTER_MS 1000	/* of a stop: what it waits for */
#define SAY_AGAIN_MS 5000
#define NETWORK_STACK_BYTES (256u << 10)	/* decoders and handlers of every API run on it */

static enum err start_actors(struct net *net)
{
	enum err err = actor_start(&net->acceptor.actor, 0);

	net->is_acceptor_started = err == OK;
	for (; err == OK && net->started < net->network_count; net->started++) {
		err = actor_start(&net->networks[net->started].actor, NETWORK_STACK_BYTES);
		if (err != OK)
			break;
	}
	return err;
}

static enum err init_networks(struct net *net)
{
	const struct net_spec *spec = net->spec;

	while (net->network_count < spec->network_threads) {
		struct network *n = &net->networks[net->network_count];
		enum err err = network_init(n, net, net->network_count);

		if (err != OK) {
			network_fini(n);	/* the app has not heard of it */
			return err;
		}
		net->network_count++;
		if (spec->network_created != NULL)
			spec->network_created(n, spec->app);
	}
	return OK;
}

enum err net_create(struct net **out, struct net_spec *spec, char *problem, size_t problem_size)
{
	struct net *net = mem_calloc(1, sizeof(*net));
	enum err err;

	ASSERT(spec->network_threads > 0 && spec->network_threads <= NETWORK_THREADS_MAX);
	ASSERT(spec->listener_count <= NET_MAX_LISTENERS);
	net->spec = spec;
	net->os = sched_os(spec->sched);
	net->may_spin = !sched_is_sim(spec->sched) && os_cpu_count(net->os) > 1;
	net->networks = mem_calloc((size_t)spec->network_threads, sizeof(*net->networks));
	err = acceptor_init(&net->acceptor, net, problem, problem_size);
	if (err == OK) {
		err = init_networks(net);
		if (err == OK)
			err = start_actors(net);
		if (err != OK)
			snprintf(problem, problem_size, "network threads: %s", err_text(err));
	}
	if (err != OK) {
		net_destroy(&net);
		return err;
	}
	*out = net;
	return OK;
}

static void set_accepting(struct net *net, enum net_accepting state)
{
	__atomic_store_n(&net->accepting, state, __ATOMIC_RELEASE);
	if (net->is_acceptor_started)
		actor_wake(&net->acceptor.actor);
	for (int i = 0; i < net->started; i++)
		actor_wake(&net->networks[i].actor);
}

enum err net_listen(struct net *net, char *problem, size_t problem_size)
{
	uint32_t was = DOORS_BOUND;

	if (!__atomic_compare_exchange_n(&net->doors, &was, DOORS_OPENING, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return OK;	/* done before, or there is nothing to begin with any more */
	enum err err = acceptor_listen(&net->acceptor, problem, problem_size);
	__atomic_store_n(&net->doors, DOORS_OPEN, __ATOMIC_RELEASE);
	return err;
}

void net_start(struct net *net)
{
	for (int i = 0; i < net->spec->listener_count; i++) {
		const struct net_listener_spec *l = &net->spec->listeners[i];
		LOG_INFO(&net->acceptor.actor.log, net_listening, KV_STR("listener", l->name),
		         KV_STR("host", l->host), KV_I32("port", l->bound_port));
	}
	set_accepting(net, NET_ACCEPTING);
}

static bool has_begun_to_stop(const struct network *n)
{
	return __atomic_load_n(&n->is_stopping, __ATOMIC_ACQUIRE);
}

static bool is_quiet(const struct network *n)
{
	return __atomic_load_n(&n->is_quiet, __ATOMIC_ACQUIRE);
}

static void wait_for_all(struct net *net, bool (*is_so)(const struct network *n))
{
	mono_ms say_at = os_mono_ms(net->os) + SAY_AFTER_MS;

	for (int i = 0; i < net->started; i++) {
		while (!is_so(&net->networks[i])) {
			if (os_mono_ms(net->os) >= say_at) {
				LOG_INFO(&net->acceptor.actor.log, stop_waits, KV_STR("what", "requests that are not answered yet"));
				say_at += SAY_AGAIN_MS;
			}
			if (!sched_is_sim(net->spec->sched))
				os_sleep_ms(net->os, 1);
			else if (!sched_sim_step(net->spec->sched))
				return;	/* what is out will never come home; actor_join says who waits */
		}
	}
}

void net_hush(struct net *net)
{
	set_accepting(net, NET_STOPPED);
	wait_for_all(net, has_begun_to_stop);
}

void net_stop(struct net *net)
{
	net_hush(net);
	wait_for_all(net, is_quiet);
}

void net_destroy(struct net **netp)
{
	struct net *net = *netp;

	net_stop(net);
	for (int i = 0; i < net->started; i++)
		actor_stop(&net->networks[i].actor);
	for (int i = 0; i < net->started; i++)
		actor_join(&net->networks[i].actor);
	if (net->is_acceptor_started) {
		actor_stop(&net->acceptor.actor);
		actor_join(&net->acceptor.actor);
	}
	for (int i = 0; i < net->network_count; i++) {
		if (net->spec->network_ended != NULL)
			net->spec->network_ended(&net->networks[i], net->spec->app);
		network_fini(&net->networks[i]);
	}
	acceptor_fini(&net->acceptor);
	free(net->networks);
	free(net);
	*netp = NULL;
}

int net_network_count(const struct net *net)
{
	return net->network_count;
}

struct network *net_network(struct net *net, int i)
{
	ASSERT(i >= 0 && i < net->network_count);
	return &net->networks[i];
}

/* Structs of nothing but uint64_t are summed as arrays, so that a new one needs no line here. */
static void add_up(void *sum, const void *one, size_t size)
{
	uint64_t *to = sum;
	const uint64_t *from = one;

	for (size_t k = 0; k < size / sizeof(uint64_t); k++)
		to[k] += __atomic_load_n(&from[k], __ATOMIC_RELAXED);
}

void net_counters(const struct net *net, struct net_counters *out)
{
	*out = (struct net_counters){ 0 };
	out->refused = __atomic_load_n(&net->acceptor.refused, __ATOMIC_RELAXED);
	for (int i = 0; i < net->network_count; i++)
		add_up(out, &net->networks[i].counters, sizeof(*out));
	out->connections_open = out->connections_accepted - out->connections_closed;
}

void net_api_times(const struct net *net, int key, struct net_api_times *out)
{
	ASSERT(key >= 0 && key < net->spec->row_count);
	*out = (struct net_api_times){ 0 };
	for (int i = 0; net->spec->measures && i < net->network_count; i++)
		add_up(out, &net->networks[i].times[key], sizeof(*out));
}

int net_row_count(const struct net *net)
{
	return net->spec->row_count;
}

const struct api_row *net_row(const struct net *net, int key)
{
	return key >= 0 && key < net->spec->row_count ? net->spec->rows[key] : NULL;
}
