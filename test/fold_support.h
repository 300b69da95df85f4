/*
 * fold_support - a database in memory, and events from JSON, so that folds run without PostgreSQL.
 *
 * `struct memory_db` keeps committed rows by (read model, tenant, id), as deep copies that share nothing with
 * the state that made them: what a worker would find after a restart.  memory_db_fold is a worker's turn:
 * wants, load, put, fold, commit, done, with the second try when a fold needed a row that nobody foresaw.
 * memory_db_print writes every row and column in one order, so two databases are equal when their texts are;
 * memory_db_digest says the same in a few bytes a read model.
 *
 * `refused` counts values that PostgreSQL would not take: null in a required column, a text that is too long, a number
 * too large for its type.  With `jsonb` set, JSON is kept as jsonb keeps it (members by length, then by bytes), so
 * that folds which depend on the order of members are found out.
 */
#ifndef VERBATIM_TEST_FOLD_SUPPORT_H
#define VERBATIM_TEST_FOLD_SUPPORT_H

#include <assert.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/map.h"
#include "event/envelope.h"
#include "fold/digest.h"
#include "fold/state.h"
#include "projections/registry.h"

struct memory_key {
	struct uuid tenant_id, id;
};

struct memory_db {
	const struct group *group;
	struct arena arena;
	struct map rows[GROUP_PROJECTIONS_MAX];
	int loads, found, inserts, updates; /* what was asked of it */
	int faults;                         /* INSERT of a row that is there, UPDATE of one that is not */
	int refused;
	char refusal[200];                  /* the latest */
	bool jsonb;
};

__attribute__((unused)) static void memory_db_init(struct memory_db *db, const struct group *group)
{
	memset(db, 0, sizeof(*db));
	db->group = group;
	arena_init(&db->arena, 1 << 16);
	for (int i = 0; i < group->count; i++)
		map_init(&db->rows[i], sizeof(struct memory_key));
}

__attribute__((unused)) static void memory_db_release(struct memory_db *db)
{
	for (int i = 0; i < db->group->count; i++)
		map_release(&db->rows[i]);
	arena_release(&db->arena);
}

static int memory_db_index(const struct memory_db *db, const struct projection *p)
{
	for (int i = 0; i < db->group->count; i++)
		if (db->group->projections[i] == p)
			return i;
	assert(!"a read model of another group");
	return -1;
}

/* The committed row, or NULL; stays where it is until the database is released. */
static struct row *memory_db_load(struct memory_db *db, const struct row_key *key)
{
	struct memory_key k = { key->tenant_id, key->id };
	struct row *row = map_find(&db->rows[memory_db_index(db, key->projection)], &k);

	db->loads++;
	db->found += row != NULL;
	return row;
}

static bool memory_db_is_text(const struct column *c)
{
	return c->kind == COLUMN_TEXT || c->kind == COLUMN_JSON || c->kind == COLUMN_TEXTS || c->kind == COLUMN_UUIDS ||
	       c->kind == COLUMN_INET;
}

/* ---- what PostgreSQL would say ---- */

static bool memory_db_number_fits(const struct column *c, int64_t v)
{
	int digits = 0, whole = 18;

	if (c->kind == COLUMN_INT2)
		return v >= INT16_MIN && v <= INT16_MAX;
	if (c->kind == COLUMN_INT4)
		return v >= INT32_MIN && v <= INT32_MAX;
	if (c->kind == COLUMN_DECIMAL && c->sql && sscanf(c->sql, "numeric(%d,", &whole) != 1)
		return false;
	for (uint64_t left = v < 0 ? -(uint64_t)v : (uint64_t)v; left; left /= 10)
		digits++;
	return c->kind != COLUMN_DECIMAL || digits <= whole;
}

static const char *memory_db_refuses(const struct column *c, const char *at)
{
	struct bytes text;
	size_t characters = 0;
	struct uuid id;
	int64_t number;
	int16_t value;
	bool null;

	switch (c->kind) {
	case COLUMN_UUID:
		memcpy(&id, at, sizeof(id));
		null = uuid_is_nil(&id);
		break;
	case COLUMN_ENUM:
		memcpy(&value, at, sizeof(value));
		null = value < 0;
		break;
	case COLUMN_BOOL:
		null = *(const int8_t *)at < 0;
		break;
	case COLUMN_INT2:
	case COLUMN_INT4:
	case COLUMN_INT8:
	case COLUMN_TIME:
	case COLUMN_DECIMAL:
		memcpy(&number, at, sizeof(number));
		null = number == INT64_MIN;
		if (!null && c->kind != COLUMN_TIME && !memory_db_number_fits(c, number))
			return "is out of range";
		break;
	default:
		memcpy(&text, at, sizeof(text));
		null = !text.data;
		for (size_t i = 0; i < text.len; i++)
			characters += ((unsigned char)text.data[i] & 0xc0) != 0x80;
		if (c->sql && strncmp(c->sql, "varchar(", 8) == 0 && characters > strtoul(c->sql + 8, NULL, 10))
			return "is too long";
		if (!null && (c->kind == COLUMN_JSON || c->kind == COLUMN_TEXTS || c->kind == COLUMN_UUIDS) && !json_check(text, 32))
			return "is no JSON";
	}
	return null && c->required ? "is null" : NULL;
}

static void memory_db_inspect(struct memory_db *db, const struct row *row)
{
	const struct projection *p = row->of;

	for (int i = 0; i < p->column_count; i++) {
		const char *how = memory_db_refuses(&p->columns[i], (const char *)row + p->columns[i].offset);

		if (!how)
			continue;
		db->refused++;
		snprintf(db->refusal, sizeof(db->refusal), "%s.%s %s", p->name, p->columns[i].name, how);
	}
}

struct memory_member {
	struct bytes key, value;
};

static int memory_db_member_order(const void *a, const void *b)
{
	const struct memory_member *x = a, *y = b;

	if (x->key.len != y->key.len)
		return x->key.len < y->key.len ? -1 : 1;
	return memcmp(x->key.data, y->key.data, x->key.len);
}

static void memory_db_jsonb(struct bytes json, struct buffer *out)
{
	struct memory_member members[1024];
	bool object = json.len && json.data[0] == '{';
	size_t at = 0, count = 0;

	if (!json.len || (!object && json.data[0] != '[')) {
		buffer_add_bytes(out, json);
		return;
	}
	while (json_next(json, &at, &members[count].key, &members[count].value)) {
		count++;
		assert(count < sizeof(members) / sizeof(members[0]));
	}
	if (object)
		qsort(members, count, sizeof(members[0]), memory_db_member_order);
	buffer_add_byte(out, object ? '{' : '[');
	for (size_t i = 0; i < count; i++) {
		if (i)
			buffer_add_byte(out, ',');
		if (object) {
			buffer_add_byte(out, '"');
			buffer_add_bytes(out, members[i].key);
			buffer_add_text(out, "\":");
		}
		memory_db_jsonb(members[i].value, out);
	}
	buffer_add_byte(out, object ? '}' : ']');
}

static struct bytes memory_db_keep(struct memory_db *db, const struct column *c, struct bytes text)
{
	struct buffer out = { 0 };

	if (!db->jsonb || c->kind != COLUMN_JSON || !text.data)
		return arena_copy(&db->arena, text);
	memory_db_jsonb(text, &out);
	text = arena_copy(&db->arena, buffer_bytes(&out));
	buffer_release(&out);
	return text;
}

/* Stores the changed rows, as a worker's transaction would. */
static void memory_db_commit(struct memory_db *db, const struct row *changed)
{
	for (; changed; changed = changed->next_changed) {
		const struct projection *p = changed->of;
		struct memory_key key = { changed->tenant_id, changed->id };
		void **slot = map_put(&db->rows[memory_db_index(db, p)], &key);
		struct row *row = arena_alloc(&db->arena, p->row_bytes);

		memory_db_inspect(db, changed);
		db->faults += changed->fresh ? *slot != NULL : *slot == NULL;
		db->inserts += changed->fresh;
		db->updates += !changed->fresh;
		memcpy(row, changed, p->row_bytes);
		row->next_changed = NULL;
		row->fresh = row->changed = false;
		for (int i = 0; i < p->column_count; i++) {
			struct bytes *text = (struct bytes *)(void *)((char *)row + p->columns[i].offset);

			if (memory_db_is_text(&p->columns[i]))
				*text = memory_db_keep(db, &p->columns[i], *text);
		}
		*slot = row;
	}
}

/* Loads what the batch needs, or (events NULL) the sums it added to; returns the number of rounds. */
static int memory_db_prepare(struct memory_db *db, struct state *s, const struct event *const *events, int count,
			     struct arena *arena)
{
	int rounds = 0;

	for (;; rounds++) {
		struct row_keys keys = { 0 };

		if (events)
			state_wants(s, events, count, arena, &keys);
		else
			state_sums(s, arena, &keys);
		if (keys.count == 0)
			return rounds;
		for (int i = 0; i < keys.count; i++)
			state_put(s, &keys.keys[i], memory_db_load(db, &keys.keys[i]));
	}
}

/* One batch: folded, committed, done.  Returns how often it had to begin again; -1 when a fold failed. */
__attribute__((unused)) static int memory_db_fold(struct memory_db *db, struct state *s, const struct event *const *events,
						  int count)
{
	struct arena arena;
	struct error error;
	int again = 0, i = 0;

	arena_init(&arena, 1 << 16);
	while (i < count) {
		int err = 0;

		arena_reset(&arena);
		error_clear(&error);
		memory_db_prepare(db, s, events, count, &arena);
		for (i = 0; i < count && err == 0; i++)
			err = state_fold(s, events[i], &error);
		if (err == 0)
			break;
		state_drop(s);
		i = 0;
		if (err != E_CANCELLED || again++ > 100) {
			printf("# fold failed: %s\n", error.message);
			arena_release(&arena);
			return -1;
		}
	}
	memory_db_prepare(db, s, NULL, 0, &arena);
	memory_db_commit(db, s->changed);
	state_done(s);
	arena_release(&arena);
	return again;
}

/* ---- looking ---- */

static const struct projection *memory_db_projection(const struct memory_db *db, const char *name)
{
	for (int i = 0; i < db->group->count; i++)
		if (strcmp(db->group->projections[i]->name, name) == 0)
			return db->group->projections[i];
	assert(!"no such read model");
	return NULL;
}

static void memory_db_print_column(struct buffer *out, const struct column *c, const void *row)
{
	const char *at = (const char *)row + c->offset;
	struct bytes text;
	struct uuid id;
	int64_t number;
	int16_t value;
	int8_t truth;
	char uuid_text[UUID_TEXT], time_text[TIME_TEXT];

	switch (c->kind) {
	case COLUMN_UUID:
		memcpy(&id, at, sizeof(id));
		buffer_add_text(out, uuid_is_nil(&id) ? "null" : uuid_format(&id, uuid_text));
		break;
	case COLUMN_ENUM:
		memcpy(&value, at, sizeof(value));
		buffer_add_text(out, value < 0 ? "null" : c->values[value]);
		break;
	case COLUMN_BOOL:
		memcpy(&truth, at, sizeof(truth));
		buffer_add_text(out, truth < 0 ? "null" : truth ? "true" : "false");
		break;
	case COLUMN_TIME:
		memcpy(&number, at, sizeof(number));
		buffer_add_text(out, number == TIME_NONE ? "null" : time_format(number, time_text));
		break;
	case COLUMN_INT2:
	case COLUMN_INT4:
	case COLUMN_INT8:
	case COLUMN_DECIMAL:
		memcpy(&number, at, sizeof(number));
		if (number == INT_NONE)
			buffer_add_text(out, "null");
		else
			buffer_printf(out, "%lld", (long long)number);
		break;
	case COLUMN_TEXT:
	case COLUMN_JSON:
	case COLUMN_TEXTS:
	case COLUMN_UUIDS:
	case COLUMN_INET:
		memcpy(&text, at, sizeof(text));
		if (text.data)
			buffer_add_bytes(out, text);
		else
			buffer_add_text(out, "null");
		break;
	}
}

static int memory_db_compare(const void *a, const void *b)
{
	const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;
	int order = uuid_compare(&x->tenant_id, &y->tenant_id);

	return order ? order : uuid_compare(&x->id, &y->id);
}

/* Every row of every read model, one line a column; `tenant` NULL: of all tenants.  `positions`: with last_position. */
__attribute__((unused)) static void memory_db_print(const struct memory_db *db, const struct uuid *tenant, bool positions,
						    struct buffer *out)
{
	for (int i = 0; i < db->group->count; i++) {
		const struct projection *p = db->group->projections[i];
		struct row **rows = mem_alloc(sizeof(*rows) * (db->rows[i].count + 1)), *row;
		size_t at = 0, count = 0;

		while ((row = map_next(&db->rows[i], &at, NULL)))
			if (!tenant || uuid_equal(&row->tenant_id, tenant))
				rows[count++] = row;
		qsort(rows, count, sizeof(*rows), memory_db_compare);
		for (size_t r = 0; r < count; r++) {
			char id[UUID_TEXT];

			buffer_printf(out, "%s %s\n", p->name, uuid_format(&rows[r]->id, id));
			if (positions)
				buffer_printf(out, "  last_position %lld\n", (long long)rows[r]->last_position);
			for (int c = 0; c < p->column_count; c++) {
				if (!positions && strcmp(p->columns[c].name, "position") == 0)
					continue;
				buffer_printf(out, "  %s ", p->columns[c].name);
				memory_db_print_column(out, &p->columns[c], rows[r]);
				buffer_add_byte(out, '\n');
			}
		}
		free(rows);
	}
}

/* The digest of each read model, in the group's order. */
__attribute__((unused)) static void memory_db_digest(const struct memory_db *db, struct digest digests[GROUP_PROJECTIONS_MAX])
{
	struct buffer scratch = { 0 };

	memset(digests, 0, sizeof(digests[0]) * GROUP_PROJECTIONS_MAX);
	for (int i = 0; i < db->group->count; i++) {
		const struct row *row;
		size_t at = 0;

		while ((row = map_next(&db->rows[i], &at, NULL)))
			digest_add_row(&digests[i], row, &scratch);
	}
	buffer_release(&scratch);
}

/* One column of one committed row as text ("(none)" without the row); valid until the next call. */
__attribute__((unused)) static const char *memory_db_text(struct memory_db *db, const char *read_model,
							  const struct uuid *tenant, const struct uuid *id, const char *column)
{
	static struct buffer out;
	const struct projection *p = memory_db_projection(db, read_model);
	struct memory_key key = { *tenant, *id };
	struct row *row = map_find(&db->rows[memory_db_index(db, p)], &key);

	buffer_reset(&out);
	if (!row)
		return "(none)";
	assert(projection_column(p, column));
	memory_db_print_column(&out, projection_column(p, column), row);
	return buffer_text(&out);
}

__attribute__((unused)) static int memory_db_count(const struct memory_db *db, const char *read_model)
{
	return (int)db->rows[memory_db_index(db, memory_db_projection(db, read_model))].count;
}

/* ---- events ---- */

/* The group of that name in the registry. */
__attribute__((unused)) static const struct group *fold_group(const char *name)
{
	for (int i = 0; i < group_count; i++)
		if (strcmp(groups[i]->name, name) == 0)
			return groups[i];
	assert(!"no such group");
	return NULL;
}

/* Ids that are easy to read in a failing test. */
__attribute__((unused)) static struct uuid test_id(unsigned kind, unsigned number)
{
	struct uuid id = { { 0 } };

	put_be32(id.b, kind);
	id.b[6] = 0x80;
	id.b[8] = 0x80;
	put_be32(id.b + 12, number);
	return id;
}

/* From one line of NDJSON, through the door that every event goes through; NULL (and a diagnostic) when it is refused. */
__attribute__((unused)) static struct event *event_from_json(struct arena *arena, struct bytes line, int64_t position)
{
	static const struct envelope_limits limits = { .event_bytes = 256 << 10, .depth = 16 };
	struct event *e = arena_zalloc(arena, sizeof(*e));
	struct buffer packed = { 0 };
	struct uuid event_id, tenant_id;
	struct error error;
	msgpack_unpacked unpacked;
	int err;

	error_clear(&error);
	err = envelope_from_json(line, &packed, &event_id, &tenant_id, &error);
	msgpack_unpacked_init(&unpacked);
	if (err == 0 && msgpack_unpack_next(&unpacked, packed.data, packed.len, NULL) != MSGPACK_UNPACK_SUCCESS)
		err = E_INTERNAL;
	if (err == 0)
		err = envelope_decode(&unpacked.data, TIME_MAX - TIME_DAY * 2, &limits, arena, e, &error);
	msgpack_unpacked_destroy(&unpacked);
	buffer_release(&packed);
	if (err < 0) {
		printf("# refused: %s %s\n# %.*s\n", error.field, error.message, (int)line.len, line.data);
		fflush(stdout);
		return NULL;
	}
	e->shard = 1;
	e->position = position;
	e->recorded_at = TIME_DAY * 20000 + position * 1000;
	return e;
}

/* `payload` and `more` (further envelope members, each with a comma in front, or "") are JSON text; `second` counts from a fixed day. */
__attribute__((unused)) static struct event *event_make(struct arena *arena, int64_t position, const char *type,
							struct uuid tenant, struct uuid entity, const char *more,
							int64_t second, const char *payload)
{
	struct buffer line = { 0 };
	struct uuid event_id = test_id(0xeeee, (unsigned)position);
	char id[UUID_TEXT], tenant_text[UUID_TEXT], entity_text[UUID_TEXT], when[TIME_TEXT];
	struct event *e;

	buffer_printf(&line,
		      "{\"event_id\":\"%s\",\"event_type\":\"%s\",\"tenant_id\":\"%s\",\"entity_id\":\"%s\","
		      "\"occurred_at\":\"%s\",\"payload\":%s%s%s}",
		      uuid_format(&event_id, id), type, uuid_format(&tenant, tenant_text), uuid_format(&entity, entity_text),
		      time_format(TIME_DAY * 20000 + second * TIME_SECOND, when), payload, more,
		      strstr(more, "actor_type") ? "" : ",\"actor_type\":\"system\"");
	e = event_from_json(arena, buffer_bytes(&line), position);
	buffer_release(&line);
	assert(e);
	return e;
}

#endif
