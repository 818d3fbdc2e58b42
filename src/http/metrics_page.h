/*
 * A page of metrics while it is written, for the files that write its families.
 */
#ifndef SKEIN_HTTP_METRICS_PAGE_H
#define SKEIN_HTTP_METRICS_PAGE_H

#include "http/exposition.h"
#include "http/metrics.h"

struct replica {			/* a replica hosted here */
	const struct cluster_topic     *topic;
	const struct cluster_partition *place;
	const struct partition_addr    *addr;
};

/* The actors of one module together. */
struct module_sums {
	const char            *name;
	bool                   is_many;
	uint64_t               actors, cpu_ns, waiting, waiting_max;
	struct actor_counters  counters;
};
#define MODULES_MAX 16
#define ALONE_MAX   192		/* actors that are not of many: at most so many are shown one by one */

struct alone {			/* copied: it may end while the page is written */
	const char *module;
	char        subject[sizeof(((struct log_source *)NULL)->subject)];
	uint64_t    cpu_ns;
};

struct page {
	struct exposition           x;
	const struct metrics_world *w;
	struct net_counters         net;
	struct fetcher_counters     fetchers;
	struct replica             *replicas;	/* grouped by topic */
	int                         replica_count, replica_room;
	struct module_sums          modules[MODULES_MAX];
	int                         module_count;
	struct alone               *alone;	/* ALONE_MAX */
	int                         alone_count;
	struct cluster_counts {		/* of the whole cluster, by the picture */
		uint64_t is_controller, topics, partitions, offline_partitions, not_preferred, brokers;
	} cluster;
};

static inline void one_u64(struct page *p, uint64_t value)
{
	sample_begin(&p->x, "");
	sample_end_u64(&p->x, value);
}

static inline void one_i64(struct page *p, int64_t value)
{
	sample_begin(&p->x, "");
	sample_end_i64(&p->x, value);
}

/* metrics_process.c: of the process and its machine. `at` is what the row of the table gives. */
void page_sync_times(struct page *p, size_t at);
void page_oldest_sync(struct page *p, size_t at);
void page_oldest_job(struct page *p, size_t at);
void page_stuck_jobs(struct page *p, size_t at);
void page_broker_state(struct page *p, size_t at);
void page_build_info(struct page *p, size_t at);
void page_cluster_info(struct page *p, size_t at);
void page_disk_bytes(struct page *p, size_t is_written);
void page_open_files(struct page *p, size_t at);
void page_max_files(struct page *p, size_t at);
void page_stuck_actors(struct page *p, size_t at);
void page_calls_refused(struct page *p, size_t at);
void page_one_event(struct page *p, size_t event);
void page_log_events(struct page *p, size_t at);
void page_cpu_seconds(struct page *p, size_t at);
void page_resident_bytes(struct page *p, size_t at);
void page_start_seconds(struct page *p, size_t at);

#endif
