/*
 * http - see http.h.
 *
 *     epoll descriptor readable, or a time-out of libmicrohttpd's --> MHD_run --> answer() --> the next time-out
 *
 * The library is loaded when a port is asked for (library.h).  MHD_run takes what is there and returns, so one turn of the loop serves at most MOST requests.
 */
#include "engine/http.h"

#include <microhttpd.h>
#include <stdlib.h>

#include "base/log.h"
#include "engine/library.h"
#include "engine/listen.h"

#define FUNCTIONS(X)                                                                                                  \
	X(MHD_add_response_header) X(MHD_create_response_from_buffer) X(MHD_destroy_response) X(MHD_get_daemon_info)  \
	X(MHD_get_timeout) X(MHD_queue_response) X(MHD_run) X(MHD_start_daemon) X(MHD_stop_daemon)

static struct {
	FUNCTIONS(LIBRARY_POINTER)
} http;
static const char *const names[] = { FUNCTIONS(LIBRARY_NAME) NULL };

enum { MOST = 32, MOST_OF_ONE = 16, QUIET_SECONDS = 10, CLIENT_BYTES = 16384, LONGEST_MS = 1000 };

struct http {
	struct MHD_Daemon *daemon;
	http_answer_fn *answer;
	void *data;
	uv_poll_t poll;
	uv_timer_t timer;
	int handles; /* not yet closed */
};

static enum MHD_Result reply(struct MHD_Connection *connection, int status, const char *type, const struct buffer *body)
{
	struct MHD_Response *response = http.MHD_create_response_from_buffer(body->len, body->data, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result = MHD_NO;

	if (!response)
		return MHD_NO;
	if (http.MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) &&
	    http.MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"))
		result = http.MHD_queue_response(connection, (unsigned)status, response);
	http.MHD_destroy_response(response);
	return result;
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *path, const char *method,
				  const char *version, const char *upload, size_t *upload_bytes, void **state)
{
	static char begun;
	struct http *h = data;
	struct buffer body = { 0 };
	const char *type = "text/plain; charset=utf-8";
	enum MHD_Result result;
	int status;

	(void)version;
	(void)upload;
	if (!*state) { /* the head alone; what follows it is not wanted, and is read away */
		*state = &begun;
		return MHD_YES;
	}
	if (*upload_bytes) {
		*upload_bytes = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
		buffer_add_text(&body, "only GET and HEAD are answered here\n");
		status = MHD_HTTP_METHOD_NOT_ALLOWED;
	} else {
		status = h->answer(h->data, path, &body, &type);
	}
	result = reply(connection, status, type, &body);
	buffer_release(&body);
	return result;
}

/* ---- on the loop ---- */

static void serve(struct http *h);

static void on_readable(uv_poll_t *handle, int status, int events)
{
	(void)status;
	(void)events;
	serve(handle->data);
}

static void on_timer(uv_timer_t *handle)
{
	serve(handle->data);
}

static void serve(struct http *h)
{
	MHD_UNSIGNED_LONG_LONG ms;

	http.MHD_run(h->daemon);
	if (http.MHD_get_timeout(h->daemon, &ms) == MHD_YES)
		uv_timer_start(&h->timer, on_timer, ms < LONGEST_MS ? ms : LONGEST_MS, 0);
	else
		uv_timer_stop(&h->timer);
}

static void on_log(void *data, const char *format, va_list args)
{
	(void)data;
	(void)format; /* what a client does wrong is its own affair; texts could hold what it sent */
	(void)args;
}

int http_open(uv_loop_t *loop, const char *address, http_answer_fn *answer, void *data, struct http **out, char *bound,
	      struct error *error)
{
	struct sockaddr_storage at;
	int status = listen_resolve(loop, "--http", address, &at, error);
	const union MHD_DaemonInfo *port, *descriptor;
	struct http *h;

	*out = NULL;
	if (!status)
		status = library_load("libmicrohttpd.so.12", "libmicrohttpd12", names, &http, error);
	if (status)
		return status;
	h = mem_zalloc(sizeof(*h));
	h->answer = answer;
	h->data = data;
	h->daemon = http.MHD_start_daemon(MHD_USE_EPOLL | (at.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0), 0, NULL, NULL, on_request, h,
				     MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&at,
				     MHD_OPTION_CONNECTION_LIMIT, (unsigned)MOST,
				     MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)MOST_OF_ONE,
				     MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)QUIET_SECONDS,
				     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CLIENT_BYTES, MHD_OPTION_END);
	port = h->daemon ? http.MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;
	descriptor = h->daemon ? http.MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!port || !descriptor) {
		if (h->daemon)
			http.MHD_stop_daemon(h->daemon);
		free(h);
		return error_set(error, E_CONFIG, "cannot listen on --http '%s': the port is taken, or not ours; choose another", address);
	}
	if (at.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&at)->sin6_port = htons(port->port);
	else
		((struct sockaddr_in *)&at)->sin_port = htons(port->port);
	listen_format(&at, bound);
	uv_poll_init(loop, &h->poll, descriptor->epoll_fd);
	uv_timer_init(loop, &h->timer);
	h->poll.data = h->timer.data = h;
	h->handles = 2;
	uv_poll_start(&h->poll, UV_READABLE, on_readable);
	*out = h;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct http *h = handle->data;

	if (--h->handles == 0) {
		http.MHD_stop_daemon(h->daemon); /* its descriptor is no longer watched */
		free(h);
	}
}

void http_close(struct http *h)
{
	if (!h)
		return;
	uv_close((uv_handle_t *)&h->poll, on_closed);
	uv_close((uv_handle_t *)&h->timer, on_closed);
}
