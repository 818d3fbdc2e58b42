/*
 *	skein-session 1
 *	session <16 hex digits>
 *	password <32 hex digits>
 *	boot <boot id>
 *	process <pid> <start, clock ticks since the boot>
 *	directory <device> <inode>
 *	crc <CRC-32C of all before this line, 8 hex digits>
 *
 * A reader takes nothing but what a writer prints: what was read is printed again, and compared.
 */
#include "coord/session_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crc32c.h"

#define PATH_BYTES   4096
#define PASSWORD_HEX (2 * SESSION_PASSWORD_BYTES)

/* --- the text -------------------------------------------------------------------------------------------------------------------- */

size_t session_note_print(const struct session_note *n, char out[SESSION_FILE_BYTES])
{
	char password[PASSWORD_HEX + 1];

	for (int i = 0; i < SESSION_PASSWORD_BYTES; i++)
		snprintf(password + 2 * i, 3, "%02x", n->password[i]);
	int body = snprintf(out, SESSION_FILE_BYTES, "skein-session 1\nsession %016" PRIx64 "\npassword %s\nboot %s\nprocess %" PRId64 " %" PRIu64
	                    "\ndirectory %" PRIu64 " %" PRIu64 "\n", (uint64_t)n->session, password, n->boot_id, n->process.pid, n->process.started, n->device, n->inode);
	int crc = snprintf(out + body, SESSION_FILE_BYTES - (size_t)body, "crc %08x\n", crc32c(0, out, (size_t)body));

	ASSERT(body + crc < SESSION_FILE_BYTES);	/* all fields at their longest */
	return (size_t)(body + crc);
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

static bool parse_password(const char *hex, uint8_t out[SESSION_PASSWORD_BYTES])
{
	for (int i = 0; i < SESSION_PASSWORD_BYTES; i++) {
		int high = hex_digit(hex[2 * i]), low = high < 0 ? -1 : hex_digit(hex[2 * i + 1]);

		if (low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool session_note_parse(struct session_note *out, struct slice text)
{
	char copy[SESSION_FILE_BYTES], again[SESSION_FILE_BYTES], password[PASSWORD_HEX + 1] = "";
	uint64_t session;

	*out = (struct session_note){ 0 };
	if (text.len >= sizeof(copy) || memchr(text.ptr, '\0', text.len) != NULL)
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	int n = sscanf(copy, "skein-session 1 session %16" SCNx64 " password %32s boot %39s process %" SCNd64 " %" SCNu64 " directory %" SCNu64 " %" SCNu64, &session,
	               password, out->boot_id, &out->process.pid, &out->process.started, &out->device, &out->inode);
	if (n != 7 || !parse_password(password, out->password))
		return false;
	out->session = (int64_t)session;
	return out->session != 0 && out->process.pid > 0 && out->process.pid <= INT32_MAX
	    && session_note_print(out, again) == text.len && memcmp(again, copy, text.len) == 0;
}

/* --- the file -------------------------------------------------------------------------------------------------------------------- */

static enum err file_path(const char *dir, const char *suffix, char out[PATH_BYTES])
{
	int n = snprintf(out, PATH_BYTES, "%s/" SESSION_FILE "%s", dir, suffix);

	return n > 0 && n < PATH_BYTES ? OK : ERR_INVALID;
}

static enum err write_private(struct os *os, const char *path, const char *text, size_t len)
{
	os_fd fd;

	enum err e = os_unlink(os, path);	/* what lies there may be readable by others */
	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	e = os_open(os, path, OS_RDWR | OS_CREATE | OS_EXCL | OS_PRIVATE, &fd);
	if (e != OK)
		return e;
	e = os_pwrite(os, fd, text, len, 0);
	os_close(os, &fd);
	return e;
}

enum err session_file_write(struct os *os, const char *dir, const struct session *s)
{
	char path[PATH_BYTES], tmp[PATH_BYTES], text[SESSION_FILE_BYTES];
	struct session_note n = { .session = s->id };
	struct os_stat st;

	memcpy(n.password, s->password, sizeof(n.password));
	os_boot_id(os, n.boot_id);
	enum err e = file_path(dir, "", path);
	if (e == OK)
		e = file_path(dir, ".tmp", tmp);
	if (e == OK)
		e = process_identify(&n.process);
	if (e == OK)
		e = os_stat(os, dir, &st);
	if (e != OK)
		return e;
	n.device = st.device;
	n.inode = st.inode;
	e = write_private(os, tmp, text, session_note_print(&n, text));
	return e == OK ? os_rename(os, tmp, path) : e;
}

enum err session_file_read(struct os *os, const char *dir, struct session_note *out)
{
	char path[PATH_BYTES], *text;
	size_t len;

	enum err e = file_path(dir, "", path);
	if (e == OK)
		e = os_read_file(os, path, SESSION_FILE_BYTES, &text, &len);
	if (e == ERR_TOO_LARGE)
		return ERR_CORRUPT;
	if (e != OK)
		return e;
	e = session_note_parse(out, slice_of(text, len)) ? OK : ERR_CORRUPT;
	free(text);
	return e;
}

enum err session_file_remove(struct os *os, const char *dir)
{
	char path[PATH_BYTES];

	enum err e = file_path(dir, "", path);
	if (e == OK)
		e = os_unlink(os, path);
	return e == ERR_NOT_FOUND ? OK : e;
}

const char *session_file_objection(struct os *os, const char *dir, const struct session_note *n)
{
	char boot_id[40];
	struct os_stat st;

	os_boot_id(os, boot_id);
	if (strcmp(boot_id, n->boot_id) != 0)
		return "it was written before this machine's last start, or on another one";
	if (os_stat(os, dir, &st) != OK || st.device != n->device || st.inode != n->inode)
		return "it was written in another directory, of which this one is a copy";
	if (!process_is_gone(&n->process))
		return "the process that wrote it may be there still";
	return NULL;
}
