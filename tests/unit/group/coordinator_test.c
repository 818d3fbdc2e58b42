/*
 * The coordinator with its log: what is committed, when it is seen, what a next coordinator finds, what expires. And what Kafka wrote (tests/golden/storage): it is read for what
 * it says, and the same group is written in the same bytes.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "group/group_priv.h"
#include "group_rig.h"
#include "unit/storage/golden.h"

static struct group_rig g;

static void setup(void)
{
	group_rig_init(&g, 1);
}

static void teardown(void)
{
	if (g.rig.dir != NULL)
		rig_down(&g.rig, STOP_CLEAN);
	group_rig_fini(&g);
}

static void up(void)
{
	ck_assert_int_eq(rig_up(&g.rig), OK);
	group_rig_elect(&g);
}

static void follow(void)
{
	struct ask role;

	rig_ask(&g.rig, ask_role(&role, 1, ++g.epoch, 2));
	rig_wait(&g.rig, &role);
	ck_assert_int_eq(role.role.error, NONE);
}

START_TEST(a_commit_is_seen_and_found_again)
{
	up();
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), -1);
	ck_assert_int_eq(group_commit(&g, "a", "x", 0, 5), NONE);
	ck_assert_int_eq(group_commit(&g, "a", "x", 1, 6), NONE);
	ck_assert_int_eq(group_commit(&g, "b", "x", 0, 7), NONE);
	ck_assert_int_eq(group_commit(&g, "a", "x", 0, 4), NONE);	/* back is allowed */
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(group_fetch(&g, "a", "x", 0), 4);
		ck_assert_int_eq(group_fetch(&g, "a", "x", 1), 6);
		ck_assert_int_eq(group_fetch(&g, "b", "x", 0), 7);
		ck_assert_int_eq(group_fetch(&g, "a", "y", 0), -1);
		ck_assert_str_eq(group_state(&g, "a"), "Empty");
		ck_assert_str_eq(group_state(&g, "c"), "Dead");
		follow();
		ck_assert_int_eq(group_fetch_error(&g, "a"), NOT_COORDINATOR);
		group_rig_elect(&g);
	}
	rig_down(&g.rig, STOP_CLEAN);
	up();
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), 4);
}
END_TEST

/* What all groups have committed, for metrics: bounded, and what is left out is counted. */
static int32_t committed(int32_t max, int64_t *sum, int32_t *left_out)
{
	struct ask a;
	struct group_committed *m = (struct group_committed *)a.other;

	memset(&a, 0, sizeof(a));
	msg_init(&a.msg, GROUP_committed, NULL);
	m->max = max;
	arena_init(&m->arena, 1 << 20);
	rig_ask(&g.rig, &a);
	rig_wait(&g.rig, &a);
	ck_assert_int_eq(m->q.error, NONE);
	*sum = 0;
	*left_out = m->left_out;
	for (int32_t i = 0; i < m->count; i++) {
		ck_assert(m->offsets[i].group.len == 1 && slice_eq_str(m->offsets[i].topic, "x"));
		*sum += m->offsets[i].offset;
	}
	arena_fini(&m->arena);
	return m->count;
}

START_TEST(all_that_is_committed_can_be_asked_for)
{
	int64_t sum;
	int32_t left_out;

	up();
	ck_assert_int_eq(committed(10, &sum, &left_out), 0);
	ck_assert_int_eq(group_commit(&g, "a", "x", 0, 5), NONE);
	ck_assert_int_eq(group_commit(&g, "a", "x", 1, 60), NONE);
	ck_assert_int_eq(group_commit(&g, "b", "x", 0, 700), NONE);
	ck_assert_int_eq(committed(10, &sum, &left_out), 3);
	ck_assert_int_eq(sum, 765);
	ck_assert_int_eq(left_out, 0);
	ck_assert_int_eq(committed(2, &sum, &left_out), 2);
	ck_assert_int_eq(left_out, 1);
	ck_assert_int_eq(committed(0, &sum, &left_out), 0);
	ck_assert_int_eq(left_out, 3);
	ck_assert_int_eq(group_delete_offset(&g, "b", "x", 0), NONE);
	ck_assert_int_eq(committed(10, &sum, &left_out), 2);
	ck_assert_int_eq(sum, 65);
	rig_down(&g.rig, STOP_CLEAN);
}
END_TEST

START_TEST(metadata_too_long)
{
	struct one_offset o;
	char text[5000];

	up();
	memset(text, 'x', sizeof(text));
	text[4097] = 0;
	rig_ask(&g.rig, &ask_commit(&o, "a", "x", 0, 1, text)->ask);
	rig_wait(&g.rig, &o.ask);
	ck_assert_int_eq(one_error(&o), OFFSET_METADATA_TOO_LARGE);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), -1);
	text[4096] = 0;
	rig_ask(&g.rig, &ask_commit(&o, "a", "x", 0, 1, text)->ask);
	rig_wait(&g.rig, &o.ask);
	ck_assert_int_eq(one_error(&o), NONE);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), 1);
}
END_TEST

/* The topic's max.message.bytes holds for coordinators as well: nothing of what is refused is kept. */
START_TEST(a_commit_too_large_for_the_log)
{
	struct one_offset o;
	char text[2000];

	g.rig.config.max_message_bytes = 1000;
	up();
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	rig_ask(&g.rig, &ask_commit(&o, "a", "x", 0, 1, text)->ask);
	rig_wait(&g.rig, &o.ask);
	ck_assert_int_eq(one_error(&o), INVALID_COMMIT_OFFSET_SIZE);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), -1);
	text[500] = 0;
	rig_ask(&g.rig, &ask_commit(&o, "a", "x", 0, 1, text)->ask);
	rig_wait(&g.rig, &o.ask);
	ck_assert_int_eq(one_error(&o), NONE);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), 1);
}
END_TEST

/* A name with a zero in it is another name, in memory and in the log. */
START_TEST(names_with_zeros)
{
	struct one_offset o;

	up();
	ck_assert_int_eq(group_commit(&g, "a", "x", 0, 1), NONE);
	ask_commit(&o, "", "x", 0, 2, "");
	((struct group_offset_commit *)o.ask.other)->caller.group = SLICE_LIT("a\0b");
	rig_ask(&g.rig, &o.ask);
	rig_wait(&g.rig, &o.ask);
	ck_assert_int_eq(one_error(&o), NONE);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(group_fetch(&g, "a", "x", 0), 1);
		ck_assert_ptr_nonnull(coordinator_group(group_rig_coordinator(&g), SLICE_LIT("a\0b")));
		ck_assert_uint_eq(map_count(&group_rig_coordinator(&g)->groups), 2);
		follow();
		group_rig_elect(&g);
	}
}
END_TEST

/* Times that a client chose, at the end of what a number holds: kept for ever, not gone at once. */
START_TEST(times_beyond_all_time)
{
	struct one_offset o;

	up();
	g.config->offsets_retention_minutes = 60;
	ask_commit(&o, "a", "x", 0, 1, "");
	((struct group_offset_commit *)o.ask.other)->retention_ms = INT64_MAX;
	rig_ask(&g.rig, &o.ask);
	rig_wait(&g.rig, &o.ask);
	ck_assert_int_eq(one_error(&o), NONE);
	ask_commit(&o, "a", "x", 1, 2, "");
	o.offset.commit_time = INT64_MAX;
	rig_ask(&g.rig, &o.ask);
	rig_wait(&g.rig, &o.ask);
	ck_assert_int_eq(one_error(&o), NONE);
	rig_pass(&g.rig, 100 * 60000);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), 1);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 1), 2);
}
END_TEST

/* Brokers before 2.3 could not read the record of a static member. */
START_TEST(static_members_of_an_old_cluster)
{
	struct one_offset o;

	up();
	ask_commit(&o, "a", "x", 0, 1, "");
	((struct group_offset_commit *)o.ask.other)->caller.instance_id = SLICE_LIT("i");
	g.config->inter_broker_protocol_version = KAFKA_VERSION(2, 2, 0);
	rig_ask(&g.rig, &o.ask);
	rig_wait(&g.rig, &o.ask);
	ck_assert_int_eq(one_error(&o), UNSUPPORTED_VERSION);
	ck_assert_int_eq(group_commit(&g, "a", "x", 0, 1), NONE);
}
END_TEST

/* Two in sync, one of whom fetches nothing: what is written is not committed. */
static void up_with_a_silent_follower(void)
{
	struct ask role;

	ck_assert_int_eq(rig_up(&g.rig), OK);
	rig_ask(&g.rig, ask_role(&role, RIG_BROKER, ++g.epoch, 2));
	rig_wait(&g.rig, &role);
	ck_assert_int_eq(role.role.error, NONE);
	rig_settle(&g.rig);
}

START_TEST(what_is_not_committed_is_not_seen)
{
	struct one_offset o;

	up_with_a_silent_follower();
	rig_ask(&g.rig, &ask_commit(&o, "a", "x", 0, 5, "")->ask);
	rig_pass(&g.rig, 1000);
	ck_assert_int_eq(o.ask.order, 0);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), -1);
	rig_wait(&g.rig, &o.ask);
	ck_assert_int_eq(one_error(&o), REQUEST_TIMED_OUT);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), -1);
}
END_TEST

START_TEST(who_is_deposed_commits_nothing)
{
	struct one_offset o;

	up_with_a_silent_follower();
	rig_ask(&g.rig, &ask_commit(&o, "a", "x", 0, 5, "")->ask);
	rig_pass(&g.rig, 1000);
	follow();
	rig_wait(&g.rig, &o.ask);
	ck_assert_int_eq(one_error(&o), NOT_COORDINATOR);
	ck_assert_int_eq(group_commit(&g, "a", "x", 0, 6), NOT_COORDINATOR);
}
END_TEST

/* A new coordinator has it in its log, but nobody is told before it is committed: the next one might not have it. */
START_TEST(what_is_not_committed_is_not_told)
{
	struct one_offset o;
	struct ask role;

	up_with_a_silent_follower();
	rig_ask(&g.rig, &ask_commit(&o, "a", "x", 0, 5, "")->ask);
	rig_pass(&g.rig, 100);
	follow();
	rig_wait(&g.rig, &o.ask);
	rig_ask(&g.rig, ask_role(&role, RIG_BROKER, ++g.epoch, 2));
	rig_wait(&g.rig, &role);
	rig_pass(&g.rig, 1000);
	ck_assert_int_eq(group_fetch_error(&g, "a"), COORDINATOR_LOAD_IN_PROGRESS);
	rig_ask(&g.rig, ask_role(&role, RIG_BROKER, ++g.epoch, 1));
	rig_wait(&g.rig, &role);
	rig_pass(&g.rig, 1000);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), 5);
}
END_TEST

/* All in one step: the commit waits in the inbox while the leadership goes and comes back. Nobody may be told that it was taken and not find it. */
START_TEST(an_append_of_an_old_epoch)
{
	struct one_offset o;
	struct ask away, back;

	up();
	ck_assert_int_eq(group_commit(&g, "a", "x", 0, 1), NONE);
	rig_ask(&g.rig, &ask_commit(&o, "a", "x", 0, 2, "")->ask);
	rig_ask(&g.rig, ask_role(&away, 1, ++g.epoch, 2));
	rig_ask(&g.rig, ask_role(&back, RIG_BROKER, ++g.epoch, 1));
	rig_wait(&g.rig, &o.ask);
	rig_wait(&g.rig, &back);
	ck_assert_int_eq(back.role.error, NONE);
	rig_pass(&g.rig, 1000);
	ck_assert_int_eq(one_error(&o), NOT_COORDINATOR);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), 1);
	group_rig_elect(&g);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), 1);
}
END_TEST

START_TEST(deletions)
{
	up();
	ck_assert_int_eq(group_delete(&g, "a"), GROUP_ID_NOT_FOUND);
	ck_assert_int_eq(group_delete_offset(&g, "a", "x", 0), GROUP_ID_NOT_FOUND);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(group_commit(&g, "a", "x", i, 5), NONE);
	ck_assert_int_eq(group_delete_offset(&g, "a", "x", 1), NONE);
	ck_assert_int_eq(group_delete_offset(&g, "a", "x", 9), NONE);
	ck_assert_int_eq(group_commit(&g, "b", "x", 0, 5), NONE);
	ck_assert_int_eq(group_delete(&g, "b"), NONE);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(group_fetch(&g, "a", "x", 0), 5);
		ck_assert_int_eq(group_fetch(&g, "a", "x", 1), -1);
		ck_assert_int_eq(group_fetch(&g, "a", "x", 2), 5);
		ck_assert_str_eq(group_state(&g, "b"), "Dead");
		follow();
		group_rig_elect(&g);
	}
}
END_TEST

/* The commit stands in the log before the deletion: it must not come back, neither now nor with the next coordinator. */
START_TEST(a_deletion_overtakes_no_commit)
{
	struct one_offset commit;
	struct ask role;

	up_with_a_silent_follower();
	rig_ask(&g.rig, &ask_commit(&commit, "a", "x", 0, 5, "")->ask);
	rig_pass(&g.rig, 100);
	ck_assert_int_eq(commit.ask.order, 0);
	ck_assert_int_eq(group_delete_offset(&g, "a", "x", 0), NONE);
	rig_ask(&g.rig, ask_role(&role, RIG_BROKER, ++g.epoch, 1));	/* alone again: all is committed */
	rig_wait(&g.rig, &commit.ask);
	ck_assert_int_eq(one_error(&commit), NONE);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), -1);
	follow();
	group_rig_elect(&g);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), -1);
}
END_TEST

START_TEST(what_is_old_expires)
{
	up();
	g.config->offsets_retention_minutes = 60;
	ck_assert_int_eq(group_commit(&g, "a", "x", 0, 5), NONE);
	rig_pass(&g.rig, 50 * 60000);
	ck_assert_int_eq(group_commit(&g, "a", "x", 1, 6), NONE);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), 5);
	rig_pass(&g.rig, 25 * 60000);			/* with the interval at which it is looked for */
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), -1);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 1), 6);
	rig_pass(&g.rig, 50 * 60000);
	ck_assert_str_eq(group_state(&g, "a"), "Dead");
	follow();
	group_rig_elect(&g);
	ck_assert_str_eq(group_state(&g, "a"), "Dead");
	rig_rests(&g.rig);				/* without groups it costs nothing */
}
END_TEST

START_TEST(many_groups_load)
{
	char name[16];
	int64_t end;

	up();
	g.config->offsets_load_buffer_size = 4096;
	for (int i = 0; i < 400; i++) {
		snprintf(name, sizeof(name), "group-%d", i);
		ck_assert_int_eq(group_commit(&g, name, "topic", i % 7, i), NONE);
	}
	end = partition_log_end_offset(g.rig.addr);
	ck_assert_int_eq(end, 400);
	follow();
	group_rig_elect(&g);
	ck_assert_uint_eq(map_count(&group_rig_coordinator(&g)->groups), 400);
	for (int i = 0; i < 400; i++) {
		snprintf(name, sizeof(name), "group-%d", i);
		ck_assert_int_eq(group_fetch(&g, name, "topic", i % 7), i);
	}
	ck_assert_int_eq(partition_log_end_offset(g.rig.addr), end);	/* reading writes nothing */
}
END_TEST

/* --- damage ------------------------------------------------------------------------------------------------------------------------------ */

#define LOG_NAME RIG_DIR "/t-0/00000000000000000000.log"
enum { COMMITS = 4 };

/* One commit to each partition from 0 on: as many batches. */
static struct slice up_with_commits(int count)
{
	up();
	for (int i = 0; i < count; i++)
		ck_assert_int_eq(group_commit(&g, "a", "x", i, 10 + i), NONE);
	return file_bytes(g.rig.os, LOG_NAME);
}

static void put_byte(size_t at, uint8_t byte)
{
	os_fd fd;

	ck_assert_int_eq(os_open(g.rig.os, LOG_NAME, OS_RDWR, &fd), OK);
	ck_assert_int_eq(os_pwrite(g.rig.os, fd, &byte, 1, (int64_t)at), OK);
	os_close(g.rig.os, &fd);
}

/* At each byte of the log in turn. Whatever it hits, the coordinator serves; what lies before is there, and what lies behind where batches can still be told apart. */
START_TEST(a_flipped_byte_costs_what_it_hit)
{
	struct slice log = up_with_commits(COMMITS);
	size_t size = log.len / COMMITS;

	ck_assert_uint_eq(log.len % COMMITS, 0);
	for (size_t at = 0; at < log.len; at += at % size < BATCH_HEADER_SIZE ? 1 : 7) {
		int hit = (int)(at / size);
		bool is_told_apart = at % size >= BATCH_PREFIX_SIZE || (at % size >= BATCH_LEADER_EPOCH_POS && at % size < BATCH_MAGIC_POS);

		put_byte(at, log.ptr[at] ^ 0x55);
		follow();
		group_rig_elect(&g);
		for (int i = 0; i < COMMITS; i++) {
			int64_t offset = group_fetch(&g, "a", "x", i);

			if (i < hit || (i > hit && is_told_apart))
				rig_expect_msg(offset == 10 + i, "byte %zu: offset %d of partition %d", at, (int)offset, i);
			else
				rig_expect_msg(offset == 10 + i || offset == -1, "byte %zu: offset %d of partition %d", at, (int)offset, i);
		}
		put_byte(at, log.ptr[at]);
	}
	ck_assert_int_eq(group_commit(&g, "a", "x", 0, 20), NONE);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), 20);
	free((void *)(uintptr_t)log.ptr);
}
END_TEST

/* Where the next batch begins cannot be told: the next segment says so again. */
START_TEST(damage_ends_with_its_segment)
{
	g.rig.config.segment_bytes = 500;
	struct slice log = up_with_commits(20);
	int gone = (int)(log.len / (size_t)(batch_length(log.ptr) + BATCH_LOG_OVERHEAD));

	free((void *)(uintptr_t)log.ptr);
	ck_assert_int_gt(gone, 1);
	ck_assert_int_lt(gone, 10);
	put_byte(BATCH_LENGTH_POS, 0x7f);
	follow();
	group_rig_elect(&g);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(group_fetch(&g, "a", "x", i), i < gone ? -1 : 10 + i);
}
END_TEST

/* Each read from the start on fails so in turn, until one of those of the coordinator has: then what it says. Those before are the log's own. */
static enum kafka_error elect_with_failures(enum err e)
{
	enum kafka_error error = NONE;

	for (uint64_t nth = 1; error == NONE && nth < 20; nth++) {
		struct ask role;

		free((void *)(uintptr_t)up_with_commits(COMMITS).ptr);
		rig_down(&g.rig, STOP_CLEAN);
		ck_assert_int_eq(rig_up(&g.rig), OK);
		sim_fail(g.rig.sim, SIM_READ, RIG_DIR "/t-0", nth, e);
		rig_ask(&g.rig, ask_role(&role, RIG_BROKER, ++g.epoch, 1));
		rig_wait(&g.rig, &role);
		if (role.role.error == NONE) {
			rig_pass(&g.rig, 100);
			error = group_fetch_error(&g, "a");
		}
		sim_fail(g.rig.sim, SIM_READ, NULL, 0, OK);
		if (error == NONE)
			rig_down(&g.rig, STOP_ABANDON);
	}
	return error;
}

/* A device that does not give the bytes: the directory is offline, and another replica leads. */
START_TEST(a_device_that_cannot_be_read)
{
	ck_assert_int_eq(elect_with_failures(ERR_IO), NOT_COORDINATOR);
	ck_assert(logdir_is_offline(g.rig.dir));
}
END_TEST

/* No descriptor is left at this moment: it waits, and is tried again. */
START_TEST(a_log_that_cannot_be_read_now)
{
	ck_assert_int_eq(elect_with_failures(ERR_LIMIT), COORDINATOR_LOAD_IN_PROGRESS);
	rig_pass(&g.rig, 1000);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 3), 13);
}
END_TEST

/* --- what Kafka wrote ---------------------------------------------------------------------------------------------------------------- */

/* bytes 0: all. */
static struct slice up_with_golden(int partition, size_t bytes)
{
	static const char *const files[] = { "00000000000000000000.log", "leader-epoch-checkpoint" };
	struct slice log = SLICE_EMPTY;

	ck_assert_int_eq(os_mkdir_all(g.rig.os, RIG_DIR "/t-0"), OK);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char from[128], to[128];

		snprintf(from, sizeof(from), "consumer-offsets/__consumer_offsets-%d/%s", partition, files[i]);
		snprintf(to, sizeof(to), RIG_DIR "/t-0/%s", files[i]);
		struct slice content = file_bytes(os_real(), golden(from));

		file_put(g.rig.os, to, content.ptr, i == 0 && bytes > 0 ? bytes : content.len);
		if (i == 0)
			log = content;
		else
			free((void *)(uintptr_t)content.ptr);
	}
	g.epoch = 100;			/* above those of the file */
	up();
	return log;
}

static size_t first_batch_bytes(int partition)
{
	char name[128];

	snprintf(name, sizeof(name), "consumer-offsets/__consumer_offsets-%d/00000000000000000000.log", partition);
	struct slice log = file_bytes(os_real(), golden(name)), rest = log, batch;

	ck_assert_int_eq(batch_next(&rest, &batch), OK);
	free((void *)(uintptr_t)log.ptr);
	return batch.len;
}

START_TEST(what_kafka_wrote_is_read)
{
	struct slice log = up_with_golden(0, 0);
	struct group *group = coordinator_group(group_rig_coordinator(&g), SLICE_LIT("group-static"));

	ck_assert_int_eq(group->generation, 2);
	ck_assert_int_eq(group->state, GROUP_EMPTY);
	ck_assert_str_eq(group->protocol_type, "consumer");
	ck_assert_int_eq(group->state_since, 1795369164926);
	ck_assert_int_eq(group_fetch(&g, "group-static", "gt", 0), 2);
	ck_assert_int_eq(group_fetch(&g, "group-simple", "gt", 0), 2);
	ck_assert_int_eq(group_fetch(&g, "group-txn", "gt", 0), 1);	/* the transaction that wrote 2 was aborted */
	free((void *)(uintptr_t)log.ptr);
}
END_TEST

START_TEST(what_kafka_wrote_of_a_deleted_group)
{
	struct slice log = up_with_golden(3, 0);

	ck_assert_str_eq(group_state(&g, "group-deleted"), "Dead");
	free((void *)(uintptr_t)log.ptr);
}
END_TEST

/* The group of the first batch, and the offset of the second, written anew. */
static void check_same_bytes(int partition, const char *name, const char *metadata)
{
	struct slice log = up_with_golden(partition, first_batch_bytes(partition));
	struct group *group = coordinator_group(group_rig_coordinator(&g), slice_str(name));
	struct stored_offset o = { .offset = metadata != NULL ? 1 : 2, .leader_epoch = 0, .expire_time = -1 };
	struct strbuf ours = STRBUF_INIT;

	ck_assert_int_eq(group->state, GROUP_STABLE);
	ck_assert_str_eq(group_state(&g, name), "Stable");
	records_group_key(&ours, group->id);
	ck_assert_ptr_nonnull(memmem(log.ptr, log.len, ours.ptr, ours.len));
	strbuf_reset(&ours);
	records_group_value(&ours, KAFKA_VERSION(3, 9, 0), group);
	ck_assert_ptr_nonnull(memmem(log.ptr, log.len, ours.ptr, ours.len));
	strbuf_reset(&ours);
	records_offset_key(&ours, group->id, SLICE_LIT("gt"), 0);
	ck_assert_ptr_nonnull(memmem(log.ptr, log.len, ours.ptr, ours.len));
	strbuf_reset(&ours);
	o.commit_time = metadata != NULL ? 1795369134346 : 1795369134925;
	o.metadata = metadata != NULL ? (char *)(uintptr_t)metadata : NULL;
	o.metadata_len = metadata != NULL ? strlen(metadata) : 0;
	records_offset_value(&ours, KAFKA_VERSION(3, 9, 0), &o);
	ck_assert_ptr_nonnull(memmem(log.ptr, log.len, ours.ptr, ours.len));
	strbuf_fini(&ours);
	free((void *)(uintptr_t)log.ptr);
}

START_TEST(a_static_member_is_written_as_kafka_does)
{
	check_same_bytes(0, "group-static", NULL);
}
END_TEST

START_TEST(a_dynamic_member_is_written_as_kafka_does)
{
	check_same_bytes(1, "group-dynamic", "my metadata");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("coordinator");
	TCase *t = tcase_create("rules");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, all_that_is_committed_can_be_asked_for);
	tcase_add_test(t, a_commit_is_seen_and_found_again);
	tcase_add_test(t, metadata_too_long);
	tcase_add_test(t, a_commit_too_large_for_the_log);
	tcase_add_test(t, names_with_zeros);
	tcase_add_test(t, times_beyond_all_time);
	tcase_add_test(t, static_members_of_an_old_cluster);
	tcase_add_test(t, what_is_not_committed_is_not_seen);
	tcase_add_test(t, who_is_deposed_commits_nothing);
	tcase_add_test(t, what_is_not_committed_is_not_told);
	tcase_add_test(t, an_append_of_an_old_epoch);
	tcase_add_test(t, deletions);
	tcase_add_test(t, a_deletion_overtakes_no_commit);
	tcase_add_test(t, what_is_old_expires);
	tcase_add_test(t, many_groups_load);
	tcase_add_test(t, a_flipped_byte_costs_what_it_hit);
	tcase_add_test(t, damage_ends_with_its_segment);
	tcase_add_test(t, a_device_that_cannot_be_read);
	tcase_add_test(t, a_log_that_cannot_be_read_now);
	tcase_add_test(t, what_kafka_wrote_is_read);
	tcase_add_test(t, what_kafka_wrote_of_a_deleted_group);
	tcase_add_test(t, a_static_member_is_written_as_kafka_does);
	tcase_add_test(t, a_dynamic_member_is_written_as_kafka_does);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
