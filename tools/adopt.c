/*
 * skein cluster adopt: a lone broker's state goes from its embedded store to ZooKeeper, so that the same broker, with the same files, is a member of a cluster.
 *
 * Order, so that an end at any moment leaves either the lone broker as it was, or something that the next run finishes:
 *	1  a mark in ZooKeeper (JOINING_ADOPTION_NODE): no broker of skein starts while it stands
 *	2  every node, parents first; read back, and compared
 *	3  the store's file is renamed: from here on ZooKeeper's state is the one that counts
 *	4  the mark goes
 * A run that finds the mark and a file that is not renamed removes what the one before it has written, and writes anew: the lone broker may have served meanwhile. Only what this very
 * broker's adoption has written is ever removed: the mark names the cluster, and no broker may be registered.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker_file.h"
#include "cluster.h"
#include "controller/joining.h"
#include "controller/znode.h"
#include "lone_store.h"
#include "show.h"
#include "store.h"
#include "tool.h"

static const char help[] =
	"Usage: skein cluster adopt [OPTION...] SERVER.PROPERTIES\n\n"
	"Brings a lone broker (one without zookeeper.connect) into ZooKeeper: its cluster id, topics,\n"
	"settings, quotas, producer ids, and the offsets that old clients keep in the store. Afterwards\n"
	"skein serve SERVER.PROPERTIES goes on with the same directories as the first broker of a cluster.\n"
	"SERVER.PROPERTIES is the file to serve with then: zookeeper.connect, log.dirs and broker.id.\n\n"
	"Without --execute nothing is written; it says what would be. The broker has to be stopped. What\n"
	"zookeeper.connect names, with the path behind the servers, has to be empty, or not there yet.\n"
	"An adoption that was interrupted is finished by the same command.\n\n"
	"      --execute             do it\n"
	"      --override KEY=VALUE  as with skein serve\n"
	"  -o, --output FORMAT       text (default), or ndjson: every node that would be written\n"
	"  -h, --help                this text\n\n"
	"Exit code 3: there is nothing to adopt; 5: ZooKeeper cannot be reached.\n\n"
	"Example:\n"
	"  skein cluster adopt server.properties && skein cluster adopt --execute server.properties\n";

enum target { TARGET_EMPTY, TARGET_BEGUN, TARGET_WRITTEN, TARGET_REFUSED };

struct adoption {
	bool              executes, ndjson;
	struct broker_file file;
	struct lone_store lone;
	struct store     *zk;
};

/* ---- what it is about ---- */

static int say_lines(const struct strbuf *lines)
{
	if (lines->len > 0)
		tool_say("%s", strbuf_cstr(lines));
	return lines->len > 0 ? EXIT_FAILED : EXIT_OK;
}

static int check_file(const struct adoption *x)
{
	if (say_lines(&x->file.findings.errors) != EXIT_OK || say_lines(&x->file.misfit) != EXIT_OK)
		return EXIT_FAILED;
	if (!x->file.is_alone)
		return EXIT_OK;
	tool_say("the file does not set zookeeper.connect: it says where the state goes, for instance zookeeper.connect=127.0.0.1:2181/skein");
	return EXIT_FAILED;
}

static int count_below(const struct lone_store *l, const char *parent, int depth)
{
	size_t len = strlen(parent);
	int n = 0;

	for (int i = 0; i < l->count; i++) {
		const char *rest = l->nodes[i].path + len;
		int slashes = 0;

		if (strncmp(l->nodes[i].path, parent, len) != 0 || rest[0] != '/')
			continue;
		for (; *rest != '\0'; rest++)
			slashes += *rest == '/';
		n += slashes == depth && !slice_is_null(l->nodes[i].data);
	}
	return n;
}

static void show_text(const struct adoption *x)
{
	const struct lone_store *l = &x->lone;
	const struct lone_node *block = lone_store_find(l, "/latest_producer_id_block"), *epoch = lone_store_find(l, "/controller_epoch");
	int64_t last = -1;

	printf("From %s to ZooKeeper at %s:\n", l->path, x->file.config->zookeeper_connect);
	printf("  cluster id           %s\n", l->cluster_id);
	printf("  topics               %d, partitions %d\n", count_below(l, "/brokers/topics", 1), count_below(l, "/brokers/topics", 4));
	printf("  settings of          %d topics, %d brokers, %d clients, %d users, %d addresses\n", count_below(l, "/config/topics", 1), count_below(l, "/config/brokers", 1),
	       count_below(l, "/config/clients", 1), count_below(l, "/config/users", 1) + count_below(l, "/config/users", 3), count_below(l, "/config/ips", 1));
	printf("  offsets of old clients  %d\n", count_below(l, "/consumers", 4));
	if (block != NULL && !slice_is_null(block->data) && znode_producer_block_decode(block->data, &last))
		printf("  producer ids         given out up to %" PRId64 "\n", last);
	printf("  controller epoch     " SLICE_FMT "\n", SLICE_ARG(epoch != NULL && !slice_is_null(epoch->data) ? epoch->data : SLICE_LIT("none")));
	printf("  nodes in all         %d; %d announcements of changes stay behind\n", l->count, l->left_out);
}

static void show_nodes(const struct adoption *x)
{
	struct strbuf line = STRBUF_INIT;

	for (int i = 0; i < x->lone.count; i++) {
		const struct lone_node *n = &x->lone.nodes[i];

		strbuf_reset(&line);
		strbuf_add_str(&line, "{\"path\":");
		show_json_string(&line, slice_str(n->path));
		strbuf_add_str(&line, ",\"data\":");
		if (slice_is_null(n->data))
			strbuf_add_str(&line, "null");
		else
			show_json_string(&line, n->data);
		printf("%s}\n", strbuf_cstr(&line));
	}
	strbuf_fini(&line);
}

/* A lone broker has settings of its own where the file says nothing; a member has Kafka's. */
static void show_hints(const struct adoption *x)
{
	if (config_set_find(&x->file.set, SLICE_LIT("listeners")) == NULL)
		tool_say("note: the file does not set listeners: alone, the broker listened on this machine only; as a member it listens on every address, port 9092");
	if (config_set_find(&x->file.set, SLICE_LIT("offsets.topic.replication.factor")) == NULL && lone_store_find(&x->lone, "/brokers/topics/__consumer_offsets") == NULL)
		tool_say("note: until there are three brokers, offsets.topic.replication.factor=1 lets groups begin");
}

/* ---- where it goes ---- */

static enum target refuse(const char *what, const char *remedy)
{
	tool_say("%s; %s", what, remedy);
	return TARGET_REFUSED;
}

/* Brokers that do not know the mark may have started meanwhile. */
static enum target judge_begun(struct adoption *x)
{
	struct store_op ids = store_one(x->zk, COORD_CHILDREN, "/brokers/ids"), controller = store_one(x->zk, COORD_EXISTS, "/controller");

	if ((ids.result == OK && ids.name_count > 0) || controller.result == OK)
		return refuse("an earlier adoption has not ended, and a broker is registered beside it", "stop that broker, and repeat this");
	return x->lone.is_adopted ? TARGET_WRITTEN : TARGET_BEGUN;
}

static enum target judge_target(struct adoption *x)
{
	struct store_op mark = store_one(x->zk, COORD_GET, JOINING_ADOPTION_NODE), id = store_one(x->zk, COORD_GET, "/cluster/id");
	struct store_op all = store_one(x->zk, COORD_CHILDREN, "/");
	char found[META_PROPERTIES_ID_MAX], what[1400];

	if (mark.result == OK && slice_eq_str(mark.out, x->lone.cluster_id))
		return judge_begun(x);
	if (mark.result == OK)
		return refuse("the adoption of another broker has not ended there", "let that one be finished, or name another path behind the servers in zookeeper.connect");
	if (x->lone.is_adopted && id.result == OK && znode_cluster_id_decode(id.out, found) && strcmp(found, x->lone.cluster_id) == 0) {
		tool_say("this broker has been adopted already: skein serve with this file goes on");
		return TARGET_WRITTEN;
	}
	if (x->lone.is_adopted) {
		snprintf(what, sizeof(what), "%s has been adopted already, by another cluster than zookeeper.connect names", x->lone.path);
		return refuse(what, "to begin anew from its old content, what was written since being lost, give it its name without .adopted again");
	}
	if (all.result == ERR_NOT_FOUND)
		return TARGET_EMPTY;
	if (all.result != OK) {
		snprintf(what, sizeof(what), "ZooKeeper does not tell what is there: %s", err_text(all.result));
		return refuse(what, "mend that first");
	}
	for (int32_t i = 0; i < all.name_count; i++) {
		if (store_root(x->zk)[0] == '\0' && slice_eq_str(all.names[i], "zookeeper"))
			continue;
		snprintf(what, sizeof(what), "ZooKeeper at %s is not empty: there is %s/" SLICE_FMT, x->file.config->zookeeper_connect, store_root(x->zk),
		         (int)MIN(all.names[i].len, 100u), all.names[i].ptr);
		return refuse(what, "name a path behind the servers that is not there yet, for instance /skein; or delete what is there, if nobody needs it");
	}
	return TARGET_EMPTY;
}

/* ---- writing ---- */

static int fail(enum err e, const char *path)
{
	tool_say("%s in ZooKeeper: %s; repeat this to go on", path, err_text(e));
	return e == ERR_CONN_LOSS || e == ERR_EXPIRED ? EXIT_UNREACHABLE : EXIT_FAILED;
}

/* Everything below the root but the mark, and what is ZooKeeper's own: level by level on the way down, and children before their parents on the way back. */
static int remove_all(struct adoption *x)
{
	struct store_op *found = mem_calloc(1, sizeof(*found));
	int count = 1, read = 0, code = EXIT_OK;

	found[0] = (struct store_op){ .kind = COORD_CHILDREN, .path = "/" };
	while (read < count) {
		int from = read, until = count;

		store_run(x->zk, &found[from], until - from);
		for (read = until; from < until; from++) {
			const char *parent = strcmp(found[from].path, "/") == 0 ? "" : found[from].path;
			struct slice *names = found[from].names;
			int32_t n = found[from].result == OK ? found[from].name_count : 0;

			found = mem_realloc_array(found, (size_t)(count + n), sizeof(*found));
			for (int32_t i = 0; i < n; i++) {
				struct slice path = arena_printf(store_arena(x->zk), "%s/" SLICE_FMT, parent, SLICE_ARG(names[i]));

				if (!slice_eq_str(path, JOINING_ADOPTION_NODE) && !slice_eq_str(path, "/zookeeper"))
					found[count++] = (struct store_op){ .kind = COORD_CHILDREN, .path = (const char *)path.ptr };
			}
		}
	}
	struct store_op *gone = mem_calloc((size_t)count, sizeof(*gone));
	for (int i = 1; i < count; i++)
		gone[count - 1 - i] = (struct store_op){ .kind = COORD_DELETE, .path = found[i].path, .version = COORD_ANY_VERSION };
	store_run(x->zk, gone, count - 1);
	for (int i = 0; i < count - 1 && code == EXIT_OK; i++) {
		if (gone[i].result != OK && gone[i].result != ERR_NOT_FOUND)
			code = fail(gone[i].result, gone[i].path);
	}
	free(gone);
	free(found);
	return code;
}

static struct store_op *make_ops(const struct adoption *x, enum coord_op_kind kind)
{
	struct store_op *ops = mem_calloc((size_t)x->lone.count + 1, sizeof(*ops));

	for (int i = 0; i < x->lone.count; i++) {
		ops[i].kind = kind;
		ops[i].path = x->lone.nodes[i].path;
		ops[i].data = kind == COORD_CREATE ? x->lone.nodes[i].data : SLICE_NULL;
		ops[i].version = COORD_ANY_VERSION;
	}
	return ops;
}

static int create_nodes(struct adoption *x)
{
	struct store_op *ops = make_ops(x, COORD_CREATE);
	int code = EXIT_OK;

	store_run(x->zk, ops, x->lone.count);
	for (int i = 0; i < x->lone.count && code == EXIT_OK; i++) {
		if (ops[i].result != OK && !(ops[i].result == ERR_EXISTS && ops[i].was_retried))
			code = fail(ops[i].result, ops[i].path);
	}
	free(ops);
	return code;
}

/* The version of this node is how many broker ids have been made. */
static int raise_seqid(struct adoption *x)
{
	const struct lone_node *n = lone_store_find(&x->lone, "/brokers/seqid");
	int32_t version = n != NULL ? store_one(x->zk, COORD_EXISTS, n->path).stat.version : 0;

	for (; n != NULL && version < n->version; version++) {
		struct store_op op = { .kind = COORD_SET, .path = n->path, .data = n->data, .version = COORD_ANY_VERSION };

		store_run(x->zk, &op, 1);	/* once too often, after a lost answer, skips an id */
		if (op.result != OK)
			return fail(op.result, op.path);
	}
	return EXIT_OK;
}

static int compare_nodes(struct adoption *x)
{
	struct store_op *ops = make_ops(x, COORD_GET);
	int code = EXIT_OK;

	store_run(x->zk, ops, x->lone.count);
	for (int i = 0; i < x->lone.count && code == EXIT_OK; i++) {
		struct slice wanted = x->lone.nodes[i].data;

		if (ops[i].result != OK)
			code = fail(ops[i].result, ops[i].path);
		else if (slice_is_null(wanted) != slice_is_null(ops[i].out) || !slice_eq(wanted, ops[i].out)) {
			tool_say("%s in ZooKeeper is not what was written: somebody else writes there; stop that, and repeat this", ops[i].path);
			code = EXIT_FAILED;
		}
	}
	free(ops);
	return code;
}

static int write_mark(struct adoption *x)
{
	struct store_op op = { .kind = COORD_CREATE, .path = JOINING_ADOPTION_NODE, .data = slice_str(x->lone.cluster_id) };
	enum err e = store_make_root(x->zk);

	if (e != OK)
		return fail(e, store_root(x->zk));
	store_run(x->zk, &op, 1);
	return op.result == OK || (op.result == ERR_EXISTS && op.was_retried) ? EXIT_OK : fail(op.result, op.path);
}

static int write_all(struct adoption *x, enum target target)
{
	int code = target == TARGET_EMPTY ? write_mark(x) : remove_all(x);

	if (code == EXIT_OK)
		code = create_nodes(x);
	if (code == EXIT_OK)
		code = raise_seqid(x);
	if (code == EXIT_OK)
		code = compare_nodes(x);
	if (code != EXIT_OK)
		return code;
	enum err e = lone_store_retire(&x->lone);
	if (e == OK)
		return EXIT_OK;
	tool_say("%s cannot be renamed: %s; mend that, and repeat this", x->lone.path, err_text(e));
	return EXIT_FAILED;
}

static int execute(struct adoption *x, enum target target)
{
	int code = target == TARGET_WRITTEN ? EXIT_OK : write_all(x, target);

	if (code != EXIT_OK)
		return code;
	struct store_op gone = store_one(x->zk, COORD_DELETE, JOINING_ADOPTION_NODE);
	if (gone.result != OK && gone.result != ERR_NOT_FOUND)
		return fail(gone.result, gone.path);
	tool_say("adopted: skein serve with this file goes on in ZooKeeper; the old store is %s, and of no use but to look at", x->lone.path);
	return EXIT_OK;
}

/* ---- the verb ---- */

static int with_zookeeper(struct adoption *x)
{
	enum target target = judge_target(x);

	if (target == TARGET_REFUSED)
		return EXIT_FAILED;
	if (x->ndjson)
		show_nodes(x);
	else
		show_text(x);
	show_hints(x);
	if (!tool_flush())
		return EXIT_FAILED;
	if (x->executes)
		return execute(x, target);
	tool_say(target == TARGET_EMPTY ? "nothing was written; --execute does it" : "nothing was written; --execute finishes what an earlier run has begun");
	return EXIT_OK;
}

static int run(struct adoption *x)
{
	int code = check_file(x);

	if (code == EXIT_OK)
		code = lone_store_open(&x->lone, x->file.config);
	if (code != EXIT_OK)
		return code;
	x->zk = store_open(x->file.config, &code);
	if (x->zk != NULL)
		code = with_zookeeper(x);
	store_close(&x->zk);
	lone_store_close(&x->lone);
	return code;
}

int tool_adopt(int argc, char **argv)
{
	static const struct broker_file_verb verb = { .name = "cluster adopt", .help = help, .has_execute = true };
	struct adoption x = { .executes = false };
	struct broker_file_options o;
	int code = broker_file_arguments(&x.file, &o, &verb, argc, argv);

	if (code != EXIT_OK)
		return code == -1 ? EXIT_OK : code;
	x.executes = o.executes;
	x.ndjson = o.ndjson;
	code = run(&x);
	broker_file_fini(&x.file);
	return code;
}
