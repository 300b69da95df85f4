/*
 * input - lines from a file or standard input, plain or gzip (told by its first two bytes, not by its name).
 *
 * Reads with read(2), so that what comes through a pipe is there as soon as it was written and a signal is seen.
 * A line longer than the limit is skipped whole and reported, whatever its length: memory stays bounded.
 */
#ifndef VERBATIM_CMD_INPUT_H
#define VERBATIM_CMD_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

struct input;

/*
 * Whether it can be opened, and its size; 0: not known, as of a pipe.  A pipe is not opened, since whoever writes to it
 * would find its only reader gone again.  E_NO_INPUT.
 */
int input_look(const char *path, int64_t *size, struct error *error) must_check;

/* `path` "-" is standard input.  E_NO_INPUT when it cannot be opened. */
int input_open(const char *path, size_t line_bytes, struct input **out, struct error *error) must_check;
void input_close(struct input *in);

/*
 * 1: `*line` without its end (borrowed until the next call); 0: the end.  E_TOO_LARGE: the line is too long and was
 * skipped, go on; E_INTERRUPTED: a signal came, nothing is lost; E_IO; E_INVALID: broken gzip.
 */
int input_line(struct input *in, struct bytes *line, struct error *error) must_check;

/* The number of the line given last, from 1. */
int64_t input_number(const struct input *in);

/* Bytes of the file taken so far. */
int64_t input_taken(const struct input *in);

/* Whether the next input_line would have to wait for somebody to write. */
bool input_is_idle(const struct input *in);

#endif
