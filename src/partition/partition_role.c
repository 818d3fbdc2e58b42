/*
 * The role: who leads, with which epoch and in-sync set, as the controller says; and the end of the replica here.
 *
 * Invariant: a role with an older leader epoch than the one in force is refused; epochs never go back. The high watermark is raised only, within one epoch,
 * and never beyond the smallest end of the in-sync set.
 */
#include "partition/partition_priv.h"

enum kafka_error partition_check_leader(const struct partition *p, int32_t current_leader_epoch, bool must_lead)
{
	/* INT32_MIN: do not check. Fetch maps every negative value to it, the other APIs only -1. */
	if (current_leader_epoch != INT32_MIN && p->has_role) {
		if (current_leader_epoch < p->role.leader_epoch)
			return FENCED_LEADER_EPOCH;
		if (current_leader_epoch > p->role.leader_epoch)
			return UNKNOWN_LEADER_EPOCH;
	}
	return must_lead && !partition_leads(p) ? NOT_LEADER_OR_FOLLOWER : NONE;
}

/* The leader's own end is the smallest one while it is alone in the set; a set with followers is raised by what they fetch. */
void partition_raise_high_watermark(struct partition *p)
{
	if (!partition_leads(p) || p->role.isr_count != 1)
		return;
	if (log_high_watermark(p->log) < log_end_offset(p->log))
		log_set_high_watermark(p->log, log_end_offset(p->log));
}

static void become_leader(struct partition *p, bool is_new_epoch)
{
	if (is_new_epoch) {
		p->epoch_start_offset = log_end_offset(p->log);
		enum err e = log_begin_epoch(p->log, p->role.leader_epoch);
		if (e != OK) {
			partition_storage_failed(p, "begin epoch", e);
			return;
		}
	}
	partition_raise_high_watermark(p);
	/* What was promised by a larger set now rests on this replica alone: sync it all before the next acks=all answer counts on it. */
	if (p->role.isr_count == 1 && p->spec.flush_acks != FLUSH_ACKS_NEVER)
		p->flush_wanted = true;
}

void partition_on_role(struct partition *p, struct partition_role *m)
{
	m->error = NONE;
	if (p->has_role && m->leader_epoch < p->role.leader_epoch)
		m->error = STALE_CONTROLLER_EPOCH;
	else if (!uuid_is_zero(m->topic_id) && !uuid_is_zero(log_topic_id(p->log)) && !uuid_eq(m->topic_id, log_topic_id(p->log)))
		m->error = INCONSISTENT_TOPIC_ID;
	if (m->error == NONE) {
		bool is_new_epoch = !p->has_role || m->leader_epoch > p->role.leader_epoch;
		bool led = partition_leads(p);

		p->role = *m;
		p->has_role = true;
		log_set_topic_id(p->log, m->topic_id);
		LOG_INFO(&p->actor.log, role_changed, KV_STR("role", partition_leads(p) ? "leader" : "follower"), KV_I32("leader", m->leader),
		         KV_I32("leader_epoch", m->leader_epoch), KV_I64("end", log_end_offset(p->log)));
		if (partition_leads(p))
			become_leader(p, is_new_epoch);
		else if (led)
			partition_fail_waiting(p, NOT_LEADER_OR_FOLLOWER);
		if (!partition_is_usable(p))
			m->error = KAFKA_STORAGE_ERROR;
	}
	partition_publish(p);
	actor_answer(&p->actor, &m->msg);
}

void partition_on_config(struct partition *p, struct partition_config *m)
{
	p->config = m->config;
	log_set_config(p->log, &m->config);
	actor_answer(&p->actor, &m->msg);
}

/* New questions are refused from here on; the end itself waits until the jobs that are out have come home. */
void partition_on_stop(struct partition *p, struct partition_stop *m)
{
	ASSERT(p->stop == NULL);
	p->stop = m;
	__atomic_store_n(&p->addr->is_open, false, __ATOMIC_RELEASE);
	partition_fail_waiting(p, NOT_LEADER_OR_FOLLOWER);
	partition_fail_lookups(p, NOT_LEADER_OR_FOLLOWER);
	partition_drop_watches(p);
	if (p->refusal != KAFKA_STORAGE_ERROR)
		p->refusal = NOT_LEADER_OR_FOLLOWER;
}

bool partition_finish_stop(struct partition *p)
{
	struct partition_stop *m = p->stop;

	if (p->flush.is_out || p->lookup.is_out || p->actor.stop_wanted)
		return false;
	m->result = OK;
	if (p->log != NULL) {
		if (m->how == STOP_CLEAN)
			m->result = log_close_clean(p->log);
		if (m->how == STOP_DELETE)
			m->result = log_delete(&p->log);
		partition_publish(p);
		if (p->log != NULL)
			log_close(&p->log);
	}
	__atomic_store_n(&p->addr->is_leader, false, __ATOMIC_RELAXED);
	actor_answer(&p->actor, &m->msg);
	actor_stop(&p->actor);
	return true;
}
