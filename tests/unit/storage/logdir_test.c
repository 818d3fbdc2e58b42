/*
 * The log directory through a broker's life: first start, restart, clean stop, and what is refused,
 * with the sentence that says so.
 */
#include "../os/machine.h"
#include "golden.h"

#include "base/bytes.h"
#include "record/batch.h"
#include "storage/logdir.h"
#include "storage/logdir_survey.h"
#include "storage/partition_metadata.h"

static struct log_source source;
static char error[LOGDIR_ERROR_MAX];

static struct logdir *open_dir(void)
{
	struct logdir *d;

	error[0] = '\0';
	log_source_init(&source, "logdir", "test");
	ck_assert_msg(logdir_open(&d, os, &source, in_dir("data"), error) == OK, "%s", error);
	return d;
}

static struct logdir *load_dir(void)
{
	struct logdir *d = open_dir();

	ck_assert_int_eq(logdir_claim(d, 1, "abc", error), OK);
	ck_assert_msg(logdir_load(d, error) == OK, "%s", error);
	return d;
}

static void stop_clean(struct logdir *d)
{
	ck_assert_int_eq(logdir_close_clean(&d), OK);
	ck_assert_ptr_null(d);
}

/* --- life ------------------------------------------------------------------------------------- */

START_TEST(first_start_and_stop)
{
	struct logdir *d;
	struct logdir_known k;
	struct slice text;

	machine_up(_i);
	d = open_dir();
	ck_assert_ptr_null(logdir_meta(d));
	ck_assert_int_eq(logdir_claim(d, 1, "lYUWZ052Tca8T2qD9paccA", error), OK);
	ck_assert_str_eq(logdir_meta(d)->cluster_id, "lYUWZ052Tca8T2qD9paccA");
	ck_assert_int_eq(logdir_load(d, error), OK);
	ck_assert(!logdir_had_clean_shutdown(d));
	logdir_known(d, "orders", 3, &k);
	ck_assert_int_eq(k.recovery_point, -1);
	ck_assert(!k.mark.is_valid);
	ck_assert_int_eq(logdir_write_checkpoint(d, LOGDIR_RECOVERY_POINTS, NULL, 0), OK);
	text = file_bytes(os, in_dir("data/recovery-point-offset-checkpoint"));
	ck_assert(slice_eq_str(text, "0\n0\n"));
	free((void *)text.ptr);
	stop_clean(d);
	text = file_bytes(os, in_dir("data/.kafka_cleanshutdown"));
	ck_assert(slice_eq_str(text, "{\"version\":0,\"brokerEpoch\":-1}"));
	free((void *)text.ptr);

	d = open_dir();
	ck_assert_int_eq(logdir_meta(d)->broker_id, 1);
	ck_assert_int_eq(logdir_claim(d, 1, "lYUWZ052Tca8T2qD9paccA", error), OK);
	ck_assert_int_eq(logdir_load(d, error), OK);
	ck_assert(logdir_had_clean_shutdown(d));
	ck_assert(!file_exists(os, in_dir("data/.kafka_cleanshutdown")));
	logdir_close(&d);				/* as a crash would */
	d = open_dir();
	ck_assert_int_eq(logdir_load(d, error), OK);
	ck_assert(!logdir_had_clean_shutdown(d));
	logdir_close(&d);
	machine_down();
}
END_TEST

START_TEST(checkpoints_are_found_again)
{
	static const struct checkpoint_entry points[] = { { SLICE_LIT("orders"), 3, 70 },
		{ SLICE_LIT("orders"), 4, 0 } };
	static const struct checkpoint_entry starts[] = { { SLICE_LIT("orders"), 3, 9 } };
	static const struct checkpoint_entry marks[] = { { SLICE_LIT("orders"), 3, 66 },
		{ SLICE_LIT("other"), 0, 5 } };
	static const struct checkpoint_entry dirty[] = { { SLICE_LIT("other"), 0, 2 } };
	struct logdir_known k;
	struct logdir *d;

	machine_up(_i);
	d = load_dir();
	ck_assert_int_eq(logdir_write_checkpoint(d, LOGDIR_RECOVERY_POINTS, points, 2), OK);
	ck_assert_int_eq(logdir_write_checkpoint(d, LOGDIR_LOG_STARTS, starts, 1), OK);
	ck_assert_int_eq(logdir_write_checkpoint(d, LOGDIR_HIGH_WATERMARKS, marks, 2), OK);
	ck_assert_int_eq(logdir_write_checkpoint(d, LOGDIR_CLEANER_OFFSETS, dirty, 1), OK);
	logdir_close(&d);

	d = load_dir();
	logdir_known(d, "orders", 3, &k);
	ck_assert_int_eq(k.recovery_point, 70);
	ck_assert_int_eq(k.log_start_offset, 9);
	ck_assert_int_eq(k.high_watermark, 66);
	ck_assert_int_eq(k.cleaner_offset, -1);
	logdir_known(d, "orders", 4, &k);
	ck_assert_int_eq(k.recovery_point, 0);
	ck_assert_int_eq(k.high_watermark, -1);
	logdir_known(d, "other", 0, &k);
	ck_assert_int_eq(k.recovery_point, -1);
	ck_assert_int_eq(k.cleaner_offset, 2);
	logdir_known(d, "orders", 5, &k);
	ck_assert_int_eq(k.recovery_point, -1);
	logdir_forget(d);
	logdir_known(d, "orders", 3, &k);
	ck_assert_int_eq(k.recovery_point, -1);
	logdir_close(&d);
	machine_down();
}
END_TEST

/* --- refused ---------------------------------------------------------------------------------- */

static void says(const char *part)
{
	ck_assert_msg(strstr(error, part) != NULL, "\"%s\" does not say \"%s\"", error, part);
}

START_TEST(one_broker_at_a_time)
{
	struct logdir *d, *other = NULL;

	machine_up(_i);
	d = open_dir();
	ck_assert_int_eq(logdir_open(&other, os, &source, in_dir("data"), error), ERR_LOCKED);
	ck_assert_ptr_null(other);
	says("in use by another broker");
	says(in_dir("data"));
	logdir_close(&d);
	d = open_dir();
	logdir_close(&d);
	machine_down();
}
END_TEST

START_TEST(somebody_elses_directory)
{
	struct slice before, after;
	struct logdir *d;

	machine_up(_i);
	d = open_dir();
	ck_assert_int_eq(logdir_claim(d, 1, "abc", error), OK);
	logdir_close(&d);
	before = file_bytes(os, in_dir("data/meta.properties"));
	d = open_dir();
	ck_assert_int_eq(logdir_claim(d, 1, "abd", error), ERR_INVALID);
	says("belongs to cluster abc, but this broker is of cluster abd");
	ck_assert_int_eq(logdir_claim(d, 2, "abc", error), ERR_INVALID);
	says("belongs to broker 1, but this is broker 2");
	logdir_close(&d);
	after = file_bytes(os, in_dir("data/meta.properties"));
	assert_same_bytes(before, after, "meta.properties");
	free((void *)before.ptr);
	free((void *)after.ptr);

	file_put(os, in_dir("data/meta.properties"), "version=1\nnode.id=1\n", 20);
	ck_assert_int_eq(logdir_open(&d, os, &source, in_dir("data"), error), ERR_UNSUPPORTED);
	says("does not use ZooKeeper");
	file_put(os, in_dir("data/meta.properties"), "x", 1);
	ck_assert_int_eq(logdir_open(&d, os, &source, in_dir("data"), error), ERR_CORRUPT);
	says("meta.properties cannot be read");
	machine_down();
}
END_TEST

START_TEST(unusable_paths)
{
	char path[2048];
	struct logdir *d;

	machine_up(_i);
	log_source_init(&source, "logdir", "test");
	file_put(os, in_dir("data"), "x", 1);
	uint64_t before = log_event_count(EV_logdir_offline);
	ck_assert_int_eq(logdir_open(&d, os, &source, in_dir("data"), error), OK);
	says("is not a directory but a file");
	/* offline from the start: said once, and nothing is done to it */
	ck_assert(logdir_is_offline(d));
	ck_assert_uint_eq(log_event_count(EV_logdir_offline), before + 1);
	ck_assert_ptr_null(logdir_meta(d));
	ck_assert_int_eq(logdir_claim(d, 1, "cluster", error), OK);
	ck_assert_int_eq(logdir_load(d, error), OK);
	ck_assert(!logdir_had_clean_shutdown(d));
	ck_assert_int_eq(logdir_close_clean(&d), ERR_OFFLINE);
	memset(path, 'a', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	ck_assert_int_eq(logdir_open(&d, os, &source, path, error), ERR_INVALID);
	ck_assert_int_eq(logdir_open(&d, os, &source, "", error), ERR_INVALID);
	machine_down();
}
END_TEST

START_TEST(a_malformed_checkpoint_is_named)
{
	struct logdir *d;

	machine_up(_i);
	d = load_dir();
	file_put(os, in_dir("data/replication-offset-checkpoint"), "0\n1\na 0 -1\n", 11);
	logdir_close(&d);
	d = open_dir();
	ck_assert_int_eq(logdir_load(d, error), ERR_CORRUPT);
	says("replication-offset-checkpoint");
	logdir_close(&d);
	machine_down();
}
END_TEST

/* It saves work only: what it said before the damage is forgotten with the rest, and the directory is served. */
START_TEST(a_malformed_cleaner_checkpoint_is_done_without)
{
	struct logdir_known k;
	struct logdir *d;

	machine_up(_i);
	d = load_dir();
	file_put(os, in_dir("data/cleaner-offset-checkpoint"), "0\n2\na 0 7\nb 0 -7\n", 18);
	logdir_close(&d);
	d = load_dir();
	logdir_known(d, "a", 0, &k);
	ck_assert_int_eq(k.cleaner_offset, -1);
	logdir_close(&d);
	machine_down();
}
END_TEST

/* --- partition directories -------------------------------------------------------------------- */

static struct logdir_entry found[16];
static int found_count;

static void take(void *arg, const struct logdir_entry *e)
{
	ck_assert_ptr_null(arg);
	ck_assert_int_lt(found_count, 16);
	found[found_count++] = *e;
}

START_TEST(scanning)
{
	struct logdir *d;

	machine_up(_i);
	d = load_dir();
	ck_assert_int_eq(os_mkdir(os, in_dir("data/orders-3")), OK);
	ck_assert_int_eq(os_mkdir(os,
		in_dir("data/a-b.c-10.0123456789abcdef0123456789abcdef-delete")), OK);
	ck_assert_int_eq(os_mkdir(os, in_dir("data/x-0.0123456789abcdef0123456789abcdef-future")),
		OK);
	ck_assert_int_eq(os_mkdir(os, in_dir("data/x-0.0123456789abcdef0123456789abcdef-stray")),
		OK);
	ck_assert_int_eq(os_mkdir(os, in_dir("data/remote-log-index-cache")), OK);
	ck_assert_int_eq(os_mkdir(os, in_dir("data/lost+found")), OK);
	ck_assert_int_eq(os_mkdir(os, in_dir("data/__cluster_metadata-0")), OK);
	file_put(os, in_dir("data/a plain file"), "", 0);
	found_count = 0;
	ck_assert_int_eq(logdir_scan(d, take, NULL, error), OK);
	ck_assert_int_eq(found_count, 4);
	ck_assert_int_eq(found[0].kind, LOGDIR_DELETED);
	ck_assert_str_eq(found[0].topic, "a-b.c");
	ck_assert_int_eq(found[0].partition, 10);
	ck_assert_int_eq(found[1].kind, LOGDIR_PARTITION);
	ck_assert_str_eq(found[1].name, "orders-3");
	ck_assert_int_eq(found[2].kind, LOGDIR_FUTURE);
	ck_assert_int_eq(found[3].kind, LOGDIR_STRAY);

	ck_assert_int_eq(os_mkdir(os, in_dir("data/backup")), OK);
	found_count = 0;
	ck_assert_int_eq(logdir_scan(d, take, NULL, error), ERR_INVALID);
	says("backup is not a partition directory");
	ck_assert_int_eq(found_count, 0);
	logdir_close(&d);
	machine_down();
}
END_TEST

static struct survey_partition surveyed[8];
static int surveyed_count;

static void take_surveyed(void *arg UNUSED, const struct survey_partition *p)
{
	ck_assert_int_lt(surveyed_count, (int)ARRAY_LEN(surveyed));
	surveyed[surveyed_count++] = *p;
}

/* Batches of one record and this length each, as far as a look at their heads goes: one per magic. */
static void put_heads(const char *name, uint32_t length, const int8_t *magics, size_t count)
{
	size_t size = BATCH_LOG_OVERHEAD + length;
	uint8_t *heads = mem_calloc(count, size);

	for (size_t i = 0; i < count; i++) {
		store_be32(heads + i * size + BATCH_LENGTH_POS, length);
		heads[i * size + BATCH_MAGIC_POS] = (uint8_t)magics[i];
	}
	file_put(os, in_dir(name), heads, count * size);
	free(heads);
}

static void put_head(const char *name, int8_t magic)
{
	put_heads(name, BATCH_HEADER_SIZE - BATCH_LOG_OVERHEAD, &magic, 1);
}

/* From outside, while a broker has the directory; nothing of it changes. */
START_TEST(surveying)
{
	struct uuid id = { { 1, 2, 3 } };
	struct logdir *d;

	machine_up(_i);
	d = load_dir();
	ck_assert_int_eq(os_mkdir(os, in_dir("data/new-0")), OK);
	put_head("data/new-0/00000000000000000000.log", 2);
	ck_assert_int_eq(partition_metadata_write(id, os, in_dir("data/new-0")), OK);
	ck_assert_int_eq(os_mkdir(os, in_dir("data/late-0")), OK);
	put_head("data/late-0/00000000000000000000.log", 2);
	put_head("data/late-0/00000000000000000009.log", 1);
	ck_assert_int_eq(os_mkdir(os, in_dir("data/old-0")), OK);
	put_head("data/old-0/00000000000000000005.log", 0);
	file_put(os, in_dir("data/old-0/partition.metadata"), "junk", 4);
	ck_assert_int_eq(os_mkdir(os, in_dir("data/empty-0")), OK);
	file_put(os, in_dir("data/empty-0/00000000000000000000.log"), "", 0);
	ck_assert_int_eq(os_mkdir(os, in_dir("data/x-0.0123456789abcdef0123456789abcdef-stray")), OK);
	put_head("data/x-0.0123456789abcdef0123456789abcdef-stray/00000000000000000000.log", 0);

	surveyed_count = 0;
	ck_assert_int_eq(logdir_survey(os, in_dir("data"), SURVEY_WHOLE, 60000, take_surveyed, NULL, error), OK);
	ck_assert_int_eq(surveyed_count, 4);
	ck_assert_str_eq(surveyed[0].at.topic, "empty");
	ck_assert_int_eq(surveyed[0].old_format, -1);
	ck_assert_int_eq(surveyed[0].id_result, ERR_NOT_FOUND);
	ck_assert_int_eq(surveyed[1].old_format, 1);
	ck_assert_str_eq(surveyed[1].segment, "00000000000000000009.log");
	ck_assert_int_eq(surveyed[2].old_format, -1);
	ck_assert_int_eq(surveyed[2].id_result, OK);
	ck_assert(uuid_eq(surveyed[2].topic_id, id));
	ck_assert_int_eq(surveyed[3].old_format, 0);
	ck_assert_int_eq(surveyed[3].id_result, ERR_CORRUPT);

	surveyed_count = 0;
	ck_assert_int_eq(logdir_survey(os, in_dir("data"), SURVEY_FIRST_SEGMENT, 0, take_surveyed, NULL, error), OK);
	ck_assert_int_eq(surveyed[1].old_format, -1);
	ck_assert_int_eq(surveyed[3].old_format, 0);
	logdir_close(&d);
	machine_down();
}
END_TEST

/* Old ones behind new ones, near the head of the segment and far behind it: each length puts heads at other places of what is read at a time. */
START_TEST(old_formats_behind_new_ones)
{
	static const uint32_t lengths[] = { BATCH_LENGTH_MIN, 49, 100, 4079, 4080, 4084, 4090, 20000 };
	int8_t magics[1000];
	struct logdir *d;

	machine_up(_i);
	d = load_dir();
	ck_assert_int_eq(os_mkdir(os, in_dir("data/a-0")), OK);
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		size_t count = MAX(20000 / (lengths[i] + BATCH_LOG_OVERHEAD), 5u), places[] = { count - 1, count / 2, 1 };

		memset(magics, 2, sizeof(magics));
		put_heads("data/a-0/00000000000000000000.log", lengths[i], magics, count);
		surveyed_count = 0;
		ck_assert_int_eq(logdir_survey(os, in_dir("data"), SURVEY_WHOLE, 60000, take_surveyed, NULL, error), OK);
		ck_assert_int_eq(surveyed[0].old_format, -1);
		ck_assert_int_eq(surveyed[0].unread_segments, 0);
		for (size_t k = 0; k < ARRAY_LEN(places); k++) {
			magics[places[k]] = k % 2;
			put_heads("data/a-0/00000000000000000000.log", lengths[i], magics, count);
			surveyed_count = 0;
			ck_assert_int_eq(logdir_survey(os, in_dir("data"), SURVEY_WHOLE, 60000, take_surveyed, NULL, error), OK);
			ck_assert_int_eq(surveyed[0].old_format, k % 2);
		}
		surveyed_count = 0;		/* no time: what was not looked at is said */
		ck_assert_int_eq(logdir_survey(os, in_dir("data"), SURVEY_WHOLE, 0, take_surveyed, NULL, error), OK);
		ck_assert_int_eq(surveyed[0].old_format, -1);
		ck_assert_int_eq(surveyed[0].unread_segments, 1);
	}
	logdir_close(&d);
	machine_down();
}
END_TEST

/* What lies there stays as it is; a name that would be too long is shortened, and is a stray's all the same. */
START_TEST(setting_aside)
{
	struct logdir *d;
	char topic[230], name[sizeof(topic) + 2], now[LOGDIR_NAME_MAX + 1], file[256], moved[1024];
	struct os_stat st;

	machine_up(_i);
	d = load_dir();
	memset(topic, 't', sizeof(topic) - 1);
	topic[sizeof(topic) - 1] = '\0';
	snprintf(name, sizeof(name), "%s-0", topic);
	snprintf(file, sizeof(file), "data/%s", name);
	ck_assert_int_eq(os_mkdir(os, in_dir(file)), OK);
	snprintf(file, sizeof(file), "data/%s/log", name);
	file_put(os, in_dir(file), "records", 7);
	ck_assert_int_eq(logdir_set_aside(d, name, topic, 0, now), OK);
	ck_assert_int_eq(os_stat(os, in_dir(file), &st), ERR_NOT_FOUND);
	snprintf(moved, sizeof(moved), "%s/%s/log", logdir_path(d), now);
	ck_assert_int_eq(os_stat(os, moved, &st), OK);
	ck_assert_int_eq(st.size, 7);
	found_count = 0;
	ck_assert_int_eq(logdir_scan(d, take, NULL, error), OK);
	ck_assert_int_eq(found_count, 1);
	ck_assert_int_eq(found[0].kind, LOGDIR_STRAY);
	ck_assert_str_eq(found[0].name, now);
	ck_assert_int_eq(logdir_set_aside(d, name, topic, 0, now), OK);	/* it is gone already */
	logdir_close(&d);
	machine_down();
}
END_TEST

START_TEST(names)
{
	static const char *const bad[] = {
		"", "a", "a-", "-1", "a-x", "a-1x", "a-2147483648", "a-01", "..-1", ".-1", "a b-1",
			"a/b-1", "foo-delete", "foo-1-delete", "foo.-delete",
		"a-1.-delete", "a.x-delete", "a-1.x-deleted", "caf\xc3\xa9-1",
	};
	struct logdir_entry e;
	char name[400];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!logdir_parse_name(bad[i], &e), "taken: %s", bad[i]);
	ck_assert(logdir_parse_name("a--1", &e));
	ck_assert_str_eq(e.topic, "a-");
	ck_assert(logdir_parse_name("__consumer_offsets-49", &e));
	ck_assert_str_eq(e.topic, "__consumer_offsets");
	ck_assert_int_eq(e.partition, 49);
	memset(name, 'a', 249);
	strcpy(name + 249, "-1");
	ck_assert(logdir_parse_name(name, &e));
	strcpy(name + 249, "a-1");
	ck_assert(!logdir_parse_name(name, &e));
}
END_TEST

START_TEST(deleted_names)
{
	struct uuid id = { { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0, 1, 2, 3, 4, 5, 6,
		0xff } };
	char name[LOGDIR_NAME_MAX + 1], topic[250];
	struct logdir_entry e;

	logdir_deleted_name("orders", 12, id, name);
	ck_assert_str_eq(name, "orders-12.0123456789abcdef00010203040506ff-delete");
	memset(topic, 't', 249);
	topic[249] = '\0';
	logdir_deleted_name(topic, INT32_MAX, id, name);
	ck_assert_uint_eq(strlen(name), LOGDIR_NAME_MAX);
	ck_assert(logdir_parse_name(name, &e));
	ck_assert_int_eq(e.kind, LOGDIR_DELETED);
	ck_assert_int_eq(e.partition, INT32_MAX);
}
END_TEST

START_TEST(purging)
{
	machine_up(_i);
	ck_assert_int_eq(os_mkdir(os, in_dir("p")), OK);
	file_put(os, in_dir("p/00000000000000000000.log"), "x", 1);
	file_put(os, in_dir("p/00000000000000000000.index.deleted"), "x", 1);
	ck_assert_int_eq(logdir_purge_files(os, in_dir("p")), OK);
	ck_assert(file_exists(os, in_dir("p/00000000000000000000.log")));
	ck_assert(!file_exists(os, in_dir("p/00000000000000000000.index.deleted")));
	ck_assert_int_eq(os_mkdir(os, in_dir("p/q")), OK);
	ck_assert_int_eq(logdir_purge(os, in_dir("p")), ERR_NOT_EMPTY);
	ck_assert_int_eq(os_rmdir(os, in_dir("p/q")), OK);
	ck_assert_int_eq(logdir_purge(os, in_dir("p")), OK);
	ck_assert(!file_exists(os, in_dir("p")));
	ck_assert_int_eq(logdir_purge(os, in_dir("p")), OK);
	ck_assert_int_eq(logdir_purge_files(os, in_dir("p")), OK);
	machine_down();
}
END_TEST

/* --- progress marks --------------------------------------------------------------------------- */

#define BATCH_BYTES 100

/* A file of n "batches", each with a length that is right and a CRC field that is its number plus
 * `crc`. */
static void put_segment(const char *path, int n, uint32_t crc)
{
	uint8_t bytes[10 * BATCH_BYTES] = { 0 };

	for (int i = 0; i < n; i++) {
		store_be32(bytes + i * BATCH_BYTES + 8, BATCH_BYTES - 12);
		store_be32(bytes + i * BATCH_BYTES + 17, crc + (uint32_t)i);
	}
	file_put(os, path, bytes, (size_t)n * BATCH_BYTES);
}

static void put_epoch(const char *path, int batch, uint32_t epoch)
{
	uint8_t bytes[4];
	os_fd fd;

	store_be32(bytes, epoch);
	ck_assert_int_eq(os_open(os, path, OS_RDWR, &fd), OK);
	ck_assert_int_eq(os_pwrite(os, fd, bytes, sizeof(bytes), batch * BATCH_BYTES + BATCH_LEADER_EPOCH_POS), OK);
	os_close(os, &fd);
}

static struct logdir_mark mark_of(const char *path, int n, uint32_t crc)
{
	struct logdir_mark m = { .topic = SLICE_LIT("orders"), .partition = 3 };
	struct os_stat st;

	ck_assert_int_eq(os_stat(os, path, &st), OK);
	m.mark = (struct log_progress_mark){
		.is_valid = true, .segment_base = 40, .file_size = n * BATCH_BYTES,
			.inode = st.inode, .last_batch_pos = (n - 1) * BATCH_BYTES,
		.last_batch_mark = crc + (uint32_t)n - 1, .offset_entries = 7, .time_entries = 5,
	};
	if (n == 0)
		m.mark.last_batch_pos = -1;
	return m;
}

static bool holds(const char *path, const struct log_progress_mark *mark)
{
	bool is_held;
	os_fd fd;

	ck_assert_int_eq(os_open(os, path, OS_RDONLY, &fd), OK);
	ck_assert_int_eq(logdir_mark_holds(os, fd, mark, &is_held), OK);
	os_close(os, &fd);
	return is_held;
}

START_TEST(marks_come_back)
{
	struct logdir_mark marks[2];
	struct logdir_known k;
	struct logdir *d;
	char segment[512];

	machine_up(_i);
	d = load_dir();
	snprintf(segment, sizeof(segment), "%s", in_dir("data/segment"));
	put_segment(segment, 4, 0xfffffff0);
	marks[0] = mark_of(segment, 4, 0xfffffff0);
	marks[1] = (struct logdir_mark){ .topic = SLICE_LIT("idle"), .partition = 0 };
	ck_assert_int_eq(logdir_write_marks(d, marks, 2), OK);
	logdir_close(&d);

	d = load_dir();
	logdir_known(d, "orders", 3, &k);
	ck_assert(k.mark.is_valid);
	ck_assert_int_eq(k.mark.segment_base, 40);
	ck_assert_int_eq(k.mark.file_size, 4 * BATCH_BYTES);
	ck_assert_uint_eq(k.mark.last_batch_mark, 0xfffffff3);
	ck_assert_uint_eq(k.mark.offset_entries, 7);
	ck_assert_uint_eq(k.mark.time_entries, 5);
	ck_assert(holds(segment, &k.mark));
	ck_assert_int_eq(k.recovery_point, -1);
	logdir_known(d, "idle", 0, &k);
	ck_assert(!k.mark.is_valid);
	/* A clean stop makes them useless and takes them away; the next start has none. */
	stop_clean(d);
	ck_assert(!file_exists(os, in_dir("data/.skein-progress")));
	d = load_dir();
	logdir_known(d, "orders", 3, &k);
	ck_assert(!k.mark.is_valid);
	logdir_close(&d);
	machine_down();
}
END_TEST

START_TEST(marks_hold_only_what_they_saw)
{
	struct logdir_mark m;
	char segment[512];

	machine_up(_i);
	snprintf(segment, sizeof(segment), "%s", in_dir("segment"));
	put_segment(segment, 4, 10);
	m = mark_of(segment, 4, 10);
	ck_assert(holds(segment, &m.mark));
	put_segment(segment, 6, 10);			/* our own appends after it */
	ck_assert(holds(segment, &m.mark));
	put_segment(segment, 6, 11);			/* rewritten by somebody else */
	ck_assert(!holds(segment, &m.mark));
	put_segment(segment, 4, 10);
	put_epoch(segment, 3, 7);			/* cut, and the same bytes came again under another leader */
	ck_assert(!holds(segment, &m.mark));
	put_segment(segment, 3, 10);			/* shorter */
	ck_assert(!holds(segment, &m.mark));
	put_segment(segment, 6, 10);
	m.mark.file_size -= 1;				/* not where a batch ends */
	ck_assert(!holds(segment, &m.mark));
	m = mark_of(segment, 4, 10);
	ck_assert_int_eq(os_unlink(os, segment), OK);
	file_put(os, in_dir("takes the inode"), "x", 1);
	put_segment(segment, 4, 10);			/* another file with the same content */
	ck_assert(!holds(segment, &m.mark) || mark_of(segment, 4, 10).mark.inode == m.mark.inode);
	m = mark_of(segment, 0, 0);
	ck_assert(holds(segment, &m.mark));
	m.mark.is_valid = false;
	ck_assert(!holds(segment, &m.mark));
	machine_down();
}
END_TEST

static bool has_mark(void)
{
	struct logdir_known k;
	struct logdir *d = load_dir();

	logdir_known(d, "orders", 3, &k);
	logdir_close(&d);
	return k.mark.is_valid;
}

START_TEST(damaged_marks_are_left_aside)
{
	struct logdir_mark m;
	struct slice good;
	struct logdir *d;

	machine_up(_i);
	d = load_dir();
	put_segment(in_dir("data/segment"), 2, 0);
	m = mark_of(in_dir("data/segment"), 2, 0);
	ck_assert_int_eq(logdir_write_marks(d, &m, 1), OK);
	logdir_close(&d);
	ck_assert(has_mark());
	good = file_bytes(os, in_dir("data/.skein-progress"));
	for (size_t i = 0; i < good.len; i++) {
		file_put(os, in_dir("data/.skein-progress"), good.ptr, i);
		ck_assert(!has_mark());
		((uint8_t *)good.ptr)[i] ^= 1;
		file_put(os, in_dir("data/.skein-progress"), good.ptr, good.len);
		ck_assert(!has_mark());
		((uint8_t *)good.ptr)[i] ^= 1;
	}
	free((void *)good.ptr);
	machine_down();
}
END_TEST

/* --- the device ------------------------------------------------------------------------------- */

START_TEST(offline_is_final)
{
	uint64_t total, usable;
	struct logdir *d;

	machine_up(_i);
	d = load_dir();
	ck_assert_int_eq(logdir_space(d, &total, &usable), OK);
	ck_assert_uint_ge(total, usable);
	ck_assert_uint_gt(total, 0);
	ck_assert(!logdir_is_offline(d));
	log_set_level(LOG_LEVEL_ERROR);
	uint64_t before = log_event_count(EV_logdir_offline);
	logdir_set_offline(d, ERR_IO, "a test");
	logdir_set_offline(d, ERR_IO, "a test");
	ck_assert(logdir_is_offline(d));
	ck_assert_uint_eq(log_event_count(EV_logdir_offline), before + 1);
	ck_assert_int_eq(logdir_close_clean(&d), ERR_OFFLINE);
	ck_assert_ptr_null(d);
	ck_assert(!file_exists(os, in_dir("data/.kafka_cleanshutdown")));
	machine_down();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("logdir");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, first_start_and_stop, 0, MACHINES);
	tcase_add_loop_test(tc, checkpoints_are_found_again, 0, MACHINES);
	tcase_add_loop_test(tc, one_broker_at_a_time, 0, MACHINES);
	tcase_add_loop_test(tc, somebody_elses_directory, 0, MACHINES);
	tcase_add_loop_test(tc, unusable_paths, 0, MACHINES);
	tcase_add_loop_test(tc, a_malformed_checkpoint_is_named, 0, MACHINES);
	tcase_add_loop_test(tc, a_malformed_cleaner_checkpoint_is_done_without, 0, MACHINES);
	tcase_add_loop_test(tc, scanning, 0, MACHINES);
	tcase_add_loop_test(tc, surveying, 0, MACHINES);
	tcase_add_loop_test(tc, old_formats_behind_new_ones, 0, MACHINES);
	tcase_add_loop_test(tc, setting_aside, 0, MACHINES);
	tcase_add_test(tc, names);
	tcase_add_test(tc, deleted_names);
	tcase_add_loop_test(tc, purging, 0, MACHINES);
	tcase_add_loop_test(tc, marks_come_back, 0, MACHINES);
	tcase_add_loop_test(tc, marks_hold_only_what_they_saw, 0, MACHINES);
	tcase_add_loop_test(tc, damaged_marks_are_left_aside, 0, MACHINES);
	tcase_add_loop_test(tc, offline_is_final, 0, MACHINES);
	suite_add_tcase(s, tc);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
