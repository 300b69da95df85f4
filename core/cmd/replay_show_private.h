/* replay_show_private - between replay_show.c and replay_rows.c only. */
#ifndef VERBATIM_CMD_REPLAY_SHOW_PRIVATE_H
#define VERBATIM_CMD_REPLAY_SHOW_PRIVATE_H

#include "base/option.h"
#include "cmd/replay_show.h"
#include "fold/row_json.h"

/* A column's value as people read it; nothing when it is null. */
void show_column(const struct row *row, const char *name, struct buffer *out);

/* "assigned_agent_id: - -> Bob" */
void show_change(struct show *s, const struct row *before, const struct row *after, const struct column *c,
		 struct buffer *out);

/* "read_model":...,"id":...,"column":...,"from":...,"to":... */
void show_json_change(const struct row *before, const struct row *after, const struct column *c, struct buffer *out);

bool show_is_wrong(const struct show *s, const struct event *e);

#endif
