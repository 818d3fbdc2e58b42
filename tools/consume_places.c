/*
 * The partitions that skein consume reads: which they are, where each begins, how far it is, and what it suffers from.
 */
#include "consume.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/admin_group.h"

#define ADMIN_TIMEOUT_MS 15000
#define RANGE_TIMEOUT_MS 5000
#define DISCOVER_EVERY_MS   5000
#define DISCOVER_TIMEOUT_MS 3000

/* ---- which topics ---- */

static bool add_topic(struct consume *x, const char *name)
{
	const char *known = client_topic(x->client, slice_str(name))->name;

	for (int i = 0; i < x->topic_count; i++) {
		if (x->topics[i] == known)
			return true;
	}
	if (x->topic_count == CONSUME_TOPICS_MAX) {
		tool_say("more than %d topics", CONSUME_TOPICS_MAX);
		x->code = EXIT_USAGE;
		return false;
	}
	x->topics[x->topic_count++] = known;
	return true;
}

bool consume_take_matching(struct consume *x)
{
	int32_t count = topic_pattern_count(x->pattern);

	if (count > CONSUME_TOPICS_MAX) {
		tool_say("the pattern matches %d topics, and no more than %d can be read at once", count, CONSUME_TOPICS_MAX);
		return false;
	}
	x->topic_count = 0;
	for (int32_t i = 0; i < count; i++)
		x->topics[x->topic_count++] = topic_pattern_names(x->pattern)[i];
	return true;
}

static bool find_matching(struct consume *x)
{
	mono_ms deadline = os_mono_ms(os_real()) + ADMIN_TIMEOUT_MS, now;
	bool is_known = false, waits = x->group != NULL && !x->exits_at_end;
	char why[200];

	if (topic_pattern_create(&x->pattern, x->client, (const char *const *)x->names, x->name_count, x->with_internal, DISCOVER_EVERY_MS, why) != OK) {
		x->code = tool_usage("consume", "%s", why);
		return false;
	}
	while (!(is_known = topic_pattern_changed(x->pattern)) && !tool_is_stopped() && (now = os_mono_ms(os_real())) < deadline)
		client_step(x->client, deadline - now);
	if (!is_known) {
		tool_say("which topics there are was not answered within %d ms", ADMIN_TIMEOUT_MS);
		x->code = EXIT_TIMED_OUT;
	} else if (topic_pattern_count(x->pattern) == 0) {
		tool_say("there is no topic that \"%s\"%s matches as a whole%s", x->names[0], x->name_count > 1 ? ", or another of these expressions," : "",
		         waits ? "; waiting for one" : "");
		x->code = waits ? EXIT_OK : EXIT_NOT_FOUND;
	} else if (!consume_take_matching(x)) {
		x->code = EXIT_USAGE;
	}
	return x->code == EXIT_OK;
}

bool consume_find_topics(struct consume *x)
{
	if (x->is_pattern && !find_matching(x))
		return false;
	for (int i = 0; !x->is_pattern && i < x->name_count; i++) {
		if (!add_topic(x, x->names[i]))
			return false;
	}
	for (int i = 0; i < x->topic_count; i++) {
		if (tool_topic_info(x->client, x->topics[i], &x->code) == NULL)
			return false;
	}
	return true;
}

/* ---- which partitions ---- */

static int compare_places(const void *a, const void *b)
{
	const struct place *p = a, *q = b;
	int c = p->topic == q->topic ? 0 : strcmp(p->topic, q->topic);

	return c != 0 ? c : (p->partition > q->partition) - (p->partition < q->partition);
}

bool consume_find_places(struct consume *x)
{
	struct place *places = mem_calloc(CONSUME_PLACES_MAX, sizeof(*places));
	int count = 0;

	for (int i = 0; i < x->topic_count; i++) {
		int32_t there = client_topic(x->client, slice_str(x->topics[i]))->partition_count;
		int wanted = x->number_count > 0 ? x->number_count : there;

		if (x->number_count > 0 && x->numbers[wanted - 1] >= there) {
			tool_say("topic %s has no partition %d: there are %d", x->topics[i], x->numbers[wanted - 1], there);
			x->code = EXIT_NOT_FOUND;
		} else if (count + wanted > CONSUME_PLACES_MAX) {
			tool_say("more than %d partitions", CONSUME_PLACES_MAX);
			x->code = EXIT_USAGE;
		}
		if (x->code != EXIT_OK) {
			free(places);
			return false;
		}
		for (int k = 0; k < wanted; k++)
			places[count++] = (struct place){ .topic = x->topics[i], .partition = x->number_count > 0 ? x->numbers[k] : k };
	}
	consume_set_places(x, places, count);
	return true;
}

static void widen(struct consume *x, const char *topic, int32_t partition)
{
	int width = snprintf(NULL, 0, "%s/%d", topic, partition);

	x->print.place_width = MAX(x->print.place_width, width);
}

void consume_set_places(struct consume *x, struct place *places, int count)
{
	struct consumer_spec spec = config_consumer_spec(&x->config);

	consume_drop_places(x);
	spec.wants_control = x->with_control;
	if (x->tail_count >= 0)
		spec.reset = CONSUMER_EARLIEST;		/* what is looked through may be deleted meanwhile */
	if (count > 0)
		qsort(places, (size_t)count, sizeof(*places), compare_places);
	x->places = places;
	x->place_count = count;
	for (int i = 0; i < count; i++) {
		places[i].written = places[i].written_epoch = -1;
		widen(x, places[i].topic, places[i].partition);
	}
	consumer_create(&x->consumer, x->client, &spec);
}

void consume_drop_places(struct consume *x)
{
	consume_flush(x);	/* it points at them */
	consumer_destroy(&x->consumer);
	for (int i = 0; i < x->place_count; i++) {
		free(x->places[i].trouble);
		tail_fini(&x->places[i].tail);
	}
	free(x->places);
	x->places = x->last = NULL;
	x->place_count = x->ended_count = x->trouble_count = 0;
}

struct place *consume_place(struct consume *x, const char *topic, int32_t partition)
{
	struct place key = { .topic = topic, .partition = partition };

	if (x->place_count == 0)
		return NULL;
	if (x->last == NULL || x->last->topic != topic || x->last->partition != partition)
		x->last = bsearch(&key, x->places, (size_t)x->place_count, sizeof(key), compare_places);
	return x->last;
}

struct place *consume_add_place(struct consume *x, const char *topic, int32_t partition)
{
	struct place *p = consume_place(x, topic, partition);

	if (p != NULL)
		return p;
	if (x->place_count == CONSUME_PLACES_MAX || !consume_flush(x))	/* the output points at the places that are moved */
		return NULL;
	x->places = mem_realloc_array(x->places, (size_t)(x->place_count + 1), sizeof(*x->places));
	x->last = NULL;
	x->places[x->place_count++] = (struct place){ .topic = topic, .partition = partition, .written = -1, .written_epoch = -1 };
	widen(x, topic, partition);
	qsort(x->places, (size_t)x->place_count, sizeof(*x->places), compare_places);
	return consume_place(x, topic, partition);
}

void consume_remove_place(struct consume *x, const char *topic, int32_t partition)
{
	struct place *p = consume_place(x, topic, partition);

	if (p == NULL)
		return;
	consume_flush(x);
	consumer_unassign(x->consumer, topic, partition);
	x->ended_count -= p->has_ended;
	x->trouble_count -= p->trouble != NULL;
	free(p->trouble);
	tail_fini(&p->tail);
	x->place_count--;
	memmove(p, p + 1, (size_t)(&x->places[x->place_count] - p) * sizeof(*p));
	x->last = NULL;
}

/* ---- what appears while we follow ---- */

static int count_places(const struct consume *x, const char *topic)
{
	int n = 0;

	for (int i = 0; i < x->place_count; i++)
		n += x->places[i].topic == topic;
	return n;
}

/* From their beginning: whatever is there has come since we began. */
static void add_places(struct consume *x, const char *topic, int32_t first, int32_t end)
{
	for (int32_t i = first; i < end; i++) {
		if (consume_add_place(x, topic, i) != NULL)
			consumer_assign(x->consumer, topic, i, CONSUMER_EARLIEST);
	}
}

void consume_discover(struct consume *x)
{
	mono_ms now = os_mono_ms(os_real());

	if (x->group != NULL || x->number_count > 0 || x->exits_at_end || now < x->discover_at)
		return;
	if (x->pattern != NULL && topic_pattern_changed(x->pattern))
		(void)consume_take_matching(x);
	x->discover_at = os_mono_ms(os_real()) + DISCOVER_EVERY_MS;
	client_topic_refresh(x->client);	/* the answer is for the next time */
	for (int i = 0; i < x->topic_count; i++) {
		const struct client_topic *t = client_topic(x->client, slice_str(x->topics[i]));

		if (t->is_known && t->error == NONE)
			add_places(x, x->topics[i], count_places(x, x->topics[i]), t->partition_count);
	}
}

/* ---- where to begin ---- */

void consume_begin(struct consume *x, struct place *p)
{
	switch (x->start.kind) {
	case START_BEGINNING: consumer_assign(x->consumer, p->topic, p->partition, CONSUMER_EARLIEST); break;
	case START_END:       consumer_assign(x->consumer, p->topic, p->partition, CONSUMER_LATEST); break;
	case START_OFFSET:    consumer_assign(x->consumer, p->topic, p->partition, x->start.at); break;
	case START_TIME:      consumer_assign_time(x->consumer, p->topic, p->partition, x->start.at); break;
	}
}

static void set_trouble(struct consume *x, struct place *p, const char *text)
{
	x->trouble_count += (text != NULL) - (p->trouble != NULL);
	free(p->trouble);
	p->trouble = text == NULL ? NULL : mem_strdup(text);
}

static void place_ended(struct consume *x, struct place *p)
{
	set_trouble(x, p, NULL);
	x->ended_count += !p->has_ended;
	p->has_ended = true;
}

static void begin_tail(struct consume *x, struct place *p, const struct admin_offset *first, const struct admin_offset *end)
{
	int16_t code = first->error != NONE ? first->error : end->error;
	struct client_error error;
	char subject[300];

	if (code != NONE) {
		snprintf(subject, sizeof(subject), "%s/%d", p->topic, p->partition);
		client_error_set_kafka(&error, code, subject, SLICE_NULL);
		x->code = tool_fail(&error);
		place_ended(x, p);
		return;
	}
	tail_init(&p->tail, x->tail_count, first->offset, end->offset);
	p->is_sought = x->tail_count > 0;
	consumer_assign(x->consumer, p->topic, p->partition, p->tail.from);
}

bool consume_begin_tails(struct consume *x)
{
	struct admin_offset *offsets = mem_calloc((size_t)x->place_count * 2 + 1, sizeof(*offsets)), *ends = offsets + x->place_count;
	struct client_error error;
	bool is_known;

	for (int i = 0; i < x->place_count; i++) {
		offsets[i] = (struct admin_offset){ .topic = x->places[i].topic, .partition = x->places[i].partition, .timestamp = ADMIN_EARLIEST };
		ends[i] = (struct admin_offset){ .topic = x->places[i].topic, .partition = x->places[i].partition, .timestamp = ADMIN_LATEST };
	}
	is_known = admin_list_offsets(x->client, offsets, x->place_count, ADMIN_TIMEOUT_MS, &error) == OK &&
		   admin_list_offsets(x->client, ends, x->place_count, ADMIN_TIMEOUT_MS, &error) == OK;
	if (!is_known)
		x->code = tool_fail(&error);
	for (int i = 0; is_known && i < x->place_count; i++)
		begin_tail(x, &x->places[i], &offsets[i], &ends[i]);
	free(offsets);
	return is_known;
}

/* A window has been looked through. */
static void turn_tail(struct consume *x, struct place *p)
{
	p->is_sought = tail_turn(&p->tail);
	consumer_seek(x->consumer, p->topic, p->partition, p->tail.from);
	if (!p->is_sought)
		tail_fini(&p->tail);
}

/* ---- events ---- */

static bool find_offset(struct consume *x, const struct consumer_event *e, int64_t which, int64_t *offset)
{
	struct admin_offset o = { .topic = e->topic, .partition = e->partition, .timestamp = which };
	struct client_error error;
	bool is_known = admin_list_offsets(x->client, &o, 1, RANGE_TIMEOUT_MS, &error) == OK && o.error == NONE;

	*offset = o.offset;
	return is_known;
}

/* The exit code. Kafka's sentence about an offset that is not there speaks of a setting that a consumer of ours does not have. */
static int place_failed(struct consume *x, const struct consumer_event *event)
{
	struct consumer_event e = *event;
	struct client_error error = *e.error;	/* the event does not outlive a turn */
	int64_t first, end;

	if (error.kafka == OFFSET_OUT_OF_RANGE && find_offset(x, &e, ADMIN_EARLIEST, &first) && find_offset(x, &e, ADMIN_LATEST, &end))
		client_error_set(&error, ERR_OUT_OF_RANGE, "%s/%d: there is no offset %lld: it can be read from %lld, and the next record gets %lld (OFFSET_OUT_OF_RANGE)%s",
				 e.topic, e.partition, (long long)e.offset, (long long)first, (long long)end,
				 x->group == NULL ? "" : "; --from says where to go on, or skein group reset");
	return tool_fail(&error);
}

/* What comes behind where the group stands has been deleted, or the topic made anew: --from counts, as where it stands nowhere. */
static bool begin_anew(struct consume *x, struct place *p, const struct consumer_event *e)
{
	if (x->group == NULL || !x->is_start_told || p->is_begun_anew || p->written >= 0 || e->error->kafka != OFFSET_OUT_OF_RANGE)
		return false;
	p->is_begun_anew = true;
	tool_say("%s/%d: offset %lld, where group %s stands, is not there any more; going on where --from says", p->topic, p->partition, (long long)e->offset, x->group);
	consume_begin(x, p);
	return true;
}

static bool on_record(struct consume *x, struct place *p, const struct consumer_event *e)
{
	bool passes = e->is_control || record_filter_passes(&x->filter, &e->record);

	if (p->is_sought) {
		if (tail_record(&p->tail, e->offset, passes))
			turn_tail(x, p);
		return true;
	}
	if (passes)
		return consume_print(x, p, e);
	consume_skip(x, p, e);
	return true;
}

bool consume_on_event(struct consume *x, const struct consumer_event *e)
{
	struct place *p = consume_place(x, e->topic, e->partition);

	if (p == NULL)
		return true;
	switch (e->kind) {
	case CONSUMER_RECORD:
		x->last_progress = os_mono_ms(os_real());
		set_trouble(x, p, NULL);
		return on_record(x, p, e);
	case CONSUMER_END:
		x->last_progress = os_mono_ms(os_real());
		set_trouble(x, p, NULL);
		if (p->is_sought)
			turn_tail(x, p);
		else if (x->exits_at_end)
			place_ended(x, p);
		break;
	case CONSUMER_TROUBLE:
		tool_say("%s; trying on", e->error->text);
		if (!p->has_ended)
			set_trouble(x, p, e->error->text);
		break;
	case CONSUMER_FAILED:
		if (begin_anew(x, p, e))
			break;
		place_ended(x, p);
		x->code = place_failed(x, e);
		break;
	}
	return true;
}

bool consume_is_stalled(const struct consume *x)
{
	bool waits_for_group = x->consumer == NULL && x->group_trouble != NULL;
	bool waits_for_places = x->trouble_count > 0 && x->ended_count + x->trouble_count == x->place_count;

	return x->exits_at_end && (waits_for_group || waits_for_places) && os_mono_ms(os_real()) - x->last_progress >= x->stall_ms;
}

void consume_give_up(struct consume *x)
{
	if (x->group_trouble != NULL)
		tool_say("%s; given up after %lld ms", x->group_trouble, (long long)x->stall_ms);
	for (int i = 0; i < x->place_count; i++) {
		if (x->places[i].trouble != NULL)
			tool_say("%s; given up after %lld ms", x->places[i].trouble, (long long)x->stall_ms);
	}
	x->code = EXIT_TIMED_OUT;
}
