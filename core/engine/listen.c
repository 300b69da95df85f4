/* listen - see listen.h. */
#include "engine/listen.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/session.h"
#include "engine/wire_uv.h"

enum { BACKLOG = 1024 };

int listen_resolve(uv_loop_t *loop, const char *option, const char *address, struct sockaddr_storage *out, struct error *error)
{
	const char *colon = strrchr(address, ':');
	char host[256], port[16];
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	uv_getaddrinfo_t look;
	int status;

	if (!colon || colon == address || (size_t)(colon - address) >= sizeof(host) || strlen(colon + 1) >= sizeof(port))
		return error_set(error, E_CONFIG, "%s '%s': not HOST:PORT", option, address);
	if (address[0] == '[' && colon[-1] == ']')
		snprintf(host, sizeof(host), "%.*s", (int)(colon - address - 2), address + 1);
	else
		snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
	snprintf(port, sizeof(port), "%s", colon + 1);
	if (!port[0] || port[strspn(port, "0123456789")] || strtol(port, NULL, 10) > UINT16_MAX)
		return error_set(error, E_CONFIG, "%s '%s': the port is no number from 0 to 65535", option, address);
	status = uv_getaddrinfo(loop, &look, NULL, host, port, &hints);
	if (status)
		return error_set(error, E_CONFIG, "%s '%s': %s", option, address, uv_strerror(status));
	memcpy(out, look.addrinfo->ai_addr, look.addrinfo->ai_addrlen);
	uv_freeaddrinfo(look.addrinfo);
	return 0;
}

const char *listen_format(const struct sockaddr_storage *address, char out[LISTEN_TEXT])
{
	char name[INET6_ADDRSTRLEN];

	if (address->ss_family == AF_INET6) {
		uv_ip6_name((const struct sockaddr_in6 *)address, name, sizeof(name));
		snprintf(out, LISTEN_TEXT, "[%s]:%d", name, ntohs(((const struct sockaddr_in6 *)address)->sin6_port));
	} else {
		uv_ip4_name((const struct sockaddr_in *)address, name, sizeof(name));
		snprintf(out, LISTEN_TEXT, "%s:%d", name, ntohs(((const struct sockaddr_in *)address)->sin_port));
	}
	return out;
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct engine *e = listener->data;
	bool tls = e->listens_tls[(union listener *)(void *)listener - e->listeners];
	struct wire *w = status == 0 ? wire_accept(listener, tls ? e->options->tls : NULL) : NULL;

	if (w)
		session_open(e, w);
}

static int listen_unix(struct engine *e, union listener *l, const char *path, struct error *error)
{
	struct stat st;
	int status;

	if (strlen(path) > 107)
		return error_set(error, E_CONFIG, "--listen unix:%s: the path is longer than 107 bytes; choose a shorter one", path);
	uv_pipe_init(&e->loop, &l->pipe, 0);
	if (stat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	status = uv_pipe_bind(&l->pipe, path);
	if (!status)
		status = uv_listen(&l->stream, BACKLOG, on_connection);
	if (status)
		return error_set(error, E_CONFIG, "cannot listen on 'unix:%s': %s", path, uv_strerror(status));
	buffer_printf(&e->addresses, "unix %s\n", path);
	return 0;
}

static int listen_tcp(struct engine *e, union listener *l, const char *address, bool tls, struct error *error)
{
	struct sockaddr_storage bound;
	int n = sizeof(bound), status = listen_resolve(&e->loop, "--listen", address, &bound, error);
	char text[LISTEN_TEXT];

	if (status)
		return status;
	uv_tcp_init(&e->loop, &l->tcp);
	status = uv_tcp_bind(&l->tcp, (struct sockaddr *)&bound, 0);
	if (!status)
		status = uv_listen(&l->stream, BACKLOG, on_connection);
	if (status)
		return error_set(error, E_CONFIG, "cannot listen on '%s': %s%s", address, uv_strerror(status),
				 status == UV_EADDRINUSE ? "; is another engine running? choose another port with --listen" : "");
	uv_tcp_getsockname(&l->tcp, (struct sockaddr *)&bound, &n);
	buffer_printf(&e->addresses, "%s %s\n", tls ? "tls" : "tcp", listen_format(&bound, text));
	return 0;
}

int listen_all(struct engine *e, struct error *error)
{
	const struct server_options *o = e->options;

	if (o->listen_count > LISTEN_MOST)
		return error_set(error, E_CONFIG, "more than %d --listen", LISTEN_MOST);
	for (int i = 0; i < o->listen_count; i++) {
		union listener *l = &e->listeners[e->listener_count];
		bool unix_path = strncmp(o->listen[i], "unix:", 5) == 0, tls = strncmp(o->listen[i], "tls:", 4) == 0;
		int status = unix_path ? listen_unix(e, l, o->listen[i] + 5, error)
				       : listen_tcp(e, l, o->listen[i] + (tls ? 4 : 0), tls, error);

		e->listens_tls[e->listener_count] = tls;
		if (l->handle.type != UV_UNKNOWN_HANDLE) {
			l->handle.data = e;
			e->listener_count++;
		}
		if (status)
			return status;
	}
	return 0;
}
