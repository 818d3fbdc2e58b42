/*
 * Nodes and what operations do to them.
 *
 * Every change is made at once in memory and noted in the undo list. The list serves three times: a multi that fails goes back to where it
 * began; a batch that cannot be written goes back to its begin; and a commit finds in it which nodes to write. Nodes deleted in a batch
 * and data replaced in it are therefore freed only when the batch has ended.
 *
 * An ephemeral node costs no sync, as nothing of it is in the file; but its zxid, a broker's epoch, must not come twice. So a commit writes a zxid
 * that lies ahead, the bound, and the next run begins there. Before its first commit a run has no bound of its own, and what it gives out
 * may come again in the next: no change has been answered that could have been built upon it.
 */
#include "coord/tree_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "coord/store_file.h"

#define ROOT_ID     1
#define SEQUENCE_DIGITS 10
#define ZXIDS_AHEAD     1024

/* --- nodes ----------------------------------------------------------------------------------------------------------------- */

static struct node *node_create(struct coord_tree *t, struct node *parent, struct slice name, uint64_t id)
{
	struct node *n = mem_calloc(1, sizeof(*n) + name.len + 1);

	n->parent = parent;
	n->id = id;
	n->name_len = (uint32_t)name.len;
	if (name.len > 0)
		memcpy(n->name, name.ptr, name.len);
	t->last_id = MAX(t->last_id, id);
	return n;
}

static void node_free(struct node *n)
{
	if (n->children != NULL)
		map_fini(n->children);
	free(n->children);
	free(n->data);
	free(n);
}

static int32_t child_count(const struct node *n)
{
	return n->children != NULL ? (int32_t)map_count(n->children) : 0;
}

static void node_link(struct coord_tree *t, struct node *n)
{
	struct node *parent = n->parent;

	if (parent->children == NULL) {
		parent->children = mem_alloc(sizeof(*parent->children));
		map_init(parent->children);
	}
	struct node *old = map_put(parent->children, slice_of(n->name, n->name_len), n);
	ASSERT(old == NULL);
	if (n->owner != NULL)
		list_push_back(&n->owner->ephemerals, &n->ephemeral_link);
	n->is_linked = true;
	t->node_count++;
}

static void node_unlink(struct coord_tree *t, struct node *n)
{
	struct node *old = map_remove(n->parent->children, slice_of(n->name, n->name_len));

	ASSERT(old == n);
	if (n->owner != NULL)
		list_remove(&n->ephemeral_link);
	n->is_linked = false;
	t->node_count--;
}

static void node_set_data(struct node *n, struct slice data)
{
	n->data = NULL;
	n->data_len = (uint32_t)data.len;
	if (slice_is_null(data))
		return;
	n->data = mem_alloc(MAX(data.len, (size_t)1));
	memcpy(n->data, data.ptr, data.len);
}

static struct coord_stat node_stat(const struct node *n)
{
	return (struct coord_stat){
		.czxid = n->czxid, .mzxid = n->mzxid, .ephemeral_owner = n->owner != NULL ? n->owner->id : 0,
		.version = n->version, .children = child_count(n),
		/* as ZooKeeper derives it: creations and deletions, where what is not there any more was deleted */
		.children_version = (int32_t)((uint32_t)n->creations * 2 - (uint32_t)child_count(n)),
	};
}

void tree_node_path(const struct node *n, struct strbuf *out)
{
	const struct node *way[256];
	int depth = 0;

	for (; n->parent != NULL && depth < (int)ARRAY_LEN(way); n = n->parent)
		way[depth++] = n;
	if (depth == 0)
		strbuf_add_char(out, '/');
	while (depth-- > 0) {
		strbuf_add_char(out, '/');
		strbuf_add(out, way[depth]->name, way[depth]->name_len);
	}
}

/* --- paths ----------------------------------------------------------------------------------------------------------------- */

#define DEPTH_MAX 200		/* so that tree_node_path has room; Kafka's deepest path has six */

/* Characters ZooKeeper refuses: controls, surrogates, the private use area, specials. s is UTF-8, possibly broken. */
static bool is_bad_char(const uint8_t *s, size_t left)
{
	if (s[0] < 0x20 || s[0] == 0x7f)
		return true;
	if (left >= 2 && s[0] == 0xc2 && s[1] < 0xa0)
		return true;
	if (left < 3)
		return false;
	return (s[0] == 0xed && s[1] >= 0xa0) || s[0] == 0xee || (s[0] == 0xef && s[1] < 0xa4)
	    || (s[0] == 0xef && s[1] == 0xbf && s[2] >= 0xb0);
}

/* "/a/b", no empty or dotted name, no control characters. A sequence node's path may end in '/': its number is its name. */
static bool path_is_valid(const char *path, bool is_sequence)
{
	size_t len = strlen(path), begin = 1;
	int depth = 0;

	if (path[0] != '/')
		return false;
	if (len == 1)
		return true;
	for (size_t i = 1; i <= len; i++) {
		if (i < len && is_bad_char((const uint8_t *)path + i, len - i))
			return false;
		if (i < len && path[i] != '/')
			continue;
		size_t n = i - begin;
		bool may_be_empty = is_sequence && i == len;
		if ((n == 0 && !may_be_empty) || ++depth > DEPTH_MAX)
			return false;
		if (!may_be_empty && ((n == 1 && path[begin] == '.') || (n == 2 && memcmp(path + begin, "..", 2) == 0)))
			return false;
		begin = i + 1;
	}
	return true;
}

/* The node of the first len bytes of a valid path; NULL: there is none. */
static struct node *find_prefix(const struct coord_tree *t, const char *path, size_t len)
{
	struct node *n = t->root;
	size_t begin = 1;

	while (n != NULL && begin < len) {
		const char *slash = memchr(path + begin, '/', len - begin);
		size_t end = slash != NULL ? (size_t)(slash - path) : len;

		n = n->children != NULL ? map_get(n->children, slice_of(path + begin, end - begin)) : NULL;
		begin = end + 1;
	}
	return n;
}

static struct node *find(const struct coord_tree *t, const char *path)
{
	return find_prefix(t, path, strlen(path));
}

/* --- undo ------------------------------------------------------------------------------------------------------------------ */

static void note(struct coord_tree *t, struct undo u)
{
	if (t->undo_count == t->undo_max) {
		t->undo_max = MAX(t->undo_max * 2, (size_t)64);
		t->undo = mem_realloc_array(t->undo, t->undo_max, sizeof(*t->undo));
	}
	t->undo[t->undo_count++] = u;
}

static void undo_one(struct coord_tree *t, struct undo *u)
{
	struct node *n = u->node;

	switch (u->kind) {
	case UNDO_CREATE:
		node_unlink(t, n);
		node_free(n);
		break;
	case UNDO_DELETE:
		node_link(t, n);
		break;
	case UNDO_SET:
		free(n->data);
		n->data = u->data;
		n->data_len = u->data_len;
		n->version = u->number;
		n->mzxid = u->mzxid;
		break;
	case UNDO_CREATIONS:
		n->creations = u->number;
		break;
	}
}

static void undo_to(struct coord_tree *t, size_t mark)
{
	while (t->undo_count > mark)
		undo_one(t, &t->undo[--t->undo_count]);
}

/* The batch stands: what it replaced is needed no more. */
static void undo_forget(struct coord_tree *t)
{
	for (size_t i = 0; i < t->undo_count; i++) {
		if (t->undo[i].kind == UNDO_DELETE)
			node_free(t->undo[i].node);
		else if (t->undo[i].kind == UNDO_SET)
			free(t->undo[i].data);
	}
	t->undo_count = 0;
}

/* --- operations ------------------------------------------------------------------------------------------------------------ */

static enum err fill_path(struct coord_op *op, struct slice path, struct arena *arena)
{
	op->out = arena_copy(arena, path);
	return slice_is_null(op->out) ? ERR_TOO_LARGE : OK;
}

static enum err op_create(struct coord_tree *t, struct tree_session *s, struct coord_op *op, struct arena *arena)
{
	bool is_sequence = op->flags & COORD_SEQUENCE;
	char digits[16];
	struct slice path = slice_str(op->path);

	if (!path_is_valid(op->path, is_sequence) || op->data.len > TREE_DATA_MAX)
		return op->data.len > TREE_DATA_MAX ? ERR_TOO_LARGE : ERR_INVALID;
	if (path.len == 1 && !is_sequence)
		return ERR_EXISTS;
	const char *slash = strrchr(op->path, '/');
	struct node *parent = find_prefix(t, op->path, (size_t)(slash - op->path));
	if (parent == NULL)
		return ERR_NOT_FOUND;
	if (is_sequence) {
		snprintf(digits, sizeof(digits), "%0*d", SEQUENCE_DIGITS, parent->creations);
		path = arena_printf(arena, "%s%s", op->path, digits);
		if (slice_is_null(path))
			return ERR_TOO_LARGE;
	}
	size_t name_at = (size_t)(slash - op->path) + 1;
	struct slice name = slice_of(path.ptr + name_at, path.len - name_at);
	if (parent->children != NULL && map_get(parent->children, name) != NULL)
		return ERR_EXISTS;
	if (parent->owner != NULL)
		return ERR_INVALID;
	enum err e = fill_path(op, path, arena);
	if (e != OK)
		return e;

	struct node *n = node_create(t, parent, name, t->last_id + 1);
	n->czxid = n->mzxid = t->zxid + 1;
	n->owner = op->flags & COORD_EPHEMERAL ? s : NULL;
	node_set_data(n, op->data);
	/* The counter is there for sequence numbers: the creation of any other ephemeral node may be forgotten with the node. */
	note(t, (struct undo){ .kind = UNDO_CREATIONS, .node = parent, .number = parent->creations, .is_volatile = n->owner != NULL && !is_sequence });
	parent->creations = (int32_t)((uint32_t)parent->creations + 1);
	node_link(t, n);
	note(t, (struct undo){ .kind = UNDO_CREATE, .node = n });
	tree_trigger(t, COORD_EVENT_CREATED, n);
	tree_trigger(t, COORD_EVENT_CHILDREN, parent);
	op->stat = node_stat(n);
	return OK;
}

static enum err find_version(struct coord_tree *t, const struct coord_op *op, struct node **out)
{
	if (!path_is_valid(op->path, false))
		return ERR_INVALID;
	*out = find(t, op->path);
	if (*out == NULL)
		return ERR_NOT_FOUND;
	return op->version == COORD_ANY_VERSION || op->version == (*out)->version ? OK : ERR_BAD_VERSION;
}

static enum err op_set(struct coord_tree *t, struct coord_op *op)
{
	struct node *n;
	enum err e = find_version(t, op, &n);

	if (e != OK)
		return e;
	if (op->data.len > TREE_DATA_MAX)
		return ERR_TOO_LARGE;
	note(t, (struct undo){ .kind = UNDO_SET, .node = n, .data = n->data, .data_len = n->data_len,
			       .number = n->version, .mzxid = n->mzxid });
	node_set_data(n, op->data);
	n->version = (int32_t)((uint32_t)n->version + 1);
	n->mzxid = t->zxid + 1;
	tree_trigger(t, COORD_EVENT_CHANGED, n);
	op->stat = node_stat(n);
	return OK;
}

void tree_delete_node(struct coord_tree *t, struct node *n)
{
	tree_trigger(t, COORD_EVENT_DELETED, n);
	tree_trigger(t, COORD_EVENT_CHILDREN, n->parent);
	node_unlink(t, n);
	note(t, (struct undo){ .kind = UNDO_DELETE, .node = n });
}

static enum err op_delete(struct coord_tree *t, struct coord_op *op)
{
	struct node *n;
	enum err e = find_version(t, op, &n);

	if (e != OK)
		return e;
	if (n == t->root)
		return ERR_INVALID;
	if (child_count(n) > 0)
		return ERR_NOT_EMPTY;
	tree_delete_node(t, n);
	return OK;
}

static enum err op_children(const struct node *n, struct coord_op *op, struct arena *arena)
{
	int32_t i = 0;

	op->name_count = 0;
	op->names = arena_calloc(arena, (size_t)child_count(n), sizeof(*op->names));
	if (op->names == NULL)
		return ERR_TOO_LARGE;
	if (n->children == NULL)
		return OK;
	MAP_FOREACH(e, n->children) {
		const struct node *child = e->value;

		op->names[i] = arena_copy(arena, slice_of(child->name, child->name_len));
		if (slice_is_null(op->names[i++]))
			return ERR_TOO_LARGE;
	}
	op->name_count = i;
	return OK;
}

static enum err op_read(struct coord_tree *t, struct tree_session *s, struct coord_op *op, struct arena *arena)
{
	if (!path_is_valid(op->path, false))
		return ERR_INVALID;
	const struct node *n = find(t, op->path);
	/* As in ZooKeeper only `exists` waits for a node that is not there. */
	if (op->watch && (n != NULL || op->kind == COORD_EXISTS))
		tree_watch_set(s, op->kind == COORD_CHILDREN ? WATCH_CHILDREN : WATCH_DATA, op->path);
	if (n == NULL)
		return ERR_NOT_FOUND;
	op->stat = node_stat(n);
	if (op->kind == COORD_CHILDREN)
		return op_children(n, op, arena);
	if (op->kind == COORD_GET) {
		op->out = arena_copy(arena, slice_of(n->data, n->data_len));
		return n->data != NULL && slice_is_null(op->out) ? ERR_TOO_LARGE : OK;
	}
	return OK;
}

static bool is_change(const struct coord_call *call)
{
	enum coord_op_kind k = call->ops[0].kind;

	return call->is_multi || call->op_count > 1 || k == COORD_CREATE || k == COORD_SET || k == COORD_DELETE;
}

static enum err apply_op(struct coord_tree *t, struct tree_session *s, struct coord_op *op, struct arena *arena)
{
	struct node *n;

	op->stat = (struct coord_stat){ 0 };
	op->out = SLICE_NULL;
	op->names = NULL;
	op->name_count = 0;
	switch (op->kind) {
	case COORD_CREATE:   return op_create(t, s, op, arena);
	case COORD_SET:      return op_set(t, op);
	case COORD_DELETE:   return op_delete(t, op);
	case COORD_CHECK:    return find_version(t, op, &n);
	case COORD_GET:
	case COORD_EXISTS:
	case COORD_CHILDREN: return op_read(t, s, op, arena);
	}
	ASSERT(!"no such operation");
}

/* All or none. Of a failed one ZooKeeper says: no error before the guilty operation, its error, and "not looked at" behind it. */
static enum err apply_multi(struct coord_tree *t, struct tree_session *s, struct coord_call *call)
{
	size_t mark = t->undo_count;
	enum err e = OK;
	int i;

	for (i = 0; i < call->op_count && e == OK; i++) {
		ASSERT(call->ops[i].kind <= COORD_CHECK);
		e = call->ops[i].result = apply_op(t, s, &call->ops[i], &call->arena);
		if (call->ops[i].kind == COORD_CREATE)
			call->ops[i].stat = (struct coord_stat){ 0 };
	}
	if (e == OK)
		return OK;
	undo_to(t, mark);
	for (int k = 0; k < call->op_count; k++) {
		call->ops[k].out = SLICE_NULL;
		call->ops[k].stat = (struct coord_stat){ 0 };
		if (k >= i)
			call->ops[k].result = ERR_AGAIN;
	}
	return e;
}

void tree_apply(struct coord_tree *t, struct tree_session *s, struct coord_call *call, enum err refuse)
{
	ASSERT(call->op_count > 0);
	t->trigger_count = 0;
	strbuf_reset(&t->trigger_paths);
	if (refuse != OK && is_change(call)) {
		coord_call_fail(call, refuse);
		return;
	}
	size_t mark = t->undo_count;
	if (call->is_multi || call->op_count > 1)
		call->result = apply_multi(t, s, call);
	else
		call->result = call->ops[0].result = apply_op(t, s, &call->ops[0], &call->arena);
	if (t->undo_count > mark)
		t->zxid++;
	if (call->result == OK)
		tree_fire(t);
	if (t->observer != NULL)
		t->observer->on_call(t->observer->arg, s, call);
}

void tree_observe(struct coord_tree *t, const struct tree_observer *o)
{
	t->observer = o;
}

/* --- batches --------------------------------------------------------------------------------------------------------------- */

bool tree_has_changes(const struct coord_tree *t)
{
	return t->undo_count > 0;
}

/* What became of one node of the batch. */
static enum err write_node(struct coord_tree *t, struct node *n)
{
	if (n->written_in == t->commits)
		return OK;
	n->written_in = t->commits;
	if (!n->is_linked && n != t->root)
		return store_file_delete(t->file, n->id);
	n->is_in_file = true;		/* or the commit fails, and a deletion of what is not there does no harm */
	return store_file_put(t->file, &(struct store_record){
		.id = n->id, .parent = n->parent != NULL ? n->parent->id : 0, .czxid = n->czxid, .mzxid = n->mzxid,
		.version = n->version, .creations = n->creations,
		.name = slice_of(n->name, n->name_len), .data = slice_of(n->data, n->data_len) });
}

/* Ephemeral, or made and deleted in this batch, or the mere count of an ephemeral creation: not in the file. */
static bool is_for_file(const struct coord_tree *t, const struct undo *u)
{
	const struct node *n = u->node;

	return n->owner == NULL && !u->is_volatile && (n->is_linked || n == t->root || n->is_in_file);
}

/* Something of the batch carries a zxid behind the bound of this run: the file needs a new one, though no node of the batch may be in it. */
static bool needs_bound(const struct coord_tree *t)
{
	if (t->zxid_bound == 0 || t->zxid <= t->zxid_bound)
		return false;
	for (size_t i = 0; i < t->undo_count; i++) {
		if (t->undo[i].kind == UNDO_CREATE || t->undo[i].kind == UNDO_SET)
			return true;
	}
	return false;	/* deletions: a session ends, and the file may be what has failed */
}

static enum err write_batch(struct coord_tree *t)
{
	bool has_begun = needs_bound(t);
	enum err e = has_begun ? store_file_begin(t->file) : OK;

	if (e != OK)
		return e;
	t->commits++;
	for (size_t i = 0; i < t->undo_count && e == OK; i++) {
		if (!is_for_file(t, &t->undo[i]))
			continue;
		if (!has_begun)
			e = store_file_begin(t->file);
		has_begun = has_begun || e == OK;
		if (e == OK)
			e = write_node(t, t->undo[i].node);
	}
	if (!has_begun)
		return e;
	if (e == OK)
		e = store_file_commit(t->file, t->zxid + ZXIDS_AHEAD);
	else
		store_file_abort(t->file);
	if (e == OK)
		t->zxid_bound = t->zxid + ZXIDS_AHEAD;
	return e;
}

enum err tree_commit(struct coord_tree *t)
{
	enum err e = t->file != NULL && t->undo_count > 0 ? write_batch(t) : OK;

	if (e == OK) {
		undo_forget(t);
	} else {
		undo_to(t, 0);
		t->zxid = t->zxid_before;
	}
	t->zxid_before = t->zxid;
	tree_watches_settle(t, e != OK);
	return e;
}

size_t tree_node_count(const struct coord_tree *t)
{
	return t->node_count;
}

/* --- life ------------------------------------------------------------------------------------------------------------------ */

struct coord_tree *tree_open(struct store_file *file)
{
	struct coord_tree *t = mem_calloc(1, sizeof(*t));

	t->file = file;
	list_init(&t->sessions);
	t->root = node_create(t, NULL, SLICE_EMPTY, ROOT_ID);
	t->node_count = 1;
	return t;
}

struct loading {
	struct coord_tree *tree;
	struct map         by_id;	/* key: the node's id, in place */
};

static void fill_node(struct node *n, const struct store_record *r)
{
	n->czxid = r->czxid;
	n->mzxid = r->mzxid;
	n->version = r->version;
	n->creations = r->creations;
	n->is_in_file = true;
	node_set_data(n, r->data);
}

static bool name_is_valid(struct slice name)
{
	return name.len > 0 && memchr(name.ptr, '/', name.len) == NULL && memchr(name.ptr, 0, name.len) == NULL;
}

/* Records come by ascending id, so the parent is there already, unless the file is damaged. */
static enum err load_record(void *arg, const struct store_record *r)
{
	struct loading *l = arg;
	struct coord_tree *t = l->tree;

	if (r->id == ROOT_ID) {
		fill_node(t->root, r);
		return OK;
	}
	struct node *parent = map_get(&l->by_id, slice_of(&r->parent, sizeof(r->parent)));
	if (parent == NULL || !name_is_valid(r->name) || (parent->children != NULL && map_get(parent->children, r->name) != NULL))
		return ERR_CORRUPT;
	struct node *n = node_create(t, parent, r->name, r->id);
	fill_node(n, r);
	node_link(t, n);
	map_put(&l->by_id, slice_of(&n->id, sizeof(n->id)), n);
	return OK;
}

enum err tree_load(struct coord_tree *t, char *problem, size_t problem_size)
{
	struct loading l = { .tree = t, .by_id = MAP_INIT };

	ASSERT(t->node_count == 1);
	map_put(&l.by_id, slice_of(&t->root->id, sizeof(t->root->id)), t->root);
	enum err e = store_file_load(t->file, &t->zxid, load_record, &l, problem, problem_size);
	map_fini(&l.by_id);
	t->zxid_before = t->zxid;
	return e;
}

static void free_below(struct node *n)
{
	if (n->children != NULL)
		MAP_FOREACH(e, n->children)
			free_below(e->value);
	node_free(n);
}

struct coord_tree *coord_tree_create(void)
{
	return tree_open(NULL);
}

void coord_tree_destroy(struct coord_tree **tp)
{
	struct coord_tree *t = *tp;

	ASSERT(t->undo_count == 0);
	while (!list_empty(&t->sessions)) {
		struct tree_session *s = LIST_ENTRY(t->sessions.next, struct tree_session, link);

		tree_session_forget(t, &s);
	}
	free_below(t->root);
	if (t->file != NULL)
		store_file_close(&t->file);
	strbuf_fini(&t->trigger_paths);
	free(t->undo);
	free(t->triggers);
	free(t->fired);
	free(t);
	*tp = NULL;
}
