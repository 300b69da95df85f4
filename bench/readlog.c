/*
 * readlog - how fast does this PostgreSQL give its log away?
 *
 * COPY BINARY of the columns that a fold needs, in order of position, a shard after the other (or --shard alone) over so many
 * connections; what comes is counted and dropped.  The yardstick that rebuild, verify and replay are measured against, in the
 * same run.  One JSON line comes out:
 *
 *   {"bench":"readlog","events":1000000,"connections":2,"seconds":1.4,"events_per_second":714285}
 */
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

#include "common.h"

enum { CONNECTIONS_MAX = 64 };

static const char *conninfo = "";
static int shards;
static _Atomic int next_shard;
static _Atomic int64_t events;

static void die_of(PGconn *db, const char *what)
{
	fprintf(stderr, "readlog: %s: %s\n", what, PQerrorMessage(db));
	exit(1);
}

static PGconn *connect_to(void)
{
	PGconn *db = PQconnectdb(conninfo);

	if (PQstatus(db) != CONNECTION_OK)
		die_of(db, "cannot connect");
	PQclear(PQexec(db, "SET jit = off; SET enable_seqscan = off; SET enable_bitmapscan = off; SET max_parallel_workers_per_gather = 0"));
	return db;
}

static void *read_shards(void *data)
{
	PGconn *db = connect_to();
	int64_t rows = 0;
	char sql[512], *row;
	PGresult *r;
	int shard;

	while ((shard = atomic_fetch_add(&next_shard, 1)) <= shards) {
		snprintf(sql, sizeof(sql), "COPY (SELECT position, recorded_at, occurred_at, event_version, silent, event_id, tenant_id, entity_id,"
			 " conversation_id, customer_id, resolution_id, actor_id, correlation_id, causation_id, event_type, entity_type, actor_type,"
			 " leaf_hash, actor_ip, actor_user_agent, payload FROM verbatim.event_log WHERE shard = %d ORDER BY position)"
			 " TO STDOUT (FORMAT binary)", shard);
		r = PQexec(db, sql);
		if (PQresultStatus(r) != PGRES_COPY_OUT)
			die_of(db, "cannot read");
		PQclear(r);
		while (PQgetCopyData(db, &row, 0) > 0) {
			PQfreemem(row);
			rows++;
		}
		rows--; /* the end comes as one, too */
		while ((r = PQgetResult(db)))
			PQclear(r);
	}
	PQfinish(db);
	atomic_fetch_add(&events, rows);
	return NULL;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = { { "db", required_argument, NULL, 'd' }, { "connections", required_argument, NULL, 'c' },
					      { "shard", required_argument, NULL, 's' }, { 0 } };
	pthread_t threads[CONNECTIONS_MAX];
	int connections = 1, only = -1;
	double began, took;
	PGconn *db;
	PGresult *r;

	for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
		if (c == 'd')
			conninfo = optarg;
		else if (c == 'c')
			connections = atoi(optarg);
		else if (c == 's')
			only = atoi(optarg);
	}
	if (connections < 1 || connections > CONNECTIONS_MAX) {
		fprintf(stderr, "readlog --db CONNINFO --connections 1..%d [--shard N]\n", CONNECTIONS_MAX);
		return 64;
	}
	db = connect_to();
	r = PQexec(db, "SELECT shards FROM verbatim.log_identity");
	if (PQresultStatus(r) != PGRES_TUPLES_OK || PQntuples(r) != 1)
		die_of(db, "no log");
	shards = atoi(PQgetvalue(r, 0, 0));
	PQclear(r);
	PQfinish(db);
	if (only >= 0)
		next_shard = shards = only;
	began = now();
	for (int i = 0; i < connections; i++)
		if (pthread_create(&threads[i], NULL, read_shards, NULL))
			abort();
	for (int i = 0; i < connections; i++)
		pthread_join(threads[i], NULL);
	took = now() - began;
	printf("{\"bench\":\"readlog\",\"events\":%lld,\"connections\":%d,\"seconds\":%.3f,\"events_per_second\":%.0f}\n", (long long)events,
	       connections, took, (double)events / took);
	return 0;
}
