/*
 * A replica's log is read from the simulated disk behind the process's back, batch by batch as its end moves, so that a log that says one thing and holds another is found.
 */
#include "cluster_watch.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/active_priv.h"
#include "coord/tree_priv.h"
#include "os/sim_priv.h"
#include "partition/partition_priv.h"
#include "record/batch.h"

#define WHERE(p) (p)->topic, (int)(p)->id

/* --- the store -------------------------------------------------------------------------------------------------------------------------- */

static const struct node *child(const struct node *n, const char *name)
{
	return n == NULL || n->children == NULL ? NULL : map_get(n->children, slice_str(name));
}

static const struct node *node_at(const struct coord_tree *t, const char *path)
{
	const struct node *n = t->root;
	char part[64];

	while (n != NULL && *path != '\0') {
		size_t len = strcspn(++path, "/");

		snprintf(part, sizeof(part), "%.*s", (int)len, path);
		n = child(n, part);
		path += len;
	}
	return n;
}

static bool holds(const int32_t *ids, int32_t count, int32_t id)
{
	for (int32_t i = 0; i < count; i++) {
		if (ids[i] == id)
			return true;
	}
	return false;
}

static int32_t copy_ids(int32_t *to, const int32_t *ids, int32_t count)
{
	int32_t n = MIN(count, CLUSTER_NODES_MAX);

	for (int32_t i = 0; i < n; i++)
		to[i] = ids[i];
	return n;
}

static struct seen_partition *find_or_add(struct cluster_watch *w, const char *topic, struct uuid topic_id, int32_t id)
{
	for (int i = 0; i < w->count; i++) {
		struct seen_partition *p = &w->partitions[i];

		if (p->id == id && uuid_eq(p->topic_id, topic_id))
			return p;
	}
	CLUSTER_CHECK(w->c, w->count < SEEN_PARTITIONS_MAX, "the test watches too few partitions");
	struct seen_partition *p = &w->partitions[w->count++];
	*p = (struct seen_partition){ .topic_id = topic_id, .id = id, .leader = -1, .leader_epoch = -1, .controller_epoch = -1, .partition_epoch = -1 };
	snprintf(p->topic, sizeof(p->topic), "%s", topic);
	for (int i = 0; i < SEEN_EPOCHS_MAX; i++)
		p->leader_of[i] = -2;
	for (int i = 0; i < CLUSTER_NODES_MAX; i++)
		p->logs[i].led_epoch = p->logs[i].dismissed_epoch = -1;
	return p;
}

static bool is_same(const struct seen_record *a, const struct seen_record *b)
{
	return a->epoch == b->epoch && a->crc == b->crc && a->producer_id == b->producer_id && a->sequence == b->sequence;
}

static void check_holds_committed(struct cluster_watch *w, const struct seen_partition *p, int32_t broker, const char *as)
{
	const struct seen_log *l = &p->logs[broker - 1];

	if (l->is_doubtful)
		return;
	CLUSTER_CHECK(w->c, l->end >= p->committed_end, "%s-%d: broker %d %s with its log's end at %lld: up to %lld was committed", WHERE(p), broker, as,
	              (long long)l->end, (long long)p->committed_end);
	for (int64_t i = 0; i < p->committed_end; i++)
		CLUSTER_CHECK(w->c, is_same(&l->records[i], &p->committed[i]), "%s-%d: broker %d %s with another record at %lld than was committed", WHERE(p), broker, as,
		              (long long)i);
}

/* The store takes what a controller decided when it last saw the broker. It may stand still with that in hand, but not for longer than its own session lives; and answers are late. */
#define ABSENT_MS_MAX (CLUSTER_SESSION_MS + 200)

static void check_is_there(struct cluster_watch *w, const struct seen_partition *p, int32_t broker, const char *as)
{
	mono_ms absent = w->is_there[broker - 1] ? 0 : cluster_now(w->c) - w->there_at[broker - 1];

	CLUSTER_CHECK(w->c, absent <= ABSENT_MS_MAX, "%s-%d: broker %d %s, and for %lld ms is not registered or has been stopping", WHERE(p), broker, as, (long long)absent);
}

static void check_state(struct cluster_watch *w, struct seen_partition *p, const struct znode_state *s, int32_t version)
{
	struct cluster_sim *c = w->c;
	bool is_election = s->leader_epoch != p->leader_epoch;

	CLUSTER_CHECK(c, s->isr_count > 0 && s->isr_count <= CLUSTER_NODES_MAX, "%s-%d: an in-sync set of %d was stored", WHERE(p), s->isr_count);
	CLUSTER_CHECK(c, s->leader < 0 || holds(s->isr, s->isr_count, s->leader), "%s-%d: leader %d is stored outside the in-sync set", WHERE(p), s->leader);
	if (s->leader_epoch >= 0 && s->leader_epoch < SEEN_EPOCHS_MAX)
		p->leader_of[s->leader_epoch] = s->leader;
	if (!p->is_stored)
		return;
	CLUSTER_CHECK(c, s->leader_epoch >= p->leader_epoch, "%s-%d: leader epoch %d is stored after %d", WHERE(p), s->leader_epoch, p->leader_epoch);
	CLUSTER_CHECK(c, s->controller_epoch >= p->controller_epoch, "%s-%d: controller epoch %d is stored after %d", WHERE(p), s->controller_epoch,
	              p->controller_epoch);
	CLUSTER_CHECK(c, version > p->partition_epoch, "%s-%d: partition epoch %d is stored after %d", WHERE(p), version, p->partition_epoch);
	CLUSTER_CHECK(c, is_election || s->leader == p->leader, "%s-%d: leader %d is stored after %d in the same epoch", WHERE(p), s->leader, p->leader);
	if (is_election && s->leader >= 0) {
		CLUSTER_CHECK(c, holds(p->isr, p->isr_count, s->leader), "%s-%d: broker %d was elected from outside the in-sync set", WHERE(p), s->leader);
		check_is_there(w, p, s->leader, "was elected");
		check_holds_committed(w, p, s->leader, "was elected");
	}
	for (int32_t i = 0; i < s->isr_count; i++) {
		CLUSTER_CHECK(c, s->isr[i] >= 1 && s->isr[i] <= c->node_count, "%s-%d: broker %d is stored in the in-sync set", WHERE(p), s->isr[i]);
		if (holds(p->replicas, p->replica_count, s->isr[i]))
			p->logs[s->isr[i] - 1].is_anew = false;
		if (!holds(p->isr, p->isr_count, s->isr[i])) {
			check_is_there(w, p, s->isr[i], "joined the in-sync set");
			p->logs[s->isr[i] - 1].is_doubtful = false;	/* it fetched all again */
			check_holds_committed(w, p, s->isr[i], "joined the in-sync set");
		}
	}
	w->elections += is_election;
	w->expansions += s->isr_count > p->isr_count;
	w->shrinks += s->isr_count < p->isr_count;
}

static void look_at_state(struct cluster_watch *w, struct seen_partition *p, const struct node *n)
{
	struct znode_state s;

	if (p->is_stored && p->mzxid == n->mzxid)
		return;
	CLUSTER_CHECK(w->c, znode_state_decode(&s, slice_of(n->data, n->data_len), &w->arena), "%s-%d: the stored state is not readable", WHERE(p));
	check_state(w, p, &s, n->version);
	p->is_stored = true;
	p->mzxid = n->mzxid;
	p->leader = s.leader;
	p->leader_epoch = s.leader_epoch;
	p->controller_epoch = s.controller_epoch;
	p->partition_epoch = n->version;
	p->isr_count = copy_ids(p->isr, s.isr, s.isr_count);
}

static void look_at_assignment(struct seen_partition *p, const struct znode_partition *z)
{
	for (int i = 0; i < CLUSTER_NODES_MAX; i++) {
		if (!holds(z->replicas, z->replica_count, i + 1) || !holds(p->replicas, p->replica_count, i + 1))
			p->logs[i].is_anew = true;
	}
	p->replica_count = copy_ids(p->replicas, z->replicas, z->replica_count);
	p->removing_count = copy_ids(p->removing, z->removing, z->removing_count);
	p->is_moving = z->adding_count + z->removing_count > 0;
}

static void look_who_is_dismissed(struct seen_partition *p)
{
	for (int i = 0; i < CLUSTER_NODES_MAX; i++) {
		if (!holds(p->replicas, p->replica_count, i + 1) || holds(p->removing, p->removing_count, i + 1))
			p->logs[i].dismissed_epoch = p->leader_epoch;
	}
}

static void look_at_topic(struct cluster_watch *w, const char *name, const struct node *n)
{
	const struct node *partitions = child(n, "partitions"), *doomed = child(node_at(w->c->tree, "/admin/delete_topics"), name);
	struct znode_topic t;
	char id[16];

	CLUSTER_CHECK(w->c, znode_topic_decode(&t, slice_of(n->data, n->data_len), &w->arena), "the stored assignment of %s is not readable", name);
	CLUSTER_CHECK(w->c, !uuid_is_zero(t.id), "topic %s is stored without an id", name);
	for (int32_t i = 0; i < t.partition_count; i++) {
		struct seen_partition *p = find_or_add(w, name, t.id, t.partitions[i].id);

		look_at_assignment(p, &t.partitions[i]);
		snprintf(id, sizeof(id), "%d", p->id);
		const struct node *state = child(child(partitions, id), "state");
		if (state != NULL)
			look_at_state(w, p, state);
		else
			p->is_stored = false;
		look_who_is_dismissed(p);
		p->is_doomed |= doomed != NULL;
	}
}

/* Partitions of topics that have gone keep what was seen of them, but are not stored any more. */
static void forget_deleted(struct cluster_watch *w, const struct node *topics)
{
	for (int i = 0; i < w->count; i++) {
		struct seen_partition *p = &w->partitions[i];

		if (p->is_stored && child(topics, p->topic) == NULL) {
			p->is_stored = false;
			p->is_doomed = true;
		}
	}
}

/* Of those who are, the one of the last election; NULL: nobody. */
static const struct controller *latest_controller(const struct cluster_watch *w)
{
	const struct controller *latest = NULL;

	for (int i = 0; i < w->c->node_count; i++) {
		const struct controller *c = w->c->nodes[i].b.is_up ? w->c->nodes[i].b.parts.controller : NULL;

		if (c != NULL && c->is_active && c->active != NULL && (latest == NULL || c->controller_epoch > latest->controller_epoch))
			latest = c;
	}
	return latest;
}

/* Registered, and has not told the controller that it is about to stop. */
static bool is_there(const struct cluster_watch *w, int32_t broker)
{
	const struct controller *c = latest_controller(w);
	char id[16];

	snprintf(id, sizeof(id), "%d", broker);
	const struct node *n = child(node_at(w->c->tree, "/brokers/ids"), id);
	const struct active_broker *b = c != NULL ? active_broker_get(c->active, broker) : NULL;
	return n != NULL && (b == NULL || b->info.epoch != n->czxid || !b->is_shutting_down);
}

/* Before the states are: until a change of the tree it was as it was after the one before. */
static void look_who_is_there(struct cluster_watch *w)
{
	for (int i = 0; i < w->c->node_count; i++) {
		if (w->is_there[i])
			w->there_at[i] = cluster_now(w->c);
		w->is_there[i] = is_there(w, i + 1);
	}
}

static void look_at_tree(struct cluster_watch *w)
{
	const struct node *topics = node_at(w->c->tree, "/brokers/topics");
	struct map_entry *e;

	if (topics == NULL)
		return;
	look_who_is_there(w);
	arena_reset(&w->arena);
	forget_deleted(w, topics);
	for (uint32_t at = 0; topics->children != NULL && (e = map_next(topics->children, &at)) != NULL; ) {
		const struct node *n = e->value;

		look_at_topic(w, n->name, n);
	}
}

/* --- logs ------------------------------------------------------------------------------------------------------------------------------- */

static const struct sim_inode *file_of(struct sim_os *m, const char *dir, int64_t base)
{
	struct sim_place place;
	char path[600];

	snprintf(path, sizeof(path), "%s/%020lld.log", dir, (long long)base);
	return sim_disk_find(&m->disk, path, &place, NULL, NULL) == 0 ? place.inode : NULL;
}

/* Log matching: where both have a record of the same epoch they agree, there and before; so, record by record, it is enough to look one back. */
static void check_matches(struct cluster_watch *w, const struct seen_partition *p, int node, int64_t offset)
{
	const struct seen_record *mine = &p->logs[node].records[offset];

	for (int i = 0; i < w->c->node_count; i++) {
		const struct seen_log *other = &p->logs[i];

		if (i == node || offset >= other->end || other->is_doubtful || other->records[offset].epoch != mine->epoch)
			continue;
		CLUSTER_CHECK(w->c, is_same(mine, &other->records[offset]), "%s-%d: brokers %d and %d have two records of epoch %d at %lld", WHERE(p), node + 1, i + 1,
		              mine->epoch, (long long)offset);
		CLUSTER_CHECK(w->c, offset == 0 || is_same(mine - 1, &other->records[offset - 1]),
		              "%s-%d: brokers %d and %d have the record of epoch %d at %lld, and different ones before it", WHERE(p), node + 1, i + 1, mine->epoch,
		              (long long)offset);
	}
}

static void take_batch(struct cluster_watch *w, struct seen_partition *p, int node, const uint8_t *batch)
{
	struct seen_log *l = &p->logs[node];
	int64_t last = batch_last_offset(batch);

	CLUSTER_CHECK(w->c, batch_check_crc(slice_of(batch, batch_size(batch))), "%s-%d: broker %d has a damaged batch at %lld", WHERE(p), node + 1, (long long)l->end);
	CLUSTER_CHECK(w->c, batch_base_offset(batch) == l->end && last >= l->end, "%s-%d: broker %d has a batch from %lld where %lld belongs", WHERE(p), node + 1,
	              (long long)batch_base_offset(batch), (long long)l->end);
	if (last >= l->room) {
		l->room = MAX(last + 1, l->room * 2 + 32);
		l->records = mem_realloc_array(l->records, (size_t)l->room, sizeof(*l->records));
	}
	for (; l->end <= last; l->end++) {
		l->records[l->end] = (struct seen_record){
			.producer_id = batch_producer_id(batch), .sequence = batch_base_sequence(batch), .epoch = batch_leader_epoch(batch), .crc = batch_crc(batch),
		};
		CLUSTER_CHECK(w->c, l->end == 0 || l->records[l->end - 1].epoch <= batch_leader_epoch(batch), "%s-%d: broker %d has epoch %d behind epoch %d at %lld",
		              WHERE(p), node + 1, batch_leader_epoch(batch), l->records[l->end - 1].epoch, (long long)l->end);
		check_matches(w, p, node, l->end);
	}
}

/* Reads on to `end`. */
static void read_log(struct cluster_watch *w, struct seen_partition *p, int node, const char *dir, int64_t end)
{
	struct seen_log *l = &p->logs[node];

	while (l->end < end) {
		const struct sim_inode *f = file_of(w->c->nodes[node].b.machine, dir, l->segment_base);
		struct slice rest, batch;

		if (f == NULL || (size_t)l->file_pos >= f->now.size) {	/* the next segment begins here */
			CLUSTER_CHECK(w->c, l->segment_base != l->end, "%s-%d: broker %d says its log ends at %lld, and has no file for %lld", WHERE(p), node + 1,
			              (long long)end, (long long)l->end);
			l->segment_base = l->end;
			l->file_pos = 0;
			continue;
		}
		rest = slice_of(f->now.at + l->file_pos, f->now.size - (size_t)l->file_pos);
		enum err e = batch_next(&rest, &batch);
		CLUSTER_CHECK(w->c, e == OK, "%s-%d: broker %d says its log ends at %lld, and at %lld there is: %s", WHERE(p), node + 1, (long long)end, (long long)l->end,
		              err_text(e));
		take_batch(w, p, node, batch.ptr);
		l->file_pos += (int64_t)batch.len;
	}
	CLUSTER_CHECK(w->c, l->end == end, "%s-%d: broker %d says its log ends at %lld, within a batch to %lld", WHERE(p), node + 1, (long long)end, (long long)l->end);
}

static void read_again(struct cluster_watch *w, struct seen_partition *p, int node, const char *dir, int64_t end)
{
	struct seen_log *l = &p->logs[node];

	l->end = l->segment_base = l->file_pos = l->compared = 0;
	read_log(w, p, node, dir, end);
}

/* How far the log holds what was committed. */
static int64_t committed_part(const struct seen_partition *p, const struct seen_log *l)
{
	int64_t n = 0;

	while (n < l->end && n < p->committed_end && is_same(&l->records[n], &p->committed[n]))
		n++;
	return n;
}

/* A process has opened the log that another has left. What that held of what was committed is there; after a power cut that is not promised to every single log. */
static void begin_life(struct cluster_watch *w, struct seen_partition *p, int node, struct partition *is)
{
	struct seen_log *l = &p->logs[node];
	int64_t before = committed_part(p, l);

	cluster_watch_place(w, p, node, is->dir);
	if (l->is_anew)
		before = 0;
	l->high_watermark = l->leader_epoch = l->partition_epoch = l->led_epoch = -1;
	read_again(w, p, node, is->dir, log_end_offset(is->log));
	CLUSTER_CHECK(w->c, l->is_doubtful || l->end >= before, "%s-%d: broker %d was killed with %lld committed records, and comes back with %lld", WHERE(p), node + 1,
	              (long long)before, (long long)l->end);
	l->partition = is;
	l->life = w->c->nodes[node].lives;
}

/*
 * It comes from the leader that is followed, and the log's end had been found to be that leader's too. When the role has changed in this very step it may come from the one before; what
 * a leader had that follows others by now, or was started again, is not known any more.
 */
static void check_fetched(struct cluster_watch *w, const struct seen_partition *p, int node, const struct partition *is, int64_t from)
{
	const struct seen_log *l = &p->logs[node];

	if (!is->has_role || partition_leads(is) || is->leader_epoch != l->leader_epoch)
		return;
	CLUSTER_CHECK(w->c, is->leader >= 1 && is->leader <= w->c->node_count, "%s-%d: broker %d follows %d, and has records from it", WHERE(p), node + 1, is->leader);
	const struct seen_log *leader = &p->logs[is->leader - 1];
	for (int64_t i = MAX(from - 1, 0); leader->led_epoch == is->leader_epoch && i < l->end; i++)
		CLUSTER_CHECK(w->c, i < leader->end && is_same(&l->records[i], &leader->records[i]),
		              "%s-%d: broker %d follows %d in epoch %d, appends from %lld and has at %lld what that leader has not", WHERE(p), node + 1, is->leader,
		              is->leader_epoch, (long long)from, (long long)i);
}

static void follow_log(struct cluster_watch *w, struct seen_partition *p, int node, struct partition *is)
{
	struct seen_log *l = &p->logs[node];
	int64_t end = log_end_offset(is->log), before = l->end;

	if (l->partition != is || l->life != w->c->nodes[node].lives || (l->is_anew && end < l->end)) {
		begin_life(w, p, node, is);
	} else if (end < l->end) {
		w->truncations++;
		CLUSTER_CHECK(w->c, end >= l->high_watermark, "%s-%d: broker %d cut its log to %lld, below its high watermark %lld", WHERE(p), node + 1, (long long)end,
		              (long long)l->high_watermark);
		read_again(w, p, node, is->dir, end);
	} else if (end > l->end) {
		read_log(w, p, node, is->dir, end);
		check_fetched(w, p, node, is, before);
	}
}

/* --- what is committed -------------------------------------------------------------------------------------------------------------------- */

static void commit(struct seen_partition *p, const struct seen_log *l, int64_t end)
{
	if (end > p->committed_room) {
		p->committed_room = end * 2;
		p->committed = mem_realloc_array(p->committed, (size_t)p->committed_room, sizeof(*p->committed));
	}
	for (; p->committed_end < end; p->committed_end++)
		p->committed[p->committed_end] = l->records[p->committed_end];
}

/* What this replica shows to consumers is what was committed. */
static void compare_committed(struct cluster_watch *w, const struct seen_partition *p, int node, int64_t high_watermark)
{
	struct seen_log *l = &w->partitions[p - w->partitions].logs[node];

	for (; l->compared < high_watermark; l->compared++)
		CLUSTER_CHECK(w->c, is_same(&l->records[l->compared], &p->committed[l->compared]),
		              "%s-%d: broker %d has high watermark %lld, but at %lld another record than was committed", WHERE(p), node + 1, (long long)high_watermark,
		              (long long)l->compared);
}

static void check_member(struct cluster_watch *w, const struct seen_partition *p, int node, int32_t member, int64_t high_watermark)
{
	const struct seen_log *l = &p->logs[member - 1];

	CLUSTER_CHECK(w->c, l->is_doubtful || l->end >= high_watermark, "%s-%d: leader %d raises its high watermark to %lld; broker %d of the in-sync set has only %lld",
	              WHERE(p), node + 1, (long long)high_watermark, member, (long long)l->end);
}

static void check_advance(struct cluster_watch *w, struct seen_partition *p, int node, const struct partition *is, int64_t high_watermark)
{
	CLUSTER_CHECK(w->c, is->isr_count >= partition_isr_min(is), "%s-%d: leader %d raises its high watermark with %d in sync", WHERE(p), node + 1, is->isr_count);
	for (int i = 0; is->isr != NULL && i < is->isr->count; i++) {
		const struct partition_member *m = &is->isr->members[i];

		if ((m->is_in_sync || m->is_joining) && m->is_replica && m->broker_id <= w->c->node_count)
			check_member(w, p, node, m->broker_id, high_watermark);
	}
	for (int32_t i = 0; is->leader_epoch == p->leader_epoch && i < p->isr_count; i++) {
		/* As in Kafka, who is being removed is not waited for any more when the leader has been told, just before the store. */
		if (holds(p->replicas, p->replica_count, p->isr[i]) && !holds(p->removing, p->removing_count, p->isr[i]))
			check_member(w, p, node, p->isr[i], high_watermark);
	}
}

static void check_leader(struct cluster_watch *w, struct seen_partition *p, int node, const struct partition *is, int64_t high_watermark)
{
	struct seen_log *l = &p->logs[node];

	if (is->leader_epoch >= 0 && is->leader_epoch < SEEN_EPOCHS_MAX)
		CLUSTER_CHECK(w->c, p->leader_of[is->leader_epoch] == node + 1, "%s-%d: broker %d leads in epoch %d, which is that of %d", WHERE(p), node + 1,
		              is->leader_epoch, p->leader_of[is->leader_epoch]);
	if (is->leader_epoch == l->leader_epoch)
		CLUSTER_CHECK(w->c, high_watermark >= l->high_watermark, "%s-%d: leader %d lowers its high watermark from %lld to %lld", WHERE(p), node + 1,
		              (long long)l->high_watermark, (long long)high_watermark);
	if (high_watermark > p->committed_end) {
		check_advance(w, p, node, is, high_watermark);
		commit(p, l, high_watermark);
	}
}

static void look_at_partition(struct cluster_watch *w, struct partition *is)
{
	int node = is->spec.broker_id - 1;

	if (is->log == NULL || uuid_is_zero(is->addr->topic_id) || sim_is_dead(w->c->nodes[node].b.machine))
		return;
	struct seen_partition *p = find_or_add(w, is->addr->topic, is->addr->topic_id, is->addr->partition);
	struct seen_log *l = &p->logs[node];
	int64_t high_watermark = log_high_watermark(is->log);

	follow_log(w, p, node, is);
	CLUSTER_CHECK(w->c, log_start_offset(is->log) <= high_watermark && high_watermark <= l->end && log_last_stable_offset(is->log) <= high_watermark,
	              "%s-%d: broker %d has start %lld, stable %lld, high watermark %lld, end %lld", WHERE(p), node + 1, (long long)log_start_offset(is->log),
	              (long long)log_last_stable_offset(is->log), (long long)high_watermark, (long long)l->end);
	if (!is->has_role)
		return;
	CLUSTER_CHECK(w->c, is->leader_epoch >= l->leader_epoch, "%s-%d: broker %d goes from epoch %d back to %d", WHERE(p), node + 1, l->leader_epoch, is->leader_epoch);
	CLUSTER_CHECK(w->c, is->partition_epoch >= l->partition_epoch, "%s-%d: broker %d goes from partition epoch %d back to %d", WHERE(p), node + 1, l->partition_epoch,
	              is->partition_epoch);
	if (partition_leads(is))
		check_leader(w, p, node, is, high_watermark);
	CLUSTER_CHECK(w->c, high_watermark <= p->committed_end, "%s-%d: broker %d has high watermark %lld, committed is only %lld", WHERE(p), node + 1,
	              (long long)high_watermark, (long long)p->committed_end);
	compare_committed(w, p, node, high_watermark);
	l->high_watermark = high_watermark;
	l->leader_epoch = is->leader_epoch;
	l->led_epoch = partition_leads(is) ? is->leader_epoch : -1;
	l->partition_epoch = is->partition_epoch;
	if (l->is_doubtful && committed_part(p, l) == p->committed_end)
		l->is_doubtful = false;
}

/* What a deposed controller says changes nothing. */
static void look_at_controller(struct cluster_watch *w, struct actor *a)
{
	for (int i = 0; i < w->c->node_count; i++) {
		struct controller *controller = w->c->nodes[i].b.is_up ? w->c->nodes[i].b.parts.controller : NULL;

		if (controller == NULL || &controller->actor != a)
			continue;
		if (w->lives[i] != w->c->nodes[i].lives) {
			w->lives[i] = w->c->nodes[i].lives;
			w->controller_epochs[i] = -1;
		}
		CLUSTER_CHECK(w->c, controller->seen_controller_epoch >= w->controller_epochs[i], "broker %d obeys controller epoch %d after %d", i + 1,
		              controller->seen_controller_epoch, w->controller_epochs[i]);
		w->controller_epochs[i] = controller->seen_controller_epoch;
	}
}

static void on_step(void *arg, struct actor *a)
{
	struct cluster_watch *w = arg;

	if (w->zxid != w->c->tree->zxid) {
		w->zxid = w->c->tree->zxid;
		look_at_tree(w);
	}
	cluster_watch_disks(w);
	if (strcmp(a->ops->module, "controller") == 0)
		look_at_controller(w, a);
	if (strcmp(a->ops->module, "partition") == 0)
		look_at_partition(w, CONTAINER_OF(a, struct partition, actor));
}

static void on_kill(void *arg, int node, enum sim_crash kind)
{
	struct cluster_watch *w = arg;

	for (int i = 0; kind == SIM_CRASH_POWER && i < w->count; i++)
		w->partitions[i].logs[node].is_doubtful = w->partitions[i].logs[node].life > 0;
}

void cluster_watch_init(struct cluster_watch *w, struct cluster_sim *c)
{
	memset(w, 0, sizeof(*w));
	w->c = c;
	w->zxid = -1;
	arena_init(&w->arena, 1 << 20);
	c->on_step = on_step;
	c->on_kill = on_kill;
	c->arg = w;
}

void cluster_watch_fini(struct cluster_watch *w)
{
	w->c->on_step = NULL;
	w->c->on_kill = NULL;
	for (int i = 0; i < w->count; i++) {
		free(w->partitions[i].committed);
		for (int k = 0; k < CLUSTER_NODES_MAX; k++)
			free(w->partitions[i].logs[k].records);
	}
	arena_fini(&w->arena);
}

struct seen_partition *cluster_watch_find(struct cluster_watch *w, const char *topic, int32_t partition)
{
	for (int i = 0; i < w->count; i++) {
		if (w->partitions[i].is_stored && w->partitions[i].id == partition && strcmp(w->partitions[i].topic, topic) == 0)
			return &w->partitions[i];
	}
	return NULL;
}

bool cluster_watch_is_doubtful(const struct cluster_watch *w)
{
	for (int i = 0; i < w->count; i++) {
		const struct seen_partition *p = &w->partitions[i];

		for (int32_t k = 0; p->is_stored && k < p->isr_count; k++) {
			if (p->logs[p->isr[k] - 1].is_doubtful)
				return true;
		}
	}
	return false;
}

/* --- the end ------------------------------------------------------------------------------------------------------------------------------ */

#define DEMAND(condition, ...)                                  \
	do {                                                    \
		if (!(condition)) {                             \
			snprintf(why, 256, __VA_ARGS__);        \
			return false;                           \
		}                                               \
	} while (0)

static bool is_picture_true(struct cluster_watch *w, const struct seen_partition *p, int node, char why[256])
{
	const struct cluster *picture = w->c->nodes[node].b.parts.controller->picture;
	const struct cluster_topic *t = picture == NULL ? NULL : cluster_topic(picture, slice_str(p->topic));
	const struct cluster_partition *z = t == NULL ? NULL : cluster_topic_partition(t, p->id);

	DEMAND(z != NULL && uuid_eq(t->id, p->topic_id), "%s-%d: not in broker %d's picture", WHERE(p), node + 1);
	DEMAND(z->leader == p->leader && z->leader_epoch == p->leader_epoch && z->partition_epoch == p->partition_epoch,
	       "%s-%d: leader %d, epoch %d, partition epoch %d are stored, broker %d's picture has %d, %d, %d", WHERE(p), p->leader, p->leader_epoch, p->partition_epoch,
	       node + 1, z->leader, z->leader_epoch, z->partition_epoch);
	DEMAND(z->isr_count == p->isr_count && memcmp(z->isr, p->isr, (size_t)p->isr_count * sizeof(p->isr[0])) == 0,
	       "%s-%d: broker %d's picture has another in-sync set than is stored", WHERE(p), node + 1);
	DEMAND(z->replica_count == p->replica_count && memcmp(z->replicas, p->replicas, (size_t)p->replica_count * sizeof(p->replicas[0])) == 0,
	       "%s-%d: broker %d's picture has other replicas than are stored", WHERE(p), node + 1);
	return true;
}

static struct partition *replica_at(struct cluster_watch *w, const struct seen_partition *p, int node)
{
	const struct seen_log *l = &p->logs[node];

	return l->life != 0 && l->life == w->c->nodes[node].lives && cluster_node_serves(w->c, node) && l->partition->log != NULL ? l->partition : NULL;
}

static bool is_replica_settled(struct cluster_watch *w, const struct seen_partition *p, int32_t broker, char why[256])
{
	const struct partition *is = replica_at(w, p, broker - 1);

	DEMAND(is != NULL && is->has_role, "%s-%d: broker %d hosts no replica", WHERE(p), broker);
	DEMAND(is->leader == p->leader && is->leader_epoch == p->leader_epoch, "%s-%d: broker %d believes in leader %d, epoch %d; stored are %d, %d", WHERE(p), broker,
	       is->leader, is->leader_epoch, p->leader, p->leader_epoch);
	DEMAND(log_end_offset(is->log) == p->logs[p->leader - 1].end && log_high_watermark(is->log) == log_end_offset(is->log),
	       "%s-%d: broker %d ends at %lld, its high watermark is %lld; the leader ends at %lld", WHERE(p), broker, (long long)log_end_offset(is->log),
	       (long long)log_high_watermark(is->log), (long long)p->logs[p->leader - 1].end);
	if (broker == p->leader)
		DEMAND(is->partition_epoch == p->partition_epoch && (is->isr == NULL || is->isr->state == ISR_COMMITTED) && is->isr_count == p->isr_count,
		       "%s-%d: leader %d has partition epoch %d and %d in sync; stored are %d, %d", WHERE(p), broker, is->partition_epoch, is->isr_count,
		       p->partition_epoch, p->isr_count);
	return true;
}

static bool is_partition_settled(struct cluster_watch *w, const struct seen_partition *p, char why[256])
{
	DEMAND(!p->is_moving, "%s-%d: a reassignment has not come to its end", WHERE(p));
	DEMAND(p->leader > 0, "%s-%d: has no leader", WHERE(p));
	DEMAND(p->isr_count == p->replica_count, "%s-%d: %d of %d replicas are in sync", WHERE(p), p->isr_count, p->replica_count);
	for (int32_t i = 0; i < p->replica_count; i++) {
		DEMAND(holds(p->isr, p->isr_count, p->replicas[i]), "%s-%d: broker %d is not in sync", WHERE(p), p->replicas[i]);
		if (!is_replica_settled(w, p, p->replicas[i], why))
			return false;
	}
	for (int i = 0; i < w->c->node_count; i++) {
		if (!is_picture_true(w, p, i, why))
			return false;
	}
	return true;
}

static void count_topic(void *arg, const struct cluster_topic *t UNUSED)
{
	(*(size_t *)arg)++;
}

static bool is_node_settled(struct cluster_watch *w, int node, int32_t controller_id, char why[256])
{
	const struct node *topics = node_at(w->c->tree, "/brokers/topics");
	const struct controller *controller = w->c->nodes[node].b.parts.controller;
	size_t stored = topics == NULL || topics->children == NULL ? 0 : map_count(topics->children), known = 0;
	char id[16];

	DEMAND(cluster_node_serves(w->c, node), "broker %d is not up", node + 1);
	snprintf(id, sizeof(id), "%d", node + 1);
	DEMAND(child(node_at(w->c->tree, "/brokers/ids"), id) != NULL, "broker %d is not registered", node + 1);
	DEMAND(controller->picture != NULL, "broker %d has no picture", node + 1);
	DEMAND(controller->picture->controller_id == controller_id, "broker %d believes in controller %d, stored is %d", node + 1, controller->picture->controller_id,
	       controller_id);
	DEMAND(controller->is_active == (controller_id == node + 1), "broker %d is wrong about being the controller", node + 1);
	DEMAND(controller->picture->broker_count == w->c->node_count, "broker %d knows %d live brokers", node + 1, controller->picture->broker_count);
	cluster_each_topic(controller->picture, count_topic, &known);
	DEMAND(known == stored, "broker %d knows %zu topics, %zu are stored", node + 1, known, stored);
	return true;
}

bool cluster_watch_is_settled(struct cluster_watch *w, char why[256])
{
	const struct node *active = node_at(w->c->tree, "/controller");
	const struct node *doomed = node_at(w->c->tree, "/admin/delete_topics");
	int32_t controller_id, kraft_epoch;

	DEMAND(active != NULL && znode_controller_decode(slice_of(active->data, active->data_len), &controller_id, &kraft_epoch), "nobody is controller");
	DEMAND(doomed == NULL || doomed->children == NULL || map_count(doomed->children) == 0, "a topic is still being deleted");
	for (int i = 0; i < w->c->node_count; i++) {
		if (!is_node_settled(w, i, controller_id, why))
			return false;
	}
	for (int i = 0; i < w->count; i++) {
		if (w->partitions[i].is_stored && !is_partition_settled(w, &w->partitions[i], why))
			return false;
	}
	return true;
}

void cluster_watch_bytes(struct cluster_watch *w, const struct seen_partition *p, int node, struct strbuf *out)
{
	const struct partition *is = p->logs[node].partition;
	struct sim_os *m = w->c->nodes[node].b.machine;

	for (int64_t base = 0; base <= p->logs[node].end; base++) {
		const struct sim_inode *f = file_of(m, is->dir, base);

		if (f != NULL)
			strbuf_add(out, f->now.at, f->now.size);
	}
}

/* The history of epochs says of every offset what its batch says. */
static void check_epochs(struct cluster_watch *w, const struct seen_partition *p, int node)
{
	const struct seen_log *l = &p->logs[node];

	for (int64_t i = 0; i < l->end; i++)
		CLUSTER_CHECK(w->c, log_epoch_at(l->partition->log, i) == l->records[i].epoch, "%s-%d: broker %d's epoch history has %d at %lld, the batch has %d", WHERE(p),
		              node + 1, log_epoch_at(l->partition->log, i), (long long)i, l->records[i].epoch);
	int32_t latest = log_latest_epoch(l->partition->log), last = l->end > 0 ? l->records[l->end - 1].epoch : -1;
	/* A leader's epoch without records stays in its history at the end of the log, also when others lead since. */
	CLUSTER_CHECK(w->c, latest >= last && latest <= p->leader_epoch, "%s-%d: broker %d's epoch history ends with %d, its log with %d", WHERE(p), node + 1,
	              latest, last);
}

void cluster_watch_compare(struct cluster_watch *w)
{
	struct strbuf first = STRBUF_INIT, other = STRBUF_INIT;

	for (int i = 0; i < w->count; i++) {
		const struct seen_partition *p = &w->partitions[i];

		for (int32_t k = 0; p->is_stored && k < p->replica_count; k++) {
			int node = p->replicas[k] - 1;
			struct strbuf *bytes = k == 0 ? &first : &other;

			strbuf_reset(bytes);
			cluster_watch_bytes(w, p, node, bytes);
			CLUSTER_CHECK(w->c, bytes->len == first.len && memcmp(strbuf_cstr(bytes), strbuf_cstr(&first), first.len) == 0,
			              "%s-%d: the files of brokers %d and %d differ", WHERE(p), p->replicas[0], node + 1);
			CLUSTER_CHECK(w->c, p->committed_end == p->logs[node].end, "%s-%d: broker %d ends at %lld, committed is %lld", WHERE(p), node + 1,
			              (long long)p->logs[node].end, (long long)p->committed_end);
			check_holds_committed(w, p, node + 1, "is at rest");
			check_epochs(w, p, node);
		}
	}
	strbuf_fini(&first);
	strbuf_fini(&other);
}
