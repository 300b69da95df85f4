/* chain - see state.h; here: rows that lead to others of their read model, in chains that are short and have no circle. */
#include "fold/state.h"

static struct uuid *link_of(const struct chain *chain, void *row)
{
	return (struct uuid *)(void *)((char *)row + chain->link);
}

static int64_t *height_of(const struct chain *chain, void *row)
{
	return (int64_t *)(void *)((char *)row + chain->height);
}

static void *next_of(struct fold *f, const struct chain *chain, void *row)
{
	return fold_find(f, ((struct row *)row)->of, link_of(chain, row));
}

void *fold_chain_end(struct fold *f, const struct chain *chain, void *row)
{
	for (int hops = 0; row && !uuid_is_nil(link_of(chain, row)) && hops <= MERGE_HOPS_MAX; hops++) {
		void *next = next_of(f, chain, row);

		if (!next)
			break;
		row = next;
	}
	return row;
}

/* How many links lead from one that leads to `row` to the end; `keep` writes the chain's new heights into its rows. */
static int64_t length(struct fold *f, const struct chain *chain, void *row, int64_t below, bool keep)
{
	int64_t hops = 0;

	while (row && ++hops <= MERGE_HOPS_MAX) {
		if (keep && *height_of(chain, row) < below + hops) {
			fold_change(f, row);
			*height_of(chain, row) = below + hops;
		}
		row = next_of(f, chain, row);
	}
	return hops;
}

bool fold_chain_fits(struct fold *f, const struct chain *chain, void *row, void *into)
{
	const char *entity = entity_name(((struct row *)row)->of->entity);
	char code[64];

	if (fold_chain_end(f, chain, into) == row) {
		snprintf(code, sizeof(code), "%s_cycle", chain->name);
		fold_anomaly(f, code, "the %s would lead to itself", entity);
		return false;
	}
	if (*height_of(chain, row) + length(f, chain, into, 0, false) > MERGE_HOPS_MAX) {
		snprintf(code, sizeof(code), "%s_too_deep", chain->name);
		fold_anomaly(f, code, "more than %d in a chain", MERGE_HOPS_MAX);
		return false;
	}
	return true;
}

void fold_chain_join(struct fold *f, const struct chain *chain, void *row, void *into)
{
	fold_change(f, row);
	*link_of(chain, row) = ((struct row *)into)->id;
	length(f, chain, into, *height_of(chain, row), true);
}
