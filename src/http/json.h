/*
 * JSON as the console's pages read it, appended to a strbuf. Commas come by themselves: one is written unless the text ends where a container or a member begins.
 *
 *	json_open(b, '{'); json_name(b, "topic"); json_bytes_text(b, name); json_close(b, '}');
 *
 * What comes from clients may be of any bytes. Whatever they are, the text is valid UTF-8 and has no '<', '>' or '&' in it: nothing of it can be
 * taken for markup wherever it is put.
 */
#ifndef SKEIN_HTTP_JSON_H
#define SKEIN_HTTP_JSON_H

#include "base/strbuf.h"

void json_open(struct strbuf *b, char bracket);		/* '{' or '[' */
void json_close(struct strbuf *b, char bracket);	/* '}' or ']' */
void json_name(struct strbuf *b, const char *name);	/* constant text of ours: not escaped */
void json_text(struct strbuf *b, struct slice s);	/* null: null. What is not UTF-8 becomes U+FFFD */
void json_str(struct strbuf *b, const char *s);		/* NULL: null */
/* A number; beyond what JavaScript's numbers hold exactly a text, so that no digit is lost. */
void json_i64(struct strbuf *b, int64_t n);
void json_u64(struct strbuf *b, uint64_t n);
void json_bool(struct strbuf *b, bool is_true);
/*
 * Bytes of a record: null, or {"size":n,"text":"..."}, or {"size":n,"hex":"..."} when they are not text (UTF-8 without controls but tab and line ends). Of more than max bytes the
 * first ones, with "cut":true; a character is not cut in two.
 */
void json_content(struct strbuf *b, struct slice s, size_t max);

/* Bytes that are no text, and may be long, as they are: pairs of digits, small letters. */
bool json_is_text(struct slice s);		/* printable UTF-8, all of it */
void json_hex(struct strbuf *b, struct slice s);
bool json_unhex(struct slice hex, struct strbuf *out) MUST_CHECK;	/* the way back, without quotes. False: it is none */

/* Name and value of a member in one. */
void json_member_str(struct strbuf *b, const char *name, const char *s);
void json_member_text(struct strbuf *b, const char *name, struct slice s);
void json_member_i64(struct strbuf *b, const char *name, int64_t n);
void json_member_u64(struct strbuf *b, const char *name, uint64_t n);
void json_member_bool(struct strbuf *b, const char *name, bool is_true);

#endif
