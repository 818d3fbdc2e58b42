/*
 * What the requests about topics have in common: room for replicas, sentences, answers that wait.
 */
#include "controller/controller_admin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "os/os.h"

/*
 * A replica is a thread, and a machine has no more than kernel.pid_max of them (32,768 by default) for everybody. Checked before anything is written or
 * allocated: whoever asks for more is told so.
 */
#define REPLICAS_PER_BROKER_MAX 20000

char *admin_text(const char *fmt, ...)
{
	char *out = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&out, fmt, ap);
	va_end(ap);
	ASSERT(n >= 0);
	return out;
}

bool admin_is_active(const struct controller *c)
{
	return c->active != NULL && !c->active->is_moved;
}

/* By what the active side knows, or without it the member side. */
int64_t controller_replica_room(const struct controller *c)
{
	int64_t used = admin_is_active(c) ? c->active->replica_count : 0;
	struct map_entry *e;

	for (uint32_t at = 0; !admin_is_active(c) && (e = map_next(&c->topics, &at)) != NULL; ) {
		const struct topic_state *t = e->value;

		for (int32_t i = 0; i < t->partition_count; i++)
			used += t->partitions[i].replicas.count;
	}
	return (int64_t)REPLICAS_PER_BROKER_MAX * (admin_is_active(c) ? c->active->broker_count : c->broker_count) - used;
}

bool admin_may_change(struct controller *c, struct controller_payer *p, int32_t partitions)
{
	struct mutation_payer payer = { .user = p->principal, .client_id = p->client_id, .is_strict = p->is_strict };

	if (p->principal.len >= 5 && memcmp(p->principal.ptr, "User:", 5) == 0)
		payer.user = slice_of(p->principal.ptr + 5, p->principal.len - 5);
	return mutation_quotas_charge(&c->quotas, &payer, partitions, os_mono_ms(c->os), &p->throttle_ms);
}

char *admin_over_quota_text(void)
{
	return mem_strdup("The throttling quota has been exceeded.");
}

void admin_answer(struct controller *c, struct admin_waiter *w)
{
	for (int32_t i = 0; i < w->name_count; i++)
		free(w->names[i]);
	free(w->names);
	actor_answer(&c->actor, w->asker);
	free(w);
}

struct admin_waiter *admin_waiter_create(struct controller *c, struct task *t, int32_t timeout_ms,
                                         bool (*look)(struct controller *c, struct active_waiter *w, bool is_over))
{
	struct admin_waiter *w = mem_calloc(1, sizeof(*w));

	w->waiter.deadline = os_mono_ms(c->os) + MAX(timeout_ms, 0);
	w->waiter.look = look;
	w->asker = t->asker;
	t->asker = NULL;
	return w;
}

char *admin_no_room_text(int64_t wanted, int64_t room)
{
	return admin_text("%lld replicas are more than there is room for: %lld, at %d per broker.", (long long)wanted, (long long)MAX(room, 0),
	                  REPLICAS_PER_BROKER_MAX);
}
