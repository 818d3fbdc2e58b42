/*
 * skein serve: the order of start and stop.
 *
 *	start	configuration; listeners bound; log directories locked; controller (store, directories claimed and read, registration, election, topics,
 *		replicas in their roles);
 *		network actors accept.
 *	stop	network: no call is left; controller: partitions closed, checkpoints, registration withdrawn; clean-shutdown markers, last of all.
 *
 * What can fail for a reason the operator can mend fails before anything of the data has been touched, with one sentence. The main thread only waits for
 * signals; an actor of its own is home to the two messages that tell how far the controller is.
 */
#include "broker/broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/fetch_session.h"
#include "broker/serve_config.h"
#include "broker/upkeep.h"
#include "controller/controller.h"
#include "net/net.h"
#include "os/log_writer.h"
#include "os/process.h"

#define STORE_FILE ".skein-store"	/* a plain file with a dot: a Java broker on the same directory passes over it */
#define WORKERS    4

enum broker_state { BROKER_STARTING, BROKER_READY, BROKER_FAILED, BROKER_STOPPING, BROKER_STOPPED };

struct broker {
	struct actor            actor;
	struct serve_config     config;
	struct os              *os;
	struct log_writer      *writer;
	struct log_source       log;
	struct sched           *sched;
	struct workers         *workers;
	struct logdir         **dirs;
	int                     dir_count;
	struct net             *net;
	struct net_spec         net_spec;
	struct net_listener_spec listeners[16];
	struct cluster_endpoint endpoints[8];
	int                     endpoint_count;
	struct api_context      api;
	struct upkeep          *upkeep;
	struct controller      *controller;
	struct coord_zookeeper_spec zookeeper;
	char                    store_file[1024];
	struct controller_ready ready;
	struct controller_stop  stop;
	enum broker_state       state;		/* written by the actor, read by main after a poke */
	bool                    stop_wanted;	/* written by main: ask the controller to stop */
	bool                    stop_asked;
};

/* --- the actor: home of ready and stop ------------------------------------------------------------------------------------------------ */

static void broker_on_home(void *arg, struct msg *m)
{
	struct broker *b = arg;
	enum broker_state next = BROKER_STOPPED;

	if (m == &b->ready.msg)
		next = b->ready.result == OK ? BROKER_READY : BROKER_FAILED;
	__atomic_store_n(&b->state, next, __ATOMIC_RELEASE);
	process_poke();
}

static int broker_step(struct actor *a, mono_ms now)
{
	struct broker *b = CONTAINER_OF(a, struct broker, actor);
	int work = actor_drain_answers(a, broker_on_home, b);

	(void)now;
	if (__atomic_load_n(&b->stop_wanted, __ATOMIC_ACQUIRE) && !b->stop_asked) {
		b->stop_asked = actor_ask(a, controller_actor(b->controller), &b->stop.msg);
		work++;
	}
	a->deadline = MONO_NEVER;
	return work;
}

static const struct actor_ops broker_ops = { .module = "broker", .step = broker_step };

/* --- start ------------------------------------------------------------------------------------------------------------------------------ */

static int fail(const char *problem)
{
	fprintf(stderr, "skein serve: %s\n", problem);
	return 1;
}

static int open_dirs(struct broker *b)
{
	const struct text_list *list = &b->config.broker->log_dirs;
	char problem[LOGDIR_ERROR_MAX];

	b->dirs = mem_calloc((size_t)list->count, sizeof(struct logdir *));
	for (int i = 0; i < list->count; i++) {
		if (logdir_open(&b->dirs[i], b->os, &b->log, list->items[i], problem) != OK)
			return fail(problem);
		b->dir_count++;
	}
	return 0;
}

/* The store stays where it was first made. */
static int find_store(struct broker *b)
{
	struct os_stat st;

	for (int i = 0; i < b->dir_count; i++) {
		snprintf(b->store_file, sizeof(b->store_file), "%s/" STORE_FILE, logdir_path(b->dirs[i]));
		if (os_stat(b->os, b->store_file, &st) == OK)
			return 0;
	}
	snprintf(b->store_file, sizeof(b->store_file), "%s/" STORE_FILE, logdir_path(b->dirs[0]));
	return 0;
}

static int bind_listeners(struct broker *b)
{
	const struct broker_config *c = b->config.broker;
	char problem[512];

	if (c->listeners_count > (int)ARRAY_LEN(b->listeners))
		return fail("more than 16 listeners are configured");
	for (int i = 0; i < c->listeners_count; i++) {
		snprintf(b->listeners[i].name, sizeof(b->listeners[i].name), "%s", c->listeners[i].name);
		snprintf(b->listeners[i].host, sizeof(b->listeners[i].host), "%s", c->listeners[i].host);
		b->listeners[i].port = (uint16_t)c->listeners[i].port;
	}
	b->net_spec = (struct net_spec){
		.sched = b->sched, .workers = b->workers, .rows = api_rows, .row_count = api_row_count,
		.network_threads = MIN(c->num_network_threads, NETWORK_THREADS_MAX), .max_request_bytes = c->socket_request_max_bytes,
		.backlog = c->socket_listen_backlog_size, .send_buffer = c->socket_send_buffer_bytes, .recv_buffer = c->socket_receive_buffer_bytes,
		.max_idle_ms = c->connections_max_idle_ms < 0 ? MONO_NEVER : c->connections_max_idle_ms, .max_connections = c->max_connections,
		.max_connections_per_ip = c->max_connections_per_ip, .listeners = b->listeners, .listener_count = c->listeners_count, .app = &b->api,
		.network_created = api_network_created, .on_home = api_on_home, .network_ended = api_network_ended,
	};
	if (net_create(&b->net, &b->net_spec, problem, sizeof(problem)) != OK)
		return fail(problem);
	return 0;
}

static const char *protocol_name(enum security_protocol p)
{
	switch (p) {
	case PROTOCOL_PLAINTEXT:      return "PLAINTEXT";
	case PROTOCOL_SSL:            return "SSL";
	case PROTOCOL_SASL_PLAINTEXT: return "SASL_PLAINTEXT";
	case PROTOCOL_SASL_SSL:       return "SASL_SSL";
	}
	return "PLAINTEXT";
}

/* What clients are told: advertised names; a port 0 becomes the bound one, an empty host this machine's name. */
static void make_endpoints(struct broker *b)
{
	const struct broker_config *c = b->config.broker;

	for (int i = 0; i < c->advertised_count && b->endpoint_count < (int)ARRAY_LEN(b->endpoints); i++) {
		struct cluster_endpoint *e = &b->endpoints[b->endpoint_count++];

		snprintf(e->listener, sizeof(e->listener), "%s", c->advertised[i].name);
		snprintf(e->protocol, sizeof(e->protocol), "%s", protocol_name(c->advertised[i].protocol));
		snprintf(e->host, sizeof(e->host), "%s", c->advertised[i].host);
		e->port = (uint16_t)c->advertised[i].port;
		if (e->host[0] == 0)
			process_host_name(e->host, sizeof(e->host));
		for (int k = 0; k < c->listeners_count; k++) {
			if (e->port == 0 && strcmp(b->listeners[k].name, e->listener) == 0)
				e->port = b->listeners[k].bound_port;
		}
	}
}

static int start_controller(struct broker *b)
{
	const struct broker_config *c = b->config.broker;
	char problem[512] = "";
	struct controller_spec spec = {
		.sched = b->sched, .workers = b->workers, .config = &b->config.set, .dirs = b->dirs, .dir_count = b->dir_count,
		.endpoints = b->endpoints, .endpoint_count = b->endpoint_count, .embedded_file = b->store_file,
	};

	if (!c->is_alone) {
		b->zookeeper = (struct coord_zookeeper_spec){
			.connect = c->zookeeper_connect, .session_timeout_ms = c->zookeeper_session_timeout_ms,
			.connection_timeout_ms = c->zookeeper_connection_timeout_ms,
		};
		spec.zookeeper = &b->zookeeper;
	}
	msg_init(&b->ready.msg, CONTROLLER_ready, &b->actor);
	msg_init(&b->stop.msg, CONTROLLER_stop, &b->actor);
	enum err e = controller_create(&b->controller, &spec, &b->ready, problem, sizeof(problem));
	if (e != OK)
		return fail(problem[0] != 0 ? problem : err_text(e));
	b->api.controller = controller_actor(b->controller);
	for (int i = 0; i < net_network_count(b->net); i++)
		controller_add_audience(b->controller, network_actor(net_network(b->net, i)));
	controller_add_audience(b->controller, upkeep_actor(b->upkeep));
	return controller_start(b->controller) == OK ? 0 : fail("cannot start a thread");
}

static int start_all(struct broker *b)
{
	const struct broker_config *c = b->config.broker;
	struct upkeep_spec upkeep;

	b->api = (struct api_context){ .os = b->os, .sched = b->sched, .workers = b->workers, .config = &b->config.set, .broker = b->config.broker };
	b->api.sessions = fetch_sessions_create(b->os, c->fetch_session_slots);
	if (bind_listeners(b) != 0 || open_dirs(b) != 0 || find_store(b) != 0)
		return 1;
	make_endpoints(b);
	upkeep = (struct upkeep_spec){
		.sched = b->sched, .workers = b->workers, .dirs = b->dirs, .dir_count = b->dir_count,
		.watermark_interval_ms = c->high_watermark_checkpoint_interval_ms, .recovery_interval_ms = c->log_flush_offset_checkpoint_interval_ms,
		.delete_delay_ms = c->topic.file_delete_delay_ms,
	};
	if (upkeep_start(&b->upkeep, &upkeep) != OK)
		return fail("cannot start a thread");
	return start_controller(b);
}

/* --- what the operator sees -------------------------------------------------------------------------------------------------------------- */

static const char *durability(const struct broker_config *c)
{
	switch ((enum flush_acks)c->flush_acks) {
	case FLUSH_ACKS_AUTO:   return "auto: acks=all is answered when the record is on this disk or on two brokers; acks=1 from memory";
	case FLUSH_ACKS_ALWAYS: return "always: acks=1 and acks=all are answered when the record is on this disk";
	case FLUSH_ACKS_NEVER:  return "never: answers do not wait for the disk; a power cut may lose what was acknowledged";
	}
	return "";
}

static void print_banner(const struct broker *b)
{
	const struct broker_config *c = b->config.broker;
	bool is_local = true;

	fprintf(stderr, "skein " PACKAGE_VERSION "\n");
	for (int i = 0; i < b->endpoint_count; i++) {
		is_local &= strcmp(b->endpoints[i].host, "127.0.0.1") == 0 || strcmp(b->endpoints[i].host, "localhost") == 0;
		fprintf(stderr, "  listening   %s:%d (%s)\n", b->endpoints[i].host, b->endpoints[i].port, b->endpoints[i].listener);
	}
	for (int i = 0; i < b->dir_count; i++)
		fprintf(stderr, "  data        %s\n", logdir_path(b->dirs[i]));
	fprintf(stderr, "  durability  log.flush.acks=%s\n", durability(c));
	fprintf(stderr, "  not yet     retention and compaction are not enforced: old records stay\n");
	if (is_local)
		fprintf(stderr, "  other hosts --override listeners=PLAINTEXT://:9092 --override advertised.listeners=PLAINTEXT://<this host's name>:9092\n");
}

/* --- stop ------------------------------------------------------------------------------------------------------------------------------------ */

static enum broker_state wait_for(struct broker *b, enum broker_state after)
{
	while (true) {
		enum broker_state s = __atomic_load_n(&b->state, __ATOMIC_ACQUIRE);

		if (s != after)
			return s;
		if (process_wait() == PROCESS_TERMINATE) {
			if (after == BROKER_STOPPING)
				_Exit(1);	/* asked a second time: at once */
			return after;
		}
	}
}

static bool stop_controller(struct broker *b)
{
	if (b->controller == NULL)
		return false;
	b->stop.is_clean = true;
	__atomic_store_n(&b->state, BROKER_STOPPING, __ATOMIC_RELEASE);
	__atomic_store_n(&b->stop_wanted, true, __ATOMIC_RELEASE);
	actor_wake(&b->actor);
	wait_for(b, BROKER_STOPPING);
	controller_join(&b->controller);
	return b->stop.is_clean_everywhere;
}

static int stop_all(struct broker *b)
{
	int code = 0;

	LOG_INFO(&b->log, broker_stopping);
	process_notify("STOPPING=1");
	net_stop(b->net);
	bool is_clean = stop_controller(b);
	upkeep_destroy(&b->upkeep);
	net_destroy(&b->net);
	fetch_sessions_destroy(&b->api.sessions);
	for (int i = 0; i < b->dir_count; i++) {
		if (is_clean && !logdir_is_offline(b->dirs[i])) {
			if (logdir_close_clean(&b->dirs[i]) != OK)
				code = 1;
		} else {
			logdir_close(&b->dirs[i]);
		}
	}
	LOG_INFO(&b->log, broker_stopped);
	return code;
}

static int run(struct broker *b)
{
	int code = start_all(b);

	if (code != 0)
		return code;	/* the process ends now; nothing is acknowledged yet */
	enum broker_state s = wait_for(b, BROKER_STARTING);
	if (s == BROKER_FAILED)
		return fail(b->ready.problem[0] != 0 ? b->ready.problem : err_text(b->ready.result));
	if (s == BROKER_READY) {
		net_start(b->net);
		print_banner(b);
		LOG_INFO(&b->log, broker_started);
		process_notify("READY=1");
		while (process_wait() != PROCESS_TERMINATE)
			;
	}
	return stop_all(b);
}

int broker_main(int argc, char **argv)
{
	static struct broker b;
	bool is_help = false;
	uint64_t seed[2];

	process_block_signals();
	process_raise_files();
	b.os = os_real();
	os_random(b.os, seed, sizeof(seed));
	map_seed_set(seed[0], seed[1]);
	int code = serve_config_read(&b.config, b.os, argc, argv, &is_help);
	if (code != 0 || is_help || b.config.is_check_only) {
		serve_config_fini(&b.config);
		return code;
	}
	if (b.config.broker->is_alone)
		process_private_files();	/* somebody's own broker: the records in it are nobody else's */
	log_source_init(&b.log, "broker", "%d", b.config.broker->broker_id);
	if (log_writer_create(b.os, &b.writer, NULL) == OK)
		log_writer_flush_at_end(b.writer);
	b.sched = sched_threads_create(b.os);
	b.workers = workers_create(b.sched, WORKERS);
	actor_init(&b.actor, b.sched, &broker_ops, LANE_NONE, "broker");
	if (actor_start(&b.actor, 0) != OK)
		return fail("cannot start a thread");
	code = run(&b);
	if (code != 0 && b.net != NULL)
		_Exit(code);	/* half started: threads are about; the sentence is on stderr, and what is on disk is as a crash would leave it */
	if (code == 0) {
		actor_stop(&b.actor);
		actor_join(&b.actor);
		actor_fini(&b.actor);
		workers_destroy(&b.workers);
		sched_destroy(&b.sched);
		free(b.dirs);
		serve_config_fini(&b.config);
	}
	if (b.writer != NULL)
		log_writer_destroy(&b.writer);
	return code;
}
