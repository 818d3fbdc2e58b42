/*
 * skein top: a live view of a cluster. The loop takes a look per interval, all questions of it at once, and meanwhile obeys keys; what is shown is always the last
 * look that is complete. Nothing that happens in the cluster ends it.
 */
#include "top.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/config_listener.h"
#include "client/client_call.h"
#include "http_get.h"
#include "screen.h"
#include "tool.h"
#include "value.h"

static const char help[] =
	"Usage: skein top [OPTION...]\n\n"
	"A live view of the cluster: brokers, busiest topics, groups by lag (in records and in time), disks,\n"
	"and partitions that are out of order. By Kafka's protocol alone, over any terminal from 80x24 up.\n\n"
	"  -i, --interval SECONDS   between two looks (default: 2; 0.5 to 3600)\n"
	"  -m, --metrics HOST:PORT  a broker's metrics listener, for requests per second; may be repeated,\n"
	"                           one for each broker (default: $SKEIN_METRICS, commas between them)\n"
	"      --once               one look, to stdout, without a terminal; with --interval two, that far\n"
	"                           apart, so that there are rates\n"
	"  -o, --output FORMAT      text (default), wide (all rows), json (an array) or ndjson (an object per\n"
	"                           line); with --once\n"
	TOOL_BOOTSTRAP_HELP
	"\nKeys: 1-5, Tab, left, right the view; up, down a row; Enter into it (a topic's partitions, a group's\n"
	"lag, a broker's directories), Esc back; s another order; / only names that hold a text; space pause;\n"
	"+ - the interval; h help; q end.\n"
	"\nExamples:\n"
	"  skein top\n"
	"  skein top -b kafka1:9092 --interval 5\n"
	"  skein top --once --interval 1 -o ndjson\n";

#define METRICS_MAX    64
#define METRICS_MS     300	/* as long as keys may have to wait for a listener */
#define METRICS_REST   10000	/* one that did not answer is not asked for so long */
#define LOOK_MS        3000	/* what a broker has not told by then is unknown in this look */
#define STARTS_EVERY   10	/* looks; asking each partition where it begins costs a broker as much as all the rest */
#define PARTS          (LOOK_ENDS | LOOK_DIRS | LOOK_GROUPS | LOOK_MEMBERS | LOOK_AGES)
#define ESCAPE_MS      50	/* bytes of a key come together, even over a slow line */

struct source {			/* a metrics listener */
	char     host[256];
	uint16_t port;
	mono_ms  rest_until;
	mono_ms  at;		/* of the counts; 0: none */
	double   all, produce, fetch;
};

struct top_verb {
	struct top       shown;
	struct client   *client;
	struct look     *now, *before, *asking;
	mono_ms          next;
	unsigned         looks;
	struct source    sources[METRICS_MAX];
	int              source_count;
	bool             is_once, has_interval;
	enum show_output output;
	struct strbuf    typed;
	mono_ms          typed_at;
};

/* ---- requests ---- */

static void ask_source(struct source *s, struct top_requests *sum, mono_ms now)
{
	struct strbuf page = STRBUF_INIT;
	struct source was = *s;
	int status = 0;

	if (s->rest_until > now)
		return;
	if (http_get(s->host, s->port, "/metrics", METRICS_MS, &status, &page) != OK || status != 200) {
		s->rest_until = now + METRICS_REST;
		s->at = 0;
	} else {
		const char *name = "kafka_network_requestmetrics_requests_total", *text = strbuf_cstr(&page);

		s->at = os_mono_ms(os_real());
		s->all = http_number(text, name, NULL, false);
		s->produce = http_number(text, name, "request=\"Produce\"", false);
		s->fetch = http_number(text, name, "request=\"Fetch", false);	/* FetchConsumer and FetchFollower are parts of Fetch where they are told */
	}
	if (s->at > was.at && was.at > 0 && s->all >= was.all) {
		double seconds = (double)(s->at - was.at) / 1000;

		sum->all = MAX(sum->all, 0) + (s->all - was.all) / seconds;
		sum->produce = MAX(sum->produce, 0) + (s->produce - was.produce) / seconds;
		sum->fetch = MAX(sum->fetch, 0) + (s->fetch - was.fetch) / seconds;
	}
	strbuf_fini(&page);
}

static void ask_sources(struct top_verb *x)
{
	mono_ms now = os_mono_ms(os_real());

	x->shown.requests = (struct top_requests){ -1, -1, -1 };
	for (int i = 0; i < x->source_count; i++)
		ask_source(&x->sources[i], &x->shown.requests, now);
}

/* ---- looks ---- */

static void begin_look(struct top_verb *x)
{
	struct look_spec spec = { .parts = PARTS, .timeout_ms = LOOK_MS, .before = x->now, .age_rounds = 2 };

	if (x->now == NULL || x->now->has_gaps || x->looks++ % STARTS_EVERY == 0)
		spec.parts |= LOOK_STARTS;
	look_begin(&x->asking, x->client, &spec);
	x->next = os_mono_ms(os_real()) + x->shown.interval_ms;
}

/* The look is complete: it becomes what is shown, unless nobody has answered. */
static void take_look(struct top_verb *x)
{
	if (x->asking->error.err != OK) {
		x->shown.trouble = x->asking->error;
		look_end(&x->asking);
		return;
	}
	x->shown.trouble = CLIENT_ERROR_NONE;
	look_end(&x->before);
	x->before = x->now;
	x->now = x->asking;
	x->asking = NULL;
	x->shown.now = x->now;
	x->shown.before = x->before;
	if (x->source_count > 0)
		ask_sources(x);
}

/* ---- once ---- */

static int once(struct top_verb *x)
{
	int code = EXIT_OK;

	for (int n = x->has_interval ? 2 : 1; n > 0 && code == EXIT_OK && !tool_is_stopped(); n--) {
		begin_look(x);
		x->asking->age_rounds = 16;
		look_wait(x->asking);
		take_look(x);
		if (x->shown.trouble.err != OK)
			code = tool_fail(&x->shown.trouble);
		for (mono_ms now; n > 1 && code == EXIT_OK && !tool_is_stopped() && (now = os_mono_ms(os_real())) < x->next;)
			client_step(x->client, x->next - now);
	}
	if (code != EXIT_OK || x->now == NULL)
		return code != EXIT_OK ? code : EXIT_FAILED;
	for (int i = 0; i < x->now->broker_count; i++) {
		if (x->now->brokers[i].is != NULL && x->now->brokers[i].error.err != OK)
			tool_say("broker %d does not tell: %s", x->now->brokers[i].id, x->now->brokers[i].error.text);
	}
	top_print(&x->shown, x->output);
	return EXIT_OK;
}

/* ---- live ---- */

static void wake(void *arg)
{
	client_wake(arg);
}

/* Obeys what was typed. False: the user, or the terminal, wants to end. */
static bool obey(struct top_verb *x, int rows, bool *is_changed)
{
	mono_ms now = os_mono_ms(os_real());
	size_t before = x->typed.len, used;
	int key;

	if (client_watch_is_ready(x->client) && !screen_read(&x->typed))
		return false;
	if (x->typed.len > before)
		x->typed_at = now;
	while ((key = screen_key(strbuf_cstr(&x->typed), x->typed.len, now - x->typed_at >= ESCAPE_MS, &used)) != KEY_NONE) {
		*is_changed = true;
		if (!top_key(&x->shown, key, rows))
			return false;
		memmove(x->typed.ptr, x->typed.ptr + used, x->typed.len - used);
		strbuf_truncate(&x->typed, x->typed.len - used);
	}
	return true;
}

static bool draw(struct top_verb *x, int rows, int columns)
{
	struct strbuf out = STRBUF_INIT;
	bool ok;

	top_draw(&x->shown, rows, columns, &out);
	ok = screen_draw(&out);
	strbuf_fini(&out);
	return ok;
}

static mono_ms wait_ms(const struct top_verb *x)
{
	mono_ms now = os_mono_ms(os_real()), wait = x->asking != NULL || x->shown.is_paused ? 1000 : MAX(x->next - now, 0);

	return x->typed.len > 0 ? MIN(wait, ESCAPE_MS) : wait;
}

static int live(struct top_verb *x)
{
	int rows, columns, code = EXIT_OK;
	bool is_changed = true;

	if (!screen_open(wake, x->client))
		return EXIT_USAGE;
	if (client_watch(x->client, 0) != OK) {
		screen_close();
		tool_say("this terminal cannot be waited for");
		return EXIT_FAILED;
	}
	begin_look(x);
	while (!screen_is_ended()) {
		int64_t interval = x->shown.interval_ms;

		is_changed |= screen_was_resized();
		screen_size(&rows, &columns);
		if (is_changed && !draw(x, rows, columns)) {
			code = EXIT_FAILED;
			break;
		}
		is_changed = false;
		client_step(x->client, wait_ms(x));
		if (!obey(x, rows, &is_changed))
			break;
		x->next += x->shown.interval_ms - interval;
		if (x->asking != NULL && look_is_done(x->asking)) {
			take_look(x);
			is_changed = true;
		}
		if (x->asking == NULL && !x->shown.is_paused && os_mono_ms(os_real()) >= x->next)
			begin_look(x);
	}
	client_unwatch(x->client);
	screen_close();
	return code;
}

/* ---- command line ---- */

static bool add_source(struct top_verb *x, const char *text)
{
	struct slice host;
	int32_t port;

	if (x->source_count == METRICS_MAX || !config_address_parse(slice_str(text), &host, &port) || host.len == 0 || host.len >= sizeof(x->sources->host))
		return false;
	struct source *s = &x->sources[x->source_count++];

	snprintf(s->host, sizeof(s->host), SLICE_FMT, SLICE_ARG(host));
	s->port = (uint16_t)port;
	x->shown.has_requests = true;
	x->shown.requests = (struct top_requests){ -1, -1, -1 };
	return true;
}

/* $SKEIN_METRICS, where no option names one. */
static int add_known_sources(struct top_verb *x)
{
	char *list = x->source_count == 0 && getenv("SKEIN_METRICS") != NULL ? mem_strdup(getenv("SKEIN_METRICS")) : NULL, *at = NULL;
	int code = EXIT_OK;

	for (char *one = list != NULL ? strtok_r(list, ",", &at) : NULL; one != NULL && code == EXIT_OK; one = strtok_r(NULL, ",", &at)) {
		if (!add_source(x, one))
			code = tool_usage("top", "$SKEIN_METRICS: \"%s\" is not HOST:PORT", one);
	}
	free(list);
	return code;
}

/* EXIT_OK: go on. -1: help was printed. */
static int parse(struct top_verb *x, int argc, char **argv)
{
	enum { OPT_ONCE = 256 };
	static const struct option options[] = {
		{ "interval", required_argument, NULL, 'i' }, { "metrics", required_argument, NULL, 'm' }, { "once", no_argument, NULL, OPT_ONCE },
		{ "output", required_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' }, { 0 } };
	int c;

	while ((c = tool_getopt(argc, argv, "i:m:o:h", options, NULL)) != -1) {
		switch (c) {
		case 'i':
			if (!value_seconds(optarg, 500, 3600000, &x->shown.interval_ms))
				return tool_bad_value("top", "seconds, 0.5 to 3600");
			x->has_interval = true;
			break;
		case 'm':
			if (!add_source(x, optarg))
				return tool_bad_value("top", "HOST:PORT");
			break;
		case OPT_ONCE: x->is_once = true; break;
		case 'o':
			if (!show_output_of(optarg, &x->output))
				return tool_bad_value("top", SHOW_OUTPUTS);
			break;
		case 'h': fputs(help, stdout); return -1;
		default: return tool_usage_told("top");
		}
	}
	if (optind < argc)
		return tool_usage("top", "it takes no arguments");
	if (x->output != SHOW_DEFAULT && !x->is_once)
		return tool_usage("top", "--output goes with --once");
	return add_known_sources(x);
}

int tool_top(int argc, char **argv)
{
	struct top_verb *x = mem_calloc(1, sizeof(*x));
	struct table_form form = table_form_stdout();
	int code;

	x->shown.interval_ms = 2000;
	code = parse(x, argc, argv);
	if (code == EXIT_OK) {
		x->shown.has_color = form.has_color;
		x->shown.has_unicode = form.has_unicode;
		x->client = tool_connect(&code);
		if (x->client != NULL)
			code = x->is_once ? once(x) : live(x);
		look_end(&x->asking);
		look_end(&x->now);
		look_end(&x->before);
		client_destroy(&x->client);
		if (!tool_flush() && code == EXIT_OK)
			code = EXIT_FAILED;
	} else if (code == -1) {
		code = EXIT_OK;
	}
	strbuf_fini(&x->typed);
	free(x);
	return code;
}
