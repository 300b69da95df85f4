/* dial - see dial.h. */
#include "client/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/time.h"

enum { HOST_BYTES = DIAL_HOST_TEXT, PORT_BYTES = 32 };

/* "[::1]:7411" to its two halves; an empty host is this machine. */
static int split(struct bytes address, char host[HOST_BYTES], char port[PORT_BYTES], struct error *error)
{
	const char *end = address.data + address.len, *colon = end, *from = address.data, *to;

	while (colon > address.data && colon[-1] != ':')
		colon--;
	to = colon > address.data ? colon - 1 : address.data;
	if (colon == address.data || colon == end)
		return error_set(error, E_CONFIG, "address \"%.*s\" is neither HOST:PORT nor unix:PATH", (int)address.len,
				 address.data);
	if (to - from >= 2 && *from == '[' && to[-1] == ']') {
		from++;
		to--;
	}
	if (to - from >= HOST_BYTES || end - colon >= PORT_BYTES)
		return error_set(error, E_CONFIG, "address \"%.60s...\" is too long", address.data);
	for (const char *p = colon; p < end; p++)
		if (*p < '0' || *p > '9')
			return error_set(error, E_CONFIG, "port \"%.*s\" is not a number", (int)(end - colon), colon);
	snprintf(host, HOST_BYTES, "%.*s", (int)(to - from), from);
	snprintf(port, PORT_BYTES, "%.*s", (int)(end - colon), colon);
	return 0;
}

static bool is_unix(struct bytes address)
{
	return address.len >= 5 && memcmp(address.data, "unix:", 5) == 0;
}

static int unix_path(struct bytes address, struct sockaddr_un *name, struct error *error)
{
	struct bytes path = { address.data + 5, address.len - 5 };

	if (path.len == 0 || path.len >= sizeof(name->sun_path))
		return error_set(error, E_CONFIG, "the path of a unix socket has 1 to %d bytes, not %zu",
				 (int)sizeof(name->sun_path) - 1, path.len);
	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	memcpy(name->sun_path, path.data, path.len);
	return 0;
}

bool dial_scheme(struct bytes *address)
{
	static const char *const schemes[] = { "tls://", "tls:" };

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t n = strlen(schemes[i]);

		if (address->len < n || memcmp(address->data, schemes[i], n) != 0)
			continue;
		address->data += n;
		address->len -= n;
		return true;
	}
	return false;
}

bool dial_host(struct bytes address, char out[DIAL_HOST_TEXT])
{
	char port[PORT_BYTES];
	struct error error;

	dial_scheme(&address);
	if (is_unix(address) || split(address, out, port, &error))
		return false;
	if (!out[0])
		snprintf(out, DIAL_HOST_TEXT, "localhost");
	return true;
}

int dial_check(struct bytes address, struct error *error)
{
	char host[HOST_BYTES], port[PORT_BYTES];
	struct sockaddr_un name;

	if (dial_scheme(&address) && is_unix(address))
		return error_set(error, E_CONFIG, "\"tls:%.*s\": a unix socket speaks no TLS", (int)address.len, address.data);
	return is_unix(address) ? unix_path(address, &name, error) : split(address, host, port, error);
}

/* Gives the socket, connected before `deadline`, or -1 with errno. */
static int connect_to(int family, const struct sockaddr *name, socklen_t len, int64_t deadline)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), failure = 0, n;
	socklen_t failure_len = sizeof(failure);
	struct pollfd wait = { .fd = fd, .events = POLLOUT };
	int64_t left;

	if (fd < 0)
		return -1;
	if (connect(fd, name, len) == 0)
		return fd;
	if (errno == EINPROGRESS) {
		left = (deadline - time_monotonic()) / 1000;
		n = poll(&wait, 1, left > 0 ? (int)left : 0);
		if (n > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &failure_len) == 0 && failure == 0)
			return fd;
		errno = n == 0 ? ETIMEDOUT : n < 0 ? errno : failure;
	}
	failure = errno;
	close(fd);
	errno = failure;
	return -1;
}

int dial(struct bytes address, int timeout_ms, int *fd, struct error *error)
{
	int64_t deadline = time_monotonic() + (int64_t)timeout_ms * 1000;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV }, *list, *at;
	char host[HOST_BYTES], port[PORT_BYTES];
	int code, one = 1, trouble = ECONNREFUSED;

	dial_scheme(&address);
	if (is_unix(address)) {
		struct sockaddr_un name;

		code = unix_path(address, &name, error);
		if (code)
			return code;
		*fd = connect_to(AF_UNIX, (struct sockaddr *)&name, sizeof(name), deadline);
		trouble = errno;
	} else {
		code = split(address, host, port, error);
		if (code)
			return code;
		code = getaddrinfo(host[0] ? host : NULL, port, &hints, &list);
		if (code)
			return error_set(error, E_UNAVAILABLE, "cannot find host \"%s\": %s", host, gai_strerror(code));
		*fd = -1;
		for (at = list; at && *fd < 0; at = at->ai_next) {
			*fd = connect_to(at->ai_family, at->ai_addr, at->ai_addrlen, deadline);
			if (*fd < 0)
				trouble = errno;
			if (*fd < 0 && trouble == EINTR)
				break;
		}
		freeaddrinfo(list);
	}
	if (*fd < 0)
		return error_set(error, trouble == EINTR ? E_INTERRUPTED : E_UNAVAILABLE, "cannot connect to \"%.*s\": %s",
				 (int)address.len, address.data, strerror(trouble));
	if (!is_unix(address))
		setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return 0;
}
