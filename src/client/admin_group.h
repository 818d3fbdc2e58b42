/*
 * Questions and changes of administration that concern groups and offsets. Blocking, and the client's thread's, like all of admin.h.
 * What concerns a group goes to its coordinator, and follows it when it moves.
 */
#ifndef SKEIN_ADMIN_GROUP_H
#define SKEIN_ADMIN_GROUP_H

#include "client/admin.h"
#include "wire/gen/describe_groups.h"
#include "wire/gen/list_groups.h"
#include "wire/gen/offset_fetch.h"

/* Of all brokers; state: only those in it, or NULL. each is called with what is borrowed until it returns. */
enum err admin_list_groups(struct client *c, const char *state, void (*each)(void *arg, const struct list_groups_response_group *g), void *arg,
			   mono_ms timeout_ms, struct client_error *error) MUST_CHECK;

/* ERR_NOT_FOUND: there is none of this name. */
enum err admin_describe_group(struct client *c, const char *group, mono_ms timeout_ms, struct client_call **answer,
			      const struct describe_groups_response_group **out, struct client_error *error) MUST_CHECK;
enum err admin_delete_group(struct client *c, const char *group, mono_ms timeout_ms, struct client_error *error) MUST_CHECK;

/* All offsets the group has committed; none for a group that does not exist. */
enum err admin_fetch_offsets(struct client *c, const char *group, mono_ms timeout_ms, struct client_call **answer,
			     const struct offset_fetch_response **out, struct client_error *error) MUST_CHECK;

struct admin_offset {
	const char *topic;			/* partitions of one topic stand together */
	int32_t     partition;
	int64_t     offset;			/* what is to be committed; what was found, -1 nothing */
	int64_t     timestamp;			/* listing: of the first record wanted, or ADMIN_EARLIEST, ADMIN_LATEST */
	int64_t     found_at;			/* answer of listing: the timestamp of the record that was found, -1 none */
	int16_t     error;			/* answer */
};
#define ADMIN_LATEST   (-1)
#define ADMIN_EARLIEST (-2)

/* Fills in offset and error of each. A partition without a leader has an error; what fails as a whole fails all. */
enum err admin_list_offsets(struct client *c, struct admin_offset *offsets, int count, mono_ms timeout_ms, struct client_error *error) MUST_CHECK;
/* Deletes what lies before each offset (-1: everything up to the high watermark); fills in where each log begins now, and the error. Doing it twice does no harm. */
enum err admin_delete_records(struct client *c, struct admin_offset *offsets, int count, mono_ms timeout_ms, struct client_error *error) MUST_CHECK;
/* For a group without members; fills in the error of each. */
enum err admin_commit_offsets(struct client *c, const char *group, struct admin_offset *offsets, int count, mono_ms timeout_ms,
			      struct client_error *error) MUST_CHECK;
/* Of topics nobody in the group reads; fills in the error of each. */
enum err admin_delete_offsets(struct client *c, const char *group, struct admin_offset *offsets, int count, mono_ms timeout_ms,
			      struct client_error *error) MUST_CHECK;

#endif
