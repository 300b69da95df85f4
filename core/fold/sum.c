/* sum - see sum.h. */
#include "fold/sum.h"

#include <assert.h>

#include "fold/memory.h"

enum {
	COUNTERS_FIRST = 4,
	COUNTER_TEXT = 25, /* "2147483647":-2147483648, */
};

void sum_touch(struct fold *f, void *p)
{
	struct row *row = p;

	row->last_position = f->event->position;
	memory_changed(f->state, row);
}

void sum_forget(struct state *s)
{
	if (s->sum_places)
		memset(s->sum_places, 0, sizeof(*s->sum_places) * SUM_PLACES);
}

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
	sum_touch(f, row);
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

static void *moved(struct arena *arena, const void *from, int32_t count, int32_t room)
{
	void *to = arena_alloc(arena, sizeof(int32_t) * (size_t)room);

	return count ? memcpy(to, from, sizeof(int32_t) * (size_t)count) : to;
}

static void make_room(struct arena *arena, struct counter_book *book, int32_t room)
{
	book->keys = moved(arena, book->keys, book->count, room);
	book->counts = moved(arena, book->counts, book->count, room);
	book->places = moved(arena, book->places, book->count, room);
	book->room = room;
}

static void make_text_room(struct arena *arena, struct counters *c, size_t room)
{
	char *text = arena_alloc(arena, room);

	if (c->text.len)
		memcpy(text, c->text.data, c->text.len);
	c->text.data = text;
	c->book->text_room = room;
}

/* The numbers of [at, count) go up or down by some places in their lists. */
static void shift_lists(struct counter_book *book, int32_t at, int32_t by)
{
	size_t bytes = sizeof(int32_t) * (size_t)(book->count - at);

	memmove(book->keys + at + by, book->keys + at, bytes);
	memmove(book->counts + at + by, book->counts + at, bytes);
	memmove(book->places + at + by, book->places + at, bytes);
	book->count += by;
}

/* What stands in the text from `place` on moves by some bytes, and with it the counters from `at` on. */
static void shift_text(struct arena *arena, struct counters *c, size_t place, int32_t at, int32_t by)
{
	struct counter_book *book = c->book;
	size_t len = (size_t)((int64_t)c->text.len + by);
	char *text;

	if (len > book->text_room)
		make_text_room(arena, c, len + len / 2 + COUNTER_TEXT);
	text = (char *)c->text.data;
	memmove(text + place + by, text + place, c->text.len - place);
	for (; at < book->count; at++)
		book->places[at] += (uint32_t)by;
	c->text.len = len;
}

static int number_width(int32_t number)
{
	uint32_t left = number < 0 ? -(uint32_t)number : (uint32_t)number;
	int width = 1 + (number < 0);

	for (; left >= 10; left /= 10)
		width++;
	return width;
}

/* Right-aligned before `end`. */
static void put_number(char *end, int32_t number)
{
	uint32_t left = number < 0 ? -(uint32_t)number : (uint32_t)number;

	do
		*--end = (char)('0' + left % 10);
	while (left /= 10);
	if (number < 0)
		end[-1] = '-';
}

/* Where the counter's number ends. */
static size_t end_of(const struct counters *c, int32_t at)
{
	return at + 1 < c->book->count ? c->book->places[at + 1] : c->text.len - 1;
}

static void insert(struct arena *arena, struct counters *c, int32_t at, int32_t key, int32_t count)
{
	struct counter_book *book = c->book;
	int key_width = number_width(key), width = key_width + number_width(count) + 4;
	size_t place;
	char *text;

	if (book->count == book->room)
		make_room(arena, book, book->room ? book->room * 2 : COUNTERS_FIRST);
	if (book->count == 0) {
		make_text_room(arena, c, COUNTERS_FIRST * COUNTER_TEXT);
		memcpy((char *)c->text.data, "}", 1);
		c->text.len = 1;
	}
	place = at < book->count ? book->places[at] : c->text.len - 1;
	shift_text(arena, c, place, at, width);
	shift_lists(book, at, 1);
	book->keys[at] = key;
	book->counts[at] = count;
	book->places[at] = (uint32_t)place;
	text = (char *)c->text.data + place;
	text[0] = ',';
	text[1] = '"';
	put_number(text + 2 + key_width, key);
	memcpy(text + 2 + key_width, "\":", 2);
	put_number(text + width, count);
	if (at == 0) {
		text[0] = '{';
		if (book->count > 1)
			text[width] = ',';
	}
}

static void take_out(struct arena *arena, struct counters *c, int32_t at)
{
	struct counter_book *book = c->book;
	size_t place = book->places[at], end = end_of(c, at);

	shift_text(arena, c, end, at + 1, -(int32_t)(end - place));
	shift_lists(book, at + 1, -1);
	if (book->count == 0)
		c->text = (struct bytes){ NULL, 0 };
	else if (at == 0)
		*(char *)c->text.data = '{';
}

static void set_count(struct arena *arena, struct counters *c, int32_t at, int32_t count)
{
	struct counter_book *book = c->book;
	int longer = number_width(count) - number_width(book->counts[at]);

	if (longer)
		shift_text(arena, c, end_of(c, at), at + 1, longer);
	book->counts[at] = count;
	put_number((char *)c->text.data + end_of(c, at), count);
}

static void step(struct arena *arena, struct counters *c, int32_t key, int32_t by)
{
	struct counter_book *book = c->book;
	int32_t at = find_key(book, key);

	if (by == 0)
		return;
	if (at == book->count || book->keys[at] != key)
		insert(arena, c, at, key, by);
	else if (book->counts[at] + by == 0)
		take_out(arena, c, at);
	else
		set_count(arena, c, at, book->counts[at] + by);
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

/* A text of counters, whose book is opened: what nobody here wrote is passed over. */
static void open_book(struct arena *arena, struct counters *c)
{
	const char *p = c->text.data, *end = p ? p + c->text.len : NULL;
	int32_t key, count;
	bool minus;

	c->book = arena_zalloc(arena, sizeof(*c->book));
	c->text = (struct bytes){ NULL, 0 };
	while (p && next_number(&p, end, &minus, &key) && next_number(&p, end, &minus, &count))
		step(arena, c, key, minus ? -count : count);
}

void counters_add(struct fold *f, struct counters *c, int32_t key, int32_t by)
{
	if (!c->book)
		open_book(f->arena, c);
	step(f->arena, c, key, by);
}

/* What the database has, and on top of it what the batch has added. */
static void join_counters(struct arena *arena, struct counters *c, struct bytes loaded)
{
	const struct counter_book *added = c->book;

	c->text = memory_without_blanks(arena, loaded);
	c->book = NULL;
	if (!added)
		return;
	open_book(arena, c);
	for (int32_t i = 0; i < added->count; i++)
		step(arena, c, added->keys[i], added->counts[i]);
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
		struct counter_book *book;

		if (!c || !c->book)
			continue;
		book = memcpy(arena_alloc(arena, sizeof(*book)), c->book, sizeof(*book));
		make_room(arena, book, book->room);
		book->text_room = c->text.len; /* the copy has no more */
		c->book = book;
	}
}
