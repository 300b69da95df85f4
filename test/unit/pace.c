/* pace - acknowledgements first, and nobody starves: the rule, the rest, and how the load is counted. */
#include "engine/pace.h"
#include "tap.h"

enum { SECOND = 1000000 };

static const struct pace_limits limits = { 15 * SECOND, 75000 };

static void rule(void)
{
	static const struct {
		const char *about;
		int load_percent;
		int64_t behind_us, behind_events;
		enum pace_way way;
	} cases[] = {
		{ "an idle engine", 0, 0, 0, PACE_FREELY },
		{ "one event now and then", 5, 3000, 1, PACE_FREELY },
		{ "a load that leaves room", 59, SECOND, 5000, PACE_FREELY },
		{ "a load that leaves little", 60, SECOND, 5000, PACE_IN_TURN },
		{ "nearly all", 89, SECOND, 5000, PACE_IN_TURN },
		{ "appends without a pause", 100, SECOND, 5000, PACE_RESTING },
		{ "long behind the clock, whatever the load", 100, 15 * SECOND, 10, PACE_FREELY },
		{ "far behind the log, whatever the load", 100, 10, 75000, PACE_FREELY },
		{ "nearly so", 100, 15 * SECOND - 1, 74999, PACE_RESTING },
		{ "a clock set back says nothing", 100, -3600ll * SECOND, 10, PACE_RESTING },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		is_text(pace_way_name(pace_way(cases[i].load_percent, cases[i].behind_us, cases[i].behind_events, &limits)),
			pace_way_name(cases[i].way), cases[i].about);
}

static void rest(void)
{
	is_int(pace_rest_us(50, 100000), 0, "no rest while there is room");
	is_int(pace_rest_us(90, 100000), 0, "nor at the threshold");
	is_int(pace_rest_us(95, 100000), 100000, "as long as the batch took");
	is_int(pace_rest_us(100, 100000), 200000, "twice as long");
	is_int(pace_rest_us(100, 9 * SECOND), 500000, "and never long");
}

static void counting(void)
{
	struct load l = { 0 };
	struct pace p = { .load = &l };
	int64_t now = 10 * SECOND;

	pace_look(&p, now);
	is_int(p.percent, 0, "nothing was appended");
	load_enter(&l, now);
	load_enter(&l, now + 10000);
	load_leave(&l, now + 40000);
	load_leave(&l, now + 60000);
	pace_look(&p, now + 10000);
	is_int(p.percent, 0, "it is not looked at more often than it tells something");
	pace_look(&p, now + 300000);
	is_int(p.percent, 20, "two at a time count once");
	load_enter(&l, now + 300000);
	pace_look(&p, now + 400000);
	is_int(p.percent, 60, "one that is under way counts; a short look counts half");
	pace_look(&p, now + 500000);
	is_int(p.percent, 80, "and more so as it lasts");
	load_leave(&l, now + 500000);
	pace_look(&p, now + 10 * SECOND);
	is_int(p.percent, 0, "after a pause only the last moments count");
	p.load = NULL;
	p.percent = 0;
	pace_look(&p, now + 20 * SECOND);
	is_int(p.percent, 0, "without appends there is no load");
}

int main(void)
{
	rule();
	rest();
	counting();
	return tap_done();
}
