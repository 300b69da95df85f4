/* replay_rows - the rows of a subject, and what is different from those at the mark; see replay_show.h. */
#include <string.h>

#include "base/term.h"
#include "cmd/replay_show_private.h"
#include "event/canonical.h"

const char *const show_rows_columns[] = { "read_model", "id", "last_position", "row", NULL };
const char *const show_difference_columns[] = { "read_model", "id", "column", "from", "to", "events", NULL };

/* ---- rows ---- */

enum { NAME_COLUMNS = 28 };

static void print_row(struct show *s, const struct row *row)
{
	struct buffer out = { 0 }, value = { 0 };
	char id[UUID_TEXT];

	buffer_printf(&out, "  %s%s%s  last changed at position %lld\n", term_style(STYLE_CYAN, s->colour),
		      uuid_format(&row->id, id),
		      term_style(STYLE_PLAIN, s->colour), (long long)row->last_position);
	for (int i = 0; i < row->of->column_count; i++) {
		const struct column *c = &row->of->columns[i];

		if (c->hidden || row_is_null(row, c))
			continue;
		buffer_reset(&value);
		show_column(row, c->name, &value);
		buffer_printf(&out, "    %s%-*s%s ", term_style(STYLE_DIM, s->colour), NAME_COLUMNS, c->name,
			      term_style(STYLE_PLAIN, s->colour));
		if (value.len)
			option_wrap(&out, buffer_text(&value), NAME_COLUMNS + 5, NAME_COLUMNS + 5, s->width);
		else
			buffer_add_byte(&out, '\n');
	}
	fwrite(out.data, 1, out.len, s->out->file);
	buffer_release(&out);
	buffer_release(&value);
}

static void json_row(struct show *s, const struct row *row)
{
	struct buffer out = { 0 };
	char id[UUID_TEXT];

	buffer_printf(&out, "{\"kind\":\"row\",\"read_model\":\"%s.%s\",\"id\":\"%s\",\"last_position\":%lld,\"row\":", row->of->schema, row->of->name,
		      uuid_format(&row->id, id), (long long)row->last_position);
	row_json(row, &out);
	buffer_add_byte(&out, '}');
	out_object(s->out, buffer_bytes(&out), true);
	buffer_release(&out);
}

static void heading(struct show *s, const struct projection *p)
{
	fprintf(s->out->file, "\n%s%s.%s%s\n", term_style(STYLE_BOLD, s->colour), p->schema, p->name,
		term_style(STYLE_PLAIN, s->colour));
}

void show_rows(struct show *s)
{
	int count;
	const struct entry *const *entries = track_sorted(s->track, &count);
	const struct projection *before = NULL;

	s->out->columns = show_rows_columns;
	for (int i = 0; i < count; i++) {
		const struct row *row = entries[i]->now;

		if (s->track->subject.kind != SUBJECT_CORRELATION && !subject_has_row(&s->track->subject, row))
			continue; /* a message that has moved to another conversation */
		if (s->out->format != OUT_TABLE) {
			json_row(s, row);
			continue;
		}
		if (row->of != before)
			heading(s, row->of);
		before = row->of;
		print_row(s, row);
	}
}

/* ---- differences ---- */

/* The steps after the mark that changed this column of this row. */
static int causes(const struct track *t, int entry, const struct column *c, const struct step **list, int most)
{
	int count = 0;

	for (int i = t->marked_steps; i < t->step_count; i++)
		for (int n = t->steps[i].first; n < t->steps[i].first + t->steps[i].count; n++) {
			const struct change *change = &t->changes[n];

			if (change->entry == entry && !row_same(change->before, change->after, c) && count < most)
				list[count++] = &t->steps[i];
		}
	return count;
}

static void print_difference(struct show *s, const struct entry *e, const struct column *c,
			     const struct step *const *steps, int count)
{
	struct buffer text = { 0 }, out = { 0 };
	char when[TIME_TEXT];

	show_change(s, e->marked, e->now, c, &text);
	buffer_add_text(&out, "    ");
	option_wrap(&out, buffer_text(&text), 4, 6, s->width);
	for (int i = 0; i < count; i++) {
		const struct event *event = steps[i]->event;

		buffer_printf(&out, "      %sby %s at position %lld, %.10s %.8s", term_style(STYLE_DIM, s->colour),
			      event->type ? event->type->name : "an event of an unknown type", (long long)event->position,
			      time_format(event->occurred_at, when), when + 11);
		if (steps[i]->actor.data) {
			buffer_add_text(&out, ", ");
			out_plain(steps[i]->actor, &out);
		}
		buffer_printf(&out, "%s\n", term_style(STYLE_PLAIN, s->colour));
	}
	fwrite(out.data, 1, out.len, s->out->file);
	buffer_release(&text);
	buffer_release(&out);
}

static void json_difference(struct show *s, const struct entry *e, const struct column *c,
			    const struct step *const *steps, int count)
{
	struct buffer out = { 0 };
	char id[UUID_TEXT], when[TIME_TEXT];

	buffer_add_text(&out, "{\"kind\":\"difference\",");
	show_json_change(e->marked, e->now, c, &out);
	buffer_printf(&out, ",\"new_row\":%s,\"events\":[", e->marked ? "false" : "true");
	for (int i = 0; i < count; i++) {
		const struct event *event = steps[i]->event;

		buffer_printf(&out, "%s{\"position\":%lld,\"event_id\":\"%s\",\"event_type\":", i ? "," : "",
			      (long long)event->position,
			      uuid_format(&event->event_id, id));
		canonical_string(event->type_name, &out);
		buffer_printf(&out, ",\"occurred_at\":\"%s\"}", time_format(event->occurred_at, when));
	}
	buffer_add_text(&out, "]}");
	out_object(s->out, buffer_bytes(&out), true);
	buffer_release(&out);
}

void show_difference(struct show *s)
{
	enum { CAUSES_MOST = 1000 };
	const struct step **steps = mem_alloc(sizeof(*steps) * CAUSES_MOST);
	const struct projection *model = NULL;
	int count, shown = 0;
	const struct entry *const *entries = track_sorted(s->track, &count);

	s->out->columns = show_difference_columns;
	for (int i = 0; i < count; i++) {
		const struct entry *e = entries[i];
		bool named = false;

		for (int n = 0; n < e->now->of->column_count && e->now != e->marked; n++) {
			const struct column *c = &e->now->of->columns[n];
			char id[UUID_TEXT];
			int by;

			if (c->hidden || row_same(e->marked, e->now, c))
				continue;
			by = causes(s->track, (int)(e - s->track->entries), c, steps, CAUSES_MOST);
			shown++;
			if (s->out->format != OUT_TABLE) {
				json_difference(s, e, c, steps, by);
				continue;
			}
			if (e->now->of != model)
				heading(s, e->now->of);
			model = e->now->of;
			if (!named)
				fprintf(s->out->file, "  %s%s%s%s\n", term_style(STYLE_CYAN, s->colour),
					uuid_format(&e->now->id, id),
					term_style(STYLE_PLAIN, s->colour), e->marked ? "" : "  (new)");
			named = true;
			print_difference(s, e, c, steps, by);
		}
	}
	if (!shown && s->out->format == OUT_TABLE)
		fprintf(s->out->file, "\nnothing is different\n");
	free(steps);
}
