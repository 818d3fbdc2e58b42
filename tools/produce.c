/*
 * skein produce: lines in, records out. Reads only as fast as the cluster takes them: while the producer is full nothing is
 * read, and whoever writes into our pipe waits.
 */
#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/producer.h"
#include "input.h"
#include "json_record.h"
#include "value.h"

static const char help[] =
	"Usage: skein produce [OPTION...] TOPIC\n"
	"Writes a record for every line of its input.\n\n"
	"  -k, --key-separator SEP  lines are key, SEP, value; a line without SEP has no key\n"
	"      --null TEXT          a key or value that is exactly this is null\n"
	"  -H, --header NAME=VALUE  a header for every record; may be repeated\n"
	"  -p, --partition N        all go there (default: by key; without a key batches go round)\n"
	"  -i, --input FORMAT       text (default), json (one list), ndjson (an object per line), as\n"
	"                           skein consume -o writes them; -o is the same\n"
	"      --repartition        ignore the partitions that JSON records name\n"
	"  -z, --compression CODEC  none (default), gzip, snappy, lz4, zstd\n"
	"  -a, --acks N             all (default), 1, 0: how many copies before a record counts as written;\n"
	"                           a retry leaves no double copy with all only\n"
	"      --linger MS          wait so long for more records to go along (default 5)\n"
	"      --batch-size BYTES   and for so many at most (default 262144)\n"
	"      --max-request-size BYTES  refuse larger records here (default 68157440); below it the topic's\n"
	"                           max.message.bytes decides, by the size of the compressed batch\n"
	"      --timeout MS         give a record up after this time (default 120000)\n"
	TOOL_BOOTSTRAP_HELP
	"\nA signal ends the reading; what has been read may still be written for 5 s, and what is not is told.\n"
	"\nExamples:\n"
	"  echo hello | skein produce orders\n"
	"  printf 'a=1\\nb=2\\n' | skein produce orders -k =\n"
	"  skein produce orders -z zstd < lines.txt\n"
	"  echo '{\"key\":\"a\",\"value\":null}' | skein produce orders -i ndjson\n";

#define HEADERS_MAX 64
#define STEP_MS     1000
#define BATCH_BYTES 262144	/* an input has few partitions at a time, and nobody waits for its single records */
#define LINE_MAX_BYTES (64u << 20)
#define REQUEST_BYTES  (LINE_MAX_BYTES + (1u << 20))	/* no line is too long for it: whether a record is too large is the topic's to say */
#define PATIENCE_MS    3000		/* before one is told that records wait for their answers */
#define STOP_MS        5000		/* after a signal: so long what has been read may still be written */
#define FAILURES_TOLD  5		/* one line each; the rest is counted */

enum input_form { INPUT_TEXT, INPUT_JSON, INPUT_NDJSON };

/* Records that ran out of time. */
struct left {
	int64_t count, first;		/* first: the number of its line */
};

struct produce {
	const char          *topic, *null_text;
	struct strbuf        separator;		/* empty: lines have no keys */
	struct record_header headers[HEADERS_MAX];
	int                  header_count;
	int32_t              partition;
	bool                 repartitions;
	enum input_form      form;
	struct producer_spec spec;
	struct client       *client;
	struct producer     *producer;
	struct input         input;
	int64_t              written, failed;
	struct client_error  error;		/* the first failure's */
	mono_ms              stop_at;		/* 0: no signal has been seen */
	bool                 is_ending;		/* what fails now is unanswered */
	struct left          unsent, unanswered;
	int                  code;
};

static void note_left(struct left *l, int64_t number)
{
	if (l->count++ == 0 || number < l->first)
		l->first = number;
}

static void say_left(struct produce *x, const struct left *l, const char *what)
{
	if (l->count == 0)
		return;
	tool_say("%lld records, the first of them in line %lld: %s", (long long)l->count, (long long)l->first, what);
	if (x->code == EXIT_OK)
		x->code = EXIT_FAILED;
}

/* There has been a signal, and the time that is left after one is over. */
static bool is_out_of_time(struct produce *x)
{
	mono_ms now = os_mono_ms(os_real());

	if (!tool_is_stopped())
		return false;
	if (x->stop_at == 0) {
		x->stop_at = now + STOP_MS;
		tool_say("stopped; %lld records have no answer yet, %d s are left for them; one more signal ends at once",
			 (long long)producer_pending(x->producer), STOP_MS / 1000);
	}
	return now >= x->stop_at;
}

/* The tag of a record is the number of its input line. */
static void on_delivery(void *arg, const struct producer_delivery *d)
{
	struct produce *x = arg;

	if (d->error->err == OK) {
		x->written++;
		return;
	}
	if (x->is_ending) {
		if (x->unanswered.count == 0)
			x->error = *d->error;
		note_left(&x->unanswered, (intptr_t)d->tag);
		return;
	}
	if (x->failed++ == 0)
		x->error = *d->error;
	if (x->failed <= FAILURES_TOLD)
		tool_say("record %lld: %s", (long long)(intptr_t)d->tag, d->error->text);
}

/* ---- one record ---- */

static struct slice text_or_null(const struct produce *x, struct slice s)
{
	return x->null_text != NULL && slice_eq_str(s, x->null_text) ? SLICE_NULL : s;
}

static void split_line(const struct produce *x, struct slice line, struct producer_record *r)
{
	const uint8_t *cut = NULL;

	if (x->separator.len > 0)
		cut = memmem(line.ptr, line.len, x->separator.ptr, x->separator.len);
	r->key = SLICE_NULL;
	if (cut != NULL) {
		r->key = text_or_null(x, slice_of(line.ptr, (size_t)(cut - line.ptr)));
		cut += x->separator.len;
		line = slice_of(cut, (size_t)(line.ptr + line.len - cut));
	}
	r->value = text_or_null(x, line);
}

/*
 * Waits for room or for the topic; false: x->code says how it ended. Out of time it goes on: what has been read is to be
 * counted, down to the last line.
 */
static bool send(struct produce *x, struct producer_record *r, int64_t number)
{
	struct client_error error;

	r->topic = slice_str(x->topic);
	r->tag = (void *)(intptr_t)number;
	do {
		enum err e = producer_send(x->producer, r, &error);
		if (e == OK)
			return true;
		if (e != ERR_AGAIN) {
			tool_say("record %lld: %s", (long long)number, error.text);
			x->failed++;
			x->code = tool_exit_code(&error);
			return false;
		}
		client_step(x->client, STEP_MS);
	} while (!is_out_of_time(x));
	note_left(&x->unsent, number);
	return true;
}

static bool send_json(struct produce *x, struct slice text, int64_t number)
{
	struct json_record j = { .memory = NULL };
	char error[200];

	if (!json_record_read(&j, text, error)) {
		tool_say("line %lld: %s", (long long)number, error);
		x->code = EXIT_FAILED;
		return false;
	}
	if (x->partition >= 0 || x->repartitions)
		j.record.partition = x->partition;
	if (x->header_count > 0 && j.record.header_count == 0) {
		j.record.headers = x->headers;
		j.record.header_count = x->header_count;
	}
	bool goes_on = send(x, &j.record, number);
	json_record_fini(&j);
	return goes_on;
}

/* Takes away what stands around a record. A JSON list is as skein consume writes it: an object per line between brackets. */
static bool has_record(const struct produce *x, struct slice *line)
{
	if (x->form == INPUT_TEXT)
		return true;
	if (x->form == INPUT_JSON) {
		while (line->len > 0 && (line->ptr[line->len - 1] == ',' || line->ptr[line->len - 1] == ' '))
			line->len--;
		if (slice_eq_str(*line, "[") || slice_eq_str(*line, "]") || slice_eq_str(*line, "[]"))
			return false;
	}
	return line->len > 0;
}

static bool send_line(struct produce *x, struct slice line)
{
	struct producer_record r = { .partition = x->partition, .timestamp = -1, .headers = x->headers,
				     .header_count = x->header_count };

	if (!has_record(x, &line))
		return true;
	if (x->form != INPUT_TEXT)
		return send_json(x, line, x->input.line_number);
	split_line(x, line, &r);
	return send(x, &r, x->input.line_number);
}

/* ---- all of them ---- */

/* Behind a record that cannot be sent, nothing is. */
static void drop_rest(struct produce *x)
{
	struct slice line;

	while (input_line(&x->input, &line) == OK) {
		if (has_record(x, &line))
			note_left(&x->unsent, x->input.line_number);
	}
}

/* A signal ends the reading from the input, not the sending of the lines that have come from there. */
static void read_all(struct produce *x)
{
	struct slice line;

	for (;;) {
		switch ((int)input_line(&x->input, &line)) {
		case OK:
			if (!send_line(x, line)) {
				drop_rest(x);
				return;
			}
			break;
		case ERR_AGAIN:
			if (tool_is_stopped()) {
				if (input_has_part(&x->input))
					note_left(&x->unsent, x->input.line_number + 1);
				return;
			}
			if (!client_watch_is_ready(x->client)) {
				client_step(x->client, STEP_MS);
				break;
			}
			if (!input_read(&x->input)) {
				tool_say("cannot read the input: %s", strerror(errno));
				x->code = EXIT_FAILED;
				return;
			}
			client_step(x->client, 0);	/* there are lines to look at first */
			break;
		case ERR_TOO_LARGE:
			tool_say("line %lld is longer than %u bytes", (long long)x->input.line_number + 1, LINE_MAX_BYTES);
			x->code = EXIT_FAILED;
			return;
		default:
			return;
		}
	}
}

/* Until everything has an answer, or its time is over. */
static void wait_for_answers(struct produce *x)
{
	mono_ms now = os_mono_ms(os_real()), told_at = now + PATIENCE_MS;
	mono_ms deadline = now + x->spec.delivery_timeout_ms + 1000;

	producer_push(x->producer);
	while (producer_pending(x->producer) > 0 && now < deadline && !is_out_of_time(x)) {
		if (x->stop_at == 0 && now >= told_at) {
			tool_say("%lld records have no answer yet and are waited for", (long long)producer_pending(x->producer));
			told_at = MONO_NEVER;
		}
		client_step(x->client, MIN(STEP_MS, deadline - now));
		now = os_mono_ms(os_real());
	}
}

static int run(struct produce *x)
{
	if (client_watch(x->client, x->input.fd) != OK) {
		tool_say("cannot read the input");
		return EXIT_FAILED;
	}
	read_all(x);
	client_unwatch(x->client);
	wait_for_answers(x);
	if (x->failed > FAILURES_TOLD)
		tool_say("%lld records were not written, %lld were", (long long)x->failed, (long long)x->written);
	if (x->code == EXIT_OK && x->failed > 0)
		x->code = tool_exit_code(&x->error);
	x->is_ending = true;
	producer_destroy(&x->producer);		/* reports what is left */
	say_left(x, &x->unanswered, x->error.text);
	say_left(x, &x->unsent, "read and not written");
	return x->code != EXIT_OK && x->written > 0 ? EXIT_PARTIAL : x->code;
}

/* ---- starting ---- */

static bool set_form(struct produce *x, const char *text)
{
	static const char *const names[] = { "text", "json", "ndjson" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			x->form = (enum input_form)i;
			return true;
		}
	}
	return false;
}

static bool add_header(struct produce *x, char *text)
{
	char *name, *value;

	if (x->header_count == HEADERS_MAX || !value_pair(text, &name, &value))
		return false;
	x->headers[x->header_count++] = (struct record_header){ slice_str(name), slice_str(value) };
	return true;
}

static bool set_number(const char *text, int64_t min, int32_t *out)
{
	int64_t v;

	if (!value_int(text, min, INT32_MAX, &v))
		return false;
	*out = (int32_t)v;
	return true;
}

static void set_properties(struct produce *x)
{
	struct skein_config config;

	tool_config_init(&config);
	config.producer.batch_size = BATCH_BYTES;
	config.producer.request_size_max = REQUEST_BYTES;
	tool_properties(&config);
	x->spec = config_producer_spec(&config);
	x->spec.buffer_memory = MAX(x->spec.buffer_memory, x->spec.request_size_max);
	x->spec.on_delivery = on_delivery;
	x->spec.arg = x;
	config_fini(&config);
}

/* EXIT_OK: go on. -1: help was printed. */
static int parse(struct produce *x, int argc, char **argv)
{
	enum { OPT_NULL = 256, OPT_REPARTITION, OPT_LINGER, OPT_BATCH_SIZE, OPT_REQUEST_SIZE, OPT_TIMEOUT };
	static const struct option options[] = {
		{ "key-separator", required_argument, NULL, 'k' },
		{ "null", required_argument, NULL, OPT_NULL }, { "header", required_argument, NULL, 'H' },
		{ "partition", required_argument, NULL, 'p' }, { "input", required_argument, NULL, 'i' },
		{ "output", required_argument, NULL, 'i' }, { "repartition", no_argument, NULL, OPT_REPARTITION },
		{ "compression", required_argument, NULL, 'z' }, { "acks", required_argument, NULL, 'a' },
		{ "linger", required_argument, NULL, OPT_LINGER }, { "batch-size", required_argument, NULL, OPT_BATCH_SIZE },
		{ "max-request-size", required_argument, NULL, OPT_REQUEST_SIZE },
		{ "timeout", required_argument, NULL, OPT_TIMEOUT }, { "help", no_argument, NULL, 'h' }, { 0 } };
	int c;

	while ((c = tool_getopt(argc, argv, "k:H:p:i:o:z:a:h", options, NULL)) != -1) {
		bool ok = true, is_told = false;
		switch (c) {
		case 'k': ok = value_unescape(&x->separator, optarg) && x->separator.len > 0; break;
		case OPT_NULL: x->null_text = optarg; break;
		case 'H': ok = add_header(x, optarg); break;
		case 'p': ok = set_number(optarg, 0, &x->partition); break;
		case 'i':
		case 'o': ok = set_form(x, optarg); break;
		case OPT_REPARTITION: x->repartitions = true; break;
		case 'z': is_told = !tool_property("compression.type", optarg); break;
		case 'a': is_told = !tool_property("acks", optarg); break;
		case OPT_LINGER: is_told = !tool_property("linger.ms", optarg); break;
		case OPT_BATCH_SIZE: is_told = !tool_property("batch.size", optarg); break;
		case OPT_REQUEST_SIZE: is_told = !tool_property("max.request.size", optarg); break;
		case OPT_TIMEOUT: is_told = !tool_property("delivery.timeout.ms", optarg); break;
		case 'h': fputs(help, stdout); return -1;
		default: is_told = true;
		}
		if (is_told)
			return tool_usage_told("produce");
		if (!ok)
			return tool_usage("produce", "\"%s\" is no value for this option", optarg);
	}
	if (optind + 1 != argc)
		return tool_usage("produce", "give one topic");
	x->topic = argv[optind];
	set_properties(x);
	return EXIT_OK;
}

static bool start(struct produce *x)
{
	struct client_error error;

	x->client = tool_connect(&x->code);
	if (x->client == NULL)
		return false;
	tool_catch_signals(x->client);
	if (tool_topic_info(x->client, x->topic, &x->code) == NULL)
		return false;
	if (producer_create(&x->producer, x->client, &x->spec, &error) != OK) {
		x->code = tool_fail(&error);
		return false;
	}
	return true;
}

int tool_produce(int argc, char **argv)
{
	struct produce x = { .partition = PRODUCER_PARTITION_ANY };

	input_init(&x.input, 0, LINE_MAX_BYTES);
	x.code = parse(&x, argc, argv);
	if (x.code == EXIT_OK && start(&x))
		x.code = run(&x);
	producer_destroy(&x.producer);
	tool_catch_signals(NULL);
	client_destroy(&x.client);
	input_fini(&x.input);
	strbuf_fini(&x.separator);
	return x.code == -1 ? EXIT_OK : x.code;
}
