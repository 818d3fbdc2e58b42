/*
 * Names and texts of errors, and the way from ours to the wire's. Any thread.
 */
#include "base/err.h"

#include <errno.h>

static const struct {
	const char      *name, *text;
	enum kafka_error kafka;
} err_table[ERR_COUNT] = {
#define X(name, kafka, text) [name] = { #name, text, kafka },
	ERR_TABLE(X)
#undef X
};

const char *err_name(enum err e)
{
	return (unsigned)e < ERR_COUNT ? err_table[e].name : "ERR_INTERNAL";
}

const char *err_text(enum err e)
{
	return (unsigned)e < ERR_COUNT ? err_table[e].text : "internal error";
}

enum kafka_error err_to_kafka(enum err e)
{
	return (unsigned)e < ERR_COUNT ? err_table[e].kafka : UNKNOWN_SERVER_ERROR;
}

#define KAFKA_ERROR_MIN (-1)
static const struct {
	const char *name, *text;
	bool        is_retriable;
} kafka_error_table[] = {
#define X(code, name, retriable, text) [(code) - KAFKA_ERROR_MIN] = { #name, text, retriable },
	KAFKA_ERROR_TABLE(X)
#undef X
};

static size_t kafka_error_index(int16_t code)
{
	size_t i = (size_t)(code - KAFKA_ERROR_MIN);

	return i < ARRAY_LEN(kafka_error_table) && kafka_error_table[i].name != NULL ? i : 0;
}

const char *kafka_error_name(int16_t code)
{
	return kafka_error_table[kafka_error_index(code)].name;
}

const char *kafka_error_text(int16_t code)
{
	return kafka_error_table[kafka_error_index(code)].text;
}

bool kafka_error_is_retriable(int16_t code)
{
	return kafka_error_table[kafka_error_index(code)].is_retriable;
}

enum err err_from_errno(int errnum)
{
	switch (errnum) {
	case 0:            return OK;
	case ENOSPC:
	case EDQUOT:       return ERR_NO_SPACE;
	case ENOENT:
	case ENOTDIR:      return ERR_NOT_FOUND;	/* a file in the middle of a path: nothing can be below it */
	case EEXIST:       return ERR_EXISTS;
	case ENOTEMPTY:    return ERR_NOT_EMPTY;
	case EACCES:
	case EPERM:        return ERR_ACCESS;
	case EROFS:        return ERR_READ_ONLY;
	case EISDIR:       return ERR_IS_DIR;
	case EAGAIN:
	case EINPROGRESS:  return ERR_AGAIN;
	case EMFILE:
	case ENFILE:
	case ENOMEM:       return ERR_LIMIT;
	case EPIPE:
	case ECONNRESET:
	case ENOTCONN:     return ERR_CLOSED;
	case ECONNREFUSED: return ERR_REFUSED;
	case EHOSTUNREACH:
	case ENETUNREACH:  return ERR_UNREACHABLE;
	case ETIMEDOUT:    return ERR_TIMEOUT;
	case EADDRINUSE:   return ERR_IN_USE;
	case EINVAL:       return ERR_INVALID;
	case ESPIPE:       return ERR_UNSUPPORTED;	/* what has places was expected, and this is a pipe */
	default:           return ERR_IO;
	}
}
