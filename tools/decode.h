/*
 * The records of Kafka's internal topics as JSON: what coordinators write into __consumer_offsets and __transaction_state.
 *
 *	{"type":"offset_commit","key":{"version":1,"group":"g","topic":"orders","partition":0},"value":{"version":3,"offset":7,...}}
 *
 * Pure functions. A value that is null (the coordinator has dropped what the key names) is null. Text that is not UTF-8 comes as "name_base64".
 */
#ifndef SKEIN_TOOL_DECODE_H
#define SKEIN_TOOL_DECODE_H

#include "base/err.h"
#include "base/strbuf.h"

enum decode_kind {
	DECODE_NONE,
	DECODE_OFFSETS,		/* __consumer_offsets: committed offsets, and groups with their members */
	DECODE_TRANSACTIONS,	/* __transaction_state */
};

#define DECODE_KINDS "offsets, transactions"

/* "offsets", "transactions". */
bool decode_kind_parse(const char *text, enum decode_kind *out) MUST_CHECK;
/* What a topic of this name holds; DECODE_NONE: not one of these. */
enum decode_kind decode_kind_of(const char *topic);

/*
 * Appends the object, without a newline. kind is not DECODE_NONE. Nothing is appended on an error:
 *   ERR_UNSUPPORTED  a kind of key, or a version of a value, that is not known here
 *   ERR_CORRUPT      the bytes are not what their version says
 */
enum err decode_record(enum decode_kind kind, struct slice key, struct slice value, struct strbuf *out) MUST_CHECK;

#endif
