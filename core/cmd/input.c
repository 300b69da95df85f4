/* input - see input.h. */
#include "cmd/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { CHUNK_BYTES = 256 << 10 };

/*
 * raw:   what read(2) gave, when it is gzip
 * text:  [0, at) lines given out, [at, searched) without an end of line, [searched, len) to be looked at
 */
struct input {
	int fd;
	char *path;
	size_t line_bytes;
	int64_t number, taken;
	struct buffer text;
	size_t at, searched;
	bool known, gzip, member, end, skipping;
	z_stream z;
	unsigned char *raw;
};

static int not_a_folder(const char *path, const struct stat *st, struct error *error)
{
	return S_ISDIR(st->st_mode) ? error_set(error, E_NO_INPUT, "cannot read \"%s\": it is a folder", path) : 0;
}

int input_look(const char *path, int64_t *size, struct error *error)
{
	struct stat st;
	int fd;

	if (stat(path, &st) != 0 || (!S_ISREG(st.st_mode) && access(path, R_OK) != 0))
		return error_set(error, E_NO_INPUT, "cannot open \"%s\": %s", path, strerror(errno));
	*size = S_ISREG(st.st_mode) ? st.st_size : 0;
	if (!S_ISREG(st.st_mode))
		return not_a_folder(path, &st, error);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set(error, E_NO_INPUT, "cannot open \"%s\": %s", path, strerror(errno));
	close(fd);
	return 0;
}

int input_open(const char *path, size_t line_bytes, struct input **out, struct error *error)
{
	bool std = strcmp(path, "-") == 0;
	int fd = std ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct input *in;
	struct stat st;

	if (fd < 0)
		return error_set(error, E_NO_INPUT, "cannot open \"%s\": %s", path, strerror(errno));
	if (fstat(fd, &st) == 0 && not_a_folder(path, &st, error)) {
		if (!std)
			close(fd);
		return E_NO_INPUT;
	}
	in = mem_zalloc(sizeof(*in));
	in->fd = fd;
	in->path = mem_strdup(std ? "standard input" : path);
	in->line_bytes = line_bytes;
	*out = in;
	return 0;
}

void input_close(struct input *in)
{
	if (!in)
		return;
	if (in->fd != STDIN_FILENO)
		close(in->fd);
	if (in->gzip)
		inflateEnd(&in->z);
	buffer_release(&in->text);
	free(in->raw);
	free(in->path);
	free(in);
}

int64_t input_number(const struct input *in)
{
	return in->number;
}

int64_t input_taken(const struct input *in)
{
	return in->taken;
}

bool input_is_idle(const struct input *in)
{
	struct pollfd look = { .fd = in->fd, .events = POLLIN };

	if (in->end || (in->gzip && in->z.avail_in) || memchr(in->text.data ? in->text.data + in->at : "", '\n', in->text.len - in->at))
		return false;
	return poll(&look, 1, 0) == 0;
}

/* read(2) into `to`: how many, 0 at the end, or a code. */
static ssize_t take(struct input *in, void *to, struct error *error)
{
	ssize_t n = read(in->fd, to, CHUNK_BYTES);

	if (n < 0 && errno == EINTR)
		return error_set(error, E_INTERRUPTED, "stopped by a signal");
	if (n < 0)
		return error_set(error, E_IO, "cannot read %s: %s", in->path, strerror(errno));
	in->taken += n;
	return n;
}

static int start_gzip(struct input *in, struct error *error)
{
	if (inflateInit2(&in->z, 15 + 16) != Z_OK)
		return error_set(error, E_NO_MEMORY, "no memory to unpack %s", in->path);
	in->gzip = in->member = true;
	in->raw = mem_alloc(CHUNK_BYTES);
	memcpy(in->raw, in->text.data, in->text.len);
	in->z.next_in = in->raw;
	in->z.avail_in = (unsigned)in->text.len;
	buffer_reset(&in->text);
	return 0;
}

/* Unpacks the next piece; files may be several gzip members one after the other. */
static int unpack(struct input *in, struct error *error)
{
	ssize_t n;
	int z;

	if (!in->z.avail_in) {
		n = take(in, in->raw, error);
		if (n < 0)
			return (int)n;
		if (n == 0) {
			in->end = true;
			return in->member ? error_set(error, E_INVALID, "%s ends in the middle of its gzip data", in->path) : 0;
		}
		in->z.next_in = in->raw;
		in->z.avail_in = (unsigned)n;
	}
	if (!in->member) {
		inflateReset(&in->z);
		in->member = true;
	}
	in->z.next_out = (unsigned char *)buffer_reserve(&in->text, CHUNK_BYTES);
	in->z.avail_out = CHUNK_BYTES;
	z = inflate(&in->z, Z_NO_FLUSH);
	in->text.len += CHUNK_BYTES - in->z.avail_out;
	if (z == Z_STREAM_END)
		in->member = false;
	else if (z != Z_OK && z != Z_BUF_ERROR) {
		in->end = true;
		return error_set(error, E_INVALID, "%s is not gzip data: %s", in->path, in->z.msg ? in->z.msg : "damaged");
	}
	return 0;
}

/* Puts more text behind what is there, or sets `end`. */
static int fill(struct input *in, struct error *error)
{
	ssize_t n;

	buffer_drop(&in->text, in->at);
	in->searched -= in->at;
	in->at = 0;
	if (in->gzip)
		return unpack(in, error);
	n = take(in, buffer_reserve(&in->text, CHUNK_BYTES), error);
	if (n < 0)
		return (int)n;
	in->text.len += (size_t)n;
	in->end = n == 0;
	if (in->known || in->text.len < 2)
		return 0;
	in->known = true;
	return memcmp(in->text.data, "\x1f\x8b", 2) == 0 ? start_gzip(in, error) : 0;
}

int input_line(struct input *in, struct bytes *line, struct error *error)
{
	for (;;) {
		char *from = in->text.data ? in->text.data + in->searched : NULL;
		char *end = from ? memchr(from, '\n', in->text.len - in->searched) : NULL;
		bool skipped = in->skipping;
		size_t len;
		int code;

		if (end || (in->end && in->text.len > in->at)) {
			len = end ? (size_t)(end - in->text.data) - in->at : in->text.len - in->at;
			*line = bytes_of(in->text.data + in->at, len);
			in->at += len + (end != NULL);
			in->searched = in->at;
			in->number++;
			in->skipping = false;
			if (len && line->data[len - 1] == '\r')
				line->len--;
			if (skipped || len > in->line_bytes)
				return error_set(error, E_TOO_LARGE, "the line has more than %zu bytes", in->line_bytes);
			return 1;
		}
		if (in->end)
			return 0;
		in->searched = in->text.len;
		if (in->text.len - in->at > in->line_bytes) { /* its beginning is not needed any more */
			in->skipping = true;
			in->at = in->searched;
		}
		code = fill(in, error);
		if (code)
			return code;
	}
}
