/*
 * A whole broker in simulation: network actors, handlers, controller, partitions, upkeep, workers, the coordination store, all on one thread, in an
 * order drawn from a seed; its files, sockets and clock are a simulated machine's. And clients of it on a second machine.
 *
 * The cluster's state lives in a tree that outlives the broker, as ZooKeeper does. Several brokers may share network, clients' machine, tree and thread: broker_sim_join.
 */
#ifndef SKEIN_TESTS_BROKER_SIM_H
#define SKEIN_TESTS_BROKER_SIM_H

#include "broker/assembly.h"
#include "os/sim.h"
#include "wire/wire.h"

#define BROKER_SIM_PORT 9092

struct broker_sim {
	bool                    is_guest;	/* net, elsewhere and tree belong to another */
	struct sim_net         *net;
	struct sim_os          *machine, *elsewhere;	/* the broker's, the clients' */
	struct sched           *sched;
	struct workers         *workers;
	struct coord_tree      *tree;
	char                    host[16];
	struct log_source       log;
	struct config_set       set;
	struct broker_config   *config;
	struct assembly         parts;
	struct actor            home;		/* of the messages below; lives as long as the simulation */
	struct controller_ready ready;
	struct controller_retire retire;
	struct controller_stop  stop;
	bool                    is_up;		/* the parts are there */
	bool                    is_ready;	/* the controller has said so */
	bool                    retire_wanted, has_retired;
	bool                    stop_wanted, is_stopped;
	bool                    may_meet_io;	/* its disk is broken: a stop in order may end with ERR_IO */
};

/* configs: "key=value", NULL at the end; over the defaults of a lone broker. */
void broker_sim_init(struct broker_sim *b, uint64_t seed, const char *const *configs);
/* The same, on a machine of its own among those of a simulation that is there: */
struct broker_sim_world {
	struct sim_net    *net;
	struct sim_os     *elsewhere;
	struct sched      *sched;		/* of any machine of the simulation */
	struct coord_tree *tree;
};
void broker_sim_join(struct broker_sim *b, const struct broker_sim_world *w, const char *host, uint64_t seed, const char *const *configs);
void broker_sim_fini(struct broker_sim *b);		/* after a stop or a crash */
/* Begins to start; is_ready follows, then assembly_serve is the caller's. False: the machine died meanwhile. */
bool broker_sim_begin(struct broker_sim *b);
/* True when it serves. False: the machine died meanwhile (broker_sim_crash is next). */
bool broker_sim_start(struct broker_sim *b);
void broker_sim_stop(struct broker_sim *b);		/* clean */
void broker_sim_retire(struct broker_sim *b);		/* asks for it; has_retired follows, unless it stops before */
/* The process or the machine goes, dead already or not; afterwards the machine is up and nothing runs. */
void broker_sim_crash(struct broker_sim *b, enum sim_crash kind);
/* Nothing reaches the store any more: what a death of the machine means, at once, to what is no part of it. */
void broker_sim_silence(struct broker_sim *b);
void broker_sim_run(struct broker_sim *b, int steps);
int  broker_sim_pass(struct broker_sim *b, mono_ms ms);	/* returns the steps that all actors took meanwhile */
uint64_t broker_sim_hash(const struct broker_sim *b);	/* of everything that happened */

/* --- a client's connection ------------------------------------------------------------------------------------------------------ */

#define SIM_CLIENT_PIPELINE 8

struct sim_client {
	struct broker_sim *b;
	os_fd              fd;		/* -1: not connected */
	bool               is_connecting, has_ended;
	struct writer      out;
	size_t             sent;	/* of out */
	uint8_t           *in;
	size_t             in_len, in_room, taken;
	int32_t            correlation;
	struct { int32_t correlation; int16_t key, version; void *tag; } asked[SIM_CLIENT_PIPELINE];
	int                asked_count;
};

typedef bool sim_encode(const void *request, struct writer *w, int version);

void sim_client_init(struct sim_client *c, struct broker_sim *b);
void sim_client_fini(struct sim_client *c);
void sim_client_connect(struct sim_client *c);
void sim_client_close(struct sim_client *c);		/* what was asked is forgotten */
/* False: the pipeline is full or there is no connection. */
bool sim_client_ask(struct sim_client *c, int16_t key, int16_t version, sim_encode *encode, const void *request, void *tag);
/* Moves bytes. True: an answer came; *body is behind its header, valid until the next call. has_ended: the connection is gone. */
bool sim_client_answer(struct sim_client *c, void **tag, int16_t *version, struct slice *body);
/* Asks and steps the world until the answer is there; false: the connection or the machine went. */
bool sim_client_call(struct sim_client *c, int16_t key, int16_t version, sim_encode *encode, const void *request, struct slice *body);

#endif
