/* pace - see pace.h. */
#include "engine/pace.h"

#include <assert.h>

enum {
	IN_TURN_PERCENT = 60,
	RESTING_PERCENT = 90,
	LOOK_US = 50000,       /* shorter, and one large append is all that is seen */
	REST_TIMES = 2,       /* of what a batch took, at full load */
	REST_MOST_US = 500000,
};

void load_enter(struct load *l, int64_t now)
{
	if (l->under_way++ == 0)
		atomic_store(&l->since, now);
}

void load_leave(struct load *l, int64_t now)
{
	assert(l->under_way > 0);
	if (--l->under_way)
		return;
	atomic_fetch_add(&l->busy_us, now - atomic_load(&l->since));
	atomic_store(&l->since, 0);
}

enum pace_way pace_way(int load_percent, int64_t behind_us, int64_t behind_events, const struct pace_limits *limits)
{
	if (load_percent < IN_TURN_PERCENT || behind_us >= limits->lag_us || behind_events >= limits->lag_events)
		return PACE_FREELY;
	return load_percent < RESTING_PERCENT ? PACE_IN_TURN : PACE_RESTING;
}

int64_t pace_rest_us(int load_percent, int64_t took_us)
{
	int64_t us = load_percent < RESTING_PERCENT ? 0 : REST_TIMES * took_us * (load_percent - RESTING_PERCENT) / (100 - RESTING_PERCENT);

	return us < REST_MOST_US ? us : REST_MOST_US;
}

void pace_look(struct pace *p, int64_t now)
{
	int64_t since, busy, passed = now - p->looked_at, percent;

	if (!p->load || passed < LOOK_US)
		return;
	since = atomic_load(&p->load->since);
	busy = atomic_load(&p->load->busy_us) + (since ? now - since : 0);
	percent = 100 * (busy - p->busy_us) / passed;
	percent = percent < 0 ? 0 : percent > 100 ? 100 : percent;
	p->looked_at = now;
	p->busy_us = busy;
	/* After a pause the last moments are all that counts. */
	atomic_store(&p->percent, passed > 4 * LOOK_US ? (int)percent : (atomic_load(&p->percent) + (int)percent) / 2);
}

const char *pace_way_name(enum pace_way way)
{
	static const char *const names[] = { "freely", "in turn", "resting" };

	return names[way];
}
