/* sum - see sum.h. */
#include "fold/sum.h"

#include <assert.h>

#include "fold/memory.h"

enum {
	COUNTERS_FIRST = 4,
	COUNTER_USUAL = 8, /* bytes, as "904":2, */
	TEXT_FIRST = 52,   /* more than {"2147483647":-2147483648} */
};

void sum_changed(struct state *s, struct row *row)
{
	memory_changed(s, row);
}

void sum_forget(struct state *s)
{
	if (s->sum_places)
		memset(s->sum_places, 0, sizeof(*s->sum_places) * SUM_PLACES);
}

static void begin_partial(struct state *s, struct row *row)
{
	struct partial_row *p = arena_alloc(&s->passing, sizeof(*p));

	row->partial = true;
	*p = (struct partial_row){ s->partials, row };
	s->partials = p;
	s->partial_count++;
}

void *sum_row(struct state *s, const struct projection *p, const struct uuid *tenant_id, const struct uuid *id,
	      int64_t position, bool *begun)
{
	int index = plan_index(s->plan, p);
	struct row *row = memory_find(s, index, tenant_id, id);
	bool known = row != NULL;

	*begun = !row || !row->exists;
	if (*begun) {
		row = memory_blank(s, index, tenant_id, id);
		if (!known)
			begin_partial(s, row);
	}
	sum_touch(s, row, position);
	return row;
}

/* ---- counters ---- */

/* The first of the counters whose key is not below this one. */
static int32_t find_key(const struct counter_book *book, int32_t key)
{
	const int32_t *from = book->keys;

	if (book->count && from[book->count - 1] < key)
		return book->count;
	for (int32_t left = book->count; left > 0;) {
		int32_t half = left / 2;
		bool below = from[half] < key;

		from += below ? half + 1 : 0;
		left = below ? left - half - 1 : half;
	}
	return (int32_t)(from - book->keys);
}

static int32_t *counts_of(struct counter_book *book)
{
	return book->keys + book->room;
}

static int32_t *places_of(struct counter_book *book)
{
	return book->keys + 2 * book->room;
}

static void copy_list(int32_t *to, const int32_t *from, int32_t count)
{
	memcpy(to, from, sizeof(*to) * (size_t)count);
}

static char *text_of(struct counter_book *book)
{
	return (char *)(places_of(book) + book->room);
}

static struct counter_book *book_new(struct arena *arena, int32_t room, size_t text_room)
{
	struct counter_book *book = arena_alloc(arena, sizeof(*book) + 3 * sizeof(int32_t) * (size_t)room + text_room);

	book->count = 0;
	book->room = room;
	book->text_room = (uint32_t)text_room;
	return book;
}

/* Another block with this much room, to which lists and text move. */
static void make_room(struct arena *arena, struct counters *c, int32_t room, size_t text_room)
{
	struct counter_book *old = c->book, *book = book_new(arena, room, text_room);

	book->count = old->count;
	copy_list(book->keys, old->keys, old->count);
	copy_list(counts_of(book), counts_of(old), old->count);
	copy_list(places_of(book), places_of(old), old->count);
	if (c->text.len)
		c->text.data = memcpy(text_of(book), c->text.data, c->text.len);
	c->book = book;
}

/* The numbers of [at, count) go up or down by some places in their lists. */
static void shift_lists(struct counter_book *book, int32_t at, int32_t by)
{
	size_t bytes = sizeof(int32_t) * (size_t)(book->count - at);

	memmove(book->keys + at + by, book->keys + at, bytes);
	memmove(counts_of(book) + at + by, counts_of(book) + at, bytes);
	memmove(places_of(book) + at + by, places_of(book) + at, bytes);
	book->count += by;
}

typedef int32_t four __attribute__((vector_size(4 * sizeof(int32_t))));

/* What stands in the text from `place` on moves by some bytes, and with it the counters from `at` on. */
static void shift_text(struct counters *c, size_t place, int32_t at, int32_t by)
{
	char *text = (char *)c->text.data;
	int32_t *places = places_of(c->book), count = c->book->count;

	memmove(text + place + by, text + place, c->text.len - place);
	for (; count - at >= 4; at += 4) {
		four few;

		memcpy(&few, places + at, sizeof(few));
		few += by;
		memcpy(places + at, &few, sizeof(few));
	}
	for (; at < count; at++)
		places[at] += by;
	c->text.len = (size_t)((int64_t)c->text.len + by);
}

static int number_width(int32_t number)
{
	uint32_t left = number < 0 ? -(uint32_t)number : (uint32_t)number;
	int width = 1 + (number < 0);

	for (; left >= 1000; left /= 1000)
		width += 3;
	return width + (left >= 10) + (left >= 100);
}

/* Right-aligned before `end`. */
static void put_number(char *end, int32_t number)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
				    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
				    "8081828384858687888990919293949596979899";
	uint32_t left = number < 0 ? -(uint32_t)number : (uint32_t)number;

	for (; left >= 100; left /= 100)
		memcpy(end -= 2, pairs + 2 * (left % 100), 2);
	if (left >= 10)
		memcpy(end -= 2, pairs + 2 * left, 2);
	else
		*--end = (char)('0' + left);
	if (number < 0)
		end[-1] = '-';
}

/* Where the counter's number ends. */
static size_t end_of(const struct counters *c, int32_t at)
{
	return at + 1 < c->book->count ? (size_t)places_of(c->book)[at + 1] : c->text.len - 1;
}

static void insert(struct arena *arena, struct counters *c, int32_t at, int32_t key, int32_t count)
{
	int key_width = number_width(key), width = key_width + number_width(count) + 4;
	size_t place;
	char *text;

	if (c->book->count == 0)
		c->text = bytes_of(memcpy(text_of(c->book), "}", 1), 1);
	if (c->book->count == c->book->room)
		make_room(arena, c, c->book->room + c->book->room / 2 + 1, c->book->text_room + c->book->text_room / 2);
	if (c->text.len + (size_t)width > c->book->text_room)
		make_room(arena, c, c->book->room, c->book->text_room + c->book->text_room / 2);
	place = end_of(c, at - 1);
	shift_text(c, place, at, width);
	shift_lists(c->book, at, 1);
	c->book->keys[at] = key;
	counts_of(c->book)[at] = count;
	places_of(c->book)[at] = (int32_t)place;
	text = (char *)c->text.data + place;
	text[0] = ',';
	text[1] = '"';
	put_number(text + 2 + key_width, key);
	memcpy(text + 2 + key_width, "\":", 2);
	put_number(text + width, count);
	if (at == 0) {
		text[0] = '{';
		if (c->book->count > 1)
			text[width] = ',';
	}
}

static void take_out(struct counters *c, int32_t at)
{
	size_t place = (size_t)places_of(c->book)[at], end = end_of(c, at);

	shift_text(c, end, at + 1, -(int32_t)(end - place));
	shift_lists(c->book, at + 1, -1);
	if (c->book->count == 0)
		c->text = (struct bytes){ NULL, 0 };
	else if (at == 0)
		*(char *)c->text.data = '{';
}

static void set_count(struct arena *arena, struct counters *c, int32_t at, int32_t count)
{
	int longer = number_width(count) - number_width(counts_of(c->book)[at]);

	if ((int64_t)c->text.len + longer > c->book->text_room)
		make_room(arena, c, c->book->room, c->book->text_room * 2);
	if (longer)
		shift_text(c, end_of(c, at), at + 1, longer);
	counts_of(c->book)[at] = count;
	put_number((char *)c->text.data + end_of(c, at), count);
}

static void step(struct arena *arena, struct counters *c, int32_t key, int32_t by)
{
	int32_t at = find_key(c->book, key);

	if (by == 0)
		return;
	if (at == c->book->count || c->book->keys[at] != key)
		insert(arena, c, at, key, by);
	else if (counts_of(c->book)[at] + by == 0)
		take_out(c, at);
	else
		set_count(arena, c, at, counts_of(c->book)[at] + by);
}

/* ---- the book ---- */

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

/* A text of counters, whose book is opened: what nobody here wrote is passed over. */
static void open_book(struct arena *arena, struct counters *c)
{
	const char *p = c->text.data, *end = p ? p + c->text.len : NULL;
	int32_t key, count;
	bool minus;

	c->book = book_new(arena, COUNTERS_FIRST + (int32_t)(c->text.len / COUNTER_USUAL), TEXT_FIRST + c->text.len + c->text.len / 4);
	c->text = (struct bytes){ NULL, 0 };
	while (p && next_number(&p, end, &minus, &key) && next_number(&p, end, &minus, &count))
		step(arena, c, key, minus ? -count : count);
}

void counters_add(struct state *s, struct counters *c, int32_t key, int32_t by)
{
	struct arena *arena = &s->halves[s->young].arena;

	if (!c->book)
		open_book(arena, c);
	step(arena, c, key, by);
}

/* What the database has, and on top of it what the batch has added. */
static void join_counters(struct arena *arena, struct counters *c, struct bytes loaded)
{
	struct counter_book *added = c->book;

	if (!added) {
		c->text = memory_without_blanks(arena, loaded);
		return;
	}
	c->text = loaded;
	open_book(arena, c);
	for (int32_t i = 0; i < added->count; i++)
		step(arena, c, added->keys[i], counts_of(added)[i]);
}

/* ---- rows ---- */

void sum_join(struct state *s, struct row *row, const struct row *loaded)
{
	const struct plan_rows *rows = &s->plan->rows[row->place];

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
			join_counters(&s->halves[s->young].arena, (struct counters *)(void *)to, *(const struct bytes *)(const void *)from);
		else
			sum_add((int64_t *)(void *)to, *(const int64_t *)(const void *)from);
	}
}

static struct counters *counters_at(const struct plan_rows *rows, struct row *row, int i)
{
	const struct column *c = &rows->projection->columns[rows->sums[i]];

	return c->kind == COLUMN_JSON ? (struct counters *)(void *)((char *)row + c->offset) : NULL;
}

void sum_take(const struct plan_rows *rows, struct row *row)
{
	for (int i = 0; i < rows->sum_count; i++) {
		struct counters *c = counters_at(rows, row, i);

		if (c)
			c->book = NULL;
	}
}

void sum_move(const struct plan_rows *rows, struct row *row, struct arena *arena)
{
	for (int i = 0; i < rows->sum_count; i++) {
		struct counters *c = counters_at(rows, row, i);

		if (c && c->book)
			make_room(arena, c, c->book->count + c->book->count / 8 + 1, c->text.len + c->text.len / 8 + TEXT_FIRST);
	}
}
