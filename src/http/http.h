/*
 * The broker's HTTP server: metrics, and whether it is well. See README.md.
 * Owner: whoever starts it; every function is his. The server's own actor does the rest.
 */
#ifndef SKEIN_HTTP_H
#define SKEIN_HTTP_H

#include "cluster/store_session.h"
#include "net/net.h"
#include "replica/fetcher.h"
#include "storage/logdir.h"

struct http_spec {
	struct sched           *sched;
	const char             *host;		/* "": every interface */
	uint16_t                port;		/* 0: any */
	struct net             *net;
	const struct fetchers  *fetchers;	/* NULL: alone */
	struct logdir          *const *dirs;
	int                     dir_count;
	const char             *version;
	struct workers         *workers;
	mono_ms                 lag_interval_ms;	/* between looks at consumer groups; 0: never */
	int32_t                 lag_series_max;
	const char             *console_hosts;	/* console.h */
	bool                    shows_messages;
	const struct store_session *session;	/* with ZooKeeper; NULL: alone */
	const char *const      *waits_for;	/* why it does not serve, while it does not: a sentence, changed by others */
};

struct http;

/* Binds and starts. What spec points to outlives it. On an error one sentence. */
enum err http_start(struct http **out, const struct http_spec *spec, char *problem, size_t problem_size) MUST_CHECK;
struct actor *http_actor(struct http *h);	/* wants pictures: cluster_msg.h */
uint16_t http_port(const struct http *h);	/* the bound one */
void     http_set_serving(struct http *h, bool is_serving);	/* any thread: /readyz */
void     http_stop(struct http **h);

#endif
