/*
 * What the verbs of skein cluster share.
 */
#ifndef SKEIN_TOOL_CLUSTER_H
#define SKEIN_TOOL_CLUSTER_H

#include "client/admin.h"
#include "show.h"

#define CLUSTER_TIMEOUT_MS 60000

/* Partitions in order of topic and number, each once; owns the names. All zero bytes: none. */
struct partition_list {
	struct admin_partition *items;
	int                     count, room;
};
void partition_list_add(struct partition_list *l, struct slice topic, int32_t partition);
void partition_list_fini(struct partition_list *l);

/*
 * Adds what the words name, TOPIC (all its partitions) or TOPIC:PARTITION; no words: nothing. EXIT_OK, or an exit code
 * after saying why.
 */
int partition_list_read(struct partition_list *l, struct client *c, char **words, int count);

/* Says of one partition what the cluster said of it. error: its code; NONE: nothing is said. The exit code. */
int partition_answer(struct slice topic, int32_t partition, int16_t error, struct slice message);

/* How fast what the plan moves may be copied, in bytes per second and broker: before it is executed. An exit code. */
int reassign_limit(struct client *c, const struct partition_list *plan, int64_t rate);
/* Once nothing of the plan moves any more: no limit on any broker, nor on its topics. An exit code. */
int reassign_lift(struct client *c, const struct partition_list *plan);

/* skein cluster dirs. An exit code. */
int cluster_dirs(struct client *c, enum show_output output);

/* The brokers; is_all: what is described of the cluster with them. An exit code. */
int cluster_show(struct client *c, enum show_output output, bool is_all);

/* skein cluster reassign; argv[0] is that word. */
int tool_reassign(int argc, char **argv);
/* skein cluster check-java, and adopt; argv[0] is that word. */
int tool_check_java(int argc, char **argv);
int tool_adopt(int argc, char **argv);

#endif
