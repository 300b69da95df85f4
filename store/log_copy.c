/*
 * log_copy - see log_copy.h.
 *
 * A row of COPY BINARY is an int16 number of columns, then for each an int32 length (-1: NULL) and its bytes; the
 * stream begins with a header of 19 bytes (signature, flags, extension) and ends with the number -1.  libpq hands
 * over one row a call, in memory of its own: a block keeps those of its rows, and its events point into them.
 *
 *   ready --log_copy_begin--> between slices --COPY--> in a slice --end of COPY--> between slices --upto--> ready
 *
 * Slices begin small, so that whoever wants ten events does not make the server read twenty thousand.
 *
 * Half of what a row costs the server is its columns, one by one: those that only some ask for come last, or not at all.
 * An event of a type that this binary does not know is needed whole, and the slice begins again there.
 *
 * Source: PostgreSQL's manual, COPY, "Binary Format".
 */
#include "store/log_copy.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "event/catalog/values.h"
#include "store/db.h"
#include "store/pg_codec.h"

enum { SLICE_FIRST = 2000, SLICE = 20000, HEADER_BYTES = 19, COLUMNS = 21, COLUMNS_FOLDED = 16 };

#define FOLDED "position, recorded_at, occurred_at, event_version, silent, event_id, tenant_id, entity_id, conversation_id," \
	       " customer_id, resolution_id, actor_id, causation_id, event_type, actor_type, payload"
#define BESIDES ", correlation_id, entity_type, leaf_hash, actor_ip, actor_user_agent"

/* The leaf that holds positions from `first` up to where the next one begins. */
struct month {
	int64_t first;
	char from[32], to[32]; /* bounds of recorded_at, as the server printed them */
};

struct log_copy {
	PGconn *conn;
	int16_t shard;
	int64_t next, upto;  /* the next position to give; the last one */
	int64_t slice_end;   /* last position of the slice under way */
	int64_t slice_span;
	bool folding;        /* only what folds look at */
	bool copying;
	struct month *months;
	int month_count, month;
	struct event events[LOG_COPY_BLOCK];
	char *rows[LOG_COPY_BLOCK]; /* libpq's */
	int count;
	struct arena arena;  /* texts that are not in the rows as they are */
};

/* ---- the session ---- */

static int settle(struct log_copy *l, const char *role, struct log_copy_source *source, struct error *error)
{
	struct pg_result *rows;
	int status = db_step_down(l->conn, role, error);

	if (status)
		return status;
	/* In order of position by the index, whatever the statistics of a young leaf say. */
	status = db_exec(l->conn, "SET jit = off; SET enable_seqscan = off; SET enable_bitmapscan = off;"
			 " SET max_parallel_workers_per_gather = 0", error);
	if (status || !source)
		return status;
	status = db_query(l->conn, "SELECT log_id, epoch, shards, (extract(epoch FROM created_at) * 1000000)::int8"
			  " FROM verbatim.log_identity", 0, NULL, &rows, error);
	if (status)
		return status;
	if (db_rows(rows) != 1 || !uuid_parse(db_text(rows, 0, 0), strlen(db_text(rows, 0, 0)), &source->log_id))
		status = error_set(error, E_UNSUITABLE, "the database holds no log; 'verbatim init' makes one");
	source->epoch = status ? 0 : (int32_t)db_int(rows, 0, 1);
	source->shards = status ? 0 : (int16_t)db_int(rows, 0, 2);
	source->created_at = status ? TIME_NONE : db_int(rows, 0, 3);
	db_free(rows);
	return status;
}

int log_copy_open(const char *conninfo, const char *role, const char *name, struct log_copy **out,
		  struct log_copy_source *source, struct error *error)
{
	struct log_copy *l = mem_zalloc(sizeof(*l));
	int status;

	*out = NULL;
	arena_init(&l->arena, 4096);
	status = db_open(conninfo, name, &l->conn, error);
	if (!status)
		status = settle(l, role, source, error);
	if (status)
		log_copy_close(l);
	else
		*out = l;
	return status;
}

static void give_back_rows(struct log_copy *l)
{
	for (int i = 0; i < l->count; i++)
		PQfreemem(l->rows[i]);
	l->count = 0;
	arena_reset(&l->arena);
}

void log_copy_close(struct log_copy *l)
{
	if (!l)
		return;
	give_back_rows(l);
	db_close(l->conn);
	free(l->months);
	arena_release(&l->arena);
	free(l);
}

/* Whoever asks for something else amid a slice: what is left of it (it is bounded) is taken and forgotten. */
static void drop_slice(struct log_copy *l)
{
	PGresult *result;
	char *data;

	if (!l->copying)
		return;
	l->copying = false;
	while (PQgetCopyData(l->conn, &data, 0) > 0)
		PQfreemem(data);
	while ((result = PQgetResult(l->conn)))
		PQclear(result);
}

/* ---- places in the log ---- */

int log_copy_head(struct log_copy *l, int16_t shard, int64_t *position, uint8_t root[LEAF_BYTES], int64_t *recorded_at,
		  struct error *error)
{
	char number[8];
	const char *values[] = { number };
	struct pg_result *rows;
	int status;

	drop_slice(l);
	snprintf(number, sizeof(number), "%d", shard);
	status = db_query(l->conn, "SELECT last_position, encode(root, 'hex'), (extract(epoch FROM recorded_at) * 1000000)::int8"
			  " FROM verbatim.log_batch WHERE shard = $1::int2 ORDER BY first_position DESC LIMIT 1",
			  1, values, &rows, error);
	if (status)
		return status;
	*position = 0;
	if (recorded_at)
		*recorded_at = TIME_NONE;
	if (root)
		memset(root, 0, LEAF_BYTES);
	if (db_rows(rows)) {
		const char *hex = db_text(rows, 0, 1);

		*position = db_int(rows, 0, 0);
		if (recorded_at)
			*recorded_at = db_int(rows, 0, 2);
		if (root && !hex_decode(hex, strlen(hex), root, LEAF_BYTES))
			status = error_set(error, E_LOG_DIVERGED, "shard %d: the root of its last batch is no SHA-256", shard);
	}
	db_free(rows);
	return status;
}

/*
 * recorded_at never goes back within a shard: a search by halves over the batches, each step of which looks at the
 * one that holds the middle.  What lies up to lo is not after the instant, what lies behind hi is.  A batch that is
 * missing does not stop the search; that is for the reading to find.
 */
const char log_copy_position_sql[] =
	"WITH RECURSIVE search (lo, hi) AS ("
	" SELECT 0::int8, coalesce((SELECT last_position FROM verbatim.log_batch WHERE shard = $1::int2"
	" ORDER BY first_position DESC LIMIT 1), 0)"
	" UNION ALL"
	" SELECT CASE WHEN b.old THEN greatest(b.last_position, (s.lo + s.hi + 1) / 2) ELSE s.lo END,"
	" CASE WHEN b.old THEN s.hi ELSE least(b.first_position, (s.lo + s.hi + 1) / 2) - 1 END"
	" FROM search s, LATERAL (SELECT first_position, last_position,"
	" recorded_at <= timestamptz 'epoch' + $2::int8 * interval '1 microsecond' AS old"
	" FROM verbatim.log_batch WHERE shard = $1::int2 AND first_position <= (s.lo + s.hi + 1) / 2"
	" ORDER BY first_position DESC LIMIT 1) b WHERE s.lo < s.hi)"
	" SELECT max(lo) FROM search";

int log_copy_position_at(struct log_copy *l, int16_t shard, int64_t at, int64_t *position, struct error *error)
{
	char number[8], time[24];
	const char *values[] = { number, time };
	char text[24];
	int status;

	drop_slice(l);
	snprintf(number, sizeof(number), "%d", shard);
	snprintf(time, sizeof(time), "%lld", (long long)at);
	status = db_value(l->conn, log_copy_position_sql, 2, values, text, sizeof(text), error);
	*position = status ? 0 : strtoll(text, NULL, 10);
	return status;
}

/* ---- reading ---- */

static int find_months(struct log_copy *l, struct error *error)
{
	char number[8], upto[24];
	const char *values[] = { number, upto };
	struct pg_result *rows;
	int status;

	snprintf(number, sizeof(number), "%d", l->shard);
	snprintf(upto, sizeof(upto), "%lld", (long long)l->upto);
	status = db_query(l->conn, "SELECT first_position, month::timestamp || '+00', (month + interval '1 month') || '+00'"
			  " FROM verbatim.log_month WHERE shard = $1::int2 AND first_position <= $2::int8 ORDER BY first_position",
			  2, values, &rows, error);
	if (status)
		return status;
	l->month = 0;
	l->month_count = db_rows(rows);
	l->months = mem_realloc(l->months, (size_t)(l->month_count + 1) * sizeof(*l->months));
	for (int i = 0; i < l->month_count; i++) {
		l->months[i].first = db_int(rows, i, 0);
		snprintf(l->months[i].from, sizeof(l->months[i].from), "%s", db_text(rows, i, 1));
		snprintf(l->months[i].to, sizeof(l->months[i].to), "%s", db_text(rows, i, 2));
	}
	l->months[l->month_count].first = l->upto + 1;
	db_free(rows);
	return 0;
}

static int begin(struct log_copy *l, int16_t shard, int64_t after, int64_t upto, bool folding, struct error *error)
{
	assert(after >= 0);
	drop_slice(l);
	give_back_rows(l);
	l->shard = shard;
	l->next = after + 1;
	l->upto = upto;
	l->slice_span = SLICE_FIRST;
	l->folding = folding;
	return upto > after ? find_months(l, error) : 0;
}

int log_copy_begin(struct log_copy *l, int16_t shard, int64_t after, int64_t upto, struct error *error)
{
	return begin(l, shard, after, upto, false, error);
}

int log_copy_begin_folding(struct log_copy *l, int16_t shard, int64_t after, int64_t upto, struct error *error)
{
	return begin(l, shard, after, upto, true, error);
}

static int gap(struct log_copy *l, int64_t found, struct error *error)
{
	if (found)
		return error_set(error, E_LOG_GAP, "shard %d: position %lld stands where %lld should", l->shard,
				 (long long)found, (long long)l->next);
	return error_set(error, E_LOG_GAP, "shard %d: position %lld is missing in the log", l->shard, (long long)l->next);
}

static int begin_slice(struct log_copy *l, struct error *error)
{
	char sql[1024];
	const struct month *m;
	PGresult *result;
	int status = 0;

	while (l->month < l->month_count && l->months[l->month + 1].first <= l->next)
		l->month++;
	if (l->month == l->month_count)
		return gap(l, 0, error);
	m = &l->months[l->month];
	l->slice_end = l->next + l->slice_span - 1 < m[1].first - 1 ? l->next + l->slice_span - 1 : m[1].first - 1;
	l->slice_span = SLICE;
	/* Numbers and the server's own dates: nothing of it comes from outside. */
	snprintf(sql, sizeof(sql),
		 "COPY (SELECT " FOLDED "%s FROM verbatim.event_log"
		 " WHERE shard = %d AND position BETWEEN %lld AND %lld AND recorded_at >= '%s' AND recorded_at < '%s'"
		 " ORDER BY position) TO STDOUT (FORMAT binary)",
		 l->folding ? "" : BESIDES, l->shard, (long long)l->next, (long long)l->slice_end, m->from, m->to);
	result = PQexec(l->conn, sql);
	if (PQresultStatus(result) == PGRES_COPY_OUT)
		l->copying = true;
	else
		status = db_error(l->conn, result, error);
	PQclear(result);
	return status;
}

/* ---- one row ---- */

/* Walks over the columns of one row; a row that is not what the format says sets `bad`. */
struct columns {
	const char *at, *end;
	bool bad;
	bool strange; /* a value that no engine stores, and that decoding would pass for one that it does */
};

static struct bytes next_column(struct columns *c)
{
	int32_t len;
	struct bytes b = { 0 };

	if (c->bad || c->end - c->at < 4) {
		c->bad = true;
		return b;
	}
	len = (int32_t)get_be32(c->at);
	c->at += 4;
	if (len < 0)
		return b;
	if (len > c->end - c->at) {
		c->bad = true;
		return b;
	}
	b = bytes_of(c->at, (size_t)len);
	c->at += len;
	return b;
}

/* A number or time of so many bytes, never NULL. */
static const char *next_fixed(struct columns *c, size_t len)
{
	static const char zero[8];
	struct bytes b = next_column(c);

	assert(len <= sizeof(zero));
	c->bad = c->bad || b.len != len;
	return c->bad ? zero : b.data;
}

static struct uuid next_uuid(struct columns *c)
{
	struct bytes b = next_column(c);
	struct uuid u = { 0 };

	if (b.len == sizeof(u.b))
		memcpy(u.b, b.data, sizeof(u.b));
	else
		c->bad = c->bad || b.data;
	c->strange = c->strange || (b.data && uuid_is_nil(&u)); /* absent is NULL */
	return u;
}

/* What no fold looks at. */
static void take_besides(struct log_copy *l, struct columns *c, struct event *e)
{
	struct bytes leaf, ip;

	e->correlation_id = next_uuid(c);
	e->entity_type = next_column(c);
	leaf = next_column(c); /* one of another length can be no leaf: zeroes, which no event hashes to */
	if (leaf.len == LEAF_BYTES && !c->strange)
		memcpy(e->leaf_hash, leaf.data, LEAF_BYTES);
	ip = next_column(c);
	if (ip.data)
		e->actor_ip = pg_get_inet(ip.data, (int)ip.len, &l->arena);
	e->actor_user_agent = next_column(c);
}

static int take_event(struct log_copy *l, char *row, int len, struct event *e, struct error *error)
{
	int columns = l->folding ? COLUMNS_FOLDED : COLUMNS;
	struct columns c = { row + 2, row + len, len < 2 || get_be16(row) != columns, false };
	struct bytes actor;

	*e = (struct event){ .shard = l->shard };
	e->position = (int64_t)get_be64(next_fixed(&c, 8));
	e->recorded_at = pg_get_time(next_fixed(&c, 8));
	e->occurred_at = pg_get_time(next_fixed(&c, 8));
	e->version = (int32_t)get_be32(next_fixed(&c, 4));
	e->silent = *next_fixed(&c, 1) == 1;
	e->event_id = next_uuid(&c);
	e->tenant_id = next_uuid(&c);
	e->entity_id = next_uuid(&c);
	e->conversation_id = next_uuid(&c);
	e->customer_id = next_uuid(&c);
	e->resolution_id = next_uuid(&c);
	e->actor_id = next_uuid(&c);
	e->causation_id = next_uuid(&c);
	e->type_name = next_column(&c);
	actor = next_column(&c);
	e->actor_type = actor_type_find(actor);
	c.strange = c.strange || !bytes_is(actor, values_actor_type[e->actor_type]);
	e->payload = next_column(&c);
	e->type = catalog_find(e->type_name);
	if (!l->folding)
		take_besides(l, &c, e);
	else if (e->type)
		e->entity_type = bytes_text(entity_name(e->type->entity));
	if (c.bad)
		return error_set(error, E_DATABASE, "shard %d, position %lld: the server sent a row that is none", l->shard,
				 (long long)l->next);
	if (e->position != l->next)
		return gap(l, e->position, error);
	l->next++;
	return 0;
}

/* ---- a block ---- */

/* The stream has ended: what the server has to say about it. */
static int end_slice(struct log_copy *l, int ended, struct error *error)
{
	PGresult *result;
	int status = 0;

	l->copying = false;
	if (ended < -1)
		status = db_error(l->conn, NULL, error);
	while ((result = PQgetResult(l->conn))) {
		if (!status && PQresultStatus(result) != PGRES_COMMAND_OK)
			status = db_error(l->conn, result, error);
		PQclear(result);
	}
	if (!status && l->next <= l->slice_end)
		status = gap(l, 0, error);
	return status;
}

/* One message of the stream: the header, a row, or the trailer; the first may hold a row behind the header. */
static int take_message(struct log_copy *l, struct error *error)
{
	char *data, *row;
	int len = PQgetCopyData(l->conn, &data, 0), status;

	if (len < 0)
		return end_slice(l, len, error);
	row = data;
	if (len >= HEADER_BYTES && memcmp(data, "PGCOPY\n\377\r\n", 11) == 0) {
		row += HEADER_BYTES;
		len -= HEADER_BYTES;
	}
	if (len < 2 || get_be16(row) == UINT16_MAX) {
		PQfreemem(data);
		return 0;
	}
	l->rows[l->count] = data;
	status = take_event(l, row, len, &l->events[l->count++], error);
	if (status || !l->folding || l->events[l->count - 1].type)
		return status;
	l->folding = false;
	l->next--;
	PQfreemem(l->rows[--l->count]);
	drop_slice(l);
	return 0;
}

int log_copy_next(struct log_copy *l, struct event **events, int *count, struct error *error)
{
	int status = 0;

	give_back_rows(l);
	while (!status && l->count < LOG_COPY_BLOCK && (l->copying || l->next <= l->upto))
		status = l->copying ? take_message(l, error) : begin_slice(l, error);
	*events = l->events;
	*count = status ? 0 : l->count;
	return status;
}
