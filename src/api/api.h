/*
 * The handlers: one file per Kafka API, each with the three functions of a struct api_row
 * (net/net.h). They decode nothing by hand, see no versions where the schema hides them, and own no
 * state but what is named here.
 *
 * Owner: the network actor that runs the call. What the actors share is frozen (configuration),
 * counted (pictures, partition addresses), or taken by a token (fetch sessions, fetch_session.h).
 */
#ifndef SKEIN_API_H
#define SKEIN_API_H

#include "base/config.h"
#include "cluster/cluster.h"
#include "controller/controller_msg.h"
#include "net/net.h"
#include "partition/partition.h"
#include "record/validate.h"
#include "base/throttle.h"

struct fetch_sessions;

/* The handlers' world: one per broker, made before net starts. */
struct api_context {
	struct os             *os;
	struct sched          *sched;
	struct workers        *workers;
	struct actor          *controller;
	struct config_set     *config;		/* the static layer */
	struct broker_config  *broker;		/* what it says, without what the store overrides */
	struct fetch_sessions *sessions;
	const struct fetchers *fetchers;	/* NULL: alone */
	struct logdir        **dirs;
	int                    dir_count;
	struct throttle        leader_throttle;	/* bytes given to throttled replicas: fetch.c */
};

/* What each network actor owns for the handlers: found by api_slot. */
struct fetch_watches;
struct producer_ids;
struct broker_view;
struct api_slot {
	struct fetch_watches *watches;		/* fetch_watch.h */
	struct batch_scratch  scratch;		/* codec contexts for batches validated here */
	struct producer_ids  *producer_ids;	/* this actor's block: init_producer_id.c */
	/* the broker's configuration of the moment: broker_view.h */
	struct broker_view   *broker_view;
	/* struct api_scratch: for those validated by workers */
	struct list           idle_scratches;
	int                   idle_scratch_count;
};

/* Codec contexts that travel with a job, because a worker has none of its own. */
struct api_scratch {
	struct list          link;
	struct batch_scratch scratch;
};
struct api_scratch *api_scratch_take(struct api_slot *slot);
void api_scratch_give(struct api_slot *slot, struct api_scratch *s);

/* The rows by API key: what is served and advertised. */
extern const struct api_row *const api_rows[];
extern const int api_row_count;

/* For struct net_spec, with the struct api_context as app. */
void api_network_created(struct network *n, void *app);
void api_on_home(struct network *n, void *app, struct msg *m);
void api_network_ended(struct network *n, void *app);

/* For rows that ask nobody, and for those that hold nothing. */
void api_no_answers(struct call *c, struct msg *m);
void api_nothing_left(struct call *c);

static inline struct api_context *call_api(const struct call *c)
{
	return network_app(c->network);
}

static inline struct api_slot *api_slot(const struct call *c)
{
	return network_slot(c->network, NETWORK_SLOT_API);
}

/*
 * The generated codec as a row wants it: wrappers with void pointers, and the fields that name
 * them.
 *	API_CODEC(produce)
 *	const struct api_row produce_row = { .key = 0, API_CODEC_FIELDS(produce), ... };
 */
#define API_CODEC(api) \
	static bool api##_row_decode(void *m, struct reader *r, int v, struct arena *a) \
	{ \
		return api##_request_decode(m, r, v, a); \
	} \
	static bool api##_row_encode(const void *m, struct writer *w, int v) \
	{ \
		return api##_response_encode(m, w, v); \
	} \
	static void api##_row_init(void *m) \
	{ \
		api##_response_init(m); \
	}
#define API_CODEC_FIELDS(api) \
	.request_size = sizeof(struct api##_request), \
	.response_size = sizeof(struct api##_response), \
	.decode = api##_row_decode, .encode = api##_row_encode, .response_init = api##_row_init

/*
 * What became of looking a partition up: the address with a reference, or the error a client gets.
 */
enum kafka_error api_find_partition(struct call *c, const struct cluster_topic *topic,
                                    int32_t partition, struct partition_addr **out) MUST_CHECK;
/* The partition whose actor is the group's coordinator, if it is hosted here: a reference. Else, and in doubt from the partition itself, NOT_COORDINATOR. */
enum kafka_error api_find_group(struct call *c, struct slice group, struct partition_addr **out) MUST_CHECK;
/*
 * Asks it, behind the permission for op. NONE: the question is out, and *addr a reference for the call to give back; else the error is the answer, and *addr may be a
 * reference too. wants_name: a group without a name is not one.
 */
enum kafka_error api_ask_group(struct call *c, enum acl_operation op, struct slice group, bool wants_name, struct coordinator_question *q,
                               struct partition_addr **addr) MUST_CHECK;
/* May offsets be committed for it? may_read: the caller may read the topic. */
enum kafka_error api_check_committed(struct call *c, struct slice topic, bool may_read, int32_t partition);
struct group_caller;
struct group_offset_commit;
/* The question of a commit with room for so many offsets, for the caller to fill and ask. NULL: the arena's limit, and wants_close is set. */
struct group_offset_commit *api_commit_question(struct call *c, const struct group_caller *caller, int32_t count) MUST_CHECK;
#define API_GROUP_ANSWER_BYTES (64u << 20)	/* what a coordinator may answer with: the message's own arena */
/* *s into the call's own memory, as a message's arena goes before the answer is encoded. Null stays null; false: the arena's limit. */
bool api_keep(struct call *c, struct slice *s) MUST_CHECK;
/* Fills in how a topic that coordinators keep their state in is made; t->name says which. False: the arena's limit. */
bool api_internal_topic(struct call *c, struct controller_new_topic *t) MUST_CHECK;
/* The leader as the picture knows it: for current_leader fields. */
void api_current_leader(const struct cluster_topic *topic, int32_t partition, int32_t *leader_id,
                        int32_t *leader_epoch);
/*
 * Whether this broker is the controller, as the picture knows: others refuse to change topics
 * before they look at anything else, and clients look for the controller then.
 */
bool api_is_controller(struct call *c);
/* The endpoint of a broker on the listener of the call; NULL: none. */
const struct cluster_endpoint *api_endpoint(struct call *c, int32_t broker_id);
/*
 * Leaders that an answer names, each once, with their endpoints: what its node_endpoints say.
 * Begins zeroed.
 */
struct api_leaders {
	struct {
		int32_t                        id;
		const struct cluster_endpoint *endpoint;
	} *list;			/* in the call's arena */
	int32_t count;
};
/* One without an endpoint is left out; so are all at the arena's limit: they are a hint only. */
void api_leaders_add(struct call *c, struct api_leaders *l, int32_t broker_id);
/* The response's node_endpoints, whose element type is the response's own. */
#define API_LEADERS_RESPOND(c, leaders, out, element) \
	do { \
		(out)->node_endpoints = arena_calloc(&(c)->arena, (size_t)(leaders)->count, \
		                                     sizeof(*(out)->node_endpoints)); \
		for (int32_t i_ = 0; (out)->node_endpoints != NULL && i_ < (leaders)->count; i_++) \
			(out)->node_endpoints[(out)->node_endpoints_count++] = (struct element){ \
				.node_id = (leaders)->list[i_].id, \
				.host = slice_str((leaders)->list[i_].endpoint->host), \
				.port = (leaders)->list[i_].endpoint->port, \
			}; \
	} while (0)

/* the one resource of type cluster, as ACLs name it */
#define API_CLUSTER_NAME SLICE_LIT("kafka-cluster")

/* What the caller may do with a topic or the cluster: bit i is set when operation i is allowed. */
int32_t api_authorized_operations(struct call *c, enum acl_resource resource, struct slice name);
/* Of the cluster; 0 for those who may not even describe it. */
int32_t api_cluster_operations(struct call *c);
bool    api_may_write_any_topic(struct call *c);
/* Somebody can have begun a transaction: another kind of broker has coordinated them in this cluster. */
bool    api_has_transactions(struct call *c);

struct producer_ids *producer_ids_create(void);
/* no call may wait for a block */
void                 producer_ids_destroy(struct producer_ids **ids);
#define PAYER_NEVER_STRICT INT16_MAX
/* Who pays for a change of topics; from version strict_from on a request over its quota is refused. */
void api_fill_payer(struct call *c, struct controller_payer *p, int16_t strict_from);
/* How long the client was told to wait, and is made to. */
void api_take_throttle(struct call *c, const struct controller_payer *p, int32_t *throttle_time_ms);
/*
 * Texts of the controller's answers, made the call's own. Null stays null, and so does what the
 * arena has no room for.
 */
struct slice api_take_message(struct call *c, char **message);

#endif
