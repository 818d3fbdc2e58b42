/*
 * skein serve: reads the configuration, starts the parts (assembly.c), waits for signals, stops them. The main thread only waits; an actor of its own is home
 * to the messages that tell how far the controller is, and watches whether the others go on (watch.h).
 */
#include "broker/broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/assembly.h"
#include "broker/reload.h"
#include "broker/serve_config.h"
#include "broker/watch.h"
#include "os/log_writer.h"
#include "os/process.h"
#include "os/sandbox.h"

#define WORKERS 4
#define LAST_LINES_MS 1000	/* for the log of a start that failed to be written */

enum broker_state { BROKER_STARTING, BROKER_READY, BROKER_FAILED, BROKER_RETIRING, BROKER_RETIRED, BROKER_STOPPING, BROKER_STOPPED };

struct broker {
	struct actor            actor;
	struct serve_config     config;
	struct os              *os;
	struct guardian        *guardian;	/* NULL: none */
	struct limits           limits;
	struct log_writer      *writer;
	struct log_source       log;
	struct sched           *sched;
	struct workers         *workers;
	struct assembly         parts;
	struct watch            watch;		/* the actor's */
	struct controller_ready ready;
	struct controller_retire retire;
	struct controller_stop  stop;
	struct controller_reload reload;
	uint32_t                reloads_wanted;	/* written by main */
	uint32_t                reloads_begun;	/* the actor's, as the next one */
	bool                    is_reloading;	/* reload is out */
	enum broker_state       state;		/* the actor's news for main, read after a poke; main itself writes only RETIRING and STOPPING */
	struct msg             *wanted;		/* written by main: what to ask the controller; taken by the actor */
};

/* --- the actor: home of ready and stop ------------------------------------------------------------------------------------------------ */

static void broker_on_home(void *arg, struct msg *m)
{
	struct broker *b = arg;

	if (m == &b->ready.msg) {
		/* Told to stop meanwhile: main waits for the other answer, and would take this one for it. */
		enum broker_state from = BROKER_STARTING, to = b->ready.result == OK ? BROKER_READY : BROKER_FAILED;

		__atomic_compare_exchange_n(&b->state, &from, to, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
	} else if (m == &b->retire.msg) {
		__atomic_store_n(&b->state, BROKER_RETIRED, __ATOMIC_RELEASE);
	} else if (m == &b->reload.msg) {
		b->is_reloading = false;	/* another one may be wanted: broker_step */
		return;
	} else {
		__atomic_store_n(&b->state, BROKER_STOPPED, __ATOMIC_RELEASE);
	}
	process_poke();
}

/*
 * What the service manager shows and waits for. While the broker serves, its parts may be looked at: whoever ends that state waits for an answer of this actor
 * before he takes them apart.
 */
static void tell_manager(struct broker *b, mono_ms interval)
{
	enum broker_state state = __atomic_load_n(&b->state, __ATOMIC_ACQUIRE);
	const char *feed = b->watch.stuck == 0 ? "WATCHDOG=1\n" : "";
	char text[256];

	if (!process_is_managed())
		return;
	if (b->watch.stuck > 0) {
		snprintf(text, sizeof(text), "STATUS=%d actors do not go on, for up to %lld s; the log names them", b->watch.stuck, (long long)b->watch.longest / 1000);
	} else if (state == BROKER_STARTING) {
		/* Reading a large log after a crash takes what it takes: no start is too slow while its actors go on. */
		snprintf(text, sizeof(text), "%sEXTEND_TIMEOUT_USEC=%lld\nSTATUS=starting, %d partitions so far", feed, (long long)interval * 1000 * 4, b->watch.partitions);
	} else if (state == BROKER_READY) {
		struct net_counters n;

		net_counters(b->parts.net, &n);
		snprintf(text, sizeof(text), "%sSTATUS=serving %d partitions to %llu connections", feed, b->watch.partitions, (unsigned long long)n.connections_open);
	} else {
		snprintf(text, sizeof(text), "%sSTATUS=%s, %d partitions are open", feed,
		         state == BROKER_RETIRING || state == BROKER_RETIRED ? "stopping: leadership goes to others" : "stopping: closing logs", b->watch.partitions);
	}
	process_notify(text);
}

/* A signal that comes within a reload makes another one. Not once the stop has begun: then the controller may be gone. */
static int reload_step(struct broker *b)
{
	uint32_t wanted = __atomic_load_n(&b->reloads_wanted, __ATOMIC_ACQUIRE);
	bool is_serving = __atomic_load_n(&b->state, __ATOMIC_ACQUIRE) == BROKER_READY;

	if (b->is_reloading || !is_serving || b->reloads_begun == wanted)
		return 0;
	b->reloads_begun = wanted;
	b->is_reloading = actor_ask(&b->actor, controller_actor(b->parts.controller), &b->reload.msg);
	ASSERT(b->is_reloading);	/* an asker without a lane is never declined */
	return 1;
}

static int broker_step(struct actor *a, mono_ms now)
{
	struct broker *b = CONTAINER_OF(a, struct broker, actor);
	bool was_reloading = b->is_reloading;
	int work = actor_drain_answers(a, broker_on_home, b) + reload_step(b);

	if (was_reloading && !b->is_reloading) {
		LOG_INFO(&b->log, reloaded);
		if (__atomic_load_n(&b->state, __ATOMIC_ACQUIRE) == BROKER_READY)
			process_notify("READY=1");
	}

	if (watch_look(&b->watch, now))
		tell_manager(b, b->watch.interval);
	struct msg *wanted = __atomic_exchange_n(&b->wanted, NULL, __ATOMIC_ACQUIRE);
	if (wanted != NULL) {
		bool sent = actor_ask(a, controller_actor(b->parts.controller), wanted);
		ASSERT(sent);	/* an asker without a lane is never declined */
		work++;
	}
	a->deadline = b->watch.next;
	return work;
}

static const struct actor_ops broker_ops = { .module = "broker", .step = broker_step };

/* --- start ------------------------------------------------------------------------------------------------------------------------------ */

static int fail(const char *problem)
{
	fprintf(stderr, "skein serve: %s\n", problem);
	return 1;
}

static enum err start_all(struct broker *b)
{
	char host[256], problem[ASSEMBLY_PROBLEM_MAX];
	struct assembly_spec spec = {
		.sched = b->sched, .workers = b->workers, .set = &b->config.set, .config = b->config.broker, .log = &b->log, .host_name = host,
		.guardian = b->guardian, .limits = b->limits,
	};

	process_host_name(host, sizeof(host));
	msg_init(&b->ready.msg, CONTROLLER_ready, &b->actor);
	msg_init(&b->retire.msg, CONTROLLER_retire, &b->actor);
	msg_init(&b->stop.msg, CONTROLLER_stop, &b->actor);
	msg_init(&b->reload.msg, CONTROLLER_reload, &b->actor);
	enum err e = assembly_start(&b->parts, &spec, &b->ready, problem);
	if (e != OK)
		fail(problem);
	return e;
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
	for (int i = 0; i < b->parts.endpoint_count; i++) {
		is_local &= strcmp(b->parts.endpoints[i].host, "127.0.0.1") == 0 || strcmp(b->parts.endpoints[i].host, "localhost") == 0;
		fprintf(stderr, "  listening   %s:%d (%s)\n", b->parts.endpoints[i].host, b->parts.endpoints[i].port, b->parts.endpoints[i].listener);
	}
	for (int i = 0; i < b->parts.dir_count; i++)
		fprintf(stderr, "  data        %s\n", logdir_path(b->parts.dirs[i]));
	if (b->parts.http != NULL)
		fprintf(stderr, "  console     http://%s:%d/ (and /metrics)\n", c->metrics_host[0] != 0 ? c->metrics_host : "*", http_port(b->parts.http));
	fprintf(stderr, "  durability  log.flush.acks=%s\n", durability(c));
	if (is_local)
		fprintf(stderr, "  other hosts --override listeners=PLAINTEXT://:%d --override advertised.listeners=PLAINTEXT://<this host's name>:%d\n",
		        b->parts.endpoints[0].port, b->parts.endpoints[0].port);
}

/* --- while it runs ---------------------------------------------------------------------------------------------------------------------- */

/* File and levels at once, by main; the store's part is the actor's to ask for. */
static void reload(struct broker *b, int argc, char **argv)
{
	char text[64];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)os_mono_ms(b->os) * 1000);
	process_notify(text);
	reload_static(b->os, &b->log, &b->config.set, argc, argv);
	__atomic_fetch_add(&b->reloads_wanted, 1, __ATOMIC_RELEASE);
	actor_wake(&b->actor);
}

/* --- stop ------------------------------------------------------------------------------------------------------------------------------------ */

static void guardian_is_missing(const struct broker *b, enum err e)
{
	LOG_WARN(&b->log, guardian_missing, KV_ERR(e));
}

/* It has no other child. */
static enum process_signal next_signal(const struct broker *b)
{
	enum process_signal s = process_wait();

	if (s == PROCESS_CHILD_ENDED && b->guardian != NULL)
		guardian_is_missing(b, ERR_CLOSED);
	return s;
}

static enum broker_state wait_for(struct broker *b, enum broker_state after)
{
	while (true) {
		enum broker_state s = __atomic_load_n(&b->state, __ATOMIC_ACQUIRE);

		if (s != after)
			return s;
		if (next_signal(b) == PROCESS_TERMINATE) {
			if (after == BROKER_RETIRING || after == BROKER_STOPPING)
				_Exit(1);	/* asked a second time: at once */
			return after;
		}
	}
}

static void ask_controller(struct broker *b, struct msg *m, enum broker_state meanwhile)
{
	__atomic_store_n(&b->state, meanwhile, __ATOMIC_RELEASE);
	__atomic_store_n(&b->wanted, m, __ATOMIC_RELEASE);
	actor_wake(&b->actor);
	wait_for(b, meanwhile);
}

/* Leadership goes to others while this broker still serves; then no call is left; then the logs are closed. */
static int stop_all(struct broker *b, bool has_served)
{
	LOG_INFO(&b->log, broker_stopping);
	process_notify("STOPPING=1\nSTATUS=stopping");
	if (has_served)
		ask_controller(b, &b->retire.msg, BROKER_RETIRING);
	assembly_hush(&b->parts);
	b->stop.is_clean = true;
	ask_controller(b, &b->stop.msg, BROKER_STOPPING);
	enum err e = assembly_end(&b->parts, b->stop.is_clean_everywhere);
	if (b->guardian != NULL)
		guardian_end(&b->guardian);
	LOG_INFO(&b->log, broker_stopped);
	return e == OK ? 0 : 1;
}

/* A member of a cluster has to be there before anybody asks for it, so it is not started by who does. */
static int take_sockets(const struct broker *b)
{
	int count;
	enum err e = process_inherit_sockets(&count);

	if (e != OK) {
		fail("what the service manager passed is not only listening TCP sockets, at most 32");
		return 2;
	}
	if (count > 0 && !b->config.broker->is_alone) {
		fail("it was started by a connection (socket activation), but zookeeper.connect makes it a member of a cluster, which has to run before: "
		     "systemctl disable --now skein.socket; systemctl enable --now skein.service");
		return 2;
	}
	return 0;
}

static bool is_socket_unused(void)
{
	char which[64];

	if (!process_has_socket_left(which, sizeof(which)))
		return false;
	fprintf(stderr, "skein serve: the service manager listens at %s, but no listener of the configuration does: ListenStream= has to name what listeners= names\n", which);
	return true;
}

static int run(struct broker *b, int argc, char **argv)
{
	if (start_all(b) != OK || is_socket_unused())
		return 1;	/* the process ends now; nothing is acknowledged yet */
	enum broker_state s = wait_for(b, BROKER_STARTING);
	if (s == BROKER_FAILED)
		return fail(b->ready.problem[0] != 0 ? b->ready.problem : err_text(b->ready.result));
	if (s == BROKER_READY) {
		assembly_serve(&b->parts);
		print_banner(b);
		LOG_INFO(&b->log, broker_started);
		process_notify("READY=1\nSTATUS=serving");	/* with numbers at the next look */
		for (enum process_signal sig; (sig = next_signal(b)) != PROCESS_TERMINATE; )
			if (sig == PROCESS_RELOAD)
				reload(b, argc, argv);
	}
	return stop_all(b, s == BROKER_READY);
}

static void tell_sandbox(const struct broker *b, const struct sandbox *s)
{
	if (s->landlock > 0 && s->has_filter)
		LOG_INFO(&b->log, sandboxed, KV_I32("landlock", s->landlock), KV_BOOL("calls", true));
	else
		LOG_WARN(&b->log, sandbox_partial, KV_I32("landlock", s->landlock), KV_BOOL("calls", s->has_filter));
}

int broker_main(int argc, char **argv)
{
	static struct broker b;
	struct sandbox sandbox;
	bool is_help = false;
	uint64_t seed[2];

	process_block_signals();
	b.limits.files = process_raise_files();
	b.limits.threads = process_threads_max(&b.limits.threads_remedy);
	b.os = os_real();
	os_random(b.os, seed, sizeof(seed));
	map_seed_set(seed[0], seed[1]);
	int code = serve_config_read(&b.config, b.os, argc, argv, &is_help);
	if (code != 0 || is_help || b.config.is_check_only) {
		serve_config_fini(&b.config);
		return code;
	}
	if ((code = take_sockets(&b)) != 0) {
		serve_config_fini(&b.config);
		return code;
	}
	if (b.config.broker->is_alone)
		process_private_files();	/* somebody's own broker: the records in it are nobody else's */
	log_source_init(&b.log, "broker", "%d", b.config.broker->broker_id);
	if (!b.config.broker->is_alone && b.config.broker->is_session_guarded) {
		enum err e = guardian_start(&b.guardian);	/* while there is one thread */

		if (e != OK)
			guardian_is_missing(&b, e);
	}
	log_set_format((enum log_format)b.config.broker->event_log_format);
	log_levels_set(slice_str(b.config.broker->event_log_levels));
	/* While there is one thread, and after the guardian, which needs less and gives up more by itself. */
	bool is_sandboxed = b.config.broker->is_sandboxed && sandbox_begin(&sandbox, b.config.broker->log_dirs.items, b.config.broker->log_dirs.count);
	if (log_writer_create(b.os, &b.writer, NULL) == OK)
		log_writer_flush_at_end(b.writer);
	if (b.writer != NULL && b.config.broker->event_log_format == LOG_FORMAT_TEXT && log_writer_is_read_by_journal())
		(void)!log_writer_use_journal(b.writer, LOG_JOURNAL_SOCKET);	/* nobody there: it stays text */
	if (is_sandboxed)
		tell_sandbox(&b, &sandbox);
	b.sched = sched_threads_create(b.os);
	b.workers = workers_create(b.sched, WORKERS);
	actor_init(&b.actor, b.sched, &broker_ops, LANE_NONE, "broker");
	watch_init(&b.watch, b.sched, &b.log, process_watchdog_ms());
	if (actor_start(&b.actor, 0) != OK)
		return fail("cannot start a thread");
	code = run(&b, argc, argv);
	if (code != 0 && b.parts.net != NULL) {	/* half started: threads are about; the sentence is on stderr, and what is on disk is as a crash would leave it */
		if (b.writer != NULL)
			(void)log_writer_flush(b.writer, LAST_LINES_MS);
		_Exit(code);
	}
	if (code == 0) {
		actor_stop(&b.actor);
		actor_join(&b.actor);
		actor_fini(&b.actor);
		workers_destroy(&b.workers);
		sched_destroy(&b.sched);
		serve_config_fini(&b.config);
	}
	if (b.writer != NULL)
		log_writer_destroy(&b.writer);
	return code;
}
