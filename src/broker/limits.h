/*
 * Whether this process may have what its configuration and its data need: descriptors and threads. Only a warning, with the number and the remedy, because nobody knows how
 * many clients will come; but better at the start than when a partition cannot be opened at night.
 */
#ifndef SKEIN_BROKER_LIMITS_H
#define SKEIN_BROKER_LIMITS_H

#include "base/config.h"
#include "base/log.h"

struct limits {			/* what is in force; 0: no bound, or not known */
	uint64_t    files, threads;
	const char *threads_remedy;	/* of the bound that is the lowest */
};

void     limits_check(const struct log_source *log, const struct limits *have, const struct broker_config *c, int replicas);
/* One sentence for a start that ended with ERR_NO_THREAD: the bound, what is needed, and the remedy. */
void     limits_no_thread(const struct limits *have, const struct broker_config *c, char *problem, size_t problem_size);
uint64_t limits_files_wanted(const struct broker_config *c, int replicas);
uint64_t limits_threads_wanted(const struct broker_config *c, int replicas);

#endif
