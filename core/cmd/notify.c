/* notify - see notify.h. */
#include "cmd/notify.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/time.h"

enum { TEXT_MOST = 600 };

static struct sockaddr_un to;
static socklen_t to_len;
static int fd = -1;
static bool watched;

void notify_start(void)
{
	const char *path = getenv("NOTIFY_SOCKET"), *pid = getenv("WATCHDOG_PID");
	size_t len = path ? strlen(path) : 0;

	if (len > 1 && len < sizeof(to.sun_path) && (path[0] == '/' || path[0] == '@')) {
		to.sun_family = AF_UNIX;
		memcpy(to.sun_path, path, len);
		if (path[0] == '@')
			to.sun_path[0] = 0; /* the abstract namespace */
		to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (path[0] == '/'));
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		watched = getenv("WATCHDOG_USEC") && (!pid || atol(pid) == (long)getpid());
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void notify_say(const char *format, ...)
{
	char text[TEXT_MOST];
	va_list args;
	int n;

	if (fd < 0)
		return;
	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n >= (int)sizeof(text))
		n = (int)sizeof(text) - 1;
	if (sendto(fd, text, (size_t)n, MSG_NOSIGNAL, (struct sockaddr *)&to, to_len) < 0)
		return; /* who does not listen needs no word of it */
}

void notify_reloading(void)
{
	notify_say("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)time_monotonic());
}

void notify_alive(void)
{
	if (watched)
		notify_say("WATCHDOG=1");
}
