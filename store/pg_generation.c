/*
 * pg_generation - which generations of read models there are, and the switch from one to another.
 *
 * The switch itself is a function in the database (schema/log, create_switch), for the engine's role may not change
 * views.  What it has swept away afterwards goes in a round of its own: readers wait for the views, never for that.
 */
#include "store/pg_session.h"

void pg_param_versions(struct pg_params *params, const struct group *group)
{
	int count = group ? group->count : 0;
	char text[128];
	size_t began;

	pg_param_text(params, group ? group->name : "");
	began = pg_array_begin(params, OID_TEXT, count);
	for (int i = 0; i < count; i++) {
		snprintf(text, sizeof(text), "%s.%s", group->projections[i]->schema, group->projections[i]->name);
		pg_item(params, text, strlen(text));
	}
	pg_array_end(params, began, 0);
	began = pg_array_begin(params, OID_INT4, count);
	for (int i = 0; i < count; i++) {
		put_be32(text, (uint32_t)group->projections[i]->version);
		pg_item(params, text, 4);
	}
	pg_array_end(params, began, 0);
}

/* ---- which there are: one query a group; and what rebuilds ---- */

static void take_rebuilds(struct store_generations *l, const PGresult *r)
{
	for (int row = 0; row < PQntuples(r) && l->rebuild_count < REBUILDS_SEEN; row++) {
		struct rebuild_seen *seen = &l->rebuilds[l->rebuild_count++];
		struct bytes group = pg_bytes(r, row, 1), step = pg_bytes(r, row, 4);

		*seen = (struct rebuild_seen){
			.rebuild = (int32_t)pg_int(r, row, 0), .read_models = (int32_t)pg_int(r, row, 2), .alive = pg_bool(r, row, 3),
			.done = pg_int(r, row, 5), .total = pg_int(r, row, 6), .spent_us = pg_int(r, row, 7), .begun_at = pg_time(r, row, 8),
		};
		snprintf(seen->group, sizeof(seen->group), "%.*s", (int)group.len, group.data);
		snprintf(seen->step, sizeof(seen->step), "%.*s", (int)step.len, step.data);
	}
}

static void on_generations(struct pg_session *s, int query, const PGresult *r)
{
	struct store_generations *l = (struct store_generations *)s->request;

	if (query == group_count) {
		take_rebuilds(l, r);
		return;
	}
	for (int row = 0; row < PQntuples(r) && l->count < GENERATIONS_MAX; row++)
		l->list[l->count++] = (struct generation){
			.group = groups[query],
			.generation = (int32_t)pg_int(r, row, 0),
			.answers = pg_bool(r, row, 1),
			.folded = !PQgetisnull(r, row, 2) && pg_bool(r, row, 2),
			.shown = pg_bool(r, row, 3),
			.position = PQgetisnull(r, row, 4) ? 0 : pg_int(r, row, 4),
			.created_at = pg_time(r, row, 5),
		};
}

void pg_generations(struct store *store, struct store_generations *r)
{
	struct pg_session *s = pg_of(store);

	r->count = r->rebuild_count = 0;
	if (!pg_begin(s, &r->request, on_generations, pg_finish))
		return;
	for (int g = 0; g < group_count; g++) {
		pg_param_versions(&s->params, groups[g]);
		pg_param_int4(&s->params, GENERATIONS_MAX / group_count);
		pg_run(s, PG_GENERATIONS);
	}
	pg_param_int4(&s->params, REBUILDS_SEEN);
	pg_run(s, PG_REBUILDS);
	pg_round(s, 0);
}

/* ---- the switch ---- */

static const struct {
	const char *word;
	enum switch_outcome outcome;
	const char *busy; /* then E_BUSY, with these words */
} outcomes[] = {
	{ "switched", SWITCH_DONE, NULL },
	{ "answers", SWITCH_DONE, NULL },
	{ "ready", SWITCH_READY, NULL },
	{ "behind", SWITCH_BEHIND, NULL },
	{ "kept", SWITCH_KEPT, NULL },
	{ "busy", SWITCH_BEHIND, "another engine prepares or switches read models" },
	{ "late", SWITCH_BEHIND, "the new generation of the read models does not quite come as far as the old one" },
};

static void on_switch(struct pg_session *s, int query, const PGresult *r)
{
	struct store_switch *w = (struct store_switch *)s->request;

	if (s->round > 1)
		return;
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
		if (strcmp(PQgetvalue(r, 0, 0), outcomes[i].word) == 0) {
			w->outcome = outcomes[i].outcome;
			if (outcomes[i].busy)
				pg_wrong(s, E_BUSY, "%s", outcomes[i].busy);
		}
}

static void on_switch_end(struct pg_session *s)
{
	struct store_switch *w = (struct store_switch *)s->request;

	if (s->round > 1 || w->request.status || w->outcome != SWITCH_DONE) {
		if (s->round > 1 && w->request.status && !w->request.lost) { /* swept another time */
			w->request.status = 0;
			error_clear(&w->request.error);
		}
		pg_finish(s);
		return;
	}
	pg_param_text(&s->params, w->group->name);
	pg_run(s, PG_SWEEP);
	pg_round(s, 0);
}

void pg_switch(struct store *store, struct store_switch *r)
{
	struct pg_session *s = pg_of(store);

	r->outcome = SWITCH_BEHIND;
	if (!pg_begin(s, &r->request, on_switch, on_switch_end))
		return;
	pg_param_text(&s->params, r->group->name);
	pg_param_int4(&s->params, r->generation);
	pg_run(s, PG_SWITCH);
	pg_round(s, 0);
}
