/*
 * fake_keys - API keys in the world, and the ring (engine/keyring.h) by which each engine knows some of them.
 *
 * A ring that is asked looks a little later, on the world's clock, and then knows what there is; while the store hangs, a look
 * takes as long.  It looks by itself now and then, so that a key that is revoked ends on every engine.
 */
#ifndef VERBATIM_TEST_FAKE_KEYS_H
#define VERBATIM_TEST_FAKE_KEYS_H

#include "engine/keyring.h"
#include "world.h"

enum { KEYS = 5 };
enum key_role {
	KEY_WIDE,    /* of all tenants, without limits */
	KEY_LIMITED, /* of all tenants, with limits */
	KEY_BOUND,   /* of one tenant, which has limits, too */
	KEY_ENDING,  /* as KEY_WIDE; revoked some time */
	KEY_NEVER,   /* never made */
};

struct fake_keys {
	struct world *world;
	struct api_key_row rows[KEYS];
	char texts[KEYS][API_KEY_TEXT];
	struct tenant_limit_row limit; /* of KEY_BOUND's tenant */
};

void fake_keys_init(struct fake_keys *k, struct world *w, const struct uuid *tenant);

/* The ring that is started next reads these, for an engine of that machine. */
void fake_keys_serve(struct fake_keys *k, const struct world_host *host);

/* What a ring's keys are used for now; all 0 when nothing is under way. */
struct key_uses {
	int64_t connections, inflight, holders;
};
struct key_uses fake_keys_uses(const struct keyring *r);

#endif
