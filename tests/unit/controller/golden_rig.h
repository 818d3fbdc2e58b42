/*
 * A controller's active side against recordings of a Java controller: the tree as it was before, what happened to it (requests of brokers, brokers that came and went, what tools wrote), and
 * what it told each broker, request by request.
 *
 * The controller is the real one, on the tree side of coord and a simulated machine; there are no brokers: what it sends is written down and answered with what the Java brokers answered.
 * This broker's own member side is left out likewise (member_enqueue_own and channels_actor are wrapped by the linker).
 *
 * tests/golden/cluster/README.md tells what a recording holds.
 */
#ifndef SKEIN_TESTS_GOLDEN_RIG_H
#define SKEIN_TESTS_GOLDEN_RIG_H

#include "coord/tree.h"
#include "controller/active_priv.h"
#include "os/sim.h"

#define RIG_BROKERS 8		/* broker ids are below */

struct rig_request {		/* as told, or as recorded; names and numbers as text, one partition a line, sorted */
	enum api_key key;
	int16_t      version;
	char        *text;
	struct slice answer;	/* recorded: frame of the answer; null: none */
	int64_t      t;		/* recorded */
};
struct rig_requests {
	struct rig_request *items;
	int                 count, room;
};

struct rig_event {		/* of a recording: a request to the controller */
	int64_t      t;
	int32_t      from;
	enum api_key key;
	int16_t      version;
	struct slice frame, answer;
};

struct rig {
	struct sim_net        *net;
	struct sim_os         *machine;
	struct sched          *sched;
	struct coord_tree     *tree;
	struct tree_session   *outsider;
	struct config_set      set;
	struct controller     *c;
	struct actor           world;		/* the other brokers, and clients */
	struct controller_ready ready;
	struct controller_stop stop;
	struct controller_request *asked;	/* to be sent */
	struct msg            *to_send;
	bool                   is_home;		/* what was sent has come home */
	struct arena           arena;		/* of the recording and of answers; all of the rig's life */
	struct rig_requests    told[RIG_BROKERS], recorded[RIG_BROKERS];
	struct rig_event      *events;
	int                    event_count, event_at;
	struct { char *path, *data; int32_t version; } *after;
	int                    after_count;
	struct { char name[16]; int64_t t; } marks[8];
	int                    mark_count;
	char                  *registrations[RIG_BROKERS];
	int32_t                controller_id;
};

/* Loads the recording, and lets the controller take office on the tree as it was before; what it tells the brokers then is forgotten. config: NULL, or one more line. */
void rig_init(struct rig *r, const char *recording, const char *config);
void rig_fini(struct rig *r);
/* Requests to the controller that were recorded before time t (ms; step i begins at i * 1,000,000) are given to it, and their answers compared. */
void rig_until(struct rig *r, int64_t t);
void rig_settle(struct rig *r);			/* until nothing happens any more */
void rig_compare_requests(struct rig *r);	/* what was recorded has happened, and what brokers were told is what was recorded, all of it */
void rig_compare_nodes(struct rig *r);		/* the nodes of topics are as they were when the recording's last picture of the tree was taken */

int64_t rig_mark(const struct rig *r, const char *name);	/* when it happened, by the recording */

/* A request of a client: encoded structs of wire/gen. Comes back answered. */
void rig_ask(struct rig *r, enum api_key key, int16_t version, const void *request, void *response);
void rig_write(struct rig *r, const char *path, const char *data);	/* created, or set; data NULL: null */
void rig_delete(struct rig *r, const char *path);
bool rig_exists(struct rig *r, const char *path);
char *rig_read(struct rig *r, const char *path);	/* malloc'd */
void rig_pass(struct rig *r, mono_ms ms);
void rig_end_office(struct rig *r);
void rig_new_office(struct rig *r);			/* the controller ends, and is elected again: it reads everything anew; what it tells is forgotten no more */
/* What a broker was told last may not have reached it, or not have been recorded: what was recorded until t is the beginning of what it was told. */
void rig_forget_last_words(struct rig *r, int32_t broker, int64_t t);
/* At time t: its registration goes, and its last words are forgotten. */
void rig_leave(struct rig *r, int32_t broker, int64_t t);
void rig_join(struct rig *r, int32_t broker, int64_t t);	/* as it was, with a new epoch */
void rig_write_as_after(struct rig *r, const char *path);	/* the node as the recording has it at the end */

#endif
