/*
 * Every partition directory that Apache Kafka left under tests/golden/storage is opened as after a clean stop, as after a kill
 * and with no word on what happened, and must hold what its expected.json says: batches, records, aborted transactions,
 * producers, epochs, offsets.
 *
 * expected.json comes from decode.py, which shares no code with us. Where Kafka itself would see something else than the files
 * of the folder show, the reason stands beside the condition.
 */
#include <jansson.h>

#include "log_kit.h"
#include "os/sim.h"
#include "record/compress.h"
#include "record/record.h"

#define PARTITIONS_MAX 64
#define BATCHES_MAX    512
#define ABORTED_MAX    64
#define SEGMENTS_MAX   64
#define NOW            ((time_ms)1700000000000)

enum start {
	START_CLEAN,		/* marker of a clean stop, recovery point at the end */
	START_KILLED,		/* recovery point at the active segment, no marker */
	START_UNKNOWN,		/* no checkpoint at all: everything is recovered */
	START_COUNT
};

struct golden_partition {
	char folder[64];	/* "epochs-truncation" */
	char name[64];		/* "c1-after/epochs-0", as the keys of expected.json begin */
};

static struct golden_partition partitions[PARTITIONS_MAX];
static int partition_count;

/* --- what is expected ------------------------------------------------------------------------- */

struct expected_aborted {
	int64_t producer_id, first_offset, last_offset, last_stable_offset, segment_base;
};

struct expected {
	json_t *root;
	json_t *batches[BATCHES_MAX];		/* in order; borrowed from root, like the rest */
	int     batch_count;
	int64_t segment_bases[SEGMENTS_MAX];
	int     segment_count;
	struct expected_aborted aborted[ABORTED_MAX];
	int     aborted_count;
	json_t *snapshot;			/* at the end; NULL: there is none */
	json_t *epochs;				/* lines of leader-epoch-checkpoint */
	char    topic_id[UUID_TEXT_LEN + 1];
	int64_t bytes, start, end;
	bool    is_compacted;		/* its producers' batches may be gone */
};

static int64_t number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	ck_assert_msg(json_is_integer(value) || json_is_boolean(value), "%s is no number", key);
	return json_is_integer(value) ? json_integer_value(value) : json_is_true(value);
}

static json_t *load_json(const char *folder)
{
	char name[128];
	json_error_t error;

	snprintf(name, sizeof(name), "%s/expected.json", folder);
	json_t *root = json_load_file(golden(name), 0, &error);
	ck_assert_msg(root != NULL, "%s: %s", name, error.text);
	return root;
}

static void add_segment(struct expected *x, int64_t base, const json_t *file)
{
	const json_t *batches = json_object_get(file, "batches");
	size_t i;
	json_t *b;

	x->segment_bases[x->segment_count++] = base;
	x->end = base;
	json_array_foreach(batches, i, b) {
		ck_assert_int_lt(x->batch_count, BATCHES_MAX);
		x->batches[x->batch_count++] = b;
		x->bytes += number(b, "size");
		x->end = number(b, "last_offset") + 1;
	}
}

static void add_aborted(struct expected *x, int64_t base, const json_t *file)
{
	const json_t *a;
	size_t i;

	json_array_foreach(json_object_get(file, "entries"), i, a) {
		ck_assert_int_lt(x->aborted_count, ABORTED_MAX);
		x->aborted[x->aborted_count++] = (struct expected_aborted){
			number(a, "producer_id"), number(a, "first_offset"), number(a, "last_offset"),
			number(a, "last_stable_offset"), base };
	}
}

/* The log start of "delrec-seg-0" in "log-start", say; -1: there is no entry. */
static int64_t checkpointed_start(const json_t *root, const char *name)
{
	const json_t *line, *file = json_object_get(root, "log-start-offset-checkpoint");
	size_t i;

	json_array_foreach(json_object_get(file, "entries"), i, line) {
		char replica[256];
		snprintf(replica, sizeof(replica), "%s-%s", json_string_value(json_array_get(line, 0)),
			json_string_value(json_array_get(line, 1)));
		if (strcmp(replica, name) == 0)
			return strtoll(json_string_value(json_array_get(line, 2)), NULL, 10);
	}
	return -1;
}

static void add_file(struct expected *x, const char *name, json_t *file)
{
	int64_t base = strtoll(name, NULL, 10);

	if (strlen(name) > 20 && strcmp(name + 20, ".log") == 0)
		add_segment(x, base, file);
	else if (strlen(name) > 20 && strcmp(name + 20, ".txnindex") == 0)
		add_aborted(x, base, file);
	else if (strcmp(name, "leader-epoch-checkpoint") == 0)
		x->epochs = json_object_get(file, "entries");
	else if (strcmp(name, "partition.metadata") == 0)
		snprintf(x->topic_id, sizeof(x->topic_id), "%s",
			strstr(json_string_value(json_object_get(file, "text")), "topic_id: ") + 10);
}

/* The keys stand in the order of names, so segments come in theirs. */
static void expect(struct expected *x, const char *folder, const char *name)
{
	char snapshot[128];
	const char *key;
	json_t *file;

	memset(x, 0, sizeof(*x));
	x->root = load_json(folder);
	x->is_compacted = strncmp(folder, "compaction", 10) == 0;
	json_object_foreach(x->root, key, file) {
		if (strncmp(key, name, strlen(name)) == 0 && key[strlen(name)] == '/')
			add_file(x, key + strlen(name) + 1, file);
	}
	snprintf(snapshot, sizeof(snapshot), "%s/%020lld.snapshot", name, (long long)x->end);
	x->snapshot = json_object_get(x->root, snapshot);
	x->start = MAX(checkpointed_start(x->root, name), x->segment_bases[0]);
	ck_assert_int_gt(x->segment_count, 0);
}

static void expect_fini(struct expected *x)
{
	json_decref(x->root);
}

/* --- a partition opened ------------------------------------------------------------------------ */

static bool keeps_newest_by_key(const char *folder)
{
	return strncmp(folder, "compaction", 10) == 0 || strcmp(folder, "consumer-offsets") == 0 ||
		strcmp(folder, "transaction-state") == 0;
}

static struct sim_os *open_golden(struct kit *k, const struct golden_partition *p, const struct expected *x,
	enum start start)
{
	struct sim_os *machine = sim_create(NULL, "m", 1);
	char path[160];

	kit_init(k, sim_os(machine), "/data", "t-0");
	snprintf(path, sizeof(path), "%s/%s", p->folder, p->name);
	kit_copy_golden(k, path);
	k->config.cleanup_policy = keeps_newest_by_key(p->folder) ? CLEANUP_COMPACT : CLEANUP_DELETE;
	k->spec.now = NOW;
	k->spec.log_start_offset = checkpointed_start(x->root, p->name);
	k->spec.had_clean_shutdown = start == START_CLEAN;
	if (start == START_CLEAN)
		k->spec.recovery_point = x->end;
	else if (start == START_KILLED)
		k->spec.recovery_point = x->segment_bases[x->segment_count - 1];
	kit_open(k);
	kit_replicate(k);
	return machine;
}

/* --- comparing ---------------------------------------------------------------------------------- */

/* As decode.py shows bytes. */
static json_t *shown(struct slice bytes, bool may_be_long)
{
	bool is_text = bytes.len < 4 || memcmp(bytes.ptr, "hex:", 4) != 0;
	struct strbuf text = STRBUF_INIT;
	json_t *out;

	if (slice_is_null(bytes))
		return json_null();
	if (may_be_long && bytes.len >= 2000) {
		char crc[16];
		snprintf(crc, sizeof(crc), "%08x", crc32c(0, bytes.ptr, bytes.len));
		return json_pack("{s:I, s:s}", "length", (json_int_t)bytes.len, "crc32c", crc);
	}
	for (size_t i = 0; i < bytes.len; i++)
		is_text = is_text && bytes.ptr[i] >= 32 && bytes.ptr[i] < 127;
	if (!is_text)
		strbuf_printf(&text, "hex:");
	for (size_t i = 0; i < bytes.len; i++)
		strbuf_printf(&text, is_text ? "%c" : "%02x", bytes.ptr[i]);
	out = json_stringn(text.len > 0 ? text.ptr : "", text.len);
	strbuf_fini(&text);
	return out;
}

static void check_shown(const json_t *want, struct slice got, bool may_be_long, const char *what)
{
	json_t *have = shown(got, may_be_long);

	ck_assert_msg(json_equal(want, have), "%s differs", what);
	json_decref(have);
}

static void check_record(const json_t *want, const struct record *r)
{
	struct slice headers = r->headers;
	struct record_header h;
	const json_t *pair;
	size_t i;

	ck_assert_int_eq(r->offset, number(want, "offset"));
	ck_assert_int_eq(r->timestamp, number(want, "timestamp"));
	ck_assert_int_eq(r->timestamp_delta, number(want, "timestamp_delta"));
	check_shown(json_object_get(want, "key"), r->key, false, "key");
	check_shown(json_object_get(want, "value"), r->value, true, "value");
	ck_assert_uint_eq((size_t)r->header_count, json_array_size(json_object_get(want, "headers")));
	json_array_foreach(json_object_get(want, "headers"), i, pair) {
		ck_assert(record_header_next(&headers, &h));
		check_shown(json_array_get(pair, 0), h.key, false, "header key");
		check_shown(json_array_get(pair, 1), h.value, false, "header value");
	}
}

static void check_records(const json_t *want, struct slice batch, struct decompressor *d)
{
	const json_t *records = json_object_get(want, "records");
	struct record_iter it;
	struct record r;
	size_t n = 0;

	ck_assert(json_is_array(records));
	for (record_iter_init(&it, batch, d, 1 << 24); record_iter_next(&it, &r); n++)
		check_record(json_array_get(records, n), &r);
	ck_assert_int_eq(it.err, OK);
	record_iter_fini(&it);
	ck_assert_uint_eq(n, json_array_size(records));
}

static void check_batch(const json_t *want, struct slice batch, struct decompressor *d)
{
	const uint8_t *b = batch.ptr;

	ck_assert_int_eq(batch_base_offset(b), number(want, "base_offset"));
	ck_assert_uint_eq(batch.len, (size_t)number(want, "size"));
	ck_assert_uint_eq(batch_crc(b), (uint32_t)number(want, "crc"));
	ck_assert(batch_check_crc(batch));
	ck_assert_int_eq(batch_leader_epoch(b), number(want, "partition_leader_epoch"));
	ck_assert_int_eq(batch_last_offset(b), number(want, "last_offset"));
	ck_assert_int_eq(batch_base_timestamp(b), number(want, "base_timestamp"));
	ck_assert_int_eq(batch_max_timestamp(b), number(want, "max_timestamp"));
	ck_assert_int_eq(batch_producer_id(b), number(want, "producer_id"));
	ck_assert_int_eq(batch_producer_epoch(b), number(want, "producer_epoch"));
	ck_assert_int_eq(batch_base_sequence(b), number(want, "base_sequence"));
	ck_assert_int_eq(batch_record_count(b), number(want, "record_count"));
	ck_assert_int_eq(batch_is_transactional(b), number(want, "transactional"));
	ck_assert_int_eq(batch_is_control(b), number(want, "control"));
	check_records(want, batch, d);
}

static int first_visible(const struct expected *x, int64_t offset)
{
	int i = 0;

	while (i < x->batch_count && number(x->batches[i], "last_offset") < offset)
		i++;
	return i;
}

/* From the log start to the end in reads of so many bytes: every batch, none twice. */
static void check_all_batches(struct kit *k, const struct expected *x, uint32_t max_bytes)
{
	struct decompressor *d = decompressor_create();
	int at = first_visible(x, x->start);
	int64_t offset = x->start;
	struct log_range r;

	while (offset < x->end) {
		ck_assert_int_eq(log_read(k->log, offset, x->end, max_bytes, true, &r), OK);
		if (r.len == 0)
			break;		/* compaction took the last batches */
		struct slice bytes = take_range(k, &r), rest = bytes, batch;
		while (batch_next(&rest, &batch) == OK) {
			ck_assert_int_lt(at, x->batch_count);
			check_batch(x->batches[at++], batch, d);
			offset = batch_last_offset(batch.ptr) + 1;
		}
		free((void *)(uintptr_t)bytes.ptr);
	}
	ck_assert_int_eq(at, x->batch_count);
	decompressor_destroy(&d);
}

static void check_every_offset(struct kit *k, const struct expected *x)
{
	struct log_range r;

	for (int64_t offset = x->start; offset < x->end; offset++) {
		int at = first_visible(x, offset);
		ck_assert_int_eq(log_read(k->log, offset, x->end, 1, true, &r), OK);
		if (at == x->batch_count) {
			ck_assert_uint_eq(r.len, 0);
			continue;
		}
		ck_assert_int_eq(r.first_batch_offset, number(x->batches[at], "base_offset"));
		ck_assert_uint_eq(r.len, (uint32_t)number(x->batches[at], "size"));
		log_file_unref(&r.file);
	}
	ck_assert_int_eq(log_read(k->log, x->start - 1, x->end, 1, true, &r), ERR_OUT_OF_RANGE);
	ck_assert_int_eq(log_read(k->log, x->end + 1, x->end, 1, true, &r), ERR_OUT_OF_RANGE);
}

/* What Kafka collects for a fetch of [from, to): entries of the segment that holds `from` and later ones which overlap, up to
 * the first that says nothing older is open. */
static int expected_aborted(const struct expected *x, int64_t from, int64_t to, struct log_aborted *out)
{
	int64_t floor = x->segment_bases[0];
	int n = 0;

	for (int i = 0; i < x->segment_count && x->segment_bases[i] <= from; i++)
		floor = x->segment_bases[i];
	for (int i = 0; i < x->aborted_count; i++) {
		const struct expected_aborted *a = &x->aborted[i];
		if (a->segment_base < floor)
			continue;
		if (a->last_offset >= from && a->first_offset < to)
			out[n++] = (struct log_aborted){ a->producer_id, a->first_offset };
		if (a->last_stable_offset >= to)
			break;
	}
	return n;
}

static void check_aborted(struct kit *k, const struct expected *x)
{
	struct log_aborted want[ABORTED_MAX], got[ABORTED_MAX];

	for (int64_t from = x->start; from < x->end; from++) {
		for (int64_t to = from + 1; to <= x->end; to++) {
			int n = expected_aborted(x, from, to, want);
			ck_assert_int_eq(log_aborted_transactions(k->log, from, to, got, ABORTED_MAX), n);
			for (int i = 0; i < n; i++) {
				ck_assert_int_eq(got[i].producer_id, want[i].producer_id);
				ck_assert_int_eq(got[i].first_offset, want[i].first_offset);
			}
		}
	}
}

static const struct log_producer *find_producer(const struct log_producer *list, int n, int64_t id)
{
	for (int i = 0; i < n; i++) {
		if (list[i].producer_id == id)
			return &list[i];
	}
	ck_abort_msg("producer %lld is missing", (long long)id);
}

/* Against the snapshot that Kafka wrote at the end; and with it the last stable offset. */
static void check_producers(struct kit *k, const struct expected *x)
{
	struct log_producer got[64];
	int64_t stable = x->end;
	const json_t *want;
	size_t i;

	if (x->snapshot == NULL)
		return;
	const json_t *entries = json_object_get(x->snapshot, "entries");
	int n = log_producers(k->log, got, ARRAY_LEN(got));
	ck_assert_uint_eq((size_t)n, json_array_size(entries));
	json_array_foreach(entries, i, want) {
		const struct log_producer *p = find_producer(got, n, number(want, "producer_id"));
		ck_assert_int_eq(p->producer_epoch, number(want, "producer_epoch"));
		ck_assert_int_eq(p->last_sequence, number(want, "last_sequence"));
		ck_assert_int_eq(p->last_timestamp, number(want, "timestamp"));
		ck_assert_int_eq(p->coordinator_epoch, number(want, "coordinator_epoch"));
		ck_assert_int_eq(p->current_txn_first_offset, number(want, "current_txn_first_offset"));
		if (p->current_txn_first_offset >= 0)
			stable = MIN(stable, p->current_txn_first_offset);
	}
	ck_assert_int_eq(log_last_stable_offset(k->log), stable);
}

static int64_t epoch_field(const struct expected *x, size_t line, size_t field)
{
	return strtoll(json_string_value(json_array_get(json_array_get(x->epochs, line), field)), NULL, 10);
}

/* An entry at the end speaks of no record: Kafka drops it at load, and so do we. */
static void check_epochs(struct kit *k, const struct expected *x)
{
	size_t n = json_array_size(x->epochs);
	int32_t epoch;
	int64_t end;

	while (n > 0 && epoch_field(x, n - 1, 1) >= x->end)
		n--;
	ck_assert_int_eq(log_latest_epoch(k->log), n > 0 ? epoch_field(x, n - 1, 0) : -1);
	for (size_t i = 0; i < n; i++) {
		int32_t wanted = (int32_t)epoch_field(x, i, 0);
		int64_t start = epoch_field(x, i, 1);
		ck_assert_int_eq(log_epoch_at(k->log, start), wanted);
		ck_assert_int_eq(log_epoch_at(k->log, start - 1), i > 0 ? epoch_field(x, i - 1, 0) : -1);
		log_end_offset_for_epoch(k->log, wanted, &epoch, &end);
		ck_assert_int_eq(epoch, wanted);
		ck_assert_int_eq(end, i + 1 < n ? epoch_field(x, i + 1, 1) : x->end);
	}
}

static void check_offsets(struct kit *k, const struct expected *x)
{
	char text[UUID_TEXT_LEN + 1];

	ck_assert_int_eq(log_start_offset(k->log), x->start);
	ck_assert_int_eq(log_end_offset(k->log), x->end);
	ck_assert_int_eq(log_first_segment_base(k->log), x->segment_bases[0]);
	ck_assert_int_eq(log_segment_count(k->log), x->segment_count);
	ck_assert_int_eq(log_size_bytes(k->log), x->bytes);
	ck_assert_str_eq(uuid_to_text(log_topic_id(k->log), text), x->topic_id);
}

static void check_log(struct kit *k, const struct expected *x, bool has_all_producers)
{
	check_offsets(k, x);
	check_all_batches(k, x, 1);
	check_all_batches(k, x, 1 << 20);
	check_every_offset(k, x);
	check_epochs(k, x);
	if (has_all_producers) {
		check_aborted(k, x);
		check_producers(k, x);
	}
}

/* What it takes appends like any other, and is then opened again as it was left. */
static void check_goes_on(struct kit *k, const struct expected *x)
{
	static const struct batch_spec plain = BATCH_SPEC_INIT;

	struct log_append a = append_one(k->log, make_batch(&plain, 2, NOW, "more"), false, NOW);
	ck_assert_int_eq(a.error, NONE);
	ck_assert_int_eq(a.base_offset, x->end);
	kit_replicate(k);
	kit_reopen_clean(k);
	ck_assert_int_eq(k->recovery.bytes_scanned, 0);
	ck_assert_int_eq(log_end_offset(k->log), x->end + 2);
	ck_assert_int_eq(log_start_offset(k->log), x->start);
}

START_TEST(a_golden_partition_opens)
{
	const struct golden_partition *p = &partitions[_i / START_COUNT];
	enum start start = (enum start)(_i % START_COUNT);
	bool is_damaged = strcmp(p->folder, "recovery-before") == 0;
	struct expected before, x;
	struct kit k;

	if (is_damaged && start == START_CLEAN)
		return;		/* nobody stopped these clean */
	expect(&before, p->folder, p->name);
	expect(&x, is_damaged ? "recovery-after" : p->folder, p->name);
	struct sim_os *machine = open_golden(&k, p, &before, start);
	/* Whom compaction left no batch is not found again by reading batches; Kafka does not find him either. */
	check_log(&k, &x, !(x.is_compacted && start == START_UNKNOWN));
	if (!is_damaged)
		ck_assert_int_eq(k.recovery.bytes_cut, 0);
	ck_assert_int_eq(k.recovery.bytes_scanned > 0, start != START_CLEAN && x.bytes > 0 &&
		(start == START_UNKNOWN || before.segment_bases[before.segment_count - 1] < x.end));
	check_goes_on(&k, &x);
	log_close(&k.log);
	sim_destroy(&machine);
	expect_fini(&x);
	expect_fini(&before);
}
END_TEST

/* --- which there are ---------------------------------------------------------------------------- */

static void add_partition(const char *folder, const char *key)
{
	const char *slash = strrchr(key, '/');
	struct golden_partition p = { .name = "" };

	if (slash == NULL)
		return;
	snprintf(p.folder, sizeof(p.folder), "%s", folder);
	snprintf(p.name, sizeof(p.name), "%.*s", (int)(slash - key), key);
	if (partition_count > 0 && memcmp(&partitions[partition_count - 1], &p, sizeof(p)) == 0)
		return;
	ASSERT(partition_count < PARTITIONS_MAX);
	partitions[partition_count++] = p;
}

static void add_folder(void *arg UNUSED, const char *folder, bool is_dir)
{
	char name[128];
	json_error_t error;
	const char *key;
	json_t *file;

	snprintf(name, sizeof(name), "%s/expected.json", folder);
	json_t *root = is_dir ? json_load_file(golden(name), 0, &error) : NULL;
	json_object_foreach(root, key, file)
		add_partition(folder, key);
	json_decref(root);
}

START_TEST(all_folders_are_there)
{
	ck_assert_int_ge(partition_count, 45);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("golden logs");
	TCase *t = tcase_create("golden logs");

	if (os_list_dir(os_real(), golden("."), add_folder, NULL) != OK)
		return EXIT_FAILURE;
	tcase_set_timeout(t, 60);
	tcase_add_test(t, all_folders_are_there);
	tcase_add_loop_test(t, a_golden_partition_opens, 0, partition_count * START_COUNT);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
