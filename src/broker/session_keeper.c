/*
 * The guardian first: it is told by memory alone, and the file may have to wait for a device.
 */
#include "broker/session_keeper.h"

#include <string.h>

#include "coord/session_file.h"

static void end_predecessor(const struct session_keeper *k, const struct session_note *n, const char *connect, int32_t session_timeout_ms, mono_ms limit_ms)
{
	struct zk_session old = { .id = n->session, .timeout_ms = session_timeout_ms };
	mono_ms began = os_mono_ms(k->os);

	memcpy(old.password, n->password, sizeof(old.password));
	zk_session_resolve(k->os, connect, &old);
	enum err e = zk_session_close(k->os, &old, began + limit_ms);
	if (e == OK)
		LOG_INFO(k->log, session_inherited, KV_I64("session", old.id), KV_I64("ms", os_mono_ms(k->os) - began));
	else if (e != ERR_NOT_FOUND)	/* what is expected: its guardian was faster, or it has timed out */
		LOG_WARN(k->log, session_left_alone, KV_I64("session", old.id), KV_STR("why", "no ZooKeeper server has ended it"), KV_ERR(e));
}

void session_keeper_begin(const struct session_keeper *k, const char *connect, int32_t session_timeout_ms, mono_ms limit_ms)
{
	struct session_note n;

	if (k->dir == NULL)
		return;
	enum err e = session_file_read(k->os, k->dir, &n);
	if (e == ERR_NOT_FOUND)
		return;
	if (e != OK) {
		LOG_WARN(k->log, session_left_alone, KV_STR("why", "the file cannot be read"), KV_ERR(e));
		return;
	}
	const char *why = session_file_objection(k->os, k->dir, &n);
	if (why == NULL)
		end_predecessor(k, &n, connect, session_timeout_ms, limit_ms);
	else
		LOG_WARN(k->log, session_left_alone, KV_I64("session", n.session), KV_STR("why", why));
}

void session_keeper_on_session(void *keeper, const struct zk_session *s)
{
	const struct session_keeper *k = keeper;

	if (k->guardian != NULL)
		(void)!guardian_tell(k->guardian, s);	/* that it is gone is told by who waits for children */
	enum err e = k->dir != NULL ? session_file_write(k->os, k->dir, s) : OK;
	if (e != OK)
		LOG_WARN(k->log, session_not_noted, KV_STR("dir", k->dir), KV_ERR(e));
}

void session_keeper_end(const struct session_keeper *k)
{
	enum err e = k->dir != NULL ? session_file_remove(k->os, k->dir) : OK;

	if (e != OK)	/* a session that is over: nobody will be harmed */
		LOG_WARN(k->log, session_not_noted, KV_STR("dir", k->dir), KV_ERR(e));
}
