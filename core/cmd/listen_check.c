/* listen_check - see listen_check.h. */
#include "cmd/listen_check.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/client.h"
#include "client/dial.h"

enum { LOOK_MS = 500, NAME_MAX_BYTES = 256 };

/* ---- what the words mean ---- */

static bool is_of_this_machine(const char *address)
{
	return strncmp(address, "unix:", 5) == 0 || strncmp(address, "127.", 4) == 0 ||
	       strncmp(address, "localhost:", 10) == 0 || strncmp(address, "[::1]:", 6) == 0;
}

/* HOST:PORT of a TCP address. */
static const char *without_scheme(const char *address)
{
	static const char *const schemes[] = { "plain:", "tls://", "tls:" };

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strncmp(address, schemes[i], strlen(schemes[i])) == 0)
			return address + strlen(schemes[i]);
	return address;
}

int listen_take(const char *address, bool certificate, bool insecure, struct buffer *out, struct error *error)
{
	const char *bare = without_scheme(address);
	bool plain = strncmp(address, "plain:", 6) == 0, tls = bare != address && !plain;
	char here[PATH_MAX];

	if (strcmp(address, "unix:") == 0)
		return error_set(error, E_USAGE, "--listen unix: names no socket; say unix:PATH, as unix:/run/verbatim.sock");
	if (strncmp(address, "unix:", 5) != 0 && !strrchr(address, ':'))
		return error_set(error, E_USAGE, "--listen %s: say HOST:PORT or unix:PATH, as 127.0.0.1:7411", address);
	if (strncmp(bare, "unix:", 5) == 0) {
		if (bare != address)
			return error_set(error, E_USAGE, "--listen %s: a Unix socket is plain, say unix:PATH", address);
		if (bare[5] != '/' && getcwd(here, sizeof(here)))
			buffer_printf(out, "unix:%s/%s", here, bare + 5);
		else
			buffer_add_text(out, bare);
		return 0;
	}
	if (tls && !certificate)
		return error_set(error, E_USAGE, "--listen %s: TLS needs --tls-cert and --tls-key", address);
	if (!is_of_this_machine(bare) && (plain || !certificate) && !insecure)
		return error_set(error, E_CONFIG,
				 "'%s' can be reached from other machines, where keys and events would go in the clear: %s, listen on "
				 "127.0.0.1, or say --insecure", address,
				 plain && certificate ? "leave out plain:" : "give --tls-cert and --tls-key");
	buffer_printf(out, "%s%s", certificate && !plain ? "tls:" : "", bare);
	return 0;
}

/* ---- whether it is free ---- */

/* An engine says its number to its own user; one that wants a key is an engine all the same. */
static int taken(const char *option, const char *address, struct error *error)
{
	static const char no_params[] = { (char)0x90 };
	const char *bare = strncmp(address, "tls:", 4) == 0 ? address + 4 : address; /* asked in the clear, an engine under TLS says so */
	struct client *c = client_new(&(struct client_options){ .addresses = bare, .name = "verbatim serve", .connect_ms = LOOK_MS });
	const char *way = strncmp(address, "unix:", 5) == 0 ? "path" : "port, or 0 for a free one,";
	msgpack_object status;
	struct error why;
	int code = client_open(c, &why);

	if (!code && client_call(c, "status", bytes_of(no_params, 1), LOOK_MS, &status, &why) == 0)
		code = error_set(error, E_CONFIG, "cannot listen on '%s': the engine with process id %lld is there; use it (verbatim status --to %s), "
				 "stop it, or choose another %s with --%s", address, (long long)client_int(&status, "pid", 0), address, way, option);
	else if (!code || code == E_UNAUTHORIZED)
		code = error_set(error, E_CONFIG, "cannot listen on '%s': another engine is there; stop it, or choose another %s with --%s", address, way, option);
	else if (code == E_PROTOCOL && strstr(why.message, "speaks TLS"))
		code = error_set(error, E_CONFIG, "cannot listen on '%s': an engine that speaks TLS is there; stop it, or choose another "
				 "%s with --%s", address, way, option);
	else
		code = error_set(error, E_CONFIG, "cannot listen on '%s': another program is there; choose another %s with --%s", address, way, option);
	client_free(c);
	return code;
}

/* Whether somebody listens on the socket.  One that is too busy to take us is there: only a refusal says that nobody is. */
static bool is_live(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), code;

	if (fd < 0 || strlen(path) >= sizeof(at.sun_path))
		code = ECONNREFUSED;
	else {
		memcpy(at.sun_path, path, strlen(path) + 1);
		code = connect(fd, (struct sockaddr *)&at, sizeof(at)) ? errno : 0;
	}
	if (fd >= 0)
		close(fd);
	return code != ECONNREFUSED && code != ENOENT && code != ENOTDIR && code != EACCES && code != ENOTSOCK;
}

static int check_unix(const char *option, const char *address, struct error *error)
{
	char path[PATH_MAX], folder[PATH_MAX];

	if (is_live(address + 5))
		return taken(option, address, error);
	snprintf(path, sizeof(path), "%s", address + 5);
	snprintf(folder, sizeof(folder), "%s", dirname(path));
	if (access(folder, W_OK | X_OK) != 0)
		return error_set(error, E_CONFIG, "cannot listen on '%s': folder '%s': %s", address, folder, strerror(errno));
	return 0;
}

static int check_tcp(const char *option, const char *address, struct error *error)
{
	const char *colon = strrchr(address, ':');
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *list;
	bool bracketed;
	char host[NAME_MAX_BYTES];
	int fd, one = 1, code;

	if (strncmp(address, "tls:", 4) == 0)
		address += 4;
	bracketed = address[0] == '[' && colon > address && colon[-1] == ']';
	if (colon == address || strtol(colon + 1, NULL, 10) > UINT16_MAX)
		return error_set(error, E_CONFIG, "--%s '%s': %s", option, address,
				 colon == address ? "say HOST:PORT" : "the port is no number from 0 to 65535");
	snprintf(host, sizeof(host), "%.*s", (int)(colon - address) - 2 * bracketed, address + bracketed);
	code = getaddrinfo(host, colon + 1, &hints, &list);
	if (code)
		return error_set(error, E_CONFIG, "--%s '%s': %s", option, address, gai_strerror(code));
	fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	code = fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) || bind(fd, list->ai_addr, list->ai_addrlen) ? errno : 0;
	freeaddrinfo(list);
	if (fd >= 0)
		close(fd);
	if (code == EADDRINUSE)
		return taken(option, address, error);
	return code ? error_set(error, E_CONFIG, "cannot listen on '%s': %s", address, strerror(code)) : 0;
}

int listen_check(const char *option, const char *const *addresses, int count, struct error *error)
{
	int code = 0;

	for (int i = 0; i < count && !code; i++) {
		for (int j = 0; j < i; j++)
			if (strcmp(addresses[i], addresses[j]) == 0)
				return error_set(error, E_CONFIG, "--%s '%s' is given twice", option, addresses[i]);
		code = dial_check(bytes_text(addresses[i]), error);
		if (!code)
			code = strncmp(addresses[i], "unix:", 5) == 0 ? check_unix(option, addresses[i], error) : check_tcp(option, addresses[i], error);
	}
	return code;
}
