/*
 * Big endian loads and stores at any alignment: Kafka's integers, on the wire and on disk.
 */
#ifndef SKEIN_BYTES_H
#define SKEIN_BYTES_H

#include <string.h>

#include "base/base.h"

static inline uint16_t load_be16(const void *p) { uint16_t v; memcpy(&v, p, 2); return __builtin_bswap16(v); }
static inline uint32_t load_be32(const void *p) { uint32_t v; memcpy(&v, p, 4); return __builtin_bswap32(v); }
static inline uint64_t load_be64(const void *p) { uint64_t v; memcpy(&v, p, 8); return __builtin_bswap64(v); }
static inline void store_be16(void *p, uint16_t v) { v = __builtin_bswap16(v); memcpy(p, &v, 2); }
static inline void store_be32(void *p, uint32_t v) { v = __builtin_bswap32(v); memcpy(p, &v, 4); }
static inline void store_be64(void *p, uint64_t v) { v = __builtin_bswap64(v); memcpy(p, &v, 8); }

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "loads swap unconditionally");

#endif
