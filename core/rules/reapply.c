/* reapply - see reapply.h. */
#include "rules/reapply.h"

#include <stdio.h>

#include "event/merkle.h"

enum { LINE_MOST = 2 * UUID_TEXT + 40 };

struct uuid reapply_id(const struct uuid *tenant_id, const struct uuid *asking, int64_t nth)
{
	char line[LINE_MOST], tenant[UUID_TEXT], ask[UUID_TEXT];
	uint8_t hash[32];
	struct uuid id;
	int n = snprintf(line, sizeof(line), "%s %s reapply %lld", uuid_format(tenant_id, tenant), uuid_format(asking, ask), (long long)nth);

	sha256(line, (size_t)n, hash);
	uuid_v8(&id, hash);
	return id;
}
