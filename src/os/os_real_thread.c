/*
 * Threads and futexes of the real machine. Every signal that is not a fault of the thread itself is
 * blocked in new threads: signals belong to the main thread, which reads them from a signalfd.
 */
#include "os/os_priv.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define STACK_SPARED 1024	/* below a frame: more than a system call's wrapper takes */

struct os_thread {
	pthread_t thread;
	void    (*run)(void *);
	void     *arg;
	char      name[16];	/* Linux's limit, NUL included */
};

static _Thread_local uintptr_t stack_low;	/* of this thread's stack; 0: not known */

static void learn_stack(void)
{
	pthread_attr_t attr;
	void *low;
	size_t size;

	if (pthread_getattr_np(pthread_self(), &attr) != 0)
		return;
	if (pthread_attr_getstack(&attr, &low, &size) == 0)
		stack_low = (uintptr_t)low;
	pthread_attr_destroy(&attr);
}

/* Below where we stand, but for the call itself, nothing is wanted any more. */
static void real_stack_trim(struct os *os UNUSED)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t end = ((uintptr_t)__builtin_frame_address(0) - STACK_SPARED) / page * page;

	if (stack_low != 0 && end > stack_low)
		madvise((void *)stack_low, end - stack_low, MADV_DONTNEED);
}

static void *thread_main(void *arg)
{
	struct os_thread *t = arg;

	learn_stack();
	pthread_setname_np(pthread_self(), t->name);
	t->run(t->arg);
	return NULL;
}

static int create_thread(struct os_thread *t, size_t stack_bytes)
{
	pthread_attr_t attr;
	sigset_t blocked, before;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t stack = MAX(stack_bytes, (size_t)PTHREAD_STACK_MIN);

	stack = (stack + page - 1) / page * page;
	sigfillset(&blocked);
	sigdelset(&blocked, SIGSEGV);
	sigdelset(&blocked, SIGBUS);
	sigdelset(&blocked, SIGFPE);
	sigdelset(&blocked, SIGILL);
	sigdelset(&blocked, SIGABRT);
	sigdelset(&blocked, SIGSYS);	/* sandbox.h */
	pthread_attr_init(&attr);
	int code = stack_bytes == 0 ? 0 : pthread_attr_setstacksize(&attr, stack);
	if (code == 0) {
		pthread_sigmask(SIG_SETMASK, &blocked, &before);	/* inherited */
		code = pthread_create(&t->thread, &attr, thread_main, t);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	pthread_attr_destroy(&attr);
	return code;
}

static enum err real_thread_start(struct os *os UNUSED, struct os_thread **out, const char *name, size_t stack_bytes,
				  void (*run)(void *), void *arg)
{
	struct os_thread *t = mem_calloc(1, sizeof(*t));

	t->run = run;
	t->arg = arg;
	snprintf(t->name, sizeof(t->name), "%.15s", name);
	*out = t;
	int code = create_thread(t, stack_bytes);
	if (code == 0)
		return OK;
	*out = NULL;
	free(t);
	errno = code;
	return code == EAGAIN ? ERR_NO_THREAD : err_from_errno(code);
}

static void real_thread_join(struct os *os UNUSED, struct os_thread *t)
{
	int code = pthread_join(t->thread, NULL);

	ASSERT(code == 0);	/* a thread that joins itself, or one joined twice */
	free(t);
}

static void real_sleep_ms(struct os *os UNUSED, mono_ms ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };

	while (ms > 0 && clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		;
}

static void real_futex_wait(struct os *os UNUSED, uint32_t *word, uint32_t seen, mono_ns deadline)
{
	struct timespec until = { deadline / 1000000000, deadline % 1000000000 };

	/* The BITSET form takes an absolute time of CLOCK_MONOTONIC: no drift over spurious returns. */
	(void)syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, seen, deadline == MONO_NEVER ? NULL : &until, NULL,
		      FUTEX_BITSET_MATCH_ANY);
}

static void real_futex_wake(struct os *os UNUSED, uint32_t *word, int threads)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, threads, NULL, NULL, 0);
}

static int real_cpu_count(struct os *os UNUSED)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		return MAX(CPU_COUNT(&set), 1);
	long n = sysconf(_SC_NPROCESSORS_ONLN);		/* more processors than a cpu_set_t holds */
	return n > 0 ? (int)n : 1;
}

void os_real_thread_ops(struct os_ops *ops)
{
	ops->thread_start = real_thread_start;
	ops->stack_trim = real_stack_trim;
	ops->thread_join = real_thread_join;
	ops->sleep_ms = real_sleep_ms;
	ops->futex_wait = real_futex_wait;
	ops->futex_wake = real_futex_wake;
	ops->cpu_count = real_cpu_count;
}
