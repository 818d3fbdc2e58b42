/*
 * The order in which a broker's parts come and go.
 *
 *	start	listeners bound (they listen once it is registered); log directories locked; channels and fetchers; controller (store, directories claimed and read, registration, election; when this broker is
 *		elected: topics, replicas in their roles).
 *	end	network: no call is left; controller: fetchers let go, partitions closed, checkpoints, registration withdrawn; clean-shutdown markers, last of all.
 *
 * What can fail for a reason the operator can mend fails before anything of the data has been touched, with one sentence.
 */
#include "broker/assembly.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/fetch_session.h"
#include "broker/listeners.h"
#include "broker/upkeep.h"
#include "coord/store_file.h"
#include "storage/logdir_survey.h"

#define PREDECESSOR_MS 5000	/* at most, to end a session that a killed process has left */
#define MOVERS_MAX 64		/* threads that copy replicas to other log directories */
#define CLEANERS_MAX 64		/* threads that compact */

static struct os *os_of(const struct assembly *a)
{
	return sched_os(a->spec.sched);
}

static enum err say(char problem[ASSEMBLY_PROBLEM_MAX], enum err e, const char *what)
{
	snprintf(problem, ASSEMBLY_PROBLEM_MAX, "%s", what);
	return e;
}

/* --- start ------------------------------------------------------------------------------------------------------------------------------ */

/* Whether the directory is one of those before it, by another name; says so. */
static bool is_dir_repeated(struct assembly *a, int i, char problem[ASSEMBLY_PROBLEM_MAX])
{
	const struct text_list *list = &a->spec.config->log_dirs;
	struct os_stat one, other;

	if (os_stat(os_of(a), list->items[i], &one) != OK)
		return false;
	for (int k = 0; k < i; k++) {
		if (os_stat(os_of(a), list->items[k], &other) != OK || one.device != other.device || one.inode != other.inode)
			continue;
		snprintf(problem, ASSEMBLY_PROBLEM_MAX, "log.dirs names one directory twice: %s is %s", list->items[i], list->items[k]);
		return true;
	}
	return false;
}

/* What lies in a log directory is partitions: another one there would take it offline, with all that it holds. */
static bool is_dir_nested(const struct assembly *a, int i, char problem[ASSEMBLY_PROBLEM_MAX])
{
	const struct text_list *list = &a->spec.config->log_dirs;

	for (int k = 0; k < list->count; k++) {
		size_t len = strlen(list->items[k]);

		if (k == i || strncmp(list->items[i], list->items[k], len) != 0 || (list->items[i][len] != '/' && (len == 0 || list->items[k][len - 1] != '/')))
			continue;
		snprintf(problem, ASSEMBLY_PROBLEM_MAX, "log.dirs names a directory inside another one: %s is in %s", list->items[i], list->items[k]);
		return true;
	}
	return false;
}

/* As Kafka: a directory that cannot be used is left out, unless none is left. What contradicts the configuration refuses the start. */
static enum err open_dirs(struct assembly *a, char problem[ASSEMBLY_PROBLEM_MAX])
{
	const struct text_list *list = &a->spec.config->log_dirs;
	int usable = 0;

	a->dirs = mem_calloc((size_t)list->count, sizeof(struct logdir *));
	for (int i = 0; i < list->count; i++)
		if (is_dir_nested(a, i, problem))
			return ERR_INVALID;
	for (int i = 0; i < list->count; i++) {
		enum err e = is_dir_repeated(a, i, problem) ? ERR_INVALID : logdir_open(&a->dirs[i], os_of(a), a->spec.log, list->items[i], problem);

		if (e != OK)
			return e;
		a->dir_count++;
		usable += !logdir_is_offline(a->dirs[i]);
	}
	return usable > 0 ? OK : ERR_OFFLINE;	/* problem: what the last one suffers from */
}

struct format_check {
	const char *path;
	char       *problem;
	bool        is_refused;
};

static void check_format(void *arg, const struct survey_partition *p)
{
	struct format_check *c = arg;
	char what[ASSEMBLY_PROBLEM_MAX / 2];

	if (p->old_format < 0 || c->is_refused)
		return;
	c->is_refused = true;
	survey_old_format_text(c->path, p, what, sizeof(what));
	snprintf(c->problem, ASSEMBLY_PROBLEM_MAX, "%s; on the Java broker: " SURVEY_OLD_FORMAT_REMEDY, what);
}

/*
 * What another broker has left there, which is never a lone one's. The log itself would be refused too, but only when the cluster counts on this broker already. 15 us of CPU for each
 * partition.
 */
static enum err check_formats(struct assembly *a, char problem[ASSEMBLY_PROBLEM_MAX])
{
	char why[LOGDIR_ERROR_MAX];

	for (int i = 0; i < a->dir_count && !a->spec.config->is_alone; i++) {
		struct format_check c = { .path = logdir_path(a->dirs[i]), .problem = problem };

		if (logdir_is_offline(a->dirs[i]) || logdir_meta(a->dirs[i]) == NULL)
			continue;
		enum err e = logdir_survey(os_of(a), c.path, SURVEY_FIRST_SEGMENT, 0, check_format, &c, why);
		if (e == OK && c.is_refused)
			return ERR_UNSUPPORTED;	/* what cannot be listed goes offline later, and says so */
	}
	return OK;
}

static void count_partition(void *arg, const struct logdir_entry *e)
{
	*(int *)arg += e->kind == LOGDIR_PARTITION;
}

/*
 * A new store knows no topic, and what no topic owns is set aside as stray. So where partitions lie, the store must lie too: else a directory is missing, from
 * log.dirs or because its disk is. A directory that cannot be used may be the one with the store; then those that are not fresh had one too.
 */
static enum err may_make_store(struct assembly *a, char problem[ASSEMBLY_PROBLEM_MAX])
{
	const char *unusable = NULL;
	char why[LOGDIR_ERROR_MAX];
	int partitions;

	for (int i = 0; i < a->dir_count; i++) {
		if (logdir_is_offline(a->dirs[i]))
			unusable = logdir_path(a->dirs[i]);
	}
	for (int i = 0; i < a->dir_count; i++) {
		if (logdir_is_offline(a->dirs[i]))
			continue;
		if (unusable != NULL && logdir_meta(a->dirs[i]) != NULL) {
			snprintf(problem, ASSEMBLY_PROBLEM_MAX, "%s cannot be used, and no other directory of log.dirs holds the store of topics (" STORE_FILE_NAME "): mend it, or "
			         "put the store into %s", unusable, logdir_path(a->dirs[i]));
			return ERR_NOT_FOUND;
		}
		partitions = 0;
		if (logdir_scan(a->dirs[i], count_partition, &partitions, why) != OK || partitions == 0)
			continue;	/* what cannot be listed goes offline later, and says so */
		snprintf(problem, ASSEMBLY_PROBLEM_MAX, "%s holds partitions, but no directory of log.dirs holds the store of their topics (" STORE_FILE_NAME "): add the "
		         "directory with the store; to begin anew without these records, move the partitions out", logdir_path(a->dirs[i]));
		return ERR_NOT_FOUND;
	}
	return OK;
}

/* A simulated one ends by other means. */
static bool has_real_session(const struct assembly *a)
{
	return !a->spec.config->is_alone && a->spec.tree == NULL;
}

/* Alone again, it would be a second cluster of the same name, with an old state. */
static bool is_adopted(struct assembly *a, char problem[ASSEMBLY_PROBLEM_MAX])
{
	char path[LOGDIR_ERROR_MAX + sizeof(STORE_FILE_ADOPTED)];
	struct os_stat st;

	for (int i = 0; i < a->dir_count; i++) {
		snprintf(path, sizeof(path), "%s/" STORE_FILE_ADOPTED, logdir_path(a->dirs[i]));
		if (logdir_is_offline(a->dirs[i]) || os_stat(os_of(a), path, &st) != OK)
			continue;
		snprintf(problem, ASSEMBLY_PROBLEM_MAX, "%s is of a broker that was brought into a cluster (" STORE_FILE_ADOPTED "): set zookeeper.connect, as in the file that "
		         "skein cluster adopt was given", logdir_path(a->dirs[i]));
		return true;
	}
	return false;
}

/* The store stays where it was first made; a new one is made in the first directory that can be used. */
static enum err find_store(struct assembly *a, char problem[ASSEMBLY_PROBLEM_MAX])
{
	struct os_stat st;
	int at = -1, usable = -1;

	for (int i = 0; i < a->dir_count; i++) {
		if (logdir_is_offline(a->dirs[i]))
			continue;
		usable = usable < 0 ? i : usable;
		snprintf(a->store_file, sizeof(a->store_file), "%s/" STORE_FILE_NAME, logdir_path(a->dirs[i]));
		if (os_stat(os_of(a), a->store_file, &st) != OK)
			continue;
		if (at >= 0 && a->spec.config->is_alone) {
			snprintf(problem, ASSEMBLY_PROBLEM_MAX, "%s and %s both hold a store of topics (" STORE_FILE_NAME "): move away the one that is not this broker's",
			         logdir_path(a->dirs[at]), logdir_path(a->dirs[i]));
			return ERR_EXISTS;
		}
		at = i;
	}
	if (at >= 0 && has_real_session(a)) {
		snprintf(problem, ASSEMBLY_PROBLEM_MAX, "%s holds the topics of a lone broker (" STORE_FILE_NAME "), but zookeeper.connect is set: bring them into the cluster with "
		         "skein cluster adopt; or move the file away, if nothing in it is wanted", logdir_path(a->dirs[at]));
		return ERR_EXISTS;
	}
	if (at < 0 && a->spec.config->is_alone && is_adopted(a, problem))
		return ERR_EXISTS;
	snprintf(a->store_file, sizeof(a->store_file), "%s/" STORE_FILE_NAME, logdir_path(a->dirs[at >= 0 ? at : usable]));
	return at < 0 && a->spec.config->is_alone && a->spec.tree == NULL ? may_make_store(a, problem) : OK;
}

/* Before threads are started for what lies in the directories. Which of it this broker is to host is not known yet; all of it, as a rule. */
static void check_limits(const struct assembly *a)
{
	char why[LOGDIR_ERROR_MAX];
	int replicas = 0;

	for (int i = 0; i < a->dir_count; i++) {
		if (!logdir_is_offline(a->dirs[i]))
			(void)!logdir_scan(a->dirs[i], count_partition, &replicas, why);	/* what cannot be listed goes offline later, and says so */
	}
	limits_check(a->spec.log, &a->spec.limits, a->spec.config, replicas);
}

/* Connections leave a quarter of the descriptors to the logs: a crowd of clients must not keep the broker from its own files. */
static int connections_max(const struct assembly *a)
{
	uint64_t files = a->spec.limits.files;

	return files == 0 ? a->spec.config->max_connections : (int)MIN((uint64_t)a->spec.config->max_connections, files - files / 4);
}

/*
 * A network actor waits for nothing but its sockets, so more of them than processors only make smaller turns, smaller appends and more wakes. Two at least: where a turn
 * that is borrowed meets a page cache that is full, the other goes on.
 */
static int network_threads(const struct assembly *a)
{
	int useful = MAX(os_cpu_count(sched_os(a->spec.sched)), 2);

	return MIN(MIN(a->spec.config->num_network_threads, useful), NETWORK_THREADS_MAX);
}

static enum err bind_listeners(struct assembly *a, char problem[ASSEMBLY_PROBLEM_MAX])
{
	const struct broker_config *c = a->spec.config;

	if (c->listeners_count > (int)ARRAY_LEN(a->listeners))
		return say(problem, ERR_LIMIT, "more than 16 listeners are configured");
	for (int i = 0; i < c->listeners_count; i++) {
		snprintf(a->listeners[i].name, sizeof(a->listeners[i].name), "%s", c->listeners[i].name);
		snprintf(a->listeners[i].host, sizeof(a->listeners[i].host), "%s", c->listeners[i].host);
		a->listeners[i].port = (uint16_t)c->listeners[i].port;
	}
	a->net_spec = (struct net_spec){
		.sched = a->spec.sched, .workers = a->spec.workers, .rows = api_rows, .row_count = api_row_count,
		.network_threads = network_threads(a), .max_request_bytes = c->socket_request_max_bytes,
		.backlog = c->socket_listen_backlog_size, .send_buffer = c->socket_send_buffer_bytes, .recv_buffer = c->socket_receive_buffer_bytes,
		.max_idle_ms = c->connections_max_idle_ms < 0 ? MONO_NEVER : c->connections_max_idle_ms, .max_connections = connections_max(a),
		.measures = c->metrics_host != NULL, .slow_request_ms = c->slow_request_log_ms, .max_connections_per_ip = c->max_connections_per_ip, .listeners = a->listeners, .listener_count = c->listeners_count,
		.listens_late = true, .app = &a->api,
		.network_created = api_network_created, .on_home = api_on_home, .network_ended = api_network_ended,
	};
	return net_create(&a->net, &a->net_spec, problem, ASSEMBLY_PROBLEM_MAX);
}

/* A port 0 becomes the bound one. */
static void make_endpoints(struct assembly *a)
{
	a->endpoint_count = listeners_advertised(a->spec.config, a->spec.host_name, a->endpoints, (int)ARRAY_LEN(a->endpoints));
	for (int i = 0; i < a->endpoint_count; i++) {
		struct cluster_endpoint *e = &a->endpoints[i];

		for (int k = 0; k < a->spec.config->listeners_count; k++) {
			if (e->port == 0 && strcmp(a->listeners[k].name, e->listener) == 0)
				e->port = a->listeners[k].bound_port;
		}
	}
}

static enum err start_http(struct assembly *a, char problem[ASSEMBLY_PROBLEM_MAX])
{
	const struct broker_config *c = a->spec.config;
	struct http_spec spec = {
		.sched = a->spec.sched, .host = c->metrics_host, .port = (uint16_t)c->metrics_port, .net = a->net, .fetchers = a->fetchers,
		.dirs = a->dirs, .dir_count = a->dir_count, .version = PACKAGE_VERSION,
		.workers = a->spec.workers, .lag_interval_ms = c->group_lag_interval_ms, .lag_series_max = c->group_lag_series_max,
		.console_hosts = c->console_hosts, .shows_messages = c->is_console_showing_messages, .waits_for = &a->waits_for,
		.session = c->is_alone ? NULL : &a->session,
	};

	return c->metrics_host != NULL ? http_start(&a->http, &spec, problem, ASSEMBLY_PROBLEM_MAX) : OK;
}

static enum err start_upkeep(struct assembly *a, char problem[ASSEMBLY_PROBLEM_MAX])
{
	const struct broker_config *c = a->spec.config;
	struct upkeep_spec spec = {
		.sched = a->spec.sched, .workers = a->spec.workers, .dirs = a->dirs, .dir_count = a->dir_count,
		.watermark_interval_ms = c->high_watermark_checkpoint_interval_ms, .recovery_interval_ms = c->log_flush_offset_checkpoint_interval_ms,
		.starts_interval_ms = c->log_flush_start_offset_checkpoint_interval_ms,
		.delete_delay_ms = c->topic.file_delete_delay_ms, .writer = &a->writer,
	};
	enum err e = upkeep_start(&a->upkeep, &spec);

	return e == OK ? OK : say(problem, e, err_text(e));
}

static enum err start_movers(struct assembly *a)
{
	const struct broker_config *c = a->spec.config;
	int threads = c->alter_log_dirs_threads == FIELD_UNSET_INT ? a->dir_count : c->alter_log_dirs_threads;

	if (a->dir_count == 1)
		return OK;
	throttle_init(&a->movers.throttle, c->alter_log_dirs_window_num, c->alter_log_dirs_window_size_s * (mono_ms)1000);
	a->movers.workers = workers_create(a->spec.sched, MAX(1, MIN(threads, MOVERS_MAX)));
	if (a->movers.workers != NULL)
		return OK;
	throttle_fini(&a->movers.throttle);
	return ERR_NO_THREAD;
}

static void end_movers(struct assembly *a)
{
	if (a->movers.workers == NULL)
		return;
	workers_destroy(&a->movers.workers);
	throttle_fini(&a->movers.throttle);
}

/* Twice as many threads as passes at first, so that there may be more of these later. */
static enum err start_cleaners(struct assembly *a)
{
	const struct broker_config *c = a->spec.config;

	if (!c->is_cleaner_enabled)
		return OK;
	throttle_init(&a->cleaners.throttle, 10, 100);
	partition_cleaners_configure(&a->cleaners, c);
	a->cleaners.workers = workers_create(a->spec.sched, MAX(1, MIN(2 * c->cleaner_threads, CLEANERS_MAX)));
	if (a->cleaners.workers != NULL)
		return OK;
	throttle_fini(&a->cleaners.throttle);
	return ERR_NO_THREAD;
}

static void end_cleaners(struct assembly *a)
{
	if (a->cleaners.workers == NULL)
		return;
	workers_destroy(&a->cleaners.workers);
	throttle_fini(&a->cleaners.throttle);
}

/* What a broker alone has no use for. The broker id may not be known yet; it is part of a name for people only. */
static enum err start_links(struct assembly *a, char problem[ASSEMBLY_PROBLEM_MAX])
{
	const struct broker_config *c = a->spec.config;
	char client_id[16];

	if (c->is_alone)
		return OK;
	snprintf(client_id, sizeof(client_id), "%d", c->broker_id);
	enum err e = channels_create(&a->channels, a->spec.sched, client_id);
	if (e == OK) {
		struct fetchers_spec spec = { .sched = a->spec.sched, .config = a->spec.config, .broker_id = c->broker_id };

		e = fetchers_create(&a->fetchers, &spec);
		a->api.fetchers = a->fetchers;
	}
	return e == OK ? OK : say(problem, e, err_text(e));
}

static void end_links(struct assembly *a)
{
	if (a->fetchers != NULL)
		fetchers_destroy(&a->fetchers);
	if (a->channels != NULL)
		channels_destroy(&a->channels);
}

/* Brokers that can coordinate transactions would find their state in this topic. Leading it without being able to is told loudly, once per epoch. */
static void on_elected_without_coordinator(void *arg UNUSED, struct partition_addr *p, int32_t leader_epoch)
{
	struct log_source source;

	log_source_init(&source, "broker", "%s-%d", p->topic, p->partition);
	LOG_WARN(&source, coordinator_missing, KV_I32("leader_epoch", leader_epoch));
}

static void ignore_hook(void *arg UNUSED, struct partition_addr *p UNUSED)
{
}

static void make_hooks(struct assembly *a)
{
	a->groups = group_context_create(os_of(a), a->spec.config);
	a->hooks[0] = group_hook(a->groups);
	a->hooks[1] = (struct partition_hook){
		.topic = TOPIC_TRANSACTION_STATE, .on_elected = on_elected_without_coordinator, .on_resigned = ignore_hook, .on_stop = ignore_hook,
	};
}

static void keep_session(struct assembly *a)
{
	const struct broker_config *c = a->spec.config;

	a->keeper = (struct session_keeper){ .os = os_of(a), .log = a->spec.log, .guardian = a->spec.guardian };
	for (int i = a->dir_count; i-- > 0; )
		a->keeper.dir = logdir_is_offline(a->dirs[i]) ? a->keeper.dir : logdir_path(a->dirs[i]);
	session_keeper_begin(&a->keeper, c->zookeeper_connect, c->zookeeper_session_timeout_ms, MIN((mono_ms)c->zookeeper_connection_timeout_ms, PREDECESSOR_MS));
	a->zookeeper.on_session = session_keeper_on_session;
	a->zookeeper.on_session_arg = &a->keeper;
}

static void set_waits_for(struct assembly *a, const char *sentence)
{
	__atomic_store_n(&a->waits_for, sentence, __ATOMIC_RELEASE);
}

/* A broker that waits outside the cluster, for another's registration to go or for its store, has no answer to anybody: clients go on to the next address at once. */
static enum err listen_as_member(void *arg, char *problem, size_t problem_size)
{
	struct assembly *a = arg;

	return net_listen(a->net, problem, problem_size);
}

static enum err start_controller(struct assembly *a, struct controller_ready *ready, char problem[ASSEMBLY_PROBLEM_MAX])
{
	const struct broker_config *c = a->spec.config;
	struct controller_spec spec = {
		.sched = a->spec.sched, .workers = a->spec.workers, .config = a->spec.set, .dirs = a->dirs, .dir_count = a->dir_count,
		.endpoints = a->endpoints, .endpoint_count = a->endpoint_count, .channels = a->channels, .fetchers = a->fetchers,
		.movers = a->movers.workers != NULL ? &a->movers : NULL, .embedded_file = a->store_file,
		.cleaners = a->cleaners.workers != NULL ? &a->cleaners : NULL, .writer = &a->writer, .flush_turns = &a->flush_turns, .tree = a->spec.tree,
		.hooks = a->hooks, .hook_count = (int)ARRAY_LEN(a->hooks), .waits_for = &a->waits_for, .session = &a->session,
		.on_registered = listen_as_member, .on_registered_arg = a,
	};

	make_hooks(a);

	if (!c->is_alone) {
		a->zookeeper = (struct coord_zookeeper_spec){
			.connect = c->zookeeper_connect, .session_timeout_ms = c->zookeeper_session_timeout_ms,
			.connection_timeout_ms = c->zookeeper_connection_timeout_ms, .is_given_up = a->spec.is_given_up,
		};
		spec.zookeeper = &a->zookeeper;
	}
	if (has_real_session(a)) {
		set_waits_for(a, "the broker is starting: it has no connection to ZooKeeper yet (zookeeper.connect)");
		keep_session(a);
	}
	problem[0] = 0;
	enum err e = controller_create(&a->controller, &spec, ready, problem, ASSEMBLY_PROBLEM_MAX);
	if (e != OK)
		return problem[0] != 0 ? e : say(problem, e, err_text(e));
	set_waits_for(a, "the broker is starting");
	a->api.controller = controller_actor(a->controller);
	for (int i = 0; i < net_network_count(a->net); i++)
		controller_add_audience(a->controller, network_actor(net_network(a->net, i)));
	controller_add_audience(a->controller, upkeep_actor(a->upkeep));
	if (a->http != NULL)
		controller_add_audience(a->controller, http_actor(a->http));
	e = controller_start(a->controller);
	return e == OK ? OK : say(problem, e, err_text(e));
}

static void close_dirs(struct assembly *a)
{
	for (int i = 0; i < a->dir_count; i++)
		logdir_close(&a->dirs[i]);
	free(a->dirs);
}

enum err assembly_start(struct assembly *a, const struct assembly_spec *spec, struct controller_ready *ready, char problem[ASSEMBLY_PROBLEM_MAX])
{
	enum err e;

	memset(a, 0, sizeof(*a));
	a->spec = *spec;
	a->waits_for = "the broker is starting";
	a->api = (struct api_context){
		.os = os_of(a), .sched = spec->sched, .workers = spec->workers, .config = spec->set, .broker = spec->config,
		.sessions = fetch_sessions_create(os_of(a), spec->config->fetch_session_slots),
	};
	throttle_init(&a->api.leader_throttle, spec->config->replication_quota_window_num,
	              spec->config->replication_quota_window_size_s * (mono_ms)1000);
	if ((e = bind_listeners(a, problem)) != OK)
		goto fail_sessions;
	if ((e = open_dirs(a, problem)) != OK)
		goto fail_dirs;
	if ((e = find_store(a, problem)) != OK || (e = check_formats(a, problem)) != OK)
		goto fail_dirs;
	check_limits(a);
	a->api.dirs = a->dirs;
	a->api.dir_count = a->dir_count;
	make_endpoints(a);
	a->spec.host_name = NULL;
	if ((e = start_upkeep(a, problem)) != OK)
		goto fail_dirs;
	if ((e = start_links(a, problem)) != OK)
		goto fail_links;
	if ((e = start_http(a, problem)) != OK)
		goto fail_links;
	if ((e = start_movers(a)) != OK || (e = start_cleaners(a)) != OK)
		goto fail_movers;
	if ((e = start_controller(a, ready, problem)) != OK)
		goto fail_movers;
	return OK;

fail_movers:
	end_cleaners(a);
	end_movers(a);
	if (a->http != NULL)
		http_stop(&a->http);
fail_links:
	if (a->groups != NULL)
		group_context_destroy(&a->groups);
	end_links(a);
	upkeep_destroy(&a->upkeep);
fail_dirs:
	close_dirs(a);
	net_destroy(&a->net);
fail_sessions:
	throttle_fini(&a->api.leader_throttle);
	fetch_sessions_destroy(&a->api.sessions);
	if (e == ERR_NO_THREAD)
		limits_no_thread(&spec->limits, spec->config, problem, ASSEMBLY_PROBLEM_MAX);
	return e;
}

void assembly_serve(struct assembly *a)
{
	net_start(a->net);
	if (a->http != NULL)
		http_set_serving(a->http, true);
}

/* --- the end ------------------------------------------------------------------------------------------------------------------------------ */

void assembly_hush(struct assembly *a)
{
	set_waits_for(a, "the broker is stopping");
	if (a->http != NULL)
		http_set_serving(a->http, false);
	net_hush(a->net);
}

enum err assembly_end(struct assembly *a, bool is_clean)
{
	enum err result = OK;

	net_stop(a->net);	/* what is left of the calls may ask the controller a last thing, which it refuses */
	controller_join(&a->controller);
	if (a->http != NULL)
		http_stop(&a->http);
	if (has_real_session(a))
		session_keeper_end(&a->keeper);
	end_cleaners(a);
	end_movers(a);
	group_context_destroy(&a->groups);
	end_links(a);
	upkeep_destroy(&a->upkeep);
	net_destroy(&a->net);
	throttle_fini(&a->api.leader_throttle);
	fetch_sessions_destroy(&a->api.sessions);
	for (int i = 0; is_clean && i < a->dir_count; i++) {
		if (logdir_is_offline(a->dirs[i]))
			continue;
		enum err e = logdir_close_clean(&a->dirs[i]);
		if (result == OK && e != ERR_NO_SPACE)	/* a full disk: everything is synced, only the marker that would say so is missing */
			result = e;
	}
	close_dirs(a);
	return result;
}
