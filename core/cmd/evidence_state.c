/* evidence_state - see evidence_state.h. */
#include "cmd/evidence_state.h"

#include <stdio.h>
#include <stdlib.h>

#include "cmd/replay.h"
#include "cmd/replay_show.h"

enum { EVENTS_MOST = 1000000 };

static void add_head(const struct checkpoint *c, const char *zones, FILE *file)
{
	struct buffer head = { 0 };
	char log_id[UUID_TEXT];

	buffer_printf(&head, "{\"kind\":\"state\",\"log_id\":\"%s\",\"epoch\":%d,\"shard\":%d,\"position\":%lld,\"versions\":",
		      uuid_format(&c->log_id, log_id), c->epoch, c->shard, (long long)c->size);
	replay_versions(zones, &head);
	buffer_add_text(&head, "}\n");
	fwrite(head.data, 1, head.len, file);
	buffer_release(&head);
}

static int add_rows(struct track *track, const struct scope *scope, FILE *file, struct error *error)
{
	struct out rows = { .format = OUT_NDJSON, .file = file };
	struct show show = { .track = track, .out = &rows };
	int status = 0;

	for (int i = 0; i < scope->count && !status; i++)
		status = track_fold(track, scope->events[i], error);
	if (!status)
		show_rows(&show);
	buffer_release(&rows.scratch);
	return status;
}

void evidence_state_begin(struct evidence_state *s)
{
	catalog_init();
	*s = (struct evidence_state){ .zones = zones_new() };
}

int evidence_find(struct pg_conn *conn, const struct checkpoint *checkpoint, const struct uuid *tenant_id,
		  const struct uuid *conversation_id, struct evidence_state *s, struct error *error)
{
	struct find_limits limits = { .position = checkpoint->size, .recorded_at = TIME_MAX, .events = EVENTS_MOST };
	struct log_place place;
	struct log_find *log;
	int status;

	s->subject = (struct subject){ .kind = SUBJECT_CONVERSATION, .tenant_id = *tenant_id, .id = *conversation_id };
	status = zones_ready(s->zones, error);
	if (status)
		return status;
	status = log_find_on(conn, checkpoint->shard, checkpoint->size, &log, &place, error);
	if (!status && place.position) /* nothing up to there was recorded later, and months after it need no look */
		limits.recorded_at = place.recorded_at;
	s->head_at = place.head_at;
	if (!status)
		status = scope_gather(&s->scope, log, &s->subject, &limits, zones_source(s->zones), error);
	log_find_close(log);
	return status;
}

void evidence_state_release(struct evidence_state *s)
{
	scope_release(&s->scope);
	zones_free(s->zones);
	*s = (struct evidence_state){ 0 };
}

bool evidence_has(const struct evidence_state *s, const struct event *e)
{
	return uuid_equal(&e->conversation_id, &s->subject.id);
}

int evidence_rows(struct evidence_state *s, const struct checkpoint *checkpoint, struct buffer *out, struct error *error)
{
	struct track track;
	char *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);
	int status;

	if (!file)
		return error_set(error, E_NO_MEMORY, "no memory for the replayed state");
	add_head(checkpoint, zones_version(s->zones), file);
	track_init(&track, &s->subject, zones_source(s->zones));
	status = add_rows(&track, &s->scope, file, error);
	track_release(&track);
	fclose(file);
	if (!status)
		buffer_add(out, text, len);
	free(text);
	return status;
}
