/* decision - see decision.h. */
#include "engine/decision.h"

#include <stdio.h>

#include "engine/fault.h"
#include "event/merkle.h"
#include "event/number.h"

enum { LINE_MOST = 320 };

static const char *threshold_text(const struct due_clock *d, char out[NUMBER_TEXT + 1])
{
	double scale = 1;

	for (int i = 0; i < DUE_THRESHOLD_SCALE; i++)
		scale *= 10;
	*number_put_double((double)d->threshold / scale, out) = 0;
	return out;
}

static int64_t due_at(const struct due_clock *d)
{
	return d->due_at == TIME_NONE ? d->next_at : d->due_at;
}

struct uuid decision_id(const struct due_clock *d)
{
	char line[LINE_MOST], tenant[UUID_TEXT], subject[UUID_TEXT], threshold[NUMBER_TEXT + 1], due[TIME_TEXT];
	uint8_t hash[32];
	struct uuid id;
	int n = snprintf(line, sizeof(line), "%s %s %.*s %d %d %d %s %s", uuid_format(&d->tenant_id, tenant),
			 uuid_format(decision_subject(d), subject), (int)d->clock.len, d->clock.data, d->cycle, d->target_version,
			 d->run, d->nth < 0 ? "breach" : threshold_text(d, threshold), time_format(due_at(d), due));

	sha256(line, n < LINE_MOST ? (size_t)n : LINE_MOST - 1, hash);
	uuid_v8(&id, hash);
	return id;
}

/* Canonical as it stands: the names are in order, the values are a list's word, an integer, times, a number. */
static struct bytes payload(const struct due_clock *d, struct arena *arena)
{
	char text[LINE_MOST], at[TIME_TEXT], due[TIME_TEXT], threshold[NUMBER_TEXT + 1];
	int n;

	time_format(due_at(d), due);
	if (d->nth < 0)
		n = snprintf(text, sizeof(text), "{\"breached_at\":\"%s\",\"clock\":\"%.*s\",\"cycle\":%d,\"due_at\":\"%s\"}",
			     time_format(d->next_at, at), (int)d->clock.len, d->clock.data, d->cycle, due);
	else
		n = snprintf(text, sizeof(text), "{\"clock\":\"%.*s\",\"cycle\":%d,\"due_at\":\"%s\",\"threshold\":%s}",
			     (int)d->clock.len, d->clock.data, d->cycle, due, threshold_text(d, threshold));
	return arena_copy(arena, bytes_of(text, n < LINE_MOST ? (size_t)n : LINE_MOST - 1));
}

void decision_event(const struct due_clock *d, struct arena *arena, struct event *out)
{
	const struct event_type *type = catalog_get(d->nth < 0 ? EV_SLA_BREACHED : EV_SLA_WARNING);

	memset(out, 0, sizeof(*out));
	out->event_id = decision_id(d);
	if (fault_on("decision.anew")) {
		static uint8_t tries;

		out->event_id.b[0] ^= ++tries;
	}
	out->tenant_id = d->tenant_id;
	out->entity_id = d->id;
	out->conversation_id = d->conversation_id;
	out->resolution_id = d->resolution_id;
	out->causation_id = d->started_by;
	out->type = type;
	out->type_name = bytes_text(type->name);
	out->entity_type = bytes_text(entity_name(type->entity));
	out->version = type->shape.version;
	out->actor_type = ACTOR_SYSTEM;
	out->occurred_at = d->next_at;
	out->payload = payload(d, arena);
}
