/*
 * replay_subject - a subject from the log to the screen: where in the log, which events, their folds, what was checked,
 * and the head and tail around what is shown.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/term.h"
#include "cmd/interrupt.h"
#include "cmd/replay.h"
#include "cmd/replay_show.h"

#define AHEAD TIME_DAY /* of the database's clock: engines stop at seconds */

void replay_versions(const char *zones, struct buffer *out)
{
	bool any = false;

	buffer_add_text(out, "{\"verbatim\":\"" VERBATIM_VERSION "\"");
	if (zones)
		buffer_printf(out, ",\"time_zones\":\"%s\"", zones);
	buffer_add_text(out, ",\"read_models\":{");
	for (int g = 0; g < group_count; g++)
		for (int i = 0; i < groups[g]->count; i++, any = true)
			buffer_printf(out, "%s\"%s.%s\":%d", any ? "," : "", groups[g]->projections[i]->schema,
				      groups[g]->projections[i]->name,
				      groups[g]->projections[i]->version);
	buffer_add_text(out, "}}");
}

/* ---- where in the log ---- */

static int check_place(const struct replay *r, int64_t position, const struct log_place *place, struct error *error)
{
	if (position > place->head)
		return error_set(error, E_NOT_FOUND, "position %lld lies behind the end of shard %d, which is %lld", (long long)position,
				 r->shard, (long long)place->head);
	if (place->position == 0)
		return error_set(error, E_NOT_FOUND, "nothing had been recorded by then in the tenant's shard");
	return 0;
}

static int find_place(struct replay *r, const struct moment *m, struct log_place *place, struct error *error)
{
	int status;

	if (r->about.bound) { /* batches are not theirs to see: the events' own fields must do */
		place->position = m->position > 0 ? m->position : INT64_MAX;
		place->recorded_at = m->position > 0 ? TIME_MAX : m->time;
		return 0;
	}
	status = log_find_place(r->log, r->shard, m->position > 0 ? TIME_MAX : m->time, m->position, place, error);
	return status ? status : check_place(r, m->position, place, error);
}

/* The place is the one that was asked for, or else the last event's: never where the log happens to end. */
static int find_root(struct replay *r, struct error *error)
{
	int64_t last = r->scope.events[r->scope.count - 1]->position, position = r->at.given ? r->place.position : last;
	int status;

	if (r->about.bound) {
		r->place.position = r->at.position > 0 ? r->at.position : last;
		return 0;
	}
	status = verify_ask(&r->verify, r->log, r->shard, position, r->scope.events, r->scope.count, error);
	r->place = r->verify.standing.place;
	if (!status)
		status = check_place(r, position, &r->place, error);
	memcpy(r->root, r->verify.standing.root, LEAF_BYTES);
	r->has_root = !status;
	return status;
}

/* ---- reading ---- */

/*
 * Months are made ahead, and a statement that names none plans for each of them.  Nothing was recorded later than the
 * database's clock says, unless that was set back: then the shard's head tells, and all months are asked.
 */
static int gather_events(struct replay *r, struct find_limits *limits, struct error *error)
{
	int status = scope_gather(&r->scope, r->log, &r->subject, limits, zones_source(r->zones), error);

	if (!status && r->scope.count == 0)
		status = error_set(error, E_NOT_FOUND, "no event%s of tenant %s is about %s '%s'",
				   r->at.given ? " up to then" : "",
				   r->options->tenant ? r->options->tenant : "", subject_name(r->subject.kind), r->id);
	return status ? status : find_root(r, error);
}

static bool is_clock_back(const struct replay *r, int64_t bound)
{
	struct log_place place = r->place;

	if (!place.head && log_find_place(r->log, r->shard, TIME_MAX, 0, &place, NULL))
		return false;
	return place.head_at > bound;
}

int replay_gather(struct replay *r, struct error *error)
{
	struct find_limits limits = { .position = INT64_MAX, .recorded_at = r->about.bound ? TIME_MAX : r->about.now + AHEAD,
				      .events = r->options->limit };
	enum subject_kind kind = r->subject.kind;
	int status = 0;

	if (r->since.given)
		status = find_place(r, &r->since, &r->since_place, error);
	if (!status && r->at.given) {
		status = find_place(r, &r->at, &r->place, error);
		limits.position = r->place.position;
		if (r->about.bound)
			limits.recorded_at = r->place.recorded_at;
	}
	if (!status)
		status = gather_events(r, &limits, error);
	if ((!status || status == E_NOT_FOUND) && !r->about.bound && is_clock_back(r, limits.recorded_at)) {
		limits.recorded_at = TIME_MAX;
		scope_release(&r->scope);
		r->subject.kind = kind;
		status = gather_events(r, &limits, error);
	}
	return status;
}

static bool is_before_mark(const struct replay *r, const struct event *e)
{
	return r->about.bound ? e->position <= r->since_place.position && e->recorded_at <= r->since_place.recorded_at
			      : e->position <= r->since_place.position;
}

int replay_fold(struct replay *r, struct error *error)
{
	bool marked = !r->since.given;
	int status = 0;

	track_init(&r->track, &r->subject, zones_source(r->zones));
	for (int i = 0; i < r->scope.count && !status; i++) {
		const struct event *e = r->scope.events[i];

		if (!marked && !is_before_mark(r, e)) {
			track_mark(&r->track);
			marked = true;
		}
		if (!r->as_happened.given || e->occurred_at <= r->as_happened.time)
			status = track_fold(&r->track, e, error);
	}
	if (!marked)
		track_mark(&r->track);
	return status;
}

int replay_check(struct replay *r, struct error *error)
{
	for (int i = 0; i < r->scope.count; i++)
		if (!verify_event(&r->verify, r->scope.events[i], &r->about.log_id))
			continue; /* told at the end, and beside the event */
	if (r->about.bound)
		return 0;
	verify_tiles(&r->verify, r->scope.events, r->scope.count);
	return r->options->verify ? verify_root(&r->verify, r->log, r->shard, &r->place, error) : 0;
}

/* ---- showing ---- */

static void table_head(struct replay *r)
{
	bool colour = term_has_colour(r->out.file);
	char tenant[UUID_TEXT], log_id[UUID_TEXT], when[TIME_TEXT], root[2 * LEAF_BYTES + 1];
	FILE *f = r->out.file;

	fprintf(f, "%s%s %s%s  of tenant %s\n", term_style(STYLE_BOLD, colour), subject_name(r->subject.kind), r->id,
		term_style(STYLE_PLAIN, colour),
		uuid_format(&r->subject.tenant_id, tenant));
	fprintf(f, "log %s, shard %d, position %lld", uuid_format(&r->about.log_id, log_id), r->shard,
		(long long)r->place.position);
	if (r->has_root) {
		hex_encode(r->root, LEAF_BYTES, root);
		fprintf(f, ", recorded %s, epoch %d\nroot %s\n", time_format(r->place.recorded_at, when),
			(int)r->place.epoch, root);
	} else {
		fprintf(f, "\n");
	}
	fprintf(f, "verbatim " VERBATIM_VERSION ", time zones %s\n", zones_version(r->zones));
	if (r->since.given)
		fprintf(f, "what is different from %s (position %lld)\n", r->diff_from, (long long)r->since_place.position);
	else if (r->as_happened.given)
		fprintf(f, "as it had happened by %s\n", time_format(r->as_happened.time, when));
	else if (r->at.given)
		fprintf(f, "as it was known at %s\n", r->options->at);
	fprintf(f, "\n");
}

static void json_head(struct replay *r)
{
	char tenant[UUID_TEXT], id[UUID_TEXT], log_id[UUID_TEXT], when[TIME_TEXT], root[2 * LEAF_BYTES + 1];
	struct buffer out = { 0 };

	buffer_printf(&out, "{\"kind\":\"replay\",\"subject\":\"%s\",\"id\":\"%s\",\"tenant_id\":\"%s\",\"log_id\":\"%s\",\"shard\":%d,\"position\":%lld",
		      subject_name(r->subject.kind), uuid_format(&r->subject.id, id),
		      uuid_format(&r->subject.tenant_id, tenant),
		      uuid_format(&r->about.log_id, log_id), r->shard, (long long)r->place.position);
	if (r->has_root) {
		hex_encode(r->root, LEAF_BYTES, root);
		buffer_printf(&out, ",\"recorded_at\":\"%s\",\"epoch\":%d,\"root\":\"%s\"",
			      time_format(r->place.recorded_at, when), (int)r->place.epoch, root);
	}
	if (r->as_happened.given)
		buffer_printf(&out, ",\"as_happened\":\"%s\"", time_format(r->as_happened.time, when));
	if (r->since.given)
		buffer_printf(&out, ",\"different_from_position\":%lld", (long long)r->since_place.position);
	buffer_add_text(&out, ",\"versions\":");
	replay_versions(zones_version(r->zones), &out);
	buffer_add_byte(&out, '}');
	out_object(&r->out, buffer_bytes(&out), false);
	buffer_release(&out);
}

static void tail(struct replay *r)
{
	struct buffer out = { 0 };

	if (r->out.format == OUT_TABLE) {
		verify_say(&r->verify, &out);
		if (r->scope.unfound)
			buffer_printf(&out, "not looked for: %d messages that events of another conversation name\n",
				      r->scope.unfound);
		fprintf(r->out.file, "\n%s", buffer_text(&out));
	} else {
		buffer_printf(&out, "{\"kind\":\"end\",\"events\":%lld,\"not_looked_for\":%d,",
			      (long long)r->track.step_count, r->scope.unfound);
		verify_json(&r->verify, &out);
		buffer_add_byte(&out, '}');
		out_object(&r->out, buffer_bytes(&out), false);
	}
	buffer_release(&out);
}

/* Between two steps; without a terminal nobody is waited for. */
static bool pause_step(void *data)
{
	struct replay *r = data;
	int c;

	if (r->out.file != stdout || !term_is_terminal(stdout) || !isatty(STDIN_FILENO))
		return true;
	fprintf(stderr, "%s-- Enter: the next, q: enough --%s", term_style(STYLE_DIM, term_has_colour(stderr)),
		term_style(STYLE_PLAIN, term_has_colour(stderr)));
	fflush(stdout);
	c = getchar();
	for (int rest = c; rest != '\n' && rest != EOF;)
		rest = getchar();
	return c != 'q' && c != EOF && !interrupted;
}

void replay_show(struct replay *r)
{
	const char *what = r->options->show ? r->options->show : r->at.given || r->as_happened.given ? "rows" : "timeline";
	struct show s = { .track = &r->track, .out = &r->out, .width = term_width(stdout),
			  .colour = term_has_colour(r->out.pager ? stdout : r->out.file),
			  .pause = r->options->step ? pause_step : NULL, .data = r, .wrong = r->verify.wrong, .wrong_count = r->verify.wrong_count };

	if (!term_is_terminal(stdout))
		s.width = 120;
	if (r->out.format == OUT_TABLE)
		table_head(r);
	else
		json_head(r);
	if (r->since.given) {
		show_difference(&s);
	} else {
		if (strcmp(what, "rows") != 0 || r->options->step)
			show_timeline(&s);
		if (strcmp(what, "timeline") != 0)
			show_rows(&s);
	}
	tail(r);
}

