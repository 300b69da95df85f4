/* log - see log.h. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/term.h"
#include "base/time.h"

enum { SPEAKERS = 64 };

static _Atomic int threshold = LOG_INFO;

/* What each speaker has said of a level; one that is not remembered takes the place of who has been silent longest. */
static struct speaker {
	char part[24];
	enum log_level level;
	int64_t heard;   /* monotonic: when it last spoke */
	int64_t credit;  /* microseconds of silence that lines are paid with */
	int64_t left_out;
} speakers[SPEAKERS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void log_set_level(enum log_level level)
{
	threshold = (int)level;
}

enum log_level log_get_level(void)
{
	return (enum log_level)threshold;
}

/* JSON string without its quotes; what does not fit is cut. */
static void escape(const char *text, char *out, size_t size)
{
	size_t n = 0;

	for (; *text && n + 7 < size; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\') {
			out[n++] = '\\';
			out[n++] = (char)c;
		} else if (c < 0x20) {
			n += (size_t)snprintf(out + n, size - n, "\\u%04x", c);
		} else {
			out[n++] = (char)c;
		}
	}
	out[n] = 0;
}

static struct speaker *speaker_of(enum log_level level, const char *part, int64_t now)
{
	struct speaker *oldest = &speakers[0];

	for (int i = 0; i < SPEAKERS; i++) {
		struct speaker *s = &speakers[i];

		if (s->level == level && strncmp(s->part, part, sizeof(s->part) - 1) == 0)
			return s;
		if (s->heard < oldest->heard)
			oldest = s;
	}
	memset(oldest, 0, sizeof(*oldest));
	snprintf(oldest->part, sizeof(oldest->part), "%s", part);
	oldest->level = level;
	oldest->heard = now;
	oldest->credit = (int64_t)LOG_BURST * LOG_EVERY_US;
	return oldest;
}

/* Whether the line may be written, and how many were not before it. */
static bool may_speak(enum log_level level, const char *part, int64_t *left_out)
{
	const int64_t most = (int64_t)LOG_BURST * LOG_EVERY_US;
	int64_t now = time_monotonic();
	struct speaker *s;
	bool may;

	pthread_mutex_lock(&lock);
	s = speaker_of(level, part, now);
	s->credit += now - s->heard;
	s->credit = s->credit < most ? s->credit : most;
	s->heard = now;
	may = s->credit >= LOG_EVERY_US;
	*left_out = may ? s->left_out : 0;
	s->left_out = may ? 0 : s->left_out + 1;
	s->credit -= may ? LOG_EVERY_US : 0;
	pthread_mutex_unlock(&lock);
	return may;
}

void log_write(enum log_level level, const char *part, const char *format, ...)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	static const char *const colours[] = { "\033[2m", "", "\033[33m", "\033[31m" };
	char text[1024], line[2400], when[TIME_TEXT];
	int64_t left_out = 0;
	va_list args;
	size_t len;
	int n;

	if ((int)level < threshold || level >= LOG_SILENT)
		return;
	if (level >= LOG_WARN && !may_speak(level, part, &left_out))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	len = strlen(text);
	if (left_out)
		snprintf(text + len, sizeof(text) - len, " (%lld more lines were left out)", (long long)left_out);
	time_format(time_wall(), when);
	if (isatty(STDERR_FILENO)) {
		term_defuse(text);
		n = snprintf(line, sizeof(line), "\033[2m%.12s\033[0m %s%-5s %s: %s\033[0m\n", when + 11,
			     colours[level], names[level], part, text);
	} else {
		char escaped[2048];

		escape(text, escaped, sizeof(escaped));
		n = snprintf(line, sizeof(line), "{\"time\":\"%s\",\"level\":\"%s\",\"part\":\"%s\",\"text\":\"%s\"}\n",
			     when, names[level], part, escaped);
	}
	if (n > 0 && write(STDERR_FILENO, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1) < 0)
		return; /* nobody listens; there is no second place to say so */
}
