/* log - the diary's lines: one JSON object each when nobody watches, and a fault that repeats itself fills no disk. */
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"
#include "tap.h"

static FILE *diary;

/* What was written since the last look. */
static void lines(int *count, int *with_left_out, long *left_out, char *last, size_t size)
{
	char line[4096];

	*count = *with_left_out = 0;
	*left_out = 0;
	while (fgets(line, sizeof(line), diary)) {
		const char *said = strstr(line, " (");

		++*count;
		if (said && strstr(said, "more lines were left out)")) {
			++*with_left_out;
			*left_out += strtol(said + 2, NULL, 10);
		}
		snprintf(last, size, "%s", line);
	}
	clearerr(diary);
}

int main(void)
{
	char name[] = "/tmp/verbatim-log-XXXXXX", last[4096] = "";
	int fd = mkstemp(name), count, told, kept, whole;
	long left_out;
	int64_t began;

	if (fd < 0 || !(diary = fopen(name, "r")) || dup2(fd, STDERR_FILENO) < 0)
		return 1;
	unlink(name);

	log_info("server", "a \"word\" with\ta tab and %s", "\\ a stroke");
	lines(&count, &told, &left_out, last, sizeof(last));
	is_int(count, 1, "a line an occurrence");
	ok(strstr(last, "\"level\":\"info\",\"part\":\"server\",\"text\":\"a \\\"word\\\" with\\u0009a tab and \\\\ a stroke\"}\n") != NULL,
	   "as JSON, with what JSON escapes");
	log_set_level(LOG_WARN);
	log_info("server", "not of interest");
	log_set_level(LOG_INFO);

	began = time_monotonic();
	for (int i = 0; i < 1000; i++)
		log_error("appender 1", "connection refused");
	lines(&kept, &told, &left_out, last, sizeof(last));
	ok(kept >= LOG_BURST && kept <= LOG_BURST + 1 + (time_monotonic() - began) / LOG_EVERY_US, "a fault that repeats itself is told a few times");
	whole = kept + (int)left_out;
	log_error("appender 2", "connection refused");
	log_warn("appender 1", "slow");
	for (int i = 0; i < 100; i++)
		log_info("appender 1", "fine");
	lines(&count, &told, &left_out, last, sizeof(last));
	is_int(count, 102, "other speakers, other levels and what is no fault are told as ever");

	usleep(LOG_EVERY_US + 100000);
	log_error("appender 1", "connection refused");
	lines(&count, &told, &left_out, last, sizeof(last));
	is_int(count, 1, "after a while it is told again");
	is_int(told, 1, "with what was left out");
	is_int(whole + left_out, 1000, "which makes up all of them");

	for (int i = 0; i < 200; i++) {
		char part[24];

		snprintf(part, sizeof(part), "worker core/%d", i);
		log_error(part, "stopped");
	}
	lines(&count, &told, &left_out, last, sizeof(last));
	is_int(count, 200, "more speakers than are remembered are all heard");
	return tap_done();
}
