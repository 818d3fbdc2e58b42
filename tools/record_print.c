#include "record_print.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "json_record.h"
#include "value.h"

#define TIME_MAX_MS 253402300799999	/* the end of the year 9999 */

/* ---- what is to be printed ---- */

static const char letters[] = "tpoekvsThHIKVSR%";

bool record_print_set_format(struct record_print *p, const char *text, char error[100])
{
	strbuf_reset(&p->format);
	p->form = RECORD_FORMAT;
	if (!value_unescape(&p->format, text)) {
		snprintf(error, 100, "\\x wants two hexadecimal digits");
		return false;
	}
	for (size_t i = 0; i < p->format.len; i++) {
		if (p->format.ptr[i] != '%')
			continue;
		char c = p->format.ptr[++i];	/* NUL at the end */
		if (c == '\0' || strchr(letters, c) == NULL) {
			snprintf(error, 100, c > ' ' && c < 0x7f ? "there is no %%%c" : "a single %% is written %%%%", c);
			return false;
		}
	}
	return true;
}

bool record_print_set(struct record_print *p, const char *text, char error[100])
{
	static const char *const names[] = { "text", "wide", "json", "ndjson" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			p->form = (enum record_form)i;
			return true;
		}
	}
	if (strchr(text, '%') != NULL)
		return record_print_set_format(p, text, error);
	snprintf(error, 100, "text, wide, json, ndjson, or a format with %% in it");
	return false;
}

void record_print_fini(struct record_print *p)
{
	strbuf_fini(&p->format);
	strbuf_fini(&p->key_separator);
	strbuf_fini(&p->delimiter);
}

/* ---- pieces ---- */

static void add_text(struct strbuf *out, struct slice s, const char *null_text)
{
	if (slice_is_null(s))
		strbuf_add_str(out, null_text);
	else
		strbuf_add_slice(out, s);
}

static void add_visible(struct strbuf *out, struct slice s, const char *null_text)
{
	if (slice_is_null(s))
		strbuf_add_str(out, null_text);
	else if (s.len == 0)
		strbuf_add_str(out, "\"\"");
	value_add_visible(out, s);
}

static void add_headers(struct strbuf *out, const struct record *r, const char *null_text, void (*add)(struct strbuf *, struct slice, const char *))
{
	struct slice rest = r->headers;
	struct record_header h;

	for (const char *comma = ""; record_header_next(&rest, &h); comma = ",") {
		strbuf_add_str(out, comma);
		add(out, h.key, null_text);
		strbuf_add_char(out, '=');
		add(out, h.value, null_text);
	}
}

static void add_length(struct strbuf *out, struct slice s)
{
	strbuf_printf(out, "%lld", slice_is_null(s) ? -1LL : (long long)s.len);
}

static void add_time(struct strbuf *out, time_ms at)
{
	time_t seconds = (time_t)(at / 1000);
	struct tm tm;
	char text[40];

	if (at < 0 || at > TIME_MAX_MS || gmtime_r(&seconds, &tm) == NULL) {
		strbuf_printf(out, "%lld", (long long)at);
		return;
	}
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	strbuf_printf(out, "%s.%03dZ", text, (int)(at % 1000));
}

static int32_t number_at(struct slice s, size_t at, size_t width)
{
	uint32_t n = 0;

	if (s.len < at + width)
		return -1;
	for (size_t i = 0; i < width; i++)
		n = n << 8 | s.ptr[at + i];
	return (int32_t)n;
}

struct control {
	int32_t type, coordinator_epoch;	/* type: 0 abort, 1 commit; others are not for topics of this kind. -1: not there */
};

/* Its key is a version and a type, of 16 bits; a marker's value a version and the coordinator's epoch. */
static struct control control_of(const struct consumer_event *e)
{
	return (struct control){ number_at(e->record.key, 2, 2), number_at(e->record.value, 2, 4) };
}

void record_print_control(struct strbuf *out, const struct consumer_event *e)
{
	struct control c = control_of(e);

	if (c.type == 0 || c.type == 1)
		strbuf_printf(out, "%s of producer %lld, epoch %d, coordinator epoch %d", c.type == 1 ? "commit" : "abort", (long long)e->producer_id, e->producer_epoch,
			      c.coordinator_epoch);
	else
		strbuf_printf(out, "control record of type %d", c.type);
}

static void add_json_control(struct strbuf *out, const struct consumer_event *e)
{
	struct control c = control_of(e);

	if (c.type == 0 || c.type == 1)
		strbuf_printf(out, ",\"control\":\"%s\"", c.type == 1 ? "commit" : "abort");
	else
		strbuf_printf(out, ",\"control\":%d", c.type);
	strbuf_printf(out, ",\"producer_id\":%lld,\"producer_epoch\":%d,\"coordinator_epoch\":%d", (long long)e->producer_id, e->producer_epoch, c.coordinator_epoch);
}

/* What cannot be decoded keeps its line, and says so. */
static void add_decoded(struct strbuf *out, enum decode_kind kind, const struct record *r)
{
	enum err e = decode_record(kind, r->key, r->value, out);

	if (e == OK)
		return;
	strbuf_printf(out, "{\"error\":\"%s\",", e == ERR_UNSUPPORTED ? "unknown version" : "damaged");
	json_write_bytes(out, "key", r->key);
	strbuf_add_char(out, ',');
	json_write_bytes(out, "value", r->value);
	strbuf_add_char(out, '}');
}

/* ---- whole records ---- */

static void add_value(struct strbuf *out, const struct record_print *p, const struct consumer_event *e, const char *null_text)
{
	if (e->is_control)
		record_print_control(out, e);
	else if (p->decode != DECODE_NONE)
		add_decoded(out, p->decode, &e->record);
	else
		add_text(out, e->record.value, null_text);
}

static void add_json(struct strbuf *out, const struct record_print *p, const struct consumer_event *e)
{
	json_record_write(out, e);
	if (!e->is_control && p->decode == DECODE_NONE)
		return;
	strbuf_truncate(out, out->len - 1);
	if (e->is_control) {
		add_json_control(out, e);
	} else {
		strbuf_add_str(out, ",\"decoded\":");
		add_decoded(out, p->decode, &e->record);
	}
	strbuf_add_char(out, '}');
}

static void add_formatted(struct strbuf *out, const struct record_print *p, const struct consumer_event *e, const char *null_text)
{
	const struct record *r = &e->record;

	for (size_t i = 0; i < p->format.len; i++) {
		char c = p->format.ptr[i];
		if (c != '%') {
			strbuf_add_char(out, c);
			continue;
		}
		switch (p->format.ptr[++i]) {
		case 't': strbuf_add_str(out, e->topic); break;
		case 'p': strbuf_printf(out, "%d", e->partition); break;
		case 'o': strbuf_printf(out, "%lld", (long long)e->offset); break;
		case 'e': strbuf_printf(out, "%d", e->leader_epoch); break;
		case 'T': strbuf_printf(out, "%lld", (long long)r->timestamp); break;
		case 'I': add_time(out, r->timestamp); break;
		case 'k': add_text(out, r->key, null_text); break;
		case 'v':
		case 's': add_value(out, p, e, null_text); break;
		case 'h': add_headers(out, r, null_text, add_text); break;
		case 'H': strbuf_printf(out, "%d", r->header_count); break;
		case 'K': add_length(out, r->key); break;
		case 'V':
		case 'S': add_length(out, r->value); break;
		case 'R': {
			uint32_t n = (uint32_t)(slice_is_null(r->value) ? 0xffffffffu : r->value.len);
			uint8_t be[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n };
			strbuf_add(out, be, 4);
			break;
		}
		default:  strbuf_add_char(out, '%'); break;
		}
	}
}

static void add_wide(struct strbuf *out, const struct record_print *p, const struct consumer_event *e)
{
	const char *null_text = p->null_text != NULL ? p->null_text : "null";
	size_t begin = out->len;

	strbuf_printf(out, "%s/%d", e->topic, e->partition);
	strbuf_printf(out, "%*s  %8lld  ", MAX(0, p->place_width - (int)(out->len - begin)), "", (long long)e->offset);
	add_time(out, e->record.timestamp);
	strbuf_add_str(out, "  ");
	if (e->is_control || p->decode != DECODE_NONE) {
		add_value(out, p, e, null_text);
	} else {
		add_visible(out, e->record.key, null_text);
		strbuf_add_str(out, "  ");
		add_visible(out, e->record.value, null_text);
	}
	if (e->record.header_count > 0) {
		strbuf_add_str(out, "  ");
		add_headers(out, &e->record, null_text, add_visible);
	}
	strbuf_add_char(out, '\n');
}

static void add_delimiter(struct strbuf *out, const struct record_print *p)
{
	if (p->delimiter.ptr == NULL)
		strbuf_add_char(out, '\n');
	else
		strbuf_add_slice(out, strbuf_slice(&p->delimiter));
}

void record_print_add(struct strbuf *out, const struct record_print *p, const struct consumer_event *e, bool is_first)
{
	const char *null_text = p->null_text != NULL ? p->null_text : "";

	switch (p->form) {
	case RECORD_TEXT:
		if (p->key_separator.len > 0 && !e->is_control && p->decode == DECODE_NONE) {
			add_text(out, e->record.key, null_text);
			strbuf_add_slice(out, strbuf_slice(&p->key_separator));
		}
		add_value(out, p, e, null_text);
		add_delimiter(out, p);
		break;
	case RECORD_WIDE:
		add_wide(out, p, e);
		break;
	case RECORD_JSON:
		strbuf_add_str(out, is_first ? "[\n" : ",\n");
		add_json(out, p, e);
		break;
	case RECORD_NDJSON:
		add_json(out, p, e);
		strbuf_add_char(out, '\n');
		break;
	case RECORD_FORMAT:
		add_formatted(out, p, e, null_text);
		break;
	}
}

void record_print_end(struct strbuf *out, const struct record_print *p, bool is_empty)
{
	if (p->form == RECORD_JSON)
		strbuf_add_str(out, is_empty ? "[]\n" : "\n]\n");
}
