/*
 * What a verb's --help says, read back: its usage lines and options. Completion is made from it, so that nothing is written down twice. Pure; all slices point into
 * the text.
 *
 *	Usage: skein topic create [OPTION...] TOPIC...
 *	  -p, --partitions N       create: how many
 *
 * In a usage line words in lower case are meant literally, a|b either; a word with capitals, or with = or . in it, stands for something.
 */
#ifndef SKEIN_TOOL_HELP_TEXT_H
#define SKEIN_TOOL_HELP_TEXT_H

#include "base/strbuf.h"

struct help_option {
	char         letter;		/* '\0': none */
	struct slice name;		/* "partitions"; empty: none */
	struct slice argument;		/* "N"; empty: takes none */
	struct slice text;		/* of all its lines, with the blanks that they begin with */
};

#define HELP_OPTIONS_MAX 64
#define HELP_USAGES_MAX  32

struct help_text {
	struct slice       text;
	struct help_option options[HELP_OPTIONS_MAX];
	int                option_count;
	struct slice       usages[HELP_USAGES_MAX];	/* what stands behind "skein topic" */
	int                usage_count;
};

/* verb: "skein topic", or "skein cluster reassign" whose usage lines still have "reassign" in them: then "skein cluster". */
void help_parse(struct help_text *h, const char *text, const char *verb);

/* "-p", "--partitions", "--partitions=3"; NULL: there is none. */
const struct help_option *help_option_of(const struct help_text *h, const char *word);

typedef void help_each(void *arg, struct slice word);

/* What may stand behind these words (without options): literal words, and placeholders. */
void help_next(const struct help_text *h, const char *const *words, int count, help_each *each, void *arg);
bool help_is_placeholder(struct slice word);
/* Is it one of the words that a usage line begins with? */
bool help_is_subverb(const struct help_text *h, struct slice word);

/* Of an option's text the values that it lists: "text (default), json or ndjson (an object per line)". */
void help_choices(const struct help_text *h, const struct help_option *o, help_each *each, void *arg);
/* "alter: how many": does the option go with this word? Yes when its text does not say. */
bool help_goes_with(const struct help_text *h, const struct help_option *o, struct slice subverb);
/* Its text on one line, without the words it goes with, cut. */
void help_summary(const struct help_text *h, const struct help_option *o, struct strbuf *out);

#endif
