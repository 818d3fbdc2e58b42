/*
 * skein bench: what any broker that speaks Kafka's protocol costs its clients. What the verbs of it share: options, result, topics of its own.
 */
#ifndef SKEIN_BENCH_BENCH_H
#define SKEIN_BENCH_BENCH_H

#include "base/strbuf.h"
#include "histogram.h"
#include "noise.h"
#include "record/codec.h"
#include "tool.h"

/* What was typed, or the defaults of bench.c. A verb takes the options that its help tells; the others are refused. */
struct bench {
	const char *verb, *topic;	/* topic NULL: one of our own, deleted afterwards */
	const char *options;			/* that the verb takes, by their letters */
	char      **command;			/* start, recover: what runs a broker */
	int32_t     topics, connections, count, members, keys, size, linger_ms, batch_size, fetch_bytes;
	int32_t     in_flight_asked, in_flight;	/* requests; in_flight: those that there can be, of load.c */
	int32_t     partitions, replicas;	/* from bench_make_topics on those of the topics, if they were there before */
	int64_t     records;			/* 0: until the time is over */
	double      rate;			/* records per second; 0: as fast as they are taken */
	double      seconds, warm_up;
	double      gib;
	double      wait;			/* seconds between kill -9 and the start */
	int16_t     acks;
	enum codec  codec;
	bool        is_json, keeps, is_in_flight_typed;
	/* while it runs */
	struct client *client;			/* NULL before bench_connect */
	char        own_topic[64];		/* "": the topic was there before */
	struct noise noise;
	struct strbuf text, json;		/* the result so far */
	int         code;
};

/* The verbs: each returns an exit code, and has told its result when that is EXIT_OK. */
int bench_produce(struct bench *b);
int bench_consume(struct bench *b);
int bench_e2e(struct bench *b);
int bench_connections(struct bench *b);
int bench_partitions(struct bench *b);
int bench_start(struct bench *b);
int bench_recover(struct bench *b);
int bench_groups(struct bench *b);

bool bench_connect(struct bench *b);			/* false: b->code, said why */
/* The setting is told, and the machine watched: when all is known, before anything is measured. */
void bench_begin(struct bench *b);
int64_t bench_records_due(const struct bench *b);	/* at a rate: those that count */
/* Makes the topics and waits for their leaders. */
bool bench_make_topics(struct bench *b);
/* Makes the topics (topic, or topic-0, topic-1, ... when there are several), unless there is one of this name. Sets b->topic. */
bool bench_create_topics(struct bench *b);
void bench_topic_name(const struct bench *b, int i, char out[300]);
const char **bench_topic_names(const struct bench *b);	/* all of them; free it */
/* What the client knows of a topic that is there; a broker that was not the one to make it may hear of it later. NULL: b->code, said why. */
const struct client_topic *bench_topic(struct bench *b, struct client *c, const char *name);
bool bench_drop_topics(struct bench *b);		/* those that we made, unless they shall be kept; false after saying which could not be */

/* On a terminal a line that is written over by the next one; "": the last is wiped. */
void bench_progress(const char *fmt, ...) PRINTF(1, 2);

/* The result, told by bench_tell as a table or as one line of JSON. Names are stable: scripts read them. */
void bench_word(struct bench *b, const char *name, const char *value);
#define BENCH_AS_TYPED (-1)	/* decimals */
void bench_number(struct bench *b, const char *name, double value, int decimals);
void bench_times(struct bench *b, const char *name, const struct histogram *h);	/* of nanoseconds; told in microseconds */
int  bench_tell(struct bench *b);

#endif
