/*
 * Simulated machines: everything behind os.h, in memory, on one thread, decided by seeds. Equal
 * seeds and equal calls give equal results, which sim_hash proves.
 *
 * Clock:    one for all machines of a network. It moves only in sim_advance; what is under way
 *           arrives when the clock has reached it. Nothing ever waits: os_poller_wait answers at
 *           once, whatever its timeout.
 * Disk:     a tree of files that knows what was synced. A process crash keeps all that was written,
 *           a power cut only what was synced, and of the rest whatever a disk might have kept: see
 *           sim_disk.c.
 * Network:  streams with delays, partial transfers, resets and cuts: see sim_net.c.
 * Absent:   threads, futexes, sleeping. A simulation has one thread; calling them ends the process
 *           with a message.
 * Memory:   descriptors are never reused, so that a use after close is found (asserted). A
 *           descriptor from before a crash answers ERR_CLOSED, and closing it is ignored.
 */
#ifndef SKEIN_SIM_H
#define SKEIN_SIM_H

#include "os/os.h"

struct sim_net;			/* a network and the clock of its machines */
struct sim_os;			/* a machine */

struct sim_net *sim_net_create(uint64_t seed);
void            sim_net_destroy(struct sim_net **net);		/* after its machines */
/* host: the name by which os_resolve finds it; it has an address of its own in 10.0.0.0/8, and 127.0.0.1.
 * net NULL: a machine alone, with a network of its own. */
struct sim_os  *sim_create(struct sim_net *net, const char *host, uint64_t seed);
void            sim_destroy(struct sim_os **m);			/* its pollers must be gone */
struct os      *sim_os(struct sim_os *m);
/* Of every operation so far: kind, arguments, result. */
uint64_t        sim_hash(const struct sim_os *m);

/* --- the clock -------------------------------------------------------------------------------- */
void    sim_advance(struct sim_os *m, mono_ms by);	/* what is due until then arrives, in its order */
mono_ms sim_next_event_ms(const struct sim_os *m);	/* in how many ms something arrives next; MONO_NEVER */
/* The same two for sched_sim_set_clock, which knows no machines; arg is a struct sim_os of the network. */
mono_ms sim_clock_next_event(void *arg);
void    sim_clock_advance(void *arg, mono_ms by);
void    sim_step_wall_clock(struct sim_os *m, mono_ms by);	/* somebody sets this machine's clock; may be negative */

/* --- crashes ---------------------------------------------------------------------------------- */
enum sim_crash {
	SIM_CRASH_PROCESS,	/* kill -9: descriptors and locks go, the page cache stays, peers see their connections end */
	SIM_CRASH_POWER,	/* what was not synced is at the seed's mercy; peers hear nothing; another boot id */
};
/* The machine is up again when this returns. Tear down what used it before, or let it find ERR_CLOSED. */
void     sim_crash(struct sim_os *m, enum sim_crash kind);
/* The nth operation from now that would change the disk (1 = the next) does not happen, or half if it is a write; from then on
 * the machine is dead: every call answers ERR_CLOSED and has no effect until sim_crash. 0 disarms.
 * */
void     sim_crash_after_ops(struct sim_os *m, uint64_t nth);
void     sim_kill(struct sim_os *m);			/* dead from now on, at whatever it is just doing */
bool     sim_is_dead(const struct sim_os *m);
uint64_t sim_disk_ops(const struct sim_os *m);		/* operations that changed the disk, since create */

/* --- faults ----------------------------------------------------------------------------------- */
enum sim_op {
	SIM_OPEN,		/* of an existing file; creating one is SIM_NAME */
	SIM_READ,
	SIM_WRITE,		/* an error leaves a prefix written; sometimes none, sometimes all */
	SIM_TRUNCATE,
	SIM_SYNC,		/* an error drops what was dirty, as Linux does: a second sync would say OK and mean nothing */
	SIM_NAME,		/* create, rename, unlink, mkdir, rmdir; removing never suffers from ERR_NO_SPACE */
	SIM_OP_COUNT,
	SIM_ANY = SIM_OP_COUNT
};
/* The nth such operation from now under the directory (NULL: anywhere) fails, once. Forgets an earlier sim_fail. 0 disarms. */
void sim_fail(struct sim_os *m, enum sim_op op, const char *under, uint64_t nth, enum err e);
/* Each fails with this probability, until called again with 0. 1000000 is a dead disk. */
void sim_fail_often(struct sim_os *m, enum sim_op op, const char *under, unsigned per_million, enum err e);
/* Makes the directory (created when absent) a file system of so many bytes; "/" has 1 TiB. A rename does not leave it. */
void sim_set_capacity(struct sim_os *m, const char *path, uint64_t bytes);
/* How often os_is_cached and os_pread_cached say that a range is not in memory. 100000 at the start. */
void sim_set_cold(struct sim_os *m, unsigned per_million);
/* What os_fd_percent says. 0 at the start. */
void sim_set_fd_percent(struct sim_os *m, int percent);

/* --- the network ------------------------------------------------------------------------------ */
/* Each piece of a stream travels so long, drawn anew, never overtaking. 1000..3000 at the start; min >= 1. */
void sim_net_set_delay(struct sim_net *net, int64_t min_us, int64_t max_us);
/* How often a transfer is shorter than it could be. 250000 at the start. */
void sim_net_set_partial(struct sim_net *net, unsigned per_million);
struct sim_net *sim_net_of(struct sim_os *m);
/* Nothing from a reaches b any more; streams stall, as TCP does, and go on after the heal. The other direction is unharmed. */
void sim_net_cut(struct sim_os *from, struct sim_os *to);
void sim_net_heal(struct sim_os *from, struct sim_os *to);
/* Told of every piece that is sent. Connections are numbered from 1, in the order in which they were asked for. May change nothing; NULL: nobody is told. */
struct sim_piece {
	uint64_t             connection;
	const struct sim_os *from, *to;
	bool                 is_of_client;	/* sent by who connected */
	struct slice         data;
};
void sim_net_set_observer(struct sim_net *net, void (*sent)(void *arg, const struct sim_piece *p), void *arg);
int  sim_net_connections(const struct sim_net *net);	/* that stand, on both sides */
/* Every connection between the two is broken, on both sides at once (a == b: those within the machine). */
void sim_net_reset(struct sim_os *a, struct sim_os *b);

#endif
