/*
 * Handlers without a network: the rig stands in for net. It runs one call at a time through a row,
 * keeps the questions the handler asks until the test answers them, and encodes every response in
 * its version, as net would. The picture, the permissions and the settings are the test's.
 */
#ifndef SKEIN_API_RIG_H
#define SKEIN_API_RIG_H

#include <check.h>

#include "api/api.h"

#define RIG_ASKED_MAX 64

struct network {		/* net's is private to net; handlers only hold a pointer */
	struct actor actor;
	void        *app, *slot;
};

struct rig {
	struct network     network;
	struct api_context context;
	struct api_slot    slot;
	struct actor       controller;
	struct config_set  fixed;
	struct cluster    *picture;
	struct writer      out;
	struct msg        *asked[RIG_ASKED_MAX];
	int                asked_count;
	struct partition_watch *watches[RIG_ASKED_MAX];	/* lent to partitions; NULL: came home */
	int                watch_count;
	mono_ms            now;
	mono_ms            parked_until;	/* of the call that parked last */
	time_ms            time;		/* the wall clock */
	int32_t            lost_leader;		/* where the context has fetchers: they have lost this one, ... */
	mono_ms            connection_age;
	mono_ms            lost_at;		/* ... then */
	/* NULL: everything is allowed */
	bool             (*authorize)(enum acl_operation op, enum acl_resource resource,
	                              struct slice name);
};

extern struct rig rig;

/* A broker 0 with listener PLAINTEXT, alone in its picture; no topics. Checked fixtures. */
void rig_setup(void);
void rig_teardown(void);

/* Adds to the picture. Each partition has broker 0 as leader and only replica. */
void rig_add_topic(const char *name, struct uuid id,
                   const struct cluster_partition_spec *partitions,
                   int32_t n);
/* rack NULL: none. Its address is host-<id>:<9000 + id>. */
void rig_add_broker(int32_t id, const char *listener, const char *rack);
/* What cluster_partition_spec.local wants: an address nobody answers at. */
struct partition_addr *rig_addr_create(void);
uint32_t rig_addr_refs(const struct partition_addr *a);

/* A call whose request and response have their defaults. */
struct call *rig_call(const struct api_row *row, int16_t version);
void rig_begin(struct call *c);
/* Brings the i-th question home, its answer filled in by the test. */
void rig_answer(struct call *c, int i);
/* Brings the i-th watch home: calls that stand there are resumed. */
void rig_watch_home(int i);
void rig_close(struct call *c);		/* the connection goes */
/* Asserts that the call has ended, that its response can be encoded, and gives it. */
const void *rig_response(struct call *c);
bool rig_has_ended(const struct call *c);
void rig_free(struct call **c);

#define ck_assert_slice_eq(s, text) \
	ck_assert_msg(slice_eq_str((s), (text)), "got " SLICE_FMT, SLICE_ARG(s))

#endif
