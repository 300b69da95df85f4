/*
 * main - finds the command's row, reads its options, runs it, prints its one error.
 *
 *     verbatim COMMAND [SUBCOMMAND] [OPTION]... [WORD]...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/term.h"
#include "cmd/command.h"
#include "cmd/engine_key.h"
#include "engine/fault.h"

const struct command *const commands[] = {
	&init_command, &serve_command, &append_command, &generate_command, &demo_command, &status_command, &doctor_command,
	&rebuild_command, &check_command, &replay_command, &verify_command, &prove_command, &evidence_command, &key_command,
	&migrate_command, &role_command, &events_command, &psql_command, &version_command, &help_command, &completion_command, NULL,
};

const struct command *command_find(const char *name)
{
	for (int i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static const char *next_command(const void *list, int i)
{
	return commands[i] ? commands[i]->name : NULL;
}

static const char *next_sub(const void *list, int i)
{
	return ((const struct command *)list)[i].name;
}

/* The level of the engine's diary; commands are quiet unless asked, serve has an option of its own. */
static void set_log_level(void)
{
	static const char *const names[] = { "debug", "info", "warn", "error", "silent" };
	const char *level = getenv("VERBATIM_LOG");

	log_set_level(LOG_WARN);
	for (int i = 0; level && i < 5; i++)
		if (strcmp(level, names[i]) == 0)
			log_set_level((enum log_level)i);
}

static int report(const struct command *parent, const struct command *c, int code, const struct error *error)
{
	bool colour = term_has_colour(stderr);
	char message[sizeof(error->message)];

	snprintf(message, sizeof(message), "%s", error->code ? error->message : error_get(code)->text);
	term_defuse(message); /* it may repeat words that nobody looked at */
	fflush(stdout);
	fprintf(stderr, "%sverbatim%s%s%s%s:%s %s\n", term_style(STYLE_RED, colour), parent ? " " : "",
		parent ? parent->name : "", c ? " " : "", c ? c->name : "", term_style(STYLE_PLAIN, colour), message);
	return error_get(code)->exit_status;
}

static int print_help(const struct command *parent, const struct command *c)
{
	struct buffer out = { 0 };
	int width = term_width(stdout);

	command_print_help(&out, parent, c, width > 100 ? 100 : width, term_has_colour(stdout));
	fwrite(out.data, 1, out.len, stdout);
	buffer_release(&out);
	return 0;
}

static int run(const struct command *parent, const struct command *c, int argc, char **argv)
{
	struct error error;
	struct arguments args;
	void *options = mem_zalloc(c->options_bytes ? c->options_bytes : 1);
	bool help;
	int status, exit_status;

	error_clear(&error);
	status = option_parse(c->options, argc, argv, options, c->options_bytes, &args, &help, &error);
	if (!status && help) {
		exit_status = print_help(parent, c);
	} else {
		if (!status)
			status = c->run(&args, &error);
		exit_status = status ? report(parent, c, status, &error) : 0;
	}
	option_release(c->options, &args);
	free(options);
	if (!status && (fflush(stdout) != 0 || ferror(stdout))) {
		error_set(&error, E_IO, "cannot write to standard output");
		exit_status = report(parent, c, E_IO, &error);
	}
	return exit_status;
}

static int unknown(const char *what, const char *name, const char *near, const struct command *parent)
{
	struct error error;

	if (near)
		error_set(&error, E_USAGE, "unknown %s '%s'; did you mean '%s'?", what, name, near);
	else
		error_set(&error, E_USAGE, "unknown %s '%s'; verbatim help lists them", what, name);
	return report(parent, NULL, E_USAGE, &error);
}

static int run_sub(const struct command *parent, int argc, char **argv)
{
	struct error error;

	if (argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0))
		return print_help(NULL, parent);
	if (argc == 0) {
		struct buffer names = { 0 };
		int status;

		for (const struct command *s = parent->sub; s->name; s++)
			buffer_printf(&names, "%s%s", names.len ? ", " : "", s->name);
		error_set(&error, E_USAGE, "say which: %s", buffer_text(&names));
		buffer_release(&names);
		status = report(parent, NULL, E_USAGE, &error);
		return status;
	}
	for (const struct command *s = parent->sub; s->name; s++)
		if (strcmp(s->name, argv[0]) == 0)
			return run(parent, s, argc - 1, argv + 1);
	return unknown("subcommand", argv[0], option_nearest(argv[0], next_sub, parent->sub), parent);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "help";
	const struct command *c;

	engine_key_take();
	set_log_level();
	fault_versions();
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		name = "version";
	c = command_find(name);
	if (!c)
		return unknown("command", name, option_nearest(name, next_command, commands), NULL);
	if (c->sub)
		return run_sub(c, argc - 2, argv + 2);
	return run(NULL, c, argc > 2 ? argc - 2 : 0, argc > 2 ? argv + 2 : argv + argc);
}
