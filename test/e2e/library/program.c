/*
 * program - somebody's program on the installed client library: NDJSON from standard input into the log.
 *
 *     program ADDRESSES CA [KEY]
 *
 * Prints what came of it as one JSON line, then what the engine says to ping.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <verbatim.h>

static void on_refused(void *data, int64_t number, const char *event_id, const struct verbatim_error *why)
{
	(void)data;
	fprintf(stderr, "refused %lld %s %s %s\n", (long long)number, event_id, why->code, why->field);
}

static int fail(const struct verbatim_error *e)
{
	fprintf(stderr, "%s (%s): %s\n", e->code, e->kind, e->message);
	return 1;
}

int main(int argc, char **argv)
{
	struct verbatim_options options = { .addresses = argc > 1 ? argv[1] : "", .tls_ca = argc > 2 ? argv[2] : NULL,
					    .key = argc > 3 ? argv[3] : NULL, .name = "program", .batch = 50, .refused = on_refused };
	struct verbatim *v = verbatim_new(&options);
	struct verbatim_counts counts;
	struct verbatim_error e;
	const void *answer;
	size_t size = 0, answer_len;
	char *line = NULL;
	long n;

	if (verbatim_open(v, &e))
		return fail(&e);
	while ((n = getline(&line, &size, stdin)) > 0)
		if (verbatim_append(v, line, (size_t)n - (line[n - 1] == '\n'), &e))
			return fail(&e);
	if (verbatim_wait(v, 60000, &e))
		return fail(&e);
	verbatim_get_counts(v, &counts);
	printf("{\"added\":%lld,\"stored\":%lld,\"duplicates\":%lld,\"refused\":%lld,\"reconnects\":%lld}\n", (long long)counts.added,
	       (long long)counts.stored, (long long)counts.duplicates, (long long)counts.refused, (long long)counts.reconnects);
	if (verbatim_call(v, "ping", "\x91\xa5hello", 7, 30000, &answer, &answer_len, &e))
		return fail(&e);
	printf("%.*s\n", (int)answer_len - 1, (const char *)answer + 1);
	if (verbatim_call(v, "nonsense", "\x90", 1, 30000, &answer, &answer_len, &e) == 0 || strcmp(e.code, "unknown_method") != 0)
		return fail(&e);
	verbatim_free(v);
	free(line);
	return 0;
}
