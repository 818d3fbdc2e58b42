/*
 * Families of the process and its machine: syncs and jobs, descriptors, processor time, events of the log.
 */
#include <stdio.h>
#include <string.h>

#include "http/metrics_page.h"
#include "os/process.h"
#include "os/sandbox.h"

/* --- syncs ------------------------------------------------------------------------------------------------- */

void page_sync_times(struct page *p, size_t at UNUSED)
{
	struct process_syncs syncs;
	uint64_t below = 0;
	char bound[24];

	process_syncs(&syncs);
	for (int b = 0; b < PROCESS_SYNC_BUCKETS; b++) {
		below += syncs.buckets[b];
		if (b < PROCESS_SYNC_BUCKETS - 1)
			snprintf(bound, sizeof(bound), "%g", process_sync_bounds_us[b] / 1e3);
		else
			strcpy(bound, "+Inf");
		sample_begin(&p->x, "_bucket");
		sample_label(&p->x, "le", bound);
		sample_end_u64(&p->x, below);
	}
	sample_begin(&p->x, "_sum");
	sample_end_double(&p->x, (double)syncs.total_us / 1e3);
	sample_begin(&p->x, "_count");
	sample_end_u64(&p->x, below);
}

void page_oldest_sync(struct page *p, size_t at UNUSED)
{
	sample_begin(&p->x, "");
	sample_end_double(&p->x, (double)process_sync_oldest_ns(p->w->now_mono_ns) / 1e9);
}

void page_oldest_job(struct page *p, size_t at UNUSED)
{
	sample_begin(&p->x, "");
	sample_end_double(&p->x, (double)workers_oldest_ms(p->w->workers, p->w->now_mono_ns / 1000000) / 1e3);
}

void page_stuck_jobs(struct page *p, size_t at UNUSED)
{
	one_i64(p, workers_stuck(p->w->workers));
}

/* --- process --------------------------------------------------------------------------------------------- */

/* Kafka's numbers: 1 starting, 3 serving. */
void page_broker_state(struct page *p, size_t at UNUSED)
{
	one_i64(p, p->w->is_serving ? 3 : 1);
}

void page_build_info(struct page *p, size_t at UNUSED)
{
	sample_begin(&p->x, "");
	sample_label(&p->x, "version", p->w->version);
	sample_end_i64(&p->x, 1);
}

/* Once the picture is here: the sums of a cluster are taken by it. */
void page_cluster_info(struct page *p, size_t at UNUSED)
{
	if (p->w->picture == NULL)
		return;
	sample_begin(&p->x, "");
	sample_label(&p->x, "cluster_id", p->w->picture->cluster_id);
	sample_label_i32(&p->x, "broker_id", p->w->picture->broker_id);
	sample_end_i64(&p->x, 1);
}

void page_disk_bytes(struct page *p, size_t is_written)
{
	uint64_t of[2];

	process_disk_bytes(&of[0], &of[1]);
	one_u64(p, of[is_written]);
}

void page_open_files(struct page *p, size_t at UNUSED)
{
	one_u64(p, process_open_files());
}

void page_max_files(struct page *p, size_t at UNUSED)
{
	one_u64(p, process_raise_files());
}

void page_stuck_actors(struct page *p, size_t at UNUSED)
{
	one_i64(p, sched_stuck(p->w->sched));
}

void page_calls_refused(struct page *p, size_t at UNUSED)
{
	const char *last;

	one_u64(p, sandbox_refused(&last));
}

void page_one_event(struct page *p, size_t event)
{
	one_u64(p, log_event_count((enum log_event)event));
}

/* Those that have happened, and those that may want somebody: an alert on a rise sees the first only if there was a zero before. */
void page_log_events(struct page *p, size_t at UNUSED)
{
	static const char *const levels[] = { "DEBUG", "INFO", "WARN", "ERROR" };

	for (int e = 0; e < EV_COUNT; e++) {
		if (log_event_count((enum log_event)e) == 0 && log_event_level((enum log_event)e) < LOG_LEVEL_WARN)
			continue;
		sample_begin(&p->x, "");
		sample_label(&p->x, "event", log_event_name((enum log_event)e));
		sample_label(&p->x, "level", levels[log_event_level((enum log_event)e)]);
		sample_end_u64(&p->x, log_event_count((enum log_event)e));
	}
}

void page_cpu_seconds(struct page *p, size_t at UNUSED)
{
	sample_begin(&p->x, "");
	sample_end_double(&p->x, (double)process_cpu_ns() / 1e9);
}

void page_resident_bytes(struct page *p, size_t at UNUSED)
{
	one_u64(p, process_resident_bytes());
}

void page_start_seconds(struct page *p, size_t at UNUSED)
{
	sample_begin(&p->x, "");
	sample_end_double(&p->x, (double)p->w->started / 1e3);
}
