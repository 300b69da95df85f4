/* field_index - see field_index.h. */
#include "event/field_index.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { LISTS_MAX = 4096 }; /* lists of fields in the whole catalog: a type's, an old version's, an object's */

static _Atomic(struct field_index *) lists[LISTS_MAX];

static unsigned name_hash(struct bytes name)
{
	const uint8_t *p = (const uint8_t *)name.data;

	if (name.len == 0)
		return 0;
	return (unsigned)(name.len * 7 + p[0] * 31u + p[name.len / 2] * 17u + p[name.len - 1] * 5u) % FIELD_SLOTS;
}

static struct field_index *make(const struct field *fields)
{
	struct field_index *index = mem_zalloc(sizeof(*index));
	size_t bytes = 0;
	char *text;

	index->fields = fields;
	for (const struct field *f = fields; f && f->name; f++)
		bytes += strlen(f->name) + 3;
	text = bytes ? mem_alloc(bytes) : NULL;
	for (const struct field *f = fields; f && f->name; f++) {
		int n = index->count++, at = n;
		struct bytes name = { text + 1, strlen(f->name) };
		unsigned slot = name_hash(bytes_text(f->name));

		assert(n < CATALOG_FIELDS_MAX);
		text[0] = '"';
		memcpy(text + 1, f->name, name.len);
		memcpy(text + 1 + name.len, "\":", 2);
		index->names[n] = name;
		index->members[n] = bytes_of(text, name.len + 3);
		text += name.len + 3;
		while (index->slots[slot])
			slot = (slot + 1) % FIELD_SLOTS;
		index->slots[slot] = (uint8_t)(n + 1);
		for (; at > 0 && strcmp(fields[index->order[at - 1]].name, f->name) > 0; at--)
			index->order[at] = index->order[at - 1];
		index->order[at] = (uint8_t)n;
	}
	return index;
}

const struct field_index *field_index_get(const struct field *fields)
{
	size_t at = (size_t)((uintptr_t)fields / sizeof(void *) * 0x9e3779b97f4a7c15u >> 52) % LISTS_MAX;

	for (int tries = 0; tries < LISTS_MAX; tries++, at = (at + 1) % LISTS_MAX) {
		struct field_index *found = atomic_load_explicit(&lists[at], memory_order_acquire);

		if (!found) {
			struct field_index *made = make(fields);

			if (atomic_compare_exchange_strong_explicit(&lists[at], &found, made, memory_order_acq_rel,
								    memory_order_acquire))
				return made;
			if (made->count)
				free((char *)made->members[0].data);
			free(made);
		}
		if (found->fields == fields)
			return found;
	}
	assert(!"more lists of fields than LISTS_MAX");
	return NULL;
}

int field_index_find(const struct field_index *index, struct bytes name)
{
	for (unsigned slot = name_hash(name); index->slots[slot]; slot = (slot + 1) % FIELD_SLOTS) {
		int n = index->slots[slot] - 1;

		if (bytes_equal(index->names[n], name))
			return n;
	}
	return -1;
}
