/*
 * The note that a truncation leaves in the log's directory while a checkpoint may still name a
 * recovery point above the cut.
 *
 * What is appended behind a cut lies below such a recovery point without having been synced, and
 * its epochs need not be in the epoch file. A start that believed the checkpoint would look at
 * neither. With the note it begins where the cut was. The checkpoint belongs to the whole log
 * directory and is written now and then; the note is the log's own, so a truncation waits for
 * nobody. Java ignores the file; it writes its checkpoint with each truncation, so a directory
 * taken over by Java must not come from a crash in between.
 */
#ifndef SKEIN_CUT_NOTE_H
#define SKEIN_CUT_NOTE_H

#include "base/err.h"
#include "os/os.h"

#define CUT_NOTE_FILE "recovery-point.skein"

struct cut_note {
	int64_t recovery_point;		/* recovery begins here at the latest; INT64_MAX: no note */
	int64_t checkpointed;		/* no checkpoint names a higher one: once the log's own has
					 * come so far, the note is void */
};

/* A damaged note says that everything is to be looked at. */
enum err cut_note_read(struct cut_note *out, struct os *os, const char *dir) MUST_CHECK;
/* After OK it survives a power cut. Waits for the device. */
enum err cut_note_write(const struct cut_note *n, struct os *os, const char *dir) MUST_CHECK;
/* One that stays by accident costs a start some time. */
void     cut_note_remove(struct os *os, const char *dir);

#endif
