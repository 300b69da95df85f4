/* calendar_json - see calendar.h: calendars from a policy's JSON. */
#include "rules/calendar.h"

#include "event/fields.h"

/* One day's windows while they are gathered, rising and apart. */
struct day {
	struct calendar_window windows[CALENDAR_WINDOWS_MAX];
	int count;
};

static const char *const weekdays[] = { "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday" };

enum { WEEKDAYS = 7 };

/* Notes the first fault and goes on. */
#define FAULT(error, ...)                                                \
	do {                                                             \
		if (!(error)->code)                                      \
			error_field((error), E_INVALID, __VA_ARGS__);    \
	} while (0)

static bool is_text(struct bytes raw)
{
	return raw.len >= 2 && raw.data[0] == '"';
}

static bool read_clock(struct bytes raw, int64_t *out)
{
	return is_text(raw) && time_of_day_parse(raw.data + 1, raw.len - 2, out);
}

static bool read_date(struct bytes raw, int64_t *day)
{
	return is_text(raw) && time_date_parse(raw.data + 1, raw.len - 2, day);
}

/* Puts a window in its place and joins it with those it touches; false when the day is full. */
static bool add(struct day *d, struct calendar_window w)
{
	int kept = 0, at;

	for (int i = 0; i < d->count; i++) {
		if (d->windows[i].close < w.open || d->windows[i].open > w.close) {
			d->windows[kept++] = d->windows[i];
			continue;
		}
		w.open = time_earlier(w.open, d->windows[i].open);
		w.close = time_later(w.close, d->windows[i].close);
	}
	d->count = kept;
	if (kept == CALENDAR_WINDOWS_MAX)
		return false;
	for (at = kept; at > 0 && d->windows[at - 1].open > w.open; at--)
		d->windows[at] = d->windows[at - 1];
	d->windows[at] = w;
	d->count++;
	return true;
}

/* {"start": .., "end": ..} or [start, end]. */
static bool read_window(struct bytes raw, struct calendar_window *w)
{
	struct bytes start, end, key, more;
	size_t at = 0;

	if (raw.len && raw.data[0] == '{')
		return read_clock(json_member(raw, "start"), &w->open) && read_clock(json_member(raw, "end"), &w->close);
	return raw.len && raw.data[0] == '[' && json_next(raw, &at, &key, &start) && json_next(raw, &at, &key, &end) &&
	       !json_next(raw, &at, &key, &more) && read_clock(start, &w->open) && read_clock(end, &w->close);
}

/* A window of `today`; what goes past midnight is the next day's, which a holiday does not have. */
static bool place(struct bytes raw, struct day *today, struct day *tomorrow)
{
	struct calendar_window w, rest = { 0, 0 };

	if (!read_window(raw, &w) || w.open == w.close || w.open == TIME_DAY)
		return false;
	if (w.close < w.open) {
		if (!tomorrow && w.close > 0)
			return false;
		rest.close = w.close;
		w.close = TIME_DAY;
	}
	return add(today, w) && (rest.close == 0 || add(tomorrow, rest));
}

/* A window or a list of them; null is an empty list. */
static void read_day(struct bytes raw, const char *name, struct day *today, struct day *tomorrow, struct error *error)
{
	struct bytes key, value;
	size_t at = 0;

	if (json_is_null(raw))
		return;
	if (raw.len && raw.data[0] == '{') {
		if (!place(raw, today, tomorrow))
			FAULT(error, name, "window cannot be read; say {\"start\": \"HH:MM\", \"end\": \"HH:MM\"}");
		return;
	}
	if (!raw.len || raw.data[0] != '[') {
		FAULT(error, name, "neither a window nor a list of windows");
		return;
	}
	while (json_next(raw, &at, &key, &value))
		if (!place(value, today, tomorrow))
			FAULT(error, name, "window cannot be read, or the day has more than %d", CALENDAR_WINDOWS_MAX);
}

static int read_hours(struct bytes hours, struct day *week, struct error *error)
{
	struct bytes key, value;
	size_t at = 0;
	int windows = 0;

	if (!hours.len || hours.data[0] != '{') {
		FAULT(error, "business_hours", "not an object of weekdays");
		return 0;
	}
	while (json_next(hours, &at, &key, &value)) {
		int d = 0;

		while (d < WEEKDAYS && !bytes_is(key, weekdays[d]))
			d++;
		if (d == WEEKDAYS)
			FAULT(error, "business_hours", "'%.*s' is not a weekday", (int)(key.len < 40 ? key.len : 40), key.data);
		else
			read_day(value, "business_hours", &week[d], &week[(d + 1) % WEEKDAYS], error);
	}
	for (int d = 0; d < WEEKDAYS; d++)
		windows += week[d].count;
	return windows;
}

static struct calendar_day keep(const struct day *d, struct arena *arena)
{
	size_t size = (size_t)d->count * sizeof(d->windows[0]);
	struct calendar_window *windows = NULL;

	if (size) {
		windows = arena_alloc(arena, size);
		memcpy(windows, d->windows, size);
	}
	return (struct calendar_day){ windows, d->count };
}

/* Where a date stands or is to stand; a later entry of the same date takes the place of the one before. */
static struct calendar_holiday *holiday_put(struct calendar_holiday *list, int *count, int64_t date)
{
	int at = *count;

	while (at > 0 && list[at - 1].date > date)
		at--;
	if (at > 0 && list[at - 1].date == date)
		return &list[at - 1];
	memmove(list + at + 1, list + at, (size_t)(*count - at) * sizeof(*list));
	(*count)++;
	list[at].date = date;
	return &list[at];
}

static void read_holiday(struct bytes raw, struct arena *arena, struct calendar_holiday *list, int *count,
			 struct error *error)
{
	struct bytes closed, intervals;
	struct day day = { .count = 0 };
	int64_t date;

	if (!raw.len || raw.data[0] != '{' || !read_date(json_member(raw, "date"), &date)) {
		FAULT(error, "holidays", "holiday has no date of the form YYYY-MM-DD");
		return;
	}
	closed = json_member(raw, "closed");
	intervals = json_member(raw, "intervals");
	if (!intervals.data || json_is_null(intervals)) {
		if (closed.data && bytes_is(closed, "false"))
			return;
	} else if (!closed.data || !bytes_is(closed, "true")) {
		read_day(intervals, "holidays", &day, NULL, error);
	}
	holiday_put(list, count, date)->day = keep(&day, arena);
}

static void read_holidays(struct bytes raw, struct arena *arena, struct calendar *out, struct error *error)
{
	struct calendar_holiday *list;
	struct bytes key, value;
	size_t at = 0;
	int elements = 0;

	if (!raw.len || raw.data[0] != '[')
		return;
	while (elements < CALENDAR_HOLIDAYS_MAX && json_next(raw, &at, &key, &value))
		elements++;
	list = arena_alloc(arena, (size_t)(elements + 1) * sizeof(*list));
	at = 0;
	for (int i = 0; i < elements && json_next(raw, &at, &key, &value); i++)
		read_holiday(value, arena, list, &out->holiday_count, error);
	if (json_next(raw, &at, &key, &value))
		FAULT(error, "holidays", "more than %d holidays; the rest is left out", CALENDAR_HOLIDAYS_MAX);
	out->holidays = list;
}

int calendar_read(struct bytes hours, struct bytes holidays, const struct zone *zone, struct arena *arena,
		  struct calendar *out, struct error *error)
{
	struct day week[WEEKDAYS];
	struct error mine;

	error = error ? error : &mine;
	error_clear(error);
	*out = (struct calendar){ .zone = zone };
	memset(week, 0, sizeof(week));
	if (!hours.data || json_is_null(hours) || (read_hours(hours, week, error) == 0 && error->code))
		for (int d = 0; d < 5; d++)
			add(&week[d], (struct calendar_window){ 9 * TIME_HOUR, 17 * TIME_HOUR });
	for (int d = 0; d < WEEKDAYS; d++) {
		for (int i = 0; i < week[d].count; i++)
			out->week += week[d].windows[i].close - week[d].windows[i].open;
		out->weekdays[d] = keep(&week[d], arena);
	}
	read_holidays(holidays, arena, out, error);
	return error->code;
}
