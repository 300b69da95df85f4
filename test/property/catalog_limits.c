/*
 * Each entry of the catalog holds at the door: the smallest and the largest valid event of every version of
 * every type goes in, the same from MessagePack and from JSON, and each step beyond a limit is refused with
 * the name of the field.
 *
 * The events come from the tables themselves (test/catalog_gen.h), so a new type is tested by being listed.
 */
#include "base/arena.h"
#include "event/envelope.h"
#include "test/catalog_gen.h"
#include "test/tap.h"

static const struct envelope_limits limits = { .event_bytes = 64 << 20, .depth = 16 };
static struct arena arena;
static struct buffer bytes, text, again;
static msgpack_zone zone;

/* Decodes `from`; the error's code, or 0. */
static int decode(const struct buffer *from, int64_t now, struct event *out, struct error *error)
{
	msgpack_object map;
	size_t at = 0;

	error_clear(error);
	msgpack_zone_clear(&zone);
	if (msgpack_unpack(from->data, from->len, &at, &zone, &map) != MSGPACK_UNPACK_SUCCESS)
		return error_set(error, E_PROTOCOL, "the generator's bytes are no MessagePack");
	return envelope_decode(&map, now, &limits, &arena, out, error);
}

/* Both forms of one event; 0 when both are taken and say the same. */
static int decode_both(uint64_t seed, const struct event_type *type, const struct shape *shape,
		       const struct gen_plan *plan, struct error *error)
{
	struct event from_msgpack, from_json;
	struct uuid event_id, tenant_id;
	struct gen g;
	int r;

	arena_reset(&arena);
	buffer_reset(&bytes);
	buffer_reset(&text);
	buffer_reset(&again);
	gen_init(&g, seed);
	gen_event(&g, type, shape, plan, GEN_MSGPACK, &bytes);
	r = decode(&bytes, g.occurred_at, &from_msgpack, error);
	if (r < 0)
		return r;
	gen_init(&g, seed);
	gen_event(&g, type, shape, plan, GEN_JSON, &text);
	r = envelope_from_json(buffer_bytes(&text), &again, &event_id, &tenant_id, error);
	if (r == 0)
		r = decode(&again, g.occurred_at, &from_json, error);
	if (r < 0)
		return error_prefix(error, "from JSON");
	if (!bytes_equal(from_msgpack.payload, from_json.payload) || !uuid_equal(&event_id, &from_msgpack.event_id) ||
	    !uuid_equal(&tenant_id, &from_msgpack.tenant_id))
		return error_set(error, E_INTERNAL, "the two forms differ");
	return 0;
}

static bool taken(uint64_t seed, const struct event_type *type, const struct shape *shape, const struct gen_plan *plan,
		  const char *what)
{
	struct error error;

	if (decode_both(seed, type, shape, plan, &error) == 0)
		return true;
	note("%s version %d, %s: refused: '%s' %s", type->name, shape->version, what, error.field, error.message);
	return false;
}

static bool refused(uint64_t seed, const struct event_type *type, const struct shape *shape, const struct gen_case *c)
{
	struct gen_plan plan = { .broken = c };
	struct event e;
	struct error error;
	struct gen g;
	int r;

	arena_reset(&arena);
	buffer_reset(&bytes);
	gen_init(&g, seed);
	gen_event(&g, type, shape, &plan, GEN_MSGPACK, &bytes);
	r = decode(&bytes, g.occurred_at, &e, &error);
	if ((r == E_INVALID || r == E_TOO_LARGE) && gen_names(c, error.field))
		return true;
	note("%s version %d, %s %s: %s '%s' %s", type->name, shape->version, c->path, gen_break_names[c->what],
	     r == 0 ? "taken" : "refused, but for", error.field, r == 0 ? "" : error.message);
	return false;
}

static void check_shape(uint64_t seed, const struct event_type *type, const struct shape *shape)
{
	static const struct {
		const char *name;
		struct gen_plan plan;
	} whole[] = {
		{ "minimal", { .size = GEN_MINIMAL } },
		{ "with context in the envelope alone", { .size = GEN_MINIMAL, .bare = true } },
		{ "at its lower limits", { .size = GEN_LOWEST } },
		{ "full", { .size = GEN_HIGHEST, .cap = 200 } },
		{ "at its upper limits", { .size = GEN_HIGHEST } },
	};
	struct gen_case cases[GEN_CASES_MAX];
	int count, good = 0;

	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		good += taken(seed, type, shape, &whole[i].plan, whole[i].name);
	ok(good == sizeof(whole) / sizeof(whole[0]), "%s version %d goes in, minimal and at its limits", type->name,
	   shape->version);

	good = 0;
	count = gen_limits(shape, cases);
	for (int i = 0; i < count; i++)
		good += taken(seed, type, shape, &(struct gen_plan){ .broken = &cases[i] }, cases[i].path);
	ok(good == count, "%s version %d takes each field at its limit", type->name, shape->version);

	count = gen_cases(shape, cases);
	good = 0;
	for (int i = 0; i < count; i++)
		good += refused(seed, type, shape, &cases[i]);
	ok(good == count, "%s version %d refuses %d steps beyond, by name", type->name, shape->version, count);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;

	note("seed %" PRIu64, seed);
	catalog_init();
	arena_init(&arena, 1 << 20);
	msgpack_zone_init(&zone, 1 << 16);
	for (int kind = EV_UNKNOWN + 1; kind < EV_COUNT; kind++) {
		const struct event_type *type = catalog_get((enum event_kind)kind);

		for (const struct shape *s = &type->shape; s; s = s->older)
			check_shape(seed, type, s);
	}
	msgpack_zone_destroy(&zone);
	arena_release(&arena);
	buffer_release(&bytes);
	buffer_release(&text);
	buffer_release(&again);
	return tap_done();
}
