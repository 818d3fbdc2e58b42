/*
 * Everything the broker counts, as a page for Prometheus. Owner: the http actor.
 */
#ifndef SKEIN_HTTP_METRICS_H
#define SKEIN_HTTP_METRICS_H

#include "base/strbuf.h"
#include "cluster/cluster.h"
#include "cluster/store_session.h"
#include "http/lag.h"
#include "net/net.h"
#include "replica/fetcher.h"
#include "storage/logdir.h"

struct metrics_world {
	struct sched           *sched;
	struct net             *net;
	const struct fetchers  *fetchers;	/* NULL: alone */
	struct logdir          *const *dirs;
	int                     dir_count;
	const char             *version;
	time_ms                 started, now;	/* when the process began */
	mono_ns                 now_mono_ns;
	struct workers         *workers;
	const struct store_session *session;	/* NULL: alone */
	bool                    is_serving;
	const struct cluster   *picture;	/* NULL: none yet */
	const struct lag       *lag;		/* NULL: not wanted */
};

/* Adds the page to out. */
void metrics_write(struct strbuf *out, const struct metrics_world *w, bool is_open_metrics);

/* Whether a replica in this log directory was refused its last append for want of room. */
bool metrics_has_replica_without_room(const struct cluster *picture, const struct logdir *dir);

/* The table behind it, as Markdown rows for docs/METRICS.md: name, type, Kafka's MBean, help. */
void metrics_describe(struct strbuf *out);

#endif
