/*
 * skein serve: reads the configuration, starts the parts (assembly.c), waits for signals, stops them. The main thread only waits; an actor of its own is home
 * to the messages that tell how far the controller is, and watches whether the others go on (watch.h).
 */
#include "broker/broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
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
	bool                    is_for_journal;	/* the log is read by it */
	bool                    is_given_up;	/* a stop was asked for before the start was through */
	bool                    is_in_words;	/* the log is text, for people: what else there is to say is no event either */
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
	} else if (b->watch.jobs_stuck > 0) {
		snprintf(text, sizeof(text), "%sSTATUS=a device does not answer: %d jobs do not come back, for up to %lld s; the log names them", feed, b->watch.jobs_stuck,
		         (long long)b->watch.jobs_longest / 1000);
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

/* Who reads stderr decides: words for people, events for programs. Once the configuration is read as far as it goes; this thread only. */
static void choose_format(struct broker *b)
{
	int32_t format = serve_config_log_format(&b->config);

	b->is_for_journal = (format == LOG_FORMAT_TEXT || format == EVENT_LOG_AUTO) && log_writer_is_read_by_journal();
	if (format == EVENT_LOG_AUTO)
		format = process_has_terminal() || b->is_for_journal ? LOG_FORMAT_TEXT : LOG_FORMAT_LOGFMT;
	b->is_in_words = format == LOG_FORMAT_TEXT && !b->is_for_journal;
	log_set_format((enum log_format)format);
}

/* Starts a thread. */
static void open_log(struct broker *b)
{
	if (log_writer_create(b->os, &b->writer, NULL) != OK)
		return;
	log_writer_flush_at_end(b->writer);
	if (b->is_for_journal && !log_writer_use_journal(b->writer, LOG_JOURNAL_SOCKET))
		b->is_in_words = true;	/* nobody there: it stays text */
}

/* The one thing that an operator must see; the process ends now. problem: a sentence a line. */
static int fail_with(struct broker *b, int code, struct slice problem)
{
	struct slice line;

	if (b->writer == NULL && !b->is_in_words)
		open_log(b);
	while (serve_config_line(&problem, &line)) {
		if (b->is_in_words)
			fprintf(stderr, "skein serve: " SLICE_FMT "\n", SLICE_ARG(line));
		else
			LOG_ERROR(&b->log, start_failed, KV_SLICE("problem", line));
	}
	return code;
}

static int fail(struct broker *b, const char *problem)
{
	return fail_with(b, 1, slice_str(problem));
}

static int fail_for_threads(struct broker *b)
{
	char problem[ASSEMBLY_PROBLEM_MAX];

	limits_no_thread(&b->limits, b->config.broker, problem, sizeof(problem));
	return fail(b, problem);
}

static void tell_warnings(const struct broker *b)
{
	struct slice rest = strbuf_slice(&b->config.warnings), line;

	while (serve_config_line(&rest, &line)) {
		if (b->is_in_words)
			fprintf(stderr, "skein serve: warning: " SLICE_FMT "\n", SLICE_ARG(line));
		else
			LOG_WARN(&b->log, config_doubtful, KV_SLICE("problem", line));
	}
}

static enum err start_all(struct broker *b)
{
	char host[256], problem[ASSEMBLY_PROBLEM_MAX];
	struct assembly_spec spec = {
		.sched = b->sched, .workers = b->workers, .set = &b->config.set, .config = b->config.broker, .log = &b->log, .host_name = host,
		.guardian = b->guardian, .limits = b->limits, .is_given_up = process_is_asked_to_end,
	};

	process_host_name(host, sizeof(host));
	msg_init(&b->ready.msg, CONTROLLER_ready, &b->actor);
	msg_init(&b->retire.msg, CONTROLLER_retire, &b->actor);
	msg_init(&b->stop.msg, CONTROLLER_stop, &b->actor);
	msg_init(&b->reload.msg, CONTROLLER_reload, &b->actor);
	enum err e = assembly_start(&b->parts, &spec, &b->ready, problem);
	b->is_given_up = e == ERR_CLOSED && process_is_asked_to_end();
	if (e != OK && !b->is_given_up)
		fail(b, problem);
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

static void add_address(struct strbuf *out, const char *host, int port)
{
	char text[ADDRESS_TEXT_SIZE];

	strbuf_add_str(out, address_text(text, slice_str(host), port));
}

/* Nothing without one. */
static void add_console(struct strbuf *out, const struct broker *b)
{
	const char *host = b->config.broker->metrics_host;

	if (b->parts.http == NULL)
		return;
	strbuf_add_str(out, "http://");
	add_address(out, host[0] != 0 ? host : "*", http_port(b->parts.http));
	strbuf_add_char(out, '/');
}

static void print_banner(const struct broker *b)
{
	const struct broker_config *c = b->config.broker;
	struct strbuf text = STRBUF_INIT;
	bool is_local = true;

	fprintf(stderr, "skein " PACKAGE_VERSION "\n");
	for (int i = 0; i < b->parts.endpoint_count; i++) {
		is_local &= strcmp(b->parts.endpoints[i].host, "127.0.0.1") == 0 || strcmp(b->parts.endpoints[i].host, "localhost") == 0;
		strbuf_reset(&text);
		add_address(&text, b->parts.endpoints[i].host, b->parts.endpoints[i].port);
		fprintf(stderr, "  listening   %s (%s)\n", strbuf_cstr(&text), b->parts.endpoints[i].listener);
	}
	for (int i = 0; i < b->parts.dir_count; i++)
		fprintf(stderr, "  data        %s\n", logdir_path(b->parts.dirs[i]));
	strbuf_reset(&text);
	add_console(&text, b);
	if (text.len > 0)
		fprintf(stderr, "  console     %s (and /metrics)\n", strbuf_cstr(&text));
	strbuf_fini(&text);
	fprintf(stderr, "  durability  log.flush.acks=%s\n", durability(c));
	if (is_local)
		fprintf(stderr, "  other hosts --override listeners=PLAINTEXT://:%d --override advertised.listeners=PLAINTEXT://<this host's name>:%d\n",
		        b->parts.endpoints[0].port, b->parts.endpoints[0].port);
}

/* The same for people and for programs. */
static void tell_started(const struct broker *b)
{
	const struct broker_config *c = b->config.broker;
	struct strbuf at = STRBUF_INIT, dirs = STRBUF_INIT, console = STRBUF_INIT;

	if (b->is_in_words) {
		print_banner(b);
		LOG_INFO(&b->log, broker_started);
		return;
	}
	for (int i = 0; i < b->parts.endpoint_count; i++) {
		strbuf_printf(&at, "%s%s://", i == 0 ? "" : ",", b->parts.endpoints[i].listener);
		add_address(&at, b->parts.endpoints[i].host, b->parts.endpoints[i].port);
	}
	for (int i = 0; i < b->parts.dir_count; i++)
		strbuf_printf(&dirs, "%s%s", i == 0 ? "" : ",", logdir_path(b->parts.dirs[i]));
	add_console(&console, b);
	LOG_INFO(&b->log, broker_started, KV_STR("version", PACKAGE_VERSION), KV_STR("listening", strbuf_cstr(&at)), KV_STR("dirs", strbuf_cstr(&dirs)),
	         KV_STR("console", strbuf_cstr(&console)), KV_STR("durability", durability(c)));
	strbuf_fini(&at);
	strbuf_fini(&dirs);
	strbuf_fini(&console);
}

/* --- while it runs ---------------------------------------------------------------------------------------------------------------------- */

/* File and levels at once, by main; the store's part is the actor's to ask for. A file that is not valid any more changes nothing at all. */
static void reload(struct broker *b, int argc, char **argv)
{
	char text[64];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)os_mono_ms(b->os) * 1000);
	process_notify(text);
	if (!reload_static(b->os, &b->log, &b->config.set, argc, argv)) {
		process_notify("READY=1");
		return;
	}
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

/* Leadership goes to others while this broker still serves; then no call begins any more, and who waits for replicas or members is let go when the logs are closed. */
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
static int take_sockets(struct broker *b)
{
	int count;
	enum err e = process_inherit_sockets(&count);

	if (e != OK)
		return fail_with(b, 2, slice_str("what the service manager passed is not only listening TCP sockets, at most 32"));
	if (count > 0 && !b->config.broker->is_alone)
		return fail_with(b, 2, slice_str("it was started by a connection (socket activation), but zookeeper.connect makes it a member of a cluster, which has to run before: "
		                                 "systemctl disable --now skein.socket; systemctl enable --now skein.service"));
	return 0;
}

static bool is_socket_unused(struct broker *b)
{
	char which[64], problem[256];

	if (!process_has_socket_left(which, sizeof(which)))
		return false;
	snprintf(problem, sizeof(problem), "the service manager listens at %s, but no listener of the configuration does: ListenStream= has to name what listeners= names", which);
	fail(b, problem);
	return true;
}

static int run(struct broker *b, int argc, char **argv)
{
	/* On an error the process ends now; nothing is acknowledged yet. */
	if (start_all(b) != OK) {
		if (b->is_given_up)
			LOG_INFO(&b->log, broker_stopped);
		return b->is_given_up ? 0 : 1;
	}
	if (is_socket_unused(b))
		return 1;
	enum broker_state s = wait_for(b, BROKER_STARTING);
	if (s == BROKER_FAILED)
		return b->ready.result == ERR_NO_THREAD ? fail_for_threads(b) : fail(b, b->ready.problem[0] != 0 ? b->ready.problem : err_text(b->ready.result));
	if (s == BROKER_READY) {
		assembly_serve(&b->parts);
		tell_started(b);
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

/* Reads the configuration. Returns whether to go on; else *code. */
static bool configure(struct broker *b, int argc, char **argv, int *code)
{
	*code = serve_config_read(&b->config, b->os, argc, argv);
	if (b->config.is_help) {
		fputs(serve_config_usage(), stdout);
		return false;
	}
	choose_format(b);
	b->is_in_words |= b->config.is_check_only || b->config.is_misused;	/* somebody waits for the answer */
	log_source_init(&b->log, "broker", "%s", "");
	if (*code == 0 && !b->config.is_check_only) {
		log_source_init(&b->log, "broker", "%d", b->config.broker->broker_id);
		return true;
	}
	tell_warnings(b);
	*code = fail_with(b, *code, strbuf_slice(&b->config.errors));
	if (b->config.is_misused)
		fprintf(stderr, "\n%s", serve_config_usage());
	return false;
}

int broker_main(int argc, char **argv)
{
	static struct broker b;
	struct sandbox sandbox;
	uint64_t seed[2];
	int code;

	process_open_standard_files();
	process_block_signals();
	b.limits.files = process_raise_files();
	b.limits.threads = process_threads_max(&b.limits.threads_remedy);
	b.os = os_real();
	os_random(b.os, seed, sizeof(seed));
	map_seed_set(seed[0], seed[1]);
	if (!configure(&b, argc, argv, &code) || (code = take_sockets(&b)) != 0) {
		if (b.writer != NULL)
			log_writer_destroy(&b.writer);
		serve_config_fini(&b.config);
		return code;
	}
	if (b.config.broker->is_alone)
		process_private_files();	/* somebody's own broker: the records in it are nobody else's */
	log_levels_set(slice_str(b.config.broker->event_log_levels));
	if (b.is_in_words)
		tell_warnings(&b);
	if (!b.config.broker->is_alone && b.config.broker->is_session_guarded) {
		enum err e = guardian_start(&b.guardian);	/* while there is one thread */

		if (e != OK)
			guardian_is_missing(&b, e);
	}
	/* While there is one thread, and after the guardian, which needs less and gives up more by itself. */
	bool is_sandboxed = b.config.broker->is_sandboxed && sandbox_begin(&sandbox, b.config.broker->log_dirs.items, b.config.broker->log_dirs.count);
	bool had_words = b.is_in_words;
	open_log(&b);
	if (!had_words)
		tell_warnings(&b);
	if (is_sandboxed)
		tell_sandbox(&b, &sandbox);
	b.sched = sched_threads_create(b.os);
	b.workers = workers_create(b.sched, WORKERS);
	if (b.workers == NULL)
		return fail_for_threads(&b);
	actor_init(&b.actor, b.sched, &broker_ops, LANE_NONE, "broker");
	watch_init(&b.watch, b.sched, b.workers, &b.log, process_watchdog_ms());
	if (actor_start(&b.actor, 0) != OK)
		return fail_for_threads(&b);
	code = run(&b, argc, argv);
	if (b.is_given_up || (code != 0 && b.parts.net != NULL)) {	/* half started: threads are about, and what is on disk is as a crash would leave it */
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
