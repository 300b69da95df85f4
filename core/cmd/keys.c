/* keys - see keys.h. */
#include "cmd/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "engine/files.h"

static const char variable[] = "VERBATIM_SIGNING_KEY";

/* The first line, without spaces around it. */
static struct bytes first_line(struct bytes text)
{
	const char *end = memchr(text.data, '\n', text.len);

	if (end)
		text.len = (size_t)(end - text.data);
	while (text.len > 0 && (text.data[text.len - 1] == '\r' || text.data[text.len - 1] == ' '))
		text.len--;
	return text;
}

static int read_open(int fd, const char *file, char out[KEYS_FILE_MAX], size_t *len, struct error *error)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return error_set(error, E_NO_INPUT, "'%s' is no file", file);
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return error_set(error, E_NO_ACCESS, "'%s' can be read by others than its owner; chmod 600 it, and think of whether somebody did",
				 file);
	for (*len = 0; *len < KEYS_FILE_MAX && (n = read(fd, out + *len, KEYS_FILE_MAX - *len)) != 0; *len += (size_t)n)
		if (n < 0)
			return error_set(error, E_IO, "cannot read '%s': %s", file, strerror(errno));
	return 0;
}

int keys_read_private(const char *file, char out[KEYS_FILE_MAX], size_t *len, struct error *error)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY), status;

	if (fd < 0)
		return error_set(error, errno == EACCES ? E_NO_ACCESS : E_NO_INPUT, "cannot open '%s': %s", file, strerror(errno));
	status = read_open(fd, file, out, len, error);
	close(fd);
	return status;
}

static int signer_of_file(const char *file, struct note_signer *out, struct error *error)
{
	char text[KEYS_FILE_MAX];
	size_t len = 0;
	int status = keys_read_private(file, text, &len, error);

	if (!status) {
		status = note_signer_parse(first_line(bytes_of(text, len)), out, error);
		if (status)
			error_prefix(error, "'%s'", file);
	}
	explicit_bzero(text, sizeof(text));
	return status;
}

/* getenv points into what the process was started with: that is what `ps` shows. */
static int signer_of_variable(char *text, struct note_signer *out, struct error *error)
{
	int status = note_signer_parse(first_line(bytes_text(text)), out, error);

	if (status)
		error_prefix(error, "%s", variable);
	explicit_bzero(text, strlen(text));
	unsetenv(variable);
	return status;
}

int keys_signer(const char *file, const char *fallback, struct note_signer *out, bool *found, struct error *error)
{
	char *text = getenv(variable);

	*found = true;
	if (file && text && *text)
		return error_set(error, E_CONFIG, "%s and --signing-key-file: say one of them", variable);
	if (file)
		return signer_of_file(file, out, error);
	if (text && *text)
		return signer_of_variable(text, out, error);
	*found = fallback && access(fallback, F_OK) == 0;
	return *found ? signer_of_file(fallback, out, error) : 0;
}

int keys_write(const char *file, const struct note_signer *signer, struct error *error)
{
	char text[NOTE_KEY_TEXT + 1];
	size_t len = strlen(note_signer_format(signer, text));
	int status;

	text[len] = '\n';
	status = file_write(file, bytes_of(text, len + 1), 0600, false, error);
	explicit_bzero(text, sizeof(text));
	return status;
}

void keys_make(const char *name, struct note_signer *out)
{
	uint8_t seed[NOTE_KEY_BYTES];

	random_system(seed, sizeof(seed));
	note_signer_make(name, seed, out);
	explicit_bzero(seed, sizeof(seed));
}

/* A word is a key, or names a file with one a line; lines that begin with # are for people. */
static int add_trusted(const char *word, struct note_key *out, int *count, struct error *error)
{
	struct buffer text = { 0 };
	struct bytes rest, line;
	int before = *count, status = 0;

	if (strchr(word, '+') && access(word, F_OK) != 0)
		buffer_add_text(&text, word);
	else
		status = file_read(word, KEYS_FILE_MAX * 4, &text, error);
	for (rest = buffer_bytes(&text); !status && rest.len > 0;) {
		const char *end = memchr(rest.data, '\n', rest.len);
		size_t taken = end ? (size_t)(end - rest.data) + 1 : rest.len;

		line = first_line(rest);
		rest = bytes_of(rest.data + taken, rest.len - taken);
		if (line.len == 0 || line.data[0] == '#')
			continue;
		if (*count == KEYS_TRUSTED_MAX)
			status = error_set(error, E_USAGE, "more than %d keys", KEYS_TRUSTED_MAX);
		else if (note_key_parse(line, &out[*count], error))
			status = error_prefix(error, "--key %s", word);
		else
			++*count;
	}
	if (!status && *count == before)
		status = error_set(error, E_USAGE, "--key %s: there is no key in it", word);
	buffer_release(&text);
	return status;
}

int keys_trusted(const struct texts *words, struct note_key out[KEYS_TRUSTED_MAX], int *count, struct error *error)
{
	int status = 0;

	*count = 0;
	for (int i = 0; i < words->count && !status; i++)
		status = add_trusted(words->items[i], out, count, error);
	return status;
}
