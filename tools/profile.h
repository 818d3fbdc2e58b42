/*
 * Named profiles of the skein command: ~/.config/skein/config ($XDG_CONFIG_HOME instead of ~/.config).
 *
 *	use = prod
 *	[prod]
 *	bootstrap.servers = kafka1:9092,kafka2:9092
 *	request.timeout.ms = 5000
 *
 * Lines that begin with # or ; are comments. Changes are text in, text out: what is not changed stays as it is, comments too.
 */
#ifndef SKEIN_TOOL_PROFILE_H
#define SKEIN_TOOL_PROFILE_H

#include "base/strbuf.h"

#define PROFILE_NONE "none"		/* no profile has this name; as a name to use: none */

struct profile_line {
	enum { LINE_OTHER, LINE_SECTION, LINE_PROPERTY, LINE_WRONG } kind;	/* OTHER: empty, a comment */
	int          number;		/* from 1 */
	struct slice name, value;	/* SECTION: its name; PROPERTY; without the blanks around */
	struct slice section;		/* which it is in; null: before the first one */
	struct slice whole;		/* with its end */
};

/* Start with { .text = ... }. False: that was the last line. Slices point into the text. */
struct profile_reader {
	struct slice text, section;
	int          number;
};
bool profile_next(struct profile_reader *r, struct profile_line *line);

bool profile_name_is_valid(const char *name);		/* letters, digits, . _ - */
/* Whether the text is one that verbs can go by: each line is understood, and no profile stands in two places. False: why says where not. */
bool profile_check(struct slice text, const char *path, struct strbuf *why) MUST_CHECK;
bool profile_is_there(struct slice text, struct slice name);
struct slice profile_in_use(struct slice text);		/* null: none */

/* What the text becomes, appended to out. */
void profile_set(struct strbuf *out, struct slice text, struct slice name, struct slice property, struct slice value);	/* made when it is not there; value null: goes */
void profile_remove(struct strbuf *out, struct slice text, struct slice name);
void profile_use(struct strbuf *out, struct slice text, struct slice name);		/* null: none */

/* ---- the file ---- */

#define PROFILE_PATH_MAX 4096	/* not less than PATH_MAX */

bool profile_path(char out[PROFILE_PATH_MAX]);		/* false: there is no home directory */
/* A file that is not there is an empty one. False after writing into why. free() the text. */
bool profile_read(const char *path, char **text, struct strbuf *why);
bool profile_write(const char *path, struct slice text, struct strbuf *why);	/* all or nothing; for the owner only */

#endif
