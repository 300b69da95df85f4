/* status - `verbatim status`: how the engine is, for people and (--json) for machines; exit status 0 only when it is ready. */
#include <stddef.h>
#include <stdio.h>

#include "base/term.h"
#include "base/time.h"
#include "client/client.h"
#include "client/client_json.h"
#include "cmd/command.h"
#include "cmd/engine_address.h"

enum { STATUS_MS = 5000 };

struct status_options {
	struct engine_options engine;
	bool json;
};

static const struct option options[] = {
	{ .name = "json", .kind = OPTION_FLAG, .offset = offsetof(struct status_options, json), .help = "print the engine's answer as JSON" },
	ENGINE_OPTIONS(struct status_options, engine),
	{ .name = NULL },
};

static const msgpack_object *list_of(const msgpack_object *map, const char *key, uint32_t *count)
{
	const msgpack_object *list = client_member(map, key);

	*count = list && list->type == MSGPACK_OBJECT_ARRAY ? list->via.array.size : 0;
	return *count ? list->via.array.ptr : NULL;
}

/* What is as it should be needs no colour. */
static enum term_style state_style(struct bytes state)
{
	static const char *const calm[] = { "live", "ready", "ok", "idle", "connected", "appending", "running", "catching_up", "committing" };

	for (size_t i = 0; i < sizeof(calm) / sizeof(calm[0]); i++)
		if (bytes_is(state, calm[i]))
			return STYLE_PLAIN;
	return STYLE_YELLOW;
}

static void print_shards(const msgpack_object *map, struct buffer *out, int width, bool colour)
{
	uint32_t count;
	const msgpack_object *shards = list_of(map, "shard_list", &count);
	struct table t;
	char text[HUMAN_TEXT];

	if (!count)
		return;
	table_init(&t, 5, (const char *const[]){ ">shard", ">events", "state", ">waiting", "error" });
	for (uint32_t i = 0; i < count; i++) {
		struct bytes state = client_text(&shards[i], "state"), error = client_text(&shards[i], "error");
		int64_t waiting = client_int(&shards[i], "waiting_events", 0);

		table_cell(&t, "%lld", (long long)client_int(&shards[i], "shard", 0));
		table_cell(&t, "%s", human_count(client_int(&shards[i], "position", 0), text));
		table_cell_style(&t, state_style(state), "%.*s", (int)state.len, state.data ? state.data : "");
		table_cell(&t, "%s", human_count(waiting, text));
		table_cell_style(&t, STYLE_RED, "%.*s", (int)error.len, error.data ? error.data : "");
	}
	table_print(&t, out, width, colour);
	table_release(&t);
	buffer_add_byte(out, '\n');
}

static void print_groups(const msgpack_object *map, struct buffer *out, int width, bool colour)
{
	uint32_t count;
	const msgpack_object *groups = list_of(map, "groups", &count);
	struct table t;
	char text[HUMAN_TEXT];

	if (!count)
		return;
	buffer_add_text(out, "read models of this engine, with anomalies since start:\n");
	table_init(&t, 7, (const char *const[]){ "read models", ">shard", ">position", ">behind", "state", ">anomalies", "error" });
	for (uint32_t i = 0; i < count; i++) {
		struct bytes name = client_text(&groups[i], "group"), state = client_text(&groups[i], "state");
		struct bytes error = client_text(&groups[i], "error"), pace = client_text(&groups[i], "pace");
		bool slowed = pace.len && !bytes_is(pace, "freely"); /* appends come first */
		int64_t lag = client_int(&groups[i], "lag", 0), anomalies = client_int(&groups[i], "anomalies", 0);

		table_cell(&t, "%.*s", (int)name.len, name.data ? name.data : "");
		table_cell(&t, "%lld", (long long)client_int(&groups[i], "shard", 0));
		table_cell(&t, "%s", human_count(client_int(&groups[i], "position", 0), text));
		table_cell_style(&t, lag > 10000 ? STYLE_YELLOW : STYLE_PLAIN, "%s", human_count(lag, text));
		table_cell_style(&t, error.len ? STYLE_RED : state_style(state), "%.*s%s%.*s", (int)state.len, state.data ? state.data : "",
				 slowed ? ", " : "", slowed ? (int)pace.len : 0, pace.data ? pace.data : "");
		table_cell(&t, "%s", human_count(anomalies, text));
		table_cell_style(&t, STYLE_RED, "%.*s", (int)error.len, error.data ? error.data : "");
	}
	table_print(&t, out, width, colour);
	table_release(&t);
}

/* Only when there is more to tell than that each group has one. */
static void print_generations(const msgpack_object *map, struct buffer *out, int width, bool colour)
{
	uint32_t count, others = 0;
	const msgpack_object *list = list_of(map, "generations", &count);
	struct table t;
	char text[HUMAN_TEXT];

	for (uint32_t i = 0; i < count; i++)
		others += !bytes_is(client_text(&list[i], "state"), "answering");
	if (!others)
		return;
	buffer_add_byte(out, '\n');
	table_init(&t, 7, (const char *const[]){ "read models", ">generation", "state", ">position", ">behind", ">events/s", ">left" });
	for (uint32_t i = 0; i < count; i++) {
		struct bytes name = client_text(&list[i], "group"), state = client_text(&list[i], "state");
		int64_t position = client_int(&list[i], "position", 0), head = client_int(&list[i], "head", 0);
		int64_t left_ms = client_int(&list[i], "left_ms", -1);
		bool moves = bytes_is(state, "catching_up");

		table_cell(&t, "%.*s", (int)name.len, name.data ? name.data : "");
		table_cell(&t, "%lld", (long long)client_int(&list[i], "generation", 0));
		table_cell_style(&t, moves ? STYLE_YELLOW : STYLE_PLAIN, "%.*s", (int)state.len, state.data ? state.data : "");
		table_cell(&t, "%s", human_count(position, text));
		table_cell(&t, "%s", human_count(head > position ? head - position : 0, text));
		table_cell(&t, "%s", moves ? human_count(client_int(&list[i], "rate", 0), text) : "");
		table_cell(&t, "%s", moves && left_ms >= 0 ? human_duration(left_ms * 1000, text) : "");
	}
	table_print(&t, out, width, colour);
	table_release(&t);
}

/* What is folded anew, by a process of its own. */
static void print_rebuilds(const msgpack_object *map, struct buffer *out, int width, bool colour)
{
	uint32_t count;
	const msgpack_object *list = list_of(map, "rebuilds", &count);
	struct table t;
	char text[HUMAN_TEXT];

	if (!count)
		return;
	buffer_add_byte(out, '\n');
	table_init(&t, 8, (const char *const[]){ ">rebuild", ">read models", "state", "step", ">done", ">%", ">a second", ">left of it" });
	for (uint32_t i = 0; i < count; i++) {
		struct bytes state = client_text(&list[i], "state"), step = client_text(&list[i], "step");
		int64_t left_ms = client_int(&list[i], "left_ms", -1);
		bool runs = bytes_is(state, "running");

		table_cell(&t, "%lld", (long long)client_int(&list[i], "rebuild", 0));
		table_cell(&t, "%lld", (long long)client_int(&list[i], "read_models", 0));
		table_cell_style(&t, runs ? STYLE_PLAIN : STYLE_YELLOW, "%.*s", (int)state.len, state.data ? state.data : "");
		table_cell(&t, "%.*s", (int)step.len, step.data ? step.data : "");
		table_cell(&t, "%s", human_count(client_int(&list[i], "done", 0), text));
		table_cell(&t, "%lld", (long long)client_int(&list[i], "percent", 0));
		table_cell(&t, "%s", runs ? human_count(client_int(&list[i], "rate", 0), text) : "");
		table_cell(&t, "%s", runs && left_ms >= 0 ? human_duration(left_ms * 1000, text) : "");
	}
	table_print(&t, out, width, colour);
	table_release(&t);
}

static void print_timers(const msgpack_object *map, struct buffer *out, int width, bool colour)
{
	uint32_t count;
	const msgpack_object *timers = list_of(map, "timers", &count);
	struct table t;
	char text[HUMAN_TEXT];

	if (!count)
		return;
	table_init(&t, 9, (const char *const[]){ "shard", "SLA clocks", ">next in", ">warned", ">broken", ">past", ">late by", ">at most", "error" });
	for (uint32_t i = 0; i < count; i++) {
		struct bytes state = client_text(&timers[i], "state"), next = client_text(&timers[i], "next");
		struct bytes error = client_text(&timers[i], "error");
		int64_t at = TIME_NONE, left = next.len && time_parse(next.data, next.len, &at) ? at - time_wall() : 0;
		int64_t warnings = client_int(&timers[i], "warnings", 0), breaches = client_int(&timers[i], "breaches", 0);
		int64_t past = client_int(&timers[i], "past", 0);
		bool timely = warnings + breaches > past;

		table_cell(&t, "%lld", (long long)client_int(&timers[i], "shard", 0));
		table_cell(&t, "%.*s", (int)state.len, state.data ? state.data : "");
		table_cell(&t, "%s", next.len ? human_duration(left > 0 ? left : 0, text) : "");
		table_cell(&t, "%s", human_count(warnings, text));
		table_cell(&t, "%s", human_count(breaches, text));
		table_cell(&t, "%s", human_count(past, text));
		table_cell(&t, "%s", timely ? human_duration(client_int(&timers[i], "late_ms", 0) * 1000, text) : "");
		table_cell(&t, "%s", timely ? human_duration(client_int(&timers[i], "late_most_ms", 0) * 1000, text) : "");
		table_cell_style(&t, STYLE_RED, "%.*s", (int)error.len, error.data ? error.data : "");
	}
	buffer_add_byte(out, '\n');
	table_print(&t, out, width, colour);
	table_release(&t);
}

static void print_checkpoints(const msgpack_object *map, struct buffer *out, int width, bool colour)
{
	const msgpack_object *all = client_member(map, "checkpoints"), *shards;
	struct bytes fingerprint = client_text(all, "fingerprint"), trouble = client_text(all, "error");
	struct table t;
	uint32_t count;

	shards = fingerprint.len ? list_of(all, "shards", &count) : NULL;
	if (!fingerprint.len)
		return;
	buffer_printf(out, "\ncheckpoints signed by the key with fingerprint %.*s\n", (int)fingerprint.len, fingerprint.data);
	if (trouble.len)
		buffer_printf(out, "%s%.*s%s\n", term_style(STYLE_RED, colour), (int)trouble.len, trouble.data, term_style(STYLE_PLAIN, colour));
	table_init(&t, 4, (const char *const[]){ ">shard", ">signed up to", ">ago", "error" });
	for (uint32_t i = 0; shards && i < count; i++) {
		struct bytes when = client_text(&shards[i], "signed_at"), error = client_text(&shards[i], "error");
		int64_t at, ago = when.len && time_parse(when.data, when.len, &at) ? time_wall() - at : -1;
		char text[HUMAN_TEXT];

		table_cell(&t, "%lld", (long long)client_int(&shards[i], "shard", 0));
		table_cell(&t, "%s", human_count(client_int(&shards[i], "size", 0), text));
		table_cell(&t, "%s", ago >= 0 ? human_duration(ago / TIME_SECOND * TIME_SECOND, text) : "");
		table_cell_style(&t, STYLE_RED, "%.*s", (int)error.len, error.data ? error.data : "");
	}
	table_print(&t, out, width, colour);
	table_release(&t);
}

static void print_check(const msgpack_object *map, struct buffer *out, bool colour)
{
	const msgpack_object *check = client_member(map, "check");
	struct bytes at, error, differing;
	int64_t differences;

	if (!check || check->type != MSGPACK_OBJECT_MAP)
		return;
	at = client_text(check, "at");
	error = client_text(check, "error");
	differing = client_text(check, "differing");
	differences = client_int(check, "differences", 0);
	if (!at.len)
		buffer_add_text(out, "\nthe read models were not compared with the log yet\n");
	else if (error.len)
		buffer_printf(out, "\n%sthe read models could not be compared with the log: %.*s%s\n", term_style(STYLE_RED, colour), (int)error.len,
			      error.data, term_style(STYLE_PLAIN, colour));
	else if (differences)
		buffer_printf(out, "\n%s%lld rows are not what the log says (%.*s), as of %.*s%s\n", term_style(STYLE_RED, colour),
			      (long long)differences, (int)differing.len, differing.data, (int)at.len, at.data, term_style(STYLE_PLAIN, colour));
	else
		buffer_printf(out, "\nthe read models hold what the log says, as of %.*s\n", (int)at.len, at.data);
}

/* What a key that may not see all is told. */
static void print_own(const msgpack_object *map, const char *address, struct buffer *out)
{
	bool colour = term_has_colour(stdout), ready = client_bool(map, "ready");
	struct bytes version = client_text(map, "version"), log_id = client_text(map, "log_id");

	buffer_printf(out, "%s%s%s at %s\n", term_style(ready ? STYLE_GREEN : STYLE_RED, colour), ready ? "ready" : "not ready",
		      term_style(STYLE_PLAIN, colour), address);
	buffer_printf(out, "verbatim %.*s, log %.*s, epoch %lld\n", (int)version.len, version.data ? version.data : "", (int)log_id.len,
		      log_id.data ? log_id.data : "", (long long)client_int(map, "epoch", 0));
	if (client_member(map, "shard"))
		buffer_printf(out, "the tenant's shard %lld: %lld events, of which %lld are not in the read models yet\n",
			      (long long)client_int(map, "shard", 0), (long long)client_int(map, "position", 0), (long long)client_int(map, "lag", 0));
}

static void print_status(const msgpack_object *map, const char *address, struct buffer *out)
{
	bool colour = term_has_colour(stdout), ready = client_bool(map, "ready");
	int width = term_width(stdout);
	struct bytes version = client_text(map, "version"), log_id = client_text(map, "log_id");
	struct bytes database = client_text(map, "database"), error = client_text(map, "error");
	char a[HUMAN_TEXT], b[HUMAN_TEXT];

	buffer_printf(out, "%s%s%s at %s, up %s\n", term_style(ready ? STYLE_GREEN : STYLE_RED, colour), ready ? "ready" : "not ready",
		      term_style(STYLE_PLAIN, colour), address, human_duration(client_int(map, "uptime_ms", 0) * 1000, a));
	buffer_printf(out, "verbatim %.*s, log %.*s, epoch %lld, %lld shards, database %s%.*s%s\n", (int)version.len,
		      version.data ? version.data : "", (int)log_id.len, log_id.data ? log_id.data : "", (long long)client_int(map, "epoch", 0),
		      (long long)client_int(map, "shards", 0), term_style(state_style(database), colour), (int)database.len,
		      database.data ? database.data : "", term_style(STYLE_PLAIN, colour));
	if (error.len)
		buffer_printf(out, "%s%.*s%s\n", term_style(STYLE_RED, colour), (int)error.len, error.data, term_style(STYLE_PLAIN, colour));
	buffer_add_byte(out, '\n');
	buffer_printf(out, "since its start: %s events", human_count(client_int(map, "appended_events", 0), a));
	buffer_printf(out, " in %s commits", human_count(client_int(map, "appended_batches", 0), a));
	buffer_printf(out, ", %s duplicates, %s requests refused", human_count(client_int(map, "duplicates", 0), a),
		      human_count(client_int(map, "refused", 0), b));
	buffer_printf(out, "; %s events journaled by itself\n", human_count(client_int(map, "journaled_events", 0), a));
	buffer_printf(out, "now: %s connections, %s under way", human_count(client_int(map, "connections", 0), a),
		      human_bytes(client_int(map, "inflight_bytes", 0), b));
	buffer_printf(out, ", %s of memory\n\n", human_bytes(client_int(map, "memory_bytes", 0), a));
	print_shards(map, out, width, colour);
	print_groups(map, out, width, colour);
	print_generations(map, out, width, colour);
	print_rebuilds(map, out, width, colour);
	print_timers(map, out, width, colour);
	print_checkpoints(map, out, width, colour);
	print_check(map, out, colour);
}

static int run(const struct arguments *args, struct error *error)
{
	static const char no_params[] = { (char)0x90 };
	const struct status_options *o = args->options;
	struct engine_address engine;
	struct client *client;
	msgpack_object result;
	struct buffer out = { 0 };
	int code;

	if (args->count)
		return error_set(error, E_USAGE, "status takes no words; did you mean --data %s?", args->words[0]);
	code = engine_find(&o->engine, &engine, error);
	if (!code) {
		client = client_new(&(struct client_options){ .addresses = engine.addresses, .key = engine.key, .tls = engine.tls, .name = "verbatim status" });
		code = client_open(client, error);
		if (!code)
			code = client_call(client, "status", bytes_of(no_params, 1), STATUS_MS, &result, error);
		if (!code) {
			if (o->json) {
				client_json(&result, &out);
				buffer_add_byte(&out, '\n');
			} else {
				(client_member(&result, "pid") ? print_status : print_own)(&result, client_address(client), &out);
				if (engine.target.others)
					buffer_printf(&out, "\nmore engines of this database run here: %s\n", engine.target.others);
			}
			if (!client_bool(&result, "ready")) {
				struct bytes why = client_text(&result, "error");

				code = error_set(error, E_NOT_READY, "the engine at %s is not ready%s%.*s", client_address(client),
						 why.len ? ": " : "", (int)why.len, why.len ? why.data : "");
			}
		}
		client_free(client);
		engine_release(&engine);
	}
	if (code && o->json && !out.len) {
		buffer_add_text(&out, "{\"ready\":false,\"error\":");
		client_json_text(bytes_text(error->message), &out);
		buffer_add_text(&out, "}\n");
	}
	fwrite(out.data ? out.data : "", 1, out.len, stdout);
	buffer_release(&out);
	/* Whatever kept it from answering, to who asks it is not ready. */
	if (code && error_get(code)->class == CLASS_RETRY)
		error->code = code = E_NOT_READY;
	return code;
}

const struct command status_command = {
	.name = "status",
	.usage = "status [OPTION]...",
	.brief = "show how an engine is",
	.help = "Asks the running engine over its own protocol: shards and their events, read models and how far they are behind, the SLA clocks' "
		"next instants, connections, memory. Events, duplicates, refusals and anomalies are counted since the engine's start; "
		"core.anomalies has them all. What the engine journals itself (broken promises, say) is counted apart; \"late by\" is how "
		"soon after its instant the last one was, \"at most\" the latest, without those that were \"past\" when they became known. The exit "
		"status is 0 only when the engine is ready.\n"
		"\n"
		"  verbatim status\n"
		"  verbatim status --to engine:7411 --api-key-file status.key --json",
	.options = options, .options_bytes = sizeof(struct status_options), .run = run,
};
