/* replay_out - see replay_out.h. */
#include "cmd/replay_out.h"

#include <errno.h>
#include <signal.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/term.h"
#include "engine/files.h"
#include "event/envelope.h"
#include "event/fields.h"

enum { FILE_BUFFER = 1 << 16 };

static char stdout_buffer[FILE_BUFFER]; /* stdio goes on using it after out_close; with NULL glibc would take a page */

const char *const out_formats[] = { "table", "json", "ndjson", "csv", "msgpack", NULL };

/* $PAGER, or less, which shows what fits at once and keeps colours. */
static void start_pager(struct out *out)
{
	const char *pager = getenv("PAGER");
	int ends[2];
	pid_t pid;

	if (!pager || !*pager)
		pager = "less -FRX";
	if (strcmp(pager, "cat") == 0 || pipe(ends) != 0)
		return;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		dup2(ends[0], STDIN_FILENO);
		close(ends[0]);
		close(ends[1]);
		signal(SIGINT, SIG_DFL);
		execl("/bin/sh", "sh", "-c", pager, (char *)NULL);
		_exit(127);
	}
	close(ends[0]);
	if (pid > 0) {
		out->file = fdopen(ends[1], "w");
		out->pager = (int)pid;
	} else {
		close(ends[1]);
	}
}

int out_free(const char *path, bool replace, struct error *error)
{
	struct stat there;

	if (replace || strcmp(path, "-") == 0 || stat(path, &there) != 0 || !S_ISREG(there.st_mode))
		return 0;
	return file_free(path, replace, error);
}

int out_open(struct out *out, enum out_format format, const char *path, bool replace, bool paged, struct error *error)
{
	int status = out_free(path, replace, error);

	memset(out, 0, sizeof(*out));
	out->format = format;
	if (status)
		return status;
	if (strcmp(path, "-") != 0) {
		out->file = fopen(path, replace || access(path, F_OK) == 0 ? "we" : "wxe");
		if (!out->file)
			return error_set(error, errno == EACCES ? E_NO_ACCESS : E_IO, "cannot open '%s': %s", path,
					 strerror(errno));
		out->buffer = mem_alloc(FILE_BUFFER);
		setvbuf(out->file, out->buffer, _IOFBF, FILE_BUFFER);
	} else if (format == OUT_TABLE && paged && term_is_terminal(stdout)) {
		start_pager(out);
	}
	if (!out->file) {
		out->file = stdout;
		if (!term_is_terminal(stdout))
			setvbuf(stdout, stdout_buffer, _IOFBF, sizeof(stdout_buffer));
	}
	return 0;
}

static void put(struct out *out, struct bytes b)
{
	fwrite(b.data, 1, b.len, out->file);
}

/* RFC 4180: quotes where they are needed, doubled inside. */
static void csv_cell(struct bytes text, struct buffer *to)
{
	if (!memchr(text.data, '"', text.len) && !memchr(text.data, ',', text.len) && !memchr(text.data, '\n', text.len) &&
	    !memchr(text.data, '\r', text.len)) {
		buffer_add_bytes(to, text);
		return;
	}
	buffer_add_byte(to, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '"')
			buffer_add_byte(to, '"');
		buffer_add_byte(to, text.data[i]);
	}
	buffer_add_byte(to, '"');
}

static void csv_line(struct out *out, struct bytes json)
{
	struct arena arena;

	arena_init(&arena, 4096);
	buffer_reset(&out->scratch);
	for (int i = 0; out->objects == 0 && out->columns[i]; i++)
		buffer_printf(&out->scratch, "%s%s", i ? "," : "", out->columns[i]);
	if (out->objects == 0)
		buffer_add_text(&out->scratch, "\r\n");
	for (int i = 0; out->columns[i]; i++) {
		struct bytes raw = json_member(json, out->columns[i]);

		if (i)
			buffer_add_byte(&out->scratch, ',');
		if (raw.data && !json_is_null(raw))
			csv_cell(raw.data[0] == '"' ? json_string(raw, &arena) : raw, &out->scratch);
	}
	buffer_add_text(&out->scratch, "\r\n");
	put(out, buffer_bytes(&out->scratch));
	out->objects++;
	arena_release(&arena);
}

void out_object(struct out *out, struct bytes json, bool data)
{
	switch (out->format) {
	case OUT_TABLE:
		return;
	case OUT_CSV:
		if (data)
			csv_line(out, json);
		return;
	case OUT_JSON:
		fputs(out->objects++ ? ",\n" : "[", out->file);
		put(out, json);
		return;
	case OUT_NDJSON:
		put(out, json);
		fputc('\n', out->file);
		break;
	case OUT_MSGPACK:
		buffer_reset(&out->scratch);
		if (json_to_msgpack(json, &out->scratch, NULL) == 0)
			put(out, buffer_bytes(&out->scratch));
		break;
	}
	out->objects++;
}

int out_close(struct out *out, struct error *error)
{
	bool failed;
	int wait;

	if (!out->file)
		return 0;
	if (out->format == OUT_JSON)
		fputs(out->objects ? "]\n" : "[]\n", out->file);
	failed = fflush(out->file) != 0 || ferror(out->file);
	if (failed && errno == EPIPE) { /* who reads no further has seen enough; and main looks at standard output once more */
		failed = false;
		__fpurge(out->file);
		clearerr(out->file);
	}
	if (out->file != stdout)
		failed = (fclose(out->file) != 0 && errno != EPIPE) || failed;
	if (out->pager)
		waitpid(out->pager, &wait, 0);
	free(out->buffer);
	out->buffer = NULL;
	buffer_release(&out->scratch);
	out->file = NULL;
	return failed ? error_set(error, E_IO, "the output could not be written: %s", strerror(errno)) : 0;
}

void out_plain(struct bytes text, struct buffer *to)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		/* C1 controls are 0xc2 0x80..0x9f in UTF-8. */
		if (c == 0xc2 && i + 1 < text.len && (unsigned char)text.data[i + 1] < 0xa0) {
			buffer_add_byte(to, ' ');
			i++;
		} else {
			buffer_add_byte(to, c < 0x20 || c == 0x7f ? ' ' : (char)c);
		}
	}
}
