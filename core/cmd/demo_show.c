/* demo_show - see demo_show.h. */
#include "cmd/demo_show.h"

#include <errno.h>
#include <stdio.h>

#include "base/term.h"
#include "store/db.h"

enum { PLAIN_WIDTH = 120 }; /* of what goes into a file or a pipe */

static int width_of_output(void)
{
	return term_is_terminal(stdout) ? term_width(stdout) : PLAIN_WIDTH;
}

static void heading(const char *text)
{
	bool colour = term_has_colour(stdout);

	printf("\n%s%s%s\n\n", term_style(STYLE_BOLD, colour), text, term_style(STYLE_PLAIN, colour));
}

static void print_table(struct table *t)
{
	struct buffer out = { 0 };

	table_print(t, &out, width_of_output(), term_has_colour(stdout));
	fwrite(out.data ? out.data : "", 1, out.len, stdout);
	buffer_release(&out);
	table_release(t);
}

static enum term_style severity_style(const char *severity)
{
	return strcmp(severity, "P0") == 0 ? STYLE_RED : strcmp(severity, "P1") == 0 ? STYLE_YELLOW : STYLE_PLAIN;
}

static int show_states(struct pg_conn *conn, const char *tenants, struct error *error)
{
	struct pg_result *rows;
	char count[HUMAN_TEXT];
	struct table t;
	int code = db_query(conn,
			    "SELECT state, count(*), sum(message_count), count(*) FILTER (WHERE severity = 'P0') FROM core.conversations "
			    "WHERE tenant_id = ANY ($1::uuid[]) GROUP BY state ORDER BY count(*) DESC",
			    1, &tenants, &rows, error);

	if (code)
		return code;
	heading("Conversations (core.conversations)");
	table_init(&t, 4, (const char *const[]){ "state", ">conversations", ">messages", ">P0" });
	for (int i = 0; i < db_rows(rows); i++) {
		table_cell(&t, "%s", db_text(rows, i, 0));
		table_cell(&t, "%s", human_count(db_int(rows, i, 1), count));
		table_cell(&t, "%s", human_count(db_int(rows, i, 2), count));
		table_cell(&t, "%s", human_count(db_int(rows, i, 3), count));
	}
	print_table(&t);
	db_free(rows);

	code = db_query(conn,
			"SELECT code, count(*), min(text) FROM core.anomalies WHERE tenant_id = ANY ($1::uuid[]) GROUP BY code "
			"ORDER BY count(*) DESC LIMIT 5",
			1, &tenants, &rows, error);
	if (code)
		return code;
	heading("Events that did not fit, kept all the same (core.anomalies)");
	if (!db_rows(rows))
		printf("none\n");
	table_init(&t, 3, (const char *const[]){ "code", ">events", "for example" });
	for (int i = 0; i < db_rows(rows); i++) {
		table_cell(&t, "%s", db_text(rows, i, 0));
		table_cell(&t, "%s", human_count(db_int(rows, i, 1), count));
		table_cell(&t, "%s", db_text(rows, i, 2));
	}
	if (db_rows(rows))
		print_table(&t);
	else
		table_release(&t);
	db_free(rows);
	return 0;
}

static int show_queue(struct pg_conn *conn, const char *tenants, struct error *error)
{
	struct pg_result *rows;
	char waiting[HUMAN_TEXT];
	struct table t;
	int code = db_query(conn,
			    "SELECT coalesce(q.severity, '-'), q.state, coalesce(q.customer_name, '?'), coalesce(t.name, '?'), "
			    "q.current_channel, coalesce(u.display_name, '-'), "
			    "(extract(epoch FROM now() - coalesce(c.last_customer_message_at, c.created_at)) * 1000000)::int8, c.subject "
			    "FROM core.v_agent_queue q "
			    "JOIN core.conversations c ON c.tenant_id = q.tenant_id AND c.id = q.id "
			    "LEFT JOIN core.tenants t ON t.tenant_id = q.tenant_id AND t.id = q.tenant_id "
			    "LEFT JOIN core.users u ON u.tenant_id = q.tenant_id AND u.id = q.assigned_agent_id "
			    "WHERE q.tenant_id = ANY ($1::uuid[]) ORDER BY coalesce(q.severity, 'P9'), 7 DESC LIMIT 10",
			    1, &tenants, &rows, error);

	if (code)
		return code;
	heading("The agent queue (core.v_agent_queue), most severe first, then who has waited longest");
	table_init(&t, 8, (const char *const[]){ "sev", "state", "customer", "company", "channel", "agent", ">waiting", "subject" });
	for (int i = 0; i < db_rows(rows); i++) {
		table_cell_style(&t, severity_style(db_text(rows, i, 0)), "%s", db_text(rows, i, 0));
		for (int j = 1; j < 6; j++)
			table_cell(&t, "%s", db_text(rows, i, j));
		table_cell(&t, "%s", human_duration(db_int(rows, i, 6), waiting));
		table_cell(&t, "%s", db_text(rows, i, 7));
	}
	print_table(&t);
	db_free(rows);
	return 0;
}

static int show_promises(struct pg_conn *conn, const char *tenants, struct error *error)
{
	struct pg_result *rows;
	char count[HUMAN_TEXT];
	struct table t;
	int code = db_query(conn,
			    "SELECT clock, count(*) FILTER (WHERE late), "
			    "count(*) FILTER (WHERE state = 'running' AND NOT late AND due_at < now() + interval '1 hour'), "
			    "count(*) FILTER (WHERE late OR breached_at IS NOT NULL), "
			    "count(*) FILTER (WHERE state = 'fulfilled' AND breached_at IS NULL) "
			    "FROM core.sla_clocks, LATERAL (SELECT state = 'running' AND due_at < now() AS late) l "
			    "WHERE tenant_id = ANY ($1::uuid[]) GROUP BY clock ORDER BY min(CASE clock WHEN 'first_response' THEN 1 "
			    "WHEN 'next_response' THEN 2 WHEN 'update' THEN 3 ELSE 4 END)",
			    1, &tenants, &rows, error);

	if (code)
		return code;
	heading("Promises (core.sla_clocks)");
	table_init(&t, 6, (const char *const[]){ "SLA clock", ">late now", ">due within the hour", ">broken so far", ">kept", ">kept, of those decided" });
	for (int i = 0; i < db_rows(rows); i++) {
		int64_t late = db_int(rows, i, 1), broken = db_int(rows, i, 3), kept = db_int(rows, i, 4);

		table_cell(&t, "%s", db_text(rows, i, 0));
		table_cell_style(&t, late ? STYLE_RED : STYLE_PLAIN, "%s", human_count(late, count));
		table_cell(&t, "%s", human_count(db_int(rows, i, 2), count));
		table_cell(&t, "%s", human_count(broken, count));
		table_cell(&t, "%s", human_count(kept, count));
		if (kept + broken)
			table_cell(&t, "%lld %%", (long long)(100 * kept / (kept + broken)));
		else
			table_cell(&t, "%s", "");
	}
	print_table(&t);
	db_free(rows);
	return 0;
}

static int show_timeline(struct pg_conn *conn, const char *tenants, struct error *error)
{
	bool colour = term_has_colour(stdout);
	int width = width_of_output(), code, receipts;
	struct pg_result *rows;
	const char *values[2];
	char tenant[40], id[40], title[300];

	code = db_query(conn,
			"SELECT c.tenant_id, c.id, c.subject, coalesce(t.name, '?') FROM core.conversations c "
			"LEFT JOIN core.tenants t ON t.tenant_id = c.tenant_id AND t.id = c.tenant_id "
			"WHERE c.tenant_id = ANY ($1::uuid[]) AND c.state IN ('resolved', 'awaiting_customer', 'reopened') "
			"ORDER BY c.resolution_id IS NOT NULL DESC, (c.message_count BETWEEN 6 AND 12) DESC, c.message_count DESC, c.id LIMIT 1",
			1, &tenants, &rows, error);
	if (code)
		return code;
	if (!db_rows(rows)) {
		db_free(rows);
		return 0;
	}
	snprintf(tenant, sizeof(tenant), "%s", db_text(rows, 0, 0));
	snprintf(id, sizeof(id), "%s", db_text(rows, 0, 1));
	snprintf(title, sizeof(title), "One conversation as the log tells it (verbatim.events): \"%s\", %s", db_text(rows, 0, 2), db_text(rows, 0, 3));
	db_free(rows);

	values[0] = tenant;
	values[1] = id;
	code = db_query(conn,
			"SELECT to_char(e.occurred_at, 'HH24:MI:SS'), "
			"CASE e.actor_type WHEN 'user' THEN coalesce(u.display_name, 'agent') "
			" WHEN 'customer' THEN coalesce(c.profile ->> 'name', 'customer') ELSE e.actor_type END, e.event_type, "
			"coalesce(e.payload ->> 'content', e.payload ->> 'summary', e.payload ->> 'root_cause', e.payload ->> 'fix_description', "
			" e.payload ->> 'new_status', e.payload ->> 'reason', e.payload ->> 'comment', e.payload ->> 'subject', e.payload ->> 'severity', "
			" e.payload ->> 'assigned_by', e.payload ->> 'by', ''), "
			"e.payload ? 'content' AND e.event_type LIKE 'message.%' "
			"FROM verbatim.events e "
			"LEFT JOIN core.users u ON u.tenant_id = e.tenant_id AND u.id = e.actor_id "
			"LEFT JOIN core.customers c ON c.tenant_id = e.tenant_id AND c.id = e.actor_id "
			"WHERE e.tenant_id = $1::uuid AND e.conversation_id = $2::uuid "
			"AND NOT (e.event_type IN ('message.delivered', 'message.read', 'message.translated') "
			" OR (e.event_type = 'message.sent' AND NOT e.payload ? 'content')) "
			"ORDER BY e.position LIMIT 40",
			2, values, &rows, error);
	if (code)
		return code;
	heading(title);
	for (int i = 0; i < db_rows(rows); i++) {
		bool said = db_bool(rows, i, 4);
		struct buffer text = { 0 }, who = { 0 };
		int who_columns, room = width - 10 - 18 - 34;

		term_cut(&who, bytes_text(db_text(rows, i, 1)), 16);
		who_columns = term_columns(buffer_bytes(&who));
		term_cut(&text, bytes_text(db_text(rows, i, 3)), room > 24 ? room : 24);
		printf("%s%s%s  %s%*s%s%-33s%s %s%s%s\n", term_style(STYLE_DIM, colour), db_text(rows, i, 0), term_style(STYLE_PLAIN, colour),
		       buffer_text(&who), 18 - who_columns, "", term_style(STYLE_DIM, colour), db_text(rows, i, 2),
		       term_style(STYLE_PLAIN, colour), term_style(said ? STYLE_BOLD : STYLE_PLAIN, colour), buffer_text(&text),
		       term_style(STYLE_PLAIN, colour));
		buffer_release(&text);
		buffer_release(&who);
	}
	db_free(rows);
	code = db_query(conn,
			"SELECT count(*) FROM verbatim.events WHERE tenant_id = $1::uuid AND conversation_id = $2::uuid "
			"AND event_type IN ('message.delivered', 'message.read', 'message.translated')",
			2, values, &rows, error);
	if (code)
		return code;
	receipts = (int)db_int(rows, 0, 0);
	db_free(rows);
	printf("\n(and %d receipts and translations; conversation %s)\n", receipts, id);
	return 0;
}

int demo_show(const char *conninfo, const char *tenants, struct error *error)
{
	struct pg_conn *conn;
	int code = db_open(conninfo, "verbatim demo", &conn, error);

	if (code)
		return code;
	code = show_states(conn, tenants, error);
	if (!code)
		code = show_queue(conn, tenants, error);
	if (!code)
		code = show_promises(conn, tenants, error);
	if (!code)
		code = show_timeline(conn, tenants, error);
	db_close(conn);
	return code;
}

/* The client of the README, word for word but for the address and the key's file (test/e2e/newcomer.py keeps it so). */
static const char client_begin[] =
	"    import msgpack, socket, time, uuid\n"
	"\n";
static const char client_middle[] =
	"    answers = msgpack.Unpacker(s.makefile(\"rb\", 0), timestamp=3)\n"
	"    def call(method, *params):\n"
	"        s.sendall(msgpack.packb([0, 1, method, params], datetime=True))\n"
	"        kind, msgid, error, result = answers.unpack()\n"
	"        if error: raise Exception(error)\n"
	"        return result\n"
	"\n";
static const char client_rest[] =
	"    tenant, customer, conversation, message = (str(uuid.uuid4()) for _ in range(4))\n"
	"    def event(type, entity, payload, **more):\n"
	"        return dict(event_id=str(uuid.uuid4()), event_type=type, tenant_id=tenant, entity_id=entity, actor_type=\"api\",\n"
	"                    occurred_at=time.strftime(\"%Y-%m-%dT%H:%M:%SZ\", time.gmtime()), payload=payload, **more)\n"
	"\n"
	"    ack = call(\"append\", [\n"
	"        event(\"customer.created\", customer, {\"identities\": [{\"kind\": \"email\", \"value\": \"ada@example.com\"}],\n"
	"                                             \"profile\": {\"name\": \"Ada\"}}),\n"
	"        event(\"conversation.created\", conversation, {\"customer_id\": customer, \"initial_channel\": \"email\"}),\n"
	"        event(\"message.received\", message, {\"channel\": \"email\", \"direction\": \"inbound\", \"sender_type\": \"customer\",\n"
	"                                            \"content\": \"Where is my parcel?\"}, conversation_id=conversation)])\n"
	"    call(\"wait\", [], [ack[\"log_id\"], ack[\"epoch\"], ack[\"shard\"], ack[\"last\"], ack[\"leaf\"]], 10000)\n";

static void print_python(const char *address, const char *key_file)
{
	const char *colon = strrchr(address, ':');

	printf("  python   apt install python3-msgpack, then\n\n%s", client_begin);
	if (strncmp(address, "unix:", 5) == 0)
		printf("    s = socket.socket(socket.AF_UNIX); s.connect(\"%s\")\n", address + 5);
	else
		printf("    s = socket.create_connection((\"%.*s\", %s))\n", (int)(colon - address), address, colon + 1);
	fputs(client_middle, stdout);
	printf("    call(\"hello\", 1, open(\"%s\").read().strip(), \"my program\")\n", key_file);
	fputs(client_rest, stdout);
}

void demo_show_next(const struct demo_place *p)
{
	const char *program = program_invocation_name; /* as it was typed: it need not be on the PATH */
	char *database = db_describe(p->conninfo);
	struct buffer where = { 0 };

	if (p->data)
		buffer_printf(&where, "--data %s", p->data);
	else
		buffer_printf(&where, "--db '%s'", database);
	heading(p->stays ? "Connect" : "The engine stops now; start it again");
	if (p->stays)
		printf("  engine   %s (MessagePack-RPC; core/engine/PROTOCOL.md)\n", p->address);
	else
		printf("  engine   %s serve %s &\n", program, buffer_text(&where));
	if (p->stays || !p->data)
		printf("  psql     psql \"%s\"\n", database);
	if (p->data)
		printf("  %s     %s psql %s%s\n", p->stays ? "    " : "psql", program, buffer_text(&where),
		       p->stays ? "" : "   (with or without the engine)");
	print_python(p->stays ? p->address : "127.0.0.1:7411", p->key_file);
	heading(p->stays ? "Try next" : "Then try");
	printf("  %s status %s\n", program, buffer_text(&where));
	printf("  %s events message                 the event types and their fields\n", program);
	printf("  %s generate --rate 200 --conversations 0 %s\n", program, buffer_text(&where));
	printf("  %s generate | %s append - --wait %s\n", program, program, buffer_text(&where));
	printf("  %s replay --conversation ID %s   that conversation: who, what, when, and what it led to\n", program, buffer_text(&where));
	printf("  %s verify %s                     every hash and signed checkpoint of the log\n", program, buffer_text(&where));
	printf("  SELECT * FROM core.v_agent_queue LIMIT 20;\n"
	       "  SELECT shard, position, event_type, payload FROM verbatim.events ORDER BY recorded_at DESC LIMIT 10;\n"
	       "  UPDATE verbatim.event_log SET payload = '{}';   (it will not let you)\n");
	buffer_release(&where);
	free(database);
}
