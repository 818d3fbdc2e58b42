/*
 * Property: an index is only a hint. Three sound segments, and beside them whatever bytes as indexes, snapshots, epochs and
 * metadata: if the log opens, every batch is found from each of its offsets, and it goes on as any other.
 *
 * Input: see log_fuzz.h.
 */
#include "log_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEGMENTS  3
#define PER_FILE  6		/* batches in a segment, of two records each */
#define END       (SEGMENTS * PER_FILE * 2)

static const char *const names[] = {
	"00000000000000000000.index", "00000000000000000000.timeindex", "00000000000000000000.txnindex",
	"00000000000000000012.index", "00000000000000000012.timeindex", "00000000000000000012.txnindex",
	"00000000000000000012.snapshot", "00000000000000000012.skein-batches",
	"00000000000000000024.index", "00000000000000000024.timeindex", "00000000000000000024.txnindex",
	"00000000000000000024.snapshot", "00000000000000000024.skein-batches",
	"00000000000000000036.snapshot", "00000000000000000036.skein-batches",
	"leader-epoch-checkpoint", "partition.metadata",
};

static void add_batch(struct strbuf *out, int64_t base)
{
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct batch_builder b;
	struct slice batch;

	spec.base_offset = base;
	spec.leader_epoch = (int32_t)(base / 10);
	if (base % 3 == 0) {
		spec.producer_id = 1;
		spec.producer_epoch = 0;
		spec.base_sequence = (int32_t)base;
		spec.is_transactional = true;
	}
	batch_build_begin(&b, &spec, NULL, out, 1 << 16);
	batch_build_add(&b, FUZZ_NOW + base, SLICE_NULL, SLICE_LIT("some value"), NULL, 0);
	batch_build_add(&b, FUZZ_NOW + base + 1, SLICE_NULL, SLICE_LIT("some value"), NULL, 0);
	enum err e = batch_build_end(&b, &batch);
	ASSERT(e == OK);
}

static void put_segments(struct fuzz_log *f)
{
	for (int64_t base = 0; base < END; base += PER_FILE * 2) {
		struct strbuf out = STRBUF_INIT;
		char name[64];

		for (int64_t at = base; at < base + PER_FILE * 2; at += 2)
			add_batch(&out, at);
		snprintf(name, sizeof(name), "%020lld.log", (long long)base);
		fuzz_put(f, name, strbuf_slice(&out));
		snprintf(name, sizeof(name), "%020lld.index", (long long)base);
		fuzz_put(f, name, SLICE_NULL);
		strbuf_fini(&out);
	}
}

/* A batch is where it is, whatever an index says. */
static void check_every_offset(struct fuzz_log *f)
{
	struct log_range r;

	for (int64_t offset = log_start_offset(f->log); offset < END; offset++) {
		enum err e = log_read(f->log, offset, END, 1, true, &r);
		ASSERT(e == OK && r.len > 0);
		ASSERT(r.first_batch_offset == offset / 2 * 2);
		log_file_unref(&r.file);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of(data, size), bytes;
	struct log_recovery recovery;
	struct fuzz_log f;
	uint8_t which;

	if (size < 1)
		return 0;
	fuzz_init(&f);
	fuzz_set_start(&f, data[0]);
	rest = slice_of(data + 1, size - 1);
	f.spec.log_start_offset = MIN(f.spec.log_start_offset, END);
	put_segments(&f);
	bool has_metadata = false;
	while (fuzz_next_file(&rest, &which, &bytes)) {
		const char *name = names[which % ARRAY_LEN(names)];
		has_metadata = has_metadata || strcmp(name, "partition.metadata") == 0;
		fuzz_put(&f, name, bytes);
	}
	enum err e = log_open(&f.log, &f.spec, &recovery);
	ASSERT(e == OK || (e == ERR_CORRUPT && has_metadata));
	if (e == OK) {
		ASSERT(log_end_offset(f.log) == END && recovery.bytes_cut == 0);
		fuzz_check_offsets(f.log);
		fuzz_read_all(&f, true);
		check_every_offset(&f);
		fuzz_look_up(f.log);
		fuzz_append(f.log, -1);
		fuzz_append(f.log, 1);
		fuzz_reopen(&f);
		fuzz_check_offsets(f.log);
		check_every_offset(&f);
		e = log_truncate_to(f.log, END / 2 + 1);
		ASSERT(e == OK);
		fuzz_read_all(&f, true);
		fuzz_append(f.log, -1);
		fuzz_reopen(&f);
	}
	fuzz_fini(&f);
	return 0;
}
