/*
 * pg_codec - values as PostgreSQL's binary protocol has them: parameters, arrays a column, result fields.
 *
 * A statement's parameters are built one behind the other in one buffer that is kept between requests, so a
 * batch of a thousand events costs no allocation.  An array is written from one field of many structs:
 *
 *     array:  dimensions(4)=1  has_null(4)  element type(4)  count(4)  lower bound(4)=1  { length(4) data }...
 *
 * `items` is an array of pointers to the structs, `offset` where the field stands in each.  An array whose
 * elements are all absent is sent as NULL (unnest gives no row for it, a subscript gives NULL).
 *
 * Source: the *_recv and *_send functions of PostgreSQL (arrayfuncs.c, numeric.c, network.c).
 */
#ifndef VERBATIM_STORE_PG_CODEC_H
#define VERBATIM_STORE_PG_CODEC_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/uuid.h"

struct pg_params {
	struct buffer data;
	size_t *at;   /* where each value begins in data */
	int *lengths; /* -1: NULL */
	int count, capacity;
	const char **values; /* made by pg_params_values */
	int *formats;
};

void pg_params_release(struct pg_params *p);
void pg_params_reset(struct pg_params *p);

/* The values' addresses; valid until the next parameter is added. */
const char *const *pg_params_values(struct pg_params *p);

void pg_param_null(struct pg_params *p);
void pg_param_bool(struct pg_params *p, bool v);
void pg_param_int2(struct pg_params *p, int16_t v);
void pg_param_int4(struct pg_params *p, int32_t v);
void pg_param_int8(struct pg_params *p, int64_t v);
void pg_param_time(struct pg_params *p, int64_t t); /* timestamptz; TIME_NONE is NULL */
void pg_param_uuid(struct pg_params *p, const struct uuid *u); /* nil is NULL */
void pg_param_bytes(struct pg_params *p, const void *data, size_t len); /* text, bytea, json */
void pg_param_text(struct pg_params *p, const char *text);

/* Element types (pg_type.dat). */
enum pg_oid {
	OID_BOOL = 16, OID_BYTEA = 17, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23, OID_TEXT = 25, OID_JSON = 114,
	OID_INET = 869, OID_TIMESTAMPTZ = 1184, OID_NUMERIC = 1700, OID_UUID = 2950, OID_JSONB = 3802,
};

/* An array element by element: begin, then items through the pg_item_* functions, then end. */
size_t pg_array_begin(struct pg_params *p, enum pg_oid element, int count);
void pg_array_end(struct pg_params *p, size_t began, int absent);

/* Makes the array of one element that was put last that element itself. */
void pg_array_first(struct pg_params *p);
void pg_item_null(struct pg_params *p);
void pg_item(struct pg_params *p, const void *data, size_t len);
void pg_item_decimal(struct pg_params *p, int64_t v, int scale);
bool pg_item_inet(struct pg_params *p, struct bytes text); /* false, and nothing is put, when it is no address */

/* Whole arrays from one field of many structs. */
void pg_array_uuid(struct pg_params *p, const void *items, int count, size_t offset);    /* struct uuid, nil absent */
void pg_array_bytes(struct pg_params *p, const void *items, int count, size_t offset, enum pg_oid element); /* struct bytes: TEXT, JSON, JSONB */
void pg_array_fixed(struct pg_params *p, const void *items, int count, size_t offset, size_t len); /* bytea of one length */
void pg_array_time(struct pg_params *p, const void *items, int count, size_t offset);    /* int64_t, TIME_NONE absent */
void pg_array_int32(struct pg_params *p, const void *items, int count, size_t offset);   /* int32_t as int4 */
void pg_array_bool(struct pg_params *p, const void *items, int count, size_t offset);    /* bool or int8_t, -1 absent */
/* int64_t, INT64_MIN absent, as int2, int4 or int8; false when one does not fit (it is then sent as absent). */
bool pg_array_int(struct pg_params *p, const void *items, int count, size_t offset, enum pg_oid element);
/* int64_t times 10^scale as numeric. */
void pg_array_decimal(struct pg_params *p, const void *items, int count, size_t offset, int scale);
/* struct bytes: an address as text; false when one is no address (sent as absent). */
bool pg_array_inet(struct pg_params *p, const void *items, int count, size_t offset);
/* struct bytes: JSON arrays of strings, each as a text[] literal for a cast; false when one is no such array. */
bool pg_array_literals(struct pg_params *p, const void *items, int count, size_t offset);

/* Result fields.  `data`, `len` are one field's bytes; texts come back in the arena. */
struct bytes pg_get_inet(const char *data, int len, struct arena *arena);
struct bytes pg_get_strings(const char *data, int len, bool uuids, struct arena *arena); /* text[] or uuid[] to a JSON array */
struct bytes pg_get_jsonb(const char *data, int len, struct arena *arena);  /* without the blanks PostgreSQL puts in */
int64_t pg_get_decimal(const char *data, int len, int scale); /* times 10^scale; INT64_MIN when it is not finite or too large */
int64_t pg_get_int(const char *data, int len);                /* int2, int4, int8 */
int64_t pg_get_time(const char *data);

#endif
