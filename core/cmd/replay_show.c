/* replay_show - see replay_show.h; here: the timeline. */
#include "cmd/replay_show.h"

#include <string.h>

#include "base/term.h"
#include "cmd/replay_show_private.h"
#include "event/canonical.h"
#include "event/envelope.h"
#include "event/fields.h"

enum { LATE_COLUMNS = 12, WHO_COLUMNS = 14, WHAT_COLUMNS = 27, WHO_AT = 8 + 2 + 19 + 1 + LATE_COLUMNS + 1,
       WHAT_AT = WHO_AT + WHO_COLUMNS + 1,
       WORDS_AT = WHAT_AT + WHAT_COLUMNS + 1, WORDS_LEAST = 32, SHORT_VALUE = 80, FIELDS_MOST = 8 };

const char *const show_timeline_columns[] = {
	"position", "occurred_at", "recorded_at", "late_seconds", "actor_type", "actor_id", "actor_name", "event_type", "entity_type",
	"entity_id", "conversation_id", "event_id", "words", "changes", "verified", NULL,
};

/* ---- words ---- */

static void add_value(struct bytes raw, struct arena *arena, struct buffer *out)
{
	out_plain(raw.data[0] == '"' ? json_string(raw, arena) : raw, out);
}

static bool is_id(struct bytes raw)
{
	struct uuid id;

	return raw.len == 38 && uuid_parse(raw.data + 1, 36, &id);
}

void show_words(const struct event *e, struct buffer *out)
{
	static const char *const telling[] = { "content", "summary", "root_cause", "fix_description", "comment",
					       "subject", NULL };
	struct bytes key, value;
	struct arena arena;
	size_t at = 0;
	bool told = false;
	int fields = 0;

	arena_init(&arena, 4096);
	for (int i = 0; telling[i] && !told; i++) {
		value = json_member(e->payload, telling[i]);
		told = value.len > 2 && value.data[0] == '"';
		if (told)
			add_value(value, &arena, out);
	}
	while (!told && json_next(e->payload, &at, &key, &value)) {
		if (value.len > SHORT_VALUE || fields == FIELDS_MOST || is_id(value))
			continue;
		buffer_printf(out, "%s%.*s ", fields++ ? ", " : "", (int)key.len, key.data);
		add_value(value, &arena, out);
	}
	arena_release(&arena);
}

/* ---- the lines under an event ---- */

void show_column(const struct row *row, const char *name, struct buffer *out)
{
	const struct column *c = projection_column(row->of, name);
	struct buffer json = { 0 };
	struct arena arena;

	arena_init(&arena, 512);
	if (c && !row_is_null(row, c)) {
		row_json_column(row, c, &json);
		if (c->kind == COLUMN_TIME) /* to the second, without the T */
			buffer_printf(out, "%.10s %.8s", json.data + 1, json.data + 12);
		else
			add_value(buffer_bytes(&json), &arena, out);
	}
	buffer_release(&json);
	arena_release(&arena);
}

static bool is_model(const struct row *row, const char *name)
{
	return strcmp(row->of->name, name) == 0;
}

static void say_transition(const struct row *row, struct buffer *out)
{
	buffer_add_text(out, "state: ");
	show_column(row, "from_state", out);
	if (!row_is_null(row, projection_column(row->of, "from_state")))
		buffer_add_text(out, " -> ");
	show_column(row, "to_state", out);
	buffer_add_text(out, " (");
	show_column(row, "cause", out);
	buffer_add_byte(out, ')');
}

static void say_clock(const struct row *row, struct buffer *out)
{
	buffer_add_text(out, "sla: ");
	show_column(row, "clock", out);
	buffer_add_byte(out, ' ');
	show_column(row, "cycle", out);
	buffer_add_byte(out, ' ');
	show_column(row, "happening", out);
	if (!row_is_null(row, projection_column(row->of, "due_at"))) {
		buffer_add_text(out, ", due ");
		show_column(row, "due_at", out);
	}
}

static void say_anomaly(const struct row *row, struct buffer *out)
{
	buffer_add_text(out, "did not fit: ");
	show_column(row, "read_model", out);
	buffer_add_text(out, ": ");
	show_column(row, "code", out);
	buffer_add_text(out, ": ");
	show_column(row, "text", out);
}

/* Columns of which a change is worth a line in the timeline: not those that other lines tell, or that only count. */
static bool is_news(const struct column *c)
{
	static const char *const dull[] = { "state", "previous_state", "subject", "summary", "status",
					    "current_channel", NULL };
	size_t len = strlen(c->name);

	if (c->hidden || c->kind == COLUMN_JSON || (len > 3 && strcmp(c->name + len - 3, "_at") == 0) ||
	    (len > 6 && strcmp(c->name + len - 6, "_count") == 0))
		return false;
	for (int i = 0; dull[i]; i++)
		if (strcmp(c->name, dull[i]) == 0)
			return false;
	return true;
}

/* A uuid that is a person's is shown by name. */
static void add_cell(struct show *s, const struct row *row, const struct column *c, struct buffer *out)
{
	struct bytes name = { NULL, 0 };
	struct uuid id;

	if (!row || row_is_null(row, c)) {
		buffer_add_text(out, "-");
		return;
	}
	if (c->kind == COLUMN_UUID) {
		memcpy(&id, (const char *)row + c->offset, sizeof(id));
		name = track_name(s->track, ACTOR_USER, &id);
	}
	if (name.data)
		out_plain(name, out);
	else
		show_column(row, c->name, out);
}

static void add_instant(const struct row *row, const struct column *c, struct buffer *out)
{
	char text[TIME_TEXT];
	int64_t t;

	memcpy(&t, (const char *)row + c->offset, sizeof(t));
	buffer_add_text(out, time_format(t, text));
}

void show_change(struct show *s, const struct row *before, const struct row *after, const struct column *c,
		 struct buffer *out)
{
	struct buffer from = { 0 }, to = { 0 };

	add_cell(s, before, c, &from);
	add_cell(s, after, c, &to);
	if (c->kind == COLUMN_TIME && bytes_equal(buffer_bytes(&from), buffer_bytes(&to))) { /* people read seconds; here they do not tell */
		buffer_reset(&from);
		buffer_reset(&to);
		add_instant(before, c, &from);
		add_instant(after, c, &to);
	}
	buffer_printf(out, "%s: %s -> %s", c->name, buffer_text(&from), buffer_text(&to));
	buffer_release(&from);
	buffer_release(&to);
}

static void under(struct show *s, enum term_style style, struct buffer *text)
{
	struct buffer out = { 0 };

	buffer_printf(&out, "%*s%s", WHAT_AT, "", term_style(style, s->colour));
	option_wrap(&out, buffer_text(text), WHAT_AT, WHAT_AT + 2, s->width);
	fwrite(out.data, 1, out.len, s->out->file);
	fputs(term_style(STYLE_PLAIN, s->colour), s->out->file);
	buffer_release(&out);
	buffer_reset(text);
}

static void print_changes(struct show *s, const struct step *step)
{
	struct buffer text = { 0 };

	for (int i = step->first; i < step->first + step->count; i++) {
		const struct change *change = &s->track->changes[i];
		const struct row *row = change->after;
		bool main_row = row->of->entity == ENTITY_CONVERSATION || row->of->entity == ENTITY_RESOLUTION || row->of->entity == ENTITY_USER ||
				row->of->entity == ENTITY_CUSTOMER, told;

		if (is_model(row, "conversation_transitions")) {
			say_transition(row, &text);
			under(s, STYLE_GREEN, &text);
		} else if (is_model(row, "sla_clock_history")) {
			say_clock(row, &text);
			under(s, strstr(buffer_text(&text), "breached") ? STYLE_RED : STYLE_YELLOW, &text);
		} else if (is_model(row, "anomalies")) {
			say_anomaly(row, &text);
			under(s, STYLE_RED, &text);
		}
		told = is_model(row, "conversation_transitions") || is_model(row, "sla_clock_history") ||
		       is_model(row, "anomalies");
		for (int c = 0; c < row->of->column_count && !told && (main_row || s->pause); c++) {
			const struct column *column = &row->of->columns[c];

			if (row_same(change->before, row, column) || column->hidden ||
			    (!s->pause && (!change->before || !is_news(column))))
				continue;
			if (!main_row)
				buffer_printf(&text, "%s.", row->of->name);
			show_change(s, change->before, row, column, &text);
			under(s, STYLE_CYAN, &text);
		}
	}
	buffer_release(&text);
}

/* ---- an event ---- */

bool show_is_wrong(const struct show *s, const struct event *e)
{
	for (int i = 0; i < s->wrong_count; i++)
		if (s->wrong[i] == e)
			return true;
	return false;
}

static int64_t late_us(const struct event *e)
{
	return e->recorded_at - e->occurred_at;
}

static bool is_late(const struct event *e)
{
	return late_us(e) >= LATE_FROM_MS * 1000LL;
}

static void add_who(const struct step *step, struct buffer *out)
{
	const struct event *e = step->event;
	char id[UUID_TEXT];

	if (step->actor.data)
		out_plain(step->actor, out);
	else if (uuid_is_nil(&e->actor_id))
		buffer_add_text(out, values_actor_type[e->actor_type]);
	else
		buffer_printf(out, "%s %.8s", values_actor_type[e->actor_type], uuid_format(&e->actor_id, id) + 28);
}

/* "+48 min": how long after it occurred the log learned of it. */
static void add_late(struct show *s, const struct event *e, struct buffer *out)
{
	char text[HUMAN_TEXT];
	int64_t us = late_us(e);

	human_duration(us < 0 ? -us : us, text);
	buffer_printf(out, "%s%c%-*s%s ", term_style(is_late(e) ? STYLE_YELLOW : STYLE_DIM, s->colour), us < 0 ? '-' : '+',
		      LATE_COLUMNS - 1 + (int)strlen(text) - term_columns(bytes_text(text)), text,
		      term_style(STYLE_PLAIN, s->colour));
}

static void print_step(struct show *s, const struct step *step)
{
	const struct event *e = step->event;
	struct buffer line = { 0 }, who = { 0 }, cut = { 0 }, words = { 0 };
	char when[TIME_TEXT];
	int columns, least = WORDS_AT + WORDS_LEAST;

	time_format(e->occurred_at, when);
	add_who(step, &who);
	term_cut(&cut, buffer_bytes(&who), WHO_COLUMNS);
	columns = term_columns(buffer_bytes(&cut));
	buffer_printf(&line, "%8lld  %s%.10s %.8s%s ", (long long)e->position, term_style(STYLE_DIM, s->colour),
		      when, when + 11,
		      term_style(STYLE_PLAIN, s->colour));
	add_late(s, e, &line);
	buffer_printf(&line, "%s%*s%s%-*s%s ", buffer_text(&cut), WHO_COLUMNS + 1 - columns, "",
		      term_style(STYLE_DIM, s->colour), WHAT_COLUMNS,
		      e->type ? e->type->name : "(unknown type)", term_style(STYLE_PLAIN, s->colour));
	show_words(e, &words);
	buffer_add_text(&line, term_style(e->type && e->type->entity == ENTITY_MESSAGE ? STYLE_BOLD : STYLE_PLAIN,
					  s->colour));
	if (words.len)
		option_wrap(&line, buffer_text(&words), WORDS_AT, WORDS_AT, s->width > least ? s->width : least);
	else
		buffer_add_byte(&line, '\n');
	buffer_add_text(&line, term_style(STYLE_PLAIN, s->colour));
	if (s->pause)
		buffer_printf(&line, "%10srecorded %.10s %.8s\n", "", time_format(e->recorded_at, when), when + 11);
	if (show_is_wrong(s, e))
		buffer_printf(&line, "%10s%sNOT what was appended: its content does not give its leaf hash%s\n", "",
			      term_style(STYLE_RED, s->colour), term_style(STYLE_PLAIN, s->colour));
	fwrite(line.data, 1, line.len, s->out->file);
	print_changes(s, step);
	buffer_release(&line);
	buffer_release(&who);
	buffer_release(&cut);
	buffer_release(&words);
}

void show_json_change(const struct row *before, const struct row *after, const struct column *c, struct buffer *out)
{
	char id[UUID_TEXT];

	buffer_printf(out, "\"read_model\":\"%s.%s\",\"id\":\"%s\",\"column\":\"%s\",\"from\":", after->of->schema,
		      after->of->name,
		      uuid_format(&after->id, id), c->name);
	row_json_column(before, c, out);
	buffer_add_text(out, ",\"to\":");
	row_json_column(after, c, out);
}

static void json_step(struct show *s, const struct step *step)
{
	const struct event *e = step->event;
	struct buffer out = { 0 }, text = { 0 };
	bool any = false;

	envelope_to_json(e, &text);
	buffer_printf(&out, "{\"kind\":\"event\",%.*s,\"actor_name\":", (int)(text.len - 2), text.data + 1);
	if (step->actor.data)
		canonical_string(step->actor, &out);
	else
		buffer_add_text(&out, "null");
	buffer_reset(&text);
	show_words(e, &text);
	buffer_add_text(&out, ",\"words\":");
	canonical_string(buffer_bytes(&text), &out);
	buffer_printf(&out, ",\"names_the_subject\":%s,\"late_seconds\":%lld,\"verified\":%s,\"changes\":[",
		      step->own ? "true" : "false",
		      is_late(e) ? (long long)(late_us(e) / TIME_SECOND) : 0LL, show_is_wrong(s, e) ? "false" : "true");
	for (int i = step->first; i < step->first + step->count; i++) {
		const struct change *change = &s->track->changes[i];

		for (int c = 0; c < change->after->of->column_count; c++) {
			const struct column *column = &change->after->of->columns[c];

			if (column->hidden || row_same(change->before, change->after, column))
				continue;
			buffer_add_text(&out, any ? ",{" : "{");
			show_json_change(change->before, change->after, column, &out);
			buffer_add_byte(&out, '}');
			any = true;
		}
	}
	buffer_add_text(&out, "]}");
	out_object(s->out, buffer_bytes(&out), true);
	buffer_release(&out);
	buffer_release(&text);
}

/* The clocks as they stand after this step. */
static void print_clocks(struct show *s, const struct step *step)
{
	struct track *t = s->track;
	struct buffer text = { 0 };

	for (int entry = 0; entry < t->entry_count; entry++) {
		const struct row *clock = NULL;

		for (int i = 0; i < step->first + step->count; i++)
			if (t->changes[i].entry == entry && is_model(t->changes[i].after, "sla_clocks"))
				clock = t->changes[i].after;
		if (!clock)
			continue;
		buffer_add_text(&text, "clock ");
		show_column(clock, "clock", &text);
		buffer_add_byte(&text, ' ');
		show_column(clock, "cycle", &text);
		buffer_add_text(&text, ": ");
		show_column(clock, "state", &text);
		if (!row_is_null(clock, projection_column(clock->of, "due_at"))) {
			buffer_add_text(&text, ", due ");
			show_column(clock, "due_at", &text);
		}
		under(s, STYLE_DIM, &text);
	}
	buffer_release(&text);
}

void show_timeline(struct show *s)
{
	bool table = s->out->format == OUT_TABLE;

	s->out->columns = show_timeline_columns;
	if (table)
		fprintf(s->out->file, "%s%8s  %-19s %-*s %-*s %s%s\n", term_style(STYLE_BOLD, s->colour), "position",
			"occurred", LATE_COLUMNS,
			"recorded", WHO_COLUMNS, "who", "what", term_style(STYLE_PLAIN, s->colour));
	for (int i = 0; i < s->track->step_count; i++) {
		if (s->pause && i && !s->pause(s->data))
			return;
		if (table)
			print_step(s, &s->track->steps[i]);
		if (table && s->pause)
			print_clocks(s, &s->track->steps[i]);
		if (!table)
			json_step(s, &s->track->steps[i]);
	}
}
