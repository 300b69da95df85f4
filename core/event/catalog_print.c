/*
 * catalog_print - the reference of event types, written out of the tables themselves.
 *
 * Text is for a terminal (wrapped at WIDTH, colour only when asked for), JSON for programs, Markdown for pages.
 */
#include <assert.h>
#include <inttypes.h>

#include "event/catalog.h"
#include "event/form.h"

enum { WIDTH = 110, TYPE_WIDTH = 8 };

/* ---- what a field allows, in words -------------------------------------------------------- */

/* 150000 as "150,000" */
static void add_count(struct buffer *out, int64_t n)
{
	char digits[32];
	int len;

	if (n < 0) {
		buffer_add_byte(out, '-');
		n = -n;
	}
	len = snprintf(digits, sizeof(digits), "%" PRId64, n);
	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			buffer_add_byte(out, ',');
		buffer_add_byte(out, digits[i]);
	}
}

/* -1500 with scale 3 as "-1.500" */
static void add_scaled(struct buffer *out, int64_t n, int scale)
{
	int64_t unit = 1;

	for (int i = 0; i < scale; i++)
		unit *= 10;
	buffer_printf(out, "%s%" PRId64, n < 0 ? "-" : "", (n < 0 ? -n : n) / unit);
	if (scale > 0)
		buffer_printf(out, ".%0*" PRId64, scale, (n < 0 ? -n : n) % unit);
}

static void add_list(struct buffer *out, const char *const *values, const char *between)
{
	for (size_t i = 0; values[i]; i++) {
		if (i > 0)
			buffer_add_text(out, between);
		buffer_add_text(out, values[i]);
	}
}

static int64_t list_limit(const struct field *f)
{
	return f->count > 0 ? f->count : CATALOG_COUNT_DEFAULT;
}

static void add_characters(struct buffer *out, const struct field *f)
{
	if (f->min == f->max) {
		buffer_add_text(out, "exactly ");
	} else if (f->min > 0) {
		add_count(out, f->min);
		buffer_add_text(out, " to ");
	} else {
		buffer_add_text(out, "up to ");
	}
	add_count(out, f->max);
	buffer_add_text(out, " characters");
}

static void add_limits(struct buffer *out, const struct field *f)
{
	switch (f->type) {
	case FIELD_STRING:
		if (f->form)
			buffer_add_text(out, f->form->about);
		else
			add_characters(out, f);
		break;
	case FIELD_ENUM:
		add_list(out, f->values, ", ");
		break;
	case FIELD_INT:
		add_count(out, f->min);
		buffer_add_text(out, " to ");
		add_count(out, f->max);
		break;
	case FIELD_DECIMAL:
		add_scaled(out, f->min, f->scale);
		buffer_add_text(out, " to ");
		add_scaled(out, f->max, f->scale);
		break;
	case FIELD_JSON:
		if (f->form)
			buffer_printf(out, "%s; ", f->form->about);
		buffer_add_text(out, "up to ");
		add_count(out, f->max);
		buffer_add_text(out, " bytes");
		break;
	case FIELD_STRINGS:
		buffer_add_text(out, "up to ");
		add_count(out, list_limit(f));
		buffer_add_text(out, ", each ");
		if (f->values)
			add_list(out, f->values, ", ");
		else
			add_characters(out, f);
		break;
	case FIELD_UUIDS:
	case FIELD_OBJECTS:
		buffer_add_text(out, "up to ");
		add_count(out, list_limit(f));
		break;
	case FIELD_CHANGES:
		if (f->values)
			add_list(out, f->values, ", ");
		else
			buffer_add_text(out, "any name");
		break;
	case FIELD_UUID:
	case FIELD_BOOL:
	case FIELD_TIME:
	case FIELD_OBJECT:
		break;
	}
}

/* The limits and what else is to be known, as one line: "0 to 100; default 5". */
static void add_description(struct buffer *out, const struct field *f)
{
	size_t start = out->len;

	add_limits(out, f);
	if (f->ref != ENTITY_NONE)
		buffer_printf(out, "%srefers to %s", out->len > start ? ", " : "", entity_name(f->ref));
	if (f->context)
		buffer_printf(out, "%sor in the envelope", out->len > start ? ", " : "");
	if (f->like)
		buffer_printf(out, "; as in %s", catalog_get((enum event_kind)f->like)->name);
	if (f->fallback)
		buffer_printf(out, "%sdefault %s", out->len > start ? "; " : "", f->fallback);
}

static const char *need_of(const struct field *f)
{
	return f->required ? "required" : f->any_of ? "one of these" : "";
}

/* ---- text --------------------------------------------------------------------------------- */

struct paint {
	const char *family, *type, *need, *pii, *faint, *off;
};

static const struct paint plain = { "", "", "", "", "", "" };
static const struct paint coloured = { "\033[1;7m", "\033[1;36m", "\033[31m", "\033[33m", "\033[2m", "\033[0m" };

static void add_painted(struct buffer *out, const char *colour, const char *text, const struct paint *p)
{
	bool blank = text[strspn(text, " ")] == 0;

	buffer_printf(out, "%s%s%s", blank ? "" : colour, text, blank ? "" : p->off);
}

static int name_width(const struct field *fields, int indent)
{
	int width = 0;

	for (const struct field *f = fields; f->name; f++) {
		int own = indent + (int)strlen(f->name);

		if (own > width)
			width = own;
		if (f->fields) {
			own = name_width(f->fields, indent + 2);
			if (own > width)
				width = own;
		}
	}
	return width;
}

/* Words of `text` from column `column` on; lines that would pass WIDTH go on at the same column. */
static void add_wrapped(struct buffer *out, struct bytes text, int column)
{
	int at = column;

	for (size_t i = 0; i < text.len;) {
		size_t end = i;

		while (end < text.len && text.data[end] != ' ')
			end++;
		if (at > column && at + 1 + (int)(end - i) > WIDTH) {
			buffer_printf(out, "\n%*s", column, "");
			at = column;
		} else if (at > column) {
			buffer_add_byte(out, ' ');
			at++;
		}
		buffer_add(out, text.data + i, end - i);
		at += (int)(end - i);
		i = end < text.len ? end + 1 : end;
	}
}

static void text_fields(struct buffer *out, const struct field *fields, const struct paint *p, int width, int indent)
{
	for (const struct field *f = fields; f->name; f++) {
		struct buffer about = { 0 };
		int column = 6 + width + 2 + TYPE_WIDTH + 1 + 3 + 1;

		buffer_add_text(out, "    ");
		add_painted(out, p->need, f->required ? "*" : f->any_of ? "+" : " ", p);
		buffer_printf(out, " %*s%-*s  ", indent, "", width - indent, f->name);
		add_painted(out, p->faint, field_type_name(f->type), p);
		buffer_printf(out, "%*s ", TYPE_WIDTH - (int)strlen(field_type_name(f->type)), "");
		add_painted(out, p->pii, f->pii ? "pii" : "   ", p);
		buffer_add_byte(out, ' ');
		add_description(&about, f);
		add_wrapped(out, buffer_bytes(&about), column);
		buffer_release(&about);
		while (out->len > 0 && out->data[out->len - 1] == ' ')
			out->len--;
		buffer_add_byte(out, '\n');
		if (f->fields)
			text_fields(out, f->fields, p, width, indent + 2);
	}
}

static void text_type(struct buffer *out, const struct event_type *type, bool first_of_family, const struct paint *p)
{
	if (first_of_family)
		buffer_printf(out, "%s %s %s\n\n", p->family, type->family, p->off);
	buffer_printf(out, "  %s%s%s  %sversion %d, entity %s%s%s\n    %s\n", p->type, type->name, p->off, p->faint,
		      type->shape.version, entity_name(type->entity),
		      type->needs_conversation ? ", needs conversation_id" : "", p->off, type->about);
	for (const struct shape *s = &type->shape; s; s = s->older) {
		if (s != &type->shape)
			buffer_printf(out, "    %sversion %d is still taken, and lifted when it is read:%s\n", p->faint,
				      s->version, p->off);
		text_fields(out, s->fields, p, name_width(s->fields, 0), 0);
	}
	buffer_add_byte(out, '\n');
}

/* ---- JSON --------------------------------------------------------------------------------- */

/* The tables hold plain text; quotes and backslashes are all there could be to escape. */
static void json_text(struct buffer *out, const char *text)
{
	buffer_add_byte(out, '"');
	for (; *text; text++) {
		assert((unsigned char)*text >= 0x20);
		if (*text == '"' || *text == '\\')
			buffer_add_byte(out, '\\');
		buffer_add_byte(out, *text);
	}
	buffer_add_byte(out, '"');
}

static void json_list(struct buffer *out, const char *const *values)
{
	buffer_add_byte(out, '[');
	for (size_t i = 0; values[i]; i++) {
		if (i > 0)
			buffer_add_byte(out, ',');
		json_text(out, values[i]);
	}
	buffer_add_byte(out, ']');
}

static void json_fields(struct buffer *out, const struct field *fields)
{
	buffer_add_byte(out, '[');
	for (const struct field *f = fields; f->name; f++) {
		if (f != fields)
			buffer_add_byte(out, ',');
		buffer_printf(out, "{\"name\":\"%s\",\"type\":\"%s\",\"required\":%s,\"pii\":%s", f->name,
			      field_type_name(f->type), f->required ? "true" : "false", f->pii ? "true" : "false");
		if (f->any_of)
			buffer_add_text(out, ",\"any_of\":true");
		if (f->context)
			buffer_add_text(out, ",\"context\":true");
		if (f->bounded) {
			buffer_add_text(out, ",\"min\":");
			add_scaled(out, f->min, f->scale);
			buffer_add_text(out, ",\"max\":");
			add_scaled(out, f->max, f->scale);
		} else {
			if (f->min > 0)
				buffer_printf(out, ",\"min\":%" PRId64, f->min);
			if (f->max > 0)
				buffer_printf(out, ",\"max\":%" PRId64, f->max);
		}
		if (f->scale > 0)
			buffer_printf(out, ",\"scale\":%d", f->scale);
		if (f->type == FIELD_STRINGS || f->type == FIELD_UUIDS || f->type == FIELD_OBJECTS)
			buffer_printf(out, ",\"count\":%" PRId64, list_limit(f));
		if (f->values) {
			buffer_add_text(out, ",\"values\":");
			json_list(out, f->values);
		}
		if (f->form) {
			buffer_add_text(out, ",\"form\":");
			json_text(out, f->form->about);
		}
		if (f->ref != ENTITY_NONE)
			buffer_printf(out, ",\"ref\":\"%s\"", entity_name(f->ref));
		if (f->like)
			buffer_printf(out, ",\"like\":\"%s\"", catalog_get((enum event_kind)f->like)->name);
		if (f->fallback) {
			buffer_add_text(out, ",\"default\":");
			if (f->type == FIELD_INT || f->type == FIELD_BOOL)
				buffer_add_text(out, f->fallback);
			else
				json_text(out, f->fallback);
		}
		if (f->fields) {
			buffer_add_text(out, ",\"fields\":");
			json_fields(out, f->fields);
		}
		buffer_add_byte(out, '}');
	}
	buffer_add_byte(out, ']');
}

static void json_type(struct buffer *out, const struct event_type *type, bool first)
{
	buffer_printf(out, "%s\n{\"type\":\"%s\",\"family\":\"%s\",\"entity\":\"%s\",\"version\":%d,\"versions\":[",
		      first ? "" : ",", type->name, type->family, entity_name(type->entity), type->shape.version);
	for (const struct shape *s = &type->shape; s; s = s->older)
		buffer_printf(out, "%s%d", s == &type->shape ? "" : ",", s->version);
	buffer_printf(out, "],\"needs_conversation\":%s,\"about\":", type->needs_conversation ? "true" : "false");
	json_text(out, type->about);
	buffer_add_text(out, ",\"fields\":");
	json_fields(out, type->shape.fields);
	if (type->shape.older) {
		buffer_add_text(out, ",\"older\":[");
		for (const struct shape *s = type->shape.older; s; s = s->older) {
			buffer_printf(out, "%s{\"version\":%d,\"fields\":", s == type->shape.older ? "" : ",", s->version);
			json_fields(out, s->fields);
			buffer_add_byte(out, '}');
		}
		buffer_add_byte(out, ']');
	}
	buffer_add_byte(out, '}');
}

/* ---- Markdown ----------------------------------------------------------------------------- */

static void markdown_fields(struct buffer *out, const struct field *fields, const char *path)
{
	for (const struct field *f = fields; f->name; f++) {
		struct buffer own = { 0 };

		buffer_printf(&own, "%s%s%s", path, f->name, f->type == FIELD_OBJECTS ? "[]" : "");
		buffer_printf(out, "| `%s` | %s | %s | %s | ", buffer_text(&own), field_type_name(f->type), need_of(f),
			      f->pii ? "pii" : "");
		add_description(out, f);
		buffer_add_text(out, " |\n");
		if (f->fields) {
			buffer_add_byte(&own, '.');
			markdown_fields(out, f->fields, buffer_text(&own));
		}
		buffer_release(&own);
	}
}

static void markdown_type(struct buffer *out, const struct event_type *type, bool first_of_family)
{
	if (first_of_family)
		buffer_printf(out, "## %s\n\n", type->family);
	buffer_printf(out, "### `%s`\n\n%s Version %d, entity `%s`%s.\n\n", type->name, type->about, type->shape.version,
		      entity_name(type->entity), type->needs_conversation ? ", needs `conversation_id`" : "");
	for (const struct shape *s = &type->shape; s; s = s->older) {
		if (s != &type->shape)
			buffer_printf(out, "Version %d is still taken, and lifted when it is read:\n\n", s->version);
		if (!s->fields->name) {
			buffer_add_text(out, "No payload.\n\n");
			continue;
		}
		buffer_add_text(out, "| field | type | | | limits |\n|---|---|---|---|---|\n");
		markdown_fields(out, s->fields, "");
		buffer_add_byte(out, '\n');
	}
}

void catalog_print(struct buffer *out, enum catalog_format format, const char *prefix, bool colour)
{
	const struct paint *p = colour ? &coloured : &plain;
	const struct event_type *last = NULL;

	if (format == CATALOG_JSON)
		buffer_add_byte(out, '[');
	for (int kind = EV_UNKNOWN + 1; kind < EV_COUNT; kind++) {
		const struct event_type *type = catalog_get((enum event_kind)kind);
		bool first;

		if (strncmp(type->name, prefix, strlen(prefix)) != 0)
			continue;
		first = !last || strcmp(last->family, type->family) != 0;
		if (format == CATALOG_TEXT)
			text_type(out, type, first, p);
		else if (format == CATALOG_JSON)
			json_type(out, type, !last);
		else
			markdown_type(out, type, first);
		last = type;
	}
	if (format == CATALOG_JSON)
		buffer_add_text(out, "\n]\n");
	else if (format == CATALOG_TEXT && last)
		buffer_printf(out, "%s* required   + at least one of these   pii: personal data%s\n",
			      p->faint, p->off);
}
