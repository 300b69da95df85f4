/*
 * engine_sim - an engine of a simulation: the real appenders, workers and timers of every shard, on the world's store.
 *
 * Its machine may be stopped for a while: then nothing of it runs, while the world goes on.
 * It crashes when it is told to (engine_sim_down) and comes up again by itself after a while, with another clock, until
 * `ending` is true.
 */
#ifndef VERBATIM_TEST_ENGINE_SIM_H
#define VERBATIM_TEST_ENGINE_SIM_H

#include "engine/timers.h"
#include "world.h"

struct engine_sim;

/* What stands before an engine's parts, if anything does (server_sim.h). */
struct engine_front {
	void (*up)(struct engine_sim *e);      /* its parts are there; it may open some itself (`open`) */
	void (*down)(struct engine_sim *e);    /* it has died; then its calls to the store are answered as lost */
	void (*stopped)(struct engine_sim *e); /* and they have been */
	void (*gone)(struct engine_sim *e);    /* all parts are closed */
	void (*committed)(struct engine_sim *e, struct appender *a);
	void (*moved)(struct engine_sim *e);   /* a worker went on */
	void (*sweep)(struct engine_sim *e);   /* each second */
};

struct engine_sim {
	struct world *world;
	const struct engine_front *front;       /* NULL: nothing */
	void *front_data;
	const struct group *group;
	const bool *ending;
	struct world_host host;
	int lives;                              /* how often it has come up */
	struct world_env env;
	struct store_factory *factory;
	struct appender_log log;
	struct appender appenders[WORLD_SHARDS + 1];
	struct gate appends, writes;
	struct appender_lone lone;
	struct load load;
	struct pace pace;
	struct worker workers[WORLD_SHARDS + 1];
	struct feed feeds[WORLD_SHARDS + 1];
	struct worker *wakes[WORLD_SHARDS + 1];
	struct timers_model clocks;
	struct timers timers[WORLD_SHARDS + 1]; /* when the group has clocks */
	struct request_pool pool;               /* of the timers */
	int64_t warnings, breaches;             /* of the timers that have gone */
	int open;
	bool up, crashing;
	struct engine_sim *told;                /* itself: word for its front is on its way */
	struct uuid owner;
};

/* Comes up at once; `front` and `front_data` stay as they are. */
void engine_sim_init(struct engine_sim *e, struct world *w, const struct group *group, const bool *ending);
void engine_sim_down(struct engine_sim *e);

/* Its machine stops for so long, and goes on as if nothing had been. */
void engine_sim_sleep(struct engine_sim *e, int64_t us);

/* Of a front, when what it has opened is closed. */
void engine_sim_part_closed(struct engine_sim *e);

/* A client's request: at once, or when the machine goes on; refused as unavailable when the engine has died by then. */
void engine_sim_submit(struct engine_sim *e, struct request *r);

/* What a session does with a client's events, given as a JSON array. */
int engine_sim_decode(struct request *r, const char *events, int64_t now, struct error *error) must_check;

#endif
