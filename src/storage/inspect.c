/*
 * The directory: which files there are, what each says alone, and whether the segments follow one another.
 */
#include "storage/inspect.h"

#include <stdio.h>
#include <stdlib.h>

#include "storage/cut_note.h"
#include "storage/inspect_priv.h"
#include "storage/partition_metadata.h"
#include "storage/producer_snapshot.h"

struct listing {
	struct inspection *x;
	struct inspected_segment *segments;	/* ascending, as names are */
	int     count, room;
	int64_t *snapshots;
	int     snapshot_count, snapshot_room;
	int64_t *lone;		/* base offsets of indexes without a .log, ascending */
	int     lone_count;
	bool    has_epochs, has_metadata;
};

void inspect_say(struct inspection *x, struct inspect_finding f)
{
	f.file = f.file != NULL ? f.file : "";
	f.then = f.then != NULL ? f.then : "";
	x->result->damage += f.weight == INSPECT_DAMAGE;
	x->result->notes += f.weight == INSPECT_NOTE;
	x->result->wants_recovery |= f.remedy == INSPECT_RECOVER;
	x->spec->each(x->spec->arg, &f);
}

void inspect_unreadable(struct inspection *x, const char *name, enum err e)
{
	if (e == ERR_NOT_FOUND) {
		SAY(x, .weight = INSPECT_NOTE, .file = name, .what = "went away while it was looked at", .then = "a broker is running");
		return;
	}
	x->result->is_unreadable = true;
	SAY(x, .weight = INSPECT_DAMAGE, .file = name, .what = err_text(e));
}

/* ---- what is there ---- */

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

static struct inspected_segment *last_segment(struct listing *l, int64_t base)
{
	return l->count > 0 && l->segments[l->count - 1].base_offset == base ? &l->segments[l->count - 1] : NULL;
}

/* Names come in byte order: an .index before its .log, the others behind. */
static struct inspected_segment *segment_of(struct listing *l, int64_t base)
{
	struct inspected_segment *s = last_segment(l, base);

	if (s != NULL)
		return s;
	if (l->count == l->room) {
		l->room = MAX(16, 2 * l->room);
		l->segments = mem_realloc_array(l->segments, (size_t)l->room, sizeof(*l->segments));
	}
	l->segments[l->count] = (struct inspected_segment){ .base_offset = base };
	return &l->segments[l->count++];
}

static void add_snapshot(struct listing *l, int64_t offset)
{
	if (l->snapshot_count == l->snapshot_room) {
		l->snapshot_room = MAX(16, 2 * l->snapshot_room);
		l->snapshots = mem_realloc_array(l->snapshots, (size_t)l->snapshot_room, sizeof(*l->snapshots));
	}
	l->snapshots[l->snapshot_count++] = offset;
}

static void take_leftover(struct listing *l, const char *name)
{
	const char *what = ends_with(name, ".deleted") ? "of a segment that was deleted" : ends_with(name, SEGMENT_CLEANED) ? "of a compaction that was not finished" :
			   ends_with(name, SEGMENT_SWAP) ? "of a compaction that is being put in place" : "of a file that was being written";

	SAY(l->x, .weight = INSPECT_NOTE, .file = name, .what = what, .then = ends_with(name, SEGMENT_SWAP) ? "the next start finishes it" : "the next start removes it");
}

static bool is_leftover(const char *name)
{
	return ends_with(name, ".deleted") || ends_with(name, SEGMENT_CLEANED) || ends_with(name, SEGMENT_SWAP) || ends_with(name, ".tmp");
}

static bool is_other(const char *name)
{
	return strncmp(name, ".skein-", 7) == 0 || ends_with(name, ".skein-batches") || strcmp(name, CUT_NOTE_FILE) == 0;
}

static void take_offset_file(struct listing *l, const char *name, int64_t base, const char *suffix)
{
	if (strcmp(suffix, ".snapshot") == 0)
		add_snapshot(l, base);
	else if (strcmp(suffix, ".index") == 0)
		segment_of(l, base)->has_index = true;
	else if (strcmp(suffix, ".timeindex") == 0)
		segment_of(l, base)->has_timeindex = true;
	else if (strcmp(suffix, ".txnindex") == 0)
		segment_of(l, base)->has_txnindex = true;
	else if (strcmp(suffix, ".log") == 0)
		segment_of(l, base)->has_log = true;
	else
		SAY(l->x, .weight = INSPECT_NOTE, .file = name, .what = "not one of Kafka's files", .then = "no broker looks at it");
}

static void take_name(void *arg, const char *name, bool is_dir)
{
	struct listing *l = arg;
	const char *suffix;
	int64_t base;

	if (is_dir)
		SAY(l->x, .weight = INSPECT_NOTE, .file = name, .what = "a directory in a partition's", .then = "the partition's files cannot be removed with their topic");
	else if (is_leftover(name))
		take_leftover(l, name);
	else if (segment_parse_name(name, &base, &suffix) && !is_other(name))
		take_offset_file(l, name, base, suffix);
	else if (strcmp(name, "leader-epoch-checkpoint") == 0)
		l->has_epochs = true;
	else if (strcmp(name, "partition.metadata") == 0)
		l->has_metadata = true;
	else if (ends_with(name, ".log"))
		SAY(l->x, .weight = INSPECT_DAMAGE, .file = name, .what = "the name is not that of a segment: twenty digits, the first offset",
		    .then = "a broker does not read it");
	else if (!is_other(name))
		SAY(l->x, .weight = INSPECT_NOTE, .file = name, .what = "not one of Kafka's files", .then = "no broker looks at it");
}

/* ---- segments ---- */

/* Indexes without a .log are no segments. */
static void drop_lone_indexes(struct listing *l)
{
	int kept = 0;

	l->lone = mem_calloc((size_t)l->count + 1, sizeof(*l->lone));
	for (int i = 0; i < l->count; i++) {
		if (l->segments[i].has_log) {
			l->segments[kept++] = l->segments[i];
			continue;
		}
		char name[SEGMENT_NAME_MAX];
		const struct inspected_segment *s = &l->segments[i];
		l->lone[l->lone_count++] = s->base_offset;
		snprintf(name, sizeof(name), "%020lld%s", (long long)s->base_offset, s->has_index ? ".index" : s->has_timeindex ? ".timeindex" : ".txnindex");
		SAY(l->x, .weight = INSPECT_NOTE, .file = name, .what = "an index without its .log", .then = "the next start removes it");
	}
	l->count = kept;
	if (kept > 0)
		l->segments[kept - 1].is_last = l->segments[kept - 1].may_grow = true;
	if (kept > 1)
		l->segments[kept - 2].may_grow = l->x->spec->is_live;
}

/* Compaction leaves gaps, and when it removes a segment no index of that. An index that begins where the gap does had a .log. */
static bool is_missing(const struct listing *l, int64_t base)
{
	for (int i = 0; i < l->lone_count; i++) {
		if (l->lone[i] == base)
			return true;
	}
	return false;
}

static void check_border(struct listing *l, int64_t end, int64_t base)
{
	struct inspection *x = l->x;
	char name[SEGMENT_NAME_MAX], what[128];

	snprintf(name, sizeof(name), "%020lld.log", (long long)base);
	if (base < end) {
		snprintf(what, sizeof(what), "the segment before it goes on to offset %lld", (long long)end - 1);
		x->result->inside++;
		SAY(x, .weight = INSPECT_DAMAGE, .file = name, OF(base), .what = what, .then = "some offsets are there twice");
	} else if (base > end && is_missing(l, end)) {
		snprintf(what, sizeof(what), "offsets %lld-%lld before it are in no segment, and an index of theirs is there", (long long)end, (long long)base - 1);
		x->result->inside++;
		SAY(x, .weight = INSPECT_DAMAGE, .file = name, OF(base), .what = what, .then = "a .log file is missing; consumers pass over its records");
	} else if (base > end) {
		snprintf(what, sizeof(what), "offsets %lld-%lld before it are in no segment", (long long)end, (long long)base - 1);
		SAY(x, .weight = INSPECT_NOTE, .file = name, OF(base), .what = what, .then = "compaction leaves such gaps, a file that is missing does too");
	}
}

static void check_segments(struct listing *l)
{
	struct inspect_result *r = l->x->result;
	int64_t end = -1;

	drop_lone_indexes(l);
	for (int i = 0; i < l->count; i++) {
		if (i > 0)
			check_border(l, end, l->segments[i].base_offset);
		end = inspect_segment(l->x, &l->segments[i]);
	}
	r->segments = l->count;
	r->first_offset = l->count > 0 ? l->segments[0].base_offset : -1;
	r->next_offset = end;
}

/* ---- files beside them ---- */

static void ignore_entry(void *arg, const struct producer_snapshot_entry *e)
{
	(void)arg;
	(void)e;
}

static bool has_segment(const struct listing *l, int64_t base)
{
	for (int i = 0; i < l->count; i++) {
		if (l->segments[i].base_offset == base)
			return true;
	}
	return false;
}

static void check_snapshot(struct listing *l, int64_t offset, bool is_newest)
{
	struct inspection *x = l->x;
	char name[PRODUCER_SNAPSHOT_NAME_MAX], path[LOG_PATH_MAX + SEGMENT_NAME_MAX], *bytes;
	size_t len;

	producer_snapshot_name(offset, name);
	snprintf(path, sizeof(path), "%s/%s", x->spec->dir, name);
	enum err e = os_read_file(x->spec->os, path, INSPECT_BYTES_MAX, &bytes, &len);
	if (e != OK) {
		inspect_unreadable(x, name, e);
		return;
	}
	if (producer_snapshot_list(slice_of(bytes, len), offset, ignore_entry, NULL) != OK)
		SAY(x, .weight = INSPECT_DAMAGE, .remedy = INSPECT_ASIDE, .file = name, .what = "not a snapshot of producers: its CRC, version, size or an entry is wrong",
		    .then = "the broker removes it and reads the log instead");
	else if (x->result->next_offset >= 0 && offset > x->result->next_offset)
		SAY(x, .weight = INSPECT_NOTE, .file = name, .what = "a snapshot of what lies behind the log's end", .then = "the next start removes it");
	else if (!is_newest && !has_segment(l, offset))
		SAY(x, .weight = INSPECT_NOTE, .file = name, .what = "a snapshot that belongs to no segment", .then = "the next start removes it");
	free(bytes);
}

static void check_metadata(struct listing *l)
{
	struct uuid id;
	enum err e = partition_metadata_read(&id, l->x->spec->os, l->x->spec->dir);

	if (e == ERR_NOT_FOUND)
		SAY(l->x, .weight = INSPECT_NOTE, .file = "partition.metadata", .what = "not there", .then = "the broker writes it when it learns the topic's id");
	else if (e != OK)
		SAY(l->x, .weight = INSPECT_DAMAGE, .remedy = INSPECT_ASIDE, .file = "partition.metadata",
		    .what = e == ERR_CORRUPT ? "not version 0 and a topic's id" : err_text(e), .then = "the partition is not served; without the file it is");
}

static void read_epochs(struct listing *l)
{
	enum err e = leader_epochs_read(&l->x->epochs, l->x->spec->os, l->x->spec->dir);

	if (e != OK)
		SAY(l->x, .weight = INSPECT_DAMAGE, .remedy = INSPECT_RECOVER, .file = "leader-epoch-checkpoint",
		    .what = e == ERR_CORRUPT ? "not epochs and offsets that ascend" : err_text(e), .then = "followers may cut in the wrong place");
	else if (!l->has_epochs && l->count > 0)
		SAY(l->x, .weight = INSPECT_NOTE, .file = "leader-epoch-checkpoint", .what = "not there", .then = "recovery makes it anew from the batches");
}

void inspect_partition(const struct inspect_spec *spec, struct inspect_result *result)
{
	struct inspection x = { .spec = spec, .result = result, .epoch = -1 };
	struct listing l = { .x = &x };

	*result = (struct inspect_result){ .first_offset = -1, .next_offset = -1, .old_format = -1, .torn_pos = -1, .torn_segment = -1 };
	leader_epochs_init(&x.epochs);
	enum err e = os_list_dir(spec->os, spec->dir, take_name, &l);
	if (e != OK) {
		result->is_unreadable = true;
		SAY(&x, .weight = INSPECT_DAMAGE, .what = err_text(e));
	} else {
		read_epochs(&l);
		check_segments(&l);
		for (int i = 0; i < l.snapshot_count; i++)
			check_snapshot(&l, l.snapshots[i], i + 1 == l.snapshot_count);
		check_metadata(&l);
	}
	leader_epochs_fini(&x.epochs);
	inspect_forget_txns(&x);
	free(l.segments);
	free(l.snapshots);
	free(l.lone);
}
