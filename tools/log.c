/*
 * skein log: dump, verify, find. Reads Kafka's files where they lie.
 */
#include "log.h"

#include <stdio.h>
#include <string.h>

#include "tool.h"
#include "value.h"

static const char help[] =
	"Usage: skein log dump [OPTION...] FILE|DIR...\n"
	"       skein log verify [OPTION...] DIR...\n"
	"       skein log find --offset N|--time TIME|--key KEY [OPTION...] DIR...\n\n"
	"Reads the files of a log where they lie; no broker is asked, and nothing is written. A broker may\n"
	"serve them meanwhile: what is being written then may look torn.\n\n"
	"dump tells what stands in them: batches with their places, indexes, transaction indexes, snapshots\n"
	"of producers, leader epochs, checkpoints, partition.metadata, meta.properties. verify looks at CRCs,\n"
	"offsets, epochs, records, and whether indexes and snapshots speak the truth: a line per fault, and\n"
	"one per partition; DIR is a partition's directory, or one with such in it. find tells segment,\n"
	"position, batch and record of an offset, of the first record that is not older than a time, or of\n"
	"every record with a key; it trusts no index.\n\n"
	"  -r, --records            dump: records, too, with keys, values, headers and times\n"
	"      --from OFFSET        dump: from this offset on\n"
	"      --to OFFSET          dump: up to this offset, and with it\n"
	"      --committed          dump: without records of transactions that were aborted, or have not ended\n"
	"      --with-damaged       dump: also records of batches whose CRC is wrong\n"
	"      --decode KIND        dump, find: what keys and values say; offsets (of __consumer_offsets), or\n"
	"                           transactions (of __transaction_state)\n"
	"      --notes              verify: also what is no damage: remains, what a broker mends at its start\n"
	"      --offset N           find: this offset, or the next one that is there\n"
	"      --time TIME          find: 2026-11-22T19:28:07Z, 2026-11-22, or milliseconds since 1970\n"
	"      --key KEY            find: \\n, \\t, \\0 and \\xHH stand for bytes\n"
	"  -o, --output FORMAT      text (default), json (one document), ndjson (an object per line); dump: of a\n"
	"                           .log ndjson is its records as skein produce -i ndjson takes them\n"
	"  -h, --help               this text\n\n"
	"Times are UTC, positions are bytes. A damaged place is told with its position, what is wrong, and\n"
	"where it goes on. Formats 0 and 1 of old brokers are named, their records are not shown.\n\n"
	"Exit codes: 0 all is sound, 2 usage, 3 not there, 8 damage found.\n\n"
	"Examples:\n"
	"  skein log dump /var/lib/skein/orders-0\n"
	"  skein log dump --records 00000000000000000000.log --from 100 --to 120\n"
	"  skein log dump --committed -o ndjson /var/lib/skein/orders-0 | skein produce -i ndjson orders-copy\n"
	"  skein log dump --decode offsets /var/lib/skein/__consumer_offsets-7\n"
	"  skein log verify /var/lib/skein\n"
	"  skein log find --key customer-7 /var/lib/skein/orders-0\n";

enum { OPT_FROM = 256, OPT_TO, OPT_WITH_DAMAGED, OPT_COMMITTED, OPT_DECODE, OPT_NOTES, OPT_OFFSET, OPT_TIME, OPT_KEY };

static const struct option options[] = {
	{ "records", no_argument, NULL, 'r' }, { "from", required_argument, NULL, OPT_FROM }, { "to", required_argument, NULL, OPT_TO },
	{ "with-damaged", no_argument, NULL, OPT_WITH_DAMAGED }, { "committed", no_argument, NULL, OPT_COMMITTED },
	{ "decode", required_argument, NULL, OPT_DECODE },
	{ "notes", no_argument, NULL, OPT_NOTES }, { "offset", required_argument, NULL, OPT_OFFSET }, { "time", required_argument, NULL, OPT_TIME },
	{ "key", required_argument, NULL, OPT_KEY },
	{ "output", required_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
};

static const struct verb {
	const char *name;
	int       (*run)(const struct log_options *o, char **paths, int n);
} verbs[] = {
	{ "dump", log_dump }, { "verify", log_verify }, { "find", log_find },
};

/* What --key said, with its escapes resolved; as long as the process. */
static struct strbuf wanted_key;

static bool parse_time(const char *text, int64_t *out)
{
	char marked[64];
	struct value_start start;

	snprintf(marked, sizeof(marked), "%s%s", text[0] == '@' ? "" : "@", text);
	if (strlen(text) + 2 > sizeof(marked) || !value_start(marked, &start) || start.kind != START_TIME)
		return false;
	*out = start.at;
	return true;
}

static bool parse_output(const char *text, enum log_output *out)
{
	static const char *const names[] = { [LOG_TEXT] = "text", [LOG_JSON] = "json", [LOG_NDJSON] = "ndjson" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*out = (enum log_output)i;
			return true;
		}
	}
	return false;
}

/* EXIT_OK, or the code to end with, said; -1: help was given. */
static int parse_option(struct log_options *o, int c)
{
	switch (c) {
	case 'r':
		o->records = true;
		return EXIT_OK;
	case OPT_WITH_DAMAGED:
		o->records = o->with_damaged = true;
		return EXIT_OK;
	case OPT_COMMITTED:
		o->records = o->committed = true;
		return EXIT_OK;
	case OPT_FROM:
	case OPT_TO:
		if (!value_int(optarg, 0, INT64_MAX, c == OPT_FROM ? &o->from : &o->to))
			return tool_usage("log", "\"%s\" is not an offset", optarg);
		return EXIT_OK;
	case OPT_NOTES:
		o->notes = true;
		return EXIT_OK;
	case OPT_OFFSET:
		o->has_offset = true;
		if (!value_int(optarg, 0, INT64_MAX, &o->offset))
			return tool_usage("log", "\"%s\" is not an offset", optarg);
		return EXIT_OK;
	case OPT_TIME:
		o->has_time = true;
		if (!parse_time(optarg, &o->time))
			return tool_usage("log", "\"%s\" is not a time: 2026-11-22T19:28:07Z, 2026-11-22, or milliseconds since 1970", optarg);
		return EXIT_OK;
	case OPT_KEY:
		strbuf_reset(&wanted_key);
		if (!value_unescape(&wanted_key, optarg))
			return tool_usage("log", "\\x wants two digits after it: \"%s\"", optarg);
		o->key = strbuf_slice(&wanted_key);
		return EXIT_OK;
	case OPT_DECODE:
		o->records = true;
		if (!decode_kind_parse(optarg, &o->decode))
			return tool_usage("log", "nothing is known of \"%s\"; " DECODE_KINDS " can be decoded", optarg);
		return EXIT_OK;
	case 'o':
		if (!parse_output(optarg, &o->output))
			return tool_usage("log", "the output can be text, json or ndjson, not \"%s\"", optarg);
		return EXIT_OK;
	case 'h':
		fputs(help, stdout);
		return -1;
	default:
		return tool_usage_told("log");
	}
}

int tool_log(int argc, char **argv)
{
	struct log_options o = { .output = LOG_TEXT, .to = INT64_MAX };
	int c;

	while ((c = getopt_long(argc, argv, "ro:h", options, NULL)) != -1) {
		int code = parse_option(&o, c);

		if (code != EXIT_OK)
			return code < 0 ? EXIT_OK : code;
	}
	argv += optind;
	argc -= optind;
	if (o.output == LOG_NDJSON)
		o.records = true;
	if (o.from > o.to)
		return tool_usage("log", "--from lies behind --to");
	for (size_t i = 0; i < ARRAY_LEN(verbs) && argc > 0; i++) {
		if (strcmp(argv[0], verbs[i].name) != 0)
			continue;
		if (argc < 2)
			return tool_usage("log", "%s of what? A file or a directory has to be named", argv[0]);
		if (verbs[i].run == log_find && o.has_offset + o.has_time + !slice_is_null(o.key) != 1)
			return tool_usage("log", "find what? One of --offset, --time and --key has to be said");
		return verbs[i].run(&o, argv + 1, argc - 1);
	}
	return argc > 0 ? tool_usage("log", "\"%s\" is none of its verbs: dump, verify, find", argv[0]) : tool_usage("log", "dump, verify or find has to be said");
}
