/*
 * What skein top draws and how it obeys, without a terminal and without a cluster; and the keys of a terminal.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "screen.h"
#include "top.h"

/* ---- a cluster ---- */

#define TOPICS 30

static int32_t three[3] = { 1, 2, 3 }, two[2] = { 1, 3 };
static struct metadata_response_broker addresses[2] = { { .node_id = 1, .host = { (const uint8_t *)"127.0.0.1", 9 }, .port = 9092 },
							{ .node_id = 3, .host = { (const uint8_t *)"kafka-three.example.org", 23 }, .port = 9092 } };

/* The larger the number, the busier; topic 7 has lost a replica, topic 8 its leader. */
struct cluster {
	struct look                        look;
	struct look_broker                 brokers[3];
	struct look_topic                  topics[TOPICS];
	struct look_partition              partitions[TOPICS];
	struct metadata_response_partition is[TOPICS];
	char                               names[TOPICS][24];
	struct look_offset                 offsets[2];
	struct look_group                  group, other, *groups[2];
};

static struct cluster *cluster_at(mono_ms at)
{
	struct cluster *c = calloc(1, sizeof(*c));

	for (int i = 0; i < TOPICS; i++) {
		snprintf(c->names[i], sizeof(c->names[i]), "topic-%02d", i);
		c->is[i] = (struct metadata_response_partition){ .leader_id = i == 8 ? -1 : 1, .replica_nodes = three, .replica_nodes_count = 3,
								 .isr_nodes = i == 7 ? two : three, .isr_nodes_count = i == 7 ? 2 : 3 };
		c->partitions[i] = (struct look_partition){ .is = &c->is[i], .start = 0, .end = at * i / 1000, .bytes = at * i / 10, .bytes_all = at * i / 5 };
		c->topics[i] = (struct look_topic){ .name = slice_str(c->names[i]), .partitions = &c->partitions[i], .partition_count = 1, .offline = i == 8, .behind = i == 7,
						    .records = c->partitions[i].end, .ends = c->partitions[i].end, .bytes = c->partitions[i].bytes };
	}
	c->brokers[0] = (struct look_broker){ .id = 1, .is = &addresses[0], .leads = 29, .holds = 30, .bytes = 1 << 20, .bytes_total = 1000, .bytes_usable = 30, .dirs = 1 };
	c->brokers[1] = (struct look_broker){ .id = 2, .holds = 30, .bytes = -1, .bytes_total = -1, .bytes_usable = -1 };
	c->brokers[2] = (struct look_broker){ .id = 3, .is = &addresses[1], .holds = 30, .bytes = 1 << 20, .bytes_total = 1000, .bytes_usable = 800, .dirs = 1 };
	c->offsets[0] = (struct look_offset){ .topic = slice_str(c->names[1]), .committed = 5, .end = 10, .lag = 5, .first_at = at - 65000 };
	c->offsets[1] = (struct look_offset){ .topic = slice_str(c->names[2]), .committed = 3, .end = 1003, .lag = 1000, .first_at = -1 };
	c->group = (struct look_group){ .id = SLICE_LIT("billing"), .state = SLICE_LIT("Stable"), .members = 2, .offsets = c->offsets, .offset_count = 2, .lag = 1005, .age_ms = 65000 };
	c->other = (struct look_group){ .id = SLICE_LIT("evil\033[2J"), .state = SLICE_LIT("Empty"), .lag = 0, .age_ms = 0 };
	c->groups[0] = &c->group;
	c->groups[1] = &c->other;
	c->look = (struct look){ .at = at, .time = at, .cluster_id = SLICE_LIT("abcdefghijklmnopqrstuv"), .controller = 3, .brokers = c->brokers, .broker_count = 3,
				 .topics = c->topics, .topic_count = TOPICS, .groups = c->groups, .group_count = 2, .partition_count = TOPICS, .offline = 1, .behind = 1 };
	return c;
}

static struct cluster *first, *second;
static struct top *shown;

static void set_up(void)
{
	first = cluster_at(1000000);
	second = cluster_at(1002000);
	shown = calloc(1, sizeof(*shown));
	shown->now = &second->look;
	shown->before = &first->look;
	shown->interval_ms = 2000;
}

static void tear_down(void)
{
	free(first);
	free(second);
	free(shown);
}

/* What is drawn, as text; every line fits and there are exactly so many. */
static const char *drawn(int rows, int columns)
{
	static char text[20000];
	struct strbuf out = STRBUF_INIT;
	int lines = 0;

	top_draw(shown, rows, columns, &out);
	snprintf(text, sizeof(text), "%s", strbuf_cstr(&out));
	strbuf_fini(&out);
	for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1, lines++) {
		struct strbuf plain = STRBUF_INIT;

		for (char *p = line; p < end; p++) {	/* without the sequences */
			if (*p == '\033')
				p = strchr(p, 'm');
			else
				strbuf_add_char(&plain, *p);
		}
		ck_assert_int_le(table_width(strbuf_slice(&plain)), columns);
		strbuf_fini(&plain);
	}
	ck_assert_int_eq(lines, rows);
	return text;
}

static void has(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) != NULL, "there is no \"%s\" in\n%s", part, text);
}

static void has_not(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) == NULL, "there is \"%s\" in\n%s", part, text);
}

static void press(const char *keys)
{
	for (; *keys != '\0'; keys++)
		ck_assert(top_key(shown, *keys, 24));
}

/* ---- tests ---- */

START_TEST(every_size_is_filled_and_never_passed)
{
	for (int view = 0; view < TOP_VIEWS; view++) {
		shown->view = (enum top_view)view;
		snprintf(shown->inside, sizeof(shown->inside), "%s", view == TOP_BROKER ? "1" : view == TOP_TOPIC ? "topic-07" : view == TOP_GROUP ? "billing" : "");
		for (int rows = 1; rows < 60; rows += rows < 12 ? 1 : 12) {
			for (int columns = 1 + view % 4; columns < 200; columns += columns < 90 ? 4 : 30) {
				shown->has_color = rows % 2 == 0;
				(void)drawn(rows, columns);
			}
		}
	}
	shown->is_help = true;
	(void)drawn(24, 80);
	shown->now = shown->before = NULL;
	(void)drawn(24, 80);
}
END_TEST

START_TEST(the_overview_has_all)
{
	const char *text = drawn(24, 80);

	has(text, "cluster abcdefghijklmnopqrstuv  2 of 3 brokers");
	has(text, "topics 30  partitions 30  offline 1  under-replicated 1  groups 2");
	has(text, "in 435 records/s, 42.5 KB/s  size 2.0 MB  free 830 B");
	has(text, "127.0.0.1:9092");
	has(text, "offline\n");
	has(text, "controller\n");
	has(text, "97%");
	has(text, "topic-29");
	has(text, "billing");
	has(text, "1m5s");
	has(text, "evil?[2J");
	has_not(text, "requests");
	shown->has_requests = true;
	shown->requests = (struct top_requests){ 1234, 1000, 200 };
	has(drawn(24, 120), "requests 1234/s (produce 1000, fetch 200)");
}
END_TEST

START_TEST(topics_are_sorted_and_filtered)
{
	press("3");
	has(drawn(24, 80), "by records/s\ntopic     partitions  records/s  bytes/s  records      size\n\033[7mtopic-29 ");
	has_not(drawn(24, 80), "topic-05");	/* further down */
	press("ssss");
	has(drawn(24, 80), "by name\ntopic ");
	has(drawn(24, 80), "\033[7mtopic-29 ");	/* what was picked stays picked, wherever it goes */
	press("/-0");
	has(drawn(24, 80), "\n/-0\033[7m \033[0m\n");
	has_not(drawn(24, 80), "topic-19");
	press("\r");
	has(drawn(24, 80), "/-0\n");
	has(drawn(24, 80), "topic-09");
	press("/none\r");
	has(drawn(24, 80), "nothing whose name holds this");
	press("\033");
	has(drawn(24, 80), "topic-17");
}
END_TEST

START_TEST(the_row_scrolls_into_view)
{
	press("3");
	(void)drawn(24, 80);
	for (int i = 0; i < 100; i++)
		ck_assert(top_key(shown, KEY_DOWN, 24));
	has(drawn(24, 80), "\033[7mtopic-00 ");
	ck_assert(top_key(shown, KEY_HOME, 24));
	has(drawn(24, 80), "\033[7mtopic-29 ");
	ck_assert(top_key(shown, KEY_PAGE_DOWN, 24));
	ck_assert(top_key(shown, KEY_UP, 24));
	has(drawn(24, 80), "\033[7mtopic-13 ");
	ck_assert(top_key(shown, KEY_END, 24));
	has(drawn(10, 40), "\033[7mtopic-00 ");
}
END_TEST

START_TEST(into_a_row_and_back)
{
	press("4\r");
	has(drawn(24, 80), "  billing  by lag\npartition   committed   end   lag  lag time  client  host\n\033[7mtopic-02:0          3  1003  1000         -");
	press("s");
	has(drawn(24, 80), "by lag time\n");
	has(drawn(24, 80), "topic-01:0          5    10     5      1m");
	press("\033");
	has(drawn(24, 80), "lag time\n\033[7mbilling ");
	press("5");
	has(drawn(24, 80), "topic-08:0       -  1,2,3     1,2,3    offline");
	has(drawn(24, 80), "topic-07:0       1  1,2,3     1,3      under-replicated: 2 is behind");
	ck_assert(top_key(shown, KEY_DOWN, 24));
	press("\r");
	ck_assert_str_eq(shown->inside, "topic-07");
	has(drawn(24, 110), "under-replicated: 2 is behind");
	press("\033");
	ck_assert_int_eq(shown->view, TOP_TOPICS);
	press("1\r");
	ck_assert_int_eq(shown->view, TOP_OVERVIEW);
}
END_TEST

/* A key behind another one finds the row that the first has gone to, although nothing was drawn between them. */
START_TEST(keys_that_come_at_once)
{
	press("4");
	ck_assert(top_key(shown, KEY_DOWN, 24));
	press("\r");
	ck_assert_str_eq(shown->inside, "evil\033[2J");
	has(drawn(24, 80), "evil?[2J");
}
END_TEST

START_TEST(what_was_there_may_be_gone)
{
	press("3");
	ck_assert(top_key(shown, KEY_END, 24));
	(void)drawn(24, 80);
	second->look.topic_count = 3;
	second->look.group_count = 0;
	has(drawn(24, 80), "\033[7mtopic-00 ");
	second->look.topic_count = 0;
	has(drawn(24, 80), "no topics");
	press("\r4");
	has(drawn(24, 80), "no groups");
	press("\r");
	ck_assert_int_eq(shown->view, TOP_GROUPS);
}
END_TEST

START_TEST(views_go_round_and_the_interval_in_steps)
{
	for (int i = 0; i < TOP_TABS; i++)
		press("\t");
	ck_assert_int_eq(shown->view, TOP_OVERVIEW);
	ck_assert(top_key(shown, KEY_LEFT, 24));
	ck_assert_int_eq(shown->view, TOP_TROUBLE);
	press("+");
	ck_assert_int_eq(shown->interval_ms, 1000);
	press("++");
	ck_assert_int_eq(shown->interval_ms, 500);
	press("----------");
	ck_assert_int_eq(shown->interval_ms, 60000);
	press(" ");
	has(drawn(24, 100), "paused");
	press("h");
	has(drawn(24, 80), "Any key goes back");
	press("x");
	has_not(drawn(24, 80), "Any key goes back");
	ck_assert(!top_key(shown, 'q', 24));
	shown->trouble.err = ERR_REFUSED;
	snprintf(shown->trouble.text, sizeof(shown->trouble.text), "127.0.0.1:9092 refused the connection");
	has(drawn(24, 80), "127.0.0.1:9092 refused the connection; as of ");
}
END_TEST

START_TEST(keys)
{
	static const struct { const char *bytes; bool is_all; int key; size_t used; } table[] = {
		{ "", true, KEY_NONE, 0 }, { "q", false, 'q', 1 }, { "\033", false, KEY_NONE, 0 }, { "\033", true, KEY_ESCAPE, 1 }, { "\033[", false, KEY_NONE, 0 },
		{ "\033[", true, KEY_OTHER, 2 }, { "\033[A", false, KEY_UP, 3 }, { "\033OB", false, KEY_DOWN, 3 }, { "\033[Cx", false, KEY_RIGHT, 3 }, { "\033[D", false, KEY_LEFT, 3 },
		{ "\033[5~", false, KEY_PAGE_UP, 4 }, { "\033[6~", false, KEY_PAGE_DOWN, 4 }, { "\033[H", false, KEY_HOME, 3 }, { "\033[4~", false, KEY_END, 4 },
		{ "\033[Z", false, KEY_BACK_TAB, 3 }, { "\033[1;5A", false, KEY_UP, 6 }, { "\033[200~", false, KEY_OTHER, 6 }, { "\033[1;", false, KEY_NONE, 0 },
		{ "\033x", false, KEY_ESCAPE, 1 }, { "\177", false, KEY_BACKSPACE, 1 }, { "\b", false, KEY_BACKSPACE, 1 }, { "\xff", false, 255, 1 },
	};
	size_t used;

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		ck_assert_int_eq(screen_key(table[i].bytes, strlen(table[i].bytes), table[i].is_all, &used), table[i].key);
		ck_assert_uint_eq(used, table[i].used);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("top");
	TCase *t = tcase_create("top");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, every_size_is_filled_and_never_passed);
	tcase_add_test(t, the_overview_has_all);
	tcase_add_test(t, topics_are_sorted_and_filtered);
	tcase_add_test(t, the_row_scrolls_into_view);
	tcase_add_test(t, into_a_row_and_back);
	tcase_add_test(t, keys_that_come_at_once);
	tcase_add_test(t, what_was_there_may_be_gone);
	tcase_add_test(t, views_go_round_and_the_interval_in_steps);
	tcase_add_test(t, keys);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
