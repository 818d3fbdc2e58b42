#include "store.h"

#include <stdio.h>
#include <stdlib.h>

#include "coord/waiting.h"
#include "tool.h"

#define BATCH       500
#define ARENA_MAX   ((size_t)4 << 30)
#define RETRY_MS    200
#define ATTEMPTS    150

struct store {
	struct coord_waiting *zk;
	char                 *servers, *root;	/* root: put in front of every path */
	struct arena          arena;
};

static char *root_of(const char *connect)
{
	const char *slash = strchr(connect, '/');

	return mem_strdup(slash == NULL || slash[1] == '\0' ? "" : slash);
}

struct store *store_open(const struct broker_config *config, int *code)
{
	struct store *s = mem_calloc(1, sizeof(*s));
	char problem[512];

	s->servers = mem_strndup(config->zookeeper_connect, strcspn(config->zookeeper_connect, "/"));
	s->root = root_of(config->zookeeper_connect);
	arena_init(&s->arena, ARENA_MAX);
	struct coord_zookeeper_spec spec = {
		.connect = s->servers, .session_timeout_ms = config->zookeeper_session_timeout_ms, .connection_timeout_ms = config->zookeeper_connection_timeout_ms,
	};
	enum err e = coord_waiting_open(&s->zk, os_real(), &spec, problem, sizeof(problem));
	if (e == OK)
		return s;
	tool_say("%s", problem);
	*code = EXIT_UNREACHABLE;
	store_close(&s);
	return NULL;
}

void store_close(struct store **sp)
{
	struct store *s = *sp;

	if (s == NULL)
		return;
	coord_waiting_close(&s->zk);
	arena_fini(&s->arena);
	free(s->servers);
	free(s->root);
	free(s);
	*sp = NULL;
}

const char *store_root(const struct store *s)
{
	return s->root;
}

struct arena *store_arena(struct store *s)
{
	return &s->arena;
}

static int compare_names(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static struct slice keep(struct store *s, struct slice text)
{
	struct slice copy = arena_copy(&s->arena, text);

	ASSERT(slice_is_null(text) || !slice_is_null(copy));
	return copy;
}

static void take_answer(struct store *s, struct store_op *op, const struct coord_call *call)
{
	const struct coord_op *from = &call->ops[0];

	op->result = call->result;
	op->stat = from->stat;
	op->out = keep(s, from->out);
	op->name_count = from->name_count;
	op->names = arena_calloc(&s->arena, (size_t)from->name_count + 1, sizeof(*op->names));
	ASSERT(op->names != NULL);
	for (int32_t i = 0; i < from->name_count; i++)
		op->names[i] = keep(s, from->names[i]);
	qsort(op->names, (size_t)op->name_count, sizeof(*op->names), compare_names);
}

/* The path of the cluster's root is its chroot, or ZooKeeper's. */
static const char *full_path(struct store *s, const char *path)
{
	struct slice full = arena_printf(&s->arena, "%s%s", s->root, strcmp(path, "/") == 0 && s->root[0] != '\0' ? "" : path);

	ASSERT(!slice_is_null(full));
	return (const char *)full.ptr;
}

/* Those of the batch that are marked; how many of them were lost. */
static int run_marked(struct store *s, struct store_op *ops, int count)
{
	struct coord_call *calls = mem_calloc((size_t)count, sizeof(*calls));
	struct coord_op *inner = mem_calloc((size_t)count, sizeof(*inner));
	int n = 0, lost = 0;

	for (int i = 0; i < count; i++) {
		if (ops[i].result != ERR_CONN_LOSS)
			continue;
		inner[n] = (struct coord_op){ .kind = ops[i].kind, .path = full_path(s, ops[i].path), .data = ops[i].data, .version = ops[i].version };
		coord_waiting_call_init(s->zk, &calls[n], &inner[n], 1);
		n++;
	}
	coord_waiting_run(s->zk, calls, n);
	for (int i = 0, at = 0; i < count; i++) {
		if (ops[i].result != ERR_CONN_LOSS)
			continue;
		take_answer(s, &ops[i], &calls[at]);
		if (ops[i].result == ERR_CONN_LOSS) {
			ops[i].was_retried = true;
			lost++;
		}
		coord_call_fini(&calls[at++]);
	}
	free(calls);
	free(inner);
	return lost;
}

void store_run(struct store *s, struct store_op *ops, int count)
{
	for (int at = 0; at < count; at += BATCH) {
		int n = MIN(count - at, BATCH);

		for (int i = 0; i < n; i++)
			ops[at + i].result = ERR_CONN_LOSS;	/* to be asked */
		for (int tried = 1; run_marked(s, &ops[at], n) > 0 && tried < ATTEMPTS; tried++)
			os_sleep_ms(os_real(), RETRY_MS);
	}
}

struct store_op store_one(struct store *s, enum coord_op_kind kind, const char *path)
{
	struct store_op op = { .kind = kind, .path = path, .data = SLICE_NULL, .version = COORD_ANY_VERSION };

	store_run(s, &op, 1);
	return op;
}

enum err store_make_root(struct store *s)
{
	char *root = s->root, *path = mem_strdup(root);
	enum err e = OK;

	s->root = mem_strdup("");
	for (char *slash = path[0] != '\0' ? path : NULL; slash != NULL && e == OK; ) {
		slash = strchr(slash + 1, '/');
		if (slash != NULL)
			*slash = '\0';
		e = store_one(s, COORD_CREATE, path).result;
		e = e == ERR_EXISTS ? OK : e;
		if (slash != NULL)
			*slash = '/';
	}
	free(path);
	free(s->root);
	s->root = root;
	return e;
}
