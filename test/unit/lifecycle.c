/* The state machines, cell by cell, against a second writing of them; rule R and the auto-resolve guard case by case. */
#include "rules/lifecycle.h"

#include "base/time.h"
#include "event/catalog.h"
#include "tap.h"

/* One letter a cell: o c a e r R the state it moves to, = stays, . repeat, ! anomaly, ? rule. */
static const struct {
	int input;
	const char *cells; /* open, awaiting_customer, awaiting_agent, escalated, resolved, reopened */
} conversation[] = {
	{ INPUT_CUSTOMER_MESSAGE, "=a==?=" }, { INPUT_AGENT_MESSAGE, "c=c==c" },  { INPUT_AI_MESSAGE, "c=c==c" },
	{ INPUT_OTHER_MESSAGE, "======" },    { INPUT_NOTE, "======" },           { INPUT_ASSIGNED, "a===!a" },
	{ INPUT_ASSIGNED_REOPEN, "a====a" },  { INPUT_UNASSIGNED, "==o===" },     { INPUT_TRANSFERRED, "a===!a" },
	{ INPUT_HANDED_OFF, "aa==!a" },       { INPUT_ESCALATED, "eee=!e" },      { INPUT_DEESCALATED, "...a.." },
	{ INPUT_RESOLVED, "rrrr.r" },         { INPUT_REOPENED, "!!!!R." },
};

static const char *const delivery[] = { "s....", "ff...", "ddd..", "rrrr." };              /* over p s f d r */
static const char *const customer[] = { "bb.!", "..a!", "i.!!", ".a!!", "mmm!", "...a" };  /* over a i b m */
static const char *const channel[] = { ".aa", "i.!", "e!=", ".!a" };                       /* over a i e */

/* i investigating, a awaiting_fix, p fix_in_progress, w awaiting_deploy, d deployed, m monitoring, r resolved, x wont_fix, 2 duplicate */
static const char *const resolution[] = {
	".ii!ii!!!", "a.a!!!!!!", "pp.p!!!!!", "!!w.!!!!!", "!!!d.!!!!", "!!!!m.!!!", "rrr!rr.!!", "xxx!!!!.!", "22!!!!!!.",
	"!!dd=!!!!", ".!!!!!iii",
};
static const char *const swarm[] = { "r.!", ".a!", "xx.", "r..", ".a." };                              /* over a r x */
static const char *const customer_update[] = { "s.==!", "ff..!", "ddd.!", "c!!!." };                   /* over p s f d c */
static const char *const article[] = { "====!", "r.!!!", "!a.!!", ".d!!!", "?!p.!", ".!!d!", "xxxx.", ".!!!d" }; /* over d r a p x */
static const char *const scan[] = { "c.!c", "ii.i", "e..." };                                          /* over u c i e */

static char letter(const struct machine *m, const char *states, int state, int input)
{
	struct cell cell = machine_step(m, state, input);

	return cell.verdict == VERDICT_MOVE ? states[cell.to] : cell.verdict == VERDICT_STAY ? '=' :
	       cell.verdict == VERDICT_NOOP ? '.' : cell.verdict == VERDICT_RULE ? '?' : '!';
}

static void walk(const struct machine *m, const char *states, int input, const char *want)
{
	char got[16] = "";

	for (int state = 0; state < m->state_count; state++)
		got[state] = letter(m, states, state, input);
	if (!ok(strcmp(got, want) == 0, "%s: %s", m->name, m->inputs[input]))
		note("got %s, want %s", got, want);
}

static void tables(void)
{
	is_int(sizeof(conversation) / sizeof(conversation[0]), CONVERSATION_INPUTS, "every input of a conversation is walked");
	for (int i = 0; i < CONVERSATION_INPUTS; i++)
		walk(&conversation_machine, "ocaerR", conversation[i].input, conversation[i].cells);
	for (int i = 0; i < DELIVERY_INPUTS; i++)
		walk(&delivery_machine, "psfdr", i, delivery[i]);
	for (int i = 0; i < CUSTOMER_INPUTS; i++)
		walk(&customer_machine, "aibm", i, customer[i]);
	for (int i = 0; i < CHANNEL_INPUTS; i++)
		walk(&channel_machine, "aie", i, channel[i]);
	for (int i = 0; i < RESOLUTION_INPUTS; i++)
		walk(&resolution_machine, "iapwdmrx2", i, resolution[i]);
	for (int i = 0; i < SWARM_INPUTS; i++)
		walk(&swarm_machine, "arx", i, swarm[i]);
	for (int i = 0; i < CUSTOMER_UPDATE_INPUTS; i++)
		walk(&customer_update_machine, "psfdc", i, customer_update[i]);
	for (int i = 0; i < KB_ARTICLE_INPUTS; i++)
		walk(&kb_article_machine, "drapx", i, article[i]);
	for (int i = 0; i < SCAN_INPUTS; i++)
		walk(&attachment_scan_machine, "ucie", i, scan[i]);
}

static void names(void)
{
	for (int i = 0; i < CONVERSATION_STATES; i++)
		is_text(conversation_machine.states[i], values_conversation_state[i], "states stand in the catalog's order");
	ok(values_conversation_state[CONVERSATION_STATES] == NULL, "the catalog has no further state");
	for (int i = 0; i < RESOLUTION_STATUSES; i++)
		is_text(resolution_machine.states[i], values_resolution_status[i], "statuses stand in the catalog's order");
	ok(values_resolution_status[RESOLUTION_STATUSES] == NULL, "the catalog has no further status");
	is_int(machine_input(&swarm_machine, "swarm.archived"), SWARM_INPUT_ARCHIVED, "an input is found by the event's name");
	is_int(machine_input(&swarm_machine, "swarm.created"), -1, "or not at all");
	for (const struct machine *const *m = machines; *m; m++) {
		struct buffer out = { 0 };
		int states = 0, inputs = 0;

		while ((*m)->states[states])
			states++;
		while ((*m)->inputs[inputs])
			inputs++;
		ok(states == (*m)->state_count && inputs == (*m)->input_count, "%s: every state and input has a name", (*m)->name);
		machine_print(&out, *m);
		ok(strstr(buffer_text(&out), (*m)->inputs[inputs - 1]) != NULL, "%s: it prints", (*m)->name);
		buffer_release(&out);
	}
}

static void rule_r(void)
{
	static const struct {
		const char *name;
		struct reopen_question q;
		bool want;
	} cases[] = {
		{ "a customer's message reopens", { true, false, false, 200, 100, 90 }, true },
		{ "a private one does not", { false, false, false, 200, 100, 90 }, false },
		{ "an automatic reply does not", { true, true, false, 200, 100, 90 }, false },
		{ "a blocked customer's does not", { true, false, true, 200, 100, 90 }, false },
		{ "a late copy of something answered does not", { true, false, false, 50, 100, 90 }, false },
		{ "a late one that nobody has seen does", { true, false, false, 95, 100, 90 }, true },
		{ "a late one, no agent ever wrote: does", { true, false, false, 50, 100, TIME_NONE }, true },
		{ "later than the resolution, though an agent wrote later still: does", { true, false, false, 100, 100, 300 }, true },
		{ "answered in the same microsecond: not answered", { true, false, false, 90, 100, 90 }, true },
		{ "no known resolution: does", { true, false, false, 50, TIME_NONE, 90 }, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ok(lifecycle_reopens(&cases[i].q) == cases[i].want, "rule R: %s", cases[i].name);
	ok(lifecycle_may_auto_resolve(100, 100), "auto-resolve: it had seen the last message");
	ok(!lifecycle_may_auto_resolve(100, 101), "auto-resolve: a newer message came");
	ok(!lifecycle_may_auto_resolve(TIME_NONE, 1), "auto-resolve: it had seen none and there is one");
	ok(lifecycle_may_auto_resolve(TIME_NONE, TIME_NONE), "auto-resolve: there is none");
}

/* All orders of any reports end alike. */
static void lattice(void)
{
	static const struct {
		int64_t attempt;
		enum message_status status;
	} reports[] = { { 1, MESSAGE_SENT }, { 1, MESSAGE_FAILED }, { 2, MESSAGE_PENDING }, { 2, MESSAGE_DELIVERED }, { 2, MESSAGE_SENT } };
	enum { N = sizeof(reports) / sizeof(reports[0]) };
	int order[N] = { 0, 1, 2, 3, 4 }, orders = 0, wrong = 0;
	int c[N] = { 0 };

	for (int i = 0; i < N;) { /* Heap's permutations */
		int64_t attempt = 1;
		int16_t status = MESSAGE_PENDING;

		if (i == 0 || c[i] == 0) {
			for (int r = 0; r < N; r++)
				lifecycle_deliver(&attempt, &status, reports[order[r]].attempt, reports[order[r]].status);
			wrong += attempt != 2 || status != MESSAGE_DELIVERED;
			orders++;
		}
		if (c[i] < i) {
			int a = i % 2 ? c[i] : 0, swap = order[a];

			order[a] = order[i];
			order[i] = swap;
			c[i]++;
			i = 0;
		} else {
			c[i++] = 0;
		}
	}
	ok(wrong == 0 && orders >= 120, "delivery: %d orders of five reports end alike", orders);
}

int main(void)
{
	catalog_init();
	tables();
	names();
	rule_r();
	lattice();
	return tap_done();
}
