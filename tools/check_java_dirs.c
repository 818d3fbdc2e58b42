/*
 * skein cluster check-java: the log directories.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "check_java.h"
#include "coord/store_file.h"

#define SCAN_MS 60000		/* per log directory: some GB a second while the system has them in memory, less from a disk */

struct dir_check {
	struct check_java *x;
	const char        *path;
};

static void take_replica(void *arg, const struct survey_partition *p)
{
	struct dir_check *d = arg;
	struct check_java *x = d->x;
	char what[LOGDIR_ERROR_MAX];

	if (p->old_format >= 0) {
		survey_old_format_text(d->path, p, what, sizeof(what));
		check_say(x, CHECK_STOPS, "directory", what, SURVEY_OLD_FORMAT_REMEDY);
	}
	if (p->result != OK) {
		snprintf(what, sizeof(what), "%s/%s cannot be read: %s", d->path, p->at.name, err_text(p->result));
		check_say_once(x, CHECK_STOPS, "directory", what, "run this, and skein serve, as the user that owns the Java broker's data; else mend what keeps it from being read");
	}
	x->unread_segments += p->unread_segments;
	if (p->id_result != OK && p->id_result != ERR_NOT_FOUND) {
		snprintf(what, sizeof(what), "%s/%s/partition.metadata cannot be read: %s", d->path, p->at.name, err_text(p->id_result));
		check_say(x, CHECK_STOPS, "directory", what, "move the partition's directory away: the replica is fetched anew from the others, where there are any");
	}
	if (x->replica_count == x->replica_room) {
		x->replica_room = MAX(64, 2 * x->replica_room);
		x->replicas = mem_realloc_array(x->replicas, (size_t)x->replica_room, sizeof(*x->replicas));
	}
	x->replicas[x->replica_count++] = (struct check_replica){ .dir = d->path, .at = *p };
}

static void check_owner(struct check_java *x, const char *path)
{
	struct meta_properties m;
	char what[LOGDIR_ERROR_MAX];
	enum err e = logdir_read_meta(os_real(), path, &m, what);

	if (e == ERR_NOT_FOUND)
		return;
	if (e != OK) {
		check_say(x, CHECK_STOPS, "directory", what, e == ERR_UNSUPPORTED ? "a broker that has been moved to KRaft cannot come back to ZooKeeper with its files"
		          : "give log.dirs the directories of this broker, and only these; run this as the user that owns them");
		return;
	}
	if (!logdir_is_of(path, &m, x->file.config->broker_id, NULL, what))
		check_say(x, CHECK_STOPS, "directory", what, "set broker.id to the id in meta.properties, or take the directory out of log.dirs");
	if (x->broker_id < 0)
		x->broker_id = m.broker_id;
}

static void check_checkpoints(struct check_java *x, const char *path)
{
	char what[LOGDIR_ERROR_MAX];

	for (int kind = 0; kind < LOGDIR_CHECKPOINTS; kind++) {
		enum err e = logdir_check_checkpoint(os_real(), path, (enum logdir_checkpoint)kind, what);

		if (e == ERR_CORRUPT)
			check_say(x, CHECK_STOPS, "directory", what, "once the broker is stopped, move the file away: it is made anew, from the logs and from what the other replicas have. With it the "
			          "directory would be offline, as with Java");
		else if (e != OK)
			check_say(x, CHECK_STOPS, "directory", what, "run this, and skein serve, as the user that owns the Java broker's data; else mend what keeps it from being read");
	}
}

/* A running broker has no marker either. */
static void check_clean(struct check_java *x, const char *path)
{
	char name[1200];
	struct os_stat st;

	snprintf(name, sizeof(name), "%s/.kafka_cleanshutdown", path);
	x->was_clean &= os_stat(os_real(), name, &st) == OK;
}

static void check_access(struct check_java *x, const char *path)
{
	char name[1200], what[LOGDIR_ERROR_MAX];
	os_fd fd;

	snprintf(name, sizeof(name), "%s/meta.properties", path);
	enum err e = os_open(os_real(), name, OS_RDWR, &fd);
	if (e == OK)
		os_close(os_real(), &fd);
	if (e != ERR_ACCESS)
		return;
	snprintf(what, sizeof(what), "%s may not be written by the user who runs this", path);
	check_say_once(x, CHECK_FIRST, "directory", what, "run skein serve as the user that owns the Java broker's data");
}

static bool is_foreign(const char *path, const char *name)
{
	char full[1200];
	struct os_stat st;

	snprintf(full, sizeof(full), "%s/%s", path, name);
	return os_stat(os_real(), full, &st) == OK;
}

static void check_directory(struct check_java *x, const char *path)
{
	struct dir_check d = { .x = x, .path = path };
	char what[LOGDIR_ERROR_MAX];
	struct os_stat st;
	enum err e = os_stat(os_real(), path, &st);

	if (e != OK) {
		snprintf(what, sizeof(what), "%s: %s", path, err_text(e));
		if (e == ERR_NOT_FOUND)
			check_say(x, CHECK_CHANGES, "directory", what, "skein makes it anew; if it should be there, mount it first");
		else
			check_say(x, CHECK_STOPS, "directory", what, "mend what keeps it from being read, or run this as the user that owns it");
		return;
	}
	check_owner(x, path);
	check_access(x, path);
	check_clean(x, path);
	check_checkpoints(x, path);
	if (is_foreign(path, "remote-log-index-cache"))
		check_say(x, CHECK_CHANGES, "directory", "it has the index cache of remote storage (remote-log-index-cache), which skein passes over",
		          "see to it that no topic has remote.storage.enable=true");
	if (is_foreign(path, STORE_FILE_NAME))
		check_say(x, CHECK_STOPS, "directory", "it holds the topics of a lone broker of skein (" STORE_FILE_NAME ")", "bring them into the cluster with skein cluster adopt, or move the file away");
	e = logdir_survey(os_real(), path, SURVEY_WHOLE, SCAN_MS, take_replica, &d, what);
	if (e != OK)
		check_say(x, CHECK_STOPS, "directory", what, e == ERR_INVALID ? "a Java broker refuses it too" : "run this as the user that owns it");
}

static int by_place(const void *a, const void *b)
{
	const struct check_replica *x = a, *y = b;
	int order = strcmp(x->at.at.topic, y->at.at.topic);

	order = order != 0 ? order : (x->at.at.partition > y->at.at.partition) - (x->at.at.partition < y->at.at.partition);
	return order != 0 ? order : (int)x->at.at.kind - (int)y->at.at.kind;
}

/* Of each replica there is one, but for the copies and leftovers of a move. */
static void find_twice(struct check_java *x)
{
	for (int i = 1; i < x->replica_count; i++) {
		const struct check_replica *a = &x->replicas[i - 1], *b = &x->replicas[i];
		char what[LOGDIR_ERROR_MAX];

		if (a->at.at.kind != LOGDIR_PARTITION || b->at.at.kind != LOGDIR_PARTITION || by_place(a, b) != 0)
			continue;
		snprintf(what, sizeof(what), "the replica %s is there twice: in %s and in %s", b->at.at.name, a->dir, b->dir);
		check_say(x, CHECK_STOPS, "directory", what, "find out which of the two is the older one, and move it out of the log directories; a Java broker does not start with both");
	}
}

/* The directories of one topic are of one topic. */
static void compare_ids(struct check_java *x)
{
	const struct check_replica *first = NULL;

	for (int i = 0; i < x->replica_count; i++) {
		const struct check_replica *r = &x->replicas[i];
		char what[LOGDIR_ERROR_MAX], one[UUID_TEXT_LEN + 1], two[UUID_TEXT_LEN + 1];

		if (r->at.id_result != OK)
			continue;
		if (first == NULL || strcmp(first->at.at.topic, r->at.at.topic) != 0) {
			first = r;
			continue;
		}
		if (uuid_eq(first->at.topic_id, r->at.topic_id))
			continue;
		snprintf(what, sizeof(what), "the directories of topic %s are of two topics: %s/%s has the id %s, %s/%s has %s", r->at.at.topic, first->dir, first->at.at.name,
		         uuid_to_text(first->at.topic_id, one), r->dir, r->at.at.name, uuid_to_text(r->at.topic_id, two));
		check_say(x, CHECK_STOPS, "directory", what, "move the directory away that is of an earlier topic of this name; if its replica is to be here, it is fetched anew");
	}
}

void check_directories(struct check_java *x)
{
	const struct text_list *dirs = &x->file.config->log_dirs;

	for (int i = 0; i < dirs->count; i++)
		check_directory(x, dirs->items[i]);
	if (x->unread_segments > 0) {
		char what[128];

		snprintf(what, sizeof(what), "of %d segments the first batch alone was looked at: time was up", x->unread_segments);
		check_say(x, CHECK_CHANGES, "directory", what, "nothing, if no topic ever had a lower message.format.version than before: records of formats 0 and 1 would be found when they are read");
	}
	if (x->replica_count > 1)
		qsort(x->replicas, (size_t)x->replica_count, sizeof(*x->replicas), by_place);
	find_twice(x);
	compare_ids(x);
}
