/*
 * A child that is forked to outlive its parent for a moment, and what can be known of other processes. Real machine only.
 *
 * The child shares nothing with the parent but a socket on which it is told things, each message whole. It is in a session of its own, ignores what is sent to the parent's
 * process group, holds no other descriptor (0 to 2 are /dev/null), is in /, and has no privileges that it could give up: from root it becomes nobody.
 */
#ifndef SKEIN_OS_CHILD_H
#define SKEIN_OS_CHILD_H

#include "os/os.h"

#define CHILD_MESSAGE_MAX 1024	/* bytes */

struct child {			/* the parent's side */
	int64_t pid;
	os_fd   news;
};

struct child_ends {		/* the child's side; both for a poller and to be read only */
	os_fd news;		/* os_recv: one message. *got == 0: nobody is left who could send, so every thread of the parent is past its last instruction */
	os_fd parent;		/* a pidfd: readable when the parent is gone. -1: this kernel has none, and news says it */
};

/* Forks, before any other thread exists. In the child `run` is called, and what it returns ends it. name: at most 15 characters, its title. */
enum err child_start(struct child *c, const char *name, int (*run)(const struct child_ends *ends)) MUST_CHECK;
/* Never waits. ERR_CLOSED: the child is gone; ERR_AGAIN: it has stopped reading long ago. Any thread, one at a time. */
enum err child_tell(struct child *c, const void *message, size_t len) MUST_CHECK;
/* Lets go of a child that was told to end, and waits for that a moment; a stopped one is left to itself. */
void     child_leave(struct child *c);

/* A process, of which a number alone tells nothing: numbers come again. */
struct process_identity {
	int64_t  pid;
	uint64_t started;	/* clock ticks since the boot */
};
enum err process_identify(struct process_identity *out) MUST_CHECK;	/* this one; ERR_NOT_FOUND: no /proc */
/* True only if it is certain that no thread of it will run again. */
bool     process_is_gone(const struct process_identity *p);

#endif
