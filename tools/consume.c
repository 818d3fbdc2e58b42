/*
 * skein consume: reads partitions of a topic and prints their records.
 */
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/admin_group.h"
#include "client/consumer.h"
#include "client/group_member.h"
#include "json_record.h"
#include "value.h"

static const char help[] =
	"Usage: skein consume [OPTION...] TOPIC\n"
	"Prints records of a topic, values line by line unless told otherwise.\n\n"
	"  -p, --partition LIST     only these, as in 0,2,5-7 (default: all)\n"
	"      --from START         beginning, end (default), an OFFSET, or @TIME: the first record not\n"
	"                           older than 2026-11-22T19:28:07Z, 2026-11-22, or milliseconds since 1970\n"
	"  -g, --group GROUP        read as a member of this group, from where it stands; what has been printed\n"
	"                           is committed. --from then says where to begin where it stands nowhere\n"
	"  -e, --exit               end when everything that was there has been printed\n"
	"      --timeout MS         with --exit: give up partitions that nobody answers for so long (default 15000)\n"
	"  -n, --count N            end after N records\n"
	"  -o, --output FORMAT      text (default), json (one list), ndjson (an object per line)\n"
	"  -f, --format TEXT        text with %t topic, %p partition, %o offset, %k key, %v value, %T time,\n"
	"                           %h headers, %K and %V their lengths (-1: null), %%, \\n \\t \\xHH\n"
	"  -k, --key-separator SEP  print key, SEP, value\n"
	"      --null TEXT          what stands for null in text (default: nothing)\n"
	TOOL_BOOTSTRAP_HELP
	"\nExamples:\n"
	"  skein consume orders                                  what comes from now on\n"
	"  skein consume orders --from beginning --exit          all that is there\n"
	"  skein consume orders --from @2026-11-22T08:00 -n 10\n"
	"  skein consume orders --from beginning -e -o ndjson | skein produce copy -i ndjson\n"
	"  skein consume orders --group billing --from beginning\n"
	"  skein consume orders -f '%p/%o %k=%v\\n'\n";

#define PARTITIONS_MAX 10000
#define STEP_MS 1000
#define STALL_MS 15000
#define COMMIT_EVERY_MS 1000
#define LEAVE_TIMEOUT_MS 5000
#define RANGE_TIMEOUT_MS 5000
#define SESSION_TIMEOUT_MS 10000
#define HEARTBEAT_MS 1000

enum output { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_NDJSON };

struct progress {		/* of one partition */
	bool  has_ended;	/* has been at its end, or has failed */
	char *trouble;		/* what it suffers from, told since its last record; NULL */
};

struct consume {
	const char        *topic, *group, *null_text, *key_separator, *format;
	struct skein_config config;		/* what -X says */
	struct value_start start;
	enum output        output;
	bool               exits_at_end;
	int64_t            count_max;		/* -1: no end */
	int32_t           *partitions;		/* asked for, or all */
	int                partition_count;	/* 0: all */
	struct client     *client;
	struct consumer   *consumer;		/* NULL: the group has not said what to read */
	struct group_member *member;		/* NULL: without a group */
	struct group_partition *positions;	/* by place in partitions: what has been printed of it; offset -1: nothing yet */
	struct group_partition *written;	/* the same, of what has left this process */
	bool               is_output_broken;
	mono_ms            commit_at;
	struct strbuf      line;
	int64_t            count;
	int                ended_count, trouble_count;	/* partitions that have ended; and those that have not, and suffer */
	struct progress   *progress;		/* by place in partitions */
	int64_t            stall_ms;
	mono_ms            last_progress;
	bool               has_failed;		/* the group will not have us */
	char              *group_trouble;	/* what it suffers from, told since it last gave us partitions; NULL */
	int                code;
};

/* ---- printing ---- */

static void add_text(struct strbuf *out, struct slice s, const char *null_text)
{
	if (slice_is_null(s))
		strbuf_add_str(out, null_text);
	else
		strbuf_add_slice(out, s);
}

static void add_headers(struct strbuf *out, const struct record *r, const char *null_text)
{
	struct slice rest = r->headers;
	struct record_header h;

	for (const char *comma = ""; record_header_next(&rest, &h); comma = ",") {
		strbuf_add_str(out, comma);
		strbuf_add_slice(out, h.key);
		strbuf_add_char(out, '=');
		add_text(out, h.value, null_text);
	}
}

static void add_length(struct strbuf *out, struct slice s)
{
	strbuf_printf(out, "%lld", slice_is_null(s) ? -1LL : (long long)s.len);
}

static void add_formatted(struct strbuf *out, const char *format, const struct consumer_event *e, const char *null_text)
{
	for (; *format != '\0'; format++) {
		if (*format != '%' || format[1] == '\0') {
			strbuf_add_char(out, *format);
			continue;
		}
		switch (*++format) {
		case 't': strbuf_add_str(out, e->topic); break;
		case 'p': strbuf_printf(out, "%d", e->partition); break;
		case 'o': strbuf_printf(out, "%lld", (long long)e->offset); break;
		case 'T': strbuf_printf(out, "%lld", (long long)e->record.timestamp); break;
		case 'k': add_text(out, e->record.key, null_text); break;
		case 'v':
		case 's': add_text(out, e->record.value, null_text); break;
		case 'h': add_headers(out, &e->record, null_text); break;
		case 'K': add_length(out, e->record.key); break;
		case 'V': add_length(out, e->record.value); break;
		default:  strbuf_add_char(out, *format); break;
		}
	}
}

/* False: nobody reads our output any more. */
static bool print_record(struct consume *x, const struct consumer_event *e)
{
	struct strbuf *out = &x->line;

	strbuf_reset(out);
	if (x->output != OUTPUT_TEXT) {
		if (x->output == OUTPUT_JSON)
			strbuf_add_str(out, x->count == 0 ? "[\n" : ",\n");
		json_record_write(out, e);
		if (x->output == OUTPUT_NDJSON)
			strbuf_add_char(out, '\n');
	} else if (x->format != NULL) {
		add_formatted(out, x->format, e, x->null_text);
	} else {
		if (x->key_separator != NULL) {
			add_text(out, e->record.key, x->null_text);
			strbuf_add_str(out, x->key_separator);
		}
		add_text(out, e->record.value, x->null_text);
		strbuf_add_char(out, '\n');
	}
	x->count++;
	return fwrite(out->ptr, 1, out->len, stdout) == out->len;
}

/* What was printed has left this process. False, from then on for ever: it could not, and nobody knows how much of it did (a second fflush would say that all is well). */
static bool flush_output(struct consume *x)
{
	x->is_output_broken = x->is_output_broken || fflush(stdout) != 0 || ferror(stdout);
	if (!x->is_output_broken && x->positions != NULL)
		memcpy(x->written, x->positions, (size_t)x->partition_count * sizeof(*x->written));
	return !x->is_output_broken;
}

/* ---- events ---- */

/* The numbers asked for ascend. */
static struct progress *progress_of(struct consume *x, int32_t partition)
{
	int low = 0, high = x->partition_count;

	while (high - low > 1) {
		int mid = low + (high - low) / 2;
		if (x->partitions[mid] <= partition)
			low = mid;
		else
			high = mid;
	}
	return &x->progress[low];
}

static void set_trouble(struct consume *x, struct progress *p, const char *text)
{
	x->trouble_count += (text != NULL) - (p->trouble != NULL);
	free(p->trouble);
	p->trouble = text == NULL ? NULL : mem_strdup(text);
}

static void partition_ended(struct consume *x, int32_t partition)
{
	struct progress *p = progress_of(x, partition);

	set_trouble(x, p, NULL);
	x->ended_count += !p->has_ended;
	p->has_ended = true;
}

static void partition_goes_on(struct consume *x, int32_t partition)
{
	x->last_progress = os_mono_ms(os_real());
	if (x->trouble_count > 0)
		set_trouble(x, progress_of(x, partition), NULL);
}

static void set_group_trouble(struct consume *x, const char *text)
{
	free(x->group_trouble);
	x->group_trouble = text == NULL ? NULL : mem_strdup(text);
}

/* Nothing has come for so long, and every partition that is waited for has said why; or the group, which has given us none. */
static bool is_stalled(const struct consume *x)
{
	bool waits_for_group = x->consumer == NULL && x->group_trouble != NULL;
	bool waits_for_partitions = x->trouble_count > 0 && x->ended_count + x->trouble_count == x->partition_count;

	return x->exits_at_end && (waits_for_group || waits_for_partitions) &&
	       os_mono_ms(os_real()) - x->last_progress >= x->stall_ms;
}

static void give_up(struct consume *x)
{
	if (x->group_trouble != NULL)
		tool_say("%s; given up after %lld ms", x->group_trouble, (long long)x->stall_ms);
	for (int i = 0; i < x->partition_count; i++) {
		if (x->progress[i].trouble != NULL)
			tool_say("%s; given up after %lld ms", x->progress[i].trouble, (long long)x->stall_ms);
	}
	x->code = EXIT_TIMED_OUT;
}

static void note_position(struct consume *x, const struct consumer_event *e)
{
	for (int i = 0; x->positions != NULL && i < x->partition_count; i++) {
		if (x->partitions[i] == e->partition)
			x->positions[i].offset = e->offset + 1;
	}
}

static bool find_offset(struct consume *x, int32_t partition, int64_t which, int64_t *offset)
{
	struct admin_offset o = { .topic = x->topic, .partition = partition, .timestamp = which };
	struct client_error error;
	bool is_known = admin_list_offsets(x->client, &o, 1, RANGE_TIMEOUT_MS, &error) == OK && o.error == NONE;

	*offset = o.offset;
	return is_known;
}

/* The exit code. Kafka's sentence about an offset that is not there speaks of a setting that a consumer of ours does not have. */
static int partition_failed(struct consume *x, const struct consumer_event *e)
{
	int32_t partition = e->partition;
	struct client_error error = *e->error;	/* the event does not outlive a turn */
	int64_t offset = e->offset, first, end;

	if (error.kafka == OFFSET_OUT_OF_RANGE && find_offset(x, partition, ADMIN_EARLIEST, &first) && find_offset(x, partition, ADMIN_LATEST, &end))
		client_error_set(&error, ERR_OUT_OF_RANGE, "%s/%d: there is no offset %lld: it can be read from %lld, and the next record gets %lld (OFFSET_OUT_OF_RANGE)",
				 x->topic, partition, (long long)offset, (long long)first, (long long)end);
	return tool_fail(&error);
}

static void on_event(struct consume *x, const struct consumer_event *e, bool *goes_on)
{
	switch (e->kind) {
	case CONSUMER_RECORD:
		partition_goes_on(x, e->partition);
		*goes_on = print_record(x, e);
		note_position(x, e);
		break;
	case CONSUMER_END:
		partition_goes_on(x, e->partition);
		if (x->exits_at_end)
			partition_ended(x, e->partition);
		break;
	case CONSUMER_TROUBLE:
		tool_say("%s; trying on", e->error->text);
		if (!progress_of(x, e->partition)->has_ended)
			set_trouble(x, progress_of(x, e->partition), e->error->text);
		break;
	case CONSUMER_FAILED:
		partition_ended(x, e->partition);
		x->code = partition_failed(x, e);
		break;
	}
}

/* ---- partitions ---- */

static void assign(struct consume *x, int32_t partition)
{
	switch (x->start.kind) {
	case START_BEGINNING: consumer_assign(x->consumer, x->topic, partition, CONSUMER_EARLIEST); break;
	case START_END:       consumer_assign(x->consumer, x->topic, partition, CONSUMER_LATEST); break;
	case START_OFFSET:    consumer_assign(x->consumer, x->topic, partition, x->start.at); break;
	case START_TIME:      consumer_assign_time(x->consumer, x->topic, partition, x->start.at); break;
	}
}

static void drop_partitions(struct consume *x)
{
	consumer_destroy(&x->consumer);
	for (int i = 0; x->progress != NULL && i < x->partition_count; i++)
		free(x->progress[i].trouble);
	free(x->progress);
	free(x->positions);
	free(x->written);
	x->progress = NULL;
	x->positions = x->written = NULL;
	x->partition_count = x->ended_count = x->trouble_count = 0;
}

static void begin_partitions(struct consume *x)
{
	struct consumer_spec spec = config_consumer_spec(&x->config);

	x->progress = mem_calloc((size_t)x->partition_count + 1, sizeof(*x->progress));
	consumer_create(&x->consumer, x->client, &spec);
}

/* ---- as a member of a group ---- */

static void take_assignment(struct consume *x, const struct group_event *e)
{
	drop_partitions(x);
	x->partition_count = MIN(e->count, PARTITIONS_MAX);
	x->positions = mem_calloc((size_t)x->partition_count + 1, sizeof(*x->positions));
	x->written = mem_calloc((size_t)x->partition_count + 1, sizeof(*x->written));
	for (int i = 0; i < x->partition_count; i++) {
		x->positions[i] = e->partitions[i];
		x->positions[i].offset = -1;
		x->written[i] = x->positions[i];
		x->partitions[i] = e->partitions[i].partition;
	}
	begin_partitions(x);
	for (int i = 0; i < x->partition_count; i++) {
		if (e->partitions[i].offset >= 0)
			consumer_assign(x->consumer, x->topic, x->partitions[i], e->partitions[i].offset);
		else
			assign(x, x->partitions[i]);
	}
	x->commit_at = os_mono_ms(os_real()) + COMMIT_EVERY_MS;
}

/* What has left this process, to the front of a list that lives until the next call. */
static int32_t list_positions(struct consume *x, struct group_partition **out)
{
	static struct group_partition list[PARTITIONS_MAX];
	int32_t n = 0;

	*out = list;
	flush_output(x);
	for (int i = 0; x->written != NULL && i < x->partition_count; i++) {
		if (x->written[i].offset >= 0)
			list[n++] = x->written[i];
	}
	return n;
}

static void on_group_event(struct consume *x, const struct group_event *e)
{
	struct group_partition *list;
	int32_t n;

	switch (e->kind) {
	case GROUP_ASSIGNED:
		set_group_trouble(x, NULL);
		take_assignment(x, e);
		break;
	case GROUP_REVOKED:
	case GROUP_LOST:
		n = list_positions(x, &list);
		group_member_release(x->member, list, n);
		drop_partitions(x);
		break;
	case GROUP_TROUBLE:
		tool_say("%s; trying on", e->error->text);
		set_group_trouble(x, e->error->text);
		break;
	case GROUP_FAILED:
		x->code = tool_fail(e->error);
		x->has_failed = true;
		break;
	}
}

/* False: there was nothing to do. */
static bool turn_group(struct consume *x)
{
	struct group_event e;
	struct group_partition *list;
	mono_ms now = os_mono_ms(os_real());

	if (x->member == NULL)
		return false;
	if (x->consumer != NULL && now >= x->commit_at) {
		int32_t n = list_positions(x, &list);

		if (group_member_commit(x->member, list, n))
			x->commit_at = now + COMMIT_EVERY_MS;
	}
	if (!group_member_next(x->member, &e))
		return false;
	on_group_event(x, &e);
	return true;
}

static void leave_group(struct consume *x)
{
	struct group_partition *list;
	int32_t n = list_positions(x, &list);
	struct client_error error;

	if (x->member == NULL || group_member_leave(x->member, list, n, LEAVE_TIMEOUT_MS, &error) == OK)
		return;
	tool_say("what was printed last is not committed, and will be read again: %s", error.text);
	if (x->code == EXIT_OK)
		x->code = x->count > 0 ? EXIT_PARTIAL : tool_exit_code(&error);
}

/* ---- the loop ---- */

static bool is_finished(const struct consume *x)
{
	return (x->consumer != NULL && x->ended_count == x->partition_count && (x->member == NULL || x->exits_at_end)) || x->has_failed || x->count == x->count_max || tool_is_stopped();
}

static int run(struct consume *x)
{
	struct consumer_event e;
	bool goes_on = true;

	x->last_progress = os_mono_ms(os_real());
	while (goes_on && !is_finished(x)) {
		if (turn_group(x))
			continue;
		if (x->consumer != NULL && consumer_next(x->consumer, &e)) {
			on_event(x, &e, &goes_on);
			continue;
		}
		goes_on = flush_output(x);
		if (goes_on && is_stalled(x)) {
			give_up(x);
			break;
		}
		if (goes_on)
			client_step(x->client, STEP_MS);
	}
	if (goes_on && x->output == OUTPUT_JSON)
		fputs(x->count == 0 ? "[]\n" : "\n]\n", stdout);
	if (!tool_flush() && x->code == EXIT_OK)
		x->code = EXIT_FAILED;
	return x->code != EXIT_OK && x->count > 0 && x->code != EXIT_DAMAGE ? EXIT_PARTIAL : x->code;
}

/* ---- starting ---- */

static void set_properties(struct skein_config *c)
{
	tool_config_init(c);
	c->member = (struct group_member_spec)GROUP_MEMBER_SPEC_INIT;
	c->member.strategy_count = 0;
	for (int i = 0; i < ASSIGN_STRATEGY_COUNT; i++)		/* so that it may join whatever group there is */
		c->member.strategies[c->member.strategy_count++] = (enum assign_strategy)i;
	c->member.session_timeout_ms = SESSION_TIMEOUT_MS;
	c->member.heartbeat_interval_ms = HEARTBEAT_MS;
	tool_properties(c);
}

static bool start(struct consume *x)
{
	const struct client_topic *t = tool_topic_info(x->client, x->topic, &x->code);

	if (t == NULL)
		return false;
	if (x->group != NULL) {
		struct group_member_spec spec = config_member_spec(&x->config);

		spec.group = x->group;
		spec.topics = &x->topic;
		spec.topic_count = 1;
		group_member_create(&x->member, x->client, &spec);
		return true;
	}
	if (x->partition_count == 0) {
		x->partition_count = MIN(t->partition_count, PARTITIONS_MAX);
		for (int32_t i = 0; i < x->partition_count; i++)
			x->partitions[i] = i;
	} else if (x->partitions[x->partition_count - 1] >= t->partition_count) {
		tool_say("topic %s has no partition %d: there are %d", x->topic, x->partitions[x->partition_count - 1],
			 t->partition_count);
		x->code = EXIT_NOT_FOUND;
		return false;
	}
	begin_partitions(x);
	for (int i = 0; i < x->partition_count; i++)
		assign(x, x->partitions[i]);
	return true;
}

static bool set_output(struct consume *x, const char *text)
{
	static const char *const names[] = { "text", "json", "ndjson" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			x->output = (enum output)i;
			return true;
		}
	}
	return false;
}

/* EXIT_OK: go on. -1: help was printed. */
static int parse(struct consume *x, int argc, char **argv, struct strbuf *format, struct strbuf *separator)
{
	enum { OPT_FROM = 256, OPT_NULL, OPT_TIMEOUT };
	static const struct option options[] = {
		{ "partition", required_argument, NULL, 'p' },
		{ "group", required_argument, NULL, 'g' },
		{ "from", required_argument, NULL, OPT_FROM }, { "exit", no_argument, NULL, 'e' },
		{ "count", required_argument, NULL, 'n' }, { "output", required_argument, NULL, 'o' },
		{ "format", required_argument, NULL, 'f' }, { "key-separator", required_argument, NULL, 'k' },
		{ "null", required_argument, NULL, OPT_NULL }, { "timeout", required_argument, NULL, OPT_TIMEOUT }, { "help", no_argument, NULL, 'h' }, { 0 } };
	int c;

	while ((c = tool_getopt(argc, argv, "p:g:en:o:f:k:h", options, NULL)) != -1) {
		bool ok = true;
		switch (c) {
		case 'p': ok = value_numbers(optarg, x->partitions, PARTITIONS_MAX, &x->partition_count); break;
		case 'g': x->group = optarg; break;
		case OPT_FROM: ok = value_start(optarg, &x->start); break;
		case 'e': x->exits_at_end = true; break;
		case 'n': ok = value_int(optarg, 0, INT64_MAX, &x->count_max); break;
		case 'o': ok = set_output(x, optarg); break;
		case 'f': ok = value_unescape(format, optarg); x->format = strbuf_cstr(format); break;
		case 'k': ok = value_unescape(separator, optarg); x->key_separator = strbuf_cstr(separator); break;
		case OPT_NULL: x->null_text = optarg; break;
		case OPT_TIMEOUT: ok = value_int(optarg, 1, INT32_MAX, &x->stall_ms); break;
		case 'h': fputs(help, stdout); return -1;
		default: return tool_usage_told("consume");
		}
		if (!ok)
			return tool_usage("consume", "\"%s\" is no value for this option", optarg);
	}
	if (optind + 1 != argc)
		return tool_usage("consume", "give one topic");
	if (x->group != NULL && x->group[0] == '\0')
		return tool_usage("consume", "a group has a name");
	if (x->group != NULL && x->partition_count > 0)
		return tool_usage("consume", "the group says which partitions are read");
	x->topic = argv[optind];
	return EXIT_OK;
}

int tool_consume(int argc, char **argv)
{
	struct consume x = { .null_text = "", .count_max = -1, .start.kind = START_END, .stall_ms = STALL_MS };
	struct strbuf format = STRBUF_INIT, separator = STRBUF_INIT;

	x.partitions = mem_calloc(PARTITIONS_MAX, sizeof(*x.partitions));
	x.code = parse(&x, argc, argv, &format, &separator);
	set_properties(&x.config);
	if (x.code == EXIT_OK) {
		x.client = tool_connect(&x.code);
		if (x.client != NULL) {
			tool_catch_signals(x.client);
			if (start(&x))
				x.code = run(&x);
			leave_group(&x);
		}
	}
	drop_partitions(&x);
	set_group_trouble(&x, NULL);
	group_member_destroy(&x.member);
	tool_catch_signals(NULL);
	client_destroy(&x.client);
	config_fini(&x.config);
	strbuf_fini(&x.line);
	strbuf_fini(&format);
	strbuf_fini(&separator);
	free(x.partitions);
	return x.code == -1 ? EXIT_OK : x.code;
}
