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
	"      --timeout MS         give a record up after this time (default 120000)\n"
	TOOL_BOOTSTRAP_HELP
	"\nExamples:\n"
	"  echo hello | skein produce orders\n"
	"  printf 'a=1\\nb=2\\n' | skein produce orders -k =\n"
	"  skein produce orders -z zstd < lines.txt\n"
	"  echo '{\"key\":\"a\",\"value\":null}' | skein produce orders -i ndjson\n";

#define HEADERS_MAX 64
#define STEP_MS     1000
#define BATCH_BYTES 262144	/* an input has few partitions at a time, and nobody waits for its single records */
#define LINE_MAX_BYTES (64u << 20)
#define FAILURES_TOLD  5		/* one line each; the rest is counted */

enum input_form { INPUT_TEXT, INPUT_JSON, INPUT_NDJSON };

struct produce {
	const char          *bootstrap, *topic, *null_text;
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
	int                  code;
};

/* The tag of a record is the number of its input line. */
static void on_delivery(void *arg, const struct producer_delivery *d)
{
	struct produce *x = arg;

	if (d->error->err == OK) {
		x->written++;
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

/* Waits for room or for the topic; false: x->code says how it ended. */
static bool send(struct produce *x, struct producer_record *r, int64_t number)
{
	struct client_error error;

	r->topic = slice_str(x->topic);
	r->tag = (void *)(intptr_t)number;
	while (!tool_is_stopped()) {
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
	}
	return false;
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

static bool send_line(struct produce *x, struct slice line)
{
	struct producer_record r = { .partition = x->partition, .timestamp = -1, .headers = x->headers,
				     .header_count = x->header_count };

	if (x->form == INPUT_JSON) {	/* a list as skein consume writes it: an object per line between brackets */
		while (line.len > 0 && (line.ptr[line.len - 1] == ',' || line.ptr[line.len - 1] == ' '))
			line.len--;
		if (line.len == 0 || slice_eq_str(line, "[") || slice_eq_str(line, "]") || slice_eq_str(line, "[]"))
			return true;
	}
	if (x->form != INPUT_TEXT)
		return line.len == 0 || send_json(x, line, x->input.line_number);
	split_line(x, line, &r);
	return send(x, &r, x->input.line_number);
}

/* ---- all of them ---- */

static void read_all(struct produce *x)
{
	struct slice line;
	bool goes_on = true;

	while (goes_on && !tool_is_stopped()) {
		switch ((int)input_line(&x->input, &line)) {
		case OK:
			goes_on = send_line(x, line);
			break;
		case ERR_AGAIN:
			if (client_watch_is_ready(x->client) && !input_read(&x->input)) {
				tool_say("cannot read the input: %s", strerror(errno));
				x->code = EXIT_FAILED;
				return;
			}
			client_step(x->client, x->input.seen > x->input.at ? 0 : STEP_MS);
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

static int run(struct produce *x)
{
	if (client_watch(x->client, x->input.fd) != OK) {
		tool_say("cannot read the input");
		return EXIT_FAILED;
	}
	read_all(x);
	client_unwatch(x->client);
	enum err e = producer_flush(x->producer, x->spec.delivery_timeout_ms + 1000);
	if (e != OK)
		tool_say("%lld records have no answer", (long long)producer_pending(x->producer));
	producer_destroy(&x->producer);		/* reports what is left as failed */
	if (x->failed > FAILURES_TOLD)
		tool_say("%lld records were not written, %lld were", (long long)x->failed, (long long)x->written);
	if (x->code == EXIT_OK && x->failed > 0)
		x->code = tool_exit_code(&x->error);
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

/* EXIT_OK: go on. -1: help was printed. */
static int parse(struct produce *x, int argc, char **argv)
{
	enum { OPT_NULL = 256, OPT_REPARTITION, OPT_LINGER, OPT_BATCH_SIZE, OPT_TIMEOUT };
	static const struct option options[] = {
		{ "bootstrap", required_argument, NULL, 'b' }, { "key-separator", required_argument, NULL, 'k' },
		{ "null", required_argument, NULL, OPT_NULL }, { "header", required_argument, NULL, 'H' },
		{ "partition", required_argument, NULL, 'p' }, { "input", required_argument, NULL, 'i' },
		{ "output", required_argument, NULL, 'i' }, { "repartition", no_argument, NULL, OPT_REPARTITION },
		{ "compression", required_argument, NULL, 'z' }, { "acks", required_argument, NULL, 'a' },
		{ "linger", required_argument, NULL, OPT_LINGER }, { "batch-size", required_argument, NULL, OPT_BATCH_SIZE },
		{ "timeout", required_argument, NULL, OPT_TIMEOUT }, { "help", no_argument, NULL, 'h' }, { 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "b:k:H:p:i:o:z:a:h", options, NULL)) != -1) {
		bool ok = true;
		switch (c) {
		case 'b': x->bootstrap = optarg; break;
		case 'k': ok = value_unescape(&x->separator, optarg) && x->separator.len > 0; break;
		case OPT_NULL: x->null_text = optarg; break;
		case 'H': ok = add_header(x, optarg); break;
		case 'p': ok = set_number(optarg, 0, &x->partition); break;
		case 'i':
		case 'o': ok = set_form(x, optarg); break;
		case OPT_REPARTITION: x->repartitions = true; break;
		case 'z': ok = value_codec(optarg, &x->spec.codec); break;
		case 'a': ok = value_acks(optarg, &x->spec.acks); break;
		case OPT_LINGER: ok = set_number(optarg, 0, &x->spec.linger_ms); break;
		case OPT_BATCH_SIZE: ok = set_number(optarg, 0, &x->spec.batch_size); break;
		case OPT_TIMEOUT: ok = set_number(optarg, 1, &x->spec.delivery_timeout_ms); break;
		case 'h': fputs(help, stdout); return -1;
		default: return tool_usage_told("produce");
		}
		if (!ok)
			return tool_usage("produce", "\"%s\" is no value for this option", optarg);
	}
	if (optind + 1 != argc)
		return tool_usage("produce", "give one topic");
	x->topic = argv[optind];
	x->spec.is_idempotent = x->spec.acks == PRODUCER_ACKS_ALL;
	return EXIT_OK;
}

static bool start(struct produce *x)
{
	struct client_error error;

	x->client = tool_connect(x->bootstrap, &x->code);
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
	struct produce x = { .partition = PRODUCER_PARTITION_ANY, .spec = PRODUCER_SPEC_INIT };

	x.spec.batch_size = BATCH_BYTES;
	x.spec.on_delivery = on_delivery;
	x.spec.arg = &x;
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
