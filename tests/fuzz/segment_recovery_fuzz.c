/*
 * Property: whatever bytes lie in a partition directory, opening it either refuses or gives a log that keeps its invariants:
 * what was recovered consists of whole batches with right CRCs and ascending offsets, it takes appends and truncations, and
 * after a clean close it opens as it was.
 *
 * Input: see log_fuzz.h. CRCs of whole batches are repaired on the way unless the name's number is odd and beyond the table,
 * otherwise nothing would get behind them.
 */
#include "log_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {
	"00000000000000000000.log", "00000000000000000000.index", "00000000000000000000.timeindex", "00000000000000000000.txnindex",
	"00000000000000000005.log", "00000000000000000005.index", "00000000000000000005.timeindex", "00000000000000000005.txnindex",
	"00000000000000000005.snapshot", "00000000000000000005.skein-batches",
	"00000000000000000020.log", "00000000000000000020.index", "00000000000000000020.timeindex", "00000000000000000020.txnindex",
	"00000000000000000020.snapshot", "00000000000000000020.skein-batches",
	"00000000000000000030.snapshot", "09223372036854775807.log", "00000000000000000000.log.swap", "00000000000000000005.log.cleaned",
	"leader-epoch-checkpoint", "partition.metadata",
};

static void put_log(struct fuzz_log *f, const char *name, struct slice bytes)
{
	uint8_t *copy = mem_alloc(bytes.len + 1);
	struct slice rest = slice_of(copy, bytes.len), batch;

	memcpy(copy, bytes.ptr, bytes.len);
	while (batch_next(&rest, &batch) == OK)
		batch_seal((uint8_t *)(uintptr_t)batch.ptr, batch.len);
	fuzz_put(f, name, slice_of(copy, bytes.len));
	free(copy);
}

static void put_file(struct fuzz_log *f, uint8_t which, struct slice bytes)
{
	const char *name = names[which % ARRAY_LEN(names)];
	bool is_repaired = which < ARRAY_LEN(names) || which % 2 == 0;

	if (strstr(name, ".log") != NULL && is_repaired)
		put_log(f, name, bytes);
	else
		fuzz_put(f, name, bytes);
}

static void exercise(struct fuzz_log *f, bool was_recovered)
{
	int64_t middle = log_start_offset(f->log) + (log_end_offset(f->log) - log_start_offset(f->log)) / 2;

	fuzz_check_offsets(f->log);
	fuzz_read_all(f, was_recovered);
	fuzz_look_up(f->log);
	if (log_end_offset(f->log) > INT64_MAX - 100 || !was_recovered)
		return;		/* nothing may be built on bytes that nobody looked at */
	fuzz_append(f->log, -1);
	fuzz_append(f->log, 1);
	int before = fuzz_read_all(f, true);
	fuzz_reopen(f);
	fuzz_check_offsets(f->log);
	int after = fuzz_read_all(f, true);
	ASSERT(before == after);
	enum err e = log_truncate_to(f->log, middle);
	ASSERT(e == OK && log_end_offset(f->log) <= middle);
	fuzz_append(f->log, -1);
	fuzz_read_all(f, true);
	fuzz_reopen(f);
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
	while (fuzz_next_file(&rest, &which, &bytes))
		put_file(&f, which, bytes);
	bool was_clean = f.spec.had_clean_shutdown || f.spec.recovery_point > 0;
	enum err e = log_open(&f.log, &f.spec, &recovery);
	ASSERT(e == OK || e == ERR_CORRUPT || e == ERR_UNSUPPORTED);
	if (e == OK)
		exercise(&f, !was_clean);
	fuzz_fini(&f);
	return 0;
}
