/*
 * The role: who leads, with which epoch and in-sync set, as the controller says; and the end of the replica here.
 *
 * Invariant: only a role with a newer leader epoch changes anything; epochs never go back. Everything about the in-sync set begins anew with it (partition_isr.c).
 */
#include "base/probe.h"
#include "partition/partition_priv.h"

enum kafka_error partition_check_leader(const struct partition *p, int32_t current_leader_epoch, bool must_lead)
{
	/* INT32_MIN: do not check. Fetch maps every negative value to it, the other APIs only -1. */
	if (current_leader_epoch != INT32_MIN && p->has_role) {
		if (current_leader_epoch < p->leader_epoch)
			return FENCED_LEADER_EPOCH;
		if (current_leader_epoch > p->leader_epoch)
			return UNKNOWN_LEADER_EPOCH;
	}
	return must_lead && !partition_leads(p) ? NOT_LEADER_OR_FOLLOWER : NONE;
}

/* --- what else lives on this thread ----------------------------------------------------------------------------------------------- */

void partition_hook_elected(struct partition *p)
{
	if (p->hook == NULL)
		return;
	p->is_elected = true;
	p->hook->on_elected(p->hook->arg, p->addr, p->leader_epoch);
}

void partition_hook_resigned(struct partition *p)
{
	if (!p->is_elected)
		return;
	p->is_elected = false;
	p->hook->on_resigned(p->hook->arg, p->addr);
}

static void hook_stop(struct partition *p)
{
	if (p->hook != NULL)
		p->hook->on_stop(p->hook->arg, p->addr);
	p->hook = NULL;
}

static bool is_ours(const struct msg *m)
{
	return m->kind >= MSG_BASE_PARTITION && m->kind < MSG_BASE_COORD;
}

bool partition_hook_asked(struct partition *p, struct msg *m)
{
	if (is_ours(m))
		return false;
	if (p->is_elected && p->stop == NULL && p->hook->on_question != NULL) {
		p->hook->on_question(p->hook->arg, p->addr, m);
	} else {
		partition_refuse(m, NOT_LEADER_OR_FOLLOWER);
		actor_answer(&p->actor, m);
	}
	return true;
}

void partition_hook_append(struct partition_addr *a, struct partition_append *m, int32_t leader_epoch)
{
	struct partition *p = a->owner;

	m->leader_epoch = leader_epoch;
	bool sent = actor_ask(&p->actor, &p->actor, &m->msg);

	ASSERT(sent);		/* who has no lane is never declined */
	p->hook_out++;
}

size_t partition_hook_batch_max(struct partition_addr *a)
{
	const struct partition *p = a->owner;

	return (size_t)MAX(p->config.max_message_bytes, 0);
}

void partition_hook_submit(struct partition_addr *a, struct job *j)
{
	struct partition *p = a->owner;

	workers_submit(p->spec.workers, &p->actor, j);
	p->hook_out++;
}

enum err partition_hook_range(struct partition_addr *a, int64_t offset, uint32_t max_bytes, struct log_range *out)
{
	struct partition *p = a->owner;

	if (!partition_is_usable(p))
		return ERR_IO;
	/* Without a bound: what a damaged header says of its batch's end is no reason to see nothing. */
	return log_read(p->log, offset, INT64_MAX, max_bytes, true, out);
}

int64_t partition_hook_next_segment(struct partition_addr *a, int64_t offset)
{
	return log_next_segment_base(a->owner->log, offset);
}

void partition_hook_read_failed(struct partition_addr *a, enum err e)
{
	struct partition *p = a->owner;

	if (partition_is_usable(p))
		(void)partition_read_failed(p, "coordinator", e);
}

/* --- the role --------------------------------------------------------------------------------------------------------------------- */

/* The epoch begins here also when nothing is ever appended in it: followers with records of an epoch we never saw are told where to part from us (KAFKA-7415). */
static void become_leader(struct partition *p, const struct partition_role *m, bool goes_on)
{
	enum err e = log_begin_epoch(p->log, m->leader_epoch);

	if (e != OK) {
		partition_storage_failed(p, "begin epoch", e);
		return;
	}
	p->epoch_start_offset = log_end_offset(p->log);
	partition_isr_begin(p, m, goes_on, os_mono_ms(p->spec.log.os));
	partition_raise_high_watermark(p);
	partition_publish(p);
	partition_hook_elected(p);
}

static void become_follower(struct partition *p, const struct partition_role *m)
{
	enum err e = OK;

	p->epoch_start_offset = 0;
	p->replica_count = m->replica_count;
	partition_isr_end(p);
	partition_fail_waiting(p, NOT_LEADER_OR_FOLLOWER);
	partition_fail_deletions(p, NOT_LEADER_OR_FOLLOWER);
	partition_hook_resigned(p);
	if (partition_mutant_for_tests == PARTITION_MUTANT_TRUNCATE_TO_HIGH_WATERMARK)
		e = log_truncate_to(p->log, log_high_watermark(p->log));
	if (e != OK)
		partition_storage_failed(p, "truncate", e);
}

static void change_role(struct partition *p, const struct partition_role *m)
{
	/* Between two epochs of this leader nobody else led, unless there was a third of which it has not been told. */
	bool goes_on = partition_leads(p) && m->leader_epoch == p->leader_epoch + 1;

	p->has_role = true;
	p->leader = m->leader;
	p->leader_epoch = m->leader_epoch;
	p->controller_epoch = m->controller_epoch;
	p->partition_epoch = m->partition_epoch;
	LOG_INFO(&p->actor.log, role_changed, KV_STR("role", partition_leads(p) ? "leader" : "follower"), KV_I32("leader", m->leader),
	         KV_I32("leader_epoch", m->leader_epoch), KV_I64("end", log_end_offset(p->log)));
	PROBE(role__change, p->addr->topic, p->addr->partition, partition_leads(p), m->leader, m->leader_epoch);
	if (partition_leads(p))
		become_leader(p, m, goes_on);
	else
		become_follower(p, m);
}

static bool names_replica(const struct partition_role *m, int32_t broker_id)
{
	for (int32_t i = 0; i < m->replica_count; i++) {
		if (m->replicas[i] == broker_id)
			return true;
	}
	return false;
}

/* NONE with *is_change: a new leader epoch, to be put in force. Every other outcome leaves the role as it is. */
static enum kafka_error role_check(const struct partition *p, const struct partition_role *m, bool *is_change)
{
	int32_t epoch = p->has_role ? p->leader_epoch : -1;

	*is_change = false;
	if (!partition_is_of_topic(p, m->topic_id))
		return INCONSISTENT_TOPIC_ID;
	if (m->leader_epoch > epoch) {
		if (m->is_gone ? m->leader == p->spec.broker_id : !names_replica(m, p->spec.broker_id))
			return UNKNOWN_TOPIC_OR_PARTITION;
		*is_change = !p->has_role || m->partition_epoch >= p->partition_epoch;	/* else somebody older speaks, and is not answered so */
		return NONE;
	}
	if (m->leader_epoch < epoch)
		return STALE_CONTROLLER_EPOCH;
	/* The same once more is a duplicate, unless it is about the topic id. */
	bool brings_id = !uuid_is_zero(m->topic_id) && uuid_is_zero(log_topic_id(p->log));
	bool drops_id = uuid_is_zero(m->topic_id) && !uuid_is_zero(log_topic_id(p->log)) && !partition_leads(p);

	return brings_id || drops_id ? NONE : STALE_CONTROLLER_EPOCH;
}

void partition_on_role(struct partition *p, struct partition_role *m)
{
	m->error = role_check(p, m, &m->is_changed);
	if (m->error == NONE && !uuid_is_zero(m->topic_id))
		log_set_topic_id(p->log, m->topic_id);
	if (m->is_changed)
		change_role(p, m);
	if (!partition_is_usable(p)) {
		partition_refuse(&m->msg, KAFKA_STORAGE_ERROR);
	} else {
		m->log_end_offset = log_end_offset(p->log);
		m->high_watermark = log_high_watermark(p->log);
		m->last_epoch = log_latest_epoch(p->log);
	}
	partition_publish(p);
	actor_answer(&p->actor, &m->msg);
}

void partition_on_topics_gone(struct partition *p, struct partition_topics_gone *m)
{
	if (p->is_elected && p->hook->on_topics_gone != NULL)
		p->hook->on_topics_gone(p->hook->arg, p->addr, m->topics, m->count);
	actor_answer(&p->actor, &m->msg);
}

void partition_on_config(struct partition *p, struct partition_config *m)
{
	p->config = m->config;
	log_set_config(p->log, &m->config);
	p->clean_seen = -1;		/* what was too clean may be dirty enough now */
	actor_answer(&p->actor, &m->msg);
}

/* New questions are refused from here on; the end itself waits until the jobs that are out have come home. */
void partition_on_stop(struct partition *p, struct partition_stop *m)
{
	ASSERT(p->stop == NULL);
	p->stop = m;
	__atomic_store_n(&p->addr->is_open, false, __ATOMIC_RELEASE);
	partition_fail_waiting(p, NOT_LEADER_OR_FOLLOWER);
	partition_fail_deletions(p, NOT_LEADER_OR_FOLLOWER);
	partition_fail_lookups(p, NOT_LEADER_OR_FOLLOWER);
	partition_drop_watches(p);
	partition_hook_resigned(p);
	if (p->refusal != KAFKA_STORAGE_ERROR)
		p->refusal = NOT_LEADER_OR_FOLLOWER;
}

bool partition_finish_stop(struct partition *p)
{
	struct partition_stop *m = p->stop;

	if (partition_has_lent_log(p) || p->hook_out > 0 || p->purge != NULL || p->is_change_out || p->dir_failed != NULL || p->copies_out > 0 ||
	    p->moved_out > 0 || p->actor.stop_wanted)
		return false;
	hook_stop(p);
	m->result = partition_copy_stop(p, m->how);
	if (p->log != NULL) {
		if (m->how == STOP_CLEAN) {
			enum err e = log_close_clean(p->log);

			m->result = e != OK ? e : m->result;
		}
		if (m->how == STOP_DELETE) {	/* another of that name would be taken for cleaned */
			enum err e = partition_clean_will_cut(p, 0);
			m->result = log_delete(&p->log);
			m->result = m->result == OK ? e : m->result;
		}
		partition_publish(p);
		if (p->log != NULL)
			log_close(&p->log);
	}
	__atomic_store_n(&p->addr->is_leader, false, __ATOMIC_RELAXED);
	actor_answer(&p->actor, &m->msg);
	actor_stop(&p->actor);
	return true;
}
