/*
 * The whole: listeners bound first, so that a wrong address is known before anything runs; then the
 * actors; accepting last. The end goes the other way round. The acceptor outlives the network
 * actors, which tell it of every connection that goes.
 */
#include "net/net_priv.h"

#include <stdio.h>
#include <stdlib.h>

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
		int i = net->network_count++;
		enum err err = network_init(&net->networks[i], net, i);

		if (err != OK)
			return err;
		if (spec->network_created != NULL)
			spec->network_created(&net->networks[i], spec->app);
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

void net_start(struct net *net)
{
	for (int i = 0; i < net->spec->listener_count; i++) {
		const struct net_listener_spec *l = &net->spec->listeners[i];
		LOG_INFO(&net->acceptor.actor.log, net_listening, KV_STR("listener", l->name),
		         KV_STR("host", l->host), KV_I32("port", l->bound_port));
	}
	set_accepting(net, NET_ACCEPTING);
}

static bool is_quiet(struct net *net)
{
	for (int i = 0; i < net->started; i++)
		if (!__atomic_load_n(&net->networks[i].is_quiet, __ATOMIC_ACQUIRE))
			return false;
	return true;
}

void net_stop(struct net *net)
{
	set_accepting(net, NET_STOPPED);
	while (!is_quiet(net)) {
		if (!sched_is_sim(net->spec->sched))
			os_sleep_ms(net->os, 1);
		else if (!sched_sim_step(net->spec->sched))
			break;	/* what is out will never come home; actor_join says who waits */
	}
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

/* struct net_counters is nothing but uint64_t: summed as an array, so that a new one needs no line
 * here. */
void net_counters(const struct net *net, struct net_counters *out)
{
	uint64_t *sum = (uint64_t *)out;

	*out = (struct net_counters){ 0 };
	out->refused = __atomic_load_n(&net->acceptor.refused, __ATOMIC_RELAXED);
	for (int i = 0; i < net->network_count; i++) {
		const uint64_t *one = (const uint64_t *)&net->networks[i].counters;
		for (size_t k = 0; k < sizeof(*out) / sizeof(uint64_t); k++)
			sum[k] += __atomic_load_n(&one[k], __ATOMIC_RELAXED);
	}
	out->connections_open = out->connections_accepted - out->connections_closed;
}
