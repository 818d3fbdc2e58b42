/*
 * What is wrong in a partition's directory, looked at from outside: every byte of every file that means something, and whether the files fit one another. Nothing is
 * locked or changed, so a broker may be running on it: segments come, are closed and go between the listing and the look at each, so what the listing does not name is
 * looked for again; what it is writing meanwhile may look torn.
 *
 * Threads: any; it waits for the device.
 * Memory:  an index or snapshot while it is looked at (10 MiB as a rule, INSPECT_BYTES_MAX at most), one batch.
 * Errors:  what cannot be read is a finding.
 */
#ifndef SKEIN_STORAGE_INSPECT_H
#define SKEIN_STORAGE_INSPECT_H

#include "record/compress.h"
#include "storage/segment_walk.h"

#define INSPECT_BYTES_MAX   (256u << 20)
#define INSPECT_RECORDS_MAX ((uint64_t)2 << 30)	/* of one batch, decompressed */

enum inspect_weight {
	INSPECT_NOTE,		/* nothing is lost or wrong: remains, or what the next start puts in order by itself */
	INSPECT_DAMAGE,
};

enum inspect_remedy {
	INSPECT_NONE,		/* none is needed, or there is none that keeps what can be read */
	INSPECT_RECOVER,	/* recovery from the batches: log_open as after a power cut */
	INSPECT_ASIDE,		/* the file only repeats what others say, or can be made anew: it may go out of the way */
};

struct inspect_finding {
	enum inspect_weight weight;
	enum inspect_remedy remedy;
	const char *file;		/* name in the directory; "" the directory itself */
	bool        has_pos, has_offset;
	int64_t     file_pos, size;	/* bytes; without has_pos it is the file as a whole; size 0: not known */
	int64_t     offset;		/* of a record */
	const char *what, *then;	/* what is wrong, what follows from it (""); borrowed for the call */
};

struct inspect_spec {
	struct os  *os;
	const char *dir;
	struct decompressor *stream;	/* NULL: the CRCs count, the records are not looked into */
	bool        was_clean;		/* the broker was stopped cleanly: indexes are trusted at the next start */
	bool        is_live;		/* a broker runs on it: what it may be making or closing just now is no damage */
	void      (*each)(void *arg, const struct inspect_finding *f);
	void      (*tick)(void *arg, int64_t bytes, int64_t records);	/* how far it is in this partition, often; NULL */
	void       *arg;
};

struct inspect_result {
	int     segments, damage, notes;
	int64_t bytes, batches, records;	/* bytes: of all .log files */
	int64_t first_offset, next_offset;	/* of the sound batches; -1 without a segment */
	int     inside;			/* damage that recovery would only mend by cutting off what can be read, or not at all */
	int     old_format;		/* 0 or 1: there are batches of it; else -1 */
	bool    wants_recovery;
	int64_t torn_segment, torn_pos, torn_bytes;	/* behind torn_pos of the last segment no batch is sound; torn_bytes 0: nothing is torn */
	bool    is_unreadable;		/* a file, or the directory: what was found is not all */
};

void inspect_partition(const struct inspect_spec *spec, struct inspect_result *result);

#endif
