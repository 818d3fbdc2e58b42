/*
 * Inspection from outside: Kafka's own partitions are sound, and whatever is done to their bytes is named where it was done. SKEIN_SEED=n tells the story of one seed,
 * SKEIN_SEEDS=n lives through so many.
 */
#include "storage/inspect.h"

#include "log_kit.h"
#include "os/sim.h"
#include "seed_range.h"
#include "storage/batch_order.h"
#include "storage/segment.h"

#define FILES_MAX   64
#define BATCHES_MAX 128
#define NAMES_MAX   8

static const char *const partitions[] = {
	"codecs/codecs-0", "records/records-0", "records/appendtime-0", "idempotent/idem-0", "transactions/txn-0", "transactions/txn-open-0", "transactions/txn2-0",
	"segments/segments-0", "segments/segtime-0", "segments/interval-0", "log-start/delrec-0", "log-start/delrec-seg-0", "retention/ret-size-0",
	"compaction-first-pass/compacted-0", "compaction-second-pass/compacted-txn-0", "compaction-tombstones-gone/compacted-drop-0",
	"recovery-after/killed-0", "recovery-after/segments-0", "consumer-offsets/__consumer_offsets-0", "transaction-state/__transaction_state-1",
	"follower-catch-up/leader/epochs-0",
};

static struct seed_range seeds;
static struct decompressor *stream;

/* ---- what was found ---- */

struct found {
	int  damage, in_logs;
	char file[64];			/* of the first damage */
	int64_t file_pos, size;		/* ... */
	bool has_pos;
	char text[512];
	char others[NAMES_MAX][64];	/* files of all damage */
	int  other_count;
};

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

static void take_finding(void *arg, const struct inspect_finding *f)
{
	struct found *x = arg;

	ck_assert_ptr_nonnull(f->file);
	ck_assert_ptr_nonnull(f->then);
	ck_assert(f->what != NULL && f->what[0] != '\0');
	if (f->weight != INSPECT_DAMAGE)
		return;
	if (x->damage++ == 0) {
		snprintf(x->file, sizeof(x->file), "%s", f->file);
		snprintf(x->text, sizeof(x->text), "%s at %lld: %s; %s", f->file, (long long)f->file_pos, f->what, f->then);
		x->file_pos = f->file_pos;
		x->size = f->size;
		x->has_pos = f->has_pos;
	}
	x->in_logs += ends_with(f->file, ".log");
	if (x->other_count < NAMES_MAX)
		snprintf(x->others[x->other_count++], sizeof(x->others[0]), "%s", f->file);
}

static struct inspect_result inspect(const struct kit *k, struct found *found)
{
	struct inspect_spec spec = { .os = k->os, .dir = k->dir, .stream = stream, .was_clean = true, .each = take_finding, .arg = found };
	struct inspect_result r;

	*found = (struct found){ .damage = 0 };
	inspect_partition(&spec, &r);
	ck_assert_int_eq(r.damage, found->damage);
	return r;
}

/* ---- chance ---- */

static uint64_t chance;

static uint64_t draw(uint64_t below)
{
	uint64_t z = chance += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31) % below;
}

struct names {
	char        list[FILES_MAX][64];
	int         count;
	const char *suffix;
	const struct kit *k;
};

static void take_name(void *arg, const char *name, bool is_dir)
{
	struct names *n = arg;
	struct os_stat st;
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", n->k->dir, name);
	if (is_dir || !ends_with(name, n->suffix) || n->count == FILES_MAX || os_stat(n->k->os, path, &st) != OK || st.size == 0)
		return;
	snprintf(n->list[n->count++], sizeof(n->list[0]), "%s", name);
}

/* A machine of its own with a copy of one of the partitions, and a file of it, not empty. False: it has none with this suffix. */
struct story {
	struct sim_net *net;
	struct sim_os  *machine;
	struct kit      k;
	char            name[64], path[1024];
	struct slice    bytes;		/* malloc'd */
};

static bool begin(struct story *s, uint64_t seed, const char *suffix)
{
	struct names n = { .suffix = suffix, .k = &s->k };

	seed_now = seed;
	chance = seed * 1000003;
	s->net = sim_net_create(seed);
	s->machine = sim_create(s->net, "one", seed);
	kit_init(&s->k, sim_os(s->machine), "/data", "t-0");
	kit_copy_golden(&s->k, partitions[draw(ARRAY_LEN(partitions))]);
	ck_assert_int_eq(os_list_dir(s->k.os, s->k.dir, take_name, &n), OK);
	s->bytes = SLICE_NULL;
	if (n.count == 0)
		return false;
	snprintf(s->name, sizeof(s->name), "%s", n.list[draw((uint64_t)n.count)]);
	snprintf(s->path, sizeof(s->path), "%s/%s", s->k.dir, s->name);
	s->bytes = file_bytes(s->k.os, s->path);
	return true;
}

static void end(struct story *s)
{
	free((void *)(uintptr_t)s->bytes.ptr);
	sim_destroy(&s->machine);
	sim_net_destroy(&s->net);
	seed_now = 0;
}

static struct found after(struct story *s, const uint8_t *bytes, size_t len, struct inspect_result *r)
{
	struct found found;

	file_put(s->k.os, s->path, bytes, len);
	*r = inspect(&s->k, &found);
	if (seeds.is_one)
		printf("%s %s: %d faults, first: %s\n", s->k.dir, s->name, found.damage, found.text);
	return found;
}

/* ---- tests ---- */

START_TEST(what_kafka_wrote_is_sound)
{
	struct found found;
	struct kit k;

	kit_init(&k, os_real(), "/tmp", "t-0");
	snprintf(k.dir, sizeof(k.dir), "%s", golden(partitions[_i]));
	struct inspect_result r = inspect(&k, &found);
	ck_assert_msg(found.damage == 0, "%s: %s", partitions[_i], found.text);
	ck_assert_int_gt(r.batches, 0);
	ck_assert_int_gt(r.segments, 0);
	ck_assert_int_eq(r.inside, 0);
	ck_assert(!r.wants_recovery && r.torn_bytes == 0 && !r.is_unreadable);
}
END_TEST

/* Where the batches of sound bytes begin; starts[n] is the end. */
static int batches_of(struct slice bytes, size_t starts[BATCHES_MAX + 1])
{
	struct slice rest = bytes, batch;
	int n = 0;

	while (batch_next(&rest, &batch) == OK && n < BATCHES_MAX)
		starts[n++] = (size_t)(batch.ptr - bytes.ptr);
	starts[n] = bytes.len - rest.len;
	return n;
}

/* One byte of a batch. What lies outside the CRC, its offset and epoch, may still say something that is possible. */
START_TEST(one_byte_is_named_where_it_is)
{
	int missed = 0, stories = 0;

	for (uint64_t seed = seeds.from; seed < seeds.from + seeds.count; seed++) {
		size_t starts[BATCHES_MAX + 1];
		struct inspect_result r;
		struct story s;

		if (begin(&s, seed, ".log")) {
			int n = batches_of(s.bytes, starts), at = 0;
			size_t pos = draw(s.bytes.len);
			uint8_t *bytes = (uint8_t *)(uintptr_t)s.bytes.ptr;

			while (at + 1 < n && starts[at + 1] <= pos)
				at++;
			size_t in_batch = pos - starts[at];
			bool is_unchecked = in_batch < 8 || (in_batch >= 12 && in_batch < 16);
			bytes[pos] ^= (uint8_t)(1 + draw(255));
			struct found f = after(&s, bytes, s.bytes.len, &r);
			stories++;
			missed += f.damage == 0;
			ck_assert_msg(f.damage > 0 || is_unchecked, "seed %llu: byte %zu of %s changed, and nothing was found", (unsigned long long)seed, pos, s.name);
			if (f.damage > 0 && !is_unchecked) {
				ck_assert_str_eq(f.file, s.name);
				ck_assert_msg(f.has_pos && f.file_pos == (int64_t)starts[at] && f.size == (int64_t)(starts[at + 1] - starts[at]),
					      "seed %llu: byte %zu in [%zu, %zu) of %s; told: %s", (unsigned long long)seed, pos, starts[at], starts[at + 1], s.name, f.text);
				/* The others are still found. */
				ck_assert_int_eq(f.in_logs, 1);
			}
		}
		end(&s);
	}
	if (seeds.is_usual)
		ck_assert_msg(stories > 100 && missed * 20 < stories, "%d of %d were missed", missed, stories);
}
END_TEST

START_TEST(a_cut_file_is_torn_where_the_batch_begins)
{
	for (uint64_t seed = seeds.from; seed < seeds.from + seeds.count; seed++) {
		size_t starts[BATCHES_MAX + 1];
		struct inspect_result r;
		struct story s;

		if (begin(&s, seed, ".log")) {
			int n = batches_of(s.bytes, starts), at = 0;
			size_t len = draw(s.bytes.len);

			while (at + 1 < n && starts[at + 1] <= len)
				at++;
			struct found f = after(&s, s.bytes.ptr, len, &r);
			if (len == starts[at]) {
				ck_assert_int_eq(f.in_logs, 0);		/* whole batches are gone: only indexes, or the next segment's base, know */
			} else {
				ck_assert_str_eq(f.file, s.name);
				ck_assert_msg(f.file_pos == (int64_t)starts[at], "seed %llu: %s", (unsigned long long)seed, f.text);
				ck_assert_msg(r.torn_bytes == 0 || (r.torn_pos == (int64_t)starts[at] && r.torn_bytes == (int64_t)(len - starts[at])),
					      "seed %llu", (unsigned long long)seed);
				ck_assert_msg((r.torn_bytes > 0) != (r.inside > 0), "seed %llu", (unsigned long long)seed);
			}
		}
		end(&s);
	}
}
END_TEST

/* Runs of bytes overwritten, taken out, put in: what was not touched is found all the same. */
START_TEST(untouched_batches_are_found_in_any_rubble)
{
	for (uint64_t seed = seeds.from; seed < seeds.from + seeds.count; seed++) {
		size_t starts[BATCHES_MAX + 1];
		struct inspect_result r;
		struct story s;

		if (begin(&s, seed, ".log")) {
			struct found whole;
			int64_t before = inspect(&s.k, &whole).batches, touched = 0;
			int n = batches_of(s.bytes, starts);
			size_t from = draw(s.bytes.len), len = 1 + draw(MIN(s.bytes.len - from, (size_t)400));
			struct strbuf b = STRBUF_INIT;
			uint64_t how = draw(3);

			strbuf_add(&b, s.bytes.ptr, from);
			for (size_t i = 0; how != 0 && i < len; i++)
				strbuf_add_char(&b, (char)draw(256));
			size_t rest = how == 2 ? from : from + len;
			strbuf_add(&b, s.bytes.ptr + rest, s.bytes.len - rest);
			for (int i = 0; i < n; i++)
				touched += starts[i + 1] > from && starts[i] < (how == 2 ? from + 1 : from + len);
			after(&s, (const uint8_t *)b.ptr, b.len, &r);
			ck_assert_msg(r.batches >= before - touched, "seed %llu: %lld of %lld batches, %lld touched", (unsigned long long)seed, (long long)r.batches,
				      (long long)before, (long long)touched);
			strbuf_fini(&b);
		}
		end(&s);
	}
}
END_TEST

/* A byte of what lies beside the .log: if anything is told, it is of this file. */
static void beside(const char *suffix, bool must_be_found)
{
	int stories = 0, told = 0;

	for (uint64_t seed = seeds.from; seed < seeds.from + seeds.count; seed++) {
		struct inspect_result r;
		struct story s;

		if (begin(&s, seed, suffix)) {
			uint8_t *bytes = (uint8_t *)(uintptr_t)s.bytes.ptr;
			size_t pos = draw(s.bytes.len);

			bytes[pos] ^= (uint8_t)(1 + draw(255));
			struct found f = after(&s, bytes, s.bytes.len, &r);
			stories++;
			told += f.damage > 0;
			ck_assert_msg(!must_be_found || f.damage > 0, "seed %llu: byte %zu of %s", (unsigned long long)seed, pos, s.name);
			for (int i = 0; i < f.other_count; i++)
				ck_assert_msg(strcmp(f.others[i], s.name) == 0 || strcmp(suffix, "leader-epoch-checkpoint") == 0, "seed %llu: %s in %s", (unsigned long long)seed,
					      f.others[i], s.name);
		}
		end(&s);
	}
	if (seeds.is_usual)
		ck_assert_msg(stories > 10 && told * 3 > stories * 2, "%s: %d of %d were told", suffix, told, stories);
}

START_TEST(lies_of_the_files_beside)
{
	beside(".index", false);
	beside(".timeindex", false);
	beside(".txnindex", false);
	beside(".snapshot", true);
	beside("leader-epoch-checkpoint", false);
}
END_TEST

/* A broker that runs: between the listing and the look at the last segment its index comes, or its .log goes. */
struct meanwhile {
	struct found found;
	struct kit   k;
	char         log[64], index[64];
	bool         comes, goes;
};

static void take_live_finding(void *arg, const struct inspect_finding *f)
{
	take_finding(&((struct meanwhile *)arg)->found, f);
}

static void on_tick(void *arg, int64_t bytes, int64_t records)
{
	struct meanwhile *m = arg;
	char path[1024];

	(void)bytes;
	(void)records;
	snprintf(path, sizeof(path), "%s/%s", m->k.dir, m->comes ? m->index : m->log);
	if (m->comes)
		file_put(m->k.os, path, NULL, 0);
	if (m->goes)
		ck_assert(os_unlink(m->k.os, path) != ERR_IO);
	m->comes = m->goes = false;
}

static int damage_meanwhile(bool is_live, bool comes, bool goes, int nth)
{
	struct sim_net *net = sim_net_create(7);
	struct sim_os *machine = sim_create(net, "one", 7);
	struct meanwhile m = { .comes = comes, .goes = goes };
	struct names n = { .suffix = ".log", .k = &m.k };
	struct inspect_result r;
	char path[1024];

	kit_init(&m.k, sim_os(machine), "/data", "t-0");
	kit_copy_golden(&m.k, "segments/segments-0");
	ck_assert_int_eq(os_list_dir(m.k.os, m.k.dir, take_name, &n), OK);
	ck_assert_int_ge(n.count, 2);
	const char *name = n.list[nth < 0 ? n.count - 1 : nth];
	snprintf(m.log, sizeof(m.log), "%s", name);
	snprintf(m.index, sizeof(m.index), "%.20s.timeindex", name);
	snprintf(path, sizeof(path), "%s/%s", m.k.dir, m.index);
	ck_assert_int_eq(os_unlink(m.k.os, path), OK);
	struct inspect_spec spec = { .os = m.k.os, .dir = m.k.dir, .stream = stream, .is_live = is_live, .each = take_live_finding, .tick = on_tick, .arg = &m };
	inspect_partition(&spec, &r);
	ck_assert_int_eq(r.damage, m.found.damage);
	sim_destroy(&machine);
	sim_net_destroy(&net);
	return r.damage;
}

START_TEST(what_a_broker_makes_or_removes_meanwhile_is_no_damage)
{
	ck_assert_int_eq(damage_meanwhile(false, false, false, -1), 1);
	ck_assert_int_eq(damage_meanwhile(true, true, false, -1), 0);
	ck_assert_int_eq(damage_meanwhile(false, true, false, -1), 0);
	ck_assert_int_eq(damage_meanwhile(true, false, true, -1), 0);
	ck_assert_int_eq(damage_meanwhile(false, false, true, -1), 0);
	ck_assert_int_eq(damage_meanwhile(true, false, false, -1), 0);		/* the newest one's is about to be made */
	ck_assert_int_eq(damage_meanwhile(true, false, false, 0), 1);		/* that of an older one is not */
}
END_TEST

/* Half of the last batch: what a broker that runs is writing; damage where none does, or in a segment that is closed. */
START_TEST(a_batch_that_is_being_written_is_no_damage)
{
	for (int i = 0; i < 4; i++) {
		bool is_live = i & 1, is_closed = i & 2;
		struct found found = { .damage = 0 };
		struct inspect_result r;
		struct story s;

		s.net = sim_net_create(7);
		s.machine = sim_create(s.net, "one", 7);
		kit_init(&s.k, sim_os(s.machine), "/data", "t-0");
		kit_copy_golden(&s.k, "segments/segments-0");
		struct names n = { .suffix = ".log", .k = &s.k };
		ck_assert_int_eq(os_list_dir(s.k.os, s.k.dir, take_name, &n), OK);
		snprintf(s.path, sizeof(s.path), "%s/%s", s.k.dir, n.list[is_closed ? 0 : n.count - 1]);
		s.bytes = file_bytes(s.k.os, s.path);
		file_put(s.k.os, s.path, s.bytes.ptr, s.bytes.len - 9);
		snprintf(s.path, sizeof(s.path), "%s/%.20s.timeindex", s.k.dir, n.list[is_closed ? 0 : n.count - 1]);
		file_put(s.k.os, s.path, NULL, 0);	/* an entry comes after its batch */
		struct inspect_spec spec = { .os = s.k.os, .dir = s.k.dir, .stream = stream, .is_live = is_live, .each = take_finding, .arg = &found };
		inspect_partition(&spec, &r);
		ck_assert_int_eq(r.damage > 0, !is_live || is_closed);
		ck_assert_int_eq(r.torn_bytes > 0, !is_live && !is_closed);
		end(&s);
	}
}
END_TEST

struct placed { int64_t base; int32_t last_delta, epoch; };

/* Which of the batches is said to be out of order: its place, -1 none; of two that contradict each other the one that does not join the others. */
static int misplaced(const struct placed *batches, int n)
{
	struct batch_order o;
	int found = -1;

	batch_order_init(&o, 100, -1);
	for (int i = 0; i < n; i++) {
		uint8_t h[BATCH_HEADER_SIZE] = { 0 };
		bool before;

		store_be64(h, (uint64_t)batches[i].base);
		store_be32(h + BATCH_LEADER_EPOCH_POS, (uint32_t)batches[i].epoch);
		store_be32(h + BATCH_LAST_OFFSET_DELTA_POS, (uint32_t)batches[i].last_delta);
		if (batch_order_take(&o, h, &before) != NULL) {
			ck_assert_int_eq(found, -1);
			found = before ? i - 1 : i;
		}
	}
	return found;
}
#define MISPLACED(...) misplaced((struct placed[]){ __VA_ARGS__ }, (int)(sizeof((struct placed[]){ __VA_ARGS__ }) / sizeof(struct placed)))

START_TEST(of_two_neighbours_the_one_that_does_not_join_is_blamed)
{
	ck_assert_int_eq(MISPLACED({ 100, 0, 0 }, { 101, 4, 0 }, { 106, 0, 1 }, { 120, 0, 1 }), -1);	/* compaction leaves gaps */
	ck_assert_int_eq(MISPLACED({ 100, 0, 0 }, { 101, 4, 0 }, { 90, 0, 0 }, { 106, 0, 0 }), 2);
	ck_assert_int_eq(MISPLACED({ 100, 0, 0 }, { 101, 4, 0 }, { 103, 0, 0 }, { 106, 0, 0 }), 2);
	ck_assert_int_eq(MISPLACED({ 100, 0, 0 }, { 5101, 4, 0 }, { 106, 0, 0 }, { 107, 0, 0 }), 1);
	ck_assert_int_eq(MISPLACED({ 100, 0, 0 }, { INT64_C(1) << 40, 4, 0 }, { 106, 0, 0 }, { 107, 0, 0 }), 1);
	ck_assert_int_eq(MISPLACED({ 100, 0, 3 }, { 101, 4, 1 }, { 106, 0, 3 }), 1);
	ck_assert_int_eq(MISPLACED({ 100, 0, 3 }, { 101, 4, 9 }, { 106, 0, 3 }, { 107, 0, 3 }), 1);
	ck_assert_int_eq(MISPLACED({ 100, 0, 3 }, { 101, 4, -1 }, { 106, 0, 3 }), -1);			/* not known */
}
END_TEST

int main(void)
{
	Suite *s = suite_create("inspect");
	TCase *t = tcase_create("inspect");

	seeds = seed_range_begin(400);
	stream = decompressor_create();
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, what_kafka_wrote_is_sound, 0, (int)ARRAY_LEN(partitions));
	tcase_add_test(t, one_byte_is_named_where_it_is);
	tcase_add_test(t, a_cut_file_is_torn_where_the_batch_begins);
	tcase_add_test(t, untouched_batches_are_found_in_any_rubble);
	tcase_add_test(t, lies_of_the_files_beside);
	tcase_add_test(t, what_a_broker_makes_or_removes_meanwhile_is_no_damage);
	tcase_add_test(t, a_batch_that_is_being_written_is_no_damage);
	tcase_add_test(t, of_two_neighbours_the_one_that_does_not_join_is_blamed);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	decompressor_destroy(&stream);
	return failed != 0;
}
