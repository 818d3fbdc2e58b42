/*
 * Sessions, their ephemeral nodes, and watches.
 *
 * A watch lies in its session under the path. A change collects triggers while its call is applied, and only a call that succeeds fires them:
 * a multi that fails shows nothing. What fired stays in `fired` until the batch has ended, to be armed again should the batch be undone.
 */
#include <stdlib.h>

#include "coord/tree_priv.h"

/* --- watches --------------------------------------------------------------------------------------------------------------- */

static void watch_arm(struct watch *w)
{
	free(map_put(&w->session->watches[w->kind], slice_of(w->path, w->path_len), w));
}

void tree_watch_set(struct tree_session *s, enum watch_kind kind, const char *path)
{
	size_t len = strlen(path);

	if (map_get(&s->watches[kind], slice_of(path, len)) != NULL)
		return;
	struct watch *w = mem_alloc(sizeof(*w) + len + 1);
	w->session = s;
	w->kind = kind;
	w->path_len = len;
	memcpy(w->path, path, len + 1);
	watch_arm(w);
}

static void watches_free(struct map *m)
{
	MAP_FOREACH(e, m)
		free(e->value);
	map_fini(m);
}

void tree_trigger(struct coord_tree *t, enum coord_event_kind kind, const struct node *n)
{
	if (t->trigger_count == t->trigger_max) {
		t->trigger_max = MAX(t->trigger_max * 2, (size_t)16);
		t->triggers = mem_realloc_array(t->triggers, t->trigger_max, sizeof(*t->triggers));
	}
	struct trigger *g = &t->triggers[t->trigger_count++];
	g->kind = kind;
	g->path_at = t->trigger_paths.len;
	tree_node_path(n, &t->trigger_paths);
	g->path_len = t->trigger_paths.len - g->path_at;
	strbuf_add_char(&t->trigger_paths, '\0');
}

static bool take_watch(struct coord_tree *t, struct tree_session *s, enum watch_kind kind, struct slice path)
{
	struct watch *w = map_remove(&s->watches[kind], path);

	if (w == NULL)
		return false;
	if (t->fired_count == t->fired_max) {
		t->fired_max = MAX(t->fired_max * 2, (size_t)16);
		t->fired = mem_realloc_array(t->fired, t->fired_max, sizeof(struct watch *));
	}
	t->fired[t->fired_count++] = w;
	return true;
}

/* A deleted node ends both kinds of watches on it, with one event. */
static void fire_at(struct coord_tree *t, struct tree_session *s, const struct trigger *g)
{
	const char *text = strbuf_cstr(&t->trigger_paths) + g->path_at;
	struct slice path = slice_of(text, g->path_len);
	bool has_fired = false;

	if (g->kind != COORD_EVENT_CHILDREN)
		has_fired = take_watch(t, s, WATCH_DATA, path);
	if (g->kind == COORD_EVENT_CHILDREN || g->kind == COORD_EVENT_DELETED)
		has_fired = take_watch(t, s, WATCH_CHILDREN, path) || has_fired;
	if (!has_fired || s->on_watch == NULL)
		return;
	s->on_watch(s->arg, g->kind, text);
	if (t->observer != NULL)
		t->observer->on_event(t->observer->arg, s, g->kind, text);
}

void tree_fire(struct coord_tree *t)
{
	for (size_t i = 0; i < t->trigger_count; i++)
		LIST_FOREACH(link, &t->sessions)
			fire_at(t, LIST_ENTRY(link, struct tree_session, link), &t->triggers[i]);
	t->trigger_count = 0;
	strbuf_reset(&t->trigger_paths);
}

void tree_watches_settle(struct coord_tree *t, bool rearm)
{
	for (size_t i = 0; i < t->fired_count; i++) {
		if (rearm)
			watch_arm(t->fired[i]);
		else
			free(t->fired[i]);
	}
	t->fired_count = 0;
}

/* --- sessions -------------------------------------------------------------------------------------------------------------- */

struct tree_session *tree_session_open(struct coord_tree *t, mono_ms timeout, mono_ms now)
{
	struct tree_session *s = mem_calloc(1, sizeof(*s));

	ASSERT(t->undo_count == 0);
	s->id = t->zxid_before = ++t->zxid;
	s->timeout = timeout;
	s->expires_at = timeout > 0 ? now + timeout : MONO_NEVER;
	list_init(&s->ephemerals);
	list_push_back(&t->sessions, &s->link);
	return s;
}

void tree_session_forget(struct coord_tree *t, struct tree_session **sp)
{
	struct tree_session *s = *sp;

	ASSERT(t->fired_count == 0);
	while (!list_empty(&s->ephemerals)) {
		struct node *n = LIST_ENTRY(list_pop_front(&s->ephemerals), struct node, ephemeral_link);

		n->owner = NULL;	/* the tree itself is about to go */
	}
	watches_free(&s->watches[WATCH_DATA]);
	watches_free(&s->watches[WATCH_CHILDREN]);
	list_remove(&s->link);
	free(s);
	*sp = NULL;
}

void tree_session_close(struct coord_tree *t, struct tree_session **sp)
{
	struct tree_session *s = *sp;

	ASSERT(t->undo_count == 0);
	watches_free(&s->watches[WATCH_DATA]);		/* nobody is left to be told */
	watches_free(&s->watches[WATCH_CHILDREN]);
	if (!list_empty(&s->ephemerals))
		t->zxid++;
	while (!list_empty(&s->ephemerals))
		tree_delete_node(t, LIST_ENTRY(s->ephemerals.next, struct node, ephemeral_link));
	tree_fire(t);
	enum err e = tree_commit(t);
	ASSERT(e == OK);	/* nothing of an ephemeral node is in the file */
	tree_session_forget(t, sp);
}

void tree_session_detach(struct tree_session *s)
{
	s->on_watch = NULL;
	s->on_expired = NULL;
}

void tree_expire(struct coord_tree *t, mono_ms now)
{
	LIST_FOREACH(link, &t->sessions) {
		struct tree_session *s = LIST_ENTRY(link, struct tree_session, link);
		void (*on_expired)(void *arg) = s->on_expired;
		void *arg = s->arg;

		if (s->expires_at > now)
			continue;
		tree_session_close(t, &s);
		if (on_expired != NULL)
			on_expired(arg);
	}
}

mono_ms tree_next_expiry(const struct coord_tree *t)
{
	mono_ms next = MONO_NEVER;

	LIST_FOREACH(link, &t->sessions)
		next = MIN(next, LIST_ENTRY(link, struct tree_session, link)->expires_at);
	return next;
}
