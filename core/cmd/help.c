/* help - `verbatim help`: the commands, one command, the error table, the variables; all from the tables. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/term.h"
#include "cmd/command.h"
#include "engine/metrics.h"
#include "engine/scopes.h"

static void heading(struct buffer *out, const char *text, bool colour)
{
	buffer_printf(out, "%s%s%s\n", term_style(STYLE_BOLD, colour), text, term_style(STYLE_PLAIN, colour));
}

/* Lines that begin with a space stand as they are; all others are paragraphs, wrapped. */
static void print_text(struct buffer *out, const char *text, int width)
{
	struct buffer paragraph = { 0 };

	for (const char *p = text;;) {
		size_t len = strcspn(p, "\n");
		bool plain = len > 0 && *p != ' ';

		if (plain) {
			if (paragraph.len)
				buffer_add_byte(&paragraph, ' ');
			buffer_add(&paragraph, p, len);
		} else {
			if (paragraph.len)
				option_wrap(out, buffer_text(&paragraph), 0, 0, width);
			buffer_reset(&paragraph);
			if (p[len] || len) {
				buffer_add(out, p, len);
				buffer_add_byte(out, '\n');
			}
		}
		if (!p[len])
			break;
		p += len + 1;
	}
	if (paragraph.len)
		option_wrap(out, buffer_text(&paragraph), 0, 0, width);
	buffer_release(&paragraph);
}

void command_print_help(struct buffer *out, const struct command *parent, const struct command *c, int width, bool colour)
{
	buffer_printf(out, "%susage:%s verbatim %s%s%s\n\n", term_style(STYLE_BOLD, colour), term_style(STYLE_PLAIN, colour),
		      parent ? parent->name : "", parent ? " " : "", c->usage);
	if (c->help)
		print_text(out, c->help, width);
	else
		option_wrap(out, c->brief, 0, 0, width);
	if (c->sub) {
		buffer_add_byte(out, '\n');
		heading(out, "Subcommands:", colour);
		for (const struct command *s = c->sub; s->name; s++) {
			buffer_printf(out, "  %s%-12s%s ", term_style(STYLE_BOLD, colour), s->name, term_style(STYLE_PLAIN, colour));
			option_wrap(out, s->brief, 15, 15, width);
		}
		return;
	}
	option_print(out, c->options, width, colour);
}

static void print_commands(struct buffer *out, int width, bool colour)
{
	heading(out, "usage: verbatim COMMAND [OPTION]...", colour);
	buffer_add_byte(out, '\n');
	for (int i = 0; commands[i]; i++) {
		buffer_printf(out, "  %s%-12s%s ", term_style(STYLE_BOLD, colour), commands[i]->name,
			      term_style(STYLE_PLAIN, colour));
		option_wrap(out, commands[i]->brief, 15, 15, width);
	}
	buffer_add_text(out, "\n`verbatim help COMMAND` teaches one, `help errors` lists exit codes, `help scopes` what API keys allow, `help environment` variables, `help metrics` figures.\n"
			     "A first try:\n\n"
			     "  verbatim serve &\n"
			     "  verbatim generate --conversations 50 | verbatim append -\n"
			     "  verbatim status\n");
}

static void print_errors(struct buffer *out, int width, bool colour)
{
	struct table t;

	table_init(&t, 4, (const char *const[]){ "code", "class", ">exit", "meaning" });
	for (int i = 1; i <= (int)ERROR_COUNT; i++) {
		const struct error_entry *e = error_get(-i);

		table_cell(&t, "%s", e->name);
		table_cell(&t, "%s", error_class_name(-i));
		table_cell(&t, "%d", e->exit_status);
		table_cell(&t, "%s", e->text);
	}
	table_print(&t, out, width < 100 ? 110 : width, colour);
	table_release(&t);
	buffer_add_text(out, "\ncaller: mend the request, do not repeat it as it is.  retry: back off and send the same again.\n"
			     "fatal: a part of the engine has stopped, a person must look.\n");
}

static bool seen_before(const struct command *const *list, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		for (const struct option *o = list[i]->options; o && o->name; o++)
			if (strcmp(o->name, name) == 0)
				return true;
	return false;
}

/* Every option of every command, once, with the first command's words. */
static void print_environment(struct buffer *out, int width, bool colour)
{
	const struct command *list[64];
	int count = 0;
	char variable[80];

	for (int i = 0; commands[i]; i++) {
		if (commands[i]->sub)
			for (const struct command *s = commands[i]->sub; s->name && count < 64; s++)
				list[count++] = s;
		else if (count < 64)
			list[count++] = commands[i];
	}
	option_wrap(out, "Every option can be given by a variable; the command line wins. A repeatable option takes a list with commas.",
		    0, 0, width);
	buffer_add_byte(out, '\n');
	for (int i = 0; i < count; i++) {
		for (const struct option *o = list[i]->options; o && o->name; o++) {
			if (seen_before(list, i, o->name))
				continue;
			buffer_printf(out, "  %s%-26s%s ", term_style(STYLE_BOLD, colour),
				      option_variable(o, variable, sizeof(variable)), term_style(STYLE_PLAIN, colour));
			option_wrap(out, o->help ? o->help : "", 29, 29, width);
		}
	}
	buffer_add_text(out, "\n  VERBATIM_API_KEY           the API key itself, instead of --api-key-file; overwritten once it is read\n"
			     "  VERBATIM_SIGNING_KEY       the signing key itself, instead of --signing-key-file; overwritten once it is read\n"
			     "  NO_COLOR                   set: no colours\n"
			     "  PG*                        what a --db string leaves out, as libpq has it\n");
}

static void print_scopes(struct buffer *out)
{
	scopes_print(out);
	buffer_add_text(out, "\nAny of a key's scopes will do. A key of a tenant (verbatim key create --tenant) is bound to its events in any case.\n");
}

static void print_metrics(struct buffer *out, int width, bool colour)
{
	const struct metric_name *list;
	int count = metrics_list(&list);
	struct table t;

	table_init(&t, 3, (const char *const[]){ "metric", "type", "meaning" });
	for (int i = 0; i < count; i++) {
		table_cell(&t, "%s", list[i].name);
		table_cell(&t, "%s", list[i].type);
		table_cell(&t, "%s", list[i].help);
	}
	table_print(&t, out, width < 140 ? 140 : width, colour);
	table_release(&t);
	buffer_add_text(out, "\n`verbatim serve --http HOST:PORT` answers /metrics with these, /healthz while the engine is alive,\n"
			     "/readyz with 200 when all is well and 503 and the reason when it is not.\n");
}

static int run(const struct arguments *args, struct error *error)
{
	const char *topic = args->count > 0 ? args->words[0] : NULL;
	const struct command *c = topic ? command_find(topic) : NULL;
	int width = term_width(stdout) > 100 ? 100 : term_width(stdout), status = 0;
	bool colour = term_has_colour(stdout);
	struct buffer out = { 0 };

	if (args->count > 2)
		return error_set(error, E_USAGE, "one topic at a time");
	if (!topic)
		print_commands(&out, width, colour);
	else if (strcmp(topic, "errors") == 0)
		print_errors(&out, term_width(stdout), colour);
	else if (strcmp(topic, "environment") == 0)
		print_environment(&out, width, colour);
	else if (strcmp(topic, "scopes") == 0)
		print_scopes(&out);
	else if (strcmp(topic, "metrics") == 0)
		print_metrics(&out, term_width(stdout), colour);
	else if (!c)
		status = error_set(error, E_USAGE, "no command and no topic is called '%s'; verbatim help lists them", topic);
	else if (args->count == 1)
		command_print_help(&out, NULL, c, width, colour);
	else {
		const struct command *s = c->sub;

		while (s && s->name && strcmp(s->name, args->words[1]) != 0)
			s++;
		if (s && s->name)
			command_print_help(&out, c, s, width, colour);
		else
			status = error_set(error, E_USAGE, "'%s' has no subcommand '%s'", topic, args->words[1]);
	}
	if (out.len)
		fwrite(out.data, 1, out.len, stdout);
	buffer_release(&out);
	return status;
}

const struct command help_command = {
	.name = "help",
	.usage = "help [COMMAND [SUBCOMMAND] | errors | scopes | environment | metrics]",
	.brief = "teach a command, list the error codes or the variables",
	.help = "Without a word: all commands in a line each.\n"
		"\n"
		"  verbatim help append\n"
		"  verbatim help migrate down\n"
		"  verbatim help errors\n"
		"  verbatim help scopes",
	.run = run,
};
