/* completion - `verbatim completion bash|zsh`: a script for the shell, printed from the tables. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "cmd/command.h"
#include "fold/projection.h"

/* The words that may follow a command: its subcommands or its options. */
static void print_words(const struct command *c)
{
	if (c->sub) {
		for (const struct command *s = c->sub; s->name; s++)
			printf("%s ", s->name);
	}
	for (const struct option *o = c->options; o && o->name; o++)
		printf("--%s ", o->name);
	printf("--help");
}

static void print_case(const char *key, const struct command *c)
{
	printf("\t\t%s) words=\"", key);
	print_words(c);
	printf("\" ;;\n");
}

struct seen {
	const char *names[64];
	int count;
};

static void print_values_of(const struct command *c, struct seen *seen)
{
	for (const struct option *o = c->options; o && o->name; o++) {
		bool again = false;

		for (int j = 0; j < seen->count; j++)
			again = again || strcmp(seen->names[j], o->name) == 0;
		if (o->kind != OPTION_ENUM || again || seen->count == 64)
			continue;
		seen->names[seen->count++] = o->name;
		printf("\t\t--%s) COMPREPLY=($(compgen -W \"", o->name);
		for (int v = 0; o->values[v]; v++)
			printf("%s%s", v ? " " : "", o->values[v]);
		printf("\" -- \"$cur\")); return ;;\n");
	}
}

/* What an option may be given: one of its values, or a file. */
static void print_values(void)
{
	struct seen seen = { .count = 0 };

	for (int i = 0; commands[i]; i++) {
		print_values_of(commands[i], &seen);
		for (const struct command *s = commands[i]->sub; s && s->name; s++)
			print_values_of(s, &seen);
	}
	printf("\t\t--data) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n"
	       "\t\t--password-file) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n");
}

static void print_bash(void)
{
	char key[64];

	printf("_verbatim()\n{\n"
	       "\tlocal cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\" words=\"\"\n"
	       "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n\t\tCOMPREPLY=($(compgen -W \"");
	for (int i = 0; commands[i]; i++)
		printf("%s%s", i ? " " : "", commands[i]->name);
	printf("\" -- \"$cur\"))\n\t\treturn\n\tfi\n\tcase \"$prev\" in\n");
	print_values();
	printf("\tesac\n\tcase \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n");
	for (int i = 0; commands[i]; i++) {
		for (const struct command *s = commands[i]->sub; s && s->name; s++) {
			snprintf(key, sizeof(key), "\"%s %s\"", commands[i]->name, s->name);
			print_case(key, s);
		}
		snprintf(key, sizeof(key), "\"%s \"*", commands[i]->name);
		print_case(key, commands[i]);
	}
	printf("\tesac\n"
	       "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	       "\t[ \"${COMP_WORDS[1]}\" = help ] && COMPREPLY=($(compgen -W \"errors scopes environment metrics");
	for (int i = 0; commands[i]; i++)
		printf(" %s", commands[i]->name);
	printf("\" -- \"$cur\"))\n"
	       "\t[ \"${COMP_WORDS[1]}\" = append ] && [ \"${cur#-}\" = \"$cur\" ] && COMPREPLY=($(compgen -f -- \"$cur\"))\n"
	       "\tcase \"${COMP_WORDS[1]}\" in rebuild|check) [ \"${cur#-}\" = \"$cur\" ] && COMPREPLY=($(compgen -W \"");
	for (int g = 0; g < group_count; g++)
		for (int i = 0; i < groups[g]->count; i++)
			printf("%s ", groups[g]->projections[i]->name);
	printf("\" -- \"$cur\")) ;; esac\n"
	       "}\ncomplete -o filenames -F _verbatim verbatim\n");
}

static int run(const struct arguments *args, struct error *error)
{
	if (args->count == 1 && strcmp(args->words[0], "bash") == 0) {
		print_bash();
		return 0;
	}
	if (args->count == 1 && strcmp(args->words[0], "zsh") == 0) {
		printf("autoload -U +X bashcompinit && bashcompinit\n");
		print_bash();
		return 0;
	}
	return error_set(error, E_USAGE, "say which shell: verbatim completion bash, or zsh");
}

const struct command completion_command = {
	.name = "completion",
	.usage = "completion bash|zsh",
	.brief = "print a completion script for the shell",
	.help = "Prints a script that completes commands, options and their values.\n"
		"\n"
		"  eval \"$(verbatim completion bash)\"",
	.run = run,
};
