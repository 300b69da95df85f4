/* event - see event.h. */
#include "event/event.h"

#include <assert.h>
#include <xxhash.h>

const struct uuid system_tenant = { { 0, 0, 0, 0, 0, 0, 0x80, 0, 0x80, 0, 0, 0, 0, 0, 0, 0 } };

int event_shard(const struct uuid *tenant_id, int shards)
{
	assert(shards > 0);
	if (uuid_equal(tenant_id, &system_tenant))
		return 0;
	return 1 + (int)(XXH3_64bits(tenant_id->b, sizeof(tenant_id->b)) % (uint64_t)shards);
}
