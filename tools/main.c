/*
 * The skein command: finds the verb, and leaves the rest to it.
 */
#include "tool.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/broker.h"
#include "complete.h"
#include "config.h"
#ifdef HAVE_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

/*
 * Read by jemalloc. A thread of its own gives unused pages back: without it they stay as long as
 * nobody allocates, and two thousand partitions that were just made ask for nothing more. Two
 * arenas serve all threads, because the paths that are hot do not allocate; eight spread the same
 * memory over more pages. For the same reason a thread keeps little for itself: fifty partitions are fifty threads.
 */
#if defined(JEMALLOC_VERSION_MAJOR) && JEMALLOC_VERSION_MAJOR * 100 + JEMALLOC_VERSION_MINOR >= 503
#define THREAD_CACHE ",tcache_max:1024,tcache_nslots_small_min:4,tcache_nslots_small_max:16"
#else
#define THREAD_CACHE ""		/* it would complain about names that it does not know */
#endif
extern const char *malloc_conf;
const char *malloc_conf = "narenas:2,background_thread:true,dirty_decay_ms:1000" THREAD_CACHE;

static const struct verb verbs[] = {
	{ "serve",   broker_main,  "run a broker" },
	{ "produce", tool_produce, "write records to a topic" },
	{ "consume", tool_consume, "read records from a topic" },
	{ "topic",   tool_topic,   "create, list, describe, alter and delete topics" },
	{ "group",   tool_group,   "list, describe, reset and delete consumer groups" },
	{ "top",     tool_top,     "a live view: brokers, busiest topics, groups by lag, disks" },
	{ "status",  tool_status,  "whether the broker here is well, and its numbers" },
	{ "bench",   tool_bench,   "load a broker, and tell what it took" },
	{ "log",     tool_log,     "read the files of a log where they lie: dump, verify, find" },
	{ "check",   tool_check,   "look for damage in log directories, and repair it" },
	{ "cluster", tool_cluster, "brokers, what is out of order, leaders, moving replicas" },
	{ "config",  tool_config,  "settings of topics, brokers, the cluster and loggers" },
	{ "profile", tool_profile, "names for clusters and how they are spoken to" },
	{ "completion", tool_completion, "scripts that complete words in bash, zsh and fish" },
};

static void print_help(FILE *out)
{
	fputs("Usage: skein VERB [ARGUMENT...]\n\n", out);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		fprintf(out, "  %-11s %s\n", verbs[i].name, verbs[i].summary);
	fputs("\nskein VERB --help tells more about each; skein --version the version.\n\n"
	      "Examples:\n"
	      "  skein serve                            a broker on 127.0.0.1:9092\n"
	      "  skein topic create orders -p 3\n"
	      "  echo hello | skein produce orders\n"
	      "  skein consume orders --from beginning --exit\n\n"
	      "Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 denied, 5 unreachable, 6 partly done,\n"
	      "7 timed out, 8 damage found. Of several things asked for, none of them done: what all\n"
	      "refusals say alike, else 1.\n", out);
}

/*
 * Somebody has closed stdin, stdout or stderr: the next file or socket would take the number, and what is printed would go to a broker. Their places are
 * taken by what refuses to be read or written.
 */
static void keep_standard_files(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
			abort();	/* the lowest free number is this one */
	}
}

/* Whatever has been printed, a help text too, has also been written; else that is said. */
static int written(int code)
{
	return code == EXIT_OK && !tool_flush() ? EXIT_FAILED : code;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	keep_standard_files();
	if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
		printf("skein %s\n", PACKAGE_VERSION);
		return written(EXIT_OK);
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		print_help(stdout);
		return written(EXIT_OK);
	}
	if (strcmp(name, COMPLETE_WORD) == 0)
		return complete(verbs, ARRAY_LEN(verbs), (const char *const *)argv + 2, argc - 2);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(name, verbs[i].name) != 0)
			continue;
		char full[32];	/* what getopt_long() begins its complaints with */
		snprintf(full, sizeof(full), "skein %s", name);
		argv[1] = full;
		return written(verbs[i].run(argc - 1, argv + 1));
	}
	if (argc > 1)
		fprintf(stderr, "skein: there is no verb \"%s\"\n\n", name);
	print_help(stderr);
	return EXIT_USAGE;
}
