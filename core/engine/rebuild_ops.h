/*
 * rebuild_ops - what a rebuild asks of the world, as one struct of functions: of the database, and of the machine it runs on.
 *
 * Two implementations: rebuild_ops.c, which is store/'s functions of the same names and threads; and
 * test/simulation/fake_rebuild.c, on the fake store with a virtual clock and injected faults.  The rebuild cannot tell
 * them apart.  What they are for stands with store/'s (shadow.h, log_copy.h, row_copy.h); what sessions, readers and
 * copies are made of is the implementation's own.  All block the thread that calls.
 */
#ifndef VERBATIM_ENGINE_REBUILD_OPS_H
#define VERBATIM_ENGINE_REBUILD_OPS_H

#include "store/log_copy.h"
#include "store/row_copy.h"
#include "store/shadow.h"

enum { REBUILD_ATTEND_MS = 100 };

/* Threads that work together until there is no work. */
struct rebuild_crew {
	int count;
	void (*work)(void *data, int number);    /* on a thread of its own, numbers from 0 */
	void (*missing)(void *data, int number); /* instead of it: no thread can be had; on the caller's */
	void (*attend)(void *data);              /* every REBUILD_ATTEND_MS, on the caller's */
	void *data;
};

struct rebuild_ops {
	struct {
		int (*open)(const char *conninfo, const char *name, struct pg_conn **out, struct error *error) must_check;
		int (*tune)(struct pg_conn *c, int64_t index_bytes, struct error *error) must_check; /* for writing rows and making indexes */
		void (*close)(struct pg_conn *c);
		int (*begin)(struct pg_conn *c, struct error *error) must_check;
		int (*begin_snapshot)(struct pg_conn *c, struct error *error) must_check; /* one for the whole transaction, which only reads */
		int (*commit)(struct pg_conn *c, struct error *error) must_check;
		int (*rollback)(struct pg_conn *c, struct error *error) must_check;
	} session;
	struct {
		int (*begin)(struct pg_conn *c, const struct group *group, const struct projection *const *wanted, int count,
			     enum shadow_how how, struct shadow_plan *p, struct error *error) must_check;
		int (*look)(struct pg_conn *c, const struct group *group, const struct projection *const *wanted, int count,
			    struct shadow_plan *p, char *unfinished, size_t size, struct error *error) must_check;
		int (*positions)(struct pg_conn *c, const struct group *group, int32_t generation, struct shadow_position *out, int *count,
				 struct error *error) must_check;
		int (*beat)(struct pg_conn *c, const struct shadow_plan *p, struct error *error) must_check;
		int (*progress)(struct pg_conn *c, const struct shadow_plan *p, const char *name, int64_t done, int64_t total,
				struct error *error) must_check;
		int (*folded)(struct pg_conn *c, const struct shadow_plan *p, int16_t shard, int64_t from, int64_t to,
			      const uint8_t leaf[LEAF_BYTES], struct error *error) must_check;
		int (*index)(struct pg_conn *c, const struct shadow_plan *p, const struct projection *projection, int first, int last,
			     struct error *error) must_check;
		int (*finish)(struct pg_conn *c, const struct shadow_plan *p, const struct projection *projection, struct error *error) must_check;
		int (*bring)(struct pg_conn *c, const struct shadow_plan *p, const struct shadow_table *table, int shards,
			     struct error *error) must_check;
		int (*level)(struct pg_conn *c, const struct shadow_plan *p, struct error *error) must_check;
		int (*hold)(struct pg_conn *c, const struct shadow_plan *p, struct error *error) must_check;
		int (*mark)(struct pg_conn *c, const struct shadow_plan *p, int32_t *next, struct error *error) must_check;
		int (*switch_to)(struct pg_conn *c, const struct shadow_plan *p, int32_t next, int patience_ms, const char *event,
				 int64_t *locked_us, struct error *error) must_check;
		int (*give_up)(struct pg_conn *c, const struct shadow_plan *p, struct error *error) must_check;
		int (*leave)(struct pg_conn *c, const struct shadow_plan *p, struct error *error) must_check;
		int (*untold)(struct pg_conn *c, struct shadow_untold *out, struct error *error) must_check;
		int (*told)(struct pg_conn *c, int32_t rebuild, struct error *error) must_check;
		int (*drop_old)(struct pg_conn *c, const struct group *group, int32_t but, int *count, struct error *error) must_check;
	} shadow;
	struct {
		int (*open)(const char *conninfo, const char *role, const char *name, struct log_copy **out, struct log_copy_source *source,
			    struct error *error) must_check;
		void (*close)(struct log_copy *l);
		int (*begin)(struct log_copy *l, int16_t shard, int64_t after, int64_t upto, struct error *error) must_check;
		int (*begin_folding)(struct log_copy *l, int16_t shard, int64_t after, int64_t upto, struct error *error) must_check;
		int (*next)(struct log_copy *l, struct event **events, int *count, struct error *error) must_check;
	} log;
	struct {
		struct row_copy *(*open)(struct pg_conn *conn);
		void (*close)(struct row_copy *c);
		int (*begin)(struct row_copy *c, const struct projection *p, const char *table, struct error *error) must_check;
		int (*put)(struct row_copy *c, const struct row *row, struct error *error) must_check;
		int (*end)(struct row_copy *c, struct error *error) must_check;
		int (*merge)(struct row_copy *c, const struct projection *p, const char *table, struct row *changed, struct error *error) must_check;
		int (*read)(struct row_copy *c, const struct projection *p, const char *table, row_copy_fn each, void *data,
			    struct error *error) must_check;
	} rows;
	struct {
		int64_t (*now)(void);                  /* µs, monotonic */
		void (*pause)(int64_t ms);
		void (*random)(void *out, size_t len);
		void (*together)(const struct rebuild_crew *crew); /* returns when all have ended */
	} machine;
};

/* PostgreSQL's, with this machine's threads and clock. */
extern const struct rebuild_ops rebuild_ops_real;

#endif
