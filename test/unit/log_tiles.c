/* log_tiles - the hashes of tiles are the same whether two threads make them or one, and end at the first that is no tile. */
#include "tap.h"

#include <dlfcn.h>
#include <errno.h>
#include <libpq-fe.h>
#include <pthread.h>

#include "base/bytes.h"
#include "base/random.h"
#include "event/merkle.h"
#include "store/log_tiles.h"

enum { ROWS = 41, TILE_BYTES = MERKLE_TILE * LEAF_BYTES };

static int threads;
static bool refuse;

/* Instead of libpthread's, for all of this program. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *data)
{
	int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	void *found = dlsym(RTLD_NEXT, "pthread_create");

	memcpy(&real, &found, sizeof(real));
	threads += !refuse;
	return refuse ? EAGAIN : real(thread, attributes, run, data);
}

/* Tiles as the log would give them: (index, hashes); row `bad`, if there is one, lacks a byte. */
static PGresult *make_rows(uint8_t (*tiles)[TILE_BYTES], int count, int bad)
{
	PGresult *rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc columns[] = { { .name = (char[]){ "index" }, .format = 1 }, { .name = (char[]){ "hashes" }, .format = 1 } };

	PQsetResultAttrs(rows, 2, columns);
	for (int i = 0; i < count; i++) {
		PQsetvalue(rows, i, 0, (char[8]){ 0 }, 8);
		PQsetvalue(rows, i, 1, (char *)tiles[i], TILE_BYTES - (i == bad));
	}
	return rows;
}

static void hash(uint8_t (*tiles)[TILE_BYTES], int count, int bad, int want_threads, const char *name)
{
	PGresult *rows = make_rows(tiles, count, bad);
	uint8_t got[ROWS][LEAF_BYTES] = { { 0 } }, want[ROWS][LEAF_BYTES] = { { 0 } };
	int good = bad >= 0 ? bad : count;

	for (int i = 0; i < good; i++)
		merkle_tile_hash(tiles[i], MERKLE_TILE, want[i]);
	threads = 0;
	is_int(log_tiles_hash(rows, count, got), good, name);
	ok(memcmp(got, want, sizeof(want)) == 0, "%s: each is the tile's", name);
	is_int(threads, want_threads, "so many threads beside this one");
	PQclear(rows);
}

int main(void)
{
	uint8_t (*tiles)[TILE_BYTES] = mem_alloc(ROWS * sizeof(*tiles));
	struct random random;

	random_seed(&random, 4711);
	random_fill(&random, tiles, ROWS * sizeof(*tiles));
	hash(tiles, ROWS, -1, 1, "two threads share many tiles");
	hash(tiles, ROWS, 30, 1, "up to the first that is no tile");
	hash(tiles, 15, -1, 0, "few tiles need no thread");
	hash(tiles, ROWS, 0, 0, "nor does none");
	refuse = true;
	hash(tiles, ROWS, -1, 0, "where no thread can be had, one does it all");
	hash(tiles, ROWS, 30, 0, "up to the first that is no tile, too");
	free(tiles);
	return tap_done();
}
