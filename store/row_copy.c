/*
 * row_copy - see row_copy.h.
 *
 * COPY BINARY: a header of 19 bytes (signature, flags, extension); a row is an int16 number of columns, then for each an
 * int32 length (-1: NULL) and its bytes; the number -1 ends it.  An array is as in pg_codec.h, an empty one has no
 * dimension.
 *
 * Source: PostgreSQL's manual, COPY, "Binary Format".
 */
#include "store/row_copy.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdlib.h>

#include "event/fields.h"
#include "store/pg_rows.h"

enum { SEND_BYTES = 64 << 10, HEADER_BYTES = 19, ARENA_BLOCK = 64 << 10 };

static const char header[HEADER_BYTES] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";

struct row_copy {
	PGconn *conn;
	const char *schema; /* of row_copy_begin's tables */
	const struct projection *of;
	struct pg_params out; /* its buffer alone: what is to be sent */
	struct arena arena;
};

struct row_copy *row_copy_new(struct pg_conn *conn)
{
	struct row_copy *c = mem_zalloc(sizeof(*c));

	c->conn = conn;
	c->schema = "generations";
	arena_init(&c->arena, ARENA_BLOCK);
	return c;
}

void row_copy_set_schema(struct row_copy *c, const char *schema)
{
	c->schema = schema;
}

void row_copy_free(struct row_copy *c)
{
	if (!c)
		return;
	pg_params_release(&c->out);
	arena_release(&c->arena);
	free(c);
}

/* What the server says against a row is about the row; all else is as ever. */
static int failed(struct row_copy *c, const PGresult *r, struct error *error)
{
	const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
	const char *column = r ? PQresultErrorField(r, PG_DIAG_COLUMN_NAME) : NULL;
	int result = db_error(c->conn, r, error);

	if (state && (strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0 || strncmp(state, "54", 2) == 0))
		error->code = result = E_ROW_REFUSED;
	error_prefix(error, "read model \"%s\"%s%s", c->of->name, column ? ", column " : "", column ? column : "");
	return result;
}

static int run(struct row_copy *c, const char *sql, ExecStatusType wanted, struct error *error)
{
	PGresult *r = PQexec(c->conn, sql);
	int result = PQresultStatus(r) == wanted ? 0 : failed(c, r, error);

	PQclear(r);
	return result;
}

/* ---- a row's bytes ---- */

static void put_strings(struct row_copy *c, struct bytes list, bool uuids)
{
	struct buffer *b = &c->out.data;
	struct bytes key, raw;
	size_t at = 0, began = b->len;
	uint32_t count = 0;
	char *head = buffer_reserve(b, 24);

	b->len += 24;
	while (json_next(list, &at, &key, &raw)) {
		struct bytes text = json_string(raw, &c->arena);
		struct uuid id;

		count++;
		if (uuids && uuid_parse(text.data, text.len, &id))
			pg_item(&c->out, id.b, sizeof(id.b));
		else
			pg_item(&c->out, text.data, text.len);
	}
	if (count == 0)
		b->len = began + 16;
	head = b->data + began;
	put_be32(head, (uint32_t)(b->len - began - 4));
	put_be32(head + 4, count > 0);
	put_be32(head + 8, 0);
	put_be32(head + 12, uuids ? OID_UUID : OID_TEXT);
	if (count) {
		put_be32(head + 16, count);
		put_be32(head + 20, 1);
	}
}

static void put_number(struct row_copy *c, enum column_kind kind, int64_t n)
{
	char b[8];

	if (n == INT_NONE) {
		pg_item_null(&c->out);
	} else if (kind == COLUMN_INT2) {
		put_be16(b, (uint16_t)n);
		pg_item(&c->out, b, 2);
	} else if (kind == COLUMN_INT4) {
		put_be32(b, (uint32_t)n);
		pg_item(&c->out, b, 4);
	} else {
		put_be64(b, (uint64_t)(kind == COLUMN_TIME ? n - TIME_PG_EPOCH : n));
		pg_item(&c->out, b, 8);
	}
}

static bool number_fits(enum column_kind kind, int64_t n)
{
	return n == INT_NONE || (kind == COLUMN_INT2 ? n == (int16_t)n : kind == COLUMN_INT4 ? n == (int32_t)n : true);
}

/* False when the value does not fit its kind. */
static bool put_text(struct row_copy *c, enum column_kind kind, struct bytes text)
{
	if (!text.data) {
		pg_item_null(&c->out);
	} else if (kind == COLUMN_JSON) {
		put_be32(buffer_reserve(&c->out.data, text.len + 5), (uint32_t)text.len + 1);
		c->out.data.len += 4;
		buffer_add_byte(&c->out.data, 1); /* the format's version */
		buffer_add_bytes(&c->out.data, text);
	} else if (kind == COLUMN_INET) {
		return pg_item_inet(&c->out, text);
	} else if (kind == COLUMN_TEXTS || kind == COLUMN_UUIDS) {
		put_strings(c, text, kind == COLUMN_UUIDS);
	} else {
		pg_item(&c->out, text.data, text.len);
	}
	return true;
}

static bool put_column(struct row_copy *c, const struct column *column, const char *at)
{
	struct bytes text;
	int64_t number;
	int16_t word;

	switch (column->kind) {
	case COLUMN_UUID:
		if (uuid_is_nil((const struct uuid *)(const void *)at))
			pg_item_null(&c->out);
		else
			pg_item(&c->out, at, sizeof(struct uuid));
		return true;
	case COLUMN_ENUM:
		memcpy(&word, at, sizeof(word));
		if (word < 0)
			pg_item_null(&c->out);
		else
			pg_item(&c->out, column->values[word], strlen(column->values[word]));
		return true;
	case COLUMN_BOOL:
		if (*at < 0)
			pg_item_null(&c->out);
		else
			pg_item(&c->out, at, 1);
		return true;
	case COLUMN_DECIMAL:
		memcpy(&number, at, sizeof(number));
		if (number == INT_NONE)
			pg_item_null(&c->out);
		else
			pg_item_decimal(&c->out, number, column->scale);
		return true;
	case COLUMN_INT2:
	case COLUMN_INT4:
	case COLUMN_INT8:
	case COLUMN_TIME:
		memcpy(&number, at, sizeof(number));
		if (!number_fits(column->kind, number))
			return false;
		put_number(c, column->kind, number);
		return true;
	default:
		memcpy(&text, at, sizeof(text));
		return put_text(c, column->kind, text);
	}
}

/* ---- rows in ---- */

static void add_columns(struct buffer *sql, const struct projection *p, const char *of)
{
	static const char *const every_row[] = { "tenant_id", "id", "last_position" };

	for (int i = 0; i < 3; i++)
		buffer_printf(sql, "%s%s%s", i ? ", " : "", of, every_row[i]);
	for (int i = 0; i < p->column_count; i++)
		buffer_printf(sql, ", %s\"%s\"", of, p->columns[i].name);
}

int row_copy_begin(struct row_copy *c, const struct projection *p, const char *table, struct error *error)
{
	struct buffer sql = { 0 };
	int result;

	c->of = p;
	buffer_printf(&sql, "COPY \"%s\".\"%s\" (", strncmp(table, "pg_temp.", 8) == 0 ? "pg_temp" : c->schema,
		      strncmp(table, "pg_temp.", 8) == 0 ? table + 8 : table);
	add_columns(&sql, p, "");
	buffer_add_text(&sql, ") FROM STDIN (FORMAT binary)");
	result = run(c, buffer_text(&sql), PGRES_COPY_IN, error);
	buffer_release(&sql);
	pg_params_reset(&c->out);
	buffer_add(&c->out.data, header, sizeof(header));
	return result;
}

static int send_rows(struct row_copy *c, struct error *error)
{
	int sent = PQputCopyData(c->conn, c->out.data.data, (int)c->out.data.len);
	PGresult *r;
	int result = 0;

	buffer_reset(&c->out.data);
	if (sent == 1)
		return 0;
	r = PQgetResult(c->conn);
	result = failed(c, r, error);
	PQclear(r);
	return result;
}

/* The rest of the row is not sent; the server is told, so that the session can be used on. */
static int refuse(struct row_copy *c, const struct column *column, struct error *error)
{
	PGresult *r;

	PQputCopyEnd(c->conn, "a value does not fit");
	while ((r = PQgetResult(c->conn)))
		PQclear(r);
	return error_field(error, E_ROW_REFUSED, c->of->name, "read model \"%s\": a value of column \"%s\" does not fit its type",
			   c->of->name, column->name);
}

int row_copy_put(struct row_copy *c, const struct row *row, struct error *error)
{
	const struct projection *p = c->of;

	arena_reset(&c->arena);
	put_be16(buffer_reserve(&c->out.data, 2), (uint16_t)(3 + p->column_count));
	c->out.data.len += 2;
	pg_item(&c->out, row->tenant_id.b, sizeof(row->tenant_id.b));
	pg_item(&c->out, row->id.b, sizeof(row->id.b));
	put_number(c, COLUMN_INT8, row->last_position);
	for (int i = 0; i < p->column_count; i++)
		if (!put_column(c, &p->columns[i], (const char *)row + p->columns[i].offset))
			return refuse(c, &p->columns[i], error);
	return c->out.data.len < SEND_BYTES ? 0 : send_rows(c, error);
}

int row_copy_end(struct row_copy *c, struct error *error)
{
	int result = 0;
	PGresult *r;

	put_be16(buffer_reserve(&c->out.data, 2), UINT16_MAX);
	c->out.data.len += 2;
	result = send_rows(c, error);
	if (result == 0 && PQputCopyEnd(c->conn, NULL) != 1)
		result = failed(c, NULL, error);
	while ((r = PQgetResult(c->conn))) {
		if (result == 0 && PQresultStatus(r) != PGRES_COMMAND_OK)
			result = failed(c, r, error);
		PQclear(r);
	}
	return result;
}

/* ---- changed rows ---- */

static int make_temporary(struct row_copy *c, const struct projection *p, const char *table, struct error *error)
{
	struct buffer sql = { 0 };
	int result;

	buffer_printf(&sql, "CREATE TEMPORARY TABLE IF NOT EXISTS \"m_%s\" (LIKE generations.\"%s\") ON COMMIT DELETE ROWS", p->name, table);
	result = run(c, buffer_text(&sql), PGRES_COMMAND_OK, error);
	buffer_release(&sql);
	return result;
}

int row_copy_merge(struct row_copy *c, const struct projection *p, const char *table, struct row *changed, struct error *error)
{
	struct buffer sql = { 0 };
	char temporary[PG_NAME_MAX + 16];
	int result;

	c->of = p;
	snprintf(temporary, sizeof(temporary), "pg_temp.m_%s", p->name);
	result = make_temporary(c, p, table, error);
	if (result == 0)
		result = row_copy_begin(c, p, temporary, error);
	for (struct row *row = changed; row && result == 0; row = row->next_changed)
		if (row->of == p)
			result = row_copy_put(c, row, error);
	if (result == 0)
		result = row_copy_end(c, error);
	if (result)
		return result;
	buffer_printf(&sql, "INSERT INTO generations.\"%s\" (", table);
	add_columns(&sql, p, "");
	buffer_add_text(&sql, ") SELECT ");
	add_columns(&sql, p, "");
	buffer_printf(&sql, " FROM pg_temp.\"m_%s\" ON CONFLICT (id, tenant_id) DO UPDATE SET last_position = excluded.last_position", p->name);
	for (int i = 0; i < p->column_count; i++)
		buffer_printf(&sql, ", \"%s\" = excluded.\"%s\"", p->columns[i].name, p->columns[i].name);
	result = run(c, buffer_text(&sql), PGRES_COMMAND_OK, error);
	buffer_release(&sql);
	return result;
}

/* ---- rows out ---- */

/* One row of COPY's bytes; false when it is none. */
static bool take_row(struct row_copy *c, const char *data, int len, struct row *row)
{
	const struct projection *p = c->of;
	const char *end = data + len;
	int columns = len >= 2 ? (int16_t)get_be16(data) : 0;

	if (columns != 3 + p->column_count)
		return false;
	data += 2;
	for (int i = 0; i < columns; i++) {
		int32_t n = end - data >= 4 ? (int32_t)get_be32(data) : -2;

		data += 4;
		if (n < -1 || n > end - data)
			return false;
		if (i < 2 && n != 16)
			return false;
		if (i < 2)
			memcpy(i ? &row->id : &row->tenant_id, data, 16);
		else if (i == 2)
			row->last_position = pg_get_int(data, n);
		else
			pg_take_column(data, n, &p->columns[i - 3], (char *)row + p->columns[i - 3].offset, &c->arena);
		data += n > 0 ? n : 0;
	}
	return data == end;
}

static int read_rows(struct row_copy *c, row_copy_fn each, void *data, struct error *error)
{
	struct row *row = mem_zalloc(c->of->row_bytes);
	int skip = HEADER_BYTES, result = 0, len;
	char *line = NULL;

	while (result == 0 && (len = PQgetCopyData(c->conn, &line, 0)) > 0) {
		int at = skip < len ? skip : len;

		skip = 0;
		arena_reset(&c->arena);
		memset(row, 0, c->of->row_bytes);
		row->of = c->of;
		row->exists = true;
		if (len - at == 2 && (int16_t)get_be16(line + at) == -1)
			; /* the end */
		else if (len > at && !take_row(c, line + at, len - at, row))
			result = error_set(error, E_DATABASE, "read model \"%s\": a row came back in another form", c->of->name);
		else if (len > at)
			result = each(data, row, error);
		PQfreemem(line);
		line = NULL;
	}
	free(row);
	return result;
}

int row_copy_read(struct row_copy *c, const struct projection *p, const char *table, row_copy_fn each, void *data, struct error *error)
{
	struct buffer sql = { 0 };
	char *line;
	PGresult *r;
	int result;

	c->of = p;
	buffer_add_text(&sql, "COPY (SELECT tenant_id, id, last_position");
	for (int i = 0; i < p->column_count; i++)
		buffer_printf(&sql, ", \"%s\"::%s", p->columns[i].name, pg_kind_type(p->columns[i].kind));
	buffer_printf(&sql, " FROM generations.\"%s\") TO STDOUT (FORMAT binary)", table);
	result = run(c, buffer_text(&sql), PGRES_COPY_OUT, error);
	buffer_release(&sql);
	if (result)
		return result;
	result = read_rows(c, each, data, error);
	while (result && PQgetCopyData(c->conn, &line, 0) > 0)
		PQfreemem(line);
	while ((r = PQgetResult(c->conn))) {
		if (result == 0 && PQresultStatus(r) != PGRES_COMMAND_OK)
			result = failed(c, r, error);
		PQclear(r);
	}
	return result;
}
