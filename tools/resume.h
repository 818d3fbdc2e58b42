/*
 * The file of skein produce --resume: which lines of which input have been acknowledged, so that the same command goes on with exactly the others.
 * Lines are counted through all inputs. Text, replaced as a whole:
 *
 *	skein produce resume 1
 *	topic orders
 *	form text 0a
 *	input a.txt
 *	read 120000
 *	missing 17
 *	missing 1000-1020
 *
 * What is not missing up to the line `read` is acknowledged; nothing behind it is.
 *
 * One command at a time: the file is locked from resume_open to resume_fini. As it is replaced, so is what is locked: the new one before it is put in the old one's place.
 */
#ifndef SKEIN_TOOL_RESUME_H
#define SKEIN_TOOL_RESUME_H

#include "base/err.h"
#include "base/strbuf.h"
#include "line_set.h"
#include "os/os.h"

struct resume {
	bool               is_open;
	os_fd              lock;		/* the file itself */
	int64_t            read;
	struct line_range *missing;	/* ascending */
	int64_t            missing_count, at;
};

/* The head that belongs to a command; what is read must have the same. */
void resume_head(struct strbuf *out, const char *topic, const char *form, struct slice delimiter, char *const *inputs, int input_count);

/*
 * Locks the file and reads it; an empty one is made when there is none.
 * ERR_NOT_FOUND: nothing was in it, r is empty and open     ERR_INVALID: not such a file, or of another command     ERR_LOCKED: another command has it
 * others: it cannot be read. But for ERR_NOT_FOUND why says so.
 */
enum err resume_open(struct resume *r, const char *path, const char *head, char why[200]) MUST_CHECK;
void     resume_fini(struct resume *r);
/* Of lines that ascend from call to call. */
bool     resume_is_done(struct resume *r, int64_t line);

/* Lines up to `read`, of which those are missing that are gaps of the set. False: errno says why, and the file is as it was. */
bool resume_write(struct resume *r, const char *path, const char *head, const struct line_set *lines, int64_t read) MUST_CHECK;

#endif
