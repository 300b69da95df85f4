/*
 * rebuild_tell - see rebuild.h; here: the word in the log.
 *
 * It comes after the switch, whose row keeps it until the log has it.  Its id follows from the rebuild: whoever tells it
 * once more, because the answer was lost or two were at it, finds it there.
 */
#include <stdlib.h>

#include "base/bytes.h"
#include "engine/fault.h"
#include "engine/journal.h"
#include "engine/rebuild.h"
#include "engine/rebuild_ops.h"
#include "event/merkle.h"

static int tell_one(const struct rebuild_ops *ops, struct pg_conn *c, const struct shadow_untold *u, rebuild_journal_fn journal, void *data,
		    struct error *error)
{
	struct journal_entry entry = { .type = "log.rebuilt", .entity_id = system_tenant, .occurred_at = u->ended_at,
				       .payload = bytes_text(u->event) };
	uint8_t hash[32];
	int status;

	sha256_two(&u->owner, sizeof(u->owner), &u->rebuild, sizeof(u->rebuild), hash);
	if (fault_on("rebuild.tells_anew"))
		ops->machine.random(hash, sizeof(hash));
	uuid_v7(&entry.event_id, entry.occurred_at / 1000, hash);
	status = journal(data, &entry, error);
	fault_point("rebuild.told");
	return status && !fault_on("rebuild.tells_nobody") ? status : ops->shadow.told(c, u->rebuild, error);
}

int rebuild_tell(const struct rebuild_ops *ops, const char *conninfo, rebuild_journal_fn journal, void *data, struct error *error)
{
	struct shadow_untold u = { .rebuild = 0 };
	struct pg_conn *c;
	int status = ops->session.open(conninfo, "verbatim rebuild", &c, error);

	if (status)
		return status;
	while ((status = ops->shadow.untold(c, &u, error)) == 0 && u.rebuild) {
		status = tell_one(ops, c, &u, journal, data, error);
		free(u.event);
		if (status)
			break;
	}
	ops->session.close(c);
	return status;
}
