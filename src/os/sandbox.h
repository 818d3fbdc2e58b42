/*
 * What this process gives up for good, so that who takes it over gains little: writing outside its directories and executing anything (landlock), and system calls that a broker
 * has no use for (seccomp). A forbidden call is EPERM, and counted; a forbidden path is EACCES. Real machine only.
 *
 * Threads that are there already are not bound, nor are processes that were forked before: call it while there is one thread.
 */
#ifndef SKEIN_OS_SANDBOX_H
#define SKEIN_OS_SANDBOX_H

#include "base/err.h"

struct sandbox {
	int  landlock;		/* its version in the kernel; 0: there is none, and paths are not bound */
	bool has_filter;	/* of system calls; false: the kernel has none, or the machine is one whose calls are not known here */
};

/* writable: directories below which everything may be done. One that is not there yet: the nearest that is above it. Sanitizers need what is forbidden: with them nothing is done, and the result is
 * false. */
bool        sandbox_begin(struct sandbox *out, const char *const *writable, int count);
uint64_t    sandbox_refused(const char **last);	/* calls so far; which was the last ("" before the first). Any thread */

#endif
