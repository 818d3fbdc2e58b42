/*
 * Producer state on disk: `<offset>.snapshot`, Kafka's file, byte for byte, and beside it
 * `<offset>.skein-batches`, ours.
 *
 * Kafka's snapshot keeps one batch per producer, so after a restart a retry of an older one would
 * be out of order. Ours also keeps the other four, in a plain file that Java ignores. It exists
 * only when some producer has more than one batch, and names the CRC of its snapshot: a snapshot
 * rewritten by somebody else makes it void.
 *
 * Crash argument. A killed process: the page cache keeps both, and the batches are written first,
 * so a snapshot that is there has its batches. A power cut may keep either: so both are synced
 * (producer_snapshot_sync) before the recovery point passes their offset, and a recovery that
 * cannot trust the page cache begins with a snapshot at or below the recovery point (max_offset of
 * load_newest). Every batch above the snapshot comes back by replaying the log; every one below it
 * is in the pair.
 *
 * Threads: write and load are the owner's of the state; sync and remove any one thread's at a time.
 */
#ifndef SKEIN_STORAGE_PRODUCER_SNAPSHOT_H
#define SKEIN_STORAGE_PRODUCER_SNAPSHOT_H

#include "storage/producer_state.h"

#define PRODUCER_SNAPSHOT_NAME_MAX 48

/* "00000000000000000023.snapshot"; false when name is not exactly that form. */
void producer_snapshot_name(int64_t offset, char out[PRODUCER_SNAPSHOT_NAME_MAX]);
bool producer_snapshot_parse_name(const char *name, int64_t *offset);

/* Writes the state as it is, staged batches included, named by its end offset; nothing when the
 * last snapshot was taken there. Does not sync. ERR_NO_SPACE leaves no file behind. *offset (may be
 * NULL): the name, -1 when nothing was written. */
enum err producer_snapshot_write(struct os *os, const char *dir, struct producer_state *s,
	int64_t *offset) MUST_CHECK;
bool producer_snapshot_is_there(struct os *os, const char *dir, int64_t offset);
/* Both files; the caller syncs the directory. ERR_NOT_FOUND is OK: it was removed meanwhile. Waits
 * for the device. */
enum err producer_snapshot_sync(struct os *os, const char *dir, int64_t offset) MUST_CHECK;
/* At most so many bytes would producer_snapshot_write write: extra snapshots should come far enough
 * apart to be cheap against the appends. */
int64_t  producer_snapshot_bytes(const struct producer_state *s);

/* Replaces the state by the newest sound snapshot with min_offset < offset <= max_offset, and
 * leaves the end there; removes damaged ones it meets. None: the state is cleared at min_offset.
 * Producers expired at `now` are left out. Then replay the log from the end offset. Unsynced
 * snapshots above a recovery point are not for reading after a power cut: pass it as max_offset. */
enum err producer_snapshot_load_newest(struct os *os, const char *dir, struct producer_state *s,
	int64_t min_offset, int64_t max_offset, time_ms now) MUST_CHECK;

/* Removes one (absent: OK), or renames Kafka's file to ".deleted" for its segment's delayed
 * deletion; ours goes at once. */
enum err producer_snapshot_remove(struct os *os, const char *dir, int64_t offset) MUST_CHECK;
enum err producer_snapshot_retire(struct os *os, const char *dir, int64_t offset) MUST_CHECK;
/* After a truncation: all beyond the end. */
enum err producer_snapshot_remove_above(struct os *os, const char *dir, int64_t offset) MUST_CHECK;
/* At load: what belongs to no segment, but for the newest snapshot above the last base. bases
 * ascend. */
enum err producer_snapshot_remove_strays(struct os *os, const char *dir, const int64_t *bases,
	int n) MUST_CHECK;

/* The formats alone, for tests and fuzzing. Encoders append to out (batches: nothing when no
 * producer has more than one); decoders check everything and change the state only when all is
 * well: ERR_CORRUPT. decode replaces the state; decode_batches adds older ones. */
void     producer_snapshot_encode(struct producer_state *s, struct strbuf *out);
void     producer_snapshot_encode_batches(const struct producer_state *s, uint32_t snapshot_crc,
	struct strbuf *out);
/* An entry of Kafka's file, as it lies there. */
struct producer_snapshot_entry {
	int64_t producer_id, last_offset, txn_first_offset;	/* offsets: -1 none */
	time_ms timestamp;
	int32_t last_sequence, offset_delta, coordinator_epoch;
	int16_t epoch;
};
/* Calls each() for what is there of entries also where the file as a whole is ERR_CORRUPT. */
enum err producer_snapshot_list(struct slice bytes, int64_t offset,
	void (*each)(void *arg, const struct producer_snapshot_entry *e), void *arg) MUST_CHECK;
enum err producer_snapshot_decode(struct producer_state *s, struct slice bytes, int64_t offset,
	time_ms now) MUST_CHECK;
enum err producer_snapshot_decode_batches(struct producer_state *s, struct slice bytes,
	uint32_t snapshot_crc) MUST_CHECK;

#endif
