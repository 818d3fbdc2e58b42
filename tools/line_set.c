#include "line_set.h"

#include <stdlib.h>
#include <string.h>

#define WORD_LINES 64

void line_set_fini(struct line_set *s)
{
	free(s->words);
	free(s->failed);
	*s = (struct line_set){ .base = 0 };
}

static uint64_t *word_of(const struct line_set *s, int64_t word)
{
	return &s->words[word & (s->word_count - 1)];
}

static void grow(struct line_set *s, int64_t word)
{
	struct line_set old = *s;

	s->word_count = MAX(16, s->word_count);
	while (word - s->first_word >= s->word_count)
		s->word_count *= 2;
	s->words = mem_calloc((size_t)s->word_count, sizeof(*s->words));
	for (int64_t i = old.first_word; i < old.first_word + old.word_count; i++)
		*word_of(s, i) = *word_of(&old, i);
	free(old.words);
}

static bool is_settled(const struct line_set *s, int64_t line)
{
	int64_t word = (line - 1) / WORD_LINES;

	return line <= s->base || (word - s->first_word < s->word_count && (*word_of(s, word) >> ((line - 1) % WORD_LINES) & 1) != 0);
}

void line_set_begin(struct line_set *s, int64_t settled, const struct line_range *failed, int64_t failed_count)
{
	line_set_fini(s);
	s->base = settled;
	s->first_word = settled / WORD_LINES;
	grow(s, s->first_word);
	*word_of(s, s->first_word) = ((uint64_t)1 << (settled % WORD_LINES)) - 1;
	s->failed = mem_calloc((size_t)failed_count + 1, sizeof(*s->failed));
	s->failed_capacity = failed_count + 1;
	for (int64_t i = 0; i < failed_count; i++)
		s->failed[s->failed_count++] = failed[i];
}

/* The first of the failed ranges that does not end before the line. */
static int64_t find_failed(const struct line_set *s, int64_t line)
{
	int64_t low = 0, high = s->failed_count;

	while (low < high) {
		int64_t mid = low + (high - low) / 2;
		if (s->failed[mid].last < line)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void insert_failed(struct line_set *s, int64_t at, struct line_range range)
{
	if (s->failed_count == s->failed_capacity) {
		s->failed_capacity = MAX(16, 2 * s->failed_capacity);
		s->failed = mem_realloc_array(s->failed, (size_t)s->failed_capacity, sizeof(*s->failed));
	}
	memmove(&s->failed[at + 1], &s->failed[at], (size_t)(s->failed_count++ - at) * sizeof(*s->failed));
	s->failed[at] = range;
}

static void remove_failed(struct line_set *s, int64_t at)
{
	memmove(&s->failed[at], &s->failed[at + 1], (size_t)(--s->failed_count - at) * sizeof(*s->failed));
}

static void mend(struct line_set *s, int64_t line)
{
	int64_t at = find_failed(s, line);
	struct line_range *r = &s->failed[at];

	if (at == s->failed_count || r->first > line)
		return;
	if (r->first == r->last) {
		remove_failed(s, at);
	} else if (r->first == line) {
		r->first++;
	} else if (r->last == line) {
		r->last--;
	} else {
		struct line_range behind = { line + 1, r->last };
		r->last = line - 1;
		insert_failed(s, at + 1, behind);
	}
}

static void settle(struct line_set *s, int64_t line)
{
	int64_t word = (line - 1) / WORD_LINES;

	if (word - s->first_word >= s->word_count)
		grow(s, word);
	*word_of(s, word) |= (uint64_t)1 << ((line - 1) % WORD_LINES);
	while (*word_of(s, s->first_word) == UINT64_MAX) {
		*word_of(s, s->first_word) = 0;
		s->first_word++;
	}
	s->base = s->first_word * WORD_LINES + __builtin_ctzll(~*word_of(s, s->first_word));
}

void line_set_done(struct line_set *s, int64_t line)
{
	if (is_settled(s, line))
		mend(s, line);
	else
		settle(s, line);
}

void line_set_failed(struct line_set *s, int64_t line)
{
	int64_t at;

	if (is_settled(s, line))
		return;		/* it had failed before */
	settle(s, line);
	at = find_failed(s, line);
	bool joins_before = at > 0 && s->failed[at - 1].last + 1 == line;
	bool joins_behind = at < s->failed_count && s->failed[at].first == line + 1;

	if (joins_before && joins_behind) {
		s->failed[at - 1].last = s->failed[at].last;
		remove_failed(s, at);
	} else if (joins_before) {
		s->failed[at - 1].last = line;
	} else if (joins_behind) {
		s->failed[at].first = line;
	} else {
		insert_failed(s, at, (struct line_range){ line, line });
	}
}

void line_gaps_begin(struct line_gaps *g, const struct line_set *s, int64_t last)
{
	*g = (struct line_gaps){ .set = s, .last = last, .at = s->base + 1 };
}

/* Of the lines that are not settled. */
static bool next_open(struct line_gaps *g, struct line_range *out)
{
	while (g->at <= g->last && is_settled(g->set, g->at))
		g->at++;
	if (g->at > g->last)
		return false;
	out->first = g->at;
	for (out->last = g->at; out->last < g->last && !is_settled(g->set, out->last + 1); out->last++)
		;
	return true;
}

bool line_gaps_next(struct line_gaps *g, struct line_range *out)
{
	const struct line_set *s = g->set;
	struct line_range open = { INT64_MAX, INT64_MAX };
	bool has_open = next_open(g, &open), is_found = false;

	for (;;) {	/* the two kinds are never the same line, but may touch */
		bool has_failed = g->failed_at < s->failed_count && s->failed[g->failed_at].first <= g->last;
		struct line_range next;
		if (has_failed && (!has_open || s->failed[g->failed_at].first < open.first)) {
			next = s->failed[g->failed_at];
			next.last = MIN(next.last, g->last);
			if (is_found && next.first != out->last + 1)
				return true;
			g->failed_at++;
		} else if (has_open) {
			next = open;
			if (is_found && next.first != out->last + 1)
				return true;
			g->at = open.last + 1;
			has_open = next_open(g, &open);
		} else {
			return is_found;
		}
		if (!is_found)
			*out = next;
		out->last = next.last;
		is_found = true;
	}
}
