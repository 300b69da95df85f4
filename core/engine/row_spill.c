/* row_spill - see row_spill.h. */
#include "engine/row_spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

enum { TAIL_BYTES = 256 << 10, PLACES_FIRST = 1024, LENGTH = sizeof(uint64_t) };

static const struct row *find(void *data, int index, const struct uuid *tenant_id, const struct uuid *id);
static void leave(void *data, int index, const struct row *row);

void row_spill_init(struct row_spill *s, const struct group *group, const char *folder)
{
	memset(s, 0, sizeof(*s));
	s->plan = plan_get(group);
	s->folder = folder;
	s->kept = UINT64_MAX;
	s->source = (struct row_source){ .find = find, .leave = leave, .data = s };
	for (int i = 0; i < GROUP_PROJECTIONS_MAX; i++)
		s->files[i].fd = -1;
}

void row_spill_release(struct row_spill *s)
{
	for (int i = 0; i < GROUP_PROJECTIONS_MAX; i++) {
		if (s->files[i].fd >= 0)
			close(s->files[i].fd);
		buffer_release(&s->files[i].tail);
		free(s->files[i].places);
	}
	buffer_release(&s->image);
}

static void fail(struct row_spill *s, const char *what)
{
	if (s->error.code == 0)
		error_set(&s->error, E_IO, "cannot %s a file in '%s': %s; --spill names another folder, --memory spares it", what, s->folder,
			  strerror(errno));
}

/* ---- places ---- */

static void hash_key(const struct uuid *tenant_id, const struct uuid *id, uint64_t out[2])
{
	struct uuid both[2] = { *tenant_id, *id };
	XXH128_hash_t h = XXH3_128bits(both, sizeof(both));

	out[0] = h.low64;
	out[1] = h.high64 | 1; /* never all zero */
}

static struct spill_place *slot_of(const struct spill_file *f, const uint64_t key[2])
{
	size_t at = key[0] & (f->capacity - 1);

	while (f->places[at].key[1] && (f->places[at].key[0] != key[0] || f->places[at].key[1] != key[1]))
		at = (at + 1) & (f->capacity - 1);
	return &f->places[at];
}

static void grow(struct spill_file *f)
{
	struct spill_file old = *f;

	f->capacity = old.capacity ? 2 * old.capacity : PLACES_FIRST;
	f->places = mem_zalloc(f->capacity * sizeof(*f->places));
	for (size_t i = 0; i < old.capacity; i++)
		if (old.places[i].key[1])
			*slot_of(f, old.places[i].key) = old.places[i];
	free(old.places);
}

struct spill_place *row_spill_place(struct row_spill *s, int index, const struct uuid *tenant_id, const struct uuid *id)
{
	struct spill_file *f = &s->files[index];
	struct spill_place *place;
	uint64_t key[2];

	if (f->count == 0)
		return NULL;
	hash_key(tenant_id, id, key);
	place = slot_of(f, key);
	return place->key[1] ? place : NULL;
}

/* ---- images ---- */

static struct bytes *text_at(const struct plan_rows *rows, int i, void *row)
{
	return (struct bytes *)(void *)((char *)row + rows->texts[i]);
}

static void put_image(const struct plan_rows *rows, const struct row *row, struct buffer *out)
{
	buffer_add(out, row, rows->projection->row_bytes);
	for (int i = 0; i < rows->text_count; i++)
		buffer_add_bytes(out, *text_at(rows, i, (void *)(uintptr_t)row));
}

/* Lets the texts of an image point behind its struct, where they are.  False when it is no image. */
static bool mend_image(const struct plan_rows *rows, char *image, size_t bytes)
{
	size_t at = rows->projection->row_bytes;

	for (int i = 0; i < rows->text_count; i++) {
		struct bytes *text = text_at(rows, i, image);

		if (!text->data)
			continue;
		if (text->len > bytes - at)
			return false;
		text->data = image + at;
		at += text->len;
	}
	return at == bytes;
}

static bool write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static bool read_all(int fd, char *data, size_t len, int64_t at)
{
	while (len) {
		ssize_t n = pread(fd, data, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool open_file(struct row_spill *s, struct spill_file *f)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/verbatim-rows-XXXXXX", s->folder) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return false;
	}
	f->fd = mkostemp(path, O_CLOEXEC);
	if (f->fd >= 0)
		unlink(path);
	return f->fd >= 0;
}

static bool flush(struct row_spill *s, struct spill_file *f)
{
	if (f->tail.len == 0)
		return true;
	if (f->fd < 0 && !open_file(s, f)) {
		fail(s, "make");
		return false;
	}
	if (!write_all(f->fd, f->tail.data, f->tail.len)) {
		fail(s, "write");
		return false;
	}
	f->written += (int64_t)f->tail.len;
	buffer_reset(&f->tail);
	return true;
}

static size_t padded(size_t bytes)
{
	return (bytes + LENGTH - 1) / LENGTH * LENGTH;
}

static void stream(struct row_spill *s, int index, const struct row *row)
{
	struct spill_file *f = &s->files[index];
	size_t began = f->tail.len, bytes;
	uint64_t length;

	buffer_reserve(&f->tail, LENGTH);
	f->tail.len += LENGTH;
	put_image(&s->plan->rows[index], row, &f->tail);
	length = f->tail.len - began - LENGTH;
	memcpy(f->tail.data + began, &length, LENGTH);
	bytes = padded(length);
	memset(buffer_reserve(&f->tail, bytes - length), 0, bytes - length);
	f->tail.len = began + LENGTH + bytes;
	s->spilled++;
	if (f->tail.len >= TAIL_BYTES)
		flush(s, f);
}

static void leave(void *data, int index, const struct row *row)
{
	struct row_spill *s = data;
	struct spill_file *f = &s->files[index];
	struct spill_place *place;
	uint64_t key[2];
	size_t began;

	if (s->error.code || (row->of->history && !(s->kept >> index & 1)))
		return;
	if (s->streamed >> index & 1) {
		stream(s, index, row);
		return;
	}
	if (4 * (f->count + 1) > 3 * f->capacity)
		grow(f);
	hash_key(&row->tenant_id, &row->id, key);
	place = slot_of(f, key);
	if (place->key[1] && place->position == row->last_position)
		return;
	f->count += !place->key[1];
	memcpy(place->key, key, sizeof(key));
	place->offset = f->written + (int64_t)f->tail.len;
	place->position = row->last_position;
	began = f->tail.len;
	put_image(&s->plan->rows[index], row, &f->tail);
	place->bytes = (uint32_t)(f->tail.len - began);
	s->spilled++;
	if (f->tail.len >= TAIL_BYTES)
		flush(s, f);
}

struct row *row_spill_read(struct row_spill *s, int index, const struct spill_place *place)
{
	struct spill_file *f = &s->files[index];

	if (s->error.code)
		return NULL;
	buffer_reset(&s->image);
	buffer_reserve(&s->image, place->bytes);
	if (place->offset >= f->written)
		memcpy(s->image.data, f->tail.data + (place->offset - f->written), place->bytes);
	else if (!read_all(f->fd, s->image.data, place->bytes, place->offset))
		fail(s, "read");
	else
		s->image.len = place->bytes;
	if (s->error.code == 0 && !mend_image(&s->plan->rows[index], s->image.data, place->bytes))
		error_set(&s->error, E_INTERNAL, "a spilled row is not what was written");
	return s->error.code ? NULL : (struct row *)(void *)s->image.data;
}

static const struct row *find(void *data, int index, const struct uuid *tenant_id, const struct uuid *id)
{
	struct row_spill *s = data;
	struct spill_place *place = row_spill_place(s, index, tenant_id, id);

	return place ? row_spill_read(s, index, place) : NULL;
}

/* ---- all of them ---- */

static int by_offset(const void *a, const void *b)
{
	const struct spill_place *const *x = a, *const *y = b;

	return (*x)->offset < (*y)->offset ? -1 : (*x)->offset > (*y)->offset;
}

/* The whole records at the beginning of these bytes; how many bytes they are. */
static size_t each_record(struct row_spill *s, int index, char *bytes, size_t len,
			  void (*each)(void *data, struct row *row, struct spill_place *place), void *data)
{
	size_t at = 0;
	uint64_t length;

	while (len - at >= LENGTH && s->error.code == 0) {
		struct spill_place none = { .offset = -1 };

		memcpy(&length, bytes + at, LENGTH);
		if (length > len - at - LENGTH || padded(length) > len - at - LENGTH)
			break;
		if (length < s->plan->rows[index].projection->row_bytes || !mend_image(&s->plan->rows[index], bytes + at + LENGTH, length))
			error_set(&s->error, E_INTERNAL, "a spilled row is not what was written");
		else
			each(data, (struct row *)(void *)(bytes + at + LENGTH), &none);
		at += LENGTH + padded(length);
	}
	return at;
}

/* From end to end, in pieces; the last one that is not whole stands at the beginning of the next. */
static void each_streamed(struct row_spill *s, int index, void (*each)(void *data, struct row *row, struct spill_place *place), void *data)
{
	struct spill_file *f = &s->files[index];
	struct buffer piece = { 0 };
	int64_t at = 0;

	while (at < f->written && s->error.code == 0) {
		size_t room = piece.len + TAIL_BYTES, done;

		if ((int64_t)room > f->written - at)
			room = (size_t)(f->written - at);
		buffer_reset(&piece);
		if (!read_all(f->fd, buffer_reserve(&piece, room), room, at)) {
			fail(s, "read");
			break;
		}
		piece.len = room;
		done = each_record(s, index, piece.data, room, each, data);
		at += (int64_t)done;
		if (done)
			buffer_reset(&piece);
		else if (at + (int64_t)room == f->written && s->error.code == 0)
			error_set(&s->error, E_INTERNAL, "a spilled row is not what was written");
	}
	buffer_reset(&piece);
	if (f->tail.len)
		buffer_add(&piece, f->tail.data, f->tail.len); /* a copy, for mending writes into it */
	if (s->error.code == 0 && each_record(s, index, piece.data, piece.len, each, data) != f->tail.len && s->error.code == 0)
		error_set(&s->error, E_INTERNAL, "a spilled row is not what was written");
	buffer_release(&piece);
}

int row_spill_each(struct row_spill *s, int index, void (*each)(void *data, struct row *row, struct spill_place *place), void *data,
		   struct error *error)
{
	struct spill_file *f = &s->files[index];
	struct spill_place **places = f->count ? mem_alloc(f->count * sizeof(*places)) : NULL;
	size_t n = 0;

	if (s->streamed >> index & 1)
		each_streamed(s, index, each, data);
	for (size_t i = 0; i < f->capacity; i++)
		if (f->places[i].key[1])
			places[n++] = &f->places[i];
	if (n)
		qsort(places, n, sizeof(*places), by_offset);
	for (size_t i = 0; i < n && s->error.code == 0; i++) {
		struct row *row = row_spill_read(s, index, places[i]);

		if (row)
			each(data, row, places[i]);
	}
	free(places);
	if (s->error.code && error)
		*error = s->error;
	return s->error.code;
}
