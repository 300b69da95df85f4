/*
 * generator - see generator.h: time, order, late and doubled lines.
 *
 *   arrivals --> heap of talks --> beat --> lines.out --+--> generator_next
 *                    ^               |                  |
 *                    +---- next -----+      held <------+ late lines and copies, let go some lines later
 */
#include "cmd/generator.h"

#include <assert.h>
#include <stdio.h>

#include "base/time.h"
#include "cmd/generator_world.h"

/* A talk takes about this long; with the arrival rate it says how many are open at once. */
#define TALK_US (40 * 60 * TIME_SECOND)

enum { HOLD_LEAST = 20, HOLD_MOST = 1500 };

struct held {
	int64_t until; /* line number */
	struct buffer line;
};

/* ---- two binary heaps ---- */

static bool talk_before(const struct generator *g, int a, int b)
{
	const struct talk *x = &g->talks[a], *y = &g->talks[b];

	return x->next != y->next ? x->next < y->next : a < b;
}

static void heap_up(struct generator *g, int at)
{
	int moving = g->heap[at];

	for (; at > 0 && talk_before(g, moving, g->heap[(at - 1) / 2]); at = (at - 1) / 2)
		g->heap[at] = g->heap[(at - 1) / 2];
	g->heap[at] = moving;
}

static void heap_down(struct generator *g, int at)
{
	int moving = g->heap[at], child;

	for (; (child = 2 * at + 1) < g->heap_count; at = child) {
		if (child + 1 < g->heap_count && talk_before(g, g->heap[child + 1], g->heap[child]))
			child++;
		if (!talk_before(g, g->heap[child], moving))
			break;
		g->heap[at] = g->heap[child];
	}
	g->heap[at] = moving;
}

static void hold(struct generator *g, const char *line, size_t len, int64_t until)
{
	int at;
	struct held h = { .until = until };

	if (g->held_count == g->held_cap) {
		g->held_cap = g->held_cap ? 2 * g->held_cap : 64;
		g->held = mem_realloc(g->held, (size_t)g->held_cap * sizeof(*g->held));
	}
	buffer_add(&h.line, line, len);
	for (at = g->held_count++; at > 0 && until < g->held[(at - 1) / 2].until; at = (at - 1) / 2)
		g->held[at] = g->held[(at - 1) / 2];
	g->held[at] = h;
}

static void let_go(struct generator *g)
{
	struct held last = g->held[--g->held_count];
	int at = 0, child;

	buffer_release(&g->given);
	g->given = g->held_count ? g->held[0].line : last.line;
	if (!g->held_count)
		return;
	for (; (child = 2 * at + 1) < g->held_count; at = child) {
		if (child + 1 < g->held_count && g->held[child + 1].until < g->held[child].until)
			child++;
		if (g->held[child].until >= last.until)
			break;
		g->held[at] = g->held[child];
	}
	g->held[at] = last;
}

/* ---- what the story asks for ---- */

int64_t world_stamp(const struct generator *g, int64_t offset_us)
{
	return g->options.live ? time_wall() : g->now + offset_us;
}

bool world_end(struct generator *g, bool loose)
{
	struct line_writer *w = &g->lines;
	const char *line;
	size_t len;
	int64_t until;

	line_end(w);
	line = w->out.data + w->start;
	len = w->out.len - w->start;
	if (g->options.duplicates && chance(g, (unsigned)g->options.duplicates)) {
		until = g->counts.lines + g->waiting + HOLD_LEAST + (int64_t)random_below(&g->random, HOLD_MOST);
		hold(g, line, len, until);
		g->counts.duplicates++;
	}
	if (loose && g->options.late && chance(g, (unsigned)g->options.late)) {
		until = g->counts.lines + g->waiting + HOLD_LEAST + (int64_t)random_below(&g->random, HOLD_MOST);
		hold(g, line, len, until);
		g->counts.late++;
		w->out.len = w->start;
		return true;
	}
	g->waiting++;
	return false;
}

struct talk *world_open(struct generator *g, int64_t at)
{
	struct talk *talk;
	int slot;

	if (!g->spare_count)
		return NULL;
	slot = g->spare[--g->spare_count];
	talk = &g->talks[slot];
	memset(talk, 0, sizeof(*talk));
	talk->next = at;
	g->heap[g->heap_count++] = slot;
	heap_up(g, g->heap_count - 1);
	g->counts.conversations++;
	return talk;
}

/* ---- the loop ---- */

struct generator *generator_new(const struct generator_options *options)
{
	struct generator *g = mem_zalloc(sizeof(*g));
	int64_t least;

	assert(options->tenants >= 1 && options->tenants <= GENERATOR_TENANTS_MAX);
	assert(options->conversations > 0 || options->live);
	g->options = *options;
	random_seed(&g->random, options->seed);
	g->lines.random = &g->random;
	g->lines.silent = options->silent;
	g->lines.second = INT64_MIN;
	for (int i = 0; i < script_count; i++)
		g->script_weight += scripts[i].weight;
	g->tenants = mem_zalloc((size_t)options->tenants * sizeof(*g->tenants));
	for (int i = 0; i < options->tenants; i++)
		g->tenants[i].number = i;
	g->talks = mem_zalloc(GENERATOR_ACTIVE * sizeof(*g->talks));
	g->heap = mem_alloc(GENERATOR_ACTIVE * sizeof(*g->heap));
	g->spare = mem_alloc(GENERATOR_ACTIVE * sizeof(*g->spare));
	for (int i = GENERATOR_ACTIVE; i-- > 0;)
		g->spare[g->spare_count++] = i;

	/* As many arrivals in the time of one talk as there are places, at most three quarters of them taken. */
	least = TALK_US / (GENERATOR_ACTIVE / 4 * 3);
	if (options->conversations) {
		g->arrival_gap = options->span / options->conversations;
		if (g->arrival_gap < least) {
			g->arrival_gap = least;
			g->options.span = least * options->conversations;
		}
	} else {
		g->arrival_gap = 4 * least;
		g->options.span = INT64_MAX / 4;
	}
	g->start = options->conversations ? options->end - g->options.span : options->end;
	g->now = g->start;
	g->next_arrival = g->start + TIME_SECOND;
	return g;
}

void generator_free(struct generator *g)
{
	if (!g)
		return;
	for (int i = 0; i < g->options.tenants; i++)
		buffer_release(&g->tenants[i].states);
	for (int i = 0; i < g->held_count; i++)
		buffer_release(&g->held[i].line);
	buffer_release(&g->given);
	buffer_release(&g->lines.out);
	free(g->tenants);
	free(g->talks);
	free(g->heap);
	free(g->spare);
	free(g->held);
	free(g);
}

const struct generator_counts *generator_get_counts(const struct generator *g)
{
	return &g->counts;
}

static bool arrivals_left(const struct generator *g)
{
	return !g->options.conversations || g->counts.conversations < g->options.conversations;
}

/* Moves the simulation on by one beat; false when the span is over. */
static bool step(struct generator *g)
{
	struct talk *talk;
	int slot;

	if (g->setup < g->options.tenants) {
		story_setup(g, &g->tenants[g->setup++]);
		return true;
	}
	if (arrivals_left(g) && (!g->heap_count || g->next_arrival <= g->talks[g->heap[0]].next)) {
		talk = world_open(g, g->next_arrival);
		/* Busy and quiet stretches: half to one and a half times the mean. */
		g->next_arrival += g->arrival_gap / 2 + (int64_t)random_below(&g->random, (uint64_t)g->arrival_gap + 1);
		if (talk)
			story_begin(g, talk);
	}
	if (!g->heap_count)
		return false;
	slot = g->heap[0];
	talk = &g->talks[slot];
	if (talk->next > g->start + g->options.span)
		return false;
	g->heap[0] = g->heap[--g->heap_count];
	if (g->heap_count)
		heap_down(g, 0);
	g->now = talk->next;
	story_beat(g, talk);
	if (talk->beat == BEAT_GONE) {
		g->spare[g->spare_count++] = slot;
	} else {
		g->heap[g->heap_count++] = slot;
		heap_up(g, g->heap_count - 1);
	}
	return true;
}

bool generator_next(struct generator *g, struct bytes *line)
{
	const char *from, *end;

	for (;;) {
		if (g->held_count && g->held[0].until <= g->counts.lines) {
			let_go(g);
			g->counts.lines++;
			*line = buffer_bytes(&g->given);
			return true;
		}
		if (g->out_at < g->lines.out.len)
			break;
		buffer_reset(&g->lines.out);
		g->out_at = 0;
		g->waiting = 0;
		if (step(g))
			continue;
		if (!g->held_count)
			return false;
		g->held[0].until = g->counts.lines; /* the end: all that was held comes now */
	}
	from = g->lines.out.data + g->out_at;
	end = memchr(from, '\n', g->lines.out.len - g->out_at);
	assert(end);
	*line = bytes_of(from, (size_t)(end + 1 - from));
	g->out_at += line->len;
	g->counts.lines++;
	return true;
}
