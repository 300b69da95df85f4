/* rows - the read models' side of the store on PostgreSQL: tables from column tables, load, project, its fence. */
#include "store_fixture.h"

static const char *const colours[] = { "red", "green", "blue", NULL };

/* A row with a column of every kind. */
struct thing {
	struct row row;
	struct uuid other_id;
	struct bytes title;
	int16_t colour;
	int64_t small, medium, large, price;
	int8_t open;
	int64_t seen_at;
	struct bytes data, tags, members, address, secret;
};

static const struct column thing_columns[] = {
	COLUMN(thing, other_id, UUID, .about = "another thing's id"),
	COLUMN(thing, title, TEXT, .sql = "varchar(40)", .required = true),
	COLUMN(thing, colour, ENUM, .values = colours),
	COLUMN(thing, small, INT2, .about = NULL),
	COLUMN(thing, medium, INT4, .about = NULL),
	COLUMN(thing, large, INT8, .about = NULL),
	COLUMN(thing, price, DECIMAL, .sql = "numeric(12,2)", .scale = 2),
	COLUMN(thing, open, BOOL, .about = NULL),
	COLUMN(thing, seen_at, TIME, .about = "when it was seen last; a quote: '"),
	COLUMN(thing, data, JSON, .about = NULL),
	COLUMN(thing, tags, TEXTS, .about = NULL),
	COLUMN(thing, members, UUIDS, .about = NULL),
	COLUMN(thing, address, INET, .about = NULL),
	COLUMN(thing, secret, TEXT, .hidden = true),
};

static const char *const thing_indexes[] = { "(tenant_id, colour) WHERE open", "USING gin (tags)", NULL };

static const struct projection things = {
	.schema = "cache", .name = "things", .version = 1, .about = "things under test", .indexes = thing_indexes,
	.fillfactor = 80, COLUMNS(thing, thing_columns),
};

struct note {
	struct row row;
	struct bytes text;
};

static const struct column note_columns[] = {
	COLUMN(note, text, TEXT, .sql = "varchar(10)", .required = true),
};

static const struct projection notes = {
	.schema = "cache", .name = "notes", .version = 1, COLUMNS(note, note_columns),
};

static const struct projection *const members[] = { &things, &notes };
static const struct group pair = { .name = "pair", .projections = members, .count = 2 };
static const struct group *const list[] = { &pair };

static void row_new(struct row *row, const struct projection *p, const struct uuid *tenant, int64_t position)
{
	row->of = p;
	row->tenant_id = *tenant;
	new_id(&row->id);
	row->last_position = position;
	row->fresh = row->changed = true;
}

/* One with everything, one with nothing that may be absent. */
static void things_new(struct thing out[2], const struct uuid *tenant)
{
	memset(out, 0, 2 * sizeof(*out));
	row_new(&out[0].row, &things, tenant, 1);
	row_new(&out[1].row, &things, tenant, 2);
	new_id(&out[0].other_id);
	out[0].title = BYTES("caf\303\251 \"quoted\" \\ back");
	out[0].colour = 2;
	out[0].small = -32768;
	out[0].medium = 2147483647;
	out[0].large = -9007199254740991;
	out[0].price = -123450;
	out[0].open = 1;
	out[0].seen_at = 1700000000123456;
	out[0].data = BYTES("{\"a\":[1,2,{\"b\":\"x, y: \\\" z\"}],\"c\":null}");
	out[0].tags = BYTES("[\"plain\",\"with \\\"quotes\\\"\",\"comma, {brace}\",\"\",\"NULL\",\"back\\\\slash\"]");
	out[0].members = BYTES("[\"0193aaaa-0000-7000-8000-000000000001\",\"0193aaaa-0000-7000-8000-000000000002\"]");
	out[0].address = BYTES("192.168.1.0/24");
	out[0].secret = BYTES("not for people");
	out[1].title = BYTES("");
	out[1].colour = -1;
	out[1].small = out[1].medium = out[1].large = out[1].price = INT_NONE;
	out[1].open = -1;
	out[1].seen_at = TIME_NONE;
}

static void is_thing(const struct row *loaded, const struct thing *want, const char *name)
{
	const struct thing *got = (const struct thing *)loaded;

	if (!ok(got != NULL, "%s: is there", name))
		return;
	ok(uuid_equal(&got->row.id, &want->row.id) && uuid_equal(&got->row.tenant_id, &want->row.tenant_id) &&
		   got->row.last_position == want->row.last_position && got->row.exists && !got->row.fresh && !got->row.changed,
	   "%s: key and place", name);
	ok(uuid_equal(&got->other_id, &want->other_id) && got->colour == want->colour && got->small == want->small &&
		   got->medium == want->medium && got->large == want->large && got->open == want->open &&
		   got->seen_at == want->seen_at,
	   "%s: numbers", name);
	is_int(got->price, want->price, "the decimal");
#define SAME(member)                                                                              \
	ok(bytes_equal(got->member, want->member) && !got->member.data == !want->member.data, "%s: " #member " is '%.*s'", \
	   name, (int)got->member.len, got->member.data ? got->member.data : "")
	SAME(title);
	SAME(data);
	SAME(tags);
	SAME(members);
	SAME(address);
	SAME(secret);
#undef SAME
}

static void test_prepare(void)
{
	struct error error;

	is_int(readmodel_prepare_groups(owner, list, 1, NULL, &error), 0, "prepare makes the tables");
	is_int(readmodel_prepare_groups(owner, list, 1, NULL, &error), 0, "and finds them the next time");
	is_int(sql_int("SELECT count(*) FROM verbatim.generation WHERE group_name = 'pair' AND active AND generation = 1"), 2,
	       "both are registered and active");
	is_int(sql_int("SELECT count(*) FROM information_schema.columns WHERE table_schema = 'cache' AND table_name = 'things'"), 16,
	       "the view has all columns but the hidden one");
	is_int(sql_int("SELECT count(*) FROM pg_indexes WHERE tablename = 'cache_things_v1_g1'"), 3, "key and indexes");
	sql_run("DROP VIEW cache.notes; ALTER TABLE generations.cache_notes_v1_g1 ALTER text TYPE varchar(11)");
	is_int(readmodel_prepare_groups(owner, list, 1, NULL, &error), E_SCHEMA_DIFFERS, "another type at the same version is refused");
	is_text(error.field, "cache_notes_v1_g1.text", "and named");
	note("%s", error.message);
	sql_run("ALTER TABLE generations.cache_notes_v1_g1 ALTER text TYPE varchar(10), ADD more int");
	is_int(readmodel_prepare_groups(owner, list, 1, NULL, &error), E_SCHEMA_DIFFERS, "so is a column too many");
	note("%s", error.message);
	sql_run("ALTER TABLE generations.cache_notes_v1_g1 DROP more, ALTER text DROP NOT NULL");
	is_int(readmodel_prepare_groups(owner, list, 1, NULL, &error), E_SCHEMA_DIFFERS, "and one that may be null");
	note("%s", error.message);
	sql_run("ALTER TABLE generations.cache_notes_v1_g1 ALTER text SET NOT NULL");
	is_int(readmodel_prepare_groups(owner, list, 1, NULL, &error), 0, "mended, it is accepted");
}

/* The indexes of a read model are what its table says, at the same version too. */
static void test_indexes(void)
{
	static const char *const other[] = { "(tenant_id, colour) WHERE open", "(tenant_id, seen_at)", NULL };
	struct projection changed = things;
	const struct projection *const both[] = { &changed, &notes };
	const struct group next = { .name = "pair", .projections = both, .count = 2 };
	const struct group *const nexts[] = { &next };
	struct error error;

	changed.indexes = other;
	sql_run("CREATE INDEX theirs ON generations.cache_things_v1_g1 (title)");
	is_int(readmodel_prepare_groups(owner, nexts, 1, NULL, &error), 0, "another list of indexes at the same version");
	is_int(sql_int("SELECT count(*) FROM pg_indexes WHERE tablename = 'cache_things_v1_g1' AND (indexdef ~ 'seen_at' OR indexdef ~ 'colour')"), 2,
	       "what is listed is there");
	is_int(sql_int("SELECT count(*) FROM pg_indexes WHERE tablename = 'cache_things_v1_g1' AND indexdef ~ 'gin'"), 0,
	       "an index that is listed no more is dropped");
	is_int(sql_int("SELECT count(*) FROM pg_indexes WHERE tablename = 'cache_things_v1_g1'"), 4, "the key stays, and so does an index of somebody's own");
	sql_run("DROP INDEX generations.theirs");
	is_int(readmodel_prepare_groups(owner, list, 1, NULL, &error), 0, "and back");
}

static struct store_project project_of(const struct writer *w, int generation, int64_t from, int64_t to)
{
	struct store_project p = { .group = &pair, .generation = generation, .shard = w->shard, .epoch = identity.epoch,
				   .old_position = from, .new_position = to };

	memcpy(p.leaf, w->events[to - w->events[0]->position]->leaf_hash, LEAF_BYTES);
	return p;
}

static void test_rows(struct writer *w)
{
	struct store_checkpoint c = { .group = &pair, .shard = w->shard };
	struct thing t[2];
	struct note n = { .text = BYTES("short") };
	struct row_key keys[4];
	struct store_load l = { .keys = keys, .count = 4, .arena = &arena };
	struct store_project p;
	struct store_head head = { .shard = w->shard, .arena = &arena };
	struct uuid stranger;

	is_int(ASK(store, checkpoint, &c), 0, "checkpoint");
	ok(c.generation == 1 && c.position == 0 && !c.diverged, "generation 1 at 0");

	things_new(t, &w->tenant);
	row_new(&n.row, &notes, &w->tenant, 3);
	t[0].row.next_changed = &n.row;
	n.row.next_changed = &t[1].row;
	p = project_of(w, 1, 0, 10);
	p.changed = &t[0].row;
	is_int(ASK(store, project, &p), 0, "project inserts");

	new_id(&stranger);
	keys[0] = (struct row_key){ &things, w->tenant, t[1].row.id };
	keys[1] = (struct row_key){ &notes, w->tenant, n.row.id };
	keys[2] = (struct row_key){ &things, w->tenant, t[0].row.id };
	keys[3] = (struct row_key){ &things, stranger, t[0].row.id };
	is_int(ASK(store, load, &l), 0, "load");
	is_thing(l.rows[0], &t[1], "the empty thing");
	is_thing(l.rows[2], &t[0], "the full thing");
	ok(l.rows[1] && bytes_is(((struct note *)l.rows[1])->text, "short"), "the note");
	ok(!l.rows[3], "another tenant has no row of that id");

	/* The empty one becomes full and the full one empty. */
	{
		struct thing full = t[0], empty = t[1];

		full.row = t[1].row;
		empty.row = t[0].row;
		full.row.fresh = empty.row.fresh = false;
		full.row.next_changed = &empty.row;
		empty.row.next_changed = NULL;
		full.row.last_position = 11;
		p = project_of(w, 1, 10, 12);
		p.changed = &full.row;
		is_int(ASK(store, project, &p), 0, "project updates");
		is_int(ASK(store, load, &l), 0, "load");
		is_thing(l.rows[0], &full, "the one that became full");
		is_thing(l.rows[2], &empty, "the one that became empty");
	}

	/* A row that somebody has taken away is missed, and nothing of the batch is kept. */
	{
		struct thing gone = t[1], there = t[0];

		there.row.fresh = gone.row.fresh = false;
		there.row.next_changed = &gone.row;
		gone.row.next_changed = NULL;
		there.row.last_position = 12;
		sql_run("DELETE FROM generations.cache_things_v1_g1 WHERE last_position = 11");
		p = project_of(w, 1, 12, 13);
		p.changed = &there.row;
		is_int(ASK(store, project, &p), E_READ_MODEL, "an update of a row that is gone is refused");
		ok(strstr(p.request.error.message, "cache.things: 1 of 2 rows"), "the words name the read model");
		is_int(ASK(store, checkpoint, &c), 0, "checkpoint");
		is_int(c.position, 12, "the checkpoint stays");
		is_int(sql_int("SELECT count(*) FROM cache.things WHERE last_position = 12"), 0, "no row of the batch is changed");
		gone.row.fresh = true;
		gone.row.next_changed = NULL;
		p = project_of(w, 1, 12, 13);
		p.changed = &gone.row;
		is_int(ASK(store, project, &p), 0, "and the session goes on");
	}

	/* Fence and refusals change nothing. */
	things_new(t, &w->tenant);
	t[0].row.next_changed = NULL;
	p = project_of(w, 1, 10, 14);
	p.changed = &t[0].row;
	is_int(ASK(store, project, &p), E_FENCED, "a worker that stands elsewhere is fenced off");
	p = project_of(w, 1, 13, 14);
	p.epoch++;
	p.changed = &t[0].row;
	is_int(ASK(store, project, &p), E_FENCED, "so is one of another epoch");
	p = project_of(w, 1, 13, 14);
	p.changed = &t[0].row;
	t[0].title = BYTES("a title that is a good deal longer than the forty characters it may have");
	is_int(ASK(store, project, &p), E_ROW_REFUSED, "a text that is too long is refused");
	is_text(p.request.error.field, "things", "and the read model is named");
	t[0].title = (struct bytes){ NULL, 0 };
	is_int(ASK(store, project, &p), E_ROW_REFUSED, "a NULL where there must be none is refused");
	is_text(p.request.error.field, "things", "and the read model is named");
	t[0].title = BYTES("good");
	t[0].small = 40000;
	is_int(ASK(store, project, &p), E_ROW_REFUSED, "a number that does not fit is refused before it is sent");
	is_text(p.request.error.field, "things", "and the read model is named");
	t[0].small = 4;
	t[0].data = BYTES("{broken");
	t[0].row.next_changed = &n.row;
	n.row.next_changed = NULL;
	new_id(&n.row.id);
	is_int(ASK(store, project, &p), E_ROW_REFUSED, "text that is not JSON is refused");
	is_text(p.request.error.field, "things", "and the read model is named");
	ok(!strstr(p.request.error.message, "broken"), "but not the value");
	t[0].data = BYTES("{}");
	n.text = BYTES("longer than ten");
	is_int(ASK(store, project, &p), E_ROW_REFUSED, "a note that is too long is refused");
	is_text(p.request.error.field, "notes", "and the right read model is named");
	n.text = BYTES("ten");
	is_int(ASK(store, project, &p), 0, "mended, the batch goes in");
	p = project_of(w, 1, 14, 15);
	is_int(ASK(store, project, &p), 0, "a batch that changes no row moves the checkpoint all the same");

	is_int(ASK(store, checkpoint, &c), 0, "checkpoint");
	ok(c.position == 15 && !c.diverged, "where the last batch ended");
	ok(p.answers && c.answers && c.shown == 15, "and that is what people see");
	head.compare = true;
	is_int(ASK(store, head, &head), 0, "head, compared with the read models");
	is_int(head.diverged, 0, "which the log bears out");
	head.compare = false;
	ok(memcmp(c.leaf, w->events[14]->leaf_hash, LEAF_BYTES) == 0, "with its leaf");
	p = project_of(w, 1, 15, 16);
	p.leaf[0] ^= 1;
	is_int(ASK(store, project, &p), 0, "a checkpoint with a leaf that the log does not have");
	is_int(ASK(store, checkpoint, &c), 0, "checkpoint");
	ok(c.diverged, "has diverged");
	is_int(ASK(store, head, &head), 0, "head");
	is_int(head.diverged, 0, "does not look for that unasked");
	head.compare = true;
	is_int(ASK(store, head, &head), 0, "head, compared with the read models");
	is_int(head.diverged, 16, "names the checkpoint");
	sql_run("SELECT verbatim.adopt('somebody', 'a test', '[{\"shard\": 1, \"first\": 17, \"last\": 19}]')");
	is_int(ASK(store, head, &head), 0, "an adoption that gives up something else");
	is_int(head.diverged, 16, "changes nothing about it");
	sql_run("SELECT verbatim.adopt('somebody', 'a test', '[{\"shard\": 1, \"first\": 16, \"last\": 16}]')");
	is_int(ASK(store, head, &head), 0, "one that names it");
	is_int(head.diverged, 0, "gives it up");
	is_int(sql_int("SELECT count(*) FROM cache.things"), 3, "three things in the view");
}

/* A newer version gets tables of its own beside the old ones. */
static void test_versions(struct writer *w)
{
	struct projection newer = things;
	const struct projection *const both[] = { &newer, &notes };
	const struct group next = { .name = "pair", .projections = both, .count = 2 };
	const struct group *const nexts[] = { &next };
	struct store_checkpoint c = { .group = &next, .shard = w->shard };
	struct error error;

	newer.version = 2;
	is_int(ASK(store, checkpoint, &c), E_SCHEMA_DIFFERS, "a version that is not there yet is refused");
	is_int(readmodel_prepare_groups(owner, nexts, 1, NULL, &error), 0, "prepare a newer version");
	is_int(ASK(store, checkpoint, &c), 0, "checkpoint of the new generation");
	ok(c.generation == 2 && c.position == 0, "generation 2 begins at 0");
	ok(!c.answers && c.shown == 16, "people see the other one, which stands at 16");
	is_int(sql_int("SELECT count(*) FROM cache.things"), 3, "the view shows the old one");
	c.group = &pair;
	is_int(ASK(store, checkpoint, &c), 0, "the older binary's checkpoint");
	ok(c.generation == 1 && c.position == 16, "goes on in its generation");
	is_int(readmodel_prepare_groups(owner, nexts, 1, NULL, &error), 0, "prepare again changes nothing");
	is_int(readmodel_switch(owner, &next, 2, &error), 0, "switch");
	is_int(sql_int("SELECT count(*) FROM cache.things"), 0, "the view shows the new one");
	is_int(readmodel_switch(owner, &pair, 1, &error), 0, "switch back");
	is_int(sql_int("SELECT count(*) FROM cache.things"), 3, "the view shows the old one again");
}

static bool prepares(const struct projection *p, struct error *error)
{
	const struct projection *const both[] = { p, &notes };
	const struct group next = { .name = "pair", .projections = both, .count = 2 };
	const struct group *const nexts[] = { &next };

	return readmodel_prepare_groups(owner, nexts, 1, NULL, error) == 0;
}

/* What a version may do to the columns of a view that people have built upon. */
static void test_columns(void)
{
	static const struct {
		const char *from, *to;
		bool shown;
	} cases[] = {
		{ "varchar(40)", "varchar(20)", true }, { "varchar(40)", "varchar(41)", false }, { "varchar(40)", "text", false },
		{ "text", "varchar(40)", true },	{ "int8", "int4", true },		 { "int8", "int2", true },
		{ "int4", "int8", false },		{ "numeric", "numeric(12,2)", true },	 { "numeric(12,2)", "numeric(10,2)", false },
		{ "jsonb", "text", false },
	};
	struct column columns[sizeof(thing_columns) / sizeof(thing_columns[0])];
	int count = (int)(sizeof(columns) / sizeof(columns[0]));
	struct projection newer = things;
	const struct projection *const both[] = { &newer, &notes };
	const struct group next = { .name = "pair", .projections = both, .count = 2 };
	struct error error;
	char text[200];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "CREATE TABLE cache.probe (a %s, b %s)", cases[i].from, cases[i].to);
		sql_run(text);
		ok(sql_int("SELECT verbatim.shows_as(b.atttypid, b.atttypmod, a.atttypid, a.atttypmod)::int FROM pg_attribute a"
			   " JOIN pg_attribute b USING (attrelid) WHERE attrelid = 'cache.probe'::regclass AND (a.attname, b.attname) = ('a', 'b')") ==
			   cases[i].shown,
		   "a %s that becomes a %s %s", cases[i].from, cases[i].to, cases[i].shown ? "is shown" : "is refused");
		sql_run("DROP TABLE cache.probe");
	}

	/* Without the fourth column, a narrower title, the hidden one shown. */
	memcpy(columns, thing_columns, sizeof(columns));
	columns[1].sql = "varchar(20)";
	columns[count - 1].hidden = false;
	memmove(&columns[3], &columns[4], (size_t)(count - 4) * sizeof(columns[0]));
	newer.version = 3;
	newer.columns = columns;
	newer.column_count = count - 1;
	sql_run("CREATE VIEW cache.upon AS SELECT small, title FROM cache.things");
	ok(prepares(&newer, &error), "a version with fewer columns and more");
	is_int(sql_int("SELECT count(*) FROM verbatim.generation WHERE group_name = 'pair'"), 6, "beside the two that were shown before");
	is_int(readmodel_switch(owner, &next, 3, &error), 0, "is switched to");
	is_int(sql_int("SELECT count(*) FROM pg_attribute WHERE attrelid = 'cache.things'::regclass AND (attnum, attname, format_type(atttypid, atttypmod))"
		       " IN ((6, 'small', 'smallint'), (4, 'title', 'character varying(40)'), (16, 'last_position', 'bigint'), (17, 'secret', 'text'))"), 4,
	       "what people knew stays in its place and of its type, what is new comes last");
	is_int(sql_int("SELECT count(*) FROM cache.upon"), 0, "a view upon it shows the new generation");
	is_int(sql_int("SELECT (col_description('cache.things'::regclass, 6) = 'Always null: version 3 has no such column.')::int"), 1, "and what is gone says so");
	is_int(readmodel_switch(owner, &next, 9, &error), E_NOT_FOUND, "a generation that is not there");
	is_int(readmodel_drop(owner, &next, 3, &error), E_MIGRATION, "the one that answers is not dropped");
	note("%s", error.message);
	is_int(readmodel_drop(owner, &next, 1, &error), 0, "the old one is, when somebody says so");
	is_int(sql_int("SELECT count(*) FROM pg_class WHERE relname = 'cache_things_v1_g1'"), 0, "with its tables");
	ok(!prepares(&things, &error) && error.code == E_MIGRATION, "the version before cannot come back then");
	note("%s", error.message);
	columns[1].sql = "varchar(41)";
	newer.version = 4;
	ok(!prepares(&newer, &error) && error.code == E_SCHEMA_DIFFERS, "a type that the view cannot show is refused");
	note("%s", error.message);
	is_int(sql_int("SELECT count(*) FROM verbatim.generation WHERE version = 4"), 0, "and nothing of it is left");
}

/* A group without one of its read models: the view that people have built upon stays, and shows nothing. */
static void test_removed(struct writer *w)
{
	static const struct projection *const one[] = { &notes };
	const struct group less = { .name = "pair", .projections = one, .count = 1 };
	const struct group *const lesses[] = { &less };
	struct store_checkpoint c = { .group = &less, .shard = w->shard };
	struct error error;

	is_int(readmodel_prepare_groups(owner, lesses, 1, NULL, &error), 0, "a binary that has one read model less");
	is_int(ASK(store, checkpoint, &c), 0, "checkpoint");
	ok(c.generation == 4 && c.position == 0, "folds a generation of its own");
	is_int(sql_int("SELECT (pg_get_viewdef('cache.things'::regclass) ~ 'cache_things')::int"), 0, "the view of what is gone shows no table");
	is_int(sql_int("SELECT count(small) FROM cache.upon"), 0, "views upon it stand");
	is_int(sql_int("SELECT (obj_description('cache.things'::regclass) ~ 'Always empty')::int"), 1, "and its comment says so");
	is_int(readmodel_prepare_groups(owner, lesses, 1, NULL, &error), 0, "the next start finds it so");
	is_int(readmodel_switch(owner, &less, 3, &error), 0, "who goes back");
	is_int(sql_int("SELECT (pg_get_viewdef('cache.things'::regclass) ~ 'cache_things_v3_g3')::int"), 1, "sees it again");
	is_int(readmodel_switch(owner, &less, 4, &error), 0, "forward");
	is_int(readmodel_drop(owner, &less, 3, &error), 0, "and the old generation can be dropped");
}

int main(void)
{
	struct writer w;
	struct store_append a;
	struct store_maintain m = { .now = time_wall() };

	if (!fixture_open())
		return getenv("VERBATIM_TEST_DB") ? 1 : 0;
	store = factory->open(factory, "verbatim test");
	is_int(ASK(store, connect, &identity), 0, "connect");
	is_int(ASK(store, maintain, &m), 0, "maintain");
	writer_open(&w, 1);
	if (w.tree.size != 0) {
		printf("Bail out! this test wants a log without events\n");
		return 1;
	}
	writer_batch(&w, 20, time_wall());
	writer_request(&w, &a);
	is_int(ASK(store, append, &a), 0, "some events");
	test_prepare();
	test_indexes();
	test_rows(&w);
	test_versions(&w);
	test_columns();
	test_removed(&w);
	writer_release(&w);
	close_and_wait(store);
	fixture_close();
	return tap_done();
}
