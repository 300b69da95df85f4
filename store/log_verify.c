/*
 * log_verify - see log_verify.h.
 *
 * One walk over the events in order of position; batches, tiles and checkpoints are read along with it, in slices, each
 * compared when the walk comes to its end.  The head is taken last of all that is looked at beforehand, so that what
 * is appended meanwhile is no fault.
 */
#include "store/log_verify.h"

#include <stdio.h>

#include "event/canonical.h"
#include "store/log_verify_private.h"

enum { GAP_WINDOW = 25000 }; /* more than log_copy reads in one statement */

const char *fault_name(enum fault fault)
{
	static const char *const names[] = {
#define X(symbol, name) name,
		FAULTS(X)
#undef X
	};

	return names[fault];
}

void log_verify_tell(struct log_verify_walk *w, enum fault fault, int64_t position, const struct event *e, const char *format, ...)
{
	struct finding f = { .fault = fault, .shard = w->v->shard, .position = position };
	va_list args;

	if (w->v->counts[fault]++ >= FINDINGS_TOLD)
		return;
	if (e) {
		f.event_id = e->event_id;
		f.tenant_id = e->tenant_id;
	}
	va_start(args, format);
	vsnprintf(f.text, sizeof(f.text), format, args);
	va_end(args);
	w->v->found(w->v->data, &f);
}

/* ---- one event ---- */

static int verify_event(struct log_verify_walk *w, const struct event *e, struct error *error)
{
	struct merkle_tile *tiles = NULL;
	uint8_t leaf[LEAF_BYTES];
	int status;

	canonical_leaf(e, &w->v->source.log_id, &w->scratch, leaf);
	if (memcmp(leaf, e->leaf_hash, LEAF_BYTES) != 0)
		log_verify_tell(w, FAULT_EVENT, e->position, e, "its content is not what was appended: it does not give its leaf hash");
	if (w->position > 0 && e->recorded_at < w->recorded_at)
		log_verify_tell(w, FAULT_TIME, e->position, e, "it was recorded before the event in front of it");
	w->position = e->position;
	w->recorded_at = e->recorded_at;
	status = log_verify_batch_begin(w, e, error);
	if (status || w->broken)
		return status;
	merkle_add(&w->tree, e->leaf_hash, &w->arena, &tiles);
	if (tiles)
		status = log_verify_tiles(w, tiles, error);
	log_verify_batch_end(w);
	if (!status && w->position == w->checkpoint_size)
		status = log_verify_checkpoints_at(w, error);
	return status;
}

static int read_range(struct log_verify_walk *w, int64_t after, int64_t upto, struct error *error)
{
	struct event *events;
	int count, status = log_copy_begin(w->copy, w->v->shard, after, upto, error);

	while (!status) {
		if (*w->v->stop)
			return error_set(error, E_INTERRUPTED, "stopped by a signal; nothing is said of what was not reached");
		status = log_copy_next(w->copy, &events, &count, error);
		if (status || count == 0)
			break;
		for (int i = 0; i < count && !status; i++)
			status = verify_event(w, &events[i], error);
		arena_reset(&w->arena);
		w->v->events += count;
		atomic_fetch_add(w->v->done, count);
	}
	return status;
}

/* ---- holes ---- */

/*
 * log_copy has met something that is not the next position.  Where is it, and where does the log go on?  `*bad` is the
 * first position that is missing or stands twice, `*resume` the next that stands there once more.
 */
static int find_hole(struct log_verify_walk *w, int64_t *bad, int64_t *resume, bool *doubled, struct error *error)
{
	char shard[NUMBER_TEXT], after[NUMBER_TEXT], limit[NUMBER_TEXT];
	const char *const values[] = { shard, after, limit };
	struct pg_result *rows;
	int64_t expected = w->position + 1;
	int status;

	snprintf(shard, NUMBER_TEXT, "%d", w->v->shard);
	snprintf(after, NUMBER_TEXT, "%lld", (long long)w->position);
	snprintf(limit, NUMBER_TEXT, "%d", GAP_WINDOW);
	status = db_query(w->conn, "SELECT position FROM verbatim.event_log WHERE shard = $1::int2 AND position > $2::int8"
			  " ORDER BY position LIMIT $3::int4", 3, values, &rows, error);
	if (status)
		return status;
	*bad = *resume = 0;
	for (int i = 0; i < db_rows(rows); i++) {
		int64_t position = db_int(rows, i, 0);

		if (*bad && position > *bad) {
			*resume = position;
			break;
		}
		if (*bad)
			continue;
		if (position != expected) {
			*doubled = position < expected;
			*bad = *doubled ? position : expected;
			if (!*doubled) {
				*resume = position;
				break;
			}
		}
		expected = position + 1;
	}
	if (!*bad)
		*bad = expected;
	db_free(rows);
	return 0;
}

static int read_over_holes(struct log_verify_walk *w, struct error *error)
{
	int status = read_range(w, 0, w->v->head, error);

	while (status == E_LOG_GAP) {
		int64_t bad, resume, last;
		bool doubled = false;

		status = find_hole(w, &bad, &resume, &doubled, error);
		if (!status && bad - 1 > w->position && bad - 1 <= w->v->head)
			status = read_range(w, w->position, bad - 1, error);
		if (status)
			return status;
		if (bad > w->v->head)
			return error_set(error, E_BUSY, "shard %d changes while it is read", w->v->shard);
		last = resume == 0 || resume > w->v->head ? w->v->head : resume - 1;
		if (doubled)
			log_verify_tell(w, FAULT_DOUBLED, bad, NULL, "the position stands there more than once; no tree can be made over it");
		else if (last == bad)
			log_verify_tell(w, FAULT_MISSING, bad, NULL, "the event is missing, or stands in a month that the log does not say it is in");
		else
			log_verify_tell(w, FAULT_MISSING, bad, NULL, "the events of positions %lld to %lld are missing", (long long)bad, (long long)last);
		w->broken = true;
		w->position = last;
		status = last < w->v->head ? read_range(w, last, w->v->head, error) : 0;
	}
	return status;
}

/* Events outside of what the log says of itself: no reader meets them, but they are in the table. */
static int find_beside(struct log_verify_walk *w, struct error *error)
{
	char shard[NUMBER_TEXT];
	const char *const values[] = { shard };
	struct pg_result *rows;
	int status;

	snprintf(shard, NUMBER_TEXT, "%d", w->v->shard);
	status = db_query(w->conn,
			  "SELECT e.position, e.event_id FROM (SELECT coalesce((SELECT last_position FROM verbatim.log_batch"
			  " WHERE shard = $1::int2 ORDER BY first_position DESC LIMIT 1), 0) AS p) h, LATERAL ("
			  "(SELECT position, event_id FROM verbatim.event_log WHERE shard = $1::int2 AND position > h.p"
			  " ORDER BY position LIMIT 20) UNION ALL (SELECT position, event_id FROM verbatim.event_log"
			  " WHERE shard = $1::int2 AND position < 1 LIMIT 20)) e", 1, values, &rows, error);
	for (int i = 0; !status && i < db_rows(rows); i++)
		log_verify_tell(w, FAULT_BESIDE, db_int(rows, i, 0), NULL, "event %s stands behind the shard's last batch: nobody appended it",
			    db_text(rows, i, 1));
	if (status)
		return status;
	db_free(rows);
	/* Leaf by leaf, what is not of the positions that log_month gives it (none, where it has no row): some probes of its index. */
	status = db_query(w->conn,
			  "WITH leaf AS (SELECT to_date(right(c.relname, 7), 'YYYY\"m\"MM') AS month FROM pg_inherits i"
			  " JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'verbatim.event_log'::regclass),"
			  " place AS (SELECT l.month::timestamp AT TIME ZONE 'UTC' AS start, m.last_position AS last,"
			  " (l.month + interval '1 month') AT TIME ZONE 'UTC' AS stop,"
			  " coalesce(m.first_position, 9223372036854775807) AS first"
			  " FROM leaf l LEFT JOIN verbatim.log_month m ON m.month = l.month AND m.shard = $1::int2)"
			  " SELECT e.position, e.event_id FROM place p, LATERAL ("
			  "(SELECT position, event_id FROM verbatim.event_log WHERE shard = $1::int2 AND recorded_at >= p.start"
			  " AND recorded_at < p.stop AND position < p.first AND position >= 1 LIMIT 20) UNION ALL"
			  " (SELECT position, event_id FROM verbatim.event_log WHERE shard = $1::int2 AND recorded_at >= p.start"
			  " AND recorded_at < p.stop AND position > p.last LIMIT 20)) e", 1, values, &rows, error);
	for (int i = 0; !status && i < db_rows(rows); i++)
		log_verify_tell(w, FAULT_BESIDE, db_int(rows, i, 0), NULL, "event %s stands in a month that the log does not say it is in",
			    db_text(rows, i, 1));
	if (!status)
		db_free(rows);
	return status;
}

/* ---- the shard ---- */

static int open_walk(struct log_verify_walk *w, struct error *error)
{
	struct log_verify *v = w->v;
	int status = log_copy_open(v->conninfo, v->role, "verbatim verify", &w->copy, &v->source, error);

	if (!status)
		status = db_open(v->conninfo, "verbatim verify", &w->conn, error);
	return status ? status : db_step_down(w->conn, v->role, error);
}

static int verify(struct log_verify_walk *w, struct error *error)
{
	struct log_verify *v = w->v;
	int status = open_walk(w, error);

	if (!status)
		status = log_verify_checkpoints_begin(w, error);
	if (!status)
		status = log_copy_head(w->copy, v->shard, &v->head, v->root, NULL, error);
	if (status == E_LOG_DIVERGED) {
		log_verify_tell(w, FAULT_ROOT, v->head, NULL, "the root of the last batch is no SHA-256");
		status = 0;
	}
	if (!status)
		status = read_over_holes(w, error);
	if (status && status != E_INTERRUPTED && error_get(status)->class != CLASS_RETRY && status != E_NO_ACCESS) {
		log_verify_tell(w, FAULT_UNREADABLE, w->position + 1, NULL, "from here on it cannot be read: %s", error->message);
		w->broken = true;
		status = 0;
	}
	if (!status)
		status = log_verify_batches_finish(w, error);
	if (!status)
		status = log_verify_tiles_finish(w, error);
	if (!status)
		status = log_verify_checkpoints_finish(w, error);
	return status ? status : find_beside(w, error);
}

int log_verify_shard(struct log_verify *v, struct error *error)
{
	struct log_verify_walk w = { .v = v };
	int status;

	arena_init(&w.arena, 64 << 10);
	merkle_init(&w.tree);
	status = verify(&w, error);
	if (!w.broken)
		merkle_root(&w.tree, v->root);
	slices_release(&w.batches);
	slices_release(&w.checkpoints);
	for (int i = 0; i < MERKLE_LEVELS; i++)
		slices_release(&w.tiles[i].slices);
	merkle_release(&w.tree);
	arena_release(&w.arena);
	buffer_release(&w.scratch);
	pg_params_release(&w.params);
	log_copy_close(w.copy);
	db_close(w.conn);
	return status;
}
