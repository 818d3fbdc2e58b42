/*
 * UTF-8 as Java sees it: in UTF-16 code units. Bytes that are not UTF-8 read as U+FFFD, each one.
 */
#ifndef SKEIN_UTF16_H
#define SKEIN_UTF16_H

#include "base/slice.h"

#define UTF8_REPLACEMENT 0xfffdu

uint32_t utf8_take(struct slice *s);		/* the code point at the front, taken off; s is not empty */
size_t   utf16_length(struct slice s);		/* Java's String.length() */
uint32_t utf16_hash(struct slice s);		/* the bits of Java's String.hashCode() */

#endif
