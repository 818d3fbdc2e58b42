/*
 * `.skein-session`, in a locked data directory: the session of the process that has the lock, so that its successor need not wait for a session that a killed process has
 * left. A text with a checksum, for its owner alone (the password in it is good for ending the session); replaced whole, and never synced, because it means something only while
 * the kernel that knew the process lives.
 *
 * What must never happen: that the session of a process which lives is closed. So the successor believes the file only if
 *	- it was written under this boot id: a process of another boot, or of the machine that a disk was cloned from, is nobody this kernel knows;
 *	- it was written in this very directory (device, inode), not in one that it was copied from: the lock, which the successor has, is then proof by itself; and
 *	- the process (number and time of its start) is gone.
 */
#ifndef SKEIN_COORD_SESSION_FILE_H
#define SKEIN_COORD_SESSION_FILE_H

#include "coord/session.h"
#include "os/child.h"

#define SESSION_FILE       ".skein-session"
#define SESSION_FILE_BYTES 512

struct session_note {
	int64_t  session;
	uint8_t  password[SESSION_PASSWORD_BYTES];
	char     boot_id[40];
	struct process_identity process;
	uint64_t device, inode;		/* of the directory */
};

/* Everything but the session is taken from this process and the directory. */
enum err session_file_write(struct os *os, const char *dir, const struct session *s) MUST_CHECK;
/* ERR_NOT_FOUND: there is none; ERR_CORRUPT: it is damaged. */
enum err session_file_read(struct os *os, const char *dir, struct session_note *out) MUST_CHECK;
/* Absent: OK. */
enum err session_file_remove(struct os *os, const char *dir) MUST_CHECK;
/* NULL: the session is that of a process which is gone, and may be closed. Else why not, a clause for people. */
const char *session_file_objection(struct os *os, const char *dir, const struct session_note *n);

/* The text, and back; false: not such a text, to the last byte. */
size_t session_note_print(const struct session_note *n, char out[SESSION_FILE_BYTES]);
bool   session_note_parse(struct session_note *out, struct slice text);

#endif
