/* arena - see arena.h. */
#include "base/arena.h"

#include <stdlib.h>

struct arena_block {
	struct arena_block *next;
	size_t size;
	_Alignas(16) char data[];
};

static struct arena_block *block_new(struct arena *a, size_t size)
{
	struct arena_block *block = mem_alloc(sizeof(*block) + size);

	block->next = NULL;
	block->size = size;
	a->used += size;
	return block;
}

void arena_init(struct arena *a, size_t block_bytes)
{
	memset(a, 0, sizeof(*a));
	a->block_bytes = block_bytes;
}

static void free_from(struct arena *a, struct arena_block *block)
{
	while (block) {
		struct arena_block *next = block->next;

		a->used -= block->size;
		free(block);
		block = next;
	}
}

void arena_release(struct arena *a)
{
	free_from(a, a->first);
	arena_init(a, a->block_bytes);
}

void arena_reset(struct arena *a)
{
	if (!a->first)
		return;
	free_from(a, a->first->next);
	a->first->next = NULL;
	a->current = a->first;
	a->next = a->first->data;
	a->end = a->next + a->first->size;
}

void *arena_alloc(struct arena *a, size_t size)
{
	char *p;

	size = (size + 15) & ~(size_t)15;
	if (size > (size_t)(a->end - a->next) || !a->current) {
		struct arena_block *block = block_new(a, size > a->block_bytes ? size : a->block_bytes);

		if (a->current)
			a->current->next = block;
		else
			a->first = block;
		a->current = block;
		a->next = block->data;
		a->end = block->data + block->size;
	}
	p = a->next;
	a->next += size;
	return p;
}

void *arena_zalloc(struct arena *a, size_t size)
{
	return memset(arena_alloc(a, size), 0, size);
}

struct bytes arena_copy(struct arena *a, struct bytes bytes)
{
	if (!bytes.data)
		return bytes;
	if (bytes.len == 0)
		return (struct bytes){ "", 0 };
	return (struct bytes){ memcpy(arena_alloc(a, bytes.len), bytes.data, bytes.len), bytes.len };
}

char *arena_text(struct arena *a, struct bytes bytes)
{
	char *text = arena_alloc(a, bytes.len + 1);

	if (bytes.len)
		memcpy(text, bytes.data, bytes.len);
	text[bytes.len] = 0;
	return text;
}
