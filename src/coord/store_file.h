/*
 * The file of the embedded side: one LMDB database in one plain file, written in atomic durable batches, read once at start.
 *
 * Owner:  one thread; another process is kept away by the lock of the log directory the file lies in.
 * Layout: key: the node's id, 8 bytes big endian; 0 is the head. Value: CRC-32C of what follows, then big endian
 *           head    "skeincrd" (8)  format (4)  zxid (8)
 *           node    parent (8)  czxid (8)  mzxid (8)  version (4)  creations (4)  data length (4, -1: null)  name length (4)  name  data
 * Errors: ERR_NO_SPACE leaves the file fit for the next batch. After ERR_IO every further batch gets ERR_IO: what a failed sync left on the
 *         device is unknown, and a second one would say OK and mean nothing.
 */
#ifndef SKEIN_COORD_STORE_FILE_H
#define SKEIN_COORD_STORE_FILE_H

#include "base/slice.h"
#include "os/os.h"

#define STORE_FILE_NAME    ".skein-store"		/* in a log directory; a plain file with a dot: a Java broker on the same directory passes over it */
#define STORE_FILE_ADOPTED ".skein-store.adopted"	/* its name once its content is in ZooKeeper */

struct store_file;

struct store_record {
	uint64_t     id, parent;
	int64_t      czxid, mzxid;
	int32_t      version, creations;
	struct slice name, data;	/* borrowed; data may be null */
};

/* Made when absent. problem: a sentence for the operator. */
enum err store_file_open(struct store_file **out, struct os *os, const char *path, char *problem, size_t problem_size) MUST_CHECK;
void     store_file_close(struct store_file **f);
/* Every node by ascending id; what each answers other than OK ends it. */
enum err store_file_load(struct store_file *f, int64_t *zxid, enum err (*each)(void *arg, const struct store_record *r), void *arg,
			 char *problem, size_t problem_size) MUST_CHECK;

enum err store_file_begin(struct store_file *f) MUST_CHECK;
enum err store_file_put(struct store_file *f, const struct store_record *r) MUST_CHECK;
enum err store_file_delete(struct store_file *f, uint64_t id) MUST_CHECK;	/* OK when it is not there */
enum err store_file_commit(struct store_file *f, int64_t zxid) MUST_CHECK;	/* the batch is over, whatever it answers */
void     store_file_abort(struct store_file *f);

#endif
