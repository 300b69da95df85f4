/* feed - see feed.h. */
#include "engine/feed.h"

void feed_init(struct feed *f, size_t bytes)
{
	memset(f, 0, sizeof(*f));
	pthread_mutex_init(&f->lock, NULL);
	f->end = &f->oldest;
	f->bytes = bytes;
}

void feed_batch_free(struct feed_batch *b)
{
	free(b);
}

/* With the lock held. */
static struct feed_batch *pop(struct feed *f)
{
	struct feed_batch *b = f->oldest;

	f->oldest = b->next;
	if (!f->oldest)
		f->end = &f->oldest;
	f->held -= b->bytes;
	return b;
}

static void free_all(struct feed_batch *b)
{
	while (b) {
		struct feed_batch *next = b->next;

		feed_batch_free(b);
		b = next;
	}
}

void feed_clear(struct feed *f)
{
	struct feed_batch *all;

	pthread_mutex_lock(&f->lock);
	all = f->oldest;
	f->oldest = NULL;
	f->end = &f->oldest;
	f->held = 0;
	f->head = 0;
	pthread_mutex_unlock(&f->lock);
	free_all(all);
}

void feed_release(struct feed *f)
{
	feed_clear(f);
	pthread_mutex_destroy(&f->lock);
}

static size_t text_bytes(const struct event *e)
{
	return e->payload.len + e->actor_ip.len + e->actor_user_agent.len + (e->type ? 0 : e->type_name.len);
}

static struct bytes move_text(char **to, struct bytes text)
{
	struct bytes moved = { *to, text.len };

	if (!text.data)
		return text;
	memcpy(*to, text.data, text.len);
	*to += text.len;
	return moved;
}

static struct feed_batch *copy(struct event *const *events, int count)
{
	size_t bytes = sizeof(struct feed_batch) + sizeof(struct event) * (size_t)count;
	struct feed_batch *b;
	char *to;

	for (int i = 0; i < count; i++)
		bytes += text_bytes(events[i]);
	b = mem_alloc(bytes);
	b->next = NULL;
	b->first = events[0]->position;
	b->count = count;
	b->bytes = bytes;
	to = (char *)&b->events[count];
	for (int i = 0; i < count; i++) {
		struct event *e = &b->events[i];

		*e = *events[i];
		e->payload = move_text(&to, e->payload);
		e->actor_ip = move_text(&to, e->actor_ip);
		e->actor_user_agent = move_text(&to, e->actor_user_agent);
		if (e->type) { /* constant texts of the catalog */
			e->type_name = bytes_text(e->type->name);
			e->entity_type = bytes_text(entity_name(e->type->entity));
		} else {
			e->type_name = move_text(&to, e->type_name);
		}
	}
	return b;
}

void feed_put(struct feed *f, struct event *const *events, int count)
{
	struct feed_batch *b = copy(events, count), *fallen = NULL;
	bool wanted;

	pthread_mutex_lock(&f->lock);
	*f->end = b;
	f->end = &b->next;
	f->held += b->bytes;
	f->head = b->first + count - 1;
	wanted = f->wanted;
	f->wanted = false;
	while (f->held > f->bytes && f->oldest != b) {
		struct feed_batch *old = pop(f);

		old->next = fallen;
		fallen = old;
	}
	pthread_mutex_unlock(&f->lock);
	free_all(fallen);
	if (wanted && f->wake)
		f->wake(f->data);
}

struct feed_batch *feed_take(struct feed *f, int64_t first)
{
	struct feed_batch *found = NULL, *fallen = NULL;

	pthread_mutex_lock(&f->lock);
	while (f->oldest && f->oldest->first <= first) {
		struct feed_batch *b = pop(f);

		if (b->first == first) {
			found = b;
			break;
		}
		b->next = fallen;
		fallen = b;
	}
	f->wanted = !found;
	pthread_mutex_unlock(&f->lock);
	free_all(fallen);
	if (found)
		found->next = NULL;
	return found;
}

int64_t feed_head(struct feed *f)
{
	int64_t head;

	pthread_mutex_lock(&f->lock);
	head = f->head;
	pthread_mutex_unlock(&f->lock);
	return head;
}
