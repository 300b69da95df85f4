/* generator_line - see generator_line.h. */
#include "cmd/generator_line.h"

#include "base/time.h"

enum { LINE_ROOM = 1024 }; /* more than an envelope takes */

void line_put_text(struct line_writer *w, const char *text)
{
	buffer_add(&w->out, text, strlen(text));
}

void line_put_int(struct line_writer *w, int64_t value)
{
	char text[24], *p = text + sizeof(text);
	uint64_t v = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	do
		*--p = (char)('0' + v % 10);
	while (v /= 10);
	if (value < 0)
		*--p = '-';
	buffer_add(&w->out, p, (size_t)(text + sizeof(text) - p));
}

static char *put(char *p, const char *text)
{
	size_t len = strlen(text);

	memcpy(p, text, len);
	return p + len;
}

static char *put_uuid(char *p, const struct uuid *id)
{
	uuid_format(id, p);
	return p + UUID_TEXT - 1;
}

/* The calendar is asked once a second of the simulation. */
static char *put_time(struct line_writer *w, char *p, int64_t at)
{
	int64_t second = at / TIME_SECOND;
	unsigned micros = (unsigned)(at % TIME_SECOND);

	if (second != w->second) {
		time_format(second * TIME_SECOND, w->stamp);
		w->second = second;
	}
	memcpy(p, w->stamp, 27);
	for (int i = 25; micros; i--, micros /= 10)
		p[i] = (char)('0' + micros % 10);
	return p + 27;
}

static char *put_member(char *p, const char *name, const struct uuid *id)
{
	if (!id || uuid_is_nil(id))
		return p;
	p = put(p, name);
	p = put_uuid(p, id);
	*p++ = '"';
	return p;
}

void line_begin_full(struct line_writer *w, const char *type, int version, const struct scene *scene, const struct uuid *entity,
		     const char *actor, const struct uuid *actor_id, int64_t at, const struct uuid *cause,
		     const struct uuid *correlation, const char *ip)
{
	char *p = buffer_reserve(&w->out, LINE_ROOM), *start = p;
	uint8_t tail[16];
	uint64_t a = random_next(w->random), b = random_next(w->random);

	memcpy(tail, &a, 8);
	memcpy(tail + 8, &b, 8);
	uuid_v7(&w->event_id, at / 1000, tail);
	w->start = w->out.len;
	w->comma = false;

	p = put(p, "{\"event_id\":\"");
	p = put_uuid(p, &w->event_id);
	p = put(p, "\",\"event_type\":\"");
	p = put(p, type);
	*p++ = '"';
	if (version != 1) {
		p = put(p, ",\"event_version\":");
		*p++ = (char)('0' + version);
	}
	p = put_member(p, ",\"tenant_id\":\"", &scene->tenant_id);
	p = put_member(p, ",\"entity_id\":\"", entity);
	p = put_member(p, ",\"conversation_id\":\"", &scene->conversation_id);
	p = put_member(p, ",\"customer_id\":\"", &scene->customer_id);
	p = put_member(p, ",\"resolution_id\":\"", &scene->resolution_id);
	p = put(p, ",\"actor_type\":\"");
	p = put(p, actor);
	*p++ = '"';
	p = put_member(p, ",\"actor_id\":\"", actor_id);
	if (ip) {
		p = put(p, ",\"actor_ip\":\"");
		p = put(p, ip);
		p = put(p, "\",\"actor_user_agent\":\"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\"");
	}
	p = put_member(p, ",\"correlation_id\":\"", correlation);
	p = put_member(p, ",\"causation_id\":\"", cause);
	p = put(p, ",\"occurred_at\":\"");
	p = put_time(w, p, at);
	p = put(p, w->silent ? "\",\"silent\":true,\"payload\":{" : "\",\"payload\":{");
	w->out.len += (size_t)(p - start);
}

void line_begin(struct line_writer *w, const char *type, const struct scene *scene, const struct uuid *entity,
		const char *actor, const struct uuid *actor_id, int64_t at)
{
	line_begin_full(w, type, 1, scene, entity, actor, actor_id, at, NULL, NULL, NULL);
}

void line_end(struct line_writer *w)
{
	buffer_add(&w->out, "}}\n", 3);
}

void line_key(struct line_writer *w, const char *key)
{
	size_t len = strlen(key);
	char *p = buffer_reserve(&w->out, len + 4), *start = p;

	if (w->comma)
		*p++ = ',';
	w->comma = true;
	*p++ = '"';
	memcpy(p, key, len);
	p += len;
	*p++ = '"';
	*p++ = ':';
	w->out.len += (size_t)(p - start);
}

void line_text(struct line_writer *w, const char *key, const char *text)
{
	line_key(w, key);
	buffer_add_byte(&w->out, '"');
	line_put_text(w, text);
	buffer_add_byte(&w->out, '"');
}

void line_uuid(struct line_writer *w, const char *key, const struct uuid *id)
{
	char text[UUID_TEXT + 1];

	line_key(w, key);
	text[0] = '"';
	put_uuid(text + 1, id);
	text[UUID_TEXT] = '"';
	buffer_add(&w->out, text, sizeof(text));
}

void line_int(struct line_writer *w, const char *key, int64_t value)
{
	line_key(w, key);
	line_put_int(w, value);
}

void line_bool(struct line_writer *w, const char *key, bool value)
{
	line_key(w, key);
	line_put_text(w, value ? "true" : "false");
}

void line_time(struct line_writer *w, const char *key, int64_t at)
{
	char text[32];

	line_key(w, key);
	text[0] = '"';
	put_time(w, text + 1, at);
	text[28] = '"';
	buffer_add(&w->out, text, 29);
}

void line_raw(struct line_writer *w, const char *key, const char *json)
{
	line_key(w, key);
	line_put_text(w, json);
}

void line_hundredths(struct line_writer *w, const char *key, int value)
{
	char text[5] = { '0', '.', (char)('0' + value / 10 % 10), (char)('0' + value % 10), 0 };

	line_raw(w, key, value >= 100 ? "1" : text);
}
