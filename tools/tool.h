/*
 * What the verbs of the skein command share: exit codes, errors for people, connecting, signals.
 *
 * Data goes to stdout, everything else to stderr. The terminal, pipes and signals of the process are used directly: they are
 * no part of the machine that src/os stands for.
 */
#ifndef SKEIN_TOOL_H
#define SKEIN_TOOL_H

#include <getopt.h>

#include "client/client.h"
#include "libskein/config.h"

enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_FOUND = 3,
	EXIT_DENIED = 4,
	EXIT_UNREACHABLE = 5,
	EXIT_PARTIAL = 6,	/* some of what was asked for has been done */
	EXIT_TIMED_OUT = 7,
	EXIT_DAMAGE = 8,
};

/* One verb. argv[0] is its last word. */
int tool_produce(int argc, char **argv);
int tool_consume(int argc, char **argv);
int tool_topic(int argc, char **argv);
int tool_group(int argc, char **argv);
int tool_cluster(int argc, char **argv);
int tool_top(int argc, char **argv);
int tool_status(int argc, char **argv);
int tool_bench(int argc, char **argv);
int tool_profile(int argc, char **argv);
int tool_config(int argc, char **argv);
int tool_completion(int argc, char **argv);
int tool_log(int argc, char **argv);
int tool_check(int argc, char **argv);

/* "skein: ..." on stderr. */
void tool_say(const char *fmt, ...) PRINTF(1, 2);
int  tool_fail(const struct client_error *error);			/* says it; the exit code that fits */
bool tool_flush(void);		/* stdout; false after saying why, if that is worth saying */
int  tool_exit_code(const struct client_error *error);
int  tool_topic_fail(struct slice topic, int16_t code);	/* the same of what the broker says of a topic */
/* When code is EXIT_NOT_FOUND: says which topic there is of a name near to this one, if any. Returns code. */
int  tool_near_topic(struct client *c, struct slice name, int code);
int  tool_both(int code, int next);		/* of two steps: the one that is not EXIT_OK; EXIT_FAILED when both failed, and differ */
int  tool_sum_up(int done, int code);		/* the exit code of several steps: partly done when some were */
/* A change is asked for: no answer is waited for longer than TOOL_CHANGE_MS, and after a few seconds that is said. End it when the answers are there. */
#define TOOL_CHANGE_MS   30000
#define TOOL_CHANGE_HELP "A change waits 30 seconds at most for its answer; without one the exit code is 7.\n"
void tool_change_begin(void);
void tool_change_end(void);
/* Asks at the terminal, unless yes; with a profile it says first which cluster that is. Without a terminal: says that `what` needs --yes; false. */
bool tool_confirm(bool yes, const char *question, const char *what);
/* Says what is wrong and where help is; EXIT_USAGE. verb: "produce", "topic create". */
int  tool_usage(const char *verb, const char *fmt, ...) PRINTF(2, 3);
/* The same after getopt_long(), which has said what is wrong, with argv[0] before it: "skein topic", "skein cluster reassign". */
int  tool_usage_told(const char *verb);

/* ---- which cluster, and how it is spoken to: target.c ---- */

#define TOOL_BOOTSTRAP_HELP \
	"  -b, --bootstrap LIST     brokers to begin with, host:port,... (default: $SKEIN_BOOTSTRAP,\n" \
	"                           else 127.0.0.1:9092)\n" \
	"  -X, --property NAME=VALUE  a property of Kafka's clients, as request.timeout.ms; may be repeated\n" \
	"      --profile NAME       the properties that skein profile keeps under this name (default:\n" \
	"                           $SKEIN_PROFILE, else the one in use)\n" \
	"  -h, --help               this text\n"

/* As getopt_long(), for verbs that connect: -b, -X and --profile are taken here and stand in no table of theirs. *index, where not NULL, counts in options. */
int  tool_getopt(int argc, char **argv, const char *letters, const struct option *options, int *index);
/* EXIT_USAGE, after saying that the value of the option that tool_getopt has given last cannot be one; wanted: what could be. */
int  tool_bad_value(const char *verb, const char *wanted);
/* A verb's own option that is another way to say a property; what comes later holds. False after saying why. The strings stay where they are. */
bool tool_property(const char *name, const char *value);
/* False after writing the reason into why. */
bool tool_is_property(const char *name, const char *value, char *why, size_t size);
/* The command's own defaults, for a verb to change; config_fini it. */
void tool_config_init(struct skein_config *config);
/* Lays over it what profile, environment and command line say; after the options have been read. */
void tool_properties(struct skein_config *config);
struct client_spec tool_client_spec(void);	/* what tool_connect goes by; its strings stay */
const char *tool_bootstrap(void);	/* never NULL */
const char *tool_profile_name(void);	/* of the profile that holds; "": none */
bool tool_is_aimed(void);		/* the command line names a cluster */

/* Connects; NULL after saying why, *code set. */
struct client *tool_connect(int *code);

/*
 * Waits until the topic is known. NULL after saying why, *code set: EXIT_NOT_FOUND with the nearest name there is.
 * May be called before connecting has ended.
 */
const struct client_topic *tool_topic_info(struct client *c, const char *name, int *code);

/*
 * From now on SIGINT, SIGTERM and SIGHUP (unless it is ignored, as nohup has it) end the client's wait and make tool_is_stopped true; a second one ends the process.
 * NULL before the client is destroyed.
 */
void tool_catch_signals(struct client *c);
bool tool_is_stopped(void);

#endif
