/* pg - the factory, and a session's birth and end.  See pg.h and pg_session.h. */
#include "store/pg.h"

#include <assert.h>
#include <stdlib.h>

#include "store/pg_rows.h"
#include "store/pg_session.h"

static void pg_close(struct store *store, void (*closed)(void *data), void *data);

static const struct store_ops ops = {
	.connect = pg_connect,
	.append = pg_append,
	.head = pg_head,
	.tree = pg_tree,
	.read = pg_read,
	.heads = pg_heads,
	.checkpoint = pg_checkpoint,
	.load = pg_load,
	.project = pg_project,
	.due = pg_due,
	.names = pg_names,
	.lease = pg_lease,
	.maintain = pg_maintain,
	.generations = pg_generations,
	.switch_to = pg_switch,
	.close = pg_close,
};

static struct store *pg_open(struct store_factory *f, const char *name)
{
	struct pg_factory *factory = (struct pg_factory *)f;
	struct pg_session *s = mem_zalloc(sizeof(*s));

	s->store.ops = &ops;
	s->factory = factory;
	snprintf(s->name, sizeof(s->name), "%s", name);
	uv_timer_init(factory->loop, &s->timer);
	s->timer.data = s;
	for (int i = 0; i < PG_STATEMENT_COUNT; i++) {
		snprintf(s->statements[i].name, sizeof(s->statements[i].name), "s%d", i);
		s->statements[i].sql = pg_statement_sql[i];
	}
	s->tables = pg_tables_new();
	factory->sessions++;
	return &s->store;
}

/* The timer was the last handle that knows the session; a poll handle frees itself. */
static void on_timer_closed(uv_handle_t *handle)
{
	struct pg_session *s = handle->data;
	void (*closed)(void *data) = s->closed;
	void *data = s->closed_data;

	if (s->request) {
		struct store_request *request = s->request;

		s->request = NULL;
		request->lost = true;
		request->status = error_set(&request->error, E_CANCELLED, "the session is closing");
		request->done(request);
	}
	pg_tables_free(s->tables);
	pg_params_release(&s->params);
	free(s->awaited);
	s->factory->sessions--;
	free(s);
	if (closed)
		closed(data);
}

static void pg_close(struct store *store, void (*closed)(void *data), void *data)
{
	struct pg_session *s = pg_of(store);

	assert(!s->closing);
	s->closing = true;
	s->closed = closed;
	s->closed_data = data;
	pg_unwatch(s);
	if (s->conn)
		PQfinish(s->conn);
	s->conn = NULL;
	s->state = PG_DOWN;
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

struct store_factory *pg_factory_new(uv_loop_t *loop, const char *conninfo, const char *role, int answer_ms)
{
	struct pg_factory *f = mem_zalloc(sizeof(*f));

	f->factory.open = pg_open;
	f->loop = loop;
	f->conninfo = mem_strdup(conninfo ? conninfo : "");
	f->role = role ? mem_strdup(role) : NULL;
	f->answer_ms = answer_ms;
	return &f->factory;
}

void pg_factory_free(struct store_factory *factory)
{
	struct pg_factory *f = (struct pg_factory *)factory;

	if (!f)
		return;
	assert(f->sessions == 0);
	free(f->conninfo);
	free(f->role);
	free(f);
}
