/*
 * What the parts of broker_bench and cluster_bench share: the broker under test as a process of its own, a client on
 * plain sockets, loads, and a table of figures.
 *
 * A bench is a program for one purpose: whatever fails ends it, with one line that says what.
 */
#ifndef SKEIN_BENCH_H
#define SKEIN_BENCH_H

#include <stdio.h>
#include <sys/types.h>

#include "base/slice.h"
#include "record/batch.h"
#include "wire/wire.h"

#define BENCH_RUNS_MAX 32

NORETURN void bench_die(const char *fmt, ...) PRINTF(1, 2);
double bench_now(void);			/* seconds, monotonic */
void   bench_sleep(double seconds);

/* --- bench_process.c: the broker, from outside ------------------------------------------------ */
struct bench_broker {
	const char *program;
	const char *dir;		/* its log directory; broker.log stands beside it */
	pid_t       pid;		/* 0: not running */
	uint16_t    port;
	const char *settings[8];	/* "key=value", beside listeners and log.dirs; ends with NULL */
};

struct bench_cost {			/* of a process since it started */
	double   cpu_s;			/* user and system */
	uint64_t wakes;			/* times a thread went to sleep and was woken */
};

/* Starts it, with nothing in its directory unless `keeps`. environment: one "NAME=value", or NULL.
 * Returns at once: what to wait for is the caller's to say. */
void broker_start(struct bench_broker *b, bool keeps, const char *environment);
void broker_stop(struct bench_broker *b);	/* as an operator does */
void broker_kill(struct bench_broker *b);
void broker_clear(const struct bench_broker *b);	/* removes its directory */
uint16_t process_free_port(void);
struct bench_cost process_cost(pid_t pid);
double process_pss_mib(pid_t pid);
/* Of the last such event in its log: false if there is none since it was started. */
bool broker_event(const struct bench_broker *b, const char *event, const char *field, double *value);
/* From the statistics that jemalloc printed when the broker ended. */
uint64_t broker_allocations(const struct bench_broker *b);

/* --- bench_client.c: requests and answers ----------------------------------------------------- */
int  client_try_connect(uint16_t port);		/* -1: refused */
int  client_connect(uint16_t port);		/* tries until the broker listens */
void client_send(int fd, struct slice frame);
/* The next answer, without its size; valid until the next call. */
struct slice client_receive(int fd);
/* Like client_receive, but the bytes are thrown away; returns how many they were. */
size_t client_receive_away(int fd);

/* Creates `topics` topics name0, name1, ... (one: plain name). False: refused. */
bool client_create_topics(int fd, const char *name, int topics, int partitions, int replicas);
/* Frames to be sent; the caller owns w. */
void client_make_produce(struct writer *w, const char *topic, int partition, int acks,
                         struct slice batch);
void client_make_fetch(struct writer *w, const char *topic, int64_t offset, int32_t bytes);
/* The error of the one partition in a Produce answer. */
int  client_produce_error(struct slice answer);
/* Produces until it is acknowledged, through the errors of a broker that is starting. */
void client_produce_until_acked(int fd, struct slice frame);

#define CLIENT_BROKERS_MAX 8

struct client_view {			/* what a broker says of the cluster */
	int controller, brokers;
	/* of one topic: */
	int first_leader;		/* of partition 0; -1: none */
	int partitions, in_sync;	/* in_sync: sizes of all in-sync sets */
	int led[CLIENT_BROKERS_MAX];	/* by broker id */
};
/* "": no topic. False: the broker closed the connection, as it does in a cluster until its controller has spoken. */
bool client_look(int fd, const char *topic, struct client_view *v);

void client_elect_preferred(int fd);	/* of all partitions; fd: the controller's */

/* A batch of `count` records whose values have value_bytes each, half of them easy to compress. */
struct bench_batch {
	struct strbuf *buffer;
	struct slice   batch;
	size_t         plain_bytes;	/* before compression */
};
void bench_batch_init(struct bench_batch *b, enum codec codec, int count, size_t value_bytes);
void bench_batch_fini(struct bench_batch *b);

/* --- bench_load.c: many requests -------------------------------------------------------------- */
struct load_spec {
	const struct bench_broker *broker;
	int          connections, in_flight;
	struct slice frame;		/* a Produce request, sent again and again */
	double       seconds;		/* 0: no limit */
	uint64_t     requests;		/* 0: no limit */
};

struct load_result {
	uint64_t requests;
	double   seconds, cpu_s;	/* cpu: the broker's */
	uint64_t wakes;
};

struct load_result load_produce(const struct load_spec *spec);

struct fetch_spec {
	const char *topic;
	int32_t     bytes;		/* per request */
	int64_t     step;		/* offset to the next request's */
	int64_t     end;		/* where it begins anew */
	uint64_t    total;		/* bytes to fetch */
};

double load_fetch(const struct bench_broker *b, const struct fetch_spec *spec);	/* CPU-s per GB */
/* The same bytes by a process that does nothing but sendfile of a file's ranges. */
double load_sendfile(const char *file, int32_t bytes, uint64_t total);

/* --- bench_report.c: figures ------------------------------------------------------------------ */
struct report {
	FILE       *json;		/* NULL: table only */
	const char *revision;
	char        kernel[128], cpu[128];
};

struct figure {
	char        name[80];
	const char *unit;
	double      aim;		/* at most so much; 0: none was set */
	double      runs[BENCH_RUNS_MAX];
	int         count;
};

void report_init(struct report *r, const char *json, const char *revision);
void report_fini(struct report *r);
bool report_is_listed(const char *list, const char *name);	/* is name one of the words "a,b"? */
void figure_init(struct figure *f, const char *unit, double aim, const char *name, ...) PRINTF(4, 5);
void figure_add(struct figure *f, double value);
void report_figure(struct report *r, struct figure *f);

#endif
