/*
 * classic - the way it is usually done: one INSERT a request, each its own transaction, from 64 clients.
 *
 * The tables, indexes and triggers are the usual ones of a support desk (classic.sql, beside this file, is put into
 * a schema of its own and dropped at the end).  Two ways:
 *
 *   messages   INSERT INTO messages; its triggers keep the conversation's counts and times, and write a change of
 *              state into event_log.  This is what the engine's append and projection do together.
 *   events     INSERT INTO event_log alone: a log that nothing is done with
 *
 * One process drives all connections through poll; a connection's next INSERT goes when its last was answered.
 * One JSON line comes out:
 *
 *   {"bench":"classic","way":"messages","connections":64,"seconds":5.0,"events":19500,"events_per_second":3900,
 *    "latency_ms":{"p50":16.1,"p99":31.0},"client_cpu_us_per_event":20.1,"steal_percent":0.4}
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"
#include "base/uuid.h"
#include "common.h"

enum { CONNECTIONS_MOST = 256, CONVERSATIONS = 1024, SAMPLES_MOST = 4000000 };

struct connection {
	PGconn *db;
	int64_t sent_at;
	bool busy;
};

struct classic {
	struct connection at[CONNECTIONS_MOST];
	struct pollfd polls[CONNECTIONS_MOST];
	int connections;
	bool messages;
	struct random random;
	char ids[CONVERSATIONS][UUID_TEXT], customers[CONVERSATIONS][UUID_TEXT];
	char *content, *payload;
	uint64_t turn;
	int64_t *samples;
	long done;
};

static void die(const char *what, PGconn *db)
{
	fprintf(stderr, "classic: %s: %s\n", what, PQerrorMessage(db));
	exit(1);
}

static void run(PGconn *db, const char *sql)
{
	PGresult *r = PQexec(db, sql);

	if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
		die(sql, db);
	PQclear(r);
}

static PGconn *open_one(const char *conninfo, const char *schema)
{
	PGconn *db = PQconnectdb(conninfo);
	char sql[256];

	if (PQstatus(db) != CONNECTION_OK)
		die("cannot connect", db);
	snprintf(sql, sizeof(sql), "SET client_min_messages = warning; SET synchronous_commit = on; SET search_path = %s, public", schema);
	run(db, sql);
	return db;
}

static char *file_text(const char *path)
{
	FILE *f = fopen(path, "r");
	struct buffer b = { 0 };
	char part[4096];
	size_t n;

	if (!f) {
		fprintf(stderr, "classic: cannot open '%s': %s\n", path, strerror(errno));
		exit(1);
	}
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buffer_add(&b, part, n);
	fclose(f);
	return mem_strdup(buffer_text(&b));
}

static void new_uuid(struct classic *c, char out[UUID_TEXT])
{
	uint8_t tail[16];
	struct uuid id;

	random_fill(&c->random, tail, sizeof(tail));
	uuid_v4(&id, tail);
	uuid_format(&id, out);
}

static void set_up(struct classic *c, PGconn *db, long payload)
{
	static const char words[] = "my order has not arrived yet and I would like to know when it comes, ";
	struct buffer text = { 0 }, json = { 0 };
	const char *values[2];

	for (int i = 0; i < CONVERSATIONS; i++) {
		new_uuid(c, c->ids[i]);
		new_uuid(c, c->customers[i]);
		values[0] = c->ids[i];
		values[1] = c->customers[i];
		PQclear(PQexecParams(db, "INSERT INTO customers (id) VALUES ($1)", 1, NULL, &values[1], NULL, NULL, 0));
		PQclear(PQexecParams(db, "INSERT INTO conversations (id, customer_id, initial_channel) VALUES ($1, $2, 'email')", 2, NULL,
				     values, NULL, NULL, 0));
	}
	while ((long)text.len < payload - 100)
		buffer_add_text(&text, words);
	buffer_printf(&json, "{\"channel\": \"email\", \"direction\": \"inbound\", \"content\": \"%s\"}", buffer_text(&text));
	c->content = mem_strdup(buffer_text(&text));
	c->payload = mem_strdup(buffer_text(&json));
	buffer_release(&text);
	buffer_release(&json);
}

static const char insert_message[] =
	"INSERT INTO messages (id, conversation_id, channel, direction, sender_type, content)"
	" VALUES ($1::uuid, $2::uuid, 'email', $3, $4, $5)";
static const char insert_event[] =
	"INSERT INTO event_log (event_type, entity_type, entity_id, payload, actor_type, conversation_id, customer_id, correlation_id)"
	" VALUES ($1, 'message', $2::uuid, $3::jsonb, 'user', $4::uuid, $5::uuid, $2::uuid)";

static void send_one(struct classic *c, struct connection *k)
{
	size_t which = (size_t)random_below(&c->random, CONVERSATIONS);
	bool inbound = c->turn++ % 2 == 0;
	char id[UUID_TEXT];
	const char *message[] = { id, c->ids[which], inbound ? "inbound" : "outbound", inbound ? "customer" : "agent", c->content };
	const char *event[] = { inbound ? "message.received" : "message.sent", id, c->payload, c->ids[which], c->customers[which] };

	new_uuid(c, id);
	k->sent_at = time_monotonic();
	if (!PQsendQueryPrepared(k->db, "i", 5, c->messages ? message : event, NULL, NULL, 0) || PQflush(k->db) < 0)
		die("cannot send", k->db);
	k->busy = true;
}

static void take(struct classic *c, struct connection *k)
{
	PGresult *r;

	if (!PQconsumeInput(k->db))
		die("receiving", k->db);
	while (k->busy && !PQisBusy(k->db)) {
		r = PQgetResult(k->db);
		if (!r) {
			k->busy = false;
			if (c->done < SAMPLES_MOST)
				c->samples[c->done] = time_monotonic() - k->sent_at;
			c->done++;
			break;
		}
		if (PQresultStatus(r) != PGRES_COMMAND_OK)
			die("refused", k->db);
		PQclear(r);
	}
}

static void drive(struct classic *c, int64_t until)
{
	bool sending = true, any = true;

	for (int i = 0; i < c->connections; i++)
		send_one(c, &c->at[i]);
	while (any) {
		if (poll(c->polls, (nfds_t)c->connections, 10000) <= 0) {
			fprintf(stderr, "classic: the server does not answer\n");
			exit(1);
		}
		sending = sending && time_monotonic() < until;
		any = sending;
		for (int i = 0; i < c->connections; i++) {
			struct connection *k = &c->at[i];

			if (c->polls[i].revents)
				take(c, k);
			if (!k->busy && sending)
				send_one(c, k);
			any = any || k->busy;
		}
	}
}

static const char help[] =
	"classic - one INSERT a request from many clients, into the tables of a usual support desk\n"
	"\n"
	"  --db CONNINFO    libpq connection string or URI (default: PG* variables)\n"
	"  --sql FILE       the tables (default bench/classic.sql)\n"
	"  --way WAY        messages (with their triggers) or events (default messages)\n"
	"  --connections K  (default 64)\n"
	"  --payload BYTES  about how long a payload is (default 300)\n"
	"  --seconds S      how long (default 5)\n"
	"  --help           this text\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "db", required_argument, NULL, 'd' },	     { "sql", required_argument, NULL, 'f' },
		{ "way", required_argument, NULL, 'w' },     { "connections", required_argument, NULL, 'c' },
		{ "payload", required_argument, NULL, 'p' }, { "seconds", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },	     { NULL, 0, NULL, 0 },
	};
	static struct classic c = { .connections = 64, .messages = true };
	const char *conninfo = "", *file = "bench/classic.sql";
	long payload = 300, seconds = 5, n;
	char schema[64], sql[256];
	uint64_t all[2], steal[2], seed;
	int64_t start, us, cpu;
	PGconn *db;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'd': conninfo = optarg; break;
		case 'f': file = optarg; break;
		case 'w':
			if (strcmp(optarg, "messages") != 0 && strcmp(optarg, "events") != 0) {
				fprintf(stderr, "classic: --way takes messages or events\n");
				return 2;
			}
			c.messages = strcmp(optarg, "messages") == 0;
			break;
		case 'c': c.connections = (int)bench_number("connections", optarg, 1, CONNECTIONS_MOST); break;
		case 'p': payload = bench_number("payload", optarg, 200, 100000); break;
		case 's': seconds = bench_number("seconds", optarg, 1, 3600); break;
		case 'h': fputs(help, stdout); return 0;
		default: fputs("classic: --help tells the options\n", stderr); return 2;
		}
	}
	random_system(&seed, sizeof(seed));
	random_seed(&c.random, seed);
	c.samples = mem_alloc(SAMPLES_MOST * sizeof(*c.samples));
	snprintf(schema, sizeof(schema), "classic_bench_%d", (int)getpid());
	db = open_one(conninfo, schema);
	snprintf(sql, sizeof(sql), "CREATE SCHEMA %s", schema);
	run(db, sql);
	run(db, file_text(file));
	set_up(&c, db, payload);
	for (int i = 0; i < c.connections; i++) {
		PGconn *k = open_one(conninfo, schema);

		PQclear(PQprepare(k, "i", c.messages ? insert_message : insert_event, 0, NULL));
		PQsetnonblocking(k, 1);
		c.at[i].db = k;
		c.polls[i] = (struct pollfd){ .fd = PQsocket(k), .events = POLLIN };
	}
	bench_machine_time(&all[0], &steal[0]);
	cpu = bench_cpu_us();
	start = time_monotonic();
	drive(&c, start + seconds * TIME_SECOND);
	us = time_monotonic() - start;
	cpu = bench_cpu_us() - cpu;
	bench_machine_time(&all[1], &steal[1]);
	for (int i = 0; i < c.connections; i++)
		PQfinish(c.at[i].db);
	snprintf(sql, sizeof(sql), "DROP SCHEMA %s CASCADE", schema);
	run(db, sql);
	PQfinish(db);
	n = c.done < SAMPLES_MOST ? c.done : SAMPLES_MOST;
	bench_sort(c.samples, n);
	printf("{\"bench\":\"classic\",\"way\":\"%s\",\"connections\":%d,\"seconds\":%.3f,\"events\":%ld,\"events_per_second\":%.0f,"
	       "\"latency_ms\":{\"p50\":%.3f,\"p99\":%.3f},\"client_cpu_us_per_event\":%.2f,\"steal_percent\":%.1f}\n",
	       c.messages ? "messages" : "events", c.connections, (double)us / 1e6, c.done, (double)c.done * 1e6 / (double)us,
	       bench_percentile(c.samples, n, 0.5), bench_percentile(c.samples, n, 0.99), (double)cpu / (double)c.done,
	       bench_steal_percent(all, steal));
	return 0;
}
