/*
 * Written by hand rather than with printf, because a broker of 10,000 partitions writes 60,000 lines in one turn.
 */
#include "http/exposition.h"

#include "base/utf8.h"

const char *metric_type_name(enum metric_type t)
{
	static const char *const names[] = {
		[METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram", [METRIC_SUMMARY] = "summary",
	};

	return names[t];
}

static void put(struct exposition *x, const char *s)
{
	strbuf_add_str(x->out, s);
}

static void put_u64(struct exposition *x, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	strbuf_add(x->out, digits + at, sizeof(digits) - at);
}

static void put_name(struct exposition *x, const char *suffix, bool with_total)
{
	put(x, x->name);
	put(x, with_total && x->is_counter ? "_total" : suffix);
}

void exposition_family(struct exposition *x, const char *name, enum metric_type type, const char *help)
{
	bool with_total = !x->is_open_metrics;

	x->name = name;
	x->is_counter = type == METRIC_COUNTER;
	put(x, "# HELP ");
	put_name(x, "", with_total);
	strbuf_add_char(x->out, ' ');
	put(x, help);
	put(x, "\n# TYPE ");
	put_name(x, "", with_total);
	strbuf_add_char(x->out, ' ');
	put(x, metric_type_name(type));
	strbuf_add_char(x->out, '\n');
}

void sample_begin(struct exposition *x, const char *suffix)
{
	put_name(x, suffix, true);
}

/* The brace of a first label is told from the comma of the next by what stands before: names hold neither quotes nor braces. */
static void label_begin(struct exposition *x, const char *name)
{
	strbuf_add_char(x->out, x->out->ptr[x->out->len - 1] == '"' ? ',' : '{');
	put(x, name);
	put(x, "=\"");
}

void sample_label(struct exposition *x, const char *name, const char *value)
{
	label_begin(x, name);
	for (const char *p = value; *p != 0; p++) {
		if (*p == '\n')
			put(x, "\\n");
		else if (*p == '"' || *p == '\\')
			strbuf_add(x->out, (char[]){ '\\', *p }, 2);
		else
			strbuf_add_char(x->out, *p);
	}
	strbuf_add_char(x->out, '"');
}

void sample_label_bytes(struct exposition *x, const char *name, struct slice value)
{
	label_begin(x, name);
	for (size_t i = 0; i < value.len; ) {
		size_t n = utf8_printable_at(value.ptr + i, value.len - i);

		if (value.ptr[i] == '\n')
			put(x, "\\n");
		else if (n == 0 || (value.ptr[i] == '\\' && i + 1 < value.len && value.ptr[i + 1] == 'x'))
			strbuf_printf(x->out, "\\\\x%02x", value.ptr[i]);
		else if (value.ptr[i] == '"' || value.ptr[i] == '\\')
			strbuf_add(x->out, (char[]){ '\\', (char)value.ptr[i] }, 2);
		else
			strbuf_add(x->out, value.ptr + i, n);
		i += MAX(n, 1);
	}
	strbuf_add_char(x->out, '"');
}

void sample_label_i32(struct exposition *x, const char *name, int32_t value)
{
	label_begin(x, name);
	if (value < 0)
		strbuf_add_char(x->out, '-');
	put_u64(x, value < 0 ? (uint64_t)-(int64_t)value : (uint64_t)value);
	strbuf_add_char(x->out, '"');
}

static void value_begin(struct exposition *x)
{
	put(x, x->out->ptr[x->out->len - 1] == '"' ? "} " : " ");
}

void sample_end_i64(struct exposition *x, int64_t value)
{
	value_begin(x);
	if (value < 0)
		strbuf_add_char(x->out, '-');
	put_u64(x, value < 0 ? (uint64_t)0 - (uint64_t)value : (uint64_t)value);
	strbuf_add_char(x->out, '\n');
}

void sample_end_u64(struct exposition *x, uint64_t value)
{
	value_begin(x);
	put_u64(x, value);
	strbuf_add_char(x->out, '\n');
}

void sample_end_double(struct exposition *x, double value)
{
	value_begin(x);
	strbuf_printf(x->out, "%.15g\n", value);
}

void exposition_end(struct exposition *x)
{
	if (x->is_open_metrics)
		put(x, "# EOF\n");
}
