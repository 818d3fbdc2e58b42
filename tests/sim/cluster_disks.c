/*
 * What a broker's log directories must hold at any moment, whatever has happened to it: looked at whenever its disk has changed.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster_watch.h"
#include "os/sim_priv.h"

static const struct sim_inode *inode_at(struct sim_os *m, const char *fmt, const char *dir, const char *topic, int partition)
{
	struct sim_place place;
	char path[600];

	snprintf(path, sizeof(path), fmt, dir, topic, partition);
	return sim_disk_find(&m->disk, path, &place, NULL, NULL) == 0 ? place.inode : NULL;
}

/* Its lines behind the version and the count: "topic partition offset". */
static int parse_marks(struct sim_os *m, const char *dir, const struct sim_inode *f, struct seen_mark *out)
{
	char text[4096];
	size_t len = MIN(f->now.size, sizeof(text) - 1);
	int n = 0, line = 0;

	if (len > 0)
		memcpy(text, f->now.at, len);
	text[len] = '\0';
	for (char *at = text; *at != '\0' && n < SEEN_MARKS_MAX; line++) {
		char *end = at + strcspn(at, "\n");
		bool is_whole = *end == '\n';

		*end = '\0';
		if (line >= 2 && sscanf(at, "%31s %d", out[n].topic, &out[n].partition) == 2) {
			const struct sim_inode *d = inode_at(m, "%s/%s-%d", dir, out[n].topic, out[n].partition);

			out[n++].directory = d != NULL ? d->number : 0;
		}
		at = is_whole ? end + 1 : end;
	}
	return n;
}

static bool is_marked(const struct seen_mark *marks, int n, const struct seen_mark *wanted)
{
	for (int i = 0; i < n; i++) {
		if (marks[i].partition == wanted->partition && strcmp(marks[i].topic, wanted->topic) == 0)
			return true;
	}
	return false;
}

/* Not who was moved away while it could not be told: what it has left is nobody's. Nor what is being deleted: its line goes before its directory. */
static bool is_assigned(struct cluster_watch *w, const struct seen_mark *mark, int node)
{
	const struct seen_partition *p = cluster_watch_find(w, mark->topic, mark->partition);

	for (int32_t i = 0; p != NULL && !p->is_doomed && !p->logs[node].is_anew && i < p->replica_count; i++) {
		if (p->replicas[i] == node + 1)
			return true;
	}
	return false;
}

/*
 * Who has a high watermark written down and is hosted still has one, perhaps an older one, in every file that is written later: a file that is written anew before all replicas are
 * known again would make the others begin at 0 (KAFKA-1647).
 */
static void look_at_marks(struct cluster_watch *w, int node, struct seen_dir *seen, const char *dir)
{
	struct sim_os *m = w->c->nodes[node].b.machine;
	const struct sim_inode *f = inode_at(m, "%s/replication-offset-checkpoint", dir, "", 0);
	struct seen_mark next[SEEN_MARKS_MAX];

	if (f == NULL || f->number == seen->file)
		return;
	int n = parse_marks(m, dir, f, next);
	for (int i = 0; i < seen->count; i++) {
		const struct seen_mark *was = &seen->marks[i];
		const struct sim_inode *d = inode_at(m, "%s/%s-%d", dir, was->topic, was->partition);

		CLUSTER_CHECK(w->c, d == NULL || d->number != was->directory || is_marked(next, n, was) || !is_assigned(w, was, node),
		              "%s-%d: broker %d has its replica in %s, and the high watermark that was written down is gone", was->topic, was->partition, node + 1, dir);
	}
	seen->file = f->number;
	seen->count = n;
	memcpy(seen->marks, next, sizeof(next));
}

/*
 * An order to remove a replica that comes late, when the broker has already been told that it is one again, is not obeyed (KAFKA-9539). Which order it obeys is seen by what the store
 * has said: it must have dismissed the replica in the epoch of the role that the broker has now, or a later one. Without a role in this life every order goes; and
 * a power cut takes what was not synced.
 */
static void look_at_replicas(struct cluster_watch *w, int node)
{
	const struct cluster_node *n = &w->c->nodes[node];
	bool is_alive = n->state != NODE_DOWN && !sim_is_dead(n->b.machine);

	for (int i = 0; i < w->count; i++) {
		struct seen_partition *p = &w->partitions[i];
		struct seen_log *l = &p->logs[node];
		bool had_dir = l->has_dir;

		if (l->dir[0] == '\0' || (p->is_doomed && !had_dir))
			continue;
		l->has_dir = inode_at(n->b.machine, "%s", l->dir, "", 0) != NULL;
		if (l->has_dir || !had_dir)
			continue;
		CLUSTER_CHECK(w->c, p->is_doomed || !is_alive || l->life != n->lives || l->dismissed_epoch >= l->leader_epoch,
		              "%s-%d: broker %d has removed its replica of epoch %d; the latest epoch in which it was to go is %d", p->topic, p->id, node + 1, l->leader_epoch,
		              l->dismissed_epoch);
	}
}

void cluster_watch_disks(struct cluster_watch *w)
{
	for (int i = 0; i < w->c->node_count; i++) {
		uint64_t ops = sim_disk_ops(w->c->nodes[i].b.machine);

		if (ops == w->disk_ops[i])
			continue;
		w->disk_ops[i] = ops;
		for (int k = 0; k < CLUSTER_DIRS; k++)
			look_at_marks(w, i, &w->dirs[i][k], cluster_dirs[k]);
		look_at_replicas(w, i);
	}
}

/* A replica that has records, and is none of those that may begin anew, is where it was: it is not made a second time because its directory is offline. */
void cluster_watch_place(struct cluster_watch *w, struct seen_partition *p, int node, const char *dir)
{
	struct seen_log *l = &p->logs[node];

	CLUSTER_CHECK(w->c, l->is_anew || l->end == 0 || l->dir[0] == '\0' || strcmp(l->dir, dir) == 0,
	              "%s-%d: broker %d has made its replica in %s; one with %lld records lies in %s", p->topic, p->id, node + 1, dir, (long long)l->end, l->dir);
	snprintf(l->dir, sizeof(l->dir), "%s", dir);
	l->has_dir = false;	/* until it is seen: a full disk may owe it */
}
