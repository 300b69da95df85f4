/* Policies, which target holds, and clocks step by step: the worked cases of what pauses, retargets, reopens and retracts. */
#include "rules/sla.h"

#include "calendar_support.h"
#include "event/catalog.h"
#include "rules/sla_clock.h"
#include "tap.h"

enum { P0, P1, P2, P3, NO_SEVERITY = -1 };

static struct sla_policy_fields plain_fields(void)
{
	return (struct sla_policy_fields){
		.minutes = { 60, 0, 720, 480 },
		.timezone = BYTES("UTC"),
		.business_hours_only = true,
	};
}

static int read_policy(const struct sla_policy_fields *in, struct sla_policy *out, struct error *error)
{
	return sla_policy_read(in, zones_source(test_zones), &test_arena, out, error);
}

/* ---- which target holds ---- */

static void targets(void)
{
	static const struct {
		const char *name;
		enum sla_kind kind;
		int severity;
		const char *channel;
		int64_t seconds; /* 0: nothing promised */
		bool always;
		int candidate;
	} cases[] = {
		{ "the column", SLA_FIRST_RESPONSE, NO_SEVERITY, NULL, 3600, false, 0 },
		{ "the channel's", SLA_FIRST_RESPONSE, NO_SEVERITY, "web_chat", 300, true, 0 },
		{ "the severity's before the channel's", SLA_FIRST_RESPONSE, P0, "web_chat", 60, false, 0 },
		{ "a severity that says nothing of this clock: the channel's", SLA_UPDATE, P0, "web_chat", 1800, false, 0 },
		{ "neither says anything of it: the column", SLA_RESOLUTION, P1, "web_chat", 28800, true, 0 },
		{ "a severity alone", SLA_RESOLUTION, P0, "email", 3630, false, 0 },
		{ "hours fall through apart from targets", SLA_FIRST_RESPONSE, P1, "web_chat", 300, true, 0 },
		{ "a channel nobody named", SLA_UPDATE, NO_SEVERITY, "sms", 43200, false, 0 },
		{ "the team's policy does not promise it: the tier's does", SLA_NEXT_RESPONSE, NO_SEVERITY, "web_chat", 900, false, 2 },
	};
	struct sla_policy_fields team = plain_fields(), tier = plain_fields();
	struct sla_policy team_policy, tier_policy;
	const struct sla_policy *candidates[] = { &team_policy, NULL, &tier_policy };
	struct sla_terms terms;
	struct error error;

	team.channel_overrides = BYTES("{\"web_chat\":{\"business_hours_only\":false,\"first_response\":5,\"update_interval\":30}}");
	team.priority_overrides = BYTES("{\"P0\":{\"business_hours_only\":true,\"first_response\":1,\"resolution\":60.5},\"P1\":{}}");
	tier.minutes[SLA_NEXT_RESPONSE] = 15;
	tier.minutes[SLA_FIRST_RESPONSE] = 1;
	ok(read_policy(&team, &team_policy, &error) == 0 && read_policy(&tier, &tier_policy, &error) == 0, "policies are read %s",
	   error.message);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool found = sla_find_terms(candidates, 3, cases[i].kind, cases[i].severity, test_text(cases[i].channel), &terms);

		if (!ok(found && terms.seconds == cases[i].seconds && (terms.calendar == &calendar_always) == cases[i].always &&
			terms.candidate == cases[i].candidate, "target: %s", cases[i].name))
			note("%d, %" PRId64 " s, candidate %d", found, terms.seconds, terms.candidate);
	}
	ok(!sla_find_terms(candidates, 1, SLA_NEXT_RESPONSE, NO_SEVERITY, (struct bytes){ 0 }, &terms), "no candidate promises it");
	ok(!sla_find_terms(NULL, 0, SLA_RESOLUTION, NO_SEVERITY, (struct bytes){ 0 }, &terms), "no policy, no clock");
	ok(sla_find_terms(candidates, 3, SLA_RESOLUTION, P0, BYTES("email"), &terms) && terms.policy == &team_policy,
	   "the policy comes with the target");
}

static void faults(void)
{
	static const struct {
		const char *name, *field, *text;
		size_t at;
	} cases[] = {
		{ "a clock nobody knows", "priority_overrides", "{\"P0\":{\"first_respnse\":5}}", offsetof(struct sla_policy_fields, priority_overrides) },
		{ "a severity nobody knows", "priority_overrides", "{\"P9\":{}}", offsetof(struct sla_policy_fields, priority_overrides) },
		{ "no time at all", "channel_overrides", "{\"email\":{\"resolution\":0}}", offsetof(struct sla_policy_fields, channel_overrides) },
		{ "text for minutes", "channel_overrides", "{\"email\":{\"resolution\":\"60\"}}", offsetof(struct sla_policy_fields, channel_overrides) },
		{ "a list for an object", "channel_overrides", "[]", offsetof(struct sla_policy_fields, channel_overrides) },
		{ "a state nobody knows", "pause_states", "[\"asleep\"]", offsetof(struct sla_policy_fields, pause_states) },
		{ "a threshold below nothing", "warn_at", "[-1]", offsetof(struct sla_policy_fields, warn_at) },
		{ "a place without a zone", "timezone", "Europe/Atlantis", offsetof(struct sla_policy_fields, timezone) },
		{ "hours of a day nobody knows", "business_hours", "{\"someday\":null}", offsetof(struct sla_policy_fields, business_hours) },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sla_policy_fields in = plain_fields();
		struct sla_policy policy;
		struct error error;
		int r;

		*(struct bytes *)((char *)&in + cases[i].at) = bytes_text(cases[i].text);
		r = read_policy(&in, &policy, &error);
		if (!ok(r == E_INVALID && strcmp(error.field, cases[i].field) == 0 && policy.seconds[SLA_RESOLUTION] == 28800 &&
			policy.calendar.week > 0, "%s is told, and the rest holds", cases[i].name))
			note("%d, '%s': %s", r, error.field, error.message);
	}
}

/* ---- pauses and answers ---- */

static void pauses(void)
{
	static const struct {
		const char *list, *resolution, *update, *own;
	} cases[] = { /* letters: o c a e r R for states; i f p w d m for a resolution's */
		{ NULL, "c", "cr", "dm" },
		{ "[]", "", "r", "" },
		{ "[\"awaiting_customer\",\"escalated\"]", "ce", "cer", "dm" },
		{ "[\"awaiting_fix\"]", "c", "cr", "f" },
		{ "[\"open\",\"monitoring\"]", "o", "or", "m" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sla_policy_fields in = plain_fields();
		char resolution[8] = "", update[8] = "", own[8] = "";
		struct sla_policy p;
		struct error error;

		in.pause_states = test_text(cases[i].list);
		if (read_policy(&in, &p, &error) < 0)
			note("%s", error.message);
		for (int s = 0; s < CONVERSATION_STATES; s++) {
			if (sla_pauses(&p, SLA_RESOLUTION, s))
				resolution[strlen(resolution)] = "ocaerR"[s];
			if (sla_pauses(&p, SLA_UPDATE, s))
				update[strlen(update)] = "ocaerR"[s];
			ok(!sla_pauses(&p, SLA_FIRST_RESPONSE, s) && !sla_pauses(&p, SLA_NEXT_RESPONSE, s), "responses never pause");
		}
		for (int s = 0; s < 9; s++)
			if (sla_pauses_resolution(&p, s))
				own[strlen(own)] = "ifpwdmRWD"[s];
		if (!ok(strcmp(resolution, cases[i].resolution) == 0 && strcmp(update, cases[i].update) == 0 && strcmp(own, cases[i].own) == 0,
			"pause_states %s", cases[i].list ? cases[i].list : "left out"))
			note("%s %s %s", resolution, update, own);
	}
}

static void answers(void)
{
	static const char *const want[] = { [SLA_BY_HUMAN] = ".h..", [SLA_BY_AI] = "...a", [SLA_BY_ANY] = ".h.a" };
	struct sla_policy p = { .first_response_by = SLA_BY_HUMAN };

	for (int by = SLA_BY_HUMAN; by <= SLA_BY_ANY; by++)
		for (int sender = 0; sender < 4; sender++) {
			ok(sla_answers((enum sla_responder)by, &(struct sla_answer){ sender, true, false }) == (want[by][sender] != '.'),
			   "%s answers, policy %d", values_sender_type[sender], by);
			ok(!sla_answers((enum sla_responder)by, &(struct sla_answer){ sender, false, false }) &&
			   !sla_answers((enum sla_responder)by, &(struct sla_answer){ sender, true, true }),
			   "a note or an automatic message never does");
		}
	ok(sla_waits_for_handoff(&p, true) && !sla_waits_for_handoff(&p, false), "a human's first response waits for the hand-off");
	p.first_response_by = SLA_BY_ANY;
	ok(!sla_waits_for_handoff(&p, true), "anybody's does not");
}

/* ---- clocks ---- */

enum op { END, START, PAUSE, RESUME, RETARGET, FULFIL, REVOKE, CANCEL, BREACH, WAIVE, REOPEN_RESUME, REOPEN_RESTART };

struct move {
	enum op op;
	const char *at;
	int64_t minutes;  /* of START, RETARGET and both REOPENs */
	const char *due;  /* NULL: not asked, "none": no due time */
	int did;          /* 0: not asked */
};

#define MARCH(day, time) "2025-03-" day "T" time "Z"

static const struct story {
	const char *name, *calendar;
	struct move moves[8];
	int64_t consumed, elapsed; /* seconds, -1: not asked */
	const char *breached;      /* NULL: was not */
	int met;                   /* 1, 0, -1: not fulfilled */
} stories[] = {
	{ "a pause over two days", "U", {
		{ START, MARCH("03", "14:00"), 480, MARCH("04", "14:00"), 0 },
		{ PAUSE, MARCH("03", "16:00"), 0, "none", SLA_DID_PAUSED },
		{ RESUME, MARCH("05", "10:00"), 0, MARCH("05", "16:00"), SLA_DID_RESUMED } }, 7200, -1, NULL, -1 },
	{ "a pause between closing and opening costs nothing", "U", {
		{ START, MARCH("03", "14:00"), 480, NULL, 0 },
		{ PAUSE, MARCH("03", "20:00"), 0, NULL, 0 },
		{ RESUME, MARCH("04", "07:30"), 0, MARCH("04", "14:00"), 0 } }, 10800, -1, NULL, -1 },
	{ "two pauses, day and night", "A", {
		{ START, MARCH("06", "12:00"), 1440, NULL, 0 },
		{ PAUSE, MARCH("06", "18:00"), 0, NULL, 0 },
		{ RESUME, MARCH("07", "09:00"), 0, NULL, 0 },
		{ PAUSE, MARCH("07", "17:00"), 0, NULL, 0 },
		{ RESUME, MARCH("10", "08:00"), 0, MARCH("10", "18:00"), 0 } }, 50400, -1, NULL, -1 },
	{ "the due time passes while paused: no breach", "U", {
		{ START, MARCH("03", "09:00"), 240, MARCH("03", "13:00"), 0 },
		{ PAUSE, MARCH("03", "12:30"), 0, "none", 0 },
		{ RESUME, MARCH("03", "15:00"), 0, MARCH("03", "15:30"), SLA_DID_RESUMED } }, -1, -1, NULL, -1 },
	{ "reopened with what was left", "U", {
		{ START, MARCH("03", "09:00"), 480, NULL, 0 },
		{ FULFIL, MARCH("03", "14:00"), 0, NULL, SLA_DID_FULFILLED },
		{ REOPEN_RESUME, MARCH("04", "11:00"), 480, MARCH("04", "14:00"), SLA_DID_APPLIED } }, 18000, -1, NULL, -1 },
	{ "reopened anew", "U", {
		{ START, MARCH("03", "09:00"), 480, NULL, 0 },
		{ FULFIL, MARCH("03", "14:00"), 0, NULL, 0 },
		{ REOPEN_RESTART, MARCH("04", "11:00"), 480, MARCH("05", "11:00"), 0 } }, 0, -1, NULL, -1 },
	{ "reopened after a breach: anew, whatever the policy says", "U", {
		{ START, MARCH("03", "09:00"), 60, NULL, 0 },
		{ FULFIL, MARCH("03", "14:00"), 0, NULL, SLA_DID_BREACHED | SLA_DID_FULFILLED },
		{ REOPEN_RESUME, MARCH("04", "11:00"), 60, MARCH("04", "12:00"), 0 } }, 0, -1, NULL, -1 },
	{ "a shorter target counts what was consumed", "U", {
		{ START, MARCH("03", "09:00"), 1440, MARCH("06", "09:00"), 0 },
		{ RETARGET, MARCH("03", "12:00"), 240, MARCH("03", "13:00"), SLA_DID_RETARGETED } }, 10800, -1, NULL, -1 },
	{ "too much consumed already: breached now, not in the past", "U", {
		{ START, MARCH("03", "09:00"), 1440, NULL, 0 },
		{ RETARGET, MARCH("03", "12:00"), 60, MARCH("03", "12:00"), SLA_DID_RETARGETED | SLA_DID_BREACHED } },
		10800, -1, MARCH("03", "12:00"), -1 },
	{ "a longer target does not undo a breach", "U", {
		{ START, MARCH("03", "09:00"), 60, NULL, 0 },
		{ BREACH, MARCH("03", "10:00"), 0, NULL, SLA_DID_BREACHED },
		{ RETARGET, MARCH("03", "10:30"), 120, MARCH("03", "11:00"), SLA_DID_RETARGETED },
		{ FULFIL, MARCH("03", "10:45"), 0, NULL, SLA_DID_FULFILLED } }, -1, 6300, MARCH("03", "10:00"), 0 },
	{ "handed off by a machine", "U", {
		{ START, MARCH("03", "09:20"), 30, MARCH("03", "09:50"), 0 },
		{ FULFIL, MARCH("03", "09:45"), 0, NULL, SLA_DID_FULFILLED } }, -1, 1500, NULL, 1 },
	{ "an update in time", "U", {
		{ START, MARCH("03", "10:00"), 720, MARCH("04", "14:00"), 0 },
		{ FULFIL, MARCH("04", "11:00"), 0, NULL, SLA_DID_FULFILLED } }, -1, 32400, NULL, 1 },
	{ "the next update, paused while the customer is asked", "U", {
		{ START, MARCH("04", "11:00"), 720, MARCH("05", "15:00"), 0 },
		{ PAUSE, MARCH("04", "15:00"), 0, "none", 0 },
		{ RESUME, MARCH("06", "09:30"), 0, MARCH("07", "09:30"), 0 } }, 14400, -1, NULL, -1 },
	{ "the oldest unanswered message counts", "U", {
		{ START, MARCH("03", "10:00"), 120, MARCH("03", "12:00"), 0 },
		{ FULFIL, MARCH("03", "11:59"), 0, NULL, 0 } }, -1, 7140, NULL, 1 },
	{ "a failed message answers nothing", "U", {
		{ START, MARCH("03", "09:00"), 60, MARCH("03", "10:00"), 0 },
		{ FULFIL, MARCH("03", "09:50"), 0, NULL, SLA_DID_FULFILLED },
		{ REVOKE, MARCH("03", "09:55"), 0, MARCH("03", "10:00"), SLA_DID_REVOKED },
		{ FULFIL, MARCH("03", "10:20"), 0, NULL, SLA_DID_BREACHED | SLA_DID_FULFILLED } }, -1, 4800, MARCH("03", "10:00"), 0 },
	{ "it failed after the due time", "U", {
		{ START, MARCH("03", "09:00"), 60, NULL, 0 },
		{ FULFIL, MARCH("03", "09:50"), 0, NULL, 0 },
		{ REVOKE, MARCH("03", "10:10"), 0, NULL, SLA_DID_REVOKED | SLA_DID_BREACHED } }, -1, -1, MARCH("03", "10:00"), -1 },
	{ "an answer in time that arrives after the breach", "U", {
		{ START, MARCH("03", "09:00"), 60, NULL, 0 },
		{ BREACH, MARCH("03", "10:00"), 0, NULL, SLA_DID_BREACHED },
		{ FULFIL, MARCH("03", "09:58"), 0, NULL, SLA_DID_BREACH_RETRACTED | SLA_DID_FULFILLED } }, -1, 3480, NULL, 1 },
	{ "it arrives after a later answer, too", "U", {
		{ START, MARCH("03", "09:00"), 60, NULL, 0 },
		{ FULFIL, MARCH("03", "10:20"), 0, NULL, SLA_DID_BREACHED | SLA_DID_FULFILLED },
		{ BREACH, MARCH("03", "10:00"), 0, NULL, 0 },
		{ FULFIL, MARCH("03", "09:58"), 0, NULL, SLA_DID_BREACH_RETRACTED | SLA_DID_FULFILLED },
		{ FULFIL, MARCH("03", "09:59"), 0, NULL, 0 } }, -1, 3480, NULL, 1 },
	{ "answered at the due second: met", "U", {
		{ START, MARCH("03", "09:00"), 60, NULL, 0 },
		{ FULFIL, MARCH("03", "10:00:00"), 0, NULL, SLA_DID_FULFILLED } }, -1, 3600, NULL, 1 },
	{ "a second later: not", "U", {
		{ START, MARCH("03", "09:00"), 60, NULL, 0 },
		{ FULFIL, MARCH("03", "10:00:01"), 0, NULL, SLA_DID_FULFILLED | SLA_DID_BREACHED } }, -1, 3601, MARCH("03", "10:00"), 0 },
	{ "used up at closing, answered in the night: met", "U", {
		{ START, MARCH("03", "16:00"), 60, MARCH("04", "09:00"), 0 },
		{ FULFIL, MARCH("03", "20:00"), 0, NULL, SLA_DID_FULFILLED } }, -1, 3600, NULL, 1 },
	{ "resolved while the customer is asked", "U", {
		{ START, MARCH("03", "09:00"), 60, NULL, 0 },
		{ PAUSE, MARCH("03", "09:30"), 0, "none", 0 },
		{ FULFIL, MARCH("05", "12:00"), 0, "none", SLA_DID_FULFILLED } }, -1, 1800, NULL, 1 },
	{ "paused after the breach: overdue stands still", "U", {
		{ START, MARCH("03", "09:00"), 60, NULL, 0 },
		{ PAUSE, MARCH("03", "11:00"), 0, MARCH("03", "10:00"), SLA_DID_BREACHED | SLA_DID_PAUSED },
		{ RESUME, MARCH("04", "09:00"), 0, MARCH("03", "10:00"), SLA_DID_RESUMED },
		{ FULFIL, MARCH("04", "09:30"), 0, NULL, SLA_DID_FULFILLED } }, -1, 9000, MARCH("03", "10:00"), 0 },
	{ "a shorter target while paused", "U", {
		{ START, MARCH("03", "09:00"), 480, NULL, 0 },
		{ PAUSE, MARCH("03", "11:00"), 0, NULL, 0 },
		{ RETARGET, MARCH("03", "12:00"), 180, "none", SLA_DID_RETARGETED },
		{ RESUME, MARCH("03", "13:00"), 0, MARCH("03", "14:00"), 0 } }, 7200, -1, NULL, -1 },
	{ "waived, and answered late", "U", {
		{ START, MARCH("03", "09:00"), 60, NULL, 0 },
		{ BREACH, MARCH("03", "10:00"), 0, NULL, 0 },
		{ WAIVE, NULL, 0, NULL, SLA_DID_BREACH_RETRACTED },
		{ FULFIL, MARCH("03", "12:00"), 0, NULL, SLA_DID_FULFILLED } }, -1, 10800, NULL, 1 },
	{ "resolved before it was answered: cancelled", "U", {
		{ START, MARCH("03", "09:00"), 60, NULL, 0 },
		{ CANCEL, MARCH("03", "09:30"), 0, NULL, SLA_DID_CANCELLED },
		{ FULFIL, MARCH("03", "09:40"), 0, NULL, 0 } }, -1, 1800, NULL, -1 },
	/* Zammad's own examples, daily 09-18 in Berlin: two short pauses; and a long one after which the day is just enough. */
	{ "Zammad: 120 minutes with two pauses", "Z9", {
		{ START, "2013-06-04T09:00Z", 120, "2013-06-04T11:00Z", 0 },
		{ PAUSE, "2013-06-04T09:30Z", 0, NULL, 0 },
		{ RESUME, "2013-06-04T09:45Z", 0, NULL, 0 },
		{ PAUSE, "2013-06-04T10:00Z", 0, NULL, 0 },
		{ RESUME, "2013-06-04T10:30Z", 0, "2013-06-04T11:45Z", 0 } }, 2700, -1, NULL, -1 },
	{ "Zammad: 120 minutes with one long pause", "Z9", {
		{ START, "2013-06-04T09:00Z", 120, NULL, 0 },
		{ PAUSE, "2013-06-04T10:00Z", 0, NULL, 0 },
		{ RESUME, "2013-06-04T15:00Z", 0, "2013-06-05T07:00Z", 0 } }, 3600, -1, NULL, -1 },
	{ "a stale breach of another due time", "U", {
		{ START, MARCH("03", "09:00"), 60, NULL, 0 },
		{ RETARGET, MARCH("03", "09:30"), 120, NULL, 0 },
		{ BREACH, MARCH("03", "10:00"), 0, MARCH("03", "11:00"), 0 } }, -1, -1, NULL, -1 },
};

static int move(struct sla_clock *c, const struct calendar *k, const struct move *m)
{
	struct sla_terms terms = { .seconds = m->minutes * 60, .calendar = k };
	struct sla_clock last = *c;
	int64_t at = m->at ? instant(m->at) : TIME_NONE;

	switch (m->op) {
	case START: return sla_clock_start(c, 1, &terms, at, false);
	case PAUSE: return sla_clock_pause(c, k, at);
	case RESUME: return sla_clock_resume(c, k, at, false);
	case RETARGET: return sla_clock_retarget(c, k, &terms, at, false);
	case FULFIL: return sla_clock_fulfil(c, k, at);
	case REVOKE: return sla_clock_revoke(c, at);
	case CANCEL: return sla_clock_cancel(c, k, at);
	case BREACH: return sla_clock_breach(c, at);
	case WAIVE: return sla_clock_waive(c);
	case REOPEN_RESUME: return sla_clock_reopen(c, &last, &terms, SLA_REOPEN_RESUME, at, false);
	case REOPEN_RESTART: return sla_clock_reopen(c, &last, &terms, SLA_REOPEN_RESTART, at, false);
	case END: break;
	}
	return 0;
}

static void tell(const struct story *s)
{
	const struct calendar *k = test_calendar(s->calendar);
	struct sla_clock c = { 0 };
	bool good = true;

	for (const struct move *m = s->moves; m->op != END; m++) {
		int did = move(&c, k, m);
		int64_t due = m->due && strcmp(m->due, "none") != 0 ? instant(m->due) : TIME_NONE;

		if ((m->did && did != m->did) || (m->due && c.due_at != due)) {
			note("move %d: did %x, due %s", (int)(m - s->moves), did, instant_text(c.due_at));
			good = false;
		}
	}
	good = good && (s->consumed < 0 || c.consumed == s->consumed * TIME_SECOND) &&
	       (s->elapsed < 0 || c.elapsed == s->elapsed * TIME_SECOND) &&
	       c.breached_at == (s->breached ? instant(s->breached) : TIME_NONE) &&
	       (s->met < 0 ? c.state != SLA_FULFILLED : c.state == SLA_FULFILLED && sla_clock_is_met(&c) == s->met);
	if (!ok(good, "%s", s->name))
		note("%s, consumed %" PRId64 ", elapsed %" PRId64 ", breached %s", sla_states[c.state], c.consumed / 1000000,
		     c.elapsed / 1000000, instant_text(c.breached_at));
}

/* ---- alarms ---- */

static void alarms(void)
{
	const struct calendar *k = test_calendar("U");
	struct sla_policy_fields in = plain_fields();
	struct sla_terms terms = { .seconds = 480 * 60, .calendar = k };
	struct sla_policy p;
	struct sla_clock c;
	struct sla_alarm a;
	struct error error;

	ok(read_policy(&in, &p, &error) == 0 && p.warning_count == 1, "one warning unless the policy says otherwise");
	sla_clock_start(&c, 1, &terms, instant(MARCH("03", "14:00")), false);
	a = sla_clock_alarm(&c, &p, k);
	is_instant(a.at, instant(MARCH("04", "12:00")), "the warning comes first, after three quarters");
	is_int(a.threshold, 0, "and says which");
	ok(sla_clock_warn(&c, 0) == SLA_DID_WARNED && sla_clock_warn(&c, 0) == 0, "it is given once");
	a = sla_clock_alarm(&c, &p, k);
	ok(a.at == instant(MARCH("04", "14:00")) && a.threshold == -1, "then the breach");
	terms.seconds = 3600;
	sla_clock_retarget(&c, k, &terms, instant(MARCH("03", "14:50")), false);
	a = sla_clock_alarm(&c, &p, k);
	ok(a.at == instant(MARCH("03", "14:50")) && a.threshold == 0, "another target warns anew, at once when it is past");
	sla_clock_pause(&c, k, instant(MARCH("03", "14:55")));
	ok(sla_clock_alarm(&c, &p, k).at == TIME_NONE && sla_clock_warn(&c, 0) == 0, "nothing while paused");
	sla_clock_resume(&c, k, instant(MARCH("03", "16:00")), false);
	a = sla_clock_alarm(&c, &p, k);
	ok(a.at == instant(MARCH("03", "16:00")) && a.threshold == 0, "again at once when it goes on");
	sla_clock_warn(&c, 0);
	is_instant(sla_clock_alarm(&c, &p, k).at, instant(MARCH("03", "16:05")), "the breach, five minutes on");
	sla_clock_fulfil(&c, k, instant(MARCH("03", "16:06")));
	a = sla_clock_alarm(&c, &p, k);
	ok(a.at == instant(MARCH("03", "16:05")) && a.threshold == -1, "answered too late: the log is still owed the breach");
	ok(sla_clock_breach(&c, a.at) == 0 && sla_clock_alarm(&c, &p, k).at == TIME_NONE, "once it has it, nothing more");
	is_int(c.run, 2, "the second run");
	is_int(c.target_version, 2, "the second target");

	sla_clock_start(&c, 1, &terms, instant(MARCH("03", "09:00")), false);
	sla_clock_breach(&c, instant(MARCH("03", "10:00")));
	sla_clock_fulfil(&c, k, instant(MARCH("03", "09:58")));
	ok(sla_clock_revoke(&c, instant(MARCH("03", "10:20"))) == (SLA_DID_REVOKED | SLA_DID_BREACHED) &&
	   sla_clock_alarm(&c, &p, k).at == TIME_NONE, "late evidence that failed: breached again, and the log knows already");
}

static void thresholds(void)
{
	static const struct {
		const char *list, *first, *second; /* of four hours from Monday 09:00 */
	} cases[] = {
		{ "[0.5,0.75]", MARCH("03", "11:00"), MARCH("03", "12:00") },
		{ "[900,0.5]", MARCH("03", "11:00"), MARCH("03", "12:45") },
		{ "[0.33333]", NULL, NULL }, /* finer than four decimals: left out, told */
		{ "[0.0001]", MARCH("03", "09:00:02"), NULL }, /* 1.44 s, rounded up */
		{ "[86400]", MARCH("03", "09:00"), NULL }, /* a day before of four hours: from the start */
		{ "[]", NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const want[] = { cases[i].first, cases[i].second };
		struct sla_policy_fields in = plain_fields();
		struct sla_terms terms = { .seconds = 240 * 60, .calendar = test_calendar("U") };
		struct sla_policy p;
		struct sla_clock c;
		struct error error;
		bool good = true;

		in.warn_at = bytes_text(cases[i].list);
		if (read_policy(&in, &p, &error) < 0)
			note("%s", error.message);
		sla_clock_start(&c, 1, &terms, instant(MARCH("03", "09:00")), false);
		for (int n = 0; n < 2 && want[n]; n++) {
			struct sla_alarm a = sla_clock_alarm(&c, &p, terms.calendar);

			good = good && a.threshold >= 0 && a.at == instant(want[n]);
			if (a.threshold >= 0)
				sla_clock_warn(&c, a.threshold);
		}
		ok(good && sla_clock_alarm(&c, &p, terms.calendar).threshold == -1, "warn_at %s", cases[i].list);
	}
}

static void silent_history(void)
{
	const struct calendar *k = test_calendar("U");
	struct sla_terms terms = { .seconds = 3600, .calendar = k };
	struct sla_policy p = { 0 };
	struct sla_clock c;

	sla_clock_start(&c, 1, &terms, instant(MARCH("03", "09:00")), true);
	ok(sla_clock_alarm(&c, &p, k).at == TIME_NONE, "imported history sets no alarm");
	ok(sla_clock_fulfil(&c, k, instant(MARCH("03", "11:00"))) == (SLA_DID_BREACHED | SLA_DID_FULFILLED) && !sla_clock_is_met(&c),
	   "its outcome is known all the same");
	ok(sla_clock_alarm(&c, &p, k).at == TIME_NONE, "and no breach is journaled");
	sla_clock_start(&c, 1, &terms, instant(MARCH("03", "09:00")), true);
	sla_clock_pause(&c, k, instant(MARCH("03", "09:10")));
	sla_clock_resume(&c, k, instant(MARCH("03", "09:20")), false);
	is_instant(sla_clock_alarm(&c, &p, k).at, instant(MARCH("03", "10:10")), "what happens live sets one");
}

static void machine(void)
{
	static const char *const want[SLA_INPUTS] = { "p...", ".r..", "==..", "ff?.", "..?.", "xx..", "=...", "????", "====" };

	for (int input = 0; input < SLA_INPUTS; input++)
		for (int state = 0; state < SLA_STATES; state++) {
			struct cell cell = machine_step(&sla_clock_machine, state, input);
			char got = cell.verdict == VERDICT_MOVE ? "rpfx"[cell.to] : cell.verdict == VERDICT_STAY ? '=' :
				   cell.verdict == VERDICT_NOOP ? '.' : '?';

			ok(got == want[input][state], "%s while %s", sla_clock_machine.inputs[input], sla_states[state]);
		}
	for (int i = 0; i < SLA_NTH_COUNT; i++)
		ok(sla_happenings[i] != NULL, "what happened has a name");
}

int main(void)
{
	test_calendars_open();
	targets();
	faults();
	pauses();
	answers();
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++)
		tell(&stories[i]);
	alarms();
	thresholds();
	silent_history();
	machine();
	test_calendars_close();
	return tap_done();
}
