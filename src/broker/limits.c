#include "broker/limits.h"

#include <stdio.h>

#include "base/config_table.h"

#define FILES_OF_REPLICA    3		/* its active segment and the two indexes beside it */
#define FILES_OF_BROKER     100		/* listeners, pollers, locks, links to other brokers */
#define CONNECTIONS_ASSUMED 1000	/* where max.connections bounds nothing */
#define THREADS_OF_BROKER   32		/* one each of controller, acceptors, log, upkeep, ...; workers */

/*
 * Clients may take three quarters of all descriptors where max.connections does not bound them (assembly.c): a quarter has to be enough for the logs.
 */
uint64_t limits_files_wanted(const struct broker_config *c, int replicas)
{
	uint64_t logs = (uint64_t)replicas * FILES_OF_REPLICA;

	if (c->max_connections != INT32_MAX)
		return (uint64_t)c->max_connections + logs + FILES_OF_BROKER;
	return MAX(logs * 4, CONNECTIONS_ASSUMED + logs + FILES_OF_BROKER);
}

uint64_t limits_threads_wanted(const struct broker_config *c, int replicas)
{
	int64_t dirs = c->log_dirs.count;

	return (uint64_t)(replicas + c->num_network_threads + (c->is_alone ? 0 : c->num_replica_fetchers) + THREADS_OF_BROKER +
	                  (c->is_cleaner_enabled ? 2 * (int64_t)c->cleaner_threads : 0) +
	                  (dirs > 1 ? c->alter_log_dirs_threads == FIELD_UNSET_INT ? dirs : c->alter_log_dirs_threads : 0));
}

static void compare(const struct log_source *log, const char *what, uint64_t have, uint64_t wanted, int replicas, const char *remedy)
{
	if (have != 0 && have < wanted)
		LOG_WARN(log, limit_low, KV_STR("what", what), KV_I64("limit", (int64_t)have), KV_I64("wanted", (int64_t)wanted), KV_I32("replicas", replicas),
		         KV_STR("remedy", remedy));
}

void limits_check(const struct log_source *log, const struct limits *have, const struct broker_config *c, int replicas)
{
	compare(log, "descriptors", have->files, limits_files_wanted(c, replicas), replicas,
	        c->max_connections != INT32_MAX ? "raise LimitNOFILE= of the service (ulimit -Hn), or lower max.connections" : "raise LimitNOFILE= of the service (ulimit -Hn)");
	compare(log, "threads", have->threads, limits_threads_wanted(c, replicas), replicas, have->threads_remedy);
}

void limits_no_thread(const struct limits *have, const struct broker_config *c, char *problem, size_t problem_size)
{
	unsigned long long wanted = (unsigned long long)limits_threads_wanted(c, 0);

	if (have->threads == 0)
		snprintf(problem, problem_size, "cannot start a thread: the system allows no more; this configuration needs up to %llu, and one for each replica", wanted);
	else
		snprintf(problem, problem_size, "cannot start a thread: at most %llu are allowed here, and this configuration needs up to %llu, and one for each replica: %s",
		         (unsigned long long)have->threads, wanted, have->threads_remedy);
}
