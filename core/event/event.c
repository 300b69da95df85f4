/* event - see event.h. */
#include "event/event.h"

#include <assert.h>
#include <xxhash.h>

const struct uuid system_tenant = { { 0, 0, 0, 0, 0, 0, 0x80, 0, 0x80, 0, 0, 0, 0, 0, 0, 0 } };

enum actor_type actor_type_find(struct bytes name)
{
	int i = 0;

	while (values_actor_type[i] && !bytes_is(name, values_actor_type[i]))
		i++;
	return values_actor_type[i] ? (enum actor_type)i : ACTOR_SYSTEM;
}

int event_shard(const struct uuid *tenant_id, int shards)
{
	assert(shards > 0);
	if (uuid_equal(tenant_id, &system_tenant))
		return 0;
	return 1 + (int)(XXH3_64bits(tenant_id->b, sizeof(tenant_id->b)) % (uint64_t)shards);
}
