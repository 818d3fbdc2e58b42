/*
 * The families: one row each in a table at the end, and one function each that writes its samples.
 */
#include "http/metrics.h"

#include <stdio.h>
#include <stdlib.h>

#include "http/exposition.h"
#include "os/process.h"

struct replica {			/* a replica hosted here */
	const struct cluster_topic     *topic;
	const struct cluster_partition *place;
	const struct partition_addr    *addr;
};

struct page {
	struct exposition           x;
	const struct metrics_world *w;
	struct net_counters         net;
	struct fetcher_counters     fetchers;
	struct replica             *replicas;	/* grouped by topic */
	int                         replica_count, replica_room;
	/* of the whole cluster, by the picture */
	int64_t                     partitions, offline_partitions, not_preferred;
};

static uint64_t now_u64(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/* --- samples without labels ---------------------------------------------------------------------- */

static void one_u64(struct page *p, uint64_t value)
{
	sample_begin(&p->x, "");
	sample_end_u64(&p->x, value);
}

static void one_i64(struct page *p, int64_t value)
{
	sample_begin(&p->x, "");
	sample_end_i64(&p->x, value);
}

/* --- topics ------------------------------------------------------------------------------------------ */

static void by_topic(struct page *p, uint64_t all, size_t field)
{
	one_u64(p, all);
	for (int i = 0, next; i < p->replica_count; i = next) {
		const struct cluster_topic *t = p->replicas[i].topic;
		uint64_t sum = 0;

		for (next = i; next < p->replica_count && p->replicas[next].topic == t; next++)
			sum += now_u64((const uint64_t *)((const char *)p->replicas[next].addr + field));
		sample_begin(&p->x, "");
		sample_label(&p->x, "topic", t->name);
		sample_end_u64(&p->x, sum);
	}
}

static void messages_in(struct page *p)
{
	by_topic(p, p->net.data[NET_MESSAGES_IN], offsetof(struct partition_addr, records_in));
}

static void bytes_in(struct page *p)
{
	by_topic(p, p->net.data[NET_BYTES_IN], offsetof(struct partition_addr, bytes_in));
}

static void bytes_out(struct page *p)
{
	by_topic(p, p->net.data[NET_BYTES_OUT], offsetof(struct partition_addr, bytes_out));
}

static void replication_bytes_out(struct page *p)
{
	by_topic(p, p->net.data[NET_REPLICATION_BYTES_OUT], offsetof(struct partition_addr, replication_bytes_out));
}

static void replication_bytes_in(struct page *p) { one_u64(p, p->fetchers.bytes); }
static void produce_requests(struct page *p)     { one_u64(p, p->net.data[NET_PRODUCE_REQUESTS]); }
static void produce_failed(struct page *p)       { one_u64(p, p->net.data[NET_PRODUCE_FAILED]); }
static void fetch_requests(struct page *p)       { one_u64(p, p->net.data[NET_FETCH_REQUESTS]); }
static void fetch_failed(struct page *p)         { one_u64(p, p->net.data[NET_FETCH_FAILED]); }

/* --- replicas ------------------------------------------------------------------------------------- */

static void count_replicas(struct page *p, bool (*counts)(const struct replica *r))
{
	int64_t n = 0;

	for (int i = 0; i < p->replica_count; i++)
		n += counts(&p->replicas[i]);
	one_i64(p, n);
}

static bool is_any(const struct replica *r UNUSED)
{
	return true;
}

static bool leads(const struct replica *r)
{
	return partition_is_leader(r->addr);
}

static bool is_under_replicated(const struct replica *r)
{
	return partition_is_under_replicated(r->addr);
}

/* In the in-sync set, as its leader sees it, beyond the least that acks=all wants. */
static int32_t isr_spare(const struct replica *r)
{
	return __atomic_load_n(&r->addr->isr_count, __ATOMIC_RELAXED) - r->topic->config.min_insync_replicas;
}

static bool is_under_min_isr(const struct replica *r)
{
	return leads(r) && isr_spare(r) < 0;
}

static bool is_at_min_isr(const struct replica *r)
{
	return leads(r) && isr_spare(r) == 0;
}

static bool is_offline(const struct replica *r)
{
	return __atomic_load_n(&r->addr->is_offline, __ATOMIC_RELAXED);
}

static void partition_count(struct page *p)        { count_replicas(p, is_any); }
static void leader_count(struct page *p)           { count_replicas(p, leads); }
static void under_replicated(struct page *p)       { count_replicas(p, is_under_replicated); }
static void under_min_isr(struct page *p)          { count_replicas(p, is_under_min_isr); }
static void at_min_isr(struct page *p)             { count_replicas(p, is_at_min_isr); }
static void offline_replicas(struct page *p)       { count_replicas(p, is_offline); }

static void isr_changes(struct page *p, size_t field)
{
	uint64_t sum = 0;

	for (int i = 0; i < p->replica_count; i++)
		sum += now_u64((const uint64_t *)((const char *)p->replicas[i].addr + field));
	one_u64(p, sum);
}

static void isr_shrinks(struct page *p) { isr_changes(p, offsetof(struct partition_addr, isr_shrinks)); }
static void isr_expands(struct page *p) { isr_changes(p, offsetof(struct partition_addr, isr_expands)); }

static void each_replica(struct page *p, bool only_led, int64_t (*value)(const struct replica *r))
{
	for (int i = 0; i < p->replica_count; i++) {
		const struct replica *r = &p->replicas[i];

		if (only_led && !leads(r))
			continue;
		sample_begin(&p->x, "");
		sample_label(&p->x, "topic", r->topic->name);
		sample_label_i32(&p->x, "partition", r->place->id);
		sample_end_i64(&p->x, value(r));
	}
}

static int64_t size_of(const struct replica *r)       { return __atomic_load_n(&r->addr->size_bytes, __ATOMIC_RELAXED); }
static int64_t start_of(const struct replica *r)      { return partition_log_start_offset(r->addr); }
static int64_t end_of(const struct replica *r)        { return partition_log_end_offset(r->addr); }
static int64_t watermark_of(const struct replica *r)  { return partition_high_watermark(r->addr); }
static int64_t lacks_replicas(const struct replica *r) { return is_under_replicated(r); }
static int64_t replicas_of(const struct replica *r)   { return __atomic_load_n(&r->addr->replica_count, __ATOMIC_RELAXED); }
static int64_t isr_of(const struct replica *r)        { return __atomic_load_n(&r->addr->isr_count, __ATOMIC_RELAXED); }

static void log_size(struct page *p)            { each_replica(p, false, size_of); }
static void log_start(struct page *p)           { each_replica(p, false, start_of); }
static void log_end(struct page *p)             { each_replica(p, false, end_of); }
static void high_watermark(struct page *p)      { each_replica(p, false, watermark_of); }
static void partition_lacks(struct page *p)     { each_replica(p, true, lacks_replicas); }
static void partition_replicas(struct page *p)  { each_replica(p, true, replicas_of); }
static void partition_isr(struct page *p)       { each_replica(p, true, isr_of); }

static void failed_partitions(struct page *p)   { one_u64(p, p->fetchers.failed_partitions); }
static void fetcher_requests(struct page *p)    { one_u64(p, p->fetchers.requests); }
static void fetcher_errors(struct page *p)      { one_u64(p, p->fetchers.errors); }

/* --- log directories --------------------------------------------------------------------------------- */

static void dirs_offline(struct page *p)
{
	int64_t n = 0;

	for (int i = 0; i < p->w->dir_count; i++)
		n += logdir_is_offline(p->w->dirs[i]);
	one_i64(p, n);
}

static void dir_offline(struct page *p)
{
	for (int i = 0; i < p->w->dir_count; i++) {
		sample_begin(&p->x, "");
		sample_label(&p->x, "logdirectory", logdir_path(p->w->dirs[i]));
		sample_end_i64(&p->x, logdir_is_offline(p->w->dirs[i]));
	}
}

/* --- controller: what only the active one counts is zero elsewhere, as in Kafka ------------------------- */

static bool is_controller(const struct page *p)
{
	return p->w->picture != NULL && p->w->picture->controller_id == p->w->picture->broker_id;
}

static void if_controller(struct page *p, int64_t value)
{
	one_i64(p, is_controller(p) ? value : 0);
}

static void active_controller(struct page *p)  { one_i64(p, is_controller(p)); }
static void offline_partitions(struct page *p) { if_controller(p, p->offline_partitions); }
static void not_preferred(struct page *p)      { if_controller(p, p->not_preferred); }
static void all_partitions(struct page *p)     { if_controller(p, p->partitions); }
static void all_topics(struct page *p)         { if_controller(p, p->w->picture != NULL ? p->w->picture->topic_count : 0); }
static void active_brokers(struct page *p)     { if_controller(p, p->w->picture != NULL ? p->w->picture->broker_count : 0); }

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

static void requests(struct page *p)
{
	struct api_sum s;

	for (int key = 0; key < net_row_count(p->w->net); key++) {
		if (!api_sum(p, key, &s))
			continue;
		sample_begin(&p->x, "");
		sample_label(&p->x, "request", s.row->name);
		sample_end_u64(&p->x, s.count);
	}
}

static void api_label(struct page *p, const char *suffix, const struct api_sum *s)
{
	sample_begin(&p->x, suffix);
	sample_label(&p->x, "request", s->row->name);
}

static void sum_and_count(struct page *p, const struct api_sum *s, uint64_t sum_us)
{
	api_label(p, "_sum", s);
	sample_end_double(&p->x, (double)sum_us / 1e3);
	api_label(p, "_count", s);
	sample_end_u64(&p->x, s->count);
}

static void total_time(struct page *p)
{
	struct api_sum s;
	char bound[24];

	for (int key = 0; key < net_row_count(p->w->net); key++) {
		uint64_t below = 0;

		if (!api_sum(p, key, &s))
			continue;
		for (int b = 0; b < NET_TIME_BUCKETS; b++) {
			below += s.times.buckets[b];
			if (b < NET_TIME_BUCKETS - 1)
				snprintf(bound, sizeof(bound), "%g", net_time_bounds_us[b] / 1e3);
			api_label(p, "_bucket", &s);
			sample_label(&p->x, "le", b < NET_TIME_BUCKETS - 1 ? bound : "+Inf");
			sample_end_u64(&p->x, below);
		}
		sum_and_count(p, &s, s.times.total_us);
	}
}

static void time_part(struct page *p, size_t field)
{
	struct api_sum s;

	for (int key = 0; key < net_row_count(p->w->net); key++)
		if (api_sum(p, key, &s))
			sum_and_count(p, &s, *(const uint64_t *)((const char *)&s.times + field));
}

static void queue_time(struct page *p) { time_part(p, offsetof(struct net_api_times, queue_us)); }
static void local_time(struct page *p) { time_part(p, offsetof(struct net_api_times, local_us)); }
static void send_time(struct page *p)  { time_part(p, offsetof(struct net_api_times, send_us)); }

/* --- network ------------------------------------------------------------------------------------------- */

static void connections(struct page *p)          { one_u64(p, p->net.connections_open); }
static void connections_accepted(struct page *p) { one_u64(p, p->net.connections_accepted); }
static void connections_refused(struct page *p)  { one_u64(p, p->net.refused); }
static void connections_idle(struct page *p)     { one_u64(p, p->net.idle_closed); }
static void bad_requests(struct page *p)         { one_u64(p, p->net.bad_requests); }
static void net_bytes_in(struct page *p)         { one_u64(p, p->net.bytes_in); }
static void net_bytes_out(struct page *p)        { one_u64(p, p->net.bytes_out); }
static void asks_delayed(struct page *p)         { one_u64(p, p->net.asks_delayed); }

static void by_network(struct page *p, size_t field)
{
	for (int i = 0; i < net_network_count(p->w->net); i++) {
		const struct actor_counters *c = &network_actor(net_network(p->w->net, i))->counters;

		sample_begin(&p->x, "");
		sample_label_i32(&p->x, "network", i);
		sample_end_u64(&p->x, now_u64((const uint64_t *)((const char *)c + field)));
	}
}

static void actor_steps(struct page *p)  { by_network(p, offsetof(struct actor_counters, steps)); }
static void actor_sleeps(struct page *p) { by_network(p, offsetof(struct actor_counters, sleeps)); }
static void actor_wakes(struct page *p)  { by_network(p, offsetof(struct actor_counters, wakes_sent)); }
static void actor_full(struct page *p)   { by_network(p, offsetof(struct actor_counters, lane_full)); }

/* --- process --------------------------------------------------------------------------------------------- */

/* Kafka's numbers: 1 starting, 3 serving. */
static void broker_state(struct page *p) { one_i64(p, p->w->is_serving ? 3 : 1); }

static void build_info(struct page *p)
{
	sample_begin(&p->x, "");
	sample_label(&p->x, "version", p->w->version);
	sample_end_i64(&p->x, 1);
}

static void cpu_seconds(struct page *p)
{
	sample_begin(&p->x, "");
	sample_end_double(&p->x, (double)process_cpu_ns() / 1e9);
}

static void resident_bytes(struct page *p) { one_u64(p, process_resident_bytes()); }

static void start_seconds(struct page *p)
{
	sample_begin(&p->x, "");
	sample_end_double(&p->x, (double)p->w->started / 1e3);
}

/* --- the table ----------------------------------------------------------------------------------------- */

struct family {
	const char      *name;
	enum metric_type type;
	const char      *mbean;		/* Kafka's; "": ours, or Prometheus's own */
	const char      *help;
	void           (*write)(struct page *p);
};

#define TOPICS   "kafka.server:type=BrokerTopicMetrics,name="
#define REPLICAS "kafka.server:type=ReplicaManager,name="
#define CONTROL  "kafka.controller:type=KafkaController,name="
#define REQUESTS "kafka.network:type=RequestMetrics,name="

static const struct family families[] = {
	{ "kafka_server_brokertopicmetrics_messagesin", METRIC_COUNTER, TOPICS "MessagesInPerSec",
	  "Records appended for clients; without topic: of all topics.", messages_in },
	{ "kafka_server_brokertopicmetrics_bytesin", METRIC_COUNTER, TOPICS "BytesInPerSec",
	  "Bytes of batches appended for clients.", bytes_in },
	{ "kafka_server_brokertopicmetrics_bytesout", METRIC_COUNTER, TOPICS "BytesOutPerSec",
	  "Bytes of batches given to consumers.", bytes_out },
	{ "kafka_server_brokertopicmetrics_replicationbytesin", METRIC_COUNTER, TOPICS "ReplicationBytesInPerSec",
	  "Bytes that replicas here fetched from their leaders.", replication_bytes_in },
	{ "kafka_server_brokertopicmetrics_replicationbytesout", METRIC_COUNTER, TOPICS "ReplicationBytesOutPerSec",
	  "Bytes given to followers; by topic, too, which Java does not tell.", replication_bytes_out },
	{ "kafka_server_brokertopicmetrics_totalproducerequests", METRIC_COUNTER, TOPICS "TotalProduceRequestsPerSec",
	  "Partitions named in Produce requests.", produce_requests },
	{ "kafka_server_brokertopicmetrics_failedproducerequests", METRIC_COUNTER, TOPICS "FailedProduceRequestsPerSec",
	  "Of these, answered with an error.", produce_failed },
	{ "kafka_server_brokertopicmetrics_totalfetchrequests", METRIC_COUNTER, TOPICS "TotalFetchRequestsPerSec",
	  "Partitions looked at for Fetch requests.", fetch_requests },
	{ "kafka_server_brokertopicmetrics_failedfetchrequests", METRIC_COUNTER, TOPICS "FailedFetchRequestsPerSec",
	  "Of these, answered with an error.", fetch_failed },

	{ "kafka_server_replicamanager_partitioncount", METRIC_GAUGE, REPLICAS "PartitionCount", "Replicas hosted here.", partition_count },
	{ "kafka_server_replicamanager_leadercount", METRIC_GAUGE, REPLICAS "LeaderCount", "Of these, leaders.", leader_count },
	{ "kafka_server_replicamanager_underreplicatedpartitions", METRIC_GAUGE, REPLICAS "UnderReplicatedPartitions",
	  "Partitions led here with a replica out of sync.", under_replicated },
	{ "kafka_server_replicamanager_underminisrpartitioncount", METRIC_GAUGE, REPLICAS "UnderMinIsrPartitionCount",
	  "Partitions led here that refuse acks=all: fewer in sync than min.insync.replicas.", under_min_isr },
	{ "kafka_server_replicamanager_atminisrpartitioncount", METRIC_GAUGE, REPLICAS "AtMinIsrPartitionCount",
	  "Partitions led here that would refuse acks=all after one more failure.", at_min_isr },
	{ "kafka_server_replicamanager_offlinereplicacount", METRIC_GAUGE, REPLICAS "OfflineReplicaCount",
	  "Replicas here in a log directory that failed.", offline_replicas },
	{ "kafka_server_replicamanager_isrshrinks", METRIC_COUNTER, REPLICAS "IsrShrinksPerSec",
	  "Times that a leader here asked to shrink an in-sync set.", isr_shrinks },
	{ "kafka_server_replicamanager_isrexpands", METRIC_COUNTER, REPLICAS "IsrExpandsPerSec",
	  "Times that a leader here asked to grow an in-sync set.", isr_expands },
	{ "kafka_server_replicafetchermanager_failedpartitionscount", METRIC_GAUGE, "kafka.server:type=ReplicaFetcherManager,name=FailedPartitionsCount",
	  "Replicas that are not fetched any more until the controller speaks again.", failed_partitions },
	{ "skein_replica_fetch_requests", METRIC_COUNTER, "", "Fetch requests to leaders.", fetcher_requests },
	{ "skein_replica_fetch_errors", METRIC_COUNTER, "", "Errors met while fetching from leaders.", fetcher_errors },

	{ "kafka_cluster_partition_underreplicated", METRIC_GAUGE, "kafka.cluster:type=Partition,name=UnderReplicated",
	  "1 where a replica of a partition led here is out of sync.", partition_lacks },
	{ "kafka_cluster_partition_replicascount", METRIC_GAUGE, "kafka.cluster:type=Partition,name=ReplicasCount",
	  "Replicas of a partition led here.", partition_replicas },
	{ "kafka_cluster_partition_insyncreplicascount", METRIC_GAUGE, "kafka.cluster:type=Partition,name=InSyncReplicasCount",
	  "Of these, in sync.", partition_isr },
	{ "kafka_log_log_size", METRIC_GAUGE, "kafka.log:type=Log,name=Size", "Bytes of a replica's segments.", log_size },
	{ "kafka_log_log_logstartoffset", METRIC_GAUGE, "kafka.log:type=Log,name=LogStartOffset", "First offset of a replica.", log_start },
	{ "kafka_log_log_logendoffset", METRIC_GAUGE, "kafka.log:type=Log,name=LogEndOffset", "The next offset of a replica.", log_end },
	{ "skein_log_high_watermark", METRIC_GAUGE, "", "Up to where a replica's records are committed, as it knows.", high_watermark },
	{ "kafka_log_logmanager_offlinelogdirectorycount", METRIC_GAUGE, "kafka.log:type=LogManager,name=OfflineLogDirectoryCount",
	  "Log directories that failed.", dirs_offline },
	{ "kafka_log_logmanager_logdirectoryoffline", METRIC_GAUGE, "kafka.log:type=LogManager,name=LogDirectoryOffline",
	  "1 where a log directory failed.", dir_offline },

	{ "kafka_controller_kafkacontroller_activecontrollercount", METRIC_GAUGE, CONTROL "ActiveControllerCount",
	  "1 on the cluster's controller.", active_controller },
	{ "kafka_controller_kafkacontroller_offlinepartitionscount", METRIC_GAUGE, CONTROL "OfflinePartitionsCount",
	  "Partitions of the cluster without a leader.", offline_partitions },
	{ "kafka_controller_kafkacontroller_preferredreplicaimbalancecount", METRIC_GAUGE, CONTROL "PreferredReplicaImbalanceCount",
	  "Partitions whose leader is not their preferred one.", not_preferred },
	{ "kafka_controller_kafkacontroller_globaltopiccount", METRIC_GAUGE, CONTROL "GlobalTopicCount", "Topics of the cluster.", all_topics },
	{ "kafka_controller_kafkacontroller_globalpartitioncount", METRIC_GAUGE, CONTROL "GlobalPartitionCount",
	  "Partitions of the cluster.", all_partitions },
	{ "kafka_controller_kafkacontroller_activebrokercount", METRIC_GAUGE, CONTROL "ActiveBrokerCount", "Brokers that are registered.", active_brokers },

	{ "kafka_network_requestmetrics_requests", METRIC_COUNTER, REQUESTS "RequestsPerSec", "Requests that were answered.", requests },
	{ "kafka_network_requestmetrics_totaltimems", METRIC_HISTOGRAM, REQUESTS "TotalTimeMs",
	  "Milliseconds from a request's last byte to its answer's last byte.", total_time },
	{ "kafka_network_requestmetrics_requestqueuetimems", METRIC_SUMMARY, REQUESTS "RequestQueueTimeMs",
	  "Of these, until its handler began.", queue_time },
	{ "kafka_network_requestmetrics_localtimems", METRIC_SUMMARY, REQUESTS "LocalTimeMs",
	  "Of these, until the answer was there: Java's LocalTimeMs and RemoteTimeMs together.", local_time },
	{ "kafka_network_requestmetrics_responsesendtimems", METRIC_SUMMARY, REQUESTS "ResponseSendTimeMs",
	  "Of these, until it was sent: Java's ResponseQueueTimeMs and ResponseSendTimeMs together.", send_time },
	{ "kafka_server_socket_server_metrics_connection_count", METRIC_GAUGE, "kafka.server:type=socket-server-metrics,name=connection-count",
	  "Connections of clients and brokers.", connections },
	{ "skein_connections_accepted", METRIC_COUNTER, "", "Connections that came.", connections_accepted },
	{ "skein_connections_refused", METRIC_COUNTER, "", "Closed at once for max.connections.per.ip.", connections_refused },
	{ "skein_connections_idle_closed", METRIC_COUNTER, "", "Closed for connections.max.idle.ms.", connections_idle },
	{ "skein_bad_requests", METRIC_COUNTER, "", "Connections closed for what they sent.", bad_requests },
	{ "skein_network_bytes_in", METRIC_COUNTER, "", "Bytes read from connections.", net_bytes_in },
	{ "skein_network_bytes_out", METRIC_COUNTER, "", "Bytes written to connections.", net_bytes_out },
	{ "skein_network_asks_delayed", METRIC_COUNTER, "", "Questions that found their lane full and waited.", asks_delayed },
	{ "skein_actor_steps", METRIC_COUNTER, "", "Turns of a network actor.", actor_steps },
	{ "skein_actor_sleeps", METRIC_COUNTER, "", "Times that a network actor slept.", actor_sleeps },
	{ "skein_actor_wakes_sent", METRIC_COUNTER, "", "Sleepers that a network actor woke, by a system call each.", actor_wakes },
	{ "skein_actor_lane_full", METRIC_COUNTER, "", "Questions of a network actor that were declined for want of room.", actor_full },

	{ "kafka_server_kafkaserver_brokerstate", METRIC_GAUGE, "kafka.server:type=KafkaServer,name=BrokerState",
	  "1 while it starts, 3 while it serves.", broker_state },
	{ "skein_build_info", METRIC_GAUGE, "", "1; the version is its label.", build_info },
	{ "process_cpu_seconds", METRIC_COUNTER, "", "CPU time of the process, user and system.", cpu_seconds },
	{ "process_resident_memory_bytes", METRIC_GAUGE, "", "Resident memory of the process.", resident_bytes },
	{ "process_start_time_seconds", METRIC_GAUGE, "", "When the process began, since 1970.", start_seconds },
};

/* --- the page ------------------------------------------------------------------------------------------- */

static void look_at_topic(void *arg, const struct cluster_topic *t)
{
	struct page *p = arg;

	for (int32_t i = 0; i < t->partition_count; i++) {
		const struct cluster_partition *place = &t->partitions[i];

		p->partitions++;
		p->offline_partitions += place->leader == -1;
		p->not_preferred += place->replica_count > 0 && place->leader != place->replicas[0];
		if (place->local == NULL)
			continue;
		if (p->replica_count == p->replica_room) {
			p->replica_room = MAX(64, p->replica_room * 2);
			p->replicas = mem_realloc_array(p->replicas, (size_t)p->replica_room, sizeof(*p->replicas));
		}
		p->replicas[p->replica_count++] = (struct replica){ t, place, CONTAINER_OF(place->local, struct partition_addr, counted) };
	}
}

void metrics_write(struct strbuf *out, const struct metrics_world *w, bool is_open_metrics)
{
	struct page p = { .x = { .out = out, .is_open_metrics = is_open_metrics }, .w = w };

	net_counters(w->net, &p.net);
	if (w->fetchers != NULL)
		fetchers_counters(w->fetchers, &p.fetchers);
	if (w->picture != NULL)
		cluster_each_topic(w->picture, look_at_topic, &p);
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		exposition_family(&p.x, families[i].name, families[i].type, families[i].help);
		families[i].write(&p);
	}
	exposition_end(&p.x);
	free(p.replicas);
}

void metrics_describe(struct strbuf *out)
{
	static const char *const types[] = {
		[METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram", [METRIC_SUMMARY] = "summary",
	};

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		const struct family *f = &families[i];

		strbuf_printf(out, "| `%s%s` | %s | %s%s%s | %s |\n", f->name, f->type == METRIC_COUNTER ? "_total" : "", types[f->type],
		              f->mbean[0] != 0 ? "`" : "", f->mbean, f->mbean[0] != 0 ? "`" : "", f->help);
	}
}
