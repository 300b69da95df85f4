/* sum - see sum.h. */
#include "fold/sum.h"

#include <assert.h>
#include <stdlib.h>

#include "fold/memory.h"
#include "fold/plan.h"

enum { STEPS_FIRST = 8, COUNTER_TEXT = 24 }; /* "2147483647":-2147483648, */

void *fold_sum(struct fold *f, const struct projection *p, const struct uuid *id, bool *begun)
{
	struct state *s = f->state;
	int index = plan_index(s->plan, p);
	struct row *row = memory_find(s, index, &f->event->tenant_id, id);

	*begun = !row || !row->exists;
	if (*begun) {
		bool known = row != NULL;

		row = memory_new(s, index, f->event, id);
		row->partial = !known;
		s->partial_count += !known;
		return row;
	}
	row->last_position = f->event->position;
	memory_changed(s, row);
	return row;
}

void counters_add(struct fold *f, struct counters *c, int32_t key, int32_t by)
{
	if (c->step_count == c->step_room) {
		int32_t room = c->step_room ? c->step_room * 2 : STEPS_FIRST;
		struct counter_step *steps = arena_alloc(f->arena, sizeof(*steps) * (size_t)room);

		if (c->step_count)
			memcpy(steps, c->steps, sizeof(*steps) * (size_t)c->step_count);
		c->steps = steps;
		c->step_room = room;
	}
	c->steps[c->step_count++] = (struct counter_step){ key, by };
}

void sum_join(struct state *s, struct row *row, const struct row *loaded)
{
	const struct plan_rows *rows = &s->plan->rows[plan_index(s->plan, row->of)];

	assert(row->partial);
	row->partial = false;
	s->partial_count--;
	if (!loaded)
		return;
	row->fresh = false;
	for (int i = 0; i < rows->sum_count; i++) {
		const struct column *c = &row->of->columns[rows->sums[i]];
		char *to = (char *)row + c->offset;
		const char *from = (const char *)loaded + c->offset;

		if (c->kind == COLUMN_JSON)
			((struct counters *)(void *)to)->text =
				memory_without_blanks(&s->halves[s->young].arena, *(const struct bytes *)(const void *)from);
		else
			sum_add((int64_t *)(void *)to, *(const int64_t *)(const void *)from);
	}
}

/* ---- the counters' text ---- */

static int by_key(const void *a, const void *b)
{
	int32_t x = ((const struct counter_step *)a)->key, y = ((const struct counter_step *)b)->key;

	return x < y ? -1 : x > y;
}

/* Digits from *at on; false when there are none before the end. */
static bool next_number(const char **at, const char *end, bool *minus, int32_t *out)
{
	const char *p = *at;
	uint32_t number = 0;

	*minus = false;
	for (; p < end && (*p < '0' || *p > '9'); p++)
		*minus = *p == '-';
	if (p == end)
		return false;
	for (; p < end && *p >= '0' && *p <= '9'; p++)
		number = number * 10 + (uint32_t)(*p - '0');
	*at = p;
	*out = (int32_t)(number & INT32_MAX);
	return true;
}

/* The next entry of {"904":2,...}; false at the end, and at what nobody here wrote. */
static bool next_counter(const char **at, const char *end, struct counter_step *out)
{
	bool minus;

	if (!next_number(at, end, &minus, &out->key) || !next_number(at, end, &minus, &out->by))
		return false;
	out->by = minus ? -out->by : out->by;
	return true;
}

static char *put_number(char *to, uint32_t number)
{
	char digits[10];
	int count = 0;

	do
		digits[count++] = (char)('0' + number % 10);
	while (number /= 10);
	while (count)
		*to++ = digits[--count];
	return to;
}

/* Ten thousand of these a batch are not for printf. */
static char *put_counter(char *to, bool first, const struct counter_step *c)
{
	if (c->by == 0)
		return to;
	*to++ = first ? '{' : ',';
	*to++ = '"';
	to = put_number(to, (uint32_t)c->key);
	*to++ = '"';
	*to++ = ':';
	if (c->by < 0)
		*to++ = '-';
	return put_number(to, c->by < 0 ? -(uint32_t)c->by : (uint32_t)c->by);
}

/* Entries as they stand. */
static char *put_old(char *to, bool first, const char *from, const char *end)
{
	*to++ = first ? '{' : ',';
	memcpy(to, from, (size_t)(end - from));
	return to + (end - from);
}

/* Old entries and sorted steps, both rising, into one.  `from` is where the entry `old` begins, `at` where it ends. */
static void write_counters(struct arena *arena, struct counters *c)
{
	const char *at = c->text.data, *end = at ? at + c->text.len : NULL, *from = at ? at + 1 : NULL;
	char *text = arena_alloc(arena, c->text.len + (size_t)c->step_count * COUNTER_TEXT + 2 * COUNTER_TEXT);
	char *to = text;
	struct counter_step old;
	bool more = at && next_counter(&at, end, &old);

	qsort(c->steps, (size_t)c->step_count, sizeof(*c->steps), by_key);
	for (int32_t i = 0; i < c->step_count;) {
		struct counter_step sum = { c->steps[i].key, 0 };

		if (more && old.key <= sum.key) {
			if (old.key < sum.key)
				to = put_old(to, to == text, from, at);
			else
				sum.by = old.by;
			from = at + 1;
			more = next_counter(&at, end, &old);
			if (sum.by == 0)
				continue;
		}
		for (; i < c->step_count && c->steps[i].key == sum.key; i++)
			sum.by += c->steps[i].by;
		to = put_counter(to, to == text, &sum);
	}
	if (more)
		to = put_old(to, to == text, from, end - 1);
	if (to > text)
		*to++ = '}';
	c->text = to > text ? bytes_of(text, (size_t)(to - text)) : (struct bytes){ NULL, 0 };
	c->steps = NULL;
	c->step_count = c->step_room = 0;
}

void sum_finish(struct state *s, struct row *row)
{
	const struct plan_rows *rows = &s->plan->rows[plan_index(s->plan, row->of)];

	for (int i = 0; i < rows->sum_count; i++) {
		const struct column *c = &row->of->columns[rows->sums[i]];
		struct counters *counters = (struct counters *)(void *)((char *)row + c->offset);

		if (c->kind == COLUMN_JSON && counters->step_count)
			write_counters(&s->halves[s->young].arena, counters);
	}
}
