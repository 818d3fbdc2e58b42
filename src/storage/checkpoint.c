/*
 * Text in, entries out. The bytes come from a disk: each line is taken apart as strictly as Kafka
 * does, and nothing is handed on before the whole file has been read once, so that a caller never
 * acts on half of a damaged one.
 */
#include "storage/checkpoint.h"

#include <stdlib.h>

bool checkpoint_number(struct slice text, int64_t *out)
{
	bool is_negative = text.len > 0 && text.ptr[0] == '-';
	size_t i = is_negative ? 1 : 0;
	int64_t v = 0;		/* kept negative: INT64_MIN has no positive twin */

	if (i == text.len)
		return false;
	for (; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		if (__builtin_mul_overflow(v, (int64_t)10, &v) ||
		    __builtin_sub_overflow(v, (int64_t)(text.ptr[i] - '0'), &v))
			return false;
	}
	if (!is_negative && v == INT64_MIN)
		return false;
	*out = is_negative ? v : -v;
	return true;
}

/* Takes the next line off *rest; a last line without '\n' is one too. */
static bool next_line(struct slice *rest, struct slice *line)
{
	const uint8_t *end;

	if (rest->len == 0)
		return false;
	end = memchr(rest->ptr, '\n', rest->len);
	line->ptr = rest->ptr;
	line->len = end != NULL ? (size_t)(end - rest->ptr) : rest->len;
	rest->ptr += line->len + (end != NULL);
	rest->len -= line->len + (end != NULL);
	return true;
}

enum err checkpoint_parse(struct slice text, bool (*line)(void *arg, struct slice line), void *arg)
{
	struct slice l;
	int64_t version, count;

	if (text.len == 0)
		return OK;
	if (!next_line(&text, &l) || !checkpoint_number(l, &version) || version != 0)
		return ERR_CORRUPT;
	if (!next_line(&text, &l) || !checkpoint_number(l, &count) || count < 0)
		return ERR_CORRUPT;
	for (; count > 0; count--)
		if (!next_line(&text, &l) || !line(arg, l))
			return ERR_CORRUPT;
	return text.len == 0 ? OK : ERR_CORRUPT;
}

/* Topic names hold no blanks, so the fields are what lies between the single ones. */
bool checkpoint_parse_entry(struct slice line, struct checkpoint_entry *e)
{
	const uint8_t *end = line.ptr + line.len;
	const uint8_t *a = line.len > 0 ? memchr(line.ptr, ' ', line.len) : NULL;
	const uint8_t *b = a != NULL ? memchr(a + 1, ' ', (size_t)(end - a - 1)) : NULL;
	int64_t partition;

	if (b == NULL || a == line.ptr)
		return false;
	if (!checkpoint_number(slice_of(a + 1, (size_t)(b - a - 1)), &partition) ||
	    partition < 0 || partition > INT32_MAX ||
	    !checkpoint_number(slice_of(b + 1, (size_t)(end - b - 1)), &e->offset))
		return false;
	e->topic = slice_of(line.ptr, (size_t)(a - line.ptr));
	e->partition = (int32_t)partition;
	return true;
}

static bool check_line(void *arg, struct slice line)
{
	struct checkpoint_entry e;

	(void)arg;
	return checkpoint_parse_entry(line, &e);
}

struct reading {
	void (*each)(void *arg, const struct checkpoint_entry *e);
	void *arg;
};

static bool give_line(void *arg, struct slice line)
{
	struct reading *r = arg;
	struct checkpoint_entry e;

	if (!checkpoint_parse_entry(line, &e))
		return false;
	r->each(r->arg, &e);
	return true;
}

enum err checkpoint_read(struct os *os, const char *path,
	void (*each)(void *arg, const struct checkpoint_entry *e), void *arg)
{
	struct reading r = { each, arg };
	char *text;
	size_t len;
	enum err err = os_read_file(os, path, CHECKPOINT_BYTES_MAX, &text, &len);

	if (err == ERR_NOT_FOUND)
		return OK;
	if (err != OK)
		return err;
	err = checkpoint_parse(slice_of(text, len), check_line, NULL);
	if (err == OK)
		err = checkpoint_parse(slice_of(text, len), give_line, &r);
	free(text);
	return err;
}

void checkpoint_print(struct strbuf *out, const struct checkpoint_entry *entries, int n)
{
	strbuf_printf(out, "0\n%d\n", n);
	for (int i = 0; i < n; i++)
		strbuf_printf(out, SLICE_FMT " %d %lld\n", SLICE_ARG(entries[i].topic),
			entries[i].partition, 			(long long)entries[i].offset);
}

enum err checkpoint_write(struct os *os, const char *path, const struct checkpoint_entry *entries,
	int n)
{
	struct strbuf b = STRBUF_INIT;
	enum err err;

	checkpoint_print(&b, entries, n);
	err = os_replace_file(os, path, strbuf_cstr(&b), b.len);
	strbuf_fini(&b);
	return err;
}
