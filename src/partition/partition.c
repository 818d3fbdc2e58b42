/*
 * The partition actor: its life, its step, and the address others ask it by.
 *
 * Guarantee: every question gets exactly one answer, whatever happens to the log or the role meanwhile. What is parked sits on one of four lists (waiting
 * appends, watches, look-ups by time, deletions), and each way out (offset reached, deadline, role lost, directory failed, stop) empties them through one function each.
 *
 * Order: appends of one step are collected and written together, but any other question first writes what was collected before it, so a reader who asks
 * after a producer sees at least that much.
 */
#include "partition/partition_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "partition/partition_checkpoint.h"
#include "storage/log_clean.h"
#include "storage/logdir.h"

#define PUBLISH(field, value)  __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)

static void partition_addr_destroy(struct counted *c)
{
	struct partition_addr *a = CONTAINER_OF(c, struct partition_addr, counted);

	ASSERT(a->owner == NULL);	/* joined before the last holder lets go */
	free((char *)(uintptr_t)a->topic);
	free(a);
}

static void ask_for_mark(struct partition *p)
{
	const struct log_progress_mark *mark = &p->addr->mark;

	if (mark->segment_base != p->marked_base || mark->file_size < p->marked_size) {	/* another segment, or a log that was cut */
		p->marked_base = mark->segment_base;
		p->marked_size = 0;
	}
	if (mark->file_size - p->marked_size < PARTITION_MARK_BYTES)
		return;
	p->marked_size = mark->file_size;
	p->unwritten |= CHECKPOINT_MARKS;
}

static void ask_writer(struct partition *p)
{
	struct partition_writer *w = p->spec.writer;
	unsigned what = p->unwritten;

	p->unwritten = 0;
	if (w != NULL && (__atomic_fetch_or(&w->wanted, what, __ATOMIC_ACQ_REL) & what) != what)
		actor_wake(w->actor);
}

/* A reader that sees the sequence odd, or changed after it read, reads again: partition_checkpoint.c. */
static void publish_mark(struct partition *p)
{
	struct partition_addr *a = p->addr;
	struct log_progress_mark mark;

	log_progress(p->log, &mark);
	if (mark.is_valid == a->mark.is_valid && mark.file_size == a->mark.file_size && mark.segment_base == a->mark.segment_base &&
	    mark.inode == a->mark.inode)
		return;
	PUBLISH(a->mark_sequence, a->mark_sequence + 1);
	ck_pr_fence_store();	/* the odd number before the values */
	PUBLISH(a->mark.is_valid, mark.is_valid);
	PUBLISH(a->mark.segment_base, mark.segment_base);
	PUBLISH(a->mark.file_size, mark.file_size);
	PUBLISH(a->mark.inode, mark.inode);
	PUBLISH(a->mark.last_batch_pos, mark.last_batch_pos);
	PUBLISH(a->mark.last_batch_mark, mark.last_batch_mark);
	PUBLISH(a->mark.offset_entries, mark.offset_entries);
	PUBLISH(a->mark.time_entries, mark.time_entries);
	__atomic_store_n(&a->mark_sequence, a->mark_sequence + 1, __ATOMIC_RELEASE);
	ask_for_mark(p);
}

void partition_publish(struct partition *p)
{
	struct partition_addr *a = p->addr;

	if (p->log != NULL) {
		PUBLISH(a->log_start_offset, log_start_offset(p->log));
		PUBLISH(a->high_watermark, log_high_watermark(p->log));
		PUBLISH(a->last_stable_offset, log_last_stable_offset(p->log));
		PUBLISH(a->log_end_offset, log_end_offset(p->log));
		PUBLISH(a->recovery_point, log_recovery_point(p->log));
		PUBLISH(a->size_bytes, log_size_bytes(p->log));
		PUBLISH(a->first_segment_base, log_first_segment_base(p->log));
		PUBLISH(a->dirty_offset, log_dirty_offset(p->log));
		publish_mark(p);
		__atomic_store_n(&a->has_log, true, __ATOMIC_RELEASE);
	}
	partition_copy_publish(p);
	PUBLISH(a->leader_id, p->has_role ? p->leader : -1);
	PUBLISH(a->leader_epoch, p->has_role ? p->leader_epoch : -1);
	PUBLISH(a->isr_count, p->isr_count);
	PUBLISH(a->replica_count, p->replica_count);
	PUBLISH(a->is_leader, partition_is_usable(p) && partition_leads(p));
	PUBLISH(a->is_offline, p->refusal == KAFKA_STORAGE_ERROR);
	PUBLISH(a->is_full, p->is_full);
	if (p->unwritten != 0)
		ask_writer(p);
}

bool partition_is_of_topic(const struct partition *p, struct uuid topic_id)
{
	struct uuid ours = log_topic_id(p->log);

	return uuid_is_zero(topic_id) || uuid_is_zero(ours) || uuid_eq(topic_id, ours);
}

/* From here on nothing is served, whatever comes. */
static void partition_go_offline(struct partition *p)
{
	partition_clean_drop(p);
	if (p->log != NULL && !p->flush.is_out)
		log_close(&p->log);	/* with a flush out the log must live until it is home: partition_on_flush_home closes it */
	p->refusal = KAFKA_STORAGE_ERROR;
	partition_copy_leave(p);
	partition_isr_end(p);
	partition_hook_resigned(p);
	partition_fail_waiting(p, KAFKA_STORAGE_ERROR);
	partition_fail_deletions(p, KAFKA_STORAGE_ERROR);
	partition_fail_lookups(p, KAFKA_STORAGE_ERROR);
	partition_publish(p);
	partition_drop_watches(p);
}

/* The controller hears of it: elections, and the notice to the cluster, are its business. While it has not answered, a second directory that fails is told by the next who meets it. */
void partition_tell_dir_failed(struct partition *p, struct logdir *dir)
{
	if (p->spec.controller == NULL || dir == NULL || p->stop != NULL || p->dir_failed != NULL)
		return;
	p->dir_failed = mem_calloc(1, sizeof(*p->dir_failed));
	msg_init(&p->dir_failed->msg, PARTITION_DIR_FAILED, &p->actor);
	p->dir_failed->dir = dir;
	bool is_asked = actor_ask(&p->actor, p->spec.controller, &p->dir_failed->msg);

	ASSERT(is_asked);	/* who has no lane is never declined */
}

void partition_storage_failed(struct partition *p, const char *what, enum err e)
{
	LOG_ERROR(&p->actor.log, partition_offline, KV_STR("what", what), KV_ERR(e));
	ASSERT(p->refusal != KAFKA_STORAGE_ERROR);
	partition_go_offline(p);
	if (p->spec.dir != NULL)
		logdir_set_offline(p->spec.dir, e, what);
	partition_tell_dir_failed(p, p->spec.dir);
}

static void partition_on_offline(struct partition *p, struct partition_offline *m)
{
	partition_go_offline(p);
	actor_answer(&p->actor, &m->msg);
}

/* On the partition's own thread, so that many partitions recover in parallel and none holds up another. */
static void partition_open_log(struct partition *p)
{
	struct log_recovery recovery = { 0 };
	enum err e = log_open(&p->log, &p->spec.log, &recovery);

	if (e == OK && recovery.bytes_scanned > 0)
		LOG_INFO(&p->actor.log, log_recovered, KV_I64("bytes_scanned", recovery.bytes_scanned), KV_I64("bytes_cut", recovery.bytes_cut),
		         KV_I64("end", log_end_offset(p->log)));
	p->addr->is_of_another_topic = recovery.is_of_another_topic;	/* before the first answer: no need to publish it */
	if (e == ERR_CORRUPT || err_is_passing(e)) {	/* this one cannot be served; its neighbours in the directory can */
		LOG_ERROR(&p->actor.log, log_unreadable, KV_STR("dir", p->dir), KV_ERR(e));
		p->refusal = KAFKA_STORAGE_ERROR;
	} else if (e != OK) {
		partition_storage_failed(p, "open", e);
	} else if (p->config.min_insync_replicas == 0) {
		p->config.min_insync_replicas = 1;
	}
	partition_copy_resume(p);
	partition_publish(p);
}

void partition_refuse(struct msg *m, enum kafka_error error)
{
	if (m->kind < MSG_BASE_PARTITION || m->kind >= MSG_BASE_COORD) {
		((struct coordinator_question *)m)->error = NOT_COORDINATOR;
		return;
	}
	switch ((enum partition_msg_kind)m->kind) {
	case PARTITION_append: {
		struct partition_append *a = (struct partition_append *)m;
		a->error = error;
		a->base_offset = a->log_start_offset = a->log_append_time = -1;
		a->leader_id = a->leader_epoch = -1;
		break;
	}
	case PARTITION_read: {
		struct partition_read *r = (struct partition_read *)m;
		r->error = error;
		r->range = (struct log_range){ 0 };
		r->high_watermark = r->last_stable_offset = r->log_start_offset = -1;
		r->diverging_epoch = -1;
		r->aborted_count = r->choices_count = 0;
		r->bytes_to_bound = 0;
		r->leader_id = r->leader_epoch = -1;
		break;
	}
	case PARTITION_list_offsets: ((struct partition_list_offsets *)m)->error = error; break;
	case PARTITION_epoch_end:    ((struct partition_epoch_end *)m)->error = error; break;
	case PARTITION_describe:     ((struct partition_describe *)m)->error = error; break;
	case PARTITION_delete_records: {
		struct partition_delete_records *d = (struct partition_delete_records *)m;
		d->error = error;
		d->low_watermark = -1;
		break;
	}
	case PARTITION_move:         ((struct partition_move *)m)->error = error; break;
	case PARTITION_role: {
		struct partition_role *r = (struct partition_role *)m;
		r->error = error;
		r->is_changed = false;
		r->log_end_offset = r->high_watermark = -1;
		r->last_epoch = -1;
		break;
	}
	case PARTITION_replicate: {
		struct partition_replicate *r = (struct partition_replicate *)m;
		r->error = error == KAFKA_STORAGE_ERROR ? error : FENCED_LEADER_EPOCH;
		r->log_end_offset = r->log_start_offset = -1;
		r->last_epoch = -1;
		break;
	}
	case PARTITION_truncate: {
		struct partition_truncate *t = (struct partition_truncate *)m;
		t->error = error == KAFKA_STORAGE_ERROR ? error : FENCED_LEADER_EPOCH;
		t->is_complete = false;
		t->log_end_offset = t->last_epoch = -1;
		break;
	}
	case PARTITION_watch:
	case PARTITION_config:
	case PARTITION_topics_gone:
	case PARTITION_stop:
	case PARTITION_offline:
	case PARTITION_job:
	case PARTITION_MSG_FIRST:
		break;
	}
}

static void partition_hold(struct partition_held *h, struct msg *m)
{
	m->link.next = NULL;
	if (h->first == NULL)
		h->first = &m->link;
	else
		h->last->next = &m->link;
	h->last = &m->link;
}

static struct msg *partition_unhold(struct partition_held *h)
{
	ck_stack_entry_t *at = h->first;

	if (at == NULL)
		return NULL;
	h->first = at->next;
	return CONTAINER_OF(at, struct msg, link);
}

static void partition_answer_refused(struct partition *p, struct msg *m)
{
	partition_refuse(m, p->refusal);
	if (m->kind == PARTITION_append && p->has_role) {
		struct partition_append *a = (struct partition_append *)m;
		a->leader_id = p->leader;
		a->leader_epoch = p->leader_epoch;
	}
	actor_answer(&p->actor, m);
}

static void partition_dispatch(void *arg, struct msg *m)
{
	struct partition *p = arg;

	if (partition_copy_has_log(p)) {
		partition_hold(&p->held, m);
		return;
	}
	if (m->kind == PARTITION_append && partition_is_usable(p) && p->stop == NULL) {
		partition_on_append(p, (struct partition_append *)m);
		return;
	}
	partition_write_batch(p, os_mono_ms(p->spec.log.os));
	if (partition_hook_asked(p, m))
		return;
	if (m->kind == PARTITION_stop) {
		partition_on_stop(p, (struct partition_stop *)m);
		return;
	}
	if (!partition_is_usable(p) || p->stop != NULL) {
		partition_answer_refused(p, m);
		return;
	}
	switch ((enum partition_msg_kind)m->kind) {
	case PARTITION_read:         partition_on_read(p, (struct partition_read *)m); break;
	case PARTITION_watch:        partition_on_watch(p, (struct partition_watch *)m); break;
	case PARTITION_list_offsets: partition_on_list_offsets(p, (struct partition_list_offsets *)m); break;
	case PARTITION_epoch_end:    partition_on_epoch_end(p, (struct partition_epoch_end *)m); break;
	case PARTITION_describe:     partition_on_describe(p, (struct partition_describe *)m); break;
	case PARTITION_delete_records: partition_on_delete_records(p, (struct partition_delete_records *)m); break;
	case PARTITION_replicate:    partition_on_replicate(p, (struct partition_replicate *)m); break;
	case PARTITION_truncate:     partition_on_truncate(p, (struct partition_truncate *)m); break;
	case PARTITION_role:         partition_on_role(p, (struct partition_role *)m); break;
	case PARTITION_config:       partition_on_config(p, (struct partition_config *)m); break;
	case PARTITION_move:         partition_on_move(p, (struct partition_move *)m); break;
	case PARTITION_topics_gone:  partition_on_topics_gone(p, (struct partition_topics_gone *)m); break;
	case PARTITION_offline:      partition_on_offline(p, (struct partition_offline *)m); break;
	case PARTITION_append:
	case PARTITION_stop:
	case PARTITION_job:
	case PARTITION_MSG_FIRST:
		ASSERT(!"a question that was dealt with above, or no question");
	}
}

static void partition_on_home(void *arg, struct msg *m)
{
	struct partition *p = arg;

	if (m == &p->flush.job.msg) {
		partition_on_flush_home(p);
		return;
	}
	if (p->change != NULL && m == &p->change->msg) {
		partition_on_isr_change_home(p);
		return;
	}
	if (p->dir_failed != NULL && m == &p->dir_failed->msg) {
		free(p->dir_failed);
		p->dir_failed = NULL;
		return;
	}
	if (m == &p->lookup.job.msg) {
		partition_on_lookup_home(p);
		return;
	}
	if (partition_purge_on_home(p, m) || partition_clean_on_home(p, m))
		return;
	if (partition_copy_on_home(p, m))
		return;
	ASSERT(p->hook_out > 0);		/* nothing else is ever lent out */
	if (partition_copy_has_log(p)) {
		partition_hold(&p->held_answers, m);
		return;
	}
	p->hook_out--;
	p->hook->on_home(p->hook->arg, p->addr, m);
}

/* What came while a swap had the log, in its order. */
static int partition_release_held(struct partition *p)
{
	struct msg *m;
	int n = 0;

	for (; (m = partition_unhold(&p->held_answers)) != NULL; n++)
		partition_on_home(p, m);
	for (; (m = partition_unhold(&p->held)) != NULL; n++)
		partition_dispatch(p, m);
	return n;
}

/* A replica that nobody asks anything gives its descriptors back: a process has far fewer than three per replica. And the stack that opening the log took. */
static void partition_rest(struct partition *p, mono_ms now, int work)
{
	if (work > 0) {
		p->rest_due = now + PARTITION_REST_MS;
	} else if (now >= p->rest_due) {
		p->rest_due = MONO_NEVER;
		if (partition_is_usable(p) && !p->flush.is_out)
			log_release_files(p->log);
		os_stack_trim(p->spec.log.os);
	}
	if (partition_is_usable(p) && log_release_spare_files(p->log))
		p->rest_due = MIN(p->rest_due, now + PARTITION_SPARE_MS);
}

static int partition_step(struct actor *a, mono_ms now)
{
	struct partition *p = CONTAINER_OF(a, struct partition, actor);

	ASSERT(p->magic == PARTITION_MAGIC);
	if (p->log == NULL && p->refusal == NONE) {	/* the first step */
		p->refusal = NOT_LEADER_OR_FOLLOWER;
		partition_open_log(p);
	}
	int work = actor_drain_answers(a, partition_on_home, p);

	if (!partition_copy_has_log(p))
		work += partition_release_held(p);
	work += actor_drain_questions(a, PARTITION_DRAIN_MAX, partition_dispatch, p);
	if (partition_copy_has_log(p)) {
		a->deadline = MONO_NEVER;	/* its coming home is a wake */
		return work;
	}
	partition_write_batch(p, now);
	if (partition_is_usable(p)) {
		partition_isr_upkeep(p, now);
	}
	if (partition_is_usable(p) && !partition_copy_wants_log(p))
		partition_retain_upkeep(p, now);
	if (partition_is_usable(p))
		partition_clean_upkeep(p, now);
	if (partition_is_usable(p)) {		/* what was to be removed may have met a device that fails */
		partition_look_up_next(p);
		partition_flush_if_wanted(p, now);
		partition_answer_waiting(p, now);
		partition_answer_deletions(p, now);
		partition_publish(p);
		partition_answer_watches(p);
	}
	p->hook_due = p->is_elected && p->hook->on_step != NULL ? p->hook->on_step(p->hook->arg, p->addr, now) : MONO_NEVER;
	if (p->stop != NULL && partition_finish_stop(p))
		work++;
	partition_rest(p, now, work);
	if (partition_is_usable(p))
		partition_copy_upkeep(p, now);
	if (partition_copy_has_log(p)) {	/* from here on: nothing of this step looks at it any more */
		a->deadline = MONO_NEVER;
		return work;
	}
	a->deadline = MIN(MIN(partition_waiting_deadline(p), MIN(partition_deletions_deadline(p), p->rest_due)), MIN(partition_copy_deadline(p), p->hook_due));
	if (partition_is_usable(p))	/* a failed log has nothing to sync: a deadline that has passed would only keep the thread busy */
		a->deadline = MIN(a->deadline, MIN(MIN(partition_flush_deadline(p), partition_isr_deadline(p)), MIN(partition_retain_deadline(p), partition_clean_deadline(p))));
	return work;
}

static void partition_dump(struct actor *a, int fd)
{
	const struct partition *p = CONTAINER_OF(a, struct partition, actor);

	if (p->log != NULL)
		dprintf(fd, "  partition %s-%d: leader %d epoch %d, start %lld, high watermark %lld, end %lld, recovery point %lld\n", p->addr->topic,
		        p->addr->partition, p->leader, p->leader_epoch, (long long)log_start_offset(p->log),
		        (long long)log_high_watermark(p->log), (long long)log_end_offset(p->log), (long long)log_recovery_point(p->log));
}

static const struct actor_ops partition_ops = { .module = "partition", .is_many = true, .lends_turns = true, .step = partition_step, .dump = partition_dump };

static struct partition_addr *partition_addr_create(const struct partition_spec *spec, struct partition *owner)
{
	struct partition_addr *a = mem_calloc(1, sizeof(*a));

	counted_init(&a->counted, partition_addr_destroy);
	a->topic = mem_strdup(spec->log.topic);
	a->partition = spec->log.partition;
	a->topic_id = spec->log.topic_id;
	a->dir = spec->dir;
	a->actor = &owner->actor;
	a->owner = owner;
	a->leader_id = a->leader_epoch = -1;
	a->is_open = true;
	return a;
}

enum err partition_start(struct partition_addr **out, const struct partition_spec *spec)
{
	struct partition *p = mem_calloc(1, sizeof(*p));

	p->magic = PARTITION_MAGIC;
	p->spec = *spec;
	p->config = *spec->log.config;
	snprintf(p->dir, sizeof(p->dir), "%s", spec->log.dir);
	actor_init(&p->actor, spec->sched, &partition_ops, LANE_NONE, "%s-%d", spec->log.topic, spec->log.partition);
	p->addr = partition_addr_create(spec, p);
	/* What was written down stays so, should checkpoints be written before the log is open. A recovery point does not: what the log was cut to is not known. */
	PUBLISH(p->addr->log_start_offset, MAX(spec->log.log_start_offset, 0));
	PUBLISH(p->addr->high_watermark, MAX(spec->log.high_watermark, 0));
	p->spec.log.dir = p->dir;
	p->spec.log.topic = p->addr->topic;
	p->spec.log.config = &p->config;
	p->spec.log.log = &p->actor.log;
	p->spec.copy_name = spec->copy_name != NULL ? mem_strdup(spec->copy_name) : NULL;
	for (int i = 0; i < spec->hook_count; i++) {
		if (strcmp(spec->hooks[i].topic, spec->log.topic) == 0)
			p->hook = &spec->hooks[i];
	}
	list_init(&p->waiting);
	list_init(&p->watches);
	list_init(&p->lookups);
	list_init(&p->deletions);
	p->flush_due = p->flush_turn = p->rest_due = MONO_NEVER;
	partition_retain_begin(p, os_mono_ms(spec->log.os));
	partition_clean_begin(p);
	enum err e = actor_start(&p->actor, spec->stack_bytes);
	if (e != OK) {
		p->addr->owner = NULL;
		partition_addr_unref(&p->addr);
		actor_fini(&p->actor);
		free((char *)(uintptr_t)p->spec.copy_name);
		free(p);
		return e;
	}
	*out = p->addr;
	return OK;
}

void partition_join(struct partition_addr *a)
{
	struct partition *p = a->owner;

	ASSERT(p != NULL && !partition_is_open(a));
	actor_join(&p->actor);	/* whoever still asked in the step in which he saw the address open is refused in there */
	a->owner = NULL;
	a->actor = NULL;
	actor_fini(&p->actor);
	partition_isr_end(p);
	free(p->change);
	free((char *)(uintptr_t)p->spec.copy_name);
	free(p);
}

bool partition_ask(struct actor *from, struct partition_addr *to, struct msg *m)
{
	return partition_is_open(to) && actor_ask(from, to->actor, m);
}
