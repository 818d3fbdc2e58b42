/*
 * Two tables of errors: ours (enum err: what went wrong here) and the wire's (enum kafka_error: what a client is told).
 * err_to_kafka is the one place where the first becomes the second; it is called where an answer is filled in.
 */
#ifndef SKEIN_ERR_H
#define SKEIN_ERR_H

#include "base/base.h"

/* X(name, Kafka's error, sentence) */
#define ERR_TABLE(X) \
	X(OK,               NONE,                    "success") \
	X(ERR_IO,           KAFKA_STORAGE_ERROR,     "input/output error") \
	X(ERR_NO_SPACE,     KAFKA_STORAGE_ERROR,     "no space left on the device") \
	X(ERR_NOT_FOUND,    UNKNOWN_SERVER_ERROR,    "not found") \
	X(ERR_EXISTS,       UNKNOWN_SERVER_ERROR,    "exists already") \
	X(ERR_ACCESS,       KAFKA_STORAGE_ERROR,     "permission denied") \
	X(ERR_READ_ONLY,    KAFKA_STORAGE_ERROR,     "read-only file system") \
	X(ERR_IS_DIR,       UNKNOWN_SERVER_ERROR,    "is a directory") \
	X(ERR_LOCKED,       UNKNOWN_SERVER_ERROR,    "locked by another process") \
	X(ERR_CORRUPT,      CORRUPT_MESSAGE,         "damaged data") \
	X(ERR_INCOMPLETE,   CORRUPT_MESSAGE,         "data ends too early") \
	X(ERR_INVALID,      INVALID_REQUEST,         "invalid value") \
	X(ERR_TOO_LARGE,    MESSAGE_TOO_LARGE,       "too large") \
	X(ERR_OUT_OF_RANGE, OFFSET_OUT_OF_RANGE,     "out of range") \
	X(ERR_UNSUPPORTED,  UNSUPPORTED_VERSION,     "not supported") \
	X(ERR_LIMIT,        UNKNOWN_SERVER_ERROR,    "a limit of this process is reached") \
	X(ERR_NO_THREAD,    UNKNOWN_SERVER_ERROR,    "no thread can be started: a limit is reached") \
	X(ERR_AGAIN,        UNKNOWN_SERVER_ERROR,    "not now") \
	X(ERR_TIMEOUT,      REQUEST_TIMED_OUT,       "timed out") \
	X(ERR_CLOSED,       NETWORK_EXCEPTION,       "closed") \
	X(ERR_REFUSED,      NETWORK_EXCEPTION,       "connection refused") \
	X(ERR_UNREACHABLE,  NETWORK_EXCEPTION,       "not reachable") \
	X(ERR_IN_USE,       UNKNOWN_SERVER_ERROR,    "address in use") \
	X(ERR_CONN_LOSS,    UNKNOWN_SERVER_ERROR,    "connection to the coordination store lost; perhaps applied") \
	X(ERR_EXPIRED,      UNKNOWN_SERVER_ERROR,    "session of the coordination store expired") \
	X(ERR_BAD_VERSION,  INVALID_UPDATE_VERSION,  "changed by somebody else meanwhile") \
	X(ERR_NOT_EMPTY,    UNKNOWN_SERVER_ERROR,    "has children") \
	X(ERR_OFFLINE,      KAFKA_STORAGE_ERROR,     "log directory is offline") \
	X(ERR_INTERNAL,     UNKNOWN_SERVER_ERROR,    "internal error")

enum err {
#define X(name, kafka, text) name,
	ERR_TABLE(X)
#undef X
	ERR_COUNT
};

const char *err_name(enum err e);	/* "ERR_IO" */
const char *err_text(enum err e);	/* a sentence's part for people */

/* X(code, name, retriable, standard text as Java's clients know it from Errors) */
#include "base/kafka_error.def"
enum kafka_error {
#define X(code, name, retriable, text) name = code,
	KAFKA_ERROR_TABLE(X)
#undef X
};

const char *kafka_error_name(int16_t code);		/* "NONE"; "UNKNOWN_SERVER_ERROR" for codes not in the table */
const char *kafka_error_text(int16_t code);
bool        kafka_error_is_retriable(int16_t code);
/* Of a file: nothing is damaged, there is only no room, or no descriptor, at this moment. It is tried again later. */
static inline bool err_is_passing(enum err e)
{
	return e == ERR_NO_SPACE || e == ERR_LIMIT;
}
enum kafka_error err_to_kafka(enum err e);
/* From errno of a failed system call. */
enum err err_from_errno(int errnum);

#endif
