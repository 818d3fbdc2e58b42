/*
 * What a question of administration found: copies in one arena, which is the answer.
 */
#ifndef SKEIN_LIBSKEIN_ANSWER_H
#define SKEIN_LIBSKEIN_ANSWER_H

#include <skein/admin.h>

#include "base/arena.h"
#include "libskein/libskein.h"

struct skein_answer {
	struct arena arena;
};

struct skein_answer *answer_create(void);
void       *answer_array(struct skein_answer *a, int64_t n, size_t size);	/* zeroed; never NULL */
const char *answer_text(struct skein_answer *a, struct slice s);		/* with a NUL; NULL for the null slice */
void        answer_set_error(struct skein_offset *offsets, int32_t count, struct slice topic, int32_t partition, int16_t code);
enum skein_code answer_code(struct skein_error *error, enum err e, const struct client_error *why);

#endif
