/* fold_again - see fold_again.h. */
#include "cmd/fold_again.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "client/client_json.h"
#include "cmd/interrupt.h"
#include "event/fields.h"
#include "fold/row_json.h"
#include "fold/state.h"
#include "store/migrate.h"

/* ---- a difference ---- */

static void put_name(struct buffer *out, const char *name)
{
	buffer_printf(out, "%s\"%s\":", out->data[out->len - 1] == '{' ? "" : ",", name);
}

static void put_id(struct buffer *out, const struct uuid *id)
{
	char text[UUID_TEXT];

	buffer_printf(out, "\"%s\"", uuid_format(id, text));
}

/* JSON is the same whatever the order of its members. */
static bool is_same(const struct column *c, const struct row *a, const struct row *b)
{
	struct bytes x, y;

	if (c->kind != COLUMN_JSON && c->kind != COLUMN_TEXTS && c->kind != COLUMN_UUIDS)
		return row_same(a, b, c);
	memcpy(&x, (const char *)a + c->offset, sizeof(x));
	memcpy(&y, (const char *)b + c->offset, sizeof(y));
	return x.data && y.data ? fold_json_same(x, y) : x.data == y.data;
}

static void put_columns(struct buffer *out, const struct rebuild_difference *d)
{
	buffer_printf(out, ",\"last_position\":{\"live\":%lld,\"rebuilt\":%lld},\"columns\":{", (long long)d->live->last_position,
		      (long long)d->rebuilt->last_position);
	for (int i = 0; i < d->projection->column_count; i++) {
		const struct column *c = &d->projection->columns[i];

		if (is_same(c, d->live, d->rebuilt))
			continue;
		put_name(out, c->name);
		buffer_add_text(out, "{\"live\":");
		row_json_column(d->live, c, out);
		buffer_add_text(out, ",\"rebuilt\":");
		row_json_column(d->rebuilt, c, out);
		buffer_add_byte(out, '}');
	}
	buffer_add_byte(out, '}');
}

static void on_difference(void *data, const struct rebuild_difference *d)
{
	struct fold_again *a = data;
	const struct row *row = d->live ? d->live : d->rebuilt;
	struct buffer out = { 0 };

	if (a->shown++ >= a->options->shown)
		return;
	progress_clear(&a->progress);
	buffer_printf(&out, "{\"read_model\":\"%s.%s\",\"shard\":%d,\"tenant_id\":", d->projection->schema, d->projection->name, d->shard);
	put_id(&out, &row->tenant_id);
	buffer_add_text(&out, ",\"id\":");
	put_id(&out, &row->id);
	buffer_printf(&out, ",\"difference\":\"%s\"", !d->live ? "missing" : !d->rebuilt ? "surplus" : "values");
	if (d->live && d->rebuilt)
		put_columns(&out, d);
	else
		buffer_printf(&out, ",\"last_position\":{\"%s\":%lld}", d->live ? "live" : "rebuilt", (long long)row->last_position);
	printf("%s}\n", buffer_text(&out));
	fflush(stdout);
	buffer_release(&out);
}

/* ---- how far it is ---- */

static void on_progress(void *data, const struct rebuild_progress *p)
{
	struct fold_again *a = data;

	if (!a->step || strcmp(a->step, p->step) != 0) {
		progress_stop(&a->progress);
		a->step = p->step;
		progress_start(&a->progress, a->options->quiet ? NULL : stderr, p->step,
			       strcmp(p->step, "index") == 0 ? "tables" : strcmp(p->step, "compare") == 0 ? "rows" : "events", p->total);
	}
	a->progress.total = p->total > p->done ? p->total : p->done;
	progress_update(&a->progress, p->done, NULL);
}

static bool on_stop(void *data)
{
	return interrupted != 0;
}

/* ---- which read models ---- */

static bool is_named(const struct projection *p, const char *word)
{
	size_t n = strlen(p->schema);

	return strcmp(word, p->name) == 0 || (strncmp(word, p->schema, n) == 0 && word[n] == '.' && strcmp(word + n + 1, p->name) == 0);
}

static const char *next_name(const void *list, int i)
{
	const struct group *g = list;

	return i < g->count ? g->projections[i]->name : NULL;
}

static int choose(struct rebuild_options *o, const char *const *words, int count, struct error *error)
{
	bool wanted[GROUP_PROJECTIONS_MAX] = { false };

	for (int w = 0; w < count; w++) {
		bool known = false;

		for (int i = 0; i < o->group->count; i++)
			if (is_named(o->group->projections[i], words[w]))
				wanted[i] = known = true;
		if (!known) {
			const char *near = option_nearest(words[w], next_name, o->group);

			return error_set(error, E_USAGE, "there is no read model '%s'%s%s%s", words[w], near ? "; did you mean '" : "", near ? near : "",
					 near ? "'?" : "");
		}
	}
	o->wanted_count = 0;
	for (int i = 0; i < o->group->count; i++)
		if (count == 0 || wanted[i])
			o->wanted[o->wanted_count++] = o->group->projections[i];
	return 0;
}

int fold_again_open(struct fold_again *a, const struct fold_options *options, const char *const *words, int count, struct error *error)
{
	const char *folder = options->spill ? options->spill : getenv("TMPDIR");
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	struct pg_conn *conn;
	int status;

	memset(a, 0, sizeof(*a));
	a->options = options;
	a->run = (struct rebuild_options){
		.group = groups[0],
		.jobs = options->jobs ? (int)options->jobs : (int)(processors < 1 ? 1 : processors),
		.memory = options->memory,
		.folder = folder && *folder ? folder : "/tmp",
		.progress = on_progress, .differs = on_difference, .stop = on_stop, .data = a,
	};
	catalog_init();
	status = choose(&a->run, words, count, error);
	if (status)
		return status;
	interrupt_catch();
	status = target_database(&options->target, false, &a->target, error);
	if (status)
		return status;
	a->run.conninfo = a->target.conninfo;
	status = db_open(a->target.conninfo, "verbatim rebuild", &conn, error);
	if (status == 0) {
		status = migrate_check(conn, error);
		db_close(conn);
	}
	if (status)
		target_release(&a->target);
	return status;
}

void fold_again_close(struct fold_again *a)
{
	target_release(&a->target);
}

int fold_again_run(struct fold_again *a, int (*run)(const struct rebuild_options *o, struct rebuild_result *r, struct error *error),
		   struct rebuild_result *r, struct error *error)
{
	int status;

	progress_start(&a->progress, a->options->quiet ? NULL : stderr, "begin", "events", 0);
	status = run(&a->run, r, error);
	progress_stop(&a->progress);
	if (a->shown > a->options->shown)
		fprintf(stderr, "%lld more differing rows were not printed\n", (long long)(a->shown - a->options->shown));
	return status;
}

bool fold_again_is_json(const struct fold_again *a)
{
	return a->options->json || !term_is_terminal(stdout);
}

void fold_again_facts(const struct fold_again *a, const struct rebuild_result *r, struct buffer *out)
{
	buffer_add_text(out, "\"read_models\":[");
	for (int i = 0; i < r->plan.count; i++) {
		const struct projection *p = r->plan.tables[i].projection;
		char digest[DIGEST_TEXT];

		buffer_printf(out, "%s{\"name\":\"%s.%s\",\"version\":%d", i ? "," : "", p->schema, p->name, p->version);
		if (r->inputs)
			buffer_printf(out, ",\"rows\":%lld,\"digest\":\"%s\"", (long long)r->digests[i].rows, digest_format(&r->digests[i], digest));
		if (r->differences >= 0)
			buffer_printf(out, ",\"differences\":%lld", (long long)r->differences_of[i]);
		buffer_add_byte(out, '}');
	}
	buffer_add_text(out, "],\"shards\":[");
	for (int i = 0; i < r->shards; i++)
		buffer_printf(out, "%s{\"shard\":%d,\"position\":%lld,\"switched_at\":%lld}", i ? "," : "", i, (long long)r->at[i].position,
			      (long long)r->at[i].switched_at);
	buffer_add_byte(out, ']');
}
