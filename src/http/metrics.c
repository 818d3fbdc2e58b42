/*
 * The families: one row each in a table at the end, and one function each that writes its samples; those of the process are in metrics_process.c.
 */
#include "http/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/metrics_page.h"

/* --- families: each is written by one of these, `at` being the place of the number in its struct --------------- */

static uint64_t number_at(const void *of, size_t at)
{
	return __atomic_load_n((const uint64_t *)((const char *)of + at), __ATOMIC_RELAXED);
}

static void of_net(struct page *p, size_t at)
{
	one_u64(p, number_at(&p->net, at));
}

static void of_fetchers(struct page *p, size_t at)
{
	one_u64(p, number_at(&p->fetchers, at));
}

/* --- topics ------------------------------------------------------------------------------------------ */

/* Behind the broker-wide sample of the same family. */
static void by_topic(struct page *p, size_t at)
{
	for (int i = 0, next; i < p->replica_count; i = next) {
		const struct cluster_topic *t = p->replicas[i].topic;
		uint64_t sum = 0;

		for (next = i; next < p->replica_count && p->replicas[next].topic == t; next++)
			sum += number_at(p->replicas[next].addr, at);
		sample_begin(&p->x, "");
		sample_label(&p->x, "topic", t->name);
		sample_end_u64(&p->x, sum);
	}
}

#define NET_DATA(what) (offsetof(struct net_counters, data) + (what) * sizeof(uint64_t))
#define ADDR(field)    offsetof(struct partition_addr, field)

static void traffic(struct page *p, size_t what)
{
	static const size_t of_addr[] = {
		[NET_MESSAGES_IN] = ADDR(records_in), [NET_BYTES_IN] = ADDR(bytes_in), [NET_BYTES_OUT] = ADDR(bytes_out),
		[NET_REPLICATION_BYTES_OUT] = ADDR(replication_bytes_out),
	};

	of_net(p, NET_DATA(what));
	by_topic(p, of_addr[what]);
}

/* --- replicas ------------------------------------------------------------------------------------- */

static bool leads(const struct replica *r)
{
	return partition_is_leader(r->addr);
}

static int64_t int32_of(const int32_t *n)
{
	return __atomic_load_n(n, __ATOMIC_RELAXED);
}

/* In the in-sync set, as its leader sees it, beyond the least that acks=all wants. */
static int64_t isr_spare(const struct replica *r)
{
	return int32_of(&r->addr->isr_count) - r->topic->config.min_insync_replicas;
}

/* What is told of one replica, and what is counted of all. */
enum replica_fact {
	IS_ANY, LEADS, IS_UNDER_REPLICATED, IS_UNDER_MIN_ISR, IS_AT_MIN_ISR, IS_OFFLINE, IS_FULL,	/* 0 or 1 */
	SIZE, START, END, HIGH_WATERMARK,
	REPLICAS, IN_SYNC, LED_UNDER_REPLICATED, LED_UNDER_MIN_ISR, LED_AT_MIN_ISR, LED_HIGH_WATERMARK, LED_START,	/* of led ones only */
};

static int64_t replica_fact(const struct replica *r, enum replica_fact fact)
{
	switch (fact) {
	case IS_ANY:               return 1;
	case LEADS:                return leads(r);
	case IS_UNDER_REPLICATED:
	case LED_UNDER_REPLICATED: return partition_is_under_replicated(r->addr);
	case LED_UNDER_MIN_ISR:
	case IS_UNDER_MIN_ISR:     return leads(r) && isr_spare(r) < 0;
	case LED_AT_MIN_ISR:
	case IS_AT_MIN_ISR:        return leads(r) && isr_spare(r) == 0;
	case IS_OFFLINE:           return __atomic_load_n(&r->addr->is_offline, __ATOMIC_RELAXED);
	case IS_FULL:              return __atomic_load_n(&r->addr->is_full, __ATOMIC_RELAXED);
	case SIZE:                 return __atomic_load_n(&r->addr->size_bytes, __ATOMIC_RELAXED);
	case LED_START:
	case START:                return partition_log_start_offset(r->addr);
	case END:                  return partition_log_end_offset(r->addr);
	case LED_HIGH_WATERMARK:
	case HIGH_WATERMARK:       return partition_high_watermark(r->addr);
	case REPLICAS:             return int32_of(&r->addr->replica_count);
	case IN_SYNC:              return int32_of(&r->addr->isr_count);
	}
	return 0;
}

static void replicas_counted(struct page *p, size_t fact)
{
	int64_t n = 0;

	for (int i = 0; i < p->replica_count; i++)
		n += replica_fact(&p->replicas[i], (enum replica_fact)fact);
	one_i64(p, n);
}

static void replicas_listed(struct page *p, size_t fact)
{
	for (int i = 0; i < p->replica_count; i++) {
		const struct replica *r = &p->replicas[i];

		if (fact >= REPLICAS && !leads(r))
			continue;
		sample_begin(&p->x, "");
		sample_label(&p->x, "topic", r->topic->name);
		sample_label_i32(&p->x, "partition", r->place->id);
		sample_end_i64(&p->x, replica_fact(r, (enum replica_fact)fact));
	}
}

static void replicas_summed(struct page *p, size_t at)
{
	uint64_t sum = 0;

	for (int i = 0; i < p->replica_count; i++)
		sum += number_at(p->replicas[i].addr, at);
	one_u64(p, sum);
}

static void partitions_of_topics(struct page *p, size_t at UNUSED)
{
	for (int i = 0; i < p->replica_count; i++) {
		const struct cluster_topic *t = p->replicas[i].topic;

		if (i > 0 && p->replicas[i - 1].topic == t)
			continue;
		sample_begin(&p->x, "");
		sample_label(&p->x, "topic", t->name);
		sample_end_i64(&p->x, t->partition_count);
	}
}

/* --- log directories --------------------------------------------------------------------------------- */

static void dirs_offline(struct page *p, size_t at UNUSED)
{
	int64_t n = 0;

	for (int i = 0; i < p->w->dir_count; i++)
		n += logdir_is_offline(p->w->dirs[i]);
	one_i64(p, n);
}

static void dirs_listed(struct page *p, size_t at UNUSED)
{
	for (int i = 0; i < p->w->dir_count; i++) {
		sample_begin(&p->x, "");
		sample_label(&p->x, "logdirectory", logdir_path(p->w->dirs[i]));
		sample_end_i64(&p->x, logdir_is_offline(p->w->dirs[i]));
	}
}

static void dirs_room(struct page *p, size_t is_usable)
{
	uint64_t bytes[2];

	for (int i = 0; i < p->w->dir_count; i++) {
		logdir_seen_space(p->w->dirs[i], &bytes[0], &bytes[1]);
		if (bytes[0] == 0 || logdir_is_offline(p->w->dirs[i]))
			continue;
		sample_begin(&p->x, "");
		sample_label(&p->x, "logdirectory", logdir_path(p->w->dirs[i]));
		sample_end_u64(&p->x, bytes[is_usable]);
	}
}

/* --- controller ---------------------------------------------------------------------------------------- */

/* What only the active one counts is zero elsewhere, as in Kafka. */
static void of_controller(struct page *p, size_t at)
{
	one_u64(p, p->cluster.is_controller != 0 ? number_at(&p->cluster, at) : 0);
}

static void session_state(struct page *p, size_t at UNUSED)
{
	static const char *const states[] = { "CONNECTING", "CONNECTED" };

	for (uint64_t i = 0; p->w->session != NULL && i < ARRAY_LEN(states); i++) {
		sample_begin(&p->x, "");
		sample_label(&p->x, "state", states[i]);
		sample_end_u64(&p->x, __atomic_load_n(&p->w->session->is_connected, __ATOMIC_RELAXED) == i);
	}
}

static void of_session(struct page *p, size_t at)
{
	if (p->w->session != NULL)
		one_u64(p, number_at(p->w->session, at));
}

/* --- requests --------------------------------------------------------------------------------------------- */

struct api_sum {
	const struct api_row *row;
	struct net_api_times  times;
	uint64_t              count;
};

static bool api_sum(struct page *p, int key, struct api_sum *out)
{
	out->row = net_row(p->w->net, key);
	if (out->row == NULL)
		return false;
	net_api_times(p->w->net, key, &out->times);
	out->count = 0;
	for (int b = 0; b < NET_TIME_BUCKETS; b++)
		out->count += out->times.buckets[b];
	return out->count > 0;
}

static void api_sample(struct page *p, const char *suffix, const struct api_sum *s)
{
	sample_begin(&p->x, suffix);
	sample_label(&p->x, "request", s->row->name);
}

static void requests(struct page *p, size_t at UNUSED)
{
	struct api_sum s;

	for (int key = 0; key < net_row_count(p->w->net); key++) {
		if (!api_sum(p, key, &s))
			continue;
		api_sample(p, "", &s);
		sample_end_u64(&p->x, s.count);
	}
}

static void api_buckets(struct page *p, const struct api_sum *s)
{
	uint64_t below = 0;
	char bound[24];

	for (int b = 0; b < NET_TIME_BUCKETS; b++) {
		below += s->times.buckets[b];
		if (b < NET_TIME_BUCKETS - 1)
			snprintf(bound, sizeof(bound), "%g", net_time_bounds_us[b] / 1e3);
		else
			strcpy(bound, "+Inf");
		api_sample(p, "_bucket", s);
		sample_label(&p->x, "le", bound);
		sample_end_u64(&p->x, below);
	}
}

/* In milliseconds; the whole time with its buckets. */
static void request_time(struct page *p, size_t at)
{
	struct api_sum s;

	for (int key = 0; key < net_row_count(p->w->net); key++) {
		if (!api_sum(p, key, &s))
			continue;
		if (at == offsetof(struct net_api_times, total_us))
			api_buckets(p, &s);
		api_sample(p, "_sum", &s);
		sample_end_double(&p->x, (double)number_at(&s.times, at) / 1e3);
		api_sample(p, "_count", &s);
		sample_end_u64(&p->x, s.count);
	}
}

static void by_network(struct page *p, size_t at)
{
	for (int i = 0; i < net_network_count(p->w->net); i++) {
		sample_begin(&p->x, "");
		sample_label_i32(&p->x, "network", i);
		sample_end_u64(&p->x, number_at(&network_actor(net_network(p->w->net, i))->counters, at));
	}
}

/* --- actors ---------------------------------------------------------------------------------------------- */

static struct module_sums *module_of(struct page *p, const char *name)
{
	int i = 0;

	while (i < p->module_count && strcmp(p->modules[i].name, name) != 0)
		i++;
	if (i == MODULES_MAX)
		return NULL;
	if (i == p->module_count)
		p->modules[p->module_count++].name = name;
	return &p->modules[i];
}

/* All counters are uint64_t. */
static void add_counters(struct actor_counters *to, const struct actor_counters *more)
{
	for (size_t i = 0; i < sizeof(*to) / sizeof(uint64_t); i++)
		((uint64_t *)to)[i] += __atomic_load_n((const uint64_t *)more + i, __ATOMIC_RELAXED);
}

static void look_at_actor(void *arg, const struct actor *a, uint64_t cpu_ns)
{
	struct page *p = arg;
	struct module_sums *m = module_of(p, a->ops->module);
	uint64_t waiting = (uint64_t)actor_waiting(a);

	if (m == NULL)
		return;
	m->is_many = a->ops->is_many;
	m->actors++;
	m->cpu_ns += cpu_ns;
	m->waiting += waiting;
	m->waiting_max = MAX(m->waiting_max, waiting);
	add_counters(&m->counters, &a->counters);
	if (m->is_many || p->alone_count == ALONE_MAX)
		return;
	struct alone *one = &p->alone[p->alone_count++];
	one->module = m->name;
	one->cpu_ns = cpu_ns;
	memcpy(one->subject, a->log.subject, sizeof(one->subject));
}

static void look_at_actors(struct page *p)
{
	struct sched_ended ended;

	p->alone = mem_calloc(ALONE_MAX, sizeof(*p->alone));
	sched_each(p->w->sched, look_at_actor, p);
	sched_ended(p->w->sched, &ended);
	for (int i = 0; i < p->module_count; i++) {
		if (!p->modules[i].is_many)
			continue;
		p->modules[i].cpu_ns += ended.cpu_ns;	/* there is one such module */
		add_counters(&p->modules[i].counters, &ended.counters);
	}
}

static void by_module(struct page *p, size_t at)
{
	for (int i = 0; i < p->module_count; i++) {
		sample_begin(&p->x, "");
		sample_label(&p->x, "module", p->modules[i].name);
		sample_end_u64(&p->x, number_at(&p->modules[i], at));
	}
}

static void cpu_by_module(struct page *p, size_t at UNUSED)
{
	for (int i = 0; i < p->module_count; i++) {
		sample_begin(&p->x, "");
		sample_label(&p->x, "module", p->modules[i].name);
		sample_end_double(&p->x, (double)p->modules[i].cpu_ns / 1e9);
	}
}

static void cpu_by_actor(struct page *p, size_t at UNUSED)
{
	for (int i = 0; i < p->alone_count; i++) {
		sample_begin(&p->x, "");
		sample_label(&p->x, "module", p->alone[i].module);
		sample_label(&p->x, "actor", p->alone[i].subject);
		sample_end_double(&p->x, (double)p->alone[i].cpu_ns / 1e9);
	}
}

/* --- consumer groups ------------------------------------------------------------------------------------- */

enum lag_fact { LAG_RECORDS, LAG_SECONDS, LAG_COMMITTED };

struct lag_page {
	struct page  *page;
	enum lag_fact fact;
	time_ms       now;
};

static void lag_sample_begin(struct page *p, const struct group_committed_offset *o)
{
	sample_begin(&p->x, "");
	sample_label_bytes(&p->x, "consumergroup", o->group);
	sample_label_bytes(&p->x, "topic", o->topic);
	sample_label_i32(&p->x, "partition", o->partition);
}

/* What is not known is not told. */
static void lag_sample(void *arg, const struct lag_entry *e)
{
	struct lag_page *l = arg;
	struct page *p = l->page;

	if ((l->fact == LAG_RECORDS && e->records < 0) || (l->fact == LAG_SECONDS && e->records != 0 && e->waiting_since < 0))
		return;
	lag_sample_begin(p, e->committed);
	switch (l->fact) {
	case LAG_RECORDS:   sample_end_i64(&p->x, e->records); break;
	case LAG_SECONDS:   sample_end_double(&p->x, e->records == 0 ? 0 : (double)MAX(l->now - e->waiting_since, 0) / 1e3); break;
	case LAG_COMMITTED: sample_end_i64(&p->x, e->committed->offset); break;
	}
}

static void group_lag(struct page *p, size_t fact)
{
	struct lag_page l = { .page = p, .fact = (enum lag_fact)fact, .now = p->w->now };

	if (p->w->lag != NULL)
		lag_each(p->w->lag, lag_sample, &l);
}

static void group_lag_left_out(struct page *p, size_t at UNUSED)
{
	if (p->w->lag != NULL)
		one_i64(p, lag_left_out(p->w->lag));
}

/* --- the table ----------------------------------------------------------------------------------------- */

struct family {
	const char      *name;
	enum metric_type type;
	const char      *mbean;		/* Kafka's; "": ours, or Prometheus's own */
	const char      *help;
	void           (*write)(struct page *p, size_t at);
	size_t           at;
};

#define TOPICS   "kafka.server:type=BrokerTopicMetrics,name="
#define MANAGER  "kafka.server:type=ReplicaManager,name="
#define SESSION  "kafka.server:type=SessionExpireListener,name="
#define CONTROL  "kafka.controller:type=KafkaController,name="
#define TIMING   "kafka.network:type=RequestMetrics,name="

#define NET(field)      offsetof(struct net_counters, field)
#define FETCHERS(field) offsetof(struct fetcher_counters, field)
#define CLUSTER(field)  offsetof(struct cluster_counts, field)
#define TIMES(field)    offsetof(struct net_api_times, field)
#define ACTOR(field)    offsetof(struct actor_counters, field)
#define MODULE(field)   offsetof(struct module_sums, field)

static const struct family families[] = {
	{ "kafka_server_brokertopicmetrics_messagesin", METRIC_COUNTER, TOPICS "MessagesInPerSec",
	  "Records appended for clients; without topic: of all topics.", traffic, NET_MESSAGES_IN },
	{ "kafka_server_brokertopicmetrics_bytesin", METRIC_COUNTER, TOPICS "BytesInPerSec",
	  "Bytes of batches appended for clients.", traffic, NET_BYTES_IN },
	{ "kafka_server_brokertopicmetrics_bytesout", METRIC_COUNTER, TOPICS "BytesOutPerSec",
	  "Bytes of batches given to consumers.", traffic, NET_BYTES_OUT },
	{ "kafka_server_brokertopicmetrics_replicationbytesin", METRIC_COUNTER, TOPICS "ReplicationBytesInPerSec",
	  "Bytes that replicas here fetched from their leaders.", of_fetchers, FETCHERS(bytes) },
	{ "kafka_server_brokertopicmetrics_replicationbytesout", METRIC_COUNTER, TOPICS "ReplicationBytesOutPerSec",
	  "Bytes given to followers; by topic, too, which Java does not tell.", traffic, NET_REPLICATION_BYTES_OUT },
	{ "kafka_server_brokertopicmetrics_totalproducerequests", METRIC_COUNTER, TOPICS "TotalProduceRequestsPerSec",
	  "Partitions named in Produce requests.", of_net, NET_DATA(NET_PRODUCE_REQUESTS) },
	{ "kafka_server_brokertopicmetrics_failedproducerequests", METRIC_COUNTER, TOPICS "FailedProduceRequestsPerSec",
	  "Of these, answered with an error.", of_net, NET_DATA(NET_PRODUCE_FAILED) },
	{ "kafka_server_brokertopicmetrics_totalfetchrequests", METRIC_COUNTER, TOPICS "TotalFetchRequestsPerSec",
	  "Partitions looked at for Fetch requests.", of_net, NET_DATA(NET_FETCH_REQUESTS) },
	{ "kafka_server_brokertopicmetrics_failedfetchrequests", METRIC_COUNTER, TOPICS "FailedFetchRequestsPerSec",
	  "Of these, answered with an error.", of_net, NET_DATA(NET_FETCH_FAILED) },

	{ "kafka_server_replicamanager_partitioncount", METRIC_GAUGE, MANAGER "PartitionCount", "Replicas hosted here.", replicas_counted, IS_ANY },
	{ "kafka_server_replicamanager_leadercount", METRIC_GAUGE, MANAGER "LeaderCount", "Of these, leaders.", replicas_counted, LEADS },
	{ "kafka_server_replicamanager_underreplicatedpartitions", METRIC_GAUGE, MANAGER "UnderReplicatedPartitions",
	  "Partitions led here with a replica out of sync.", replicas_counted, IS_UNDER_REPLICATED },
	{ "kafka_server_replicamanager_underminisrpartitioncount", METRIC_GAUGE, MANAGER "UnderMinIsrPartitionCount",
	  "Partitions led here that refuse acks=all: fewer in sync than min.insync.replicas.", replicas_counted, IS_UNDER_MIN_ISR },
	{ "kafka_server_replicamanager_atminisrpartitioncount", METRIC_GAUGE, MANAGER "AtMinIsrPartitionCount",
	  "Partitions led here that would refuse acks=all after one more failure.", replicas_counted, IS_AT_MIN_ISR },
	{ "kafka_server_replicamanager_offlinereplicacount", METRIC_GAUGE, MANAGER "OfflineReplicaCount",
	  "Replicas here in a log directory that failed.", replicas_counted, IS_OFFLINE },
	{ "kafka_server_replicamanager_isrshrinks", METRIC_COUNTER, MANAGER "IsrShrinksPerSec",
	  "Times that a leader here asked to shrink an in-sync set.", replicas_summed, ADDR(isr_shrinks) },
	{ "kafka_server_replicamanager_isrexpands", METRIC_COUNTER, MANAGER "IsrExpandsPerSec",
	  "Times that a leader here asked to grow an in-sync set.", replicas_summed, ADDR(isr_expands) },
	{ "kafka_server_replicafetchermanager_failedpartitionscount", METRIC_GAUGE, "kafka.server:type=ReplicaFetcherManager,name=FailedPartitionsCount",
	  "Replicas that are not fetched any more until the controller speaks again.", of_fetchers, FETCHERS(failed_partitions) },
	{ "skein_replica_fetch_requests", METRIC_COUNTER, "", "Fetch requests to leaders.", of_fetchers, FETCHERS(requests) },
	{ "skein_replica_fetch_errors", METRIC_COUNTER, "", "Errors met while fetching from leaders.", of_fetchers, FETCHERS(errors) },

	{ "kafka_cluster_partition_underreplicated", METRIC_GAUGE, "kafka.cluster:type=Partition,name=UnderReplicated",
	  "1 where a replica of a partition led here is out of sync.", replicas_listed, LED_UNDER_REPLICATED },
	{ "kafka_cluster_partition_replicascount", METRIC_GAUGE, "kafka.cluster:type=Partition,name=ReplicasCount",
	  "Replicas of a partition led here.", replicas_listed, REPLICAS },
	{ "kafka_cluster_partition_insyncreplicascount", METRIC_GAUGE, "kafka.cluster:type=Partition,name=InSyncReplicasCount",
	  "Of these, in sync.", replicas_listed, IN_SYNC },
	{ "kafka_cluster_partition_underminisr", METRIC_GAUGE, "kafka.cluster:type=Partition,name=UnderMinIsr",
	  "1 where a partition led here refuses acks=all.", replicas_listed, LED_UNDER_MIN_ISR },
	{ "kafka_cluster_partition_atminisr", METRIC_GAUGE, "kafka.cluster:type=Partition,name=AtMinIsr",
	  "1 where it would after one more failure.", replicas_listed, LED_AT_MIN_ISR },
	{ "kafka_topic_partitions", METRIC_GAUGE, "", "Partitions of a topic of which one is here; named as by the usual exporter, as the next two.", partitions_of_topics, 0 },
	{ "kafka_topic_partition_current_offset", METRIC_GAUGE, "", "Up to where the records of a partition led here can be consumed.", replicas_listed, LED_HIGH_WATERMARK },
	{ "kafka_topic_partition_oldest_offset", METRIC_GAUGE, "", "From where.", replicas_listed, LED_START },
	{ "kafka_log_log_size", METRIC_GAUGE, "kafka.log:type=Log,name=Size", "Bytes of a replica's segments.", replicas_listed, SIZE },
	{ "kafka_log_log_logstartoffset", METRIC_GAUGE, "kafka.log:type=Log,name=LogStartOffset", "First offset of a replica.", replicas_listed, START },
	{ "kafka_log_log_logendoffset", METRIC_GAUGE, "kafka.log:type=Log,name=LogEndOffset", "The next offset of a replica.", replicas_listed, END },
	{ "skein_log_high_watermark", METRIC_GAUGE, "", "Up to where a replica's records are committed, as it knows.", replicas_listed, HIGH_WATERMARK },
	{ "kafka_log_logmanager_offlinelogdirectorycount", METRIC_GAUGE, "kafka.log:type=LogManager,name=OfflineLogDirectoryCount",
	  "Log directories that failed.", dirs_offline, 0 },
	{ "kafka_log_logmanager_logdirectoryoffline", METRIC_GAUGE, "kafka.log:type=LogManager,name=LogDirectoryOffline",
	  "1 where a log directory failed.", dirs_listed, 0 },
	{ "skein_logdirectory_total_bytes", METRIC_GAUGE, "", "Bytes of the file system a log directory is on; looked at every ten seconds, and not while it is offline.", dirs_room, false },
	{ "skein_logdirectory_usable_bytes", METRIC_GAUGE, "", "Of these, what this process may still fill.", dirs_room, true },
	{ "skein_replicas_without_room", METRIC_GAUGE, "", "Replicas whose last append was refused for want of room: until one succeeds.", replicas_counted, IS_FULL },

	{ "kafka_controller_kafkacontroller_activecontrollercount", METRIC_GAUGE, CONTROL "ActiveControllerCount",
	  "1 on the cluster's controller.", of_controller, CLUSTER(is_controller) },
	{ "kafka_controller_kafkacontroller_offlinepartitionscount", METRIC_GAUGE, CONTROL "OfflinePartitionsCount",
	  "Partitions of the cluster without a leader.", of_controller, CLUSTER(offline_partitions) },
	{ "kafka_controller_kafkacontroller_preferredreplicaimbalancecount", METRIC_GAUGE, CONTROL "PreferredReplicaImbalanceCount",
	  "Partitions whose leader is not their preferred one.", of_controller, CLUSTER(not_preferred) },
	{ "kafka_controller_kafkacontroller_globaltopiccount", METRIC_GAUGE, CONTROL "GlobalTopicCount", "Topics of the cluster.", of_controller, CLUSTER(topics) },
	{ "kafka_controller_kafkacontroller_globalpartitioncount", METRIC_GAUGE, CONTROL "GlobalPartitionCount",
	  "Partitions of the cluster.", of_controller, CLUSTER(partitions) },
	{ "kafka_controller_kafkacontroller_activebrokercount", METRIC_GAUGE, CONTROL "ActiveBrokerCount", "Brokers that are registered.", of_controller, CLUSTER(brokers) },

	{ "kafka_controller_controllerstats_uncleanleaderelections", METRIC_COUNTER, "kafka.controller:type=ControllerStats,name=UncleanLeaderElectionsPerSec",
	  "Elections in which records may have been lost, by this broker as controller.", page_one_event, EV_unclean_election },

	{ "kafka_server_sessionexpirelistener_sessionstate", METRIC_GAUGE, SESSION "SessionState",
	  "1 for the state of the session with ZooKeeper, 0 for the other; Java's is a text. Not of a broker alone, as the next three.", session_state, 0 },
	{ "kafka_server_sessionexpirelistener_zookeepersyncconnects", METRIC_COUNTER, SESSION "ZooKeeperSyncConnectsPerSec",
	  "Times that it was connected.", of_session, offsetof(struct store_session, connects) },
	{ "kafka_server_sessionexpirelistener_zookeeperdisconnects", METRIC_COUNTER, SESSION "ZooKeeperDisconnectsPerSec",
	  "Times that the connection was lost.", of_session, offsetof(struct store_session, disconnects) },
	{ "kafka_server_sessionexpirelistener_zookeeperexpires", METRIC_COUNTER, SESSION "ZooKeeperExpiresPerSec",
	  "Times that the session ended without us.", of_session, offsetof(struct store_session, expires) },

	{ "kafka_network_requestmetrics_requests", METRIC_COUNTER, TIMING "RequestsPerSec", "Requests that were answered.", requests, 0 },
	{ "kafka_network_requestmetrics_totaltimems", METRIC_HISTOGRAM, TIMING "TotalTimeMs",
	  "Milliseconds from a request's last byte to its answer's last byte.", request_time, TIMES(total_us) },
	{ "kafka_network_requestmetrics_requestqueuetimems", METRIC_SUMMARY, TIMING "RequestQueueTimeMs",
	  "Of these, until its handler began.", request_time, TIMES(queue_us) },
	{ "kafka_network_requestmetrics_localtimems", METRIC_SUMMARY, TIMING "LocalTimeMs",
	  "Of these, until the answer was there: Java's LocalTimeMs and RemoteTimeMs together.", request_time, TIMES(local_us) },
	{ "kafka_network_requestmetrics_responsesendtimems", METRIC_SUMMARY, TIMING "ResponseSendTimeMs",
	  "Of these, until it was sent: Java's ResponseQueueTimeMs and ResponseSendTimeMs together.", request_time, TIMES(send_us) },
	{ "kafka_server_socket_server_metrics_connection_count", METRIC_GAUGE, "kafka.server:type=socket-server-metrics,name=connection-count",
	  "Connections of clients and brokers.", of_net, NET(connections_open) },
	{ "skein_connections_accepted", METRIC_COUNTER, "", "Connections that came.", of_net, NET(connections_accepted) },
	{ "skein_connections_refused", METRIC_COUNTER, "", "Closed at once for max.connections.per.ip.", of_net, NET(refused) },
	{ "skein_connections_idle_closed", METRIC_COUNTER, "", "Closed for connections.max.idle.ms.", of_net, NET(idle_closed) },
	{ "skein_bad_requests", METRIC_COUNTER, "", "Connections closed for what they sent.", of_net, NET(bad_requests) },
	{ "skein_network_bytes_in", METRIC_COUNTER, "", "Bytes read from connections.", of_net, NET(bytes_in) },
	{ "skein_network_bytes_out", METRIC_COUNTER, "", "Bytes written to connections.", of_net, NET(bytes_out) },
	{ "skein_network_asks_delayed", METRIC_COUNTER, "", "Questions that found their lane full and waited.", of_net, NET(asks_delayed) },
	{ "skein_actor_steps", METRIC_COUNTER, "", "Turns of a network actor.", by_network, ACTOR(steps) },
	{ "skein_actor_sleeps", METRIC_COUNTER, "", "Times that a network actor slept.", by_network, ACTOR(sleeps) },
	{ "skein_actor_wakes_sent", METRIC_COUNTER, "", "Sleepers that a network actor woke, by a system call each.", by_network, ACTOR(wakes_sent) },
	{ "skein_actor_lane_full", METRIC_COUNTER, "", "Questions of a network actor that were declined for want of room.", by_network, ACTOR(lane_full) },

	{ "skein_module_actors", METRIC_GAUGE, "", "Actors of a module: each has a thread.", by_module, MODULE(actors) },
	{ "skein_module_questions", METRIC_COUNTER, "", "Questions that they took.", by_module, MODULE(counters.questions) },
	{ "skein_module_wakes_sent", METRIC_COUNTER, "", "Sleepers that they woke, by a system call each. The sum over modules by that of requests: wakes per request.",
	  by_module, MODULE(counters.wakes_sent) },
	{ "skein_module_turns_lent", METRIC_COUNTER, "", "Times that who would have woken one of them ran its steps instead.", by_module, MODULE(counters.turns_lent) },
	{ "skein_module_questions_waiting", METRIC_GAUGE, "", "Questions in their rings now.", by_module, MODULE(waiting) },
	{ "skein_module_questions_waiting_max", METRIC_GAUGE, "", "In those of the one that has most; a ring that is full, at 255, makes askers wait.", by_module, MODULE(waiting_max) },
	{ "skein_module_cpu_seconds", METRIC_COUNTER, "", "CPU of their threads; a turn that was lent counts where it was run.", cpu_by_module, 0 },
	{ "skein_actor_cpu_seconds", METRIC_COUNTER, "", "The same of each actor, but partitions.", cpu_by_actor, 0 },
	{ "kafka_log_logflushstats_logflushrateandtimems", METRIC_HISTOGRAM, "kafka.log:type=LogFlushStats,name=LogFlushRateAndTimeMs",
	  "Milliseconds that a sync took, of segments and of all other files.", page_sync_times, 0 },
	{ "skein_sync_oldest_seconds", METRIC_GAUGE, "", "For how long the oldest sync under way has not returned; 0: there is none.", page_oldest_sync, 0 },
	{ "skein_job_oldest_seconds", METRIC_GAUGE, "", "The same of what workers do (syncs, checkpoints, looks into a log), but what may last.", page_oldest_job, 0 },
	{ "skein_jobs_stuck", METRIC_GAUGE, "", "Jobs that do not come back: job_stuck in the log names who waits for them.", page_stuck_jobs, 0 },

	{ "kafka_consumergroup_current_offset", METRIC_GAUGE, "", "Offset that a group coordinated here has committed; named as by the usual exporter of group lag.", group_lag, LAG_COMMITTED },
	{ "kafka_consumergroup_lag", METRIC_GAUGE, "", "Records behind it, of partitions with a replica here.", group_lag, LAG_RECORDS },
	{ "kafka_consumergroup_lag_seconds", METRIC_GAUGE, "", "For how long the first of them has been waiting, by its batch's timestamp; 0 without lag.", group_lag, LAG_SECONDS },
	{ "skein_consumergroup_lag_left_out", METRIC_GAUGE, "", "Offsets of groups that are not shown, for group.lag.metrics.max.", group_lag_left_out, 0 },

	{ "kafka_server_kafkaserver_brokerstate", METRIC_GAUGE, "kafka.server:type=KafkaServer,name=BrokerState",
	  "1 while it starts, 3 while it serves.", page_broker_state, 0 },
	{ "kafka_server_kafkaserver_linux_disk_read_bytes", METRIC_GAUGE, "kafka.server:type=KafkaServer,name=linux-disk-read-bytes",
	  "Bytes that devices read for the process.", page_disk_bytes, false },
	{ "kafka_server_kafkaserver_linux_disk_write_bytes", METRIC_GAUGE, "kafka.server:type=KafkaServer,name=linux-disk-write-bytes",
	  "Bytes that devices wrote for it.", page_disk_bytes, true },
	{ "skein_actors_stuck", METRIC_GAUGE, "", "Actors that do not go on: actor_stuck in the log names them.", page_stuck_actors, 0 },
	{ "skein_calls_refused", METRIC_COUNTER, "", "System calls that the sandbox refused.", page_calls_refused, 0 },
	{ "skein_log_events", METRIC_COUNTER, "", "Events of the log, also those counted as repeats; docs/EVENTS.md tells of each. Of level INFO only those that have happened.", page_log_events, 0 },
	{ "process_open_fds", METRIC_GAUGE, "", "Open descriptors.", page_open_files, 0 },
	{ "process_max_fds", METRIC_GAUGE, "", "How many there may be.", page_max_files, 0 },
	{ "skein_build_info", METRIC_GAUGE, "", "1; the version is its label.", page_build_info, 0 },
	{ "skein_cluster_info", METRIC_GAUGE, "", "1; what cluster this is, and who in it: for sums over a cluster's brokers.", page_cluster_info, 0 },
	{ "process_cpu_seconds", METRIC_COUNTER, "", "CPU time of the process, user and system.", page_cpu_seconds, 0 },
	{ "process_resident_memory_bytes", METRIC_GAUGE, "", "Resident memory of the process.", page_resident_bytes, 0 },
	{ "process_start_time_seconds", METRIC_GAUGE, "", "When the process began, since 1970.", page_start_seconds, 0 },
};

/* --- the page ------------------------------------------------------------------------------------------- */

static void look_at_topic(void *arg, const struct cluster_topic *t)
{
	struct page *p = arg;

	for (int32_t i = 0; i < t->partition_count; i++) {
		const struct cluster_partition *place = &t->partitions[i];

		p->cluster.partitions++;
		p->cluster.offline_partitions += place->leader == -1;
		p->cluster.not_preferred += place->replica_count > 0 && place->leader != place->replicas[0];
		if (place->local == NULL)
			continue;
		if (p->replica_count == p->replica_room) {
			p->replica_room = MAX(64, p->replica_room * 2);
			p->replicas = mem_realloc_array(p->replicas, (size_t)p->replica_room, sizeof(*p->replicas));
		}
		p->replicas[p->replica_count++] = (struct replica){ t, place, CONTAINER_OF(place->local, struct partition_addr, counted) };
	}
}

static void look_at_cluster(struct page *p, const struct cluster *c)
{
	p->cluster.is_controller = c->controller_id == c->broker_id;
	p->cluster.topics = (uint64_t)c->topic_count;
	p->cluster.brokers = (uint64_t)c->broker_count;
	cluster_each_topic(c, look_at_topic, p);
}

void metrics_write(struct strbuf *out, const struct metrics_world *w, bool is_open_metrics)
{
	struct page p = { .x = { .out = out, .is_open_metrics = is_open_metrics }, .w = w };

	net_counters(w->net, &p.net);
	if (w->fetchers != NULL)
		fetchers_counters(w->fetchers, &p.fetchers);
	if (w->picture != NULL)
		look_at_cluster(&p, w->picture);
	look_at_actors(&p);
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		exposition_family(&p.x, families[i].name, families[i].type, families[i].help);
		families[i].write(&p, families[i].at);
	}
	exposition_end(&p.x);
	free(p.replicas);
	free(p.alone);
}

struct roomless {
	const struct logdir *dir;
	bool                 found;
};

static void look_for_roomless(void *arg, const struct cluster_topic *t)
{
	struct roomless *r = arg;

	for (int32_t i = 0; i < t->partition_count && !r->found; i++) {
		const struct counted *local = t->partitions[i].local;
		const struct partition_addr *a = local != NULL ? CONTAINER_OF(local, struct partition_addr, counted) : NULL;

		r->found = a != NULL && __atomic_load_n(&a->is_full, __ATOMIC_RELAXED) && partition_dir(a) == r->dir;
	}
}

bool metrics_has_replica_without_room(const struct cluster *picture, const struct logdir *dir)
{
	struct roomless r = { .dir = dir };

	cluster_each_topic(picture, look_for_roomless, &r);
	return r.found;
}

void metrics_describe(struct strbuf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		const struct family *f = &families[i];

		strbuf_printf(out, "| `%s%s` | %s | %s%s%s | %s |\n", f->name, f->type == METRIC_COUNTER ? "_total" : "", metric_type_name(f->type),
		              f->mbean[0] != 0 ? "`" : "", f->mbean, f->mbean[0] != 0 ? "`" : "", f->help);
	}
}
