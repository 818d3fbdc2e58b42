/*
 * 16 bytes are 21 characters of 6 bits and one of 2 bits: the last character's low four bits must be zero, so that every
 * uuid has one text and every accepted text one uuid.
 */
#include "base/uuid.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *uuid_to_text(struct uuid u, char text[UUID_TEXT_LEN + 1])
{
	unsigned bits = 0;
	int n_bits = 0, out = 0;

	for (size_t i = 0; i < sizeof(u.bytes); i++) {
		bits = bits << 8 | u.bytes[i];
		for (n_bits += 8; n_bits >= 6; n_bits -= 6)
			text[out++] = alphabet[bits >> (n_bits - 6) & 63];
	}
	text[out++] = alphabet[bits << (6 - n_bits) & 63];
	ASSERT(out == UUID_TEXT_LEN);
	text[out] = 0;
	return text;
}

bool uuid_from_text(struct uuid *u, struct slice text)
{
	struct uuid result = UUID_ZERO;
	unsigned bits = 0;
	int n_bits = 0;
	size_t out = 0;

	if (text.len != UUID_TEXT_LEN)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		const char *at = text.ptr[i] != 0 ? strchr(alphabet, text.ptr[i]) : NULL;
		if (at == NULL)
			return false;
		bits = bits << 6 | (unsigned)(at - alphabet);
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			result.bytes[out++] = (uint8_t)(bits >> n_bits);
		}
	}
	if ((bits & ((1u << n_bits) - 1)) != 0)
		return false;
	*u = result;
	return true;
}
