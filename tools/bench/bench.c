#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/admin.h"
#include "config.h"
#include "value.h"

#define TIMEOUT_MS 300000
#define NEWS_MS    10000		/* for what one broker has made to be known by another */
#define BACK_MS    10000		/* for a broker that was gone to come back */
#define BACK_STEP_MS 100
#define NAME_SIZE  300			/* of a topic's name */
#define RATE_MIN   1e-6			/* records per second: beyond it times do not fit */

static const char help[] =
	"Usage: skein bench VERB [OPTION...]\n"
	"Loads a broker of whatever make, and tells what it took.\n\n"
	"  produce      write records at a rate, or as fast as they are taken: how long until each was acknowledged\n"
	"  e2e          the same, and how long until a consumer had them\n"
	"  consume      read a topic as fast as it comes\n"
	"  connections  how fast many connections are made, and what a question costs beside them (-c, -d)\n"
	"  partitions   how long many take to be made, led and deleted (-p, --topics)\n"
	"  start        from running a command, given behind --, to the first acknowledged record; its memory (--count)\n"
	"  recover      the same after kill -9, with --gib of data\n"
	"  groups       a group of --members: how long until all have joined, and until all know that one left\n\n"
	"Of records:\n"
	"  -r, --rate N             records per second (default 1000; 0: as fast as they are taken)\n"
	"  -d, --duration SECONDS   (default 10)\n"
	"  -n, --records N          end after so many, whatever the time\n"
	"      --warm-up SECONDS    not counted, before it (default 1)\n"
	"  -s, --size BYTES         of a value, 16 at least (default 100)\n"
	"  -k, --keys N             so many different keys (default 0: none, batches go round the partitions)\n"
	"  -z, --compression CODEC  none (default), gzip, snappy, lz4, zstd\n"
	"  -a, --acks N             all (default), 1, 0\n"
	"      --linger MS          wait so long for more records to go along (default 0)\n"
	"      --batch-size BYTES   and for so many at most (default 16384; 1: each record has a request)\n"
	"      --in-flight N        requests under way per connection and broker (default 5). With --acks all they are 5\n"
	"                           at most, else one per partition, because records keep their order\n"
	"      --fetch-bytes N      what a fetch asks for (default 1048576)\n"
	"      --count N            starts (default 5)\n"
	"      --gib N              of records of 1 KiB (default 1)\n"
	"      --wait SECONDS       between kill -9 and the start: some brokers refuse it until their session has\n"
	"                           expired (default 0)\n"
	"      --members N          (default 10)\n\n"
	"Of what they go to:\n"
	"  -t, --topic NAME         (default: one is made, and deleted in the end; consume needs one)\n"
	"      --topics N           so many: NAME-0, NAME-1, ... (default 1)\n"
	"  -p, --partitions N       of each topic that is made (default 1)\n"
	"      --replicas N         of each partition (default 1)\n"
	"      --keep               what was made stays\n"
	"  -c, --connections N      clients with connections of their own (default 1)\n"
	"  -o, --output FORMAT      text (default) or json: one object, one line\n"
	TOOL_BOOTSTRAP_HELP
	"\nProperties hold as far as they are of connections. In the place of those of producers and consumers, as acks\n"
	"and linger.ms, stand the options above.\n"
	"\nAt a rate the schedule is fixed before the first record: each carries the time at which it should be sent, and\n"
	"its latency counts from there, whether or not the broker was ready to take it. As fast as they are taken,\n"
	"it counts from the sending. It ends with the acknowledgement (ack_us), or, with --acks 0, when the kernel has\n"
	"the request: latency_to tells which. Beside every latency stands how quiet the machine was: steal, and what an\n"
	"idle thread that sleeps for 1 ms waits longer.\n\n"
	"The command of start and recover must be the broker's own process, and the only broker at its address.\n\n"
	"Examples:\n"
	"  skein bench produce -r 5000 -d 30\n"
	"  skein bench produce -r 0 -s 1024 --batch-size 1000000 --linger 20 -a 1\n"
	"  skein bench e2e -r 1000 -a all -o json\n"
	"  skein bench consume -t orders\n"
	"  skein bench start -b localhost:9099 -- skein serve --override listeners=PLAINTEXT://localhost:9099 \\\n"
	"      --override log.dirs=/tmp/bench\n";

/* Options by the letter that getopt answers; capitals have no short form. */
#define LOAD_OPTIONS "rdnWskzaLBFtTpRKco"

static const struct bench_verb {
	const char *name;
	int       (*run)(struct bench *b);
	const char *options;
	double      rate;		/* its default */
} verbs[] = {
	{ "produce", bench_produce, LOAD_OPTIONS, 1000 },
	{ "e2e",     bench_e2e,     LOAD_OPTIONS "f", 1000 },
	{ "consume", bench_consume, "ntTfco", 0 },
	{ "connections", bench_connections, "dco", 0 },
	{ "partitions", bench_partitions, "pTRKo", 0 },
	{ "start",   bench_start,   "No", 0 },
	{ "recover", bench_recover, "NGpwo", 0 },
	{ "groups",  bench_groups,  "Mpto", 0 },
};

int64_t bench_records_due(const struct bench *b)
{
	return b->records > 0 ? b->records : (int64_t)(b->seconds * b->rate + 1e-6);
}

/* ---- the result ---- */

void bench_word(struct bench *b, const char *name, const char *value)
{
	strbuf_printf(&b->text, "%-28s %s\n", name, value);
	strbuf_printf(&b->json, "%s\"%s\":\"", b->json.len > 0 ? "," : "", name);
	for (; *value != '\0'; value++) {
		if ((unsigned char)*value < 0x20)
			strbuf_printf(&b->json, "\\u%04x", *value);
		else if (*value == '"' || *value == '\\')
			strbuf_printf(&b->json, "\\%c", *value);
		else
			strbuf_add_char(&b->json, *value);
	}
	strbuf_add_char(&b->json, '"');
}

void bench_number(struct bench *b, const char *name, double value, int decimals)
{
	char number[400];

	if (decimals == BENCH_AS_TYPED)
		snprintf(number, sizeof(number), "%.12g", value);
	else
		snprintf(number, sizeof(number), "%.*f", decimals, value);
	strbuf_printf(&b->text, "%-28s %s\n", name, number);
	strbuf_printf(&b->json, "%s\"%s\":%s", b->json.len > 0 ? "," : "", name, number);
}

static double us(uint64_t ns) { return (double)ns / 1e3; }

void bench_times(struct bench *b, const char *name, const struct histogram *h)
{
	static const struct { const char *name; double share; } points[] = {
		{ "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p99_9", 0.999 }, { "p99_99", 0.9999 }, { "max", 1 },
	};
	double mean = h->count > 0 ? us(h->sum) / (double)h->count : 0;

	strbuf_printf(&b->json, "%s\"%s\":{\"count\":%llu,\"mean\":%.1f,\"min\":%.1f", b->json.len > 0 ? "," : "", name,
		      (unsigned long long)h->count, mean, us(h->min));
	strbuf_printf(&b->text, "%-28s", name);
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		double at = us(histogram_at(h, points[i].share));
		strbuf_printf(&b->json, ",\"%s\":%.1f", points[i].name, at);
		strbuf_printf(&b->text, " %s %.0f", points[i].name, at);
	}
	strbuf_add_char(&b->text, '\n');
	/* halves of what is left: enough points for a curve that goes up to the greatest */
	strbuf_add_str(&b->json, ",\"curve\":[");
	double rest = 1;
	for (int i = 0; i < 64 && rest * (double)h->count >= 1; i++, rest /= 1.4142135623730951)
		strbuf_printf(&b->json, "%s[%.7f,%.1f]", i > 0 ? "," : "", 1 - rest, us(histogram_at(h, 1 - rest)));
	strbuf_add_str(&b->json, "]}");
}

static void tell_setting(struct bench *b)
{
	char acks[16];

	snprintf(acks, sizeof(acks), b->acks < 0 ? "all" : "%d", b->acks);
	bench_word(b, "bench", b->verb);
	bench_word(b, "version", PACKAGE_VERSION);
	if (strchr(b->options, 'c') != NULL)
		bench_number(b, "connections", b->connections, 0);
	if (strchr(b->options, 'G') != NULL)
		bench_number(b, "gib", b->gib, 3);
	if (strchr(b->options, 'M') != NULL)
		bench_number(b, "members", b->members, 0);
	if (strchr(b->options, 'T') != NULL)
		bench_number(b, "topics", b->topics, 0);
	if (strchr(b->options, 'p') != NULL)
		bench_number(b, "partitions", b->partitions, 0);
	if (b->records > 0)
		bench_number(b, "records_asked", (double)b->records, 0);
	else if (strchr(b->options, 'd') != NULL)
		bench_number(b, "duration_asked", b->seconds, BENCH_AS_TYPED);
	if (strchr(b->options, 's') == NULL)
		return;
	bench_number(b, "warm_up_asked", b->warm_up, BENCH_AS_TYPED);
	bench_number(b, "replicas", b->replicas, 0);
	bench_word(b, "acks", acks);
	bench_word(b, "compression", b->codec == CODEC_NONE ? "none" : codec_name(b->codec));
	bench_number(b, "size", b->size, 0);
	bench_number(b, "keys", b->keys, 0);
	bench_number(b, "linger_ms", b->linger_ms, 0);
	bench_number(b, "batch_size", b->batch_size, 0);
	bench_number(b, "in_flight", b->in_flight, 0);
	if (b->in_flight != b->in_flight_asked)
		bench_number(b, "in_flight_asked", b->in_flight_asked, 0);
	bench_number(b, "rate_asked", b->rate, BENCH_AS_TYPED);
}

void bench_begin(struct bench *b)
{
	tell_setting(b);
	if (noise_begin(&b->noise) != OK)
		tool_say("no thread watches the machine: %m");
}

static void tell_noise(struct bench *b)
{
	bench_number(b, "steal_percent", b->noise.steal_percent, 2);
	bench_number(b, "busy_percent", b->noise.busy_percent, 1);
	bench_number(b, "load", b->noise.load, 2);
	bench_times(b, "hiccup_us", &b->noise.hiccups);
	bench_word(b, "machine", noise_is_quiet(&b->noise) ? "quiet" : "busy");
}

int bench_tell(struct bench *b)
{
	noise_end(&b->noise);
	tell_noise(b);
	if (tool_is_stopped()) {
		strbuf_add_str(&b->text, "interrupted: all of this is of the time until then\n");
		strbuf_add_str(&b->json, ",\"interrupted\":true");
	}
	if (b->is_json)
		printf("{%s}\n", strbuf_cstr(&b->json));
	else
		fputs(strbuf_cstr(&b->text), stdout);
	if (!b->is_json && !noise_is_quiet(&b->noise))
		tool_say("the machine was busy with other things: times are longer than the broker's own");
	return tool_flush() ? EXIT_OK : EXIT_FAILED;
}

void bench_progress(const char *fmt, ...)
{
	va_list ap;

	if (!isatty(2))
		return;
	fputs("\r\033[K", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fflush(stderr);
}

/* ---- topics ---- */

bool bench_connect(struct bench *b)
{
	b->client = tool_connect(&b->code);
	if (b->client != NULL)
		tool_catch_signals(b->client);
	return b->client != NULL;
}

void bench_topic_name(const struct bench *b, int i, char out[300])
{
	if (b->topics == 1)
		snprintf(out, NAME_SIZE, "%s", b->topic);
	else
		snprintf(out, NAME_SIZE, "%s-%d", b->topic, i);
}

const char **bench_topic_names(const struct bench *b)
{
	const char **list = mem_calloc((size_t)b->topics, sizeof(*list) + NAME_SIZE);
	char *at = (char *)(list + b->topics);

	for (int i = 0; i < b->topics; i++, at += NAME_SIZE) {
		bench_topic_name(b, i, at);
		list[i] = at;
	}
	return list;
}

/* Topics of our own, all in one request, as who has to make many does it. False: the broker did not take it; some may be there. */
static bool create_at_once(struct bench *b)
{
	const char **names = bench_topic_names(b);
	struct client_error error;
	enum err e = admin_create_topics(b->client, names, b->topics, b->partitions, (int16_t)b->replicas, TIMEOUT_MS, &error);

	free(names);
	return e == OK;
}

bool bench_create_topics(struct bench *b)
{
	struct client_error error;
	char name[300];

	if (b->topic == NULL) {
		snprintf(b->own_topic, sizeof(b->own_topic), "skein-bench-%d-%08x", (int)getpid(), (unsigned)os_random_u64(os_real()));
		b->topic = b->own_topic;
	}
	if (b->own_topic[0] != '\0' && b->topics > 1 && create_at_once(b))
		return true;
	for (int i = 0; i < b->topics; i++) {
		bench_topic_name(b, i, name);
		enum err e = admin_create_topic(b->client, name, b->partitions, (int16_t)b->replicas, NULL, 0, TIMEOUT_MS, &error);
		if (e == ERR_EXISTS)	/* nobody else knows the names of our own: a request that timed out was carried out */
			continue;
		if (e != OK) {
			b->code = tool_fail(&error);
			return false;
		}
	}
	return true;
}

const struct client_topic *bench_topic(struct bench *b, struct client *c, const char *name)
{
	const struct client_topic *t = client_topic(c, slice_str(name));
	mono_ms now, deadline = os_mono_ms(os_real()) + NEWS_MS;

	while ((!t->is_known || t->error == UNKNOWN_TOPIC_OR_PARTITION) && !tool_is_stopped() && (now = os_mono_ms(os_real())) < deadline) {
		if (t->is_known)
			client_topic_refresh(c);
		client_step(c, deadline - now);
	}
	return tool_topic_info(c, name, &b->code);
}

/* What was there before has as many partitions and replicas as it has, whatever was asked for: that is what is told. */
static bool look_at_topics(struct bench *b)
{
	const char **names = bench_topic_names(b);
	const struct metadata_response *m;
	struct client_call *answer = NULL;
	struct client_error error;

	if (admin_describe_topics(b->client, names, b->topics, TIMEOUT_MS, &answer, &m, &error) != OK)
		b->code = tool_fail(&error);
	for (int32_t i = 0, seen = 0; b->code == EXIT_OK && i < m->topics_count; i++) {
		const struct metadata_response_topic *t = &m->topics[i];
		if (t->error_code != NONE || t->partitions_count == 0)	/* just made, as asked, and not heard of there yet */
			continue;
		if (seen++ > 0 && t->partitions_count != b->partitions) {
			tool_say("topic "SLICE_FMT" has %d partitions and another one %d: those of one run must have equally many", SLICE_ARG(t->name), t->partitions_count, b->partitions);
			b->code = EXIT_FAILED;
		}
		b->partitions = t->partitions_count;
		b->replicas = t->partitions[0].replica_nodes_count;
	}
	admin_answer_destroy(&answer);
	free(names);
	return b->code == EXIT_OK;
}

bool bench_make_topics(struct bench *b)
{
	char name[300];

	if (!bench_create_topics(b))
		return false;
	for (int i = 0; i < b->topics; i++) {
		bench_topic_name(b, i, name);
		if (bench_topic(b, b->client, name) == NULL)
			return false;
	}
	return b->own_topic[0] != '\0' || look_at_topics(b);
}

/* *deadline: 0 while the broker answers; from a lost connection on, until when it is asked again over a new one. It may have been killed and have come back. */
static bool drop_topic(struct bench *b, const char *name, mono_ms *deadline)
{
	struct client_error error;

	for (bool again = false;; again = true) {
		mono_ms now = os_mono_ms(os_real());
		enum err e = admin_delete_topic(b->client, name, *deadline == 0 ? TIMEOUT_MS : MAX(*deadline - now, 1), &error);
		if (e == OK || (again && e == ERR_NOT_FOUND)) {	/* the one whose answer was lost has been carried out */
			*deadline = 0;
			return true;
		}
		if (tool_exit_code(&error) != EXIT_UNREACHABLE || (*deadline != 0 && now >= *deadline))
			break;
		if (*deadline == 0)
			*deadline = now + BACK_MS;
		client_step(b->client, BACK_STEP_MS);
	}
	tool_say("topic %s could not be deleted: %s", name, error.text);
	return false;
}

bool bench_drop_topics(struct bench *b)
{
	mono_ms deadline = 0;
	char name[NAME_SIZE];
	bool ok = true;

	for (int i = 0; i < b->topics && b->own_topic[0] != '\0' && !b->keeps; i++) {
		bench_topic_name(b, i, name);
		ok = drop_topic(b, name, &deadline) && ok;
	}
	return ok;
}

/* ---- options ---- */

static bool set_real(const char *text, double max, double *out)
{
	char *end;
	double v = strtod(text, &end);

	*out = v;
	return end != text && *end == '\0' && v >= 0 && v <= max;
}

static bool set_number(const char *text, int64_t min, int64_t max, int32_t *out)
{
	int64_t v = 0;
	bool ok = value_int(text, min, max, &v);

	*out = (int32_t)v;
	return ok;
}

static bool set_output(struct bench *b, const char *text)
{
	b->is_json = strcmp(text, "json") == 0;
	return b->is_json || strcmp(text, "text") == 0;
}

static const struct option options[] = {
	{ "rate", required_argument, NULL, 'r' }, { "duration", required_argument, NULL, 'd' },
	{ "records", required_argument, NULL, 'n' }, { "warm-up", required_argument, NULL, 'W' }, { "size", required_argument, NULL, 's' },
	{ "keys", required_argument, NULL, 'k' }, { "compression", required_argument, NULL, 'z' }, { "acks", required_argument, NULL, 'a' },
	{ "linger", required_argument, NULL, 'L' }, { "batch-size", required_argument, NULL, 'B' }, { "in-flight", required_argument, NULL, 'F' },
	{ "fetch-bytes", required_argument, NULL, 'f' }, { "topic", required_argument, NULL, 't' }, { "topics", required_argument, NULL, 'T' },
	{ "partitions", required_argument, NULL, 'p' }, { "replicas", required_argument, NULL, 'R' }, { "keep", no_argument, NULL, 'K' },
	{ "count", required_argument, NULL, 'N' }, { "gib", required_argument, NULL, 'G' }, { "members", required_argument, NULL, 'M' },
	{ "wait", required_argument, NULL, 'w' },
	{ "connections", required_argument, NULL, 'c' }, { "output", required_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' }, { 0 } };

static bool set_option(struct bench *b, int c)
{
	switch (c) {
	case 'r': return set_real(optarg, 1e9, &b->rate) && (b->rate == 0 || b->rate >= RATE_MIN);
	case 'd': return set_real(optarg, 1e6, &b->seconds);
	case 'n': return value_int(optarg, 1, INT64_MAX / 4, &b->records);
	case 'W': return set_real(optarg, 1e6, &b->warm_up);
	case 's': return set_number(optarg, 16, 64 << 20, &b->size);
	case 'k': return set_number(optarg, 0, INT32_MAX, &b->keys);
	case 'z': return value_codec(optarg, &b->codec);
	case 'a': return value_acks(optarg, &b->acks);
	case 'L': return set_number(optarg, 0, 60000, &b->linger_ms);
	case 'B': return set_number(optarg, 1, 64 << 20, &b->batch_size);
	case 'F': b->is_in_flight_typed = true; return set_number(optarg, 1, 1000, &b->in_flight_asked);
	case 'f': return set_number(optarg, 1024, 1 << 30, &b->fetch_bytes);
	case 't': b->topic = optarg; return strlen(optarg) < 240;
	case 'T': return set_number(optarg, 1, 100000, &b->topics);
	case 'p': return set_number(optarg, 1, 1000000, &b->partitions);
	case 'R': return set_number(optarg, 1, 1000, &b->replicas);
	case 'K': b->keeps = true; return true;
	case 'c': return set_number(optarg, 1, 100000, &b->connections);
	case 'N': return set_number(optarg, 1, 1000, &b->count);
	case 'G': return set_real(optarg, 1e4, &b->gib);
	case 'w': return set_real(optarg, 600, &b->wait);
	case 'M': return set_number(optarg, 2, 10000, &b->members);
	case 'o': return set_output(b, optarg);
	default: return false;
	}
}

static const char *wanted_of(int c)
{
	switch (c) {
	case 'z': return "none, gzip, snappy, lz4 or zstd";
	case 'a': return "0, 1 or all";
	case 'o': return "text or json";
	case 't': return "a name of less than 240 characters";
	default:  return "a number that is possible there";
	}
}

/* EXIT_OK: go on. -1: help was printed. */
static int parse(struct bench *b, const struct bench_verb *v, int argc, char **argv)
{
	int c, index;

	while (index = -1, (c = tool_getopt(argc, argv, "+r:d:n:s:k:z:a:t:p:c:o:h", options, &index)) != -1) {
		if (c == 'h') {
			fputs(help, stdout);
			return -1;
		}
		if (c == '?')
			return tool_usage_told("bench");
		if (strchr(v->options, c) == NULL)
			return tool_usage("bench", "%s has no option %s%s", v->name, index >= 0 ? "--" : "-",
					  index >= 0 ? options[index].name : (char[]){ (char)c, '\0' });
		if (!set_option(b, c))
			return tool_bad_value("bench", wanted_of(c));
	}
	if (optind < argc && strchr(v->options, 'N') != NULL)
		b->command = argv + optind;
	else if (optind != argc)
		return tool_usage("bench", "%s takes no argument: \"%s\"", v->name, argv[optind]);
	if (strchr(v->options, 'r') != NULL && b->records == 0 && (b->rate > 0 ? bench_records_due(b) < 1 : b->seconds <= 0))
		return tool_usage("bench", "at %.10g records per second none is due within %.10g s", b->rate, b->seconds);
	return EXIT_OK;
}

int tool_bench(int argc, char **argv)
{
	static struct bench b = {	/* static: a histogram lies in it */
		.topics = 1, .partitions = 1, .replicas = 1, .connections = 1, .size = 100, .batch_size = 16384, .in_flight_asked = 5,
		.fetch_bytes = 1 << 20, .seconds = 10, .warm_up = 1, .acks = -1, .count = 5, .gib = 1, .members = 10, .code = EXIT_OK,
	};
	const char *name = argc > 1 ? argv[1] : "";
	const struct bench_verb *v = NULL;

	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		fputs(help, stdout);
		return EXIT_OK;
	}
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(name, verbs[i].name) == 0)
			v = &verbs[i];
	if (v == NULL)
		return tool_usage("bench", argc > 1 ? "there is no \"%s\"" : "say what%s", name);
	b.verb = v->name;
	b.options = v->options;
	b.rate = v->rate;
	argv[1] = argv[0];
	b.code = parse(&b, v, argc - 1, argv + 1);
	if (b.code == -1)
		return EXIT_OK;
	if (b.code == EXIT_OK)
		b.code = v->run(&b);
	noise_end(&b.noise);
	tool_catch_signals(NULL);
	client_destroy(&b.client);
	strbuf_fini(&b.text);
	strbuf_fini(&b.json);
	return b.code;
}
