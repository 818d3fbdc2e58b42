#include "lone_store.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "controller/znode.h"
#include "coord/store_file.h"
#include "tool.h"

#define ARENA_MAX ((size_t)4 << 30)

/* ---- directories ---- */

static int refuse(const char *problem)
{
	tool_say("%s", problem);
	return EXIT_FAILED;
}

static int open_dirs(struct lone_store *l, const struct text_list *paths)
{
	struct log_source source;
	char problem[LOGDIR_ERROR_MAX];
	struct os_stat st;

	log_source_init(&source, "adopt", "-");
	l->dirs = mem_calloc((size_t)paths->count, sizeof(struct logdir *));
	for (int i = 0; i < paths->count; i++) {
		if (os_stat(os_real(), paths->items[i], &st) != OK) {	/* opening would make it */
			snprintf(problem, sizeof(problem), "log.dirs names %s, which is not there: all directories of the lone broker are needed, and no other yet", paths->items[i]);
			return refuse(problem);
		}
		enum err e = logdir_open(&l->dirs[i], os_real(), &source, paths->items[i], problem);
		if (e == ERR_LOCKED)
			tool_say("stop the broker first:");
		if (e != OK)
			return refuse(problem);
		l->dir_count++;
		if (logdir_is_offline(l->dirs[i]))
			return refuse(problem);
	}
	return EXIT_OK;
}

static int find_file(struct lone_store *l)
{
	static const char *const names[] = { STORE_FILE_NAME, STORE_FILE_ADOPTED };
	char path[sizeof(l->path)];
	struct os_stat st;

	for (size_t k = 0; k < ARRAY_LEN(names); k++) {
		for (int i = 0; i < l->dir_count; i++) {
			snprintf(path, sizeof(path), "%s/%s", logdir_path(l->dirs[i]), names[k]);
			if (os_stat(os_real(), path, &st) != OK)
				continue;
			if (l->path[0] != '\0') {
				tool_say("%s and %s are both stores of topics: move away the one that is not this broker's", l->path, path);
				return EXIT_FAILED;
			}
			snprintf(l->path, sizeof(l->path), "%s", path);
			l->is_adopted = k == 1;
		}
	}
	if (l->path[0] != '\0')
		return EXIT_OK;
	tool_say("no directory of log.dirs holds the store of a lone broker (%s): there is nothing to adopt", STORE_FILE_NAME);
	return EXIT_NOT_FOUND;
}

/* ---- nodes ---- */

struct loading {
	struct lone_store *store;
	struct map         by_id;	/* id: its path, "" for the root */
	bool               is_damaged;
};

/* Announcements are for brokers that run; nobody has been told of them anew. Sequence numbers begin again. */
static bool is_announcement(const char *path)
{
	static const char *const queues[] = { "/config/changes/", "/isr_change_notification/", "/log_dir_event_notification/" };

	for (size_t i = 0; i < ARRAY_LEN(queues); i++) {
		if (strncmp(path, queues[i], strlen(queues[i])) == 0)
			return true;
	}
	return false;
}

static void add_node(struct lone_store *l, const char *path, const struct store_record *r)
{
	if (is_announcement(path)) {
		l->left_out++;
		return;
	}
	if (l->count == l->room) {
		l->room = MAX(256, 2 * l->room);
		l->nodes = mem_realloc_array(l->nodes, (size_t)l->room, sizeof(*l->nodes));
	}
	l->nodes[l->count++] = (struct lone_node){ .path = path, .data = arena_copy(&l->arena, r->data), .version = r->version };
}

/* By ascending id, so a parent comes first. */
static enum err take_record(void *arg, const struct store_record *r)
{
	struct loading *g = arg;
	struct arena *a = &g->store->arena;
	struct slice id = arena_copy(a, slice_of(&r->id, sizeof(r->id))), path = SLICE_EMPTY;

	if (r->parent != 0) {
		const char *parent = map_get(&g->by_id, slice_of(&r->parent, sizeof(r->parent)));

		if (parent == NULL)
			return ERR_CORRUPT;
		path = arena_printf(a, "%s/" SLICE_FMT, parent, SLICE_ARG(r->name));
		if (slice_is_null(path))
			return ERR_TOO_LARGE;
		add_node(g->store, (const char *)path.ptr, r);
	}
	map_put(&g->by_id, id, r->parent != 0 ? (void *)(uintptr_t)path.ptr : (void *)(uintptr_t)"");
	return OK;
}

static int load(struct lone_store *l)
{
	struct loading g = { .store = l };
	struct store_file *file;
	char problem[1400];
	int64_t zxid;

	if (store_file_open(&file, os_real(), l->path, problem, sizeof(problem)) != OK) {
		tool_say("%s", problem);
		return EXIT_DAMAGE;
	}
	map_init(&g.by_id);
	snprintf(problem, sizeof(problem), "the nodes in %s do not fit together", l->path);
	enum err e = store_file_load(file, &zxid, take_record, &g, problem, sizeof(problem));
	map_fini(&g.by_id);
	store_file_close(&file);
	if (e == OK)
		return EXIT_OK;
	tool_say("%s", problem);
	return EXIT_DAMAGE;
}

const struct lone_node *lone_store_find(const struct lone_store *l, const char *path)
{
	for (int i = 0; i < l->count; i++) {
		if (strcmp(l->nodes[i].path, path) == 0)
			return &l->nodes[i];
	}
	return NULL;
}

/* ---- whose it is ---- */

static int check_owner(struct lone_store *l, const struct broker_config *config)
{
	const struct lone_node *id = lone_store_find(l, "/cluster/id");
	char problem[LOGDIR_ERROR_MAX];

	if (id == NULL || !znode_cluster_id_decode(id->data, l->cluster_id)) {
		tool_say("%s has no cluster id: the broker has never run with it", l->path);
		return EXIT_FAILED;
	}
	for (int i = 0; i < l->dir_count; i++) {
		const struct meta_properties *m = logdir_meta(l->dirs[i]);

		if (m != NULL && !logdir_is_of(logdir_path(l->dirs[i]), m, config->broker_id, l->cluster_id, problem))
			return refuse(problem);
		if (m != NULL && config->broker_id < 0 && m->broker_id >= 0) {
			snprintf(problem, sizeof(problem), "the file does not set broker.id; with ZooKeeper it has to: broker.id=%d", m->broker_id);
			return refuse(problem);
		}
	}
	return EXIT_OK;
}

int lone_store_open(struct lone_store *l, const struct broker_config *config)
{
	*l = (struct lone_store){ .count = 0 };
	arena_init(&l->arena, ARENA_MAX);
	int code = open_dirs(l, &config->log_dirs);

	if (code == EXIT_OK)
		code = find_file(l);
	if (code == EXIT_OK)
		code = load(l);
	if (code == EXIT_OK)
		code = check_owner(l, config);
	if (code != EXIT_OK)
		lone_store_close(l);
	return code;
}

void lone_store_close(struct lone_store *l)
{
	for (int i = 0; i < l->dir_count; i++)
		logdir_close(&l->dirs[i]);
	free(l->dirs);
	free(l->nodes);
	arena_fini(&l->arena);
}

enum err lone_store_retire(struct lone_store *l)
{
	char *dir = mem_strndup(l->path, (size_t)(strrchr(l->path, '/') - l->path)), adopted[sizeof(l->path)];

	snprintf(adopted, sizeof(adopted), "%.1170s/%s", dir, STORE_FILE_ADOPTED);
	enum err e = os_rename(os_real(), l->path, adopted);
	if (e == OK) {
		e = os_fsync_dir(os_real(), dir);
		memcpy(l->path, adopted, sizeof(adopted));
		l->is_adopted = true;
	}
	free(dir);
	return e;
}
