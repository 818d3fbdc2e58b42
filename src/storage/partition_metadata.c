/*
 * Two lines, `version: 0` and `topic_id: <22 characters>`, without a line end behind the second.
 */
#include "storage/partition_metadata.h"

#include <stdio.h>
#include <stdlib.h>

#define FILE_NAME "partition.metadata"
#define HEAD      "version: 0\ntopic_id: "
#define PATH_SIZE 1024
#define READ_MAX  4096

_Static_assert(sizeof(HEAD) - 1 + UUID_TEXT_LEN == PARTITION_METADATA_SIZE, "the layout is fixed");

static enum err path_of(char out[PATH_SIZE], const char *dir)
{
	int n = snprintf(out, PATH_SIZE, "%s/" FILE_NAME, dir);

	return n > 0 && n < PATH_SIZE ? OK : ERR_TOO_LARGE;
}

enum err partition_metadata_parse(struct uuid *topic_id, struct slice text)
{
	const size_t head = sizeof(HEAD) - 1;
	struct uuid id;

	/* Java reads lines: an editor's line end behind the last one is no damage. */
	if (text.len == PARTITION_METADATA_SIZE + 1 && text.ptr[text.len - 1] == '\n')
		text.len--;
	if (text.len != PARTITION_METADATA_SIZE || memcmp(text.ptr, HEAD, head) != 0)
		return ERR_CORRUPT;
	if (!uuid_from_text(&id, slice_of(text.ptr + head, UUID_TEXT_LEN)) || uuid_is_zero(id))
		return ERR_CORRUPT;
	*topic_id = id;
	return OK;
}

void partition_metadata_print(struct uuid topic_id, char out[PARTITION_METADATA_SIZE + 1])
{
	char id[UUID_TEXT_LEN + 1];

	snprintf(out, PARTITION_METADATA_SIZE + 1, HEAD "%s", uuid_to_text(topic_id, id));
}

enum err partition_metadata_read(struct uuid *topic_id, struct os *os, const char *dir)
{
	char path[PATH_SIZE], *text;
	size_t len;
	enum err err = path_of(path, dir);

	if (err == OK)
		err = os_read_file(os, path, READ_MAX, &text, &len);
	if (err != OK)
		return err == ERR_TOO_LARGE ? ERR_CORRUPT : err;
	err = partition_metadata_parse(topic_id, slice_of(text, len));
	free(text);
	return err;
}

enum err partition_metadata_write(struct uuid topic_id, struct os *os, const char *dir)
{
	char path[PATH_SIZE], text[PARTITION_METADATA_SIZE + 1];
	enum err err = path_of(path, dir);

	ASSERT(!uuid_is_zero(topic_id));
	if (err != OK)
		return err;
	partition_metadata_print(topic_id, text);
	return os_replace_file(os, path, text, PARTITION_METADATA_SIZE);
}
