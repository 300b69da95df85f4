/* The client against a server that answers by heart: a child that speaks MessagePack-RPC in bytes written down here. */
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "client/client.h"
#include "client/client_json.h"
#include "client/dial.h"
#include "tap.h"

#define HELLO_ANSWER                                                                          \
	"\x94\x01\x00\xc0\x84\xa7" "version\x01\xa6" "log_id\xc4\x10" "0123456789abcdef"      \
	"\xa5" "epoch\x03\xa6" "limits\x81\xab" "frame_bytes\xce\x00\x40\x00\x00"

static char path[100], address[120];
static pid_t server;

/* Serves one connection: waits for `wait` bytes before each piece, then sends it in chunks of `chunk` bytes. */
struct piece {
	size_t wait;
	const char *bytes;
	size_t len;
};

static void serve(int listener, const struct piece *pieces, size_t chunk)
{
	char got[65536];
	int fd = accept(listener, NULL, NULL);

	for (; pieces->bytes; pieces++) {
		size_t have = 0;

		while (have < pieces->wait) {
			ssize_t n = read(fd, got, pieces->wait - have < sizeof(got) ? pieces->wait - have : sizeof(got));

			if (n <= 0)
				_exit(1);
			have += (size_t)n;
		}
		for (size_t at = 0; at < pieces->len; at += chunk)
			if (write(fd, pieces->bytes + at, pieces->len - at < chunk ? pieces->len - at : chunk) < 0)
				_exit(1);
	}
	close(fd);
	_exit(0);
}

static struct client *start(const struct piece *pieces, size_t chunk)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	unlink(path);
	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	if (bind(listener, (struct sockaddr *)&name, sizeof(name)) != 0 || listen(listener, 5) != 0)
		perror("listen");
	fflush(stdout);
	server = fork();
	if (server == 0)
		serve(listener, pieces, chunk);
	close(listener);
	return client_new(&(struct client_options){ .addresses = address, .name = "t", .connect_ms = 2000 });
}

static void stop(struct client *c)
{
	client_free(c);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

enum { HELLO_BYTES = 9 + 5 + 1 + 1 + 1 + 2 }; /* head, "hello", array of 3, 1, "", "t" */

static void test_answers(void)
{
	static const char three[] = "\x94\x01\x02\xc0\xa3two"                                /* out of order */
				    "\x94\x01\x01\xc0\x81\xa1k\xff"
				    "\x94\x01\x03\x84\xa4" "code\xa7" "invalid\xa5" "class\xa6" "caller\xa5" "index\x07\xa5" "field\xa9"
				    "payload.x\xc0";
	const struct piece pieces[] = { { HELLO_BYTES, HELLO_ANSWER, sizeof(HELLO_ANSWER) - 1 }, { 3 * 14, three, sizeof(three) - 1 }, { 0, NULL, 0 } };

	for (size_t chunk = 1; chunk < 2000; chunk = chunk * 5 + 1) {
		struct client *c = start(pieces, chunk);
		struct client_answer answer;
		struct error error;
		uint32_t id[3];
		bool good;

		good = client_open(c, &error) == 0;
		ok(good, "hello in chunks of %zu bytes", chunk);
		is_int(client_get_log(c)->epoch, 3, "the epoch is read");
		is_int(client_get_log(c)->frame_bytes, 4 << 20, "a limit is read");
		for (int i = 0; i < 3 && good; i++)
			good = client_send(c, "ping", bytes_of("\x90", 1), &id[i], &error) == 0;
		ok(good && id[0] == 1 && id[1] == 2 && id[2] == 3, "three requests are under way");
		ok(client_poll(c, 2000, &answer, &error) == 1 && answer.msgid == 2 && answer.result.type == MSGPACK_OBJECT_STR, "answers come in the server's order");
		ok(client_poll(c, 2000, &answer, &error) == 1 && answer.msgid == 1 && client_int(&answer.result, "k", 0) == -1, "each with its msgid");
		ok(client_poll(c, 2000, &answer, &error) == 1 && answer.error.code == E_INVALID && answer.error.index == 7, "an error has code and index");
		is_text(answer.error.field, "payload.x", "and field");
		is_int(client_poll(c, 2000, &answer, &error), E_UNAVAILABLE, "the end of the connection is told");
		ok(!client_is_open(c), "once");
		is_int(client_send(c, "ping", bytes_of("\x90", 1), &id[0], &error), E_UNAVAILABLE, "nothing is sent after it");
		stop(c);
	}
}

static void test_bad_peers(void)
{
	static const struct {
		const char *name, *bytes;
		size_t len;
		int code;
	} cases[] = {
		{ "HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", 28, E_PROTOCOL },
		{ "a byte that MessagePack does not have", "\xc1", 1, E_PROTOCOL },
		{ "a claim of four billion elements", "\xdd\xff\xff\xff\xff\x00", 6, E_PROTOCOL },
		{ "an array of another kind", "\x93\x01\x00\xc0", 4, E_PROTOCOL },
		{ "a closed door", "", 0, E_UNAVAILABLE },
		{ "a refused token", "\x94\x01\x00\x82\xa4" "code\xac" "unauthorized\xa5" "class\xa6" "caller\xc0", 37, E_UNAUTHORIZED },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct piece pieces[] = { { HELLO_BYTES, cases[i].bytes, cases[i].len }, { 0, NULL, 0 } };
		struct client *c = start(pieces, 1000);
		struct error error;

		is_int(client_open(c, &error), cases[i].code, cases[i].name);
		stop(c);
	}
}

static void test_silence(void)
{
	const struct piece pieces[] = { { HELLO_BYTES, HELLO_ANSWER, sizeof(HELLO_ANSWER) - 1 }, { 100000, "", 0 }, { 0, NULL, 0 } };
	struct client *c = start(pieces, 1000);
	struct client_answer answer;
	msgpack_object result;
	struct error error;
	int64_t before;

	is_int(client_open(c, &error), 0, "a server that then says nothing");
	before = time_monotonic();
	is_int(client_poll(c, 50, &answer, &error), 0, "polling ends at its time");
	ok(time_monotonic() - before >= 49000, "not before");
	is_int(client_call(c, "status", bytes_of("\x90", 1), 50, &result, &error), E_TIMEOUT, "a call too");
	ok(!client_is_open(c), "and closes: its answer may still come");
	stop(c);
}

static void test_full_buffer(void)
{
	const struct piece pieces[] = { { HELLO_BYTES, HELLO_ANSWER, sizeof(HELLO_ANSWER) - 1 }, { 1, "", 0 }, { 0, NULL, 0 } };
	struct client_options options = { .addresses = address, .name = "t", .out_bytes = 64 << 10, .corked = true };
	struct client *c = start(pieces, 1000);
	char *params = mem_zalloc(40 << 10);
	struct error error;
	uint32_t id;

	client_free(c);
	c = client_new(&options);
	is_int(client_open(c, &error), 0, "a small output buffer");
	kill(server, SIGSTOP);
	id = 0;
	for (int i = 0; i < 1000; i++)
		if (client_send(c, "x", bytes_of(params, 40 << 10), &id, &error) == E_OVERLOADED)
			break;
	ok(error.code == E_OVERLOADED && client_unsent(c) <= (64 << 10), "refuses, and does not grow: %zu bytes", client_unsent(c));
	kill(server, SIGCONT);
	free(params);
	stop(c);
}

static void test_addresses(void)
{
	const struct piece pieces[] = { { HELLO_BYTES, HELLO_ANSWER, sizeof(HELLO_ANSWER) - 1 }, { 0, NULL, 0 } };
	static const char *const good[] = { "127.0.0.1:7411", "localhost:1", "[::1]:7411", ":7411", "unix:/run/x" };
	static const char *const bad[] = { "", "localhost", "7411", "host:", "host:port", "unix:" };
	struct client *c = start(pieces, 1000);
	struct error error;
	char list[300];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(dial_check(bytes_text(good[i]), &error) == 0, "%s is an address", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(dial_check(bytes_text(bad[i]), &error) == E_CONFIG, "'%s' is none", bad[i]);
	client_free(c);
	snprintf(list, sizeof(list), "unix:%s.gone, %s", path, address);
	c = client_new(&(struct client_options){ .addresses = list, .name = "t" });
	is_int(client_open(c, &error), 0, "the second address of a list is tried");
	is_text(client_address(c), address, "and named");
	stop(c);
}

static void test_backoff(void)
{
	struct random random;
	bool bounded = true;

	random_seed(&random, 1);
	for (int i = 1; i < 100; i++) {
		int ms = client_backoff_ms(i, &random);

		bounded = bounded && ms >= 25 && ms <= 3000;
	}
	ok(bounded, "back-off stays between 25 ms and 3 s");
	ok(client_backoff_ms(1, &random) <= 50 && client_backoff_ms(50, &random) >= 1500, "and grows");
}

static void test_json(void)
{
	static const char packed[] = "\x85\xa1" "a\xc3\xa1" "b\xd1\xff\x00\xa1" "c\x92\xc0\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00\xa1" "d\xc4\x02\x01\xff\x07\xa2" "\"\n";
	msgpack_unpacked u;
	struct buffer out = { 0 };

	msgpack_unpacked_init(&u);
	if (msgpack_unpack_next(&u, packed, sizeof(packed) - 1, NULL) == MSGPACK_UNPACK_SUCCESS)
		client_json(&u.data, &out);
	is_text(buffer_text(&out), "{\"a\":true,\"b\":-256,\"c\":[null,0.5],\"d\":\"01ff\",\"7\":\"\\\"\\u000a\"}", "an answer as JSON");
	msgpack_unpacked_destroy(&u);
	buffer_release(&out);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	snprintf(path, sizeof(path), "/tmp/verbatim-client-%ld", (long)getpid());
	snprintf(address, sizeof(address), "unix:%s", path);
	test_answers();
	test_bad_peers();
	test_silence();
	test_full_buffer();
	test_addresses();
	test_backoff();
	test_json();
	unlink(path);
	return tap_done();
}
