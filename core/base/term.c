/* term - see term.h. */
#include "base/term.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/time.h"

bool term_is_terminal(FILE *stream)
{
	return isatty(fileno(stream)) == 1;
}

bool term_has_colour(FILE *stream)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return term_is_terminal(stream) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

int term_width(FILE *stream)
{
	struct winsize size;

	if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
		return size.ws_col;
	return 80;
}

const char *term_style(enum term_style style, bool colour)
{
	static const char *const codes[] = {
		"\033[0m", "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m", "\033[34m", "\033[36m",
	};

	return colour ? codes[style] : "";
}

/* ---- width of text ---- */

struct range {
	uint32_t first, last;
};

/* The ranges that matter in practice, after Unicode's EastAsianWidth.txt (W, F) and the emoji blocks. */
static const struct range wide[] = {
	{ 0x1100, 0x115f }, { 0x231a, 0x231b }, { 0x23e9, 0x23ec }, { 0x23f0, 0x23f0 }, { 0x2614, 0x2615 },
	{ 0x26a1, 0x26a1 }, { 0x2705, 0x2705 }, { 0x274c, 0x274c }, { 0x2753, 0x2755 }, { 0x2757, 0x2757 },
	{ 0x2795, 0x2797 }, { 0x2b50, 0x2b50 }, { 0x2e80, 0x303e }, { 0x3041, 0xa4cf }, { 0xa960, 0xa97c },
	{ 0xac00, 0xd7a3 }, { 0xf900, 0xfaff }, { 0xfe30, 0xfe6f }, { 0xff00, 0xff60 }, { 0xffe0, 0xffe6 },
	{ 0x1f1e6, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff }, { 0x1fa70, 0x1faff }, { 0x20000, 0x3fffd },
};

static const struct range none[] = {
	{ 0x0300, 0x036f }, { 0x0483, 0x0489 }, { 0x0591, 0x05bd }, { 0x0610, 0x061a }, { 0x064b, 0x065f },
	{ 0x093c, 0x093c }, { 0x0941, 0x0948 }, { 0x0e31, 0x0e31 }, { 0x0e34, 0x0e3a }, { 0x0e47, 0x0e4e },
	{ 0x200b, 0x200f }, { 0x202a, 0x202e }, { 0x2060, 0x2064 }, { 0x20d0, 0x20f0 }, { 0xfe00, 0xfe0f },
	{ 0xfe20, 0xfe2f }, { 0xfeff, 0xfeff }, { 0x1f3fb, 0x1f3ff }, { 0xe0000, 0xe0fff },
};

static bool in(uint32_t c, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

/* One scalar value at p (of at least one byte); broken bytes count as one column each. */
static size_t step(const char *p, size_t len, int *columns)
{
	uint8_t c = (uint8_t)*p;
	size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 1;
	uint32_t v = n == 1 ? c : c & (0xffu >> (n + 1));

	*columns = 1;
	if (n == 1 || n > len) {
		*columns = c < 0x20 || c == 0x7f ? 0 : 1;
		return 1;
	}
	for (size_t i = 1; i < n; i++) {
		if (((uint8_t)p[i] & 0xc0) != 0x80)
			return 1;
		v = v << 6 | ((uint8_t)p[i] & 0x3f);
	}
	if (in(v, none, sizeof(none) / sizeof(*none)))
		*columns = 0;
	else if (in(v, wide, sizeof(wide) / sizeof(*wide)))
		*columns = 2;
	return n;
}

int term_columns(struct bytes text)
{
	int total = 0, columns;

	for (size_t i = 0; i < text.len; total += columns)
		i += step(text.data + i, text.len - i, &columns);
	return total;
}

void term_defuse(char *text)
{
	for (uint8_t *c = (uint8_t *)text; *c; c++)
		if (*c < 0x20 || *c == 0x7f)
			*c = ' ';
		else if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = ' ';
}

void term_cut(struct buffer *out, struct bytes text, int columns)
{
	size_t i = 0;
	int used = 0, one;

	if (term_columns(text) <= columns) {
		buffer_add_bytes(out, text);
		return;
	}
	while (i < text.len) {
		size_t n = step(text.data + i, text.len - i, &one);

		if (used + one > columns - 1)
			break;
		buffer_add(out, text.data + i, n);
		used += one;
		i += n;
	}
	if (columns > 0)
		buffer_add_text(out, "\xe2\x80\xa6");
}

/* ---- tables ---- */

void table_init(struct table *t, int columns, const char *const *headings)
{
	memset(t, 0, sizeof(*t));
	t->columns = columns < TABLE_COLUMNS_MAX ? columns : TABLE_COLUMNS_MAX;
	for (int i = 0; i < t->columns; i++) {
		t->right[i] = headings[i][0] == '>';
		t->whole[i] = headings[i][0] == '=';
		t->headings[i] = headings[i] + (t->right[i] || t->whole[i]);
		t->widths[i] = term_columns(bytes_text(t->headings[i]));
	}
}

void table_release(struct table *t)
{
	buffer_release(&t->texts);
	buffer_release(&t->styles);
}

__attribute__((format(printf, 3, 0))) static void add_cell(struct table *t, enum term_style style, const char *format,
							   va_list args)
{
	char text[1024];
	int n = vsnprintf(text, sizeof(text), format, args), columns;

	if (n < 0)
		n = 0;
	if (n >= (int)sizeof(text))
		n = sizeof(text) - 1;
	text[n] = 0;
	term_defuse(text); /* a line break or an escape in a cell would break the table, or worse */
	buffer_add(&t->texts, text, (size_t)n);
	buffer_add_byte(&t->texts, 0);
	buffer_add_byte(&t->styles, (char)style);
	columns = term_columns(bytes_of(text, (size_t)n));
	if (columns > t->widths[t->cells % t->columns])
		t->widths[t->cells % t->columns] = columns;
	t->cells++;
}

void table_cell(struct table *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_cell(t, STYLE_PLAIN, format, args);
	va_end(args);
}

void table_cell_style(struct table *t, enum term_style style, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_cell(t, style, format, args);
	va_end(args);
}

static void print_cell(const struct table *t, struct buffer *out, int column, bool last, int width, const char *text,
		       enum term_style style, bool colour)
{
	int used = term_columns(bytes_text(text)), pad = used < width ? width - used : 0;

	if (t->right[column])
		buffer_printf(out, "%*s", pad, "");
	if (style != STYLE_PLAIN)
		buffer_add_text(out, term_style(style, colour));
	term_cut(out, bytes_text(text), width);
	if (style != STYLE_PLAIN)
		buffer_add_text(out, term_style(STYLE_PLAIN, colour));
	if (!t->right[column] && !last)
		buffer_printf(out, "%*s", pad, "");
	buffer_add_text(out, last ? "\n" : "  ");
}

enum { NARROWEST = 8 }; /* a column that is cut */

/* How many columns fit, when each is as narrow as it may be. */
static int columns_that_fit(const struct table *t, int width)
{
	int total = -2, least;
	bool any = false;

	for (int i = 0; i < t->columns; i++)
		any = any || t->whole[i];
	if (!any)
		return t->columns;
	for (int i = 0; i < t->columns; i++) {
		least = t->whole[i] || t->widths[i] < NARROWEST ? t->widths[i] : NARROWEST;
		total += 2 + least;
		if (i > 0 && total > width)
			return i;
	}
	return t->columns;
}

static void fit(const struct table *t, int columns, int width, int *widths)
{
	int total = 2 * (columns - 1);

	for (int i = 0; i < columns; i++)
		total += widths[i] = t->widths[i];
	while (total > width) {
		int widest = -1;

		for (int i = 0; i < columns; i++)
			if (!t->whole[i] && (widest < 0 || widths[i] > widths[widest]))
				widest = i;
		if (widest < 0 || widths[widest] <= NARROWEST)
			return;
		widths[widest]--;
		total--;
	}
}

int table_print(const struct table *t, struct buffer *out, int width, bool colour)
{
	int widths[TABLE_COLUMNS_MAX], columns = columns_that_fit(t, width);
	const char *text = t->texts.data;

	fit(t, columns, width, widths);
	for (int i = 0; i < columns; i++)
		print_cell(t, out, i, i == columns - 1, widths[i], t->headings[i], STYLE_DIM, colour);
	for (int i = 0; i < t->cells; i++) {
		int c = i % t->columns;

		if (c < columns)
			print_cell(t, out, c, c == columns - 1, widths[c], text, (enum term_style)t->styles.data[i], colour);
		text += strlen(text) + 1;
	}
	return columns;
}

/* ---- progress ---- */

enum { DRAW_US = 100000, LINE_US = 5000000, WINDOW_US = 3000000 };

void progress_start(struct progress *p, FILE *stream, const char *label, const char *unit, int64_t total)
{
	*p = (struct progress){ .stream = stream, .label = label, .unit = unit, .total = total };
	p->started = p->drawn = p->window_at = time_monotonic();
	p->terminal = stream && term_is_terminal(stream);
}

static void draw(struct progress *p, int64_t now, const char *note, bool end)
{
	enum { BAR = 24 };
	struct buffer line = { 0 };
	char done[HUMAN_TEXT], total[HUMAN_TEXT], rate[HUMAN_TEXT], left[HUMAN_TEXT];
	double whole = now > p->started ? (double)p->done * 1e6 / (double)(now - p->started) : 0;
	double speed = end || p->rate <= 0 ? whole : p->rate;

	buffer_printf(&line, "%s ", p->label);
	if (p->total > 0) {
		int percent = (int)(p->done >= p->total ? 100 : (double)p->done * 100 / (double)p->total);

		if (p->terminal) {
			int full = percent * BAR / 100;

			for (int i = 0; i < BAR; i++)
				buffer_add_text(&line, i < full ? "\xe2\x96\x88" : "\xe2\x96\x91");
			buffer_add_byte(&line, ' ');
		}
		buffer_printf(&line, "%3d %%  %s of %s %s", percent, human_count(p->done, done),
			      human_count(p->total, total), p->unit);
	} else {
		buffer_printf(&line, "%s %s", human_count(p->done, done), p->unit);
	}
	buffer_printf(&line, "  %s/s", human_rate(speed, rate));
	if (end)
		buffer_printf(&line, "  in %s", human_duration(now - p->started, left));
	else if (p->total > p->done && speed > 0)
		buffer_printf(&line, "  %s left", human_duration((int64_t)((double)(p->total - p->done) / speed * 1e6), left));
	if (note && *note)
		buffer_printf(&line, "  %s", note);
	if (p->terminal) {
		struct buffer cut = { 0 };

		term_cut(&cut, buffer_bytes(&line), term_width(p->stream) - 1);
		fprintf(p->stream, "\r%s\033[K%s", buffer_text(&cut), end ? "\n" : "");
		buffer_release(&cut);
	} else {
		fprintf(p->stream, "%s\n", buffer_text(&line));
	}
	fflush(p->stream);
	p->visible = p->terminal && !end;
	p->drawn = now;
	buffer_release(&line);
}

void progress_update(struct progress *p, int64_t done, const char *note)
{
	int64_t now;

	p->done = done;
	if (!p->stream)
		return;
	now = time_monotonic();
	if (now - p->drawn < (p->terminal ? DRAW_US : LINE_US))
		return;
	if (now - p->window_at >= WINDOW_US / 3) {
		double recent = (double)(done - p->window_done) * 1e6 / (double)(now - p->window_at);

		p->rate = p->rate <= 0 ? recent : p->rate * 0.6 + recent * 0.4;
		p->window_at = now;
		p->window_done = done;
	}
	draw(p, now, note, false);
}

void progress_clear(struct progress *p)
{
	if (!p->visible)
		return;
	fputs("\r\033[K", p->stream);
	fflush(p->stream);
	p->visible = false;
	p->drawn = 0;
}

void progress_stop(struct progress *p)
{
	if (p->stream)
		draw(p, time_monotonic(), NULL, true);
	p->stream = NULL;
}

/* ---- numbers ---- */

char *human_count(int64_t n, char *out)
{
	char digits[HUMAN_TEXT];
	int len = snprintf(digits, sizeof(digits), "%lld", (long long)n), j = 0;

	for (int i = 0; i < len; i++) {
		if (i > 0 && digits[i - 1] != '-' && (len - i) % 3 == 0)
			out[j++] = ',';
		out[j++] = digits[i];
	}
	out[j] = 0;
	return out;
}

char *human_bytes(int64_t n, char *out)
{
	static const char *const units[] = { "B", "KB", "MB", "GB", "TB", "PB", "EB" };
	double v = (double)n;
	int u = 0;

	/* 999.5 would print as four digits, so the step to the next unit comes just before. */
	while (v >= 999.5 && u < 6) {
		v /= 1024;
		u++;
	}
	snprintf(out, HUMAN_TEXT, u > 0 && v < 9.95 ? "%.1f %s" : "%.0f %s", v, units[u]);
	return out;
}

char *human_duration(int64_t us, char *out)
{
	int64_t s = us / 1000000;

	if (us < 1000)
		snprintf(out, HUMAN_TEXT, "%lld \xc2\xb5s", (long long)us);
	else if (us < 10000)
		snprintf(out, HUMAN_TEXT, "%.1f ms", (double)us / 1e3);
	else if (us < 1000000)
		snprintf(out, HUMAN_TEXT, "%lld ms", (long long)(us / 1000));
	else if (us < 10000000)
		snprintf(out, HUMAN_TEXT, "%.1f s", (double)us / 1e6);
	else if (s < 120)
		snprintf(out, HUMAN_TEXT, "%lld s", (long long)s);
	else if (s < 7200)
		snprintf(out, HUMAN_TEXT, "%lld min", (long long)(s / 60));
	else if (s < 172800)
		snprintf(out, HUMAN_TEXT, "%lld h %lld min", (long long)(s / 3600), (long long)(s % 3600 / 60));
	else
		snprintf(out, HUMAN_TEXT, "%lld d", (long long)(s / 86400));
	return out;
}

char *human_rate(double n, char *out)
{
	if (n < 999.5)
		snprintf(out, HUMAN_TEXT, n < 9.95 ? "%.1f" : "%.0f", n);
	else if (n < 999.5e3)
		snprintf(out, HUMAN_TEXT, n < 99.95e3 ? "%.1fk" : "%.0fk", n / 1e3);
	else
		snprintf(out, HUMAN_TEXT, "%.1fM", n / 1e6);
	return out;
}
