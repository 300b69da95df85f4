/* Business time: zones with gaps and overlaps, worked due times, what other help desks publish, and a file of due times. */
#include "calendar_support.h"
#include "tap.h"

#define MINUTE (60 * TIME_SECOND)

/* ---- wall times that do not exist or exist twice ---- */

static void wall_times(void)
{
	const struct zone *berlin = zones_find(test_zones, BYTES("Europe/Berlin"));
	int64_t gap = instant("2025-03-30T01:00Z"), overlap = instant("2025-10-26T01:00Z");

	ok(berlin && zone_is_sound(berlin), "Berlin's table is sound");
	is_instant(zone_first(berlin, instant("2025-03-30T02:30Z")), gap, "a wall time in the gap begins at the change");
	is_instant(zone_last(berlin, instant("2025-03-30T02:30Z")), gap, "and ends there");
	is_instant(zone_first(berlin, instant("2025-03-30T03:00Z")), gap, "the gap's end is the change");
	is_instant(zone_first(berlin, instant("2025-10-26T02:30Z")), instant("2025-10-26T00:30Z"), "a doubled wall time begins at its first showing");
	is_instant(zone_last(berlin, instant("2025-10-26T02:30Z")), instant("2025-10-26T01:30Z"), "and ends at its last");
	is_instant(zone_first(berlin, instant("2025-10-26T03:00Z")), overlap + TIME_HOUR, "the overlap's end is shown once");
	is_instant(zone_last(berlin, instant("2025-07-01T12:00Z")), instant("2025-07-01T10:00Z"), "in summer two hours ahead");
	is_int(zone_span(berlin, gap).from, gap, "a span begins at its change");
	is_int(zone_span(berlin, gap - 1).until, gap, "and the one before ends there");
	ok(zones_find(test_zones, BYTES("Europe/Atlantis")) == NULL && zones_find(test_zones, BYTES("")) == NULL &&
	   zones_find(test_zones, BYTES("GMT+25")) == NULL, "what is no zone of the database is not found");
	ok(zones_find(test_zones, BYTES("Europe/Berlin")) == berlin, "a zone's table stays where it is");
	note("tz database %s; the system's %s", zones_version(test_zones), zones_system_version(test_zones));
}

/* ---- worked due times ---- */

static void due_times(void)
{
	static const struct {
		const char *name, *calendar, *start;
		int64_t minutes;
		const char *due;
	} cases[] = {
		{ "an hour inside the day", "U", "2025-03-03T10:15Z", 60, "2025-03-03T11:15Z" },
		{ "a Friday evening before the clocks go forward", "NY", "2025-03-07T23:30Z", 60, "2025-03-10T14:00Z" },
		{ "half on Friday, half on Monday", "U", "2025-03-07T16:30Z", 60, "2025-03-10T09:30Z" },
		{ "used up at closing is due at the next opening", "U", "2025-03-07T16:00Z", 60, "2025-03-10T09:00Z" },
		{ "over two holidays and a weekend", "BH", "2025-12-24T14:00Z", 960, "2025-12-30T14:00Z" },
		{ "over the weekend on which Berlin's clocks go forward", "B", "2025-03-28T15:00Z", 120, "2025-03-31T08:00Z" },
		{ "and back", "B", "2025-10-24T14:00Z", 120, "2025-10-27T09:00Z" },
		{ "the night that has seven hours", "N", "2025-03-29T21:00Z", 390, "2025-03-30T03:30Z" },
		{ "all seven used up: the next night", "N", "2025-03-29T21:00Z", 420, "2025-03-30T20:00Z" },
		{ "the night that has nine hours", "N", "2025-10-25T20:00Z", 510, "2025-10-26T04:30Z" },
		{ "open day and night", "A", "2025-03-29T20:00Z", 720, "2025-03-30T08:00Z" },
		{ "into the afternoon over the lunch break", "L", "2025-03-03T11:30Z", 60, "2025-03-03T13:30Z" },
		{ "begun in the lunch break", "L", "2025-03-03T12:30Z", 60, "2025-03-03T14:00Z" },
		{ "used up at the lunch break", "L", "2025-03-03T11:00Z", 60, "2025-03-03T13:00Z" },
		{ "nothing at all, while closed, is due at the opening", "U", "2025-03-08T12:00Z", 0, "2025-03-10T09:00Z" },
		{ "nothing at all, while open, is due now", "U", "2025-03-10T12:00Z", 0, "2025-03-10T12:00Z" },

		/* Zammad's own examples: Berlin, working days 08-18, an hour more each time. */
		{ "Zammad: 60 minutes", "Z8", "2013-03-21T09:30Z", 60, "2013-03-21T10:30Z" },
		{ "Zammad: 120 minutes", "Z8", "2013-03-21T09:30Z", 120, "2013-03-21T11:30Z" },
		{ "Zammad: 180 minutes", "Z8", "2013-03-21T09:30Z", 180, "2013-03-21T12:30Z" },
		/* Its daily 09-18: a quarter and half an hour of pauses; and a pause of five hours that eats the day. */
		{ "Zammad: 120 minutes and 45 of pauses", "Z9", "2013-06-04T09:00Z", 165, "2013-06-04T11:45Z" },
		{ "Zammad: 120 minutes and 5 hours of pause end at closing", "Z9", "2013-06-04T09:00Z", 420, "2013-06-05T07:00Z" },
		/* Intercom: five minutes before the weekend, "one day" is 24 office hours. */
		{ "Intercom: one day from Friday 16:55", "U", "2025-03-07T16:55Z", 24 * 60, "2025-03-12T16:55Z" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct calendar *k = test_calendar(cases[i].calendar);
		int64_t start = instant(cases[i].start), budget = cases[i].minutes * MINUTE, due = calendar_due(k, start, budget);

		is_instant(due, instant(cases[i].due), cases[i].name);
		ok(calendar_elapsed(k, start, due) == budget && calendar_elapsed(k, start, due + 1) == budget + 1,
		   "%s: elapsed agrees", cases[i].name);
	}
}

static void elapsed_times(void)
{
	/* Zammad: an answer at 14:00Z came 270 minutes after 09:30Z, 210 over the hour. */
	is_int(calendar_elapsed(test_calendar("Z8"), instant("2013-03-21T09:30Z"), instant("2013-03-21T14:00Z")) / MINUTE, 270,
	       "Zammad: 270 minutes to the first answer");
	/* Frappe: held from Thursday 17:50 to Monday 12:30, ten minutes and two and a half hours, Friday being a holiday. */
	is_int(calendar_elapsed(test_calendar("F"), instant("2025-03-06T17:50Z"), instant("2025-03-10T12:30Z")) / TIME_SECOND,
	       9600, "Frappe: a hold over a holiday and a weekend");
	is_int(calendar_elapsed(test_calendar("U"), instant("2025-03-04T10:00Z"), instant("2025-03-03T10:00Z")), 0,
	       "backwards nothing passes");
	is_int(calendar_elapsed(test_calendar("A"), 5, 12), 7, "day and night each microsecond counts");
}

/* ---- reading ---- */

static void reading(void)
{
	static const struct {
		const char *name, *hours, *holidays;
		int fault;
		int week_minutes, monday, tuesday, holidays_kept;
	} cases[] = {
		{ "left out: the usual week", NULL, NULL, 0, 2400, 1, 1, 0 },
		{ "no day: never open", "{}", NULL, 0, 0, 0, 0, 0 },
		{ "pairs and objects", "{\"monday\":[[\"09:00\",\"12:00\"]," FROM_TO("13:00", "17:00:30") "]}", NULL, 0, 420, 2, 0, 0 },
		{ "touching and overlapping windows are one",
		  "{\"monday\":[[\"13:00\",\"17:00\"],[\"09:00\",\"11:00\"],[\"11:00\",\"13:30\"]]}", NULL, 0, 480, 1, 0, 0 },
		{ "a night is split at midnight", "{\"monday\":" FROM_TO("22:00", "06:00") "}", NULL, 0, 480, 1, 1, 0 },
		{ "up to midnight", "{\"monday\":" FROM_TO("22:00", "24:00") "}", NULL, 0, 120, 1, 0, 0 },
		{ "until 00:00 is up to midnight", "{\"monday\":" FROM_TO("22:00", "00:00") "}", NULL, 0, 120, 1, 0, 0 },
		{ "null and [] are closed", "{\"monday\":null,\"tuesday\":[]}", NULL, 0, 0, 0, 0, 0 },
		{ "a bad window is left out", "{\"monday\":[[\"09:00\",\"12:00\"],[\"25:00\",\"26:00\"]]}", NULL, E_INVALID, 180, 1, 0, 0 },
		{ "nothing that can be read: the usual week", "{\"montag\":" FROM_TO("09:00", "12:00") "}", NULL, E_INVALID, 2400, 1, 1, 0 },
		{ "an empty window", "{\"monday\":[[\"09:00\",\"09:00\"],[\"10:00\",\"11:00\"]]}", NULL, E_INVALID, 60, 1, 0, 0 },
		{ "not an object", "7", NULL, E_INVALID, 2400, 1, 1, 0 },
		{ "holidays", NULL, "[{\"date\":\"2025-12-25\"},{\"closed\":false,\"date\":\"2025-12-24\"},{\"date\":\"2025-12-25\","
		  "\"intervals\":[[\"10:00\",\"12:00\"]]},{\"date\":\"2025-01-01\",\"name\":\"New Year\"}]", 0, 2400, 1, 1, 2 },
		{ "a date that does not exist", NULL, "[{\"date\":\"2025-02-30\"},{\"date\":\"2024-02-29\"}]", E_INVALID, 2400, 1, 1, 1 },
		{ "a holiday ends at midnight", NULL, "[{\"date\":\"2025-12-25\",\"intervals\":[[\"22:00\",\"02:00\"]]}]", E_INVALID, 2400, 1, 1, 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct calendar k;
		struct error error;
		int r = calendar_read(test_text(cases[i].hours), test_text(cases[i].holidays), &zone_utc, &test_arena, &k, &error);

		if (!ok(r == cases[i].fault && k.week / MINUTE == cases[i].week_minutes && k.weekdays[0].count == cases[i].monday &&
			k.weekdays[1].count == cases[i].tuesday && k.holiday_count == cases[i].holidays_kept, "read: %s", cases[i].name))
			note("%d (%s: %s), %" PRId64 " minutes, %d, %d, %d holidays", r, error.field, error.message,
			     (int64_t)(k.week / MINUTE), k.weekdays[0].count, k.weekdays[1].count, k.holiday_count);
	}
}

static void holidays(void)
{
	struct calendar k;
	struct error error;

	ok(calendar_read((struct bytes){ 0 }, BYTES("[{\"date\":\"2025-12-24\",\"intervals\":[[\"10:00\",\"12:00\"]]},"
			 "{\"date\":\"2025-12-25\"},{\"date\":\"2025-12-27\",\"intervals\":[[\"08:00\",\"09:00\"]]}]"), &zone_utc,
			 &test_arena, &k, &error) == 0, "holidays are read");
	is_int(calendar_elapsed(&k, instant("2025-12-24T00:00Z"), instant("2025-12-29T00:00Z")) / MINUTE, 120 + 480 + 60,
	       "one is short, one closed, one opens a Saturday");
	ok(calendar_read(BYTES("{}"), BYTES("[{\"date\":\"2025-12-27\",\"intervals\":[[\"08:00\",\"09:00\"]]}]"), &zone_utc,
			 &test_arena, &k, &error) == 0, "a calendar of one date");
	is_instant(calendar_due(&k, instant("2024-01-01T00:00Z"), 30 * MINUTE), instant("2025-12-27T08:30Z"), "it is open once");
	ok(calendar_due(&k, instant("2024-01-01T00:00Z"), 60 * MINUTE) == TIME_NONE, "what it has no time for is never due");
	ok(calendar_due(test_calendar("U"), 0, INT32_MAX * MINUTE) == TIME_NONE &&
	   calendar_due(test_calendar("A"), 0, INT32_MAX * MINUTE) == TIME_NONE, "nor is what lies beyond the horizon");
}

/* ---- a file of due times, worked out by another program ---- */

/* {0: [(32400, 61200), ...], ...}: weekdays and seconds since midnight. */
static void file_hours(const char *text, struct buffer *out)
{
	static const char *const names[] = { "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday" };
	const char *sep = "{";
	int day, from, to, used;

	while ((text = strpbrk(text, "0123456789"))) {
		sscanf(text, "%d%n", &day, &used);
		text += used;
		buffer_printf(out, "%s\"%s\":", sep, names[day]);
		sep = "[";
		while (*text != ']' && (text = strchr(text, '(')) && sscanf(text, "(%d, %d)%n", &from, &to, &used) == 2) {
			buffer_printf(out, "%s[\"%02d:%02d\",\"%02d:%02d\"]", sep, from / 3600, from / 60 % 60, to / 3600, to / 60 % 60);
			sep = ",";
			text += used;
		}
		buffer_add_text(out, "]");
		sep = ",";
	}
	buffer_add_text(out, "}");
}

static void file_holidays(char *text, struct buffer *out)
{
	const char *sep = "[";

	for (char *save, *date = strtok_r(text, ",\n", &save); date; date = strtok_r(NULL, ",\n", &save)) {
		buffer_printf(out, "%s{\"date\":\"%s\"}", sep, date);
		sep = ",";
	}
	buffer_add_text(out, *sep == '[' ? "[]" : "]");
}

struct file_calendar {
	char name[8];
	struct calendar k;
};

static bool file_calendar(char *line, struct file_calendar *out)
{
	char *save, *name = strtok_r(line, "\t", &save), *zone = strtok_r(NULL, "\t", &save), *hours = strtok_r(NULL, "\t\n", &save);
	char *dates = strtok_r(NULL, "\t\n", &save), none[1] = "";
	struct buffer h = { 0 }, d = { 0 };
	struct error error = { 0 };
	bool read = true;

	snprintf(out->name, sizeof(out->name), "%s", name);
	out->k = calendar_always;
	if (hours[0] == '{') {
		file_hours(hours, &h);
		file_holidays(dates ? dates : none, &d);
		read = calendar_read(buffer_bytes(&h), buffer_bytes(&d), zones_find(test_zones, bytes_text(zone)), &test_arena, &out->k,
				     &error) == 0;
	}
	buffer_release(&h);
	buffer_release(&d);
	return ok(read, "the file's calendar %s is read %s", out->name, error.message);
}

static void file_row(char *line, const struct file_calendar *list, int count, int number)
{
	char *save, *name = strtok_r(line, "\t", &save), *start = strtok_r(NULL, "\t", &save), *budget = strtok_r(NULL, "\t", &save);
	char *due = strtok_r(NULL, "\t", &save), *elapsed = strtok_r(NULL, "\t\n", &save);
	int64_t begun = instant(start), got;
	int c = 0;

	while (c < count && strcmp(list[c].name, name) != 0)
		c++;
	if (c == count) {
		ok(false, "row %d names a calendar of the file", number);
		return;
	}
	got = calendar_due(&list[c].k, begun, atoll(budget) * TIME_SECOND);
	if (!ok(got == instant(due) && calendar_elapsed(&list[c].k, begun, got) == atoll(elapsed) * TIME_SECOND, "row %d: %s %s + %s s",
		number, name, start, budget))
		note("got %s, want %s", instant_text(got), due);
}

static void file_of_due_times(void)
{
	FILE *f = fopen("../shared/vectors/sla-due.tsv", "r");
	struct file_calendar list[16];
	int count = 0, rows = 0;
	char line[1024];

	if (!f) {
		printf("ok %d # SKIP no file of due times beside the project\n", ++tap_count);
		return;
	}
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "#cal\tstart", 10) == 0)
			continue;
		if (strncmp(line, "#cal\t", 5) == 0 && count < 16)
			count += file_calendar(line + 5, &list[count]);
		else if (line[0] != '#')
			file_row(line, list, count, ++rows);
	}
	fclose(f);
	ok(rows > 0, "%d rows of due times", rows);
}

int main(void)
{
	test_calendars_open();
	wall_times();
	due_times();
	elapsed_times();
	reading();
	holidays();
	file_of_due_times();
	test_calendars_close();
	return tap_done();
}
