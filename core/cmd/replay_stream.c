/*
 * replay_stream - the log itself, in order of position, as fast as it can be read: shard after shard, each from one
 * moment to another, of one tenant or of all, of some types or of all.
 *
 * Every event that is read is verified, also those that are not shown: positions without a gap, and content that gives
 * its leaf.
 */
#include <stdlib.h>
#include <string.h>

#include "base/term.h"
#include "cmd/interrupt.h"
#include "cmd/replay.h"
#include "cmd/replay_verify.h"
#include "event/envelope.h"
#include "store/log_copy.h"

enum { CHUNK = 256 << 10 };

static const char *const columns[] = {
	"shard", "position", "recorded_at", "occurred_at", "tenant_id", "event_type", "event_version", "entity_type", "entity_id",
	"conversation_id", "customer_id", "resolution_id", "actor_type", "actor_id", "correlation_id", "causation_id", "event_id", "silent",
	"payload", "leaf_hash", NULL,
};

struct range {
	int16_t shard;
	int64_t after, upto;
};

struct stream {
	const struct replay_options *options;
	const struct uuid *tenant;
	struct log_copy *log;
	struct log_copy_source source;
	struct out *out;
	struct verify verify;
	struct event *wrong; /* copies: blocks are not kept */
	struct buffer text;
	struct progress progress;
	int64_t read, shown;
};

static int bounds(struct stream *s, int16_t shard, const struct moment *from, const struct moment *until,
		  struct range *r, struct error *error)
{
	int64_t head;
	int status = log_copy_head(s->log, shard, &head, NULL, NULL, error);

	*r = (struct range){ shard, 0, head };
	if (!status && from->given && from->position > 0)
		r->after = from->position - 1;
	else if (!status && from->given) /* the instant itself counts */
		status = log_copy_position_at(s->log, shard, from->time - 1, &r->after, error);
	if (!status && until->given && until->position > 0)
		r->upto = until->position < head ? until->position : head;
	else if (!status && until->given)
		status = log_copy_position_at(s->log, shard, until->time, &r->upto, error);
	return status;
}

/* A wrong event outlives its block as far as it is named later. */
static void keep_wrong(struct stream *s)
{
	int last = s->verify.wrong_count - 1;

	if (!s->wrong)
		s->wrong = mem_alloc(sizeof(*s->wrong) * VERIFY_WRONG_MOST);
	if (last < 0 || s->verify.wrong[last] == &s->wrong[last])
		return;
	s->wrong[last] = *s->verify.wrong[last];
	s->verify.wrong[last] = &s->wrong[last];
}

static void flush(struct stream *s)
{
	fwrite(s->text.data, 1, s->text.len, s->out->file);
	buffer_reset(&s->text);
}

static void show(struct stream *s, const struct event *e)
{
	s->shown++;
	if (s->out->format == OUT_NDJSON) { /* the way that counts */
		envelope_to_json(e, &s->text);
		buffer_add_byte(&s->text, '\n');
		if (s->text.len >= CHUNK)
			flush(s);
		return;
	}
	buffer_reset(&s->text);
	envelope_to_json(e, &s->text);
	out_object(s->out, buffer_bytes(&s->text), true);
	buffer_reset(&s->text);
}

static int copy_range(struct stream *s, const struct range *r, struct error *error)
{
	struct event *events;
	int count, status = log_copy_begin(s->log, r->shard, r->after, r->upto, error);

	while (!status && !interrupted && !ferror(s->out->file)) { /* nobody reads on: neither do we */
		status = log_copy_next(s->log, &events, &count, error);
		if (status || count == 0)
			break;
		for (int i = 0; i < count; i++) {
			if (!verify_event(&s->verify, &events[i], &s->source.log_id))
				keep_wrong(s);
			if (s->tenant && !uuid_equal(&events[i].tenant_id, s->tenant))
				continue;
			if (type_fits(&s->options->types, events[i].type_name))
				show(s, &events[i]);
		}
		s->read += count;
		progress_update(&s->progress, s->read, NULL);
	}
	if (!status && interrupted)
		status = error_set(error, E_INTERRUPTED, "stopped by a signal amid shard %d; what was written is "
				   "whole lines", r->shard);
	return status;
}

static void head(struct stream *s, const struct range *ranges, int count)
{
	char log_id[UUID_TEXT], tenant[UUID_TEXT];
	struct buffer out = { 0 };

	buffer_printf(&out, "{\"kind\":\"replay\",\"log_id\":\"%s\",\"tenant_id\":", uuid_format(&s->source.log_id, log_id));
	if (s->tenant)
		buffer_printf(&out, "\"%s\"", uuid_format(s->tenant, tenant));
	else
		buffer_add_text(&out, "null");
	buffer_add_text(&out, ",\"shards\":[");
	for (int i = 0; i < count; i++)
		buffer_printf(&out, "%s{\"shard\":%d,\"first\":%lld,\"last\":%lld}", i ? "," : "", ranges[i].shard,
			      (long long)ranges[i].after + 1,
			      (long long)ranges[i].upto);
	buffer_add_text(&out, "],\"versions\":");
	replay_versions(NULL, &out);
	buffer_add_byte(&out, '}');
	out_object(s->out, buffer_bytes(&out), false);
	buffer_release(&out);
}

static void tail(struct stream *s)
{
	struct buffer out = { 0 };

	buffer_printf(&out, "{\"kind\":\"end\",\"read\":%lld,\"events\":%lld,", (long long)s->read, (long long)s->shown);
	verify_json(&s->verify, &out);
	buffer_add_byte(&out, '}');
	out_object(s->out, buffer_bytes(&out), false);
	buffer_release(&out);
}

/* The shards that were asked for, and how much there is in them. */
static int find_ranges(struct stream *s, struct range *ranges, int *count, int64_t *total, struct error *error)
{
	int first = s->tenant ? event_shard(s->tenant, s->source.shards) : 0, last = s->tenant ? first : s->source.shards;
	struct moment from, until;
	int status = moment_parse("from", s->options->from, &from, error);

	if (!status)
		status = moment_parse("until", s->options->until, &until, error);
	*count = 0;
	*total = 0;
	for (int shard = first; shard <= last && !status; shard++) {
		struct range *r = &ranges[*count];

		status = bounds(s, (int16_t)shard, &from, &until, r, error);
		if (r->upto < r->after)
			r->upto = r->after;
		*total += r->upto - r->after;
		++*count;
	}
	return status;
}

int replay_stream(const struct replay_options *o, const char *conninfo, const struct uuid *tenant, struct out *out,
		  struct error *error)
{
	struct stream s = { .options = o, .tenant = uuid_is_nil(tenant) ? NULL : tenant, .out = out };
	struct range *ranges = mem_alloc(sizeof(*ranges) * 256);
	bool watched = term_is_terminal(stderr) && !(out->file == stdout && term_is_terminal(stdout));
	int64_t total;
	int count = 0, status;

	out->columns = columns;
	s.verify.gapless = true;
	status = log_copy_open(conninfo, NULL, "verbatim replay", &s.log, &s.source, error);
	if (!status)
		status = find_ranges(&s, ranges, &count, &total, error);
	if (!status) {
		head(&s, ranges, count);
		progress_start(&s.progress, watched ? stderr : NULL, "replay", "events", total);
		for (int i = 0; i < count && !status; i++)
			status = copy_range(&s, &ranges[i], error);
		flush(&s);
		progress_stop(&s.progress);
		if (!status)
			tail(&s);
		if (!status)
			status = verify_outcome(&s.verify, error);
	}
	log_copy_close(s.log);
	buffer_release(&s.text);
	verify_release(&s.verify);
	free(s.wrong);
	free(ranges);
	return status;
}
