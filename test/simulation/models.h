/*
 * models - the generations of a world's read models and who rebuilds them, as schema/log, create_rebuild, keeps them.
 *
 *   generation 1   table 0, table 1, table 2       closed: its workers are fenced off
 *   rebuild 1      table 3 (of table 1's rows)     a shadow, until generation 2 is made of it
 *   generation 2   table 0, table 3, table 2       the one that answers
 *
 * A table is rows by key; tables are never given a second time.  Each function is one statement, and happens in one step of
 * the world.  What a transaction changes waits in its session (struct backend) and is done when that commits, all at once;
 * nobody but a session itself sees it before.
 *
 * World's `models` is NULL where nothing rebuilds: then there is one generation, number 1, and its rows stand in world's map.
 */
#ifndef VERBATIM_TEST_MODELS_H
#define VERBATIM_TEST_MODELS_H

#include "store/shadow.h"
#include "world.h"

enum { MODELS_ALIVE_MS = 8000, MODELS_INDEXES = 3 }; /* the database waits for 30 s */

struct models_table {
	const struct projection *of;
	bool there;
	struct map rows;             /* by row_place */
	int doubled;                 /* rows whose key stood there already: nothing sees to that before there is an index */
	bool indexed[MODELS_INDEXES + 1], finished; /* by number, from 1 */
};

struct models_generation {
	bool there, closed;
	int table[GROUP_PROJECTIONS_MAX];
	int64_t position[WORLD_SHARDS + 1]; /* when it is closed; else world_shard has it */
	uint8_t leaf[WORLD_SHARDS + 1][LEAF_BYTES];
};

enum models_state { MODELS_BUILDING, MODELS_SWITCHED, MODELS_GIVEN_UP };

struct models_rebuild {
	int32_t generation, became;
	int wanted[GROUP_PROJECTIONS_MAX], shadows[GROUP_PROJECTIONS_MAX]; /* places in the group, tables */
	int count;
	bool whole, back, told;
	enum models_state state;
	struct uuid owner;
	uint64_t backend;            /* the session of the last beat; 0: none */
	int64_t beat_at, ended_at;
	int64_t folded[WORLD_SHARDS + 1]; /* -1: not yet */
	uint8_t leaf[WORLD_SHARDS + 1][LEAF_BYTES];
	char *event;
};

struct models {
	struct world *world;
	const struct group *group;
	struct models_table *tables;
	int table_count;
	struct models_generation *generations; /* by number, from 1 */
	int32_t generation_count;
	struct models_rebuild *rebuilds;       /* by number, from 1 */
	int32_t rebuild_count;
	int32_t current, marked;               /* the generation that answers; the highest number that was given out */
	struct backend *backends;              /* that the server has */
	uint64_t serial;
	void (*switched)(void *data, const struct models_rebuild *r); /* a switch was committed */
	void *data;
};

/* A row that is to come. */
struct models_row {
	int table;
	bool merged;                 /* or by COPY */
	const struct row *row;       /* in the world's memory */
	struct models_row *next;
};

/* A session, as the server has it. */
struct backend {
	struct models *models;
	struct backend *next;
	uint64_t serial;
	bool begun, failed;          /* in a transaction; it can only be rolled back */
	int32_t owns;                /* the rebuild that nobody may take over until the transaction ends; 0: none */
	bool holds;                  /* workers */
	struct models_row *rows, **rows_end;
	bool folded[WORLD_SHARDS + 1]; /* of the rebuild it owns */
	int64_t position[WORLD_SHARDS + 1];
	uint8_t leaf[WORLD_SHARDS + 1][LEAF_BYTES];
	int32_t next_generation;     /* a switch; 0: none */
	char *event;
	struct map *snapshot;        /* by table: what a transaction of one snapshot sees; NULL: none */
	int snapshot_tables;
	int32_t snapshot_generation; /* that answered */
	struct shadow_position snapshot_at[WORLD_SHARDS + 1];
};

void models_init(struct models *m, struct world *w, const struct group *group);
void models_release(struct models *m);

/* For workers: the table's rows, NULL when it is gone; whether a generation's worker may write; whether it must wait. */
struct map *models_rows(struct models *m, int32_t generation, const struct projection *p);
bool models_fences(const struct models *m, int32_t generation);
bool models_holds(const struct models *m);
int64_t *models_position(struct models *m, int32_t generation, int shard, uint8_t **leaf);

/* Rows of the generation that answers. */
size_t models_count(const struct models *m);

/* Sessions.  An end without commit forgets what waits. */
struct backend *backend_open(struct models *m);
void backend_close(struct backend *s);
void backend_end(struct backend *s, bool commit);
void backend_begin(struct backend *s, bool snapshot);
bool backend_owned_elsewhere(const struct backend *s, int32_t rebuild); /* another transaction has it: who takes it over waits */

/* As of shadow.h; the words of errors are of no matter here. */
int models_begin(struct backend *s, const struct projection *const *wanted, int count, enum shadow_how how, struct shadow_plan *p);
void models_look(struct backend *s, const struct projection *const *wanted, int count, struct shadow_plan *p);
void models_positions(struct backend *s, int32_t generation, struct shadow_position *out);
int models_beat(struct backend *s, const struct shadow_plan *p);
int models_folded(struct backend *s, const struct shadow_plan *p, int16_t shard, int64_t from, int64_t to, const uint8_t *leaf);
int models_index(struct backend *s, const struct shadow_plan *p, const struct projection *projection, int first, int last);
int models_finish(struct backend *s, const struct shadow_plan *p, const struct projection *projection);
int models_bring(struct backend *s, const struct shadow_plan *p, const struct shadow_table *t, int shards);
int models_level(struct backend *s, const struct shadow_plan *p);
int models_hold(struct backend *s, const struct shadow_plan *p);
int models_mark(struct backend *s, const struct shadow_plan *p, int32_t *next);
int models_switch(struct backend *s, const struct shadow_plan *p, int32_t next, const char *event);
int models_give_up(struct backend *s, const struct shadow_plan *p);
void models_leave(struct backend *s, const struct shadow_plan *p);
int models_drop_old(struct models *m, int32_t but);
int models_row(struct backend *s, const char *table, const struct row *row, bool merged);
int models_table_number(const char *name);

#endif
