/*
 * Intrusive doubly linked list. The head is a link of its own; an element that is on no list has next == NULL.
 * Owner: whoever owns the elements. Nothing here allocates.
 */
#ifndef SKEIN_LIST_H
#define SKEIN_LIST_H

#include "base/base.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *head)
{
	head->next = head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

static inline bool list_linked(const struct list *e)
{
	return e->next != NULL;
}

static inline void list_insert_before(struct list *at, struct list *e)
{
	e->prev = at->prev;
	e->next = at;
	at->prev->next = e;
	at->prev = e;
}

static inline void list_push_back(struct list *head, struct list *e)  { list_insert_before(head, e); }
static inline void list_push_front(struct list *head, struct list *e) { list_insert_before(head->next, e); }

static inline void list_remove(struct list *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
	e->next = e->prev = NULL;
}

static inline struct list *list_pop_front(struct list *head)	/* NULL when empty */
{
	struct list *e = head->next;

	if (e == head)
		return NULL;
	list_remove(e);
	return e;
}

#define LIST_ENTRY(e, type, member) CONTAINER_OF(e, type, member)

/* The body may remove the current element (it must not free another one). */
#define LIST_FOREACH(var, head) \
	for (struct list *var = (head)->next, *var##_next = var->next; var != (head); \
	     var = var##_next, var##_next = var->next)

#endif
