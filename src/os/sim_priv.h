/*
 * What the files of the simulated machine share. One thread; nobody locks.
 */
#ifndef SKEIN_SIM_PRIV_H
#define SKEIN_SIM_PRIV_H

#include "base/list.h"
#include "os/os_priv.h"
#include "os/sim.h"

/* --- chance ----------------------------------------------------------------------------------- */
struct sim_rng {
	uint64_t state;			/* splitmix64 */
};
uint64_t sim_rng_next(struct sim_rng *r);
uint64_t sim_rng_below(struct sim_rng *r, uint64_t n);	/* 0 .. n - 1; n 0 gives 0 */
bool     sim_rng_chance(struct sim_rng *r, unsigned per_million);
uint64_t sim_mix(uint64_t a, uint64_t b);

/* --- the disk (sim_disk.c) -------------------------------------------------------------------- */
#define SIM_SECTOR 512			/* what a device writes whole or not at all */

struct sim_bytes {
	uint8_t *at;
	size_t   size, capacity;	/* zeros behind the smaller of the two, held in memory or not: indexes are files that are mostly hole */
};

struct sim_entry {
	char             *name;
	struct sim_inode *inode;	/* counted */
};

struct sim_names {			/* sorted by name */
	struct sim_entry *at;
	size_t            count, capacity;
};

struct sim_write {			/* one change of a file's content that was not synced */
	struct list link;
	bool        is_truncate;	/* to size_after; no data */
	size_t      pos, len;
	size_t      size_after;		/* of the file */
	uint8_t     data[];
};

struct sim_change {			/* in dir, name now means inode (NULL: nothing); all counted */
	struct sim_inode *dir, *inode;
	char             *name;
};

struct sim_name_op {			/* changes that happen together or not at all, and were not synced */
	struct list       link;
	bool              is_marked;
	int               n;
	struct sim_change change[2];
};

struct sim_volume {
	struct list link;
	uint64_t    device, capacity, used;
};

struct sim_inode {
	struct list        link;	/* on sim_disk.inodes */
	uint64_t           number;
	int                refs;	/* from names (now and stable), changes, descriptors */
	int                uses;	/* from names now and descriptors: who has any takes space */
	bool               is_dir;
	struct sim_volume *volume;
	int64_t            mtime_ns;
	os_fd              locked_by;	/* -1 */
	/* a file */
	struct sim_bytes   now, stable;	/* what a reader sees; what the device surely has */
	struct list        writes;	/* from stable to now, in their order */
	size_t             write_count;
	/* a directory */
	struct sim_names   names_now, names_stable;
	bool               is_marked;	/* by a directory sync or a power cut under way */
};

struct sim_disk {
	struct list       inodes, volumes;
	struct sim_inode *root;
	struct list       name_ops;	/* of all directories, in their order */
	uint64_t          next_number;
	struct sim_rng    rng;		/* what a power cut keeps */
};

void sim_disk_init(struct sim_disk *d, uint64_t seed);
void sim_disk_fini(struct sim_disk *d);
struct sim_inode *sim_inode_create(struct sim_disk *d, bool is_dir, struct sim_volume *volume, int64_t now_ns);
void sim_inode_use(struct sim_inode *i);		/* a descriptor */
void sim_inode_unuse(struct sim_inode *i);		/* may free it */

/* Where a path leads. parent and name are set when all but the last part exist; inode is NULL when the last does not.
 * through: answers whether the way went through that inode (NULL: not asked). */
struct sim_place {
	struct sim_inode *parent, *inode;
	char              name[256];
};
int  sim_disk_find(struct sim_disk *d, const char *path, struct sim_place *out, const struct sim_inode *through, bool *is_through);
struct sim_inode *sim_names_find(const struct sim_names *n, const char *name);
/* Changes names now, and remembers the change until a sync. The second change may be NULL. */
void sim_disk_rename(struct sim_disk *d, const struct sim_change *a, const struct sim_change *b, int64_t now_ns);
void sim_bytes_read(const struct sim_bytes *b, size_t pos, void *buf, size_t len);	/* pos + len <= b->size */
/* errno: 0, or ENOSPC with a part written. */
int  sim_inode_write(struct sim_inode *f, const void *data, size_t len, size_t pos, int64_t now_ns);
int  sim_inode_truncate(struct sim_inode *f, size_t size, int64_t now_ns);
void sim_inode_sync(struct sim_disk *d, struct sim_inode *i);
void sim_inode_sync_failed(struct sim_disk *d, struct sim_inode *i);
void sim_disk_power_cut(struct sim_disk *d);
struct sim_volume *sim_disk_add_volume(struct sim_disk *d, struct sim_inode *dir, uint64_t capacity);

/* --- the network (sim_net.c) ------------------------------------------------------------------ */
struct sim_socket;

struct sim_net {
	mono_ns        now;
	struct list    machines, sockets, cuts;
	struct list    events;		/* under way, in the order of their arrival */
	struct sim_rng rng;
	int64_t        delay_min_us, delay_max_us;
	unsigned       partial_per_million;
	unsigned       next_host;
	uint64_t       connects;	/* asked for */
	void         (*sent)(void *arg, const struct sim_piece *p);
	void          *observer;
};

void sim_net_ops(struct os_ops *ops);
void sim_net_init(struct sim_net *net, uint64_t seed, mono_ns now);
void sim_net_leave(struct sim_os *m);			/* its sockets are closed; before the machine is freed */
/* is_silent: the peer hears nothing, as after a power cut. */
void sim_socket_close(struct sim_socket *s, os_fd fd, bool is_silent);
void sim_net_advance(struct sim_net *net, mono_ns to);
int  sim_socket_events(const struct sim_socket *s);	/* what it is ready for */
struct sim_socket *sim_socket_of(struct sim_os *m, os_fd fd);	/* NULL: ERR_CLOSED */

/* --- pollers (sim_poll.c) --------------------------------------------------------------------- */
void sim_poll_ops(struct os_ops *ops);
void sim_poll_forget(struct sim_os *m, os_fd fd);

/* --- the machine (sim.c) ---------------------------------------------------------------------- */
struct sim_fd {
	struct sim_inode  *inode;	/* one of the two */
	struct sim_socket *socket;
	char              *path;	/* as it was opened, for faults by directory */
	bool               can_write;
};

struct sim_fault {
	char    *under;			/* NULL: anywhere */
	uint64_t nth;			/* counts down; 0 = not armed */
	unsigned per_million;
	enum err error;
};

struct sim_os {
	struct os         os;		/* first: what os.h passes around is a machine */
	struct list       link;		/* on net->machines */
	struct sim_net   *net;
	bool              owns_net;
	char              host[64];
	uint8_t           ip[16];
	mono_ms           wall_step;
	uint64_t          boots;
	bool              is_dead;
	uint64_t          disk_ops, dies_at;	/* dies_at 0: not armed */
	unsigned          cold_per_million;
	int               fd_percent;
	struct sim_fault  once, often[SIM_OP_COUNT + 1];
	enum sim_op       once_op;
	struct sim_rng    entropy, chance;	/* os_random; faults, cold reads, partial effects */
	uint64_t          hash;
	struct sim_fd   **fds;		/* fds[fd - fd_first]; NULL = closed */
	os_fd             fd_first, fd_next;
	size_t            fd_capacity;
	struct sim_disk   disk;
	uint16_t          next_port;
	struct list       pollers;
};

struct sim_os *sim_of(struct os *os);
os_fd          sim_fd_add(struct sim_os *m, struct sim_fd fd);
/* NULL: from before a crash, or the machine is dead: answer ERR_CLOSED. A descriptor that was never given out is asserted. */
struct sim_fd *sim_fd_get(struct sim_os *m, os_fd fd);
void           sim_file_ops(struct os_ops *ops);

/* Sets errno and gives our word for it. */
enum err sim_errno(int errnum);
/* Every operation ends here: mixes it into the hash, and passes the result on. */
enum err sim_done(struct sim_os *m, const char *what, uint64_t a, uint64_t b, enum err e);

#endif
