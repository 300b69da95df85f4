/* replay_verify - see replay_verify.h. */
#include "cmd/replay_verify.h"

#include <stdlib.h>
#include <string.h>

#include "event/canonical.h"

void verify_release(struct verify *v)
{
	buffer_release(&v->scratch);
	free(v->standing.leaves);
	free(v->standing.there);
}

static void note_wrong(struct verify *v, const struct event *e)
{
	for (int i = 0; i < v->wrong_count; i++)
		if (v->wrong[i] == e)
			return;
	if (v->wrong_count < VERIFY_WRONG_MOST)
		v->wrong[v->wrong_count++] = e;
}

bool verify_event(struct verify *v, const struct event *e, const struct uuid *log_id)
{
	uint8_t leaf[LEAF_BYTES];

	v->events++;
	canonical_leaf(e, log_id, &v->scratch, leaf);
	if (memcmp(leaf, e->leaf_hash, LEAF_BYTES) == 0)
		return true;
	note_wrong(v, e);
	return false;
}

int verify_ask(struct verify *v, struct log_find *log, int16_t shard, int64_t position, struct event *const *events, int count,
	       struct error *error)
{
	int asked = count < VERIFY_LEAVES_MOST ? count : VERIFY_LEAVES_MOST, status;
	int64_t *positions = mem_alloc(sizeof(*positions) * (size_t)(asked + 1));

	v->standing_count = asked;
	v->standing.leaves = mem_realloc(v->standing.leaves, sizeof(*v->standing.leaves) * (size_t)(asked + 1));
	v->standing.there = mem_realloc(v->standing.there, sizeof(*v->standing.there) * (size_t)(asked + 1));
	for (int i = 0; i < asked; i++)
		positions[i] = events[i]->position;
	status = log_find_standing(log, shard, position, positions, asked, &v->standing, error);
	v->tiles_seen = asked && !status;
	free(positions);
	return status;
}

void verify_tiles(struct verify *v, struct event *const *events, int count)
{
	for (int i = 0; i < count; i++) {
		if (i >= v->standing_count || !v->standing.there[i])
			v->not_in_tiles++;
		else if (memcmp(v->standing.leaves[i], events[i]->leaf_hash, LEAF_BYTES) == 0)
			v->in_tiles++;
		else
			note_wrong(v, events[i]);
	}
}

int verify_root(struct verify *v, struct log_find *log, int16_t shard, const struct log_place *place, struct error *error)
{
	uint8_t root[LEAF_BYTES];
	int status = log_find_root(log, shard, place->batch_end, root, error);

	if (status)
		return status;
	v->root_at = place->batch_end;
	v->root_wrong = memcmp(root, place->root, LEAF_BYTES) != 0;
	return 0;
}

/* ---- telling ---- */

void verify_say(const struct verify *v, struct buffer *out)
{
	buffer_printf(out, "verified: %lld of %lld events give their leaf hashes",
		      (long long)(v->events - v->wrong_count), (long long)v->events);
	if (v->gapless)
		buffer_add_text(out, "; no position is missing between them");
	if (v->in_tiles)
		buffer_printf(out, "; %lld leaves stand in the tree's tiles", (long long)v->in_tiles);
	if (v->root_at)
		buffer_printf(out, "; the root at position %lld, computed from tiles and leaves, is %s",
			      (long long)v->root_at,
			      v->root_wrong ? "NOT that of the batch" : "that of the batch");
	buffer_add_text(out, "\nnot verified: ");
	if (v->not_in_tiles)
		buffer_printf(out, "whether %lld leaves, of no full tile%s, are in the tree; ", (long long)v->not_in_tiles,
			      v->in_tiles + v->not_in_tiles > VERIFY_LEAVES_MOST ? " or beyond the first events" : "");
	if (!v->tiles_seen)
		buffer_add_text(out, v->gapless ? "the tree's tiles; " : "the tree, which this login may not read; ");
	if (!v->root_at)
		buffer_printf(out, "the root%s; ", v->tiles_seen ? " (--verify computes it)" : "");
	buffer_printf(out, "%ssignatures of checkpoints\n", v->gapless ? "" : "whether an index leaves events out; ");
}

void verify_json(const struct verify *v, struct buffer *out)
{
	char id[UUID_TEXT];

	buffer_printf(out, "\"verified\":{\"leaves\":%lld,\"in_tiles\":%lld,\"gapless\":%s,\"root_at\":",
		      (long long)(v->events - v->wrong_count),
		      (long long)v->in_tiles, v->gapless ? "true" : "false");
	if (v->root_at)
		buffer_printf(out, "%lld,\"root_holds\":%s}", (long long)v->root_at, v->root_wrong ? "false" : "true");
	else
		buffer_add_text(out, "null,\"root_holds\":null}");
	buffer_printf(out, ",\"not_verified\":{\"leaves_in_no_tile\":%lld,\"tiles\":%s,\"root\":%s,\"indexes\":%s,\"signatures\":true},\"wrong\":[",
		      (long long)v->not_in_tiles, v->tiles_seen ? "false" : "true", v->root_at ? "false" : "true", v->gapless ? "false" : "true");
	for (int i = 0; i < v->wrong_count; i++)
		buffer_printf(out, "%s{\"shard\":%d,\"position\":%lld,\"event_id\":\"%s\"}", i ? "," : "", v->wrong[i]->shard,
			      (long long)v->wrong[i]->position, uuid_format(&v->wrong[i]->event_id, id));
	buffer_add_byte(out, ']');
}

int verify_outcome(const struct verify *v, struct error *error)
{
	char id[UUID_TEXT];

	if (v->wrong_count) {
		const struct event *e = v->wrong[0];

		error_set(error, E_LOG_DIVERGED, "shard %d, position %lld (event %s): its content is not what was "
			  "appended%s", e->shard,
			  (long long)e->position, uuid_format(&e->event_id, id),
			  v->wrong_count > 1 ? "; nor is that of others" : "");
		error->position = e->position;
		return E_LOG_DIVERGED;
	}
	if (v->root_wrong)
		return error_set(error, E_LOG_DIVERGED, "tiles and leaves do not give the root of the batch that ends "
				 "at position %lld",
				 (long long)v->root_at);
	return 0;
}
