#include "help_text.h"

#define SUMMARY_MAX 60

static struct slice from(struct slice s, size_t n)
{
	n = MIN(n, s.len);
	return slice_of(s.ptr + n, s.len - n);
}

static struct slice trimmed(struct slice s)
{
	while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\n'))
		s = from(s, 1);
	while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\n'))
		s.len--;
	return s;
}

static bool begins(struct slice s, const char *with)
{
	return s.len >= strlen(with) && memcmp(s.ptr, with, strlen(with)) == 0;
}

static bool ends(struct slice s, const char *with)
{
	size_t n = strlen(with);

	return s.len >= n && memcmp(s.ptr + s.len - n, with, n) == 0;
}

/* Takes what stands before the first byte c off *rest, which goes on behind it. All of it when there is no c. */
static struct slice take(struct slice *rest, char c)
{
	const uint8_t *at = rest->len > 0 ? memchr(rest->ptr, c, rest->len) : NULL;
	struct slice taken = slice_of(rest->ptr, at != NULL ? (size_t)(at - rest->ptr) : rest->len);

	*rest = from(*rest, taken.len + 1);
	return taken;
}

static bool is_lower(uint8_t c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; }

/* ---- lines ---- */

static size_t blanks(struct slice line)
{
	size_t n = 0;

	while (n < line.len && line.ptr[n] == ' ')
		n++;
	return n;
}

/* "-p, --partitions N       how many" */
static void add_option(struct help_text *h, struct slice line)
{
	struct help_option *o = &h->options[h->option_count++];
	struct slice rest = trimmed(line);
	size_t n = 0;

	*o = (struct help_option){ .name = SLICE_EMPTY, .argument = SLICE_EMPTY };
	if (rest.len > 1 && rest.ptr[1] != '-') {
		o->letter = (char)rest.ptr[1];
		rest = from(rest, begins(from(rest, 2), ", ") ? 4 : 2);
	}
	if (begins(rest, "--")) {
		rest = from(rest, 2);
		while (n < rest.len && is_lower(rest.ptr[n]))
			n++;
		o->name = slice_of(rest.ptr, n);
		rest = from(rest, n);
	}
	if (rest.len > 1 && rest.ptr[0] == ' ' && rest.ptr[1] != ' ') {
		rest = from(rest, 1);
		struct slice tail = rest;
		o->argument = take(&tail, ' ');
		rest = from(rest, o->argument.len);
	}
	o->text = rest;
}

void help_parse(struct help_text *h, const char *text, const char *verb)
{
	struct slice rest = slice_str(text);
	bool is_open = false;		/* an option may go on in the next line */

	*h = (struct help_text){ .text = rest };
	while (rest.len > 0) {
		struct slice line = take(&rest, '\n'), s = trimmed(line);
		size_t indent = blanks(line);
		if (begins(s, "Usage: ") || begins(s, "usage: "))
			s = from(s, 7);
		else if (h->usage_count > 0 && (indent < 6 || !begins(s, "skein ")))
			s = SLICE_NULL;
		if (begins(s, verb) && (s.len == strlen(verb) || s.ptr[strlen(verb)] == ' ') && h->usage_count < HELP_USAGES_MAX) {
			h->usages[h->usage_count++] = from(s, strlen(verb));
			continue;
		}
		s = trimmed(line);
		if (indent >= 2 && indent <= 6 && begins(s, "-") && h->option_count < HELP_OPTIONS_MAX) {
			add_option(h, line);
			is_open = true;
		} else if (is_open && indent > 6 && s.len > 0) {
			struct help_option *o = &h->options[h->option_count - 1];
			o->text.len = (size_t)(line.ptr + line.len - o->text.ptr);
		} else {
			is_open = false;
		}
	}
}

const struct help_option *help_option_of(const struct help_text *h, const char *word)
{
	struct slice rest = slice_str(word), name = take(&rest, '=');
	bool is_long = begins(name, "--");

	for (int i = 0; i < h->option_count && name.len > 1; i++) {
		const struct help_option *o = &h->options[i];
		if (is_long ? o->name.len > 0 && slice_eq(o->name, from(name, 2)) : o->letter != '\0' && name.len == 2 && name.ptr[1] == o->letter)
			return o;
	}
	return NULL;
}

/* ---- usage lines ---- */

/* The next word of a usage line that is neither an option nor its argument. False: there is none. */
static bool next_token(const struct help_text *h, struct slice *usage, struct slice *token, bool *repeats)
{
	bool skips = false;

	while (usage->len > 0) {
		if (begins(*usage, "   "))	/* a remark */
			return false;
		struct slice s = take(usage, ' ');
		*repeats = false;
		while (s.len > 0 && (s.ptr[0] == '[' || ends(s, "]") || ends(s, "..."))) {
			*repeats |= ends(s, "...");
			s = s.ptr[0] == '[' ? from(s, 1) : slice_of(s.ptr, s.len - (ends(s, "...") ? 3 : 1));
		}
		if (s.len == 0 || slice_eq_str(s, "OPTION"))
			continue;
		if (skips) {
			skips = false;
			continue;
		}
		if (s.ptr[0] == '-') {
			char word[64];
			size_t n = MIN(s.len, sizeof(word) - 1);
			memcpy(word, s.ptr, n);
			word[n] = '\0';
			const struct help_option *o = help_option_of(h, word);
			skips = o != NULL && o->argument.len > 0;
			continue;
		}
		*token = s;
		return true;
	}
	return false;
}

bool help_is_placeholder(struct slice word)
{
	for (size_t i = 0; i < word.len; i++) {
		if (!is_lower(word.ptr[i]))
			return true;
	}
	return false;
}

static bool fits(struct slice token, const char *word)
{
	while (token.len > 0) {
		struct slice part = take(&token, '|');
		if (help_is_placeholder(part) || slice_eq_str(part, word))
			return true;
	}
	return false;
}

/* The token at the place behind these words; false: the line does not go on so. */
static bool token_behind(const struct help_text *h, struct slice usage, const char *const *words, int count, struct slice *token)
{
	bool repeats = false;

	for (int i = 0; i <= count; i++) {
		if (!repeats && !next_token(h, &usage, token, &repeats))
			return false;
		if (i < count && !fits(*token, words[i]))
			return false;
	}
	return true;
}

/* "VERB" stands for what is listed below the usage lines: "  produce      write records at a rate". */
static void each_listed(const struct help_text *h, help_each *each, void *arg)
{
	struct slice rest = h->text;

	while (rest.len > 0) {
		struct slice line = take(&rest, '\n'), tail = from(line, 2), word;
		if (blanks(line) != 2)
			continue;
		word = take(&tail, ' ');
		if (word.ptr[0] == '-')
			return;
		if (!help_is_placeholder(word) && begins(tail, " "))
			each(arg, word);
	}
}

void help_next(const struct help_text *h, const char *const *words, int count, help_each *each, void *arg)
{
	for (int i = 0; i < h->usage_count; i++) {
		struct slice token;
		if (!token_behind(h, h->usages[i], words, count, &token))
			continue;
		while (token.len > 0) {
			struct slice part = take(&token, '|');
			if (slice_eq_str(part, "VERB"))
				each_listed(h, each, arg);
			else
				each(arg, part);
		}
	}
}

struct looked_for {
	struct slice word;
	bool         is_there;
};

static void look(void *arg, struct slice word)
{
	struct looked_for *l = arg;

	l->is_there |= slice_eq(word, l->word) && !help_is_placeholder(word);
}

bool help_is_subverb(const struct help_text *h, struct slice word)
{
	struct looked_for l = { .word = word };

	help_next(h, NULL, 0, look, &l);
	return l.is_there;
}

/* ---- what an option's text says ---- */

/* Takes it off, if the list goes on with this word. */
static bool take_word(struct slice *list, const char *word)
{
	size_t n = strlen(word);

	if (!begins(*list, word) || list->len == n || (list->ptr[n] != ' ' && list->ptr[n] != '\n'))
		return false;
	*list = trimmed(from(*list, n));
	return true;
}

/*
 * Calls each for every single word of a list like "a (default), b or c (as d)" or "a; b: what it is; c", until something else comes; how many there were.
 */
static int each_word(struct slice list, help_each *each, void *arg)
{
	int count = 0;

	for (list = trimmed(list); list.len > 0; list = trimmed(list)) {
		size_t n = 0;
		while (n < list.len && is_lower(list.ptr[n]))
			n++;
		struct slice word = slice_of(list.ptr, n);
		list = trimmed(from(list, n));
		if (list.len > 0 && list.ptr[0] == '(') {
			(void)take(&list, ')');
			list = trimmed(list);
		}
		bool is_told = list.len > 0 && list.ptr[0] == ':';
		bool goes_on = list.len > 0 && (is_told || strchr(",;", list.ptr[0]) != NULL || take_word(&list, "or") || take_word(&list, "and"));
		if (n == 0 || (!goes_on && list.len > 0 && list.ptr[0] != '.'))
			return count;
		count++;
		if (each != NULL)
			each(arg, word);
		if (!goes_on)
			return count;
		if (is_told)
			(void)take(&list, ';');
		else if (list.len > 0 && (list.ptr[0] == ',' || list.ptr[0] == ';'))
			list = trimmed(from(list, 1));
		(void)take_word(&list, "or");
	}
	return count;
}

struct subverbs {
	const struct help_text *h;
	struct slice            wanted;
	int                     count;
	bool                    has_wanted;
};

static void count_subverb(void *arg, struct slice word)
{
	struct subverbs *s = arg;

	s->count += help_is_subverb(s->h, word);
	s->has_wanted |= slice_eq(word, s->wanted);
}

/* Takes the "alter, grow: " off a part of a text, if it begins so; false: it does not. */
static bool take_subverbs(const struct help_text *h, struct slice *part, struct slice wanted, bool *has_wanted)
{
	struct slice rest = *part, head = take(&rest, ':');
	struct subverbs s = { .h = h, .wanted = wanted };

	if (head.len == part->len || memchr(head.ptr, ';', head.len) != NULL || each_word(head, count_subverb, &s) == 0 || s.count == 0)
		return false;
	*has_wanted |= s.has_wanted;
	*part = trimmed(rest);
	return true;
}

bool help_goes_with(const struct help_text *h, const struct help_option *o, struct slice subverb)
{
	struct slice rest = o->text, part = take(&rest, ';');
	bool has_wanted = false;

	if (!take_subverbs(h, &part, subverb, &has_wanted))	/* what begins without them is for all */
		return true;
	while (rest.len > 0) {
		part = take(&rest, ';');
		(void)take_subverbs(h, &part, subverb, &has_wanted);
	}
	return has_wanted || subverb.len == 0;
}

struct choices {
	const struct help_text *h;
	help_each              *each;
	void                   *arg;
};

static void pass_on(void *arg, struct slice word)
{
	struct choices *c = arg;

	if (!help_is_subverb(c->h, word))	/* that begins another remark */
		c->each(c->arg, word);
}

void help_choices(const struct help_text *h, const struct help_option *o, help_each *each, void *arg)
{
	struct choices c = { .h = h, .each = each, .arg = arg };
	struct slice text = o->text;
	bool has_wanted = false;

	(void)take_subverbs(h, &text, SLICE_EMPTY, &has_wanted);
	if (each_word(text, NULL, NULL) > 1)
		each_word(text, pass_on, &c);
}

void help_summary(const struct help_text *h, const struct help_option *o, struct strbuf *out)
{
	struct slice text = o->text;
	bool has_wanted = false;
	size_t begin = out->len;

	(void)take_subverbs(h, &text, SLICE_EMPTY, &has_wanted);
	text = trimmed(text);
	for (size_t i = 0; i < text.len; i++) {
		bool is_blank = text.ptr[i] == ' ' || text.ptr[i] == '\n';
		if (is_blank && out->len > begin && out->ptr[out->len - 1] == ' ')
			continue;
		if (out->len - begin >= SUMMARY_MAX && is_blank) {
			strbuf_add_str(out, " ...");
			return;
		}
		strbuf_add_char(out, is_blank ? ' ' : (char)text.ptr[i]);
	}
}
