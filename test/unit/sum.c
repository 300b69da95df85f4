/* sum - counters in JSON text, changed in place, against a plain list that is printed anew each time. */
#include "tap.h"

#include "base/random.h"
#include "fold/sum.h"

enum { KEYS = 300 };

struct model {
	int32_t keys[KEYS], counts[KEYS]; /* keys rise */
};

static void model_init(struct model *m)
{
	for (int32_t i = 0, key = 0; i < KEYS; i++, key += 1 + i * i / 3) { /* of one digit to seven */
		m->keys[i] = key;
		m->counts[i] = 0;
	}
}

static const char *model_print(const struct model *m)
{
	static char text[KEYS * 25 + 2];
	size_t len = 0;

	for (int i = 0; i < KEYS; i++)
		if (m->counts[i])
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%c\"%d\":%d", len ? ',' : '{', (int)m->keys[i],
						(int)m->counts[i]);
	snprintf(text + len, sizeof(text) - len, "%s", len ? "}" : "");
	return text;
}

static bool same(const struct model *m, const struct counters *c)
{
	const char *want = model_print(m);

	return *want ? c->text.data && bytes_is(c->text, want) : !c->text.data;
}

static void counters_are(struct state *s, const char *before, int32_t key, int32_t by, const char *after, const char *name)
{
	struct counters c = { .text = *before ? bytes_text(before) : (struct bytes){ NULL, 0 } };

	counters_add(s, &c, key, by);
	ok(*after ? c.text.data && bytes_is(c.text, after) : !c.text.data, "%s", name);
}

static void cases(struct state *s)
{
	counters_are(s, "", 904, 2, "{\"904\":2}", "the first counter");
	counters_are(s, "{\"904\":2}", 904, -2, "", "the last one that comes to nothing leaves null");
	counters_are(s, "{\"904\":2}", 904, 0, "{\"904\":2}", "nothing added changes nothing");
	counters_are(s, "{\"904\":2,\"1022\":1}", 0, 7, "{\"0\":7,\"904\":2,\"1022\":1}", "in front");
	counters_are(s, "{\"904\":2,\"1022\":1}", 1000, 7, "{\"904\":2,\"1000\":7,\"1022\":1}", "between");
	counters_are(s, "{\"904\":2,\"1022\":1}", 2204, 7, "{\"904\":2,\"1022\":1,\"2204\":7}", "behind");
	counters_are(s, "{\"904\":2,\"1022\":1}", 904, -2, "{\"1022\":1}", "the first goes");
	counters_are(s, "{\"904\":2,\"1022\":1}", 1022, -1, "{\"904\":2}", "the last goes");
	counters_are(s, "{\"904\":9,\"1022\":1}", 904, 1, "{\"904\":10,\"1022\":1}", "a digit more");
	counters_are(s, "{\"904\":10,\"1022\":1}", 904, -1, "{\"904\":9,\"1022\":1}", "a digit less");
	counters_are(s, "{\"904\":2,\"1022\":1}", 904, -12, "{\"904\":-10,\"1022\":1}", "below nothing");
	counters_are(s, "{\"904\":-1,\"1022\":1}", 904, 3, "{\"904\":2,\"1022\":1}", "and up again");
	counters_are(s, "{\"2147483647\":2147483646}", 2147483647, 1, "{\"2147483647\":2147483647}", "as wide as they come");
	counters_are(s, "{ \"904\": 2, \"1022\": 1 }", 904, 1, "{\"904\":3,\"1022\":1}", "as somebody else may print it");
	counters_are(s, "{\"1022\":1,\"904\":2}", 904, 1, "{\"904\":3,\"1022\":1}", "in another order");
}

/* Counters grow and shrink; now and then the book is lost, as when a row comes from the database. */
static void against_a_model(struct state *s, uint64_t seed)
{
	struct counters c = { .text = { NULL, 0 } };
	struct random random;
	struct model m;
	int bad = 0, nothing = 0;

	random_seed(&random, seed);
	model_init(&m);
	for (int i = 0; i < 6000; i++) {
		int at = (int)random_below(&random, i % 1000 < 500 ? KEYS : 6);
		int32_t by = (int32_t)random_below(&random, 25) - 12;

		if (i % 1000 >= 700) { /* one after the other, all come to nothing */
			at = i % 1000 - 700;
			by = -m.counts[at];
		}
		m.counts[at] += by;
		counters_add(s, &c, m.keys[at], by);
		bad += !same(&m, &c);
		nothing += !c.text.data;
		if (random_below(&random, 100) == 0) {
			c.text = arena_copy(&s->halves[0].arena, c.text);
			c.book = NULL;
		}
	}
	is_int(bad, 0, "after each step the text says what the list says");
	ok(nothing >= 6, "sometimes nothing was left");
}

int main(void)
{
	struct state s = { .young = 0 };

	arena_init(&s.halves[0].arena, 1 << 16);
	cases(&s);
	for (uint64_t seed = 1; seed <= 5; seed++)
		against_a_model(&s, seed);
	arena_release(&s.halves[0].arena);
	return tap_done();
}
