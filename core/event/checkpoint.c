/* checkpoint - see checkpoint.h. */
#include "event/checkpoint.h"

#include <stdio.h>

#include "base/base64.h"

char *checkpoint_origin(const struct checkpoint *c, char out[CHECKPOINT_ORIGIN_TEXT])
{
	char log_id[UUID_TEXT];

	snprintf(out, CHECKPOINT_ORIGIN_TEXT, "verbatim/%s/epoch-%d/shard-%d", uuid_format(&c->log_id, log_id), c->epoch, c->shard);
	return out;
}

bool checkpoint_same_origin(const struct checkpoint *a, const struct checkpoint *b)
{
	return uuid_equal(&a->log_id, &b->log_id) && a->epoch == b->epoch && a->shard == b->shard;
}

void checkpoint_text(const struct checkpoint *c, struct buffer *out)
{
	char origin[CHECKPOINT_ORIGIN_TEXT];

	buffer_printf(out, "%s\n%lld\n", checkpoint_origin(c, origin), (long long)c->size);
	base64_add(out, c->root, LEAF_BYTES);
	buffer_add_byte(out, '\n');
}

bool checkpoint_number(struct bytes text, int64_t *out)
{
	int64_t n = 0;

	if (text.len == 0 || text.len > 16 || (text.len > 1 && text.data[0] == '0'))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		n = n * 10 + (text.data[i] - '0');
	}
	*out = n;
	return n < 1LL << 53;
}

bool checkpoint_line(struct bytes text, size_t *at, struct bytes *line)
{
	const char *start = text.data + *at, *end = *at < text.len ? memchr(start, '\n', text.len - *at) : NULL;

	if (!end)
		return false;
	*line = bytes_of(start, (size_t)(end - start));
	*at += line->len + 1;
	return true;
}

/* Takes `word` from the front of the line. */
static bool take(struct bytes *line, const char *word)
{
	size_t n = strlen(word);

	if (line->len < n || memcmp(line->data, word, n) != 0)
		return false;
	line->data += n;
	line->len -= n;
	return true;
}

/* Takes the number in front of `end`, or all that is left when that is 0. */
static bool take_number(struct bytes *line, char end, int64_t most, int64_t *out)
{
	const char *stop = end ? memchr(line->data, end, line->len) : line->data + line->len;
	struct bytes number = { line->data, stop ? (size_t)(stop - line->data) : 0 };

	if (!stop || !checkpoint_number(number, out) || *out > most)
		return false;
	line->data += number.len;
	line->len -= number.len;
	return true;
}

static bool parse_origin(struct bytes line, struct checkpoint *out)
{
	int64_t epoch, shard;

	if (!take(&line, "verbatim/") || line.len < UUID_TEXT - 1 || !uuid_parse(line.data, UUID_TEXT - 1, &out->log_id))
		return false;
	line = bytes_of(line.data + UUID_TEXT - 1, line.len - (UUID_TEXT - 1));
	if (!take(&line, "/epoch-") || !take_number(&line, '/', INT32_MAX, &epoch) || !take(&line, "/shard-") ||
	    !take_number(&line, 0, 255, &shard))
		return false;
	out->epoch = (int32_t)epoch;
	out->shard = (int16_t)shard;
	return true;
}

int checkpoint_parse(struct bytes text, struct checkpoint *out, struct error *error)
{
	struct bytes origin, size, root;
	struct buffer again = { 0 };
	size_t at = 0;
	bool good = checkpoint_line(text, &at, &origin) && checkpoint_line(text, &at, &size) && checkpoint_line(text, &at, &root) &&
		    at == text.len && parse_origin(origin, out) && checkpoint_number(size, &out->size) &&
		    base64_decode(root, out->root, LEAF_BYTES);

	if (good) { /* there is one way to write it (a uuid in capitals is another) */
		checkpoint_text(out, &again);
		good = bytes_equal(buffer_bytes(&again), text);
		buffer_release(&again);
	}
	return good ? 0 : error_set(error, E_UNPROVEN, "not a checkpoint of a log of this kind");
}

int checkpoint_open(struct bytes note, const struct note_key *keys, int count, struct checkpoint *out, int *which,
		    struct error *error)
{
	struct bytes text;
	int status = note_open(note, keys, count, &text, which, error);

	return status ? status : checkpoint_parse(text, out, error);
}
