/*
 * limit - how fast can this PostgreSQL take the log's rows at all?
 *
 * COPY BINARY of rows of event_log's very shape into a private copy of a month's leaf (the same columns,
 * storage, CHECK and indexes; no triggers, no partition routing), durable, in batches of N rows a
 * transaction, over one connection.  Nothing that keeps the log's promises is done here: this is the
 * yardstick that the append function and the engine are measured against, in the same run.
 *
 * The clock runs only while a batch is with the server; making the rows is not counted.  One JSON line
 * comes out:
 *
 *   {"bench":"limit","rows":200000,"batch":1000,"payload_bytes":300,"seconds":3.612,
 *    "events_per_second":55371,"backend_cpu_us_per_row":16.1,"batch_ms_p50":17.9,"steal_percent":0.4}
 *
 * A row of COPY BINARY is: int16 number of columns, then for each int32 length (-1: NULL) and bytes, all
 * big-endian; before the first row a header of 19 bytes, after the last an int16 -1.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "common.h"

enum {
	TENANTS = 64,
	CONVERSATIONS = 4096,		/* open at any time; one in 40 events closes one and opens another */
	PAYLOAD_MAX = 65536,
	BATCH_MAX = 100000,
	COLUMNS = 22,
};

#define UNIX_TO_PG_US INT64_C(946684800000000)	/* 2000-01-01, PostgreSQL's zero */

struct row {
	int64_t position, recorded_at, occurred_at;	/* microseconds since 2000-01-01 */
	uint8_t event_id[16], tenant_id[16], entity_id[16];
	uint8_t conversation_id[16], customer_id[16], resolution_id[16];
	uint8_t actor_id[16], correlation_id[16], causation_id[16];
	bool has_conversation, has_customer, has_resolution, has_actor, has_correlation, has_causation;
	bool has_ip, has_agent;
	const char *event_type, *entity_type, *actor_type, *actor_user_agent;
	uint8_t actor_ip[4];
	uint8_t leaf_hash[32];
	char payload[PAYLOAD_MAX + 256];
	int32_t payload_bytes;
};

struct conversation {
	uint8_t id[16], customer_id[16];
	int tenant;
};

/* The rows' source: seeded, so that two runs send the same shape. */
struct source {
	uint64_t random;
	int64_t position;
	int payload_bytes;
	uint8_t tenants[TENANTS][16];
	struct conversation conversations[CONVERSATIONS];
	uint8_t last_event_id[16];
};

struct buffer {
	char *bytes;
	size_t used, size;
};

static void die(const char *what, const char *detail)
{
	fprintf(stderr, "limit: %s: %s\n", what, detail);
	exit(1);
}

static int64_t clock_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static uint64_t source_random(struct source *s)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return s->random;
}

static bool source_chance(struct source *s, unsigned percent)
{
	return source_random(s) >> 32 < (uint64_t)percent * ((UINT64_C(1) << 32) / 100);
}

/* A version 7 UUID: 48 bits of milliseconds, the rest random but for version and variant. */
static void source_uuid(struct source *s, uint8_t id[16])
{
	uint64_t ms = (uint64_t)clock_us(CLOCK_REALTIME) / 1000;
	uint64_t a = source_random(s), b = source_random(s);

	for (int i = 0; i < 6; i++)
		id[i] = (uint8_t)(ms >> (40 - 8 * i));
	for (int i = 6; i < 8; i++)
		id[i] = (uint8_t)(a >> (8 * i));
	for (int i = 8; i < 16; i++)
		id[i] = (uint8_t)(b >> (8 * (i - 8)));
	id[6] = (uint8_t)(0x70 | (id[6] & 0x0f));
	id[8] = (uint8_t)(0x80 | (id[8] & 0x3f));
}

static void source_open(struct source *s, struct conversation *c)
{
	c->tenant = (int)(source_random(s) % TENANTS);
	source_uuid(s, c->id);
	source_uuid(s, c->customer_id);
}

static void source_init(struct source *s, int payload_bytes)
{
	memset(s, 0, sizeof(*s));
	s->random = UINT64_C(0x9e3779b97f4a7c15);
	s->payload_bytes = payload_bytes;
	for (int i = 0; i < TENANTS; i++)
		source_uuid(s, s->tenants[i]);
	for (int i = 0; i < CONVERSATIONS; i++)
		source_open(s, &s->conversations[i]);
}

/* What a customer writes: words, so that the text is neither random nor one letter. */
static void source_payload(struct source *s, struct row *r)
{
	static const char *const words[] = {
		"hello", "my", "order", "has", "not", "arrived", "the", "parcel", "was", "sent", "on", "Tuesday", "and", "I",
		"would", "like", "a", "refund", "please", "could", "you", "check", "invoice", "thank", "printer", "does",
		"work", "after", "update", "again", "account", "locked", "since", "yesterday", "waiting", "for", "answer",
	};
	size_t target = (size_t)s->payload_bytes, size = sizeof(r->payload), used;

	used = (size_t)snprintf(r->payload, size, "{\"channel\":\"email\",\"content\":\"");
	do {
		const char *w = words[source_random(s) % (sizeof(words) / sizeof(words[0]))];

		used += (size_t)snprintf(r->payload + used, size - used, "%s ", w);
	} while (used + 72 < target);
	used += (size_t)snprintf(r->payload + used, size - used,
				 "\",\"message_id\":\"%016" PRIx64 "%016" PRIx64 "\",\"type\":\"text\"}",
				 source_random(s), source_random(s));
	r->payload_bytes = (int32_t)used;
}

static void source_next(struct source *s, struct row *r)
{
	static const struct { const char *type, *entity, *actor; } kinds[] = {
		{ "message.received", "message", "customer" },
		{ "message.sent", "message", "user" },
		{ "conversation.assigned", "conversation", "automation" },
		{ "conversation.state_changed", "conversation", "user" },
		{ "annotation.added", "annotation", "ai" },
	};
	size_t kind = source_random(s) % (sizeof(kinds) / sizeof(kinds[0]));
	struct conversation *c = &s->conversations[source_random(s) % CONVERSATIONS];

	if (source_chance(s, 2))
		source_open(s, c);
	r->position = ++s->position;
	r->recorded_at = clock_us(CLOCK_REALTIME) - UNIX_TO_PG_US;
	r->occurred_at = r->recorded_at - (int64_t)(source_random(s) % 3000000);
	source_uuid(s, r->event_id);
	source_uuid(s, r->entity_id);
	memcpy(r->tenant_id, s->tenants[c->tenant], 16);
	memcpy(r->conversation_id, c->id, 16);
	memcpy(r->customer_id, c->customer_id, 16);
	memcpy(r->causation_id, s->last_event_id, 16);
	memcpy(s->last_event_id, r->event_id, 16);
	source_uuid(s, r->resolution_id);
	source_uuid(s, r->actor_id);
	source_uuid(s, r->correlation_id);
	r->has_conversation = source_chance(s, 95);
	r->has_customer = source_chance(s, 80);
	r->has_resolution = source_chance(s, 5);
	r->has_actor = source_chance(s, 70);
	r->has_correlation = source_chance(s, 50);
	r->has_causation = source_chance(s, 30);
	r->has_ip = source_chance(s, 20);
	r->has_agent = source_chance(s, 10);
	r->event_type = kinds[kind].type;
	r->entity_type = kinds[kind].entity;
	r->actor_type = kinds[kind].actor;
	r->actor_user_agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
	for (int i = 0; i < 4; i++)
		r->actor_ip[i] = (uint8_t)source_random(s);
	for (int i = 0; i < 32; i += 8) {
		uint64_t h = source_random(s);

		memcpy(r->leaf_hash + i, &h, 8);
	}
	source_payload(s, r);
}

static void put_bytes(struct buffer *b, const void *bytes, size_t length)
{
	if (b->used + length > b->size) {
		b->size = (b->used + length) * 2;
		b->bytes = realloc(b->bytes, b->size);
		if (!b->bytes)
			die("cannot grow a buffer", "out of memory");
	}
	memcpy(b->bytes + b->used, bytes, length);
	b->used += length;
}

static void put_int(struct buffer *b, int64_t value, int bytes)
{
	uint8_t out[8];

	for (int i = 0; i < bytes; i++)
		out[i] = (uint8_t)((uint64_t)value >> (8 * (bytes - 1 - i)));
	put_bytes(b, out, (size_t)bytes);
}

/* A column: NULL when absent. */
static void put_column(struct buffer *b, bool present, const void *bytes, size_t length)
{
	put_int(b, present ? (int64_t)length : -1, 4);
	if (present)
		put_bytes(b, bytes, length);
}

static void put_text(struct buffer *b, bool present, const char *text)
{
	put_column(b, present, text, strlen(text));
}

/* inet: family (2: IPv4), bits, is_cidr, length, address */
static void put_inet(struct buffer *b, bool present, const uint8_t ip[4])
{
	const uint8_t out[8] = { 2, 32, 0, 4, ip[0], ip[1], ip[2], ip[3] };

	put_column(b, present, out, sizeof(out));
}

static const char column_names[] =
	"position, recorded_at, occurred_at, event_version, shard, silent, event_id, tenant_id, entity_id, conversation_id, "
	"customer_id, resolution_id, actor_id, correlation_id, causation_id, event_type, entity_type, actor_type, leaf_hash, "
	"actor_ip, actor_user_agent, payload";

/* In the order of column_names. */
static void put_row(struct buffer *b, const struct row *r)
{
	put_int(b, COLUMNS, 2);
	put_int(b, 8, 4), put_int(b, r->position, 8);
	put_int(b, 8, 4), put_int(b, r->recorded_at, 8);
	put_int(b, 8, 4), put_int(b, r->occurred_at, 8);
	put_int(b, 4, 4), put_int(b, 1, 4);
	put_int(b, 2, 4), put_int(b, 1, 2);
	put_int(b, 1, 4), put_int(b, 0, 1);
	put_column(b, true, r->event_id, 16);
	put_column(b, true, r->tenant_id, 16);
	put_column(b, true, r->entity_id, 16);
	put_column(b, r->has_conversation, r->conversation_id, 16);
	put_column(b, r->has_customer, r->customer_id, 16);
	put_column(b, r->has_resolution, r->resolution_id, 16);
	put_column(b, r->has_actor, r->actor_id, 16);
	put_column(b, r->has_correlation, r->correlation_id, 16);
	put_column(b, r->has_causation, r->causation_id, 16);
	put_text(b, true, r->event_type);
	put_text(b, true, r->entity_type);
	put_text(b, true, r->actor_type);
	put_column(b, true, r->leaf_hash, 32);
	put_inet(b, r->has_ip, r->actor_ip);
	put_text(b, r->has_agent, r->actor_user_agent);
	put_column(b, true, r->payload, (size_t)r->payload_bytes);
}

static void run(PGconn *db, const char *sql)
{
	PGresult *result = PQexec(db, sql);

	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
		die(sql, PQerrorMessage(db));
	PQclear(result);
}

/* One transaction: COPY, its rows, its end. */
static void copy_batch(PGconn *db, const char *sql, const struct buffer *rows)
{
	PGresult *result = PQexec(db, sql);

	if (PQresultStatus(result) != PGRES_COPY_IN)
		die("cannot start COPY", PQerrorMessage(db));
	PQclear(result);
	if (PQputCopyData(db, rows->bytes, (int)rows->used) != 1 || PQputCopyEnd(db, NULL) != 1)
		die("cannot send rows", PQerrorMessage(db));
	while ((result = PQgetResult(db))) {
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			die("rows refused", PQerrorMessage(db));
		PQclear(result);
	}
}

/* User and system time of a process of this machine, in microseconds; -1 when it cannot be seen. */
static int64_t process_cpu_us(int pid)
{
	char path[64], line[1024], *p;
	unsigned long user, system;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return -1;
	p = fgets(line, sizeof(line), f);
	fclose(f);
	p = p ? strrchr(line, ')') : NULL;	/* the name before it may hold anything */
	if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
		return -1;
	return (int64_t)(user + system) * 1000000 / sysconf(_SC_CLK_TCK);
}

static const char help[] =
	"limit - COPY BINARY of event_log's rows into a copy of a month's leaf: the yardstick of appending\n"
	"\n"
	"  --db CONNINFO    libpq connection string or URI of a migrated database (default: PG* variables)\n"
	"  --rows N         rows in all (default 200000)\n"
	"  --batch N        rows a transaction (default 1000)\n"
	"  --payload BYTES  about how long a payload is (default 300)\n"
	"  --help           this text\n"
	"\n"
	"The login must be a superuser or a member of verbatim_owner. The copy is made in the schema\n"
	"verbatim_bench_<pid> and dropped at the end; the log itself is not touched.\n"
	"\n"
	"example: limit --db 'host=/tmp/pg dbname=verbatim' --rows 500000 --batch 100\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "db", required_argument, NULL, 'd' },     { "rows", required_argument, NULL, 'r' },
		{ "batch", required_argument, NULL, 'b' },  { "payload", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },	    { NULL, 0, NULL, 0 },
	};
	static const char header[19] = "PGCOPY\n\377\r\n\0";
	static struct source source;
	static struct row row;
	const char *conninfo = "";
	long rows = 200000, batch = 1000, payload = 300, done = 0, batches = 0;
	struct buffer buffer = { 0 };
	char sql[1024];
	int64_t taken_us = 0, cpu_us, *times;
	uint64_t all[2], steal[2];
	PGconn *db;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd': conninfo = optarg; break;
		case 'r': rows = bench_number("rows", optarg, 1, 1000000000); break;
		case 'b': batch = bench_number("batch", optarg, 1, BATCH_MAX); break;
		case 'p': payload = bench_number("payload", optarg, 100, PAYLOAD_MAX); break;
		case 'h': fputs(help, stdout); return 0;
		default: fputs("limit: --help tells the options\n", stderr); return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "limit: unexpected \"%s\"; --help tells the options\n", argv[optind]);
		return 2;
	}

	db = PQconnectdb(conninfo);
	if (PQstatus(db) != CONNECTION_OK)
		die("cannot connect", PQerrorMessage(db));
	run(db, "SET client_min_messages = warning; SET synchronous_commit = on");
	run(db, "SELECT verbatim.make_leaf((now() AT TIME ZONE 'UTC')::date)");
	snprintf(sql, sizeof(sql),
		 "CREATE SCHEMA verbatim_bench_%d; SET search_path = verbatim_bench_%d;"
		 "DO $$ BEGIN EXECUTE format('CREATE TABLE leaf (LIKE verbatim.%%I INCLUDING ALL)', "
		 "to_char(now() AT TIME ZONE 'UTC', '\"event_log_y\"YYYY\"m\"MM')); END $$", (int)getpid(), (int)getpid());
	run(db, sql);

	times = malloc((size_t)(rows / batch + 1) * sizeof(*times));
	if (!times)
		die("cannot keep the times", "out of memory");
	source_init(&source, (int)payload);
	snprintf(sql, sizeof(sql), "COPY leaf (%s) FROM STDIN (FORMAT binary)", column_names);
	bench_machine_time(&all[0], &steal[0]);
	cpu_us = process_cpu_us(PQbackendPID(db));
	while (done < rows) {
		long n = rows - done < batch ? rows - done : batch;
		int64_t start;

		buffer.used = 0;
		put_bytes(&buffer, header, sizeof(header));
		for (long i = 0; i < n; i++) {
			source_next(&source, &row);
			put_row(&buffer, &row);
		}
		put_int(&buffer, -1, 2);
		start = clock_us(CLOCK_MONOTONIC);
		copy_batch(db, sql, &buffer);
		times[batches] = clock_us(CLOCK_MONOTONIC) - start;
		taken_us += times[batches++];
		done += n;
	}
	if (cpu_us >= 0) {
		int64_t end_us = process_cpu_us(PQbackendPID(db));

		cpu_us = end_us >= 0 ? end_us - cpu_us : -1;
	}
	bench_machine_time(&all[1], &steal[1]);
	snprintf(sql, sizeof(sql), "DROP SCHEMA verbatim_bench_%d CASCADE", (int)getpid());
	run(db, sql);
	PQfinish(db);
	free(buffer.bytes);
	bench_sort(times, batches);

	printf("{\"bench\":\"limit\",\"rows\":%ld,\"batch\":%ld,\"payload_bytes\":%ld,\"seconds\":%.3f,\"events_per_second\":%.0f,",
	       rows, batch, payload, (double)taken_us / 1e6, (double)rows * 1e6 / (double)taken_us);
	if (cpu_us >= 0)
		printf("\"backend_cpu_us_per_row\":%.2f,", (double)cpu_us / (double)rows);
	else
		printf("\"backend_cpu_us_per_row\":null,");
	printf("\"batch_ms_p50\":%.3f,", bench_percentile(times, batches, 0.5));
	free(times);
	printf("\"steal_percent\":%.1f}\n",
	       bench_steal_percent(all, steal));
	return 0;
}
