/*
 * skein consume: reads partitions of topics and prints their records.
 */
#include "consume.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
	"Usage: skein consume [OPTION...] TOPIC...\n"
	"Prints records of topics, values line by line unless told otherwise.\n\n"
	"Which partitions:\n"
	"  -p, --partition LIST     only these, as in 0,2,5-7 (default: all)\n"
	"      --pattern            each TOPIC is an extended regular expression for whole names. Topics that appear\n"
	"                           later are read from their beginning; by a group, from where it stands or --from says\n"
	"      --internal           with --pattern: also those the brokers keep for themselves\n"
	"Where to begin (what is said last counts) and to end:\n"
	"      --from START         beginning, end (default), an OFFSET, or @TIME: the first record not\n"
	"                           older than 2026-11-22T19:28:07Z, 2026-11-22, or milliseconds since 1970\n"
	"      --since AGE          the first record not older than 90s, 15m, 2h, 1d12h; or than a TIME as above\n"
	"      --tail N             the last N records of each partition that would be printed, and what comes\n"
	"                           then: filters, compaction and control records are reckoned with. It takes\n"
	"                           reading backwards, to the beginning if a filter lets fewer pass\n"
	"  -e, --exit               end when everything that was there has been printed\n"
	"      --timeout MS         with --exit: give up partitions that nobody answers for so long (default 15000)\n"
	"  -n, --count N            end after N records have been printed\n"
	"  -g, --group GROUP        read as a member of this group, from where it stands; what has been written\n"
	"                           is committed. --from then says where to begin where it stands nowhere, or at\n"
	"                           what has been deleted\n"
	"Which records:\n"
	"      --key PATTERN        whose key is this; * stands for any bytes, ? for one, \\ before them for themselves\n"
	"      --header NAME[=PATTERN]  with such a header; may be repeated, for all of them\n"
	"      --grep REGEX         in whose value this extended regular expression is found\n"
	"      --committed          not those of transactions that are open or were aborted\n"
	"      --control            control records too: where transactions were committed and aborted\n"
	"What is printed:\n"
	"  -o, --output FORMAT      text (default); wide: partition, offset, time, key, value, headers; json (one\n"
	"                           list); ndjson (an object per line); or a format as below, if it has a % in it\n"
	"  -f, --format TEXT        text with %t topic, %p partition, %o offset, %k key, %s or %v value, %T time in\n"
	"                           ms, %I time, %h headers, %H their number, %e leader epoch, %K and %S lengths of\n"
	"                           key and value (-1: null), %R length of the value as four bytes, %%; and \\n \\t\n"
	"                           \\0 \\xHH\n"
	"  -k, --key-separator SEP  print key, SEP, value\n"
	"  -D, --delimiter TEXT     what stands behind each record in text (default: \\n)\n"
	"      --null TEXT          what stands for null in text (default: nothing)\n"
	"      --decode WHAT        offsets, transactions: what the brokers keep in __consumer_offsets or\n"
	"                           __transaction_state, which is the TOPIC then, as JSON\n"
	TOOL_BOOTSTRAP_HELP
	"\nExamples:\n"
	"  skein consume orders                                  what comes from now on\n"
	"  skein consume orders --from beginning --exit          all that is there\n"
	"  skein consume orders --since 2h --key 'customer-17*' -o wide\n"
	"  skein consume orders --tail 10 --exit\n"
	"  skein consume --pattern 'orders\\..*' --grep ERROR -f '%t/%p@%o %s\\n'\n"
	"  skein consume orders --from beginning -e -o ndjson | skein produce copy -i ndjson\n"
	"  skein consume orders --group billing --from beginning\n"
	"  skein consume --decode offsets --from beginning -e\n";

#define STEP_MS  1000
#define STALL_MS 15000
#define SESSION_TIMEOUT_MS 10000
#define HEARTBEAT_MS       1000

/* ---- the loop ---- */

static bool is_done(const struct consume *x)
{
	return (x->consumer != NULL && x->ended_count == x->place_count && (x->member == NULL || x->exits_at_end)) || x->has_failed || x->count == x->count_max;
}

/* A signal: whoever wanted a certain number, or all there is, has not got it. */
static void say_stopped(struct consume *x)
{
	bool has_aim = x->exits_at_end || x->count_max >= 0;

	tool_say("stopped%s; %lld record%s written", has_aim ? " before the end" : "", (long long)x->output.written, x->output.written == 1 ? " is" : "s are");
	if (has_aim && x->code == EXIT_OK)
		x->code = EXIT_FAILED;
}

static void run(struct consume *x)
{
	struct consumer_event e;
	bool goes_on = true;

	x->last_progress = os_mono_ms(os_real());
	while (goes_on && !is_done(x) && !tool_is_stopped()) {
		if (consume_group_turn(x))
			continue;
		if (x->consumer != NULL && consumer_next(x->consumer, &e)) {
			goes_on = consume_on_event(x, &e);
			continue;
		}
		goes_on = consume_flush(x);
		consume_discover(x);
		consume_group_discover(x);
		if (goes_on && consume_is_stalled(x)) {
			consume_give_up(x);
			break;
		}
		if (goes_on)
			client_step(x->client, STEP_MS);
	}
	record_print_end(&x->output.bytes, &x->print, x->count == 0);
	bool ok = consume_flush(x);
	if (tool_is_stopped() && !is_done(x))
		say_stopped(x);
	if (!ok && !x->output.is_cut_off && x->code == EXIT_OK)
		x->code = EXIT_FAILED;
	if (x->code != EXIT_OK && x->output.written > 0 && x->code != EXIT_DAMAGE)
		x->code = EXIT_PARTIAL;
}

/* ---- starting ---- */

static bool start(struct consume *x)
{
	if (!consume_find_topics(x))
		return false;
	if (x->group != NULL) {
		if (x->topic_count > 0)		/* else consume_group_discover does, when there is one */
			consume_join(x);
		return true;
	}
	if (!consume_find_places(x))
		return false;
	if (x->tail_count >= 0)
		return consume_begin_tails(x);
	for (int i = 0; i < x->place_count; i++)
		consume_begin(x, &x->places[i]);
	return true;
}

static bool set_since(struct consume *x, const char *text)
{
	x->start.kind = START_TIME;
	return value_since(text, os_time_ms(os_real()), &x->start.at);
}

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

/* EXIT_OK, or what is wrong with what was said about topics and groups. */
static int check_arguments(struct consume *x)
{
	static char offsets[] = "__consumer_offsets", transactions[] = "__transaction_state";
	static char *internal[] = { [DECODE_OFFSETS] = offsets, [DECODE_TRANSACTIONS] = transactions };

	if (x->name_count == 0 && x->print.decode != DECODE_NONE) {
		x->names = &internal[x->print.decode];
		x->name_count = 1;
		x->is_pattern = false;
	}
	if (x->name_count == 0)
		return tool_usage("consume", "give a topic");
	for (int i = 0; i < x->name_count; i++) {
		if (x->names[i][0] == '\0')
			return tool_usage("consume", "a topic has a name");
	}
	if (x->group != NULL && x->group[0] == '\0')
		return tool_usage("consume", "a group has a name");
	if (x->group != NULL && x->number_count > 0)
		return tool_usage("consume", "the group says which partitions are read");
	if (x->group != NULL && x->tail_count >= 0)
		return tool_usage("consume", "the group says where to begin, not --tail");
	return EXIT_OK;
}

/* EXIT_OK: go on. -1: help was printed. */
static int parse(struct consume *x, int argc, char **argv)
{
	enum { OPT_FROM = 256, OPT_SINCE, OPT_TAIL, OPT_NULL, OPT_TIMEOUT, OPT_KEY, OPT_HEADER, OPT_GREP, OPT_COMMITTED, OPT_CONTROL, OPT_DECODE, OPT_PATTERN,
	       OPT_INTERNAL };
	static const struct option options[] = {
		{ "partition", required_argument, NULL, 'p' },
		{ "group", required_argument, NULL, 'g' }, { "pattern", no_argument, NULL, OPT_PATTERN }, { "internal", no_argument, NULL, OPT_INTERNAL },
		{ "from", required_argument, NULL, OPT_FROM }, { "since", required_argument, NULL, OPT_SINCE }, { "tail", required_argument, NULL, OPT_TAIL },
		{ "exit", no_argument, NULL, 'e' }, { "count", required_argument, NULL, 'n' },
		{ "key", required_argument, NULL, OPT_KEY }, { "header", required_argument, NULL, OPT_HEADER }, { "grep", required_argument, NULL, OPT_GREP },
		{ "committed", no_argument, NULL, OPT_COMMITTED }, { "control", no_argument, NULL, OPT_CONTROL },
		{ "output", required_argument, NULL, 'o' }, { "format", required_argument, NULL, 'f' }, { "key-separator", required_argument, NULL, 'k' },
		{ "delimiter", required_argument, NULL, 'D' }, { "null", required_argument, NULL, OPT_NULL }, { "decode", required_argument, NULL, OPT_DECODE },
		{ "timeout", required_argument, NULL, OPT_TIMEOUT }, { "help", no_argument, NULL, 'h' }, { 0 } };
	int c;

	while ((c = tool_getopt(argc, argv, "p:g:en:o:f:k:D:h", options, NULL)) != -1) {
		char told[100] = "";
		const char *why = told;
		bool ok = true, is_told = false;
		switch (c) {
		case 'p': ok = value_numbers(optarg, x->numbers, CONSUME_PLACES_MAX, &x->number_count); why = "numbers of partitions, as 0,2,5-7"; break;
		case 'g': x->group = optarg; break;
		case OPT_PATTERN: x->is_pattern = true; break;
		case OPT_INTERNAL: x->with_internal = true; break;
		case OPT_FROM: ok = x->is_start_told = value_start(optarg, &x->start); why = VALUE_STARTS; x->tail_count = -1; break;
		case OPT_SINCE: ok = x->is_start_told = set_since(x, optarg); why = VALUE_AGES; x->tail_count = -1; break;
		case OPT_TAIL: ok = value_int(optarg, 0, 100000000, &x->tail_count); why = "a number of records, 0 to 100000000"; break;
		case 'e': x->exits_at_end = true; break;
		case 'n': ok = value_int(optarg, 0, INT64_MAX, &x->count_max); why = "a number of records, from 0"; break;
		case OPT_KEY: x->filter.key = optarg; break;
		case OPT_HEADER: ok = record_filter_header(&x->filter, optarg); why = "NAME, or NAME=VALUE"; break;
		case OPT_GREP: ok = record_filter_value(&x->filter, optarg, told); break;
		case OPT_COMMITTED: is_told = !tool_property("isolation.level", "read_committed"); break;
		case OPT_CONTROL: x->with_control = true; break;
		case 'o': ok = record_print_set(&x->print, optarg, told); break;
		case 'f': ok = record_print_set_format(&x->print, optarg, told); break;
		case 'k': ok = value_unescape(&x->print.key_separator, optarg); why = VALUE_HEX; break;
		case 'D': strbuf_reserve(&x->print.delimiter, 1); ok = value_unescape(&x->print.delimiter, optarg); why = VALUE_HEX; break;
		case OPT_NULL: x->print.null_text = optarg; break;
		case OPT_DECODE: ok = decode_kind_parse(optarg, &x->print.decode); why = DECODE_KINDS; break;
		case OPT_TIMEOUT: ok = value_int(optarg, 1, INT32_MAX, &x->stall_ms); why = "milliseconds, from 1"; break;
		case 'h': fputs(help, stdout); return -1;
		default: is_told = true;
		}
		if (is_told)
			return tool_usage_told("consume");
		if (!ok)
			return tool_bad_value("consume", why);
	}
	x->names = argv + optind;
	x->name_count = argc - optind;
	return check_arguments(x);
}

int tool_consume(int argc, char **argv)
{
	struct consume x = { .count_max = -1, .tail_count = -1, .start.kind = START_END, .stall_ms = STALL_MS, .print = RECORD_PRINT_INIT };

	signal(SIGXFSZ, SIG_IGN);	/* a file that may not grow is a write that fails */
	x.numbers = mem_calloc(CONSUME_PLACES_MAX, sizeof(*x.numbers));
	x.code = parse(&x, argc, argv);
	set_properties(&x.config);
	if (x.code == EXIT_OK) {
		x.client = tool_connect(&x.code);
		if (x.client != NULL) {
			tool_catch_signals(x.client);
			if (start(&x))
				run(&x);
			consume_leave(&x);
		}
	}
	consume_drop_places(&x);
	consume_set_group_trouble(&x, NULL);
	group_member_destroy(&x.member);
	topic_pattern_destroy(&x.pattern);
	tool_catch_signals(NULL);
	client_destroy(&x.client);
	config_fini(&x.config);
	consume_output_fini(&x.output);
	record_filter_fini(&x.filter);
	record_print_fini(&x.print);
	free(x.numbers);
	return x.code == -1 ? EXIT_OK : x.code;
}
