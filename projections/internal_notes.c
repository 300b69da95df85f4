/*
 * internal_notes - what colleagues tell each other about a conversation or a resolution.
 *
 * A note for a conversation that was merged belongs to the one it was merged into.  conversations.internal_note_count
 * counts the notes of this table that were not deleted: this fold says which conversation has one more or less.
 */
#include "fold/state.h"
#include "projections/conversations.h"
#include "projections/registry.h"

struct note {
	struct row row;
	struct uuid conversation_id, resolution_id;
	struct bytes content;
	int16_t visibility;
	struct uuid author_id;
	struct bytes mentions;
	int64_t created_at, updated_at, deleted_at;
	int8_t counted;
};

static int on_added(struct fold *f, const struct event *e)
{
	struct note *n = f->row;
	const struct conversation *c = conversation_find(f, &e->conversation_id);

	n->author_id = fold_author(e);
	n->counted = c != NULL;
	if (c)
		n->conversation_id = f->facts.note_conversation = c->row.id;
	else if (!uuid_is_nil(&e->conversation_id))
		fold_anomaly(f, "unknown_conversation", "no such conversation; the note is kept");
	f->facts.notes_added = n->counted;
	return 0;
}

static int on_deleted(struct fold *f, const struct event *e)
{
	struct note *n = f->row;

	if (n->deleted_at == TIME_NONE && n->counted) {
		f->facts.note_conversation = n->conversation_id;
		f->facts.notes_added = -1;
	}
	n->deleted_at = time_earlier(n->deleted_at, e->occurred_at);
	return 0;
}

static const char *const visibilities[] = { "private", "team", "all", NULL };

static const struct column columns[] = {
	COLUMN(note, conversation_id, UUID, .ref = ENTITY_CONVERSATION),
	COLUMN(note, resolution_id, UUID),
	COLUMN(note, content, TEXT, .required = true),
	COLUMN(note, visibility, ENUM, .sql = "varchar(20)", .values = visibilities, .fallback = "team"),
	COLUMN(note, author_id, UUID, .about = "null: written by a program"),
	COLUMN(note, mentions, UUIDS, .fallback = "[]"),
	COLUMN(note, created_at, TIME, .required = true),
	COLUMN(note, updated_at, TIME, .required = true),
	COLUMN(note, deleted_at, TIME),
	COLUMN(note, counted, BOOL, .required = true, .hidden = true),
};

static const struct fold_entry folds[] = {
	ON(NOTE_ADDED, CREATE, .then = on_added),
	ON(NOTE_EDITED, COPY),
	ON(NOTE_DELETED, COPY, .then = on_deleted),
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = {
	"(tenant_id, conversation_id)", "(tenant_id, resolution_id)", "(tenant_id, author_id)", NULL,
};

const struct projection internal_notes = {
	.schema = "core", .name = "internal_notes", .version = 1,
	.about = "What colleagues tell each other about a conversation or a resolution; never shown to the customer.",
	.entity = ENTITY_NOTE, COLUMNS(note, columns), FOLDS(folds), .indexes = indexes,
	NEEDS(&conversations),
};
