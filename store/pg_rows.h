/*
 * pg_rows - the read models' tables as the sessions know them: names, column types, statements made from the
 * column tables.
 *
 * A physical table is generations.<schema>_<name>_v<version>_g<generation>, or .._r<rebuild> when a rebuild made it.
 * Which generation a session's rows belong to, and what its tables are called, it learns from `checkpoint`, which
 * therefore comes before `load`, `project` and `due`.
 */
#ifndef VERBATIM_STORE_PG_ROWS_H
#define VERBATIM_STORE_PG_ROWS_H

#include "fold/projection.h"
#include "store/pg_codec.h"
#include "store/pg_session.h"

enum { PG_NAME_MAX = 63, PG_SHAPES_MAX = 64 };

struct pg_table {
	const struct projection *projection;
	int generation;
	char name[PG_NAME_MAX + 1]; /* within schema generations */
	struct pg_statement load;
	struct pg_statement due, names; /* pg_due.c, pg_names.c; without text until they are asked for */
};

/* A write: which projections of the group have rows to insert (bit 2i) and to update (bit 2i + 1). */
enum { PG_MASK_WORDS = 2 * GROUP_PROJECTIONS_MAX / 64 };

/*
 * Columns of one kind of write whose values differ between the rows of a batch, as far as this session has seen.
 * The others go out as one value for all rows: most columns of a wide row hold NULL or their fallback, and a
 * value that is not unnested, parsed and copied a row costs nothing.  What has varied once stays on the list, so
 * that a session soon settles on its statements; a kind that does not settle is sent whole.
 */
enum { PG_COLUMN_WORDS = 2, PG_CHANGES_MAX = 6 };

struct pg_varying {
	uint64_t columns[PG_COLUMN_WORDS];
	int changes;
};

struct pg_shape {
	const struct group *group;
	int generation;
	bool fenced;
	uint64_t mask[PG_MASK_WORDS];
	uint64_t (*varying)[PG_COLUMN_WORDS]; /* by kind; NULL: every column varies */
	struct pg_statement statement;
	struct pg_shape *next;
};

struct pg_tables {
	struct pg_table *tables;
	int count;
	int loads; /* names given to load statements */
	struct pg_shape *shapes;
	int shape_count;
	struct row **rows;   /* of the write under way, by kind of write */
	int rows_capacity;
	int first[2 * GROUP_PROJECTIONS_MAX + 1]; /* where a kind's rows begin in `rows` */
	struct pg_varying *varying;               /* by kind of write */
	int probes[2 * GROUP_PROJECTIONS_MAX];    /* kinds tried one by one to find the refused one */
	int *numbers;        /* of the load under way: key numbers, by projection */
	int numbers_capacity;
	int asked[GROUP_PROJECTIONS_MAX];         /* query -> index of tables */
	int asked_first[GROUP_PROJECTIONS_MAX + 1]; /* query -> where its numbers begin */
};

struct pg_tables *pg_tables_new(void);
void pg_tables_free(struct pg_tables *t);
void pg_tables_reconnect(struct pg_tables *t); /* a new connection knows no statement */
/* `names`: its tables in the group's order, parted by commas; false when there are not as many. */
bool pg_tables_set(struct pg_tables *t, const struct group *group, int generation, struct bytes names) must_check;
struct pg_table *pg_tables_find(struct pg_tables *t, const struct projection *p); /* NULL before a checkpoint */

/* The shape of one such write, built when it is new; `few`: nothing is known yet of the columns. */
struct pg_shape *pg_shape_get(struct pg_tables *t, const struct group *group, int generation, bool fenced, bool few,
			      const uint64_t mask[PG_MASK_WORDS]);

static inline bool pg_column_varies(const struct pg_shape *s, int kind, int column)
{
	return !s->varying || column >= 64 * PG_COLUMN_WORDS || (s->varying[kind][column / 64] >> (column % 64) & 1);
}

/* Names and types from the tables of the projections; the name is that of a table the generation made itself. */
void pg_table_name(const struct projection *p, int generation, char out[PG_NAME_MAX + 1]);
const char *pg_kind_type(enum column_kind kind);
const char *pg_column_type(const struct column *c); /* the column's own, or its kind's */

/* One value in its kind's own type (`len` -1: NULL) into a row; texts go into the arena. */
void pg_take_column(const char *data, int len, const struct column *c, char *to, struct arena *arena);

#endif
