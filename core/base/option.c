/* option - see option.h. */
#include "base/option.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MAX = 64 };

enum source { FROM_NOWHERE, FROM_FALLBACK, FROM_ENVIRONMENT, FROM_LINE };

char *option_variable(const struct option *o, char *out, size_t size)
{
	size_t n = (size_t)snprintf(out, size, "VERBATIM_%s", o->name);

	for (size_t i = 0; i < n && i < size; i++)
		out[i] = out[i] == '-' ? '_' : (char)toupper((unsigned char)out[i]);
	return out;
}

/* ---- values ---- */

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit byte_units[] = {
	{ "", 1 }, { "B", 1 },
	{ "K", 1 << 10 }, { "KB", 1 << 10 }, { "KiB", 1 << 10 },
	{ "M", 1 << 20 }, { "MB", 1 << 20 }, { "MiB", 1 << 20 },
	{ "G", 1 << 30 }, { "GB", 1 << 30 }, { "GiB", 1 << 30 },
	{ "T", 1LL << 40 }, { "TB", 1LL << 40 }, { "TiB", 1LL << 40 },
	{ NULL, 0 },
};

static const struct unit time_units[] = {
	{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "min", 60000 }, { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 },
};

static const struct unit int_units[] = { { "", 1 }, { NULL, 0 } };

static bool parse_number(const char *text, const struct unit *units, int64_t *out)
{
	char *end;
	long long n;

	if (!isdigit((unsigned char)text[0]) && !(text[0] == '-' && isdigit((unsigned char)text[1])))
		return false;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno)
		return false;
	if (units == time_units && *end == 0 && n == 0) {
		*out = 0;
		return true;
	}
	for (; units->name; units++)
		if (strcasecmp(end, units->name) == 0)
			return !__builtin_mul_overflow((int64_t)n, units->factor, out);
	return false;
}

/* A bound as it would be typed, in the largest unit that divides it. */
static char *format_number(enum option_kind kind, int64_t n, char *out, size_t size)
{
	static const struct unit bytes[] = { { "T", 1LL << 40 }, { "G", 1 << 30 }, { "M", 1 << 20 }, { "K", 1 << 10 }, { "", 1 } };
	static const struct unit times[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };
	static const struct unit plain[] = { { "", 1 } };
	const struct unit *u = kind == OPTION_BYTES ? bytes : kind == OPTION_TIME ? times : plain;

	while (u->factor > 1 && (n == 0 || n % u->factor != 0))
		u++;
	snprintf(out, size, "%lld%s", (long long)(n / u->factor), u->name);
	return out;
}

static int set_number(const struct option *o, const char *source, int code, const char *text, int64_t *out,
		      struct error *error)
{
	const struct unit *units = o->kind == OPTION_BYTES ? byte_units : o->kind == OPTION_TIME ? time_units : int_units;
	const char *remedy = o->kind == OPTION_BYTES ? "a size; say 64M or 1G"
			   : o->kind == OPTION_TIME  ? "a time; say 250ms, 10s, 5m or 1h"
						     : "a whole number";
	bool any = o->min == 0 && o->max == 0;
	int64_t n;
	char low[32], high[32];

	if (!parse_number(text, units, &n))
		return error_set(error, code, "%s %s: not %s", source, text, remedy);
	if (any && n < 0)
		return error_set(error, code, "%s %s: must not be negative", source, text);
	if (!any && (n < o->min || n > o->max))
		return error_set(error, code, "%s %s: must lie between %s and %s", source, text,
				 format_number(o->kind, o->min, low, sizeof(low)),
				 format_number(o->kind, o->max, high, sizeof(high)));
	*out = n;
	return 0;
}

static int set_enum(const struct option *o, const char *source, int code, const char *text, const char **out,
		    struct error *error)
{
	char list[256];
	size_t n = 0;

	for (int i = 0; o->values[i]; i++)
		if (strcmp(o->values[i], text) == 0) {
			*out = o->values[i];
			return 0;
		}
	list[0] = 0;
	for (int i = 0; o->values[i] && n < sizeof(list); i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", i == 0 ? "" : o->values[i + 1] ? ", " : " or ",
				      o->values[i]);
	return error_set(error, code, "%s %s: say %s", source, text, list);
}

/*
 * TEXTS: items[-1] owns the copy that the items of a list with commas point into (NULL when they point into argv).
 */
static void texts_add(struct texts *t, const char *text)
{
	const char **block = t->items ? t->items - 1 : NULL;

	block = mem_realloc(block, sizeof(*block) * (size_t)(t->count + 2));
	if (!t->items)
		block[0] = NULL;
	t->items = block + 1;
	t->items[t->count++] = text;
}

static void texts_split(struct texts *t, const char *list)
{
	char *copy = mem_strdup(list);

	for (char *p = copy, *next; p; p = next) {
		next = strchr(p, ',');
		if (next)
			*next++ = 0;
		while (*p == ' ')
			p++;
		if (*p)
			texts_add(t, p);
	}
	if (t->count)
		t->items[-1] = copy;
	else
		free(copy);
}

static void texts_release(struct texts *t)
{
	if (!t->items)
		return;
	free((char *)t->items[-1]);
	free(t->items - 1);
	*t = (struct texts){ 0 };
}

static int set_flag(const char *source, int code, const char *text, bool *out, struct error *error)
{
	static const char *const yes[] = { "yes", "true", "on", "1" }, *const no[] = { "no", "false", "off", "0" };

	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++) {
		if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
			*out = strcasecmp(text, yes[i]) == 0;
			return 0;
		}
	}
	return error_set(error, code, "%s %s: say yes or no", source, text);
}

int option_set(const struct option *o, const char *source, int code, const char *text, void *options,
	       struct error *error)
{
	char *at = (char *)options + o->offset;

	if (o->filled && !*text)
		return error_set(error, code, "%s is empty: say %s", source, o->argument);
	switch (o->kind) {
	case OPTION_FLAG:
		return set_flag(source, code, text, (bool *)at, error);
	case OPTION_TEXT:
		memcpy(at, &text, sizeof(text));
		return 0;
	case OPTION_TEXTS:
		texts_add((struct texts *)(void *)at, text);
		return 0;
	case OPTION_INT:
	case OPTION_BYTES:
	case OPTION_TIME:
		return set_number(o, source, code, text, (int64_t *)(void *)at, error);
	case OPTION_ENUM:
		return set_enum(o, source, code, text, (const char **)(void *)at, error);
	}
	return error_set(error, E_INTERNAL, "option \"%s\" is of no kind", o->name);
}

static void forget_hidden(const struct option *o, void *options)
{
	char **text = (char **)(void *)((char *)options + o->offset);

	if (*text)
		explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

static bool is_hidden(const struct option *o)
{
	return o->hide && o->kind == OPTION_TEXT;
}

/* Sets from argv or the environment, which others can read; option_release frees the copy. */
static int set_hidden(const struct option *o, const char *source, int code, char *text, void *options, struct error *error)
{
	int status;

	if (!is_hidden(o))
		return option_set(o, source, code, text, options, error);
	assert(!o->fallback); /* what is set is always a copy */
	forget_hidden(o, options);
	status = option_set(o, source, code, mem_strdup(text), options, error);
	o->hide(text);
	return status;
}

/* ---- the nearest name ---- */

static int distance(const char *a, const char *b)
{
	enum { MAX = 48 };
	int row[MAX + 1];
	int la = (int)strlen(a), lb = (int)strlen(b);

	if (la > MAX || lb > MAX)
		return MAX;
	for (int j = 0; j <= lb; j++)
		row[j] = j;
	for (int i = 1; i <= la; i++) {
		int corner = row[0];

		row[0] = i;
		for (int j = 1; j <= lb; j++) {
			int up = row[j], best = corner + (a[i - 1] != b[j - 1]);

			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			corner = up;
			row[j] = best;
		}
	}
	return row[lb];
}

const char *option_nearest(const char *text, const char *(*next)(const void *list, int i), const void *list)
{
	const char *best = NULL, *name;
	int best_distance = 3, len = (int)strlen(text);

	for (int i = 0; (name = next(list, i)); i++) {
		int d = distance(text, name);

		if (len >= 3 && strncmp(name, text, (size_t)len) == 0)
			d = 1; /* a beginning of it */
		if (d < best_distance && d < (int)strlen(name) && d < len) {
			best = name;
			best_distance = d;
		}
	}
	return best;
}

static const char *next_option(const void *list, int i)
{
	const struct option *table = list;

	return table ? table[i].name : NULL;
}

/* ---- parsing ---- */

static int find_row(const struct option *table, const char *name, size_t len)
{
	for (int i = 0; table && table[i].name; i++)
		if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0)
			return i;
	return -1;
}

static int unknown(const struct option *table, const char *name, size_t len, struct error *error)
{
	char text[64];
	const char *near;

	snprintf(text, sizeof(text), "%.*s", (int)len, name);
	near = option_nearest(text, next_option, table);
	if (near)
		return error_set(error, E_USAGE, "unknown option '--%s'; did you mean '--%s'?", text, near);
	return error_set(error, E_USAGE, "unknown option '--%s'; --help lists them", text);
}

/* One `--name[=value]` at argv[*i]; moves *i on when it takes the next word as well. */
static int parse_one(const struct option *table, int argc, char *const *argv, int *i, void *options,
		     enum source *sources, struct error *error)
{
	const char *name = argv[*i] + 2;
	char *equals = strchr(argv[*i] + 2, '='), *text, yes[] = "yes";
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	int row = find_row(table, name, len);
	const struct option *o;
	char source[80];

	if (row < 0)
		return unknown(table, name, len, error);
	o = &table[row];
	snprintf(source, sizeof(source), "--%s", o->name);
	if (o->kind == OPTION_FLAG) {
		text = equals ? equals + 1 : yes;
	} else if (equals) {
		text = equals + 1;
	} else {
		if (*i + 1 >= argc)
			return error_set(error, E_USAGE, "%s needs %s", source, o->argument ? o->argument : "a value");
		text = argv[++*i];
	}
	if (sources[row] == FROM_LINE && o->kind != OPTION_TEXTS && o->kind != OPTION_FLAG)
		return error_set(error, E_USAGE, "%s is given twice", source);
	sources[row] = FROM_LINE;
	return set_hidden(o, source, E_USAGE, text, options, error);
}

static int fill_rest(const struct option *table, void *options, enum source *sources, struct error *error)
{
	for (int i = 0; table && table[i].name; i++) {
		const struct option *o = &table[i];
		int other = o->excludes ? find_row(table, o->excludes, strlen(o->excludes)) : -1;
		char variable[80];
		const char *text;
		int status = 0;

		if (other >= 0 && sources[other] == FROM_LINE) {
			if (sources[i] == FROM_LINE)
				return error_set(error, E_USAGE, "--%s and --%s exclude each other", o->name, o->excludes);
			continue;
		}
		if (sources[i] == FROM_LINE)
			continue;
		text = getenv(option_variable(o, variable, sizeof(variable)));
		sources[i] = FROM_ENVIRONMENT;
		if (!text || !*text) {
			text = o->fallback;
			sources[i] = text ? FROM_FALLBACK : FROM_NOWHERE;
		}
		if (!text)
			continue;
		if (o->kind == OPTION_TEXTS)
			texts_split((struct texts *)(void *)((char *)options + o->offset), text);
		else if (sources[i] == FROM_FALLBACK)
			status = option_set(o, variable, E_CONFIG, text, options, error);
		else
			status = set_hidden(o, variable, E_CONFIG, getenv(variable), options, error);
		if (o->hide && sources[i] == FROM_ENVIRONMENT)
			unsetenv(variable);
		if (status)
			return status;
	}
	return 0;
}

int option_parse(const struct option *table, int argc, char *const *argv, void *options, size_t options_bytes,
		 struct arguments *args, bool *help, struct error *error)
{
	enum source sources[OPTIONS_MAX] = { FROM_NOWHERE };
	int status = 0, i;

	for (i = 0; table && table[i].name; i++)
		assert(i < OPTIONS_MAX && table[i].offset < options_bytes);
	if (options_bytes)
		memset(options, 0, options_bytes);
	*args = (struct arguments){ .options = options, .words = mem_zalloc(sizeof(char *) * (size_t)(argc + 1)) };
	*help = false;
	for (i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			*help = true;
	for (i = 0; i < argc && !*help; i++) {
		if (strcmp(argv[i], "--") == 0) {
			while (++i < argc)
				args->words[args->count++] = argv[i];
		} else if (argv[i][0] != '-' || argv[i][1] == 0) {
			args->words[args->count++] = argv[i];
		} else if (argv[i][1] == '-') {
			status = parse_one(table, argc, argv, &i, options, sources, error);
		} else {
			status = error_set(error, E_USAGE, "unknown option '%s'; options begin with '--'", argv[i]);
		}
		if (status)
			return status;
	}
	return *help ? 0 : fill_rest(table, options, sources, error);
}

void option_release(const struct option *table, struct arguments *args)
{
	for (int i = 0; table && table[i].name; i++)
		if (table[i].kind == OPTION_TEXTS)
			texts_release((struct texts *)(void *)((char *)args->options + table[i].offset));
		else if (is_hidden(&table[i]))
			forget_hidden(&table[i], args->options);
	free(args->words);
	args->words = NULL;
	args->count = 0;
}

/* ---- help ---- */

void option_wrap(struct buffer *out, const char *text, int column, int indent, int width)
{
	const char *p = text;

	if (width < indent + 20)
		width = indent + 20;
	while (*p) {
		size_t word = strcspn(p, " \n");

		if (column > indent && column + 1 + (int)word > width) {
			buffer_printf(out, "\n%*s", indent, "");
			column = indent;
		} else if (column > indent && p > text) {
			buffer_add_byte(out, ' ');
			column++;
		}
		buffer_add(out, p, word);
		column += (int)word;
		p += word;
		while (*p == ' ' || *p == '\n')
			p++;
	}
	buffer_add_byte(out, '\n');
}

static void print_row(struct buffer *out, const struct option *o, int width, bool colour)
{
	enum { INDENT = 28 };
	char left[96], variable[80], about[640];
	int n, used;

	n = snprintf(left, sizeof(left), "  --%s%s%s", o->name, o->kind == OPTION_FLAG ? "" : " ",
		     o->kind == OPTION_FLAG ? "" : o->argument ? o->argument : "VALUE");
	buffer_printf(out, "%s%s%s", colour ? "\033[1m" : "", left, colour ? "\033[0m" : "");
	used = snprintf(about, sizeof(about), "%s", o->help ? o->help : "");
	if (o->kind == OPTION_ENUM) {
		for (int i = 0; o->values[i] && used < (int)sizeof(about); i++)
			used += snprintf(about + used, sizeof(about) - (size_t)used, "%s%s",
					 i == 0 ? ": " : o->values[i + 1] ? ", " : " or ", o->values[i]);
	}
	if (o->kind == OPTION_TEXTS && used < (int)sizeof(about))
		used += snprintf(about + used, sizeof(about) - (size_t)used, "; may be repeated");
	if (o->fallback && used < (int)sizeof(about))
		used += snprintf(about + used, sizeof(about) - (size_t)used, " (default %s)", o->fallback);
	if (used < (int)sizeof(about))
		snprintf(about + used, sizeof(about) - (size_t)used, " [%s]",
			 option_variable(o, variable, sizeof(variable)));
	if (n < INDENT - 1) {
		buffer_printf(out, "%*s", INDENT - n, "");
	} else {
		buffer_printf(out, "\n%*s", INDENT, "");
	}
	option_wrap(out, about, INDENT, INDENT, width);
}

static const char *group_of(const struct option *o)
{
	return o->group ? o->group : "Options";
}

void option_print(struct buffer *out, const struct option *table, int width, bool colour)
{
	bool has_default_group = false;

	for (int i = 0; table && table[i].name; i++) {
		const char *group = group_of(&table[i]);
		bool seen = false;

		for (int j = 0; j < i; j++)
			seen = seen || strcmp(group_of(&table[j]), group) == 0;
		if (seen)
			continue;
		has_default_group = has_default_group || !table[i].group;
		buffer_printf(out, "\n%s%s:%s\n", colour ? "\033[1m" : "", group, colour ? "\033[0m" : "");
		for (int j = i; table[j].name; j++)
			if (strcmp(group_of(&table[j]), group) == 0)
				print_row(out, &table[j], width, colour);
	}
	if (!has_default_group)
		buffer_add_byte(out, '\n');
	buffer_printf(out, "  -h, --help                show this\n");
}
