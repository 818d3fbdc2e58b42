/*
 * skein produce: lines in, records out. Reads only as fast as the cluster takes them: while the producer is full nothing is
 * read, and whoever writes into our pipe waits.
 */
#include "produce.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json_record.h"
#include "value.h"

static const char help[] =
	"Usage: skein produce [OPTION...] TOPIC [FILE...]\n"
	"Writes a record for every line of its input, the files one after the other; - is stdin, as is none.\n\n"
	"What a record is:\n"
	"  -i, --input FORMAT       text (default), json (one list), ndjson (an object per line), as\n"
	"                           skein consume -o writes them; -o is the same\n"
	"  -D, --delimiter TEXT     what ends a line (default: \\n); \\0 and \\xHH are possible\n"
	"  -k, --key-separator SEP  lines are key, SEP, value; a line without SEP has no key\n"
	"      --null TEXT          a key or value that is exactly this is null\n"
	"  -H, --header NAME=VALUE  a header for every record that has none; may be repeated\n"
	"  -p, --partition N        all go there (default: by key; without a key batches go round)\n"
	"      --repartition        ignore the partitions that JSON records name\n"
	"      --keep-going         a line that can be no record is told and left out; without it nothing\n"
	"                           behind such a line is written\n"
	"How they are written:\n"
	"  -z, --compression CODEC  none (default), gzip, snappy, lz4, zstd\n"
	"  -a, --acks N             all (default), 1, 0: how many copies before a record counts as written;\n"
	"                           a retry leaves no double copy with all only\n"
	"      --rate N[/UNIT]      no more than so many records per s (default), m, h\n"
	"      --linger MS          wait so long for more records to go along (default 5)\n"
	"      --batch-size BYTES   and for so many at most (default 262144)\n"
	"      --max-request-size BYTES  refuse larger records here (default 68157440); below it the topic's\n"
	"                           max.message.bytes decides, by the size of the compressed batch\n"
	"      --timeout MS         give a record up after this time (default 120000)\n"
	"When it did not end well:\n"
	"      --resume FILE        keeps there which lines are acknowledged, and goes on with exactly the others\n"
	"                           when FILE says so; removed when all are. Through kill -9 too, but for what\n"
	"                           was acknowledged in its last second\n"
	"      --skip-lines N       begin behind line N\n"
	TOOL_BOOTSTRAP_HELP
	"\nWhat is not acknowledged in the end is told, line by line or as ranges, and how to go on. A signal ends the\n"
	"reading; what has been read may still be written for 5 s.\n"
	"\nExamples:\n"
	"  echo hello | skein produce orders\n"
	"  printf 'a=1\\nb=2\\n' | skein produce orders -k =\n"
	"  skein produce orders -z zstd monday.txt tuesday.txt --resume orders.resume\n"
	"  find . -print0 | skein produce files -D '\\0' --rate 100\n"
	"  echo '{\"key\":\"a\",\"value\":null}' | skein produce orders -i ndjson\n";

#define STEP_MS     1000
#define BAR_MS      100		/* with a progress bar */
#define BATCH_BYTES 262144	/* an input has few partitions at a time, and nobody waits for its single records */
#define LINE_MAX_BYTES (64u << 20)
#define REQUEST_BYTES  (LINE_MAX_BYTES + (1u << 20))	/* no line is too long for it: whether a record is too large is the topic's to say */
#define PATIENCE_MS    3000		/* before one is told that records wait for their answers */
#define CATCH_UP_MS    200		/* with --rate: what was missed is made good for so long */

static mono_ms step_ms(const struct produce *x)
{
	return x->progress.is_on ? BAR_MS : STEP_MS;
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

/* With --rate: until it is this record's turn. */
static void wait_for_turn(struct produce *x)
{
	mono_ms now = os_mono_ms(os_real()), due;

	if (x->rate_count == 0)
		return;
	if (x->rate_start == 0)
		x->rate_start = now;
	due = x->rate_start + (mono_ms)((double)x->sent * (double)x->rate_ms / (double)x->rate_count);
	if (now - due > CATCH_UP_MS)
		x->rate_start += now - due - CATCH_UP_MS;
	for (; now < due && !tool_is_stopped(); now = os_mono_ms(os_real())) {
		producer_push(x->producer);
		client_step(x->client, MIN(due - now, step_ms(x)));
		produce_tick(x);
	}
}

/*
 * Waits for room or for the topic; false: nothing is to be sent behind it. Out of time it goes on: what has been read is to be
 * counted, down to the last line.
 */
static bool send(struct produce *x, struct producer_record *r, int64_t line)
{
	struct client_error error;

	r->topic = slice_str(x->topic);
	r->tag = (void *)(intptr_t)line;
	wait_for_turn(x);
	do {
		enum err e = producer_send(x->producer, r, &error);
		if (e == OK) {
			x->sent++;
			return true;
		}
		if (e != ERR_AGAIN) {
			produce_line_failed(x, line, tool_exit_code(&error), error.text);
			return x->keeps_going;
		}
		client_step(x->client, step_ms(x));
		produce_tick(x);
	} while (!produce_is_out_of_time(x));
	produce_note_left(&x->unsent, line);
	return true;
}

static bool send_json(struct produce *x, struct slice text, int64_t line)
{
	struct json_record j = { .memory = NULL };
	char error[400];

	if (!json_record_read(&j, text, error)) {
		size_t len = strlen(error);
		if (x->form == INPUT_JSON)
			snprintf(error + len, sizeof(error) - len, "; a list has an object per line, as consume -o json prints it (jq -c '.[]' makes ndjson of any)");
		produce_line_failed(x, line, EXIT_FAILED, error);
		return x->keeps_going;
	}
	if (x->partition >= 0 || x->repartitions)
		j.record.partition = x->partition;
	if (x->header_count > 0 && j.record.header_count == 0) {
		j.record.headers = x->headers;
		j.record.header_count = x->header_count;
	}
	bool goes_on = send(x, &j.record, line);
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

	if (x->line <= x->skip_lines || resume_is_done(&x->resume, x->line)) {
		x->skipped++;
		line_set_done(&x->lines, x->line);
		return true;
	}
	if (!has_record(x, &line)) {
		line_set_done(&x->lines, x->line);
		return true;
	}
	if (x->form != INPUT_TEXT)
		return send_json(x, line, x->line);
	split_line(x, line, &r);
	return send(x, &r, x->line);
}

/* ---- the inputs ---- */

static const char *file_name(const struct produce *x, int i)
{
	return i < x->file_count ? x->files[i] : "-";
}

/* The one at file_at. False after saying why. */
static bool open_input(struct produce *x)
{
	const char *name = file_name(x, x->file_at);
	struct slice delimiter = x->input.delimiter;
	int fd = strcmp(name, "-") == 0 ? 0 : open(name, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		produce_say(x, "cannot read %s: %s", name, strerror(errno));
		x->code = EXIT_FAILED;
		return false;
	}
	input_init(&x->input, fd, LINE_MAX_BYTES);
	x->input.delimiter = delimiter;
	x->file_begins[x->file_at] = x->line;
	if (client_watch(x->client, fd) == OK)
		return true;
	produce_say(x, "cannot wait for the input");
	x->code = EXIT_FAILED;
	return false;
}

static void close_input(struct produce *x)
{
	struct slice delimiter = x->input.delimiter;

	client_unwatch(x->client);
	x->closed_bytes += x->input.read_bytes;
	if (x->input.fd > 0)
		close(x->input.fd);
	input_fini(&x->input);
	input_init(&x->input, -1, LINE_MAX_BYTES);
	x->input.delimiter = delimiter;
}

/* False: there is none, or it cannot be read. */
static bool next_input(struct produce *x)
{
	close_input(x);
	if (x->file_at + 1 >= x->file_count) {
		x->is_over = true;
		return false;
	}
	x->file_at++;
	return open_input(x);
}

/* Before the first record is written: are they all there, and how large? False after saying why. */
static bool survey_inputs(struct produce *x)
{
	x->is_file = true;
	for (int i = 0; i < MAX(x->file_count, 1); i++) {
		const char *name = file_name(x, i);
		struct stat st;
		bool is_known = strcmp(name, "-") == 0 ? fstat(0, &st) == 0 : stat(name, &st) == 0 && access(name, R_OK) == 0;

		if (is_known && S_ISDIR(st.st_mode)) {
			is_known = false;
			errno = EISDIR;
		}
		if (!is_known) {
			tool_say("cannot read %s: %s; nothing is written", name, strerror(errno));
			x->code = EXIT_FAILED;
			return false;
		}
		x->is_file = x->is_file && S_ISREG(st.st_mode);
		x->total_bytes += st.st_size;
	}
	x->file_begins = mem_calloc((size_t)x->file_count + 1, sizeof(*x->file_begins));
	return true;
}

/* ---- all of them ---- */

/* Behind a line that is no record, nothing is written. */
static void drop_rest(struct produce *x)
{
	struct slice line;

	while (input_line(&x->input, &line) == OK) {
		x->line++;
		if (has_record(x, &line))
			produce_note_left(&x->unsent, x->line);
		else
			line_set_done(&x->lines, x->line);
	}
	x->is_over = x->file_at + 1 >= x->file_count && !input_has_part(&x->input) &&
		     (x->input.is_over || (x->is_file && x->closed_bytes + x->input.read_bytes >= x->total_bytes));
}

/* A signal ends the reading from the input, not the sending of the lines that have come from there. */
static void read_all(struct produce *x)
{
	struct slice line;
	char where[300];

	for (;;) {
		produce_tick(x);
		switch ((int)input_line(&x->input, &line)) {
		case OK:
			x->line++;
			if (!send_line(x, line)) {
				drop_rest(x);
				return;
			}
			break;
		case ERR_AGAIN:
			if (tool_is_stopped()) {
				if (!x->is_file && input_has_part(&x->input))	/* a file has the rest of it, and all that follows */
					produce_note_left(&x->unsent, ++x->line);
				return;
			}
			if (!client_watch_is_ready(x->client)) {
				client_step(x->client, step_ms(x));
				break;
			}
			if (!input_read(&x->input)) {
				produce_say(x, "cannot read %s: %s", file_name(x, x->file_at), strerror(errno));
				x->code = EXIT_FAILED;
				return;
			}
			client_step(x->client, 0);	/* there are lines to look at first */
			break;
		case ERR_TOO_LARGE:
			produce_say(x, "%s is longer than %u bytes", produce_line_text(x, ++x->line, where), LINE_MAX_BYTES);
			line_set_failed(&x->lines, x->line);
			x->code = EXIT_FAILED;
			return;
		default:
			if (!next_input(x))
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
	while (producer_pending(x->producer) > 0 && now < deadline && !produce_is_out_of_time(x)) {
		if (x->stop_at == 0 && now >= told_at) {
			produce_say(x, "%lld record%s waited for without an answer yet", (long long)producer_pending(x->producer),
				    producer_pending(x->producer) == 1 ? " is" : "s are");
			told_at = MONO_NEVER;
		}
		client_step(x->client, MIN(step_ms(x), deadline - now));
		produce_tick(x);
		now = os_mono_ms(os_real());
	}
}

static int run(struct produce *x)
{
	progress_begin(&x->progress, x->topic, x->is_file);
	if (open_input(x)) {
		read_all(x);
		close_input(x);
		wait_for_answers(x);
	}
	progress_clear(&x->progress);
	x->progress.is_on = false;
	return produce_finish(x);
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

	if (x->header_count == PRODUCE_HEADERS_MAX || !value_pair(text, &name, &value))
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

/* "1000", "1000/s", "60/m", "5/h". */
static bool set_rate(struct produce *x, char *text)
{
	static const struct { const char *unit; int64_t ms; } units[] = { { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	char *slash = strchr(text, '/');
	bool ok;

	x->rate_ms = slash == NULL ? 1000 : 0;
	for (size_t i = 0; slash != NULL && i < ARRAY_LEN(units); i++) {
		if (strcmp(slash + 1, units[i].unit) == 0)
			x->rate_ms = units[i].ms;
	}
	if (slash != NULL)
		*slash = '\0';
	ok = x->rate_ms > 0 && value_int(text, 1, 1000000000, &x->rate_count);
	if (slash != NULL)
		*slash = '/';
	return ok;
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
	x->spec.on_delivery = produce_on_delivery;
	x->spec.arg = x;
	config_fini(&config);
}

enum { OPT_NULL = 256, OPT_REPARTITION, OPT_LINGER, OPT_BATCH_SIZE, OPT_REQUEST_SIZE, OPT_TIMEOUT, OPT_RATE, OPT_RESUME, OPT_SKIP_LINES,
	       OPT_KEEP_GOING };

static const char *wanted_of(int c)
{
	switch (c) {
	case 'p': return "a partition's number, from 0";
	case 'H': return "NAME=VALUE, 64 times at most";
	case 'i':
	case 'o': return "text, json or ndjson";
	case OPT_RATE: return "a number from 1, of lines a second, or N/s, N/m, N/h";
	case OPT_SKIP_LINES: return "a number of lines, from 0";
	default: return "at least one character; \\n, \\t, \\0 and \\xNN stand for others";
	}
}

/* EXIT_OK: go on. -1: help was printed. */
static int parse(struct produce *x, int argc, char **argv)
{
	static const struct option options[] = {
		{ "key-separator", required_argument, NULL, 'k' },
		{ "null", required_argument, NULL, OPT_NULL }, { "header", required_argument, NULL, 'H' },
		{ "partition", required_argument, NULL, 'p' }, { "input", required_argument, NULL, 'i' },
		{ "output", required_argument, NULL, 'i' }, { "repartition", no_argument, NULL, OPT_REPARTITION },
		{ "compression", required_argument, NULL, 'z' }, { "acks", required_argument, NULL, 'a' },
		{ "linger", required_argument, NULL, OPT_LINGER }, { "batch-size", required_argument, NULL, OPT_BATCH_SIZE },
		{ "max-request-size", required_argument, NULL, OPT_REQUEST_SIZE },
		{ "delimiter", required_argument, NULL, 'D' }, { "rate", required_argument, NULL, OPT_RATE },
		{ "resume", required_argument, NULL, OPT_RESUME }, { "skip-lines", required_argument, NULL, OPT_SKIP_LINES },
		{ "keep-going", no_argument, NULL, OPT_KEEP_GOING },
		{ "timeout", required_argument, NULL, OPT_TIMEOUT }, { "help", no_argument, NULL, 'h' }, { 0 } };
	int c;

	while ((c = tool_getopt(argc, argv, "k:H:p:i:o:z:a:D:h", options, NULL)) != -1) {
		bool ok = true, is_told = false;
		switch (c) {
		case 'k': ok = value_unescape(&x->separator, optarg) && x->separator.len > 0; break;
		case OPT_NULL: x->null_text = optarg; break;
		case 'H': ok = add_header(x, optarg); break;
		case 'p': ok = set_number(optarg, 0, &x->partition); break;
		case 'i':
		case 'o': ok = set_form(x, optarg); break;
		case 'D': ok = value_unescape(&x->delimiter, optarg) && x->delimiter.len > 0; break;
		case OPT_RATE: ok = set_rate(x, optarg); break;
		case OPT_RESUME: x->resume_path = optarg; break;
		case OPT_SKIP_LINES: ok = value_int(optarg, 0, INT64_MAX - 1, &x->skip_lines); break;
		case OPT_KEEP_GOING: x->keeps_going = true; break;
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
			return tool_bad_value("produce", wanted_of(c));
	}
	if (optind == argc)
		return tool_usage("produce", "give a topic");
	x->topic = argv[optind++];
	x->files = argv + optind;
	x->file_count = argc - optind;
	if (x->delimiter.len > 0)
		x->input.delimiter = strbuf_slice(&x->delimiter);
	set_properties(x);
	return EXIT_OK;
}

static bool start(struct produce *x)
{
	struct client_error error;

	if (!survey_inputs(x))
		return false;
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
	return produce_begin_resume(x);
}

int tool_produce(int argc, char **argv)
{
	struct produce x = { .partition = PRODUCER_PARTITION_ANY };

	signal(SIGXFSZ, SIG_IGN);	/* a file that may not grow is a write that fails */
	input_init(&x.input, 0, LINE_MAX_BYTES);
	x.code = parse(&x, argc, argv);
	if (x.code == EXIT_OK && start(&x))
		x.code = run(&x);
	producer_destroy(&x.producer);
	tool_catch_signals(NULL);
	client_destroy(&x.client);
	input_fini(&x.input);
	progress_fini(&x.progress);
	line_set_fini(&x.lines);
	resume_fini(&x.resume);
	strbuf_fini(&x.resume_head);
	strbuf_fini(&x.separator);
	strbuf_fini(&x.delimiter);
	free(x.file_begins);
	return x.code == -1 ? EXIT_OK : x.code;
}
