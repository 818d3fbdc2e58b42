/*
 * What the tests of the log share: a log in a directory of its own, batches, golden partitions.
 */
#ifndef SKEIN_TESTS_STORAGE_LOG_KIT_H
#define SKEIN_TESTS_STORAGE_LOG_KIT_H

#include "base/crc32c.h"
#include "golden.h"
#include "record/build.h"
#include "storage/log.h"
#include "storage/logdir.h"

struct kit {
	struct os          *os;
	char                parent[256], dir[512];
	struct topic_config config;
	struct log_source   source;
	struct log_spec     spec;
	struct log_recovery recovery;
	struct log         *log;
};

/* Directories of other tests run at the same time are elsewhere. */
static UNUSED void kit_init(struct kit *k, struct os *on, const char *parent, const char *partition)
{
	memset(k, 0, sizeof(*k));
	k->os = on;
	snprintf(k->parent, sizeof(k->parent), "%s", parent);
	snprintf(k->dir, sizeof(k->dir), "%s/%s", parent, partition);
	topic_config_init(&k->config);
	log_source_init(&k->source, "storage", "%s", partition);
	k->spec = (struct log_spec){
		.os = on, .log = &k->source, .dir = k->dir, .topic = "t", .partition = 0,
			.config = &k->config,
		.producer_id_expiration_ms = INT32_MAX, .recovery_point = -1,
			.log_start_offset = -1, .high_watermark = -1,
		.now = 1700000000000,
	};
	ck_assert_int_eq(os_mkdir_all(on, parent), OK);
}

static UNUSED void kit_temporary(struct kit *k, const char *partition)
{
	char parent[] = "/tmp/skein-log-test-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(parent));
	kit_init(k, os_real(), parent, partition);
}

static UNUSED void kit_open(struct kit *k)
{
	ck_assert_int_eq(log_open(&k->log, &k->spec, &k->recovery), OK);
}

static UNUSED void kit_fini(struct kit *k)
{
	log_close(&k->log);
	ck_assert_int_eq(logdir_purge(k->os, k->dir), OK);
	ck_assert_int_eq(os_rmdir(k->os, k->parent), OK);
}

/* Clean stop and start, as the log directory would do it. */
static UNUSED void kit_reopen_clean(struct kit *k)
{
	ck_assert_int_eq(log_close_clean(k->log), OK);
	k->spec.recovery_point = log_recovery_point(k->log);
	k->spec.high_watermark = log_high_watermark(k->log);
	k->spec.log_start_offset = log_start_offset(k->log);
	k->spec.had_clean_shutdown = true;
	log_close(&k->log);
	kit_open(k);
}

/* Raises the high watermark to the end. */
static UNUSED void kit_replicate(struct kit *k)
{
	log_set_high_watermark(k->log, log_end_offset(k->log));
}

/* Copies a golden partition directory into the kit's. */
static UNUSED const char *copy_from;
static UNUSED struct kit *copy_to;
static UNUSED void copy_one(void *arg, const char *name, bool is_dir)
{
	char from[1024], to[1024];

	(void)arg;
	if (is_dir)
		return;
	snprintf(from, sizeof(from), "%s/%s", copy_from, name);
	snprintf(to, sizeof(to), "%s/%s", copy_to->dir, name);
	struct slice bytes = file_bytes(os_real(), from);
	file_put(copy_to->os, to, bytes.ptr, bytes.len);
	free((void *)(uintptr_t)bytes.ptr);
}

static UNUSED void kit_copy_golden(struct kit *k, const char *name)
{
	copy_from = golden(name);
	copy_to = k;
	ck_assert_int_eq(os_mkdir_all(k->os, k->dir), OK);
	ck_assert_int_eq(os_list_dir(os_real(), copy_from, copy_one, NULL), OK);
}

/* One batch of n records with this timestamp; valid until the next call but three. */
static UNUSED struct slice make_batch(const struct batch_spec *spec, int n, time_ms timestamp,
	const char *value)
{
	static struct strbuf out[4];
	static unsigned turn;
	struct strbuf *b = &out[turn++ % 4];
	struct batch_builder builder;
	struct slice batch;

	strbuf_reset(b);
	batch_build_begin(&builder, spec, NULL, b, 1 << 20);
	for (int i = 0; i < n; i++)
		batch_build_add(&builder, timestamp, SLICE_NULL, slice_str(value), NULL, 0);
	ck_assert_int_eq(batch_build_end(&builder, &batch), OK);
	return batch;
}

/* Appends one batch as a leader of epoch 0; the answer is returned. */
static UNUSED struct log_append append_one(struct log *log, struct slice batch, bool is_coordinator,
	time_ms now)
{
	struct log_append a = { .batch = (uint8_t *)(uintptr_t)batch.ptr,
		.batch_bytes = (uint32_t)batch.len, .is_coordinator = is_coordinator };
	struct log_append *list[] = { &a };

	ck_assert_int_eq(log_append(log, list, 1, MAX(log_latest_epoch(log), 0), now), OK);
	return a;
}

/* The whole job at once. */
static UNUSED struct log_time_offset look_up(struct log *log, time_ms target)
{
	struct log_time_lookup l = { .target = target };

	log_time_lookup_begin(log, &l);
	log_time_lookup_run(&l);
	ck_assert_int_eq(log_time_lookup_end(log, &l), OK);
	return l.found;
}

/* All bytes of the range, malloc'd, and gives the file back. */
static UNUSED struct slice take_range(struct kit *k, struct log_range *r)
{
	uint8_t *bytes = mem_alloc(r->len + 1);
	size_t got;

	ck_assert_int_eq(os_pread(k->os, log_file_fd(r->file), bytes, r->len, r->file_pos, &got),
		OK);
	ck_assert_uint_eq(got, r->len);
	log_file_unref(&r->file);
	return slice_of(bytes, r->len);
}

#endif
