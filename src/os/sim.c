/*
 * The simulated machine: chance, clock, identity, descriptors, crashes and faults. Its disk, files
 * and network are beside it.
 *
 * Every purpose has a generator of its own, drawn from the seed, so that one more os_random in the
 * code under test does not change what the next power cut keeps.
 */
#include "os/sim_priv.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define START_MONO_NS ((mono_ns)1000 * 1000000000)
#define START_TIME_MS ((time_ms)1700000000000)		/* when the clock starts */

/* --- chance ----------------------------------------------------------------------------------- */

uint64_t sim_rng_next(struct sim_rng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint64_t sim_mix(uint64_t a, uint64_t b)
{
	struct sim_rng r = { a ^ (b * 0xff51afd7ed558ccd + 1) };

	return sim_rng_next(&r);
}

uint64_t sim_rng_below(struct sim_rng *r, uint64_t n)
{
	return n == 0 ? 0 : sim_rng_next(r) % n;
}

bool sim_rng_chance(struct sim_rng *r, unsigned per_million)
{
	return sim_rng_below(r, 1000000) < per_million;
}

/* --- results ---------------------------------------------------------------------------------- */

struct sim_os *sim_of(struct os *os)
{
	return CONTAINER_OF(os, struct sim_os, os);
}

enum err sim_errno(int errnum)
{
	if (errnum != 0)
		errno = errnum;
	return err_from_errno(errnum);
}

enum err sim_done(struct sim_os *m, const char *what, uint64_t a, uint64_t b, enum err e)
{
	uint64_t h = m->hash;

	for (; *what != '\0'; what++)
		h = sim_mix(h, (uint8_t)*what);
	m->hash = sim_mix(sim_mix(sim_mix(h, a), b), (uint64_t)e);
	return e;
}

uint64_t sim_hash(const struct sim_os *m)
{
	return m->hash;
}

/* --- clocks, randomness, identity ------------------------------------------------------------- */

static mono_ns sim_mono_ns(struct os *os)
{
	return sim_of(os)->net->now;
}

static time_ms sim_time_ms(struct os *os)
{
	struct sim_os *m = sim_of(os);

	return START_TIME_MS + (m->net->now - START_MONO_NS) / 1000000 + m->wall_step;
}

void sim_step_wall_clock(struct sim_os *m, mono_ms by)
{
	m->wall_step += by;
}

void sim_advance(struct sim_os *m, mono_ms by)
{
	ASSERT(by >= 0 && by < (MONO_NEVER - m->net->now) / 1000000);
	sim_net_advance(m->net, m->net->now + by * 1000000);
}

mono_ms sim_clock_next_event(void *arg)
{
	return sim_next_event_ms(arg);
}

void sim_clock_advance(void *arg, mono_ms by)
{
	sim_advance(arg, by);
}

static void sim_random(struct os *os, void *buf, size_t len)
{
	struct sim_os *m = sim_of(os);
	uint8_t *p = buf;

	for (size_t i = 0; i < len; i += 8) {
		uint64_t r = sim_rng_next(&m->entropy);
		memcpy(p + i, &r, MIN(len - i, (size_t)8));
	}
}

static void sim_boot_id(struct os *os, char out[40])
{
	struct sim_os *m = sim_of(os);

	snprintf(out, 40, "%016llx%016llx", (unsigned long long)sim_mix(m->ip[15], m->boots),
		 (unsigned long long)sim_mix(m->boots, m->ip[15]));
}

static size_t sim_getenv(struct os *os UNUSED, const char *name UNUSED, char *out, size_t size UNUSED)
{
	out[0] = '\0';		/* a simulated process has no environment */
	return 0;
}

/* --- what a simulation has not ---------------------------------------------------------------- */

static NORETURN void one_thread_only(const char *what)
{
	fprintf(stderr, "skein: %s was called in a simulation, which has one thread and never waits\n", what);
	abort();
}

static enum err sim_thread_start(struct os *os UNUSED, struct os_thread **out UNUSED, const char *name UNUSED,
				 size_t stack_bytes UNUSED, void (*run)(void *) UNUSED, void *arg UNUSED)
{
	one_thread_only("os_thread_start");
}

static void sim_stack_trim(struct os *os UNUSED)
{
}

static void sim_thread_join(struct os *os UNUSED, struct os_thread *t UNUSED)
{
	one_thread_only("os_thread_join");
}

static void sim_sleep_ms(struct os *os UNUSED, mono_ms ms UNUSED)
{
	one_thread_only("os_sleep_ms");
}

static void sim_futex_wait(struct os *os UNUSED, uint32_t *word UNUSED, uint32_t seen UNUSED, mono_ns deadline UNUSED)
{
	one_thread_only("os_futex_wait");
}

static void sim_futex_wake(struct os *os UNUSED, uint32_t *word UNUSED, int threads UNUSED)
{
	one_thread_only("os_futex_wake");
}

static int sim_cpu_count(struct os *os UNUSED)
{
	return 1;
}

/* --- descriptors ------------------------------------------------------------------------------ */

os_fd sim_fd_add(struct sim_os *m, struct sim_fd fd)
{
	size_t i = (size_t)(m->fd_next - m->fd_first);

	if (i == m->fd_capacity) {
		m->fd_capacity = MAX(m->fd_capacity * 2, (size_t)64);
		m->fds = mem_realloc_array(m->fds, m->fd_capacity, sizeof(struct sim_fd *));
	}
	m->fds[i] = mem_alloc(sizeof(fd));
	*m->fds[i] = fd;
	return m->fd_next++;
}

struct sim_fd *sim_fd_get(struct sim_os *m, os_fd fd)
{
	ASSERT(fd >= 0 && fd < m->fd_next);		/* -1, or made up */
	if (m->is_dead || fd < m->fd_first)
		return NULL;
	ASSERT(m->fds[fd - m->fd_first] != NULL);	/* used after os_close */
	return m->fds[fd - m->fd_first];
}

static void fd_free(struct sim_os *m, os_fd fd, bool is_silent)
{
	struct sim_fd *f = m->fds[fd - m->fd_first];

	m->fds[fd - m->fd_first] = NULL;
	if (f->inode != NULL) {
		if (f->inode->locked_by == fd)
			f->inode->locked_by = -1;
		sim_inode_unuse(f->inode);
	}
	if (f->socket != NULL)
		sim_socket_close(f->socket, fd, is_silent);
	free(f->path);
	free(f);
}

static void sim_close(struct os *os, os_fd fd)
{
	struct sim_os *m = sim_of(os);

	if (sim_fd_get(m, fd) == NULL)
		return;
	fd_free(m, fd, false);
	(void)!sim_done(m, "close", (uint64_t)fd, 0, OK);
}

/* --- crashes and faults ----------------------------------------------------------------------- */

static void close_all(struct sim_os *m, bool is_silent)
{
	for (os_fd fd = m->fd_first; fd < m->fd_next; fd++)
		if (m->fds[fd - m->fd_first] != NULL)
			fd_free(m, fd, is_silent);
	m->fd_first = m->fd_next;
	m->fd_capacity = 0;
	free(m->fds);
	m->fds = NULL;
}

void sim_crash(struct sim_os *m, enum sim_crash kind)
{
	m->is_dead = false;
	m->dies_at = 0;
	close_all(m, kind == SIM_CRASH_POWER);
	if (kind == SIM_CRASH_POWER) {
		sim_disk_power_cut(&m->disk);
		m->boots++;
	}
	(void)!sim_done(m, "crash", (uint64_t)kind, 0, OK);
}

void sim_crash_after_ops(struct sim_os *m, uint64_t nth)
{
	m->dies_at = nth != 0 ? m->disk_ops + nth : 0;
}

void sim_kill(struct sim_os *m)
{
	m->is_dead = true;
}

bool sim_is_dead(const struct sim_os *m)
{
	return m->is_dead;
}

uint64_t sim_disk_ops(const struct sim_os *m)
{
	return m->disk_ops;
}

static void fault_set(struct sim_fault *f, const char *under, uint64_t nth, unsigned per_million, enum err e)
{
	ASSERT((nth == 0 && per_million == 0) || e != OK);
	free(f->under);
	*f = (struct sim_fault){ under != NULL ? mem_strdup(under) : NULL, nth, per_million, e };
}

void sim_fail(struct sim_os *m, enum sim_op op, const char *under, uint64_t nth, enum err e)
{
	fault_set(&m->once, under, nth, 0, e);
	m->once_op = op;
}

void sim_fail_often(struct sim_os *m, enum sim_op op, const char *under, unsigned per_million, enum err e)
{
	fault_set(&m->often[op], under, 0, per_million, e);
}

void sim_set_cold(struct sim_os *m, unsigned per_million)
{
	m->cold_per_million = per_million;
}

void sim_set_fd_percent(struct sim_os *m, int percent)
{
	m->fd_percent = percent;
}

void sim_set_capacity(struct sim_os *m, const char *path, uint64_t bytes)
{
	struct sim_place place;

	ASSERT(os_mkdir_all(&m->os, path) == OK);
	ASSERT(sim_disk_find(&m->disk, path, &place, NULL, NULL) == 0 && place.inode != NULL);
	struct sim_inode *dir = place.inode;
	if (dir->volume != m->disk.root->volume || dir == m->disk.root) {	/* a file system already: resize it */
		dir->volume->capacity = bytes;
		return;
	}
	ASSERT(dir->names_now.count == 0);		/* as for a mount: what was there would be hidden */
	sim_disk_add_volume(&m->disk, dir, bytes);
}

/* --- life ------------------------------------------------------------------------------------- */

static const struct os_ops sim_base_ops = {
	.mono_ns = sim_mono_ns,
	.time_ms = sim_time_ms,
	.random = sim_random,
	.boot_id = sim_boot_id,
	.getenv = sim_getenv,
	.close = sim_close,
	.thread_start = sim_thread_start,
	.thread_join = sim_thread_join,
	.stack_trim = sim_stack_trim,
	.sleep_ms = sim_sleep_ms,
	.futex_wait = sim_futex_wait,
	.futex_wake = sim_futex_wake,
	.cpu_count = sim_cpu_count,
};

static struct os_ops ops;

static void set_ops(void)
{
	ops = sim_base_ops;
	sim_file_ops(&ops);
	sim_net_ops(&ops);
	sim_poll_ops(&ops);
}

struct sim_net *sim_net_create(uint64_t seed)
{
	struct sim_net *net = mem_calloc(1, sizeof(*net));

	sim_net_init(net, sim_mix(seed, 1), START_MONO_NS);
	return net;
}

void sim_net_destroy(struct sim_net **net)
{
	if (*net == NULL)
		return;
	ASSERT(list_empty(&(*net)->machines));
	ASSERT(list_empty(&(*net)->sockets));
	free(*net);
	*net = NULL;
}

struct sim_net *sim_net_of(struct sim_os *m)
{
	return m->net;
}

struct sim_os *sim_create(struct sim_net *net, const char *host, uint64_t seed)
{
	static pthread_once_t is_set = PTHREAD_ONCE_INIT;
	struct sim_os *m = mem_calloc(1, sizeof(*m));
	unsigned number;

	pthread_once(&is_set, set_ops);		/* simulations may begin on several threads at once */
	m->os.ops = &ops;
	m->owns_net = net == NULL;
	m->net = net != NULL ? net : sim_net_create(seed);
	number = ++m->net->next_host;
	ASSERT(number < 65536);
	ASSERT((size_t)snprintf(m->host, sizeof(m->host), "%s", host) < sizeof(m->host));
	memcpy(m->ip, (uint8_t[16]){ [10] = 0xff, [11] = 0xff, 10, 0, (uint8_t)(number >> 8), (uint8_t)number }, 16);
	m->cold_per_million = 100000;
	m->entropy.state = sim_mix(seed, 2);
	m->chance.state = sim_mix(seed, 3);
	sim_disk_init(&m->disk, sim_mix(seed, 4));
	m->fd_first = m->fd_next = 3;
	m->next_port = 40000;
	list_init(&m->pollers);
	list_push_back(&m->net->machines, &m->link);
	return m;
}

void sim_destroy(struct sim_os **mp)
{
	struct sim_os *m = *mp;

	if (m == NULL)
		return;
	*mp = NULL;
	ASSERT(list_empty(&m->pollers));
	close_all(m, true);
	sim_net_leave(m);
	list_remove(&m->link);
	if (m->owns_net)
		sim_net_destroy(&m->net);
	sim_disk_fini(&m->disk);
	free(m->once.under);
	for (int i = 0; i <= SIM_OP_COUNT; i++)
		free(m->often[i].under);
	free(m);
}

struct os *sim_os(struct sim_os *m)
{
	return &m->os;
}
