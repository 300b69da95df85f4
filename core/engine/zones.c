/* zones - see zones.h. */
#include "engine/zones.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <unicode/putil.h>
#include <unicode/ucal.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/time.h"
#include "engine/library.h"

#define FUNCTIONS(X)                                                                                                  \
	X(u_charsToUChars) X(ucal_close) X(ucal_get) X(ucal_getCanonicalTimeZoneID) X(ucal_getTZDataVersion)          \
	X(ucal_getTimeZoneTransitionDate) X(ucal_open) X(ucal_setMillis)

static struct {
	FUNCTIONS(LIBRARY_POINTER)
} icu;
static const char *const names[] = { FUNCTIONS(LIBRARY_NAME) NULL };
static struct error trouble; /* why there is no ICU */
static pthread_once_t once = PTHREAD_ONCE_INIT;

enum {
	NAME_MAX_BYTES = 64, /* longer than any zone's and than the catalog lets in */
	CHANGES_MAX = 1000,
	VERSION_TEXT = 32,
};

#define LAST_CHANGE (5680281600LL * TIME_SECOND) /* 2150-01-01: a horizon's length from any start of today's */
#define MS 1000

struct zones {
	pthread_t loader;
	bool loading;
	pthread_mutex_t lock;
	struct map by_name; /* NAME_MAX_BYTES, padded with NUL */
	struct arena arena;
	char version[VERSION_TEXT];
	char system_version[VERSION_TEXT];
};

static void read_system_version(char *out)
{
	FILE *f = fopen("/usr/share/zoneinfo/tzdata.zi", "r");
	char line[64];

	if (!f)
		return;
	if (fgets(line, sizeof(line), f))
		sscanf(line, "# version %31s", out);
	fclose(f);
}

static void load(void)
{
	if (library_load("libicui18n.so." U_ICU_VERSION_SHORT, "libicu" U_ICU_VERSION_SHORT, names, &icu, &trouble))
		error_prefix(&trouble, "there are no time zones");
}

static void *load_and_look(void *data)
{
	struct zones *z = data;
	UErrorCode status = U_ZERO_ERROR;
	const char *version;

	pthread_once(&once, load);
	if (!trouble.code) {
		version = icu.ucal_getTZDataVersion(&status);
		snprintf(z->version, sizeof(z->version), "%s", U_SUCCESS(status) ? version : "unknown");
	}
	read_system_version(z->system_version);
	return NULL;
}

struct zones *zones_new(void)
{
	struct zones *z = mem_zalloc(sizeof(*z));

	pthread_mutex_init(&z->lock, NULL);
	map_init(&z->by_name, NAME_MAX_BYTES);
	arena_init(&z->arena, 64 << 10);
	snprintf(z->version, sizeof(z->version), "unknown");
	z->loading = pthread_create(&z->loader, NULL, load_and_look, z) == 0;
	if (!z->loading)
		load_and_look(z);
	return z;
}

/* With the lock.  From here on all is there, or `trouble` is. */
static void join_loader(struct zones *z)
{
	if (z->loading)
		pthread_join(z->loader, NULL);
	z->loading = false;
}

static void wait_for_loader(struct zones *z)
{
	pthread_mutex_lock(&z->lock);
	join_loader(z);
	pthread_mutex_unlock(&z->lock);
}

int zones_ready(struct zones *z, struct error *error)
{
	wait_for_loader(z);
	if (trouble.code)
		*error = trouble;
	return trouble.code;
}

void zones_free(struct zones *z)
{
	if (!z)
		return;
	wait_for_loader(z);
	map_release(&z->by_name);
	arena_release(&z->arena);
	pthread_mutex_destroy(&z->lock);
	free(z);
}

const char *zones_version(struct zones *z)
{
	wait_for_loader(z);
	return z->version;
}

const char *zones_system_version(struct zones *z)
{
	wait_for_loader(z);
	return z->system_version;
}

static int32_t east_at(UCalendar *c, UDate at, UErrorCode *status)
{
	icu.ucal_setMillis(c, at, status);
	return (icu.ucal_get(c, UCAL_ZONE_OFFSET, status) + icu.ucal_get(c, UCAL_DST_OFFSET, status)) / MS;
}

/* Writes the changes; their number, or -1 when ICU fails or there are too many. */
static int read_changes(UCalendar *c, int64_t *at, int32_t *east)
{
	UErrorCode status = U_ZERO_ERROR;
	UDate next = (UDate)(TIME_MIN / 1000);
	int count = 0;

	east[0] = east_at(c, next, &status);
	while (icu.ucal_getTimeZoneTransitionDate(c, UCAL_TZ_TRANSITION_NEXT, &next, &status) && U_SUCCESS(status) &&
	       next < (UDate)(LAST_CHANGE / MS)) {
		int32_t offset = east_at(c, next, &status);

		if (offset == east[count])
			continue; /* only its name or the reason for it changed */
		if (count == CHANGES_MAX)
			return -1;
		at[count++] = (int64_t)next * MS;
		east[count] = offset;
	}
	return U_SUCCESS(status) ? count : -1;
}

/* ICU takes made-up names and quietly gives UTC for unknown ones: only names that it lists itself are let through. */
static UCalendar *open_zone(const char *name)
{
	UErrorCode status = U_ZERO_ERROR;
	UChar id[NAME_MAX_BYTES], canonical[NAME_MAX_BYTES];
	UBool is_listed = false;
	int32_t len = (int32_t)strlen(name);
	UCalendar *c;

	icu.u_charsToUChars(name, id, len + 1);
	icu.ucal_getCanonicalTimeZoneID(id, len, canonical, NAME_MAX_BYTES, &is_listed, &status);
	if (U_FAILURE(status) || !is_listed)
		return NULL;
	c = icu.ucal_open(id, len, "en", UCAL_GREGORIAN, &status);
	return U_SUCCESS(status) ? c : NULL;
}

static struct zone *make_zone(struct zones *z, const char *name)
{
	int64_t at[CHANGES_MAX];
	int32_t east[CHANGES_MAX + 1];
	UCalendar *c = open_zone(name);
	struct zone *zone;
	void *kept;
	int count;

	if (!c)
		return NULL;
	count = read_changes(c, at, east);
	icu.ucal_close(c);
	if (count < 0)
		return NULL;
	zone = arena_zalloc(&z->arena, sizeof(*zone));
	zone->name = arena_text(&z->arena, bytes_text(name));
	zone->count = count;
	zone->at = kept = arena_alloc(&z->arena, (size_t)(count + 1) * sizeof(*at));
	memcpy(kept, at, (size_t)count * sizeof(*at));
	zone->east = kept = arena_alloc(&z->arena, (size_t)(count + 1) * sizeof(*east));
	memcpy(kept, east, (size_t)(count + 1) * sizeof(*east));
	return zone_is_sound(zone) ? zone : NULL;
}

static bool is_name(struct bytes name)
{
	if (name.len == 0 || name.len >= NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.data[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '/' || c == '_' ||
		      c == '+' || c == '-'))
			return false;
	}
	return true;
}

const struct zone *zones_find(struct zones *z, struct bytes name)
{
	char key[NAME_MAX_BYTES] = "";
	struct zone *zone;

	if (!is_name(name))
		return NULL;
	memcpy(key, name.data, name.len);
	pthread_mutex_lock(&z->lock);
	join_loader(z);
	assert(!trouble.code); /* zones_ready has said so */
	zone = map_find(&z->by_name, key);
	if (!zone && (zone = make_zone(z, key)))
		*map_put(&z->by_name, key) = zone;
	pthread_mutex_unlock(&z->lock);
	return zone;
}

static const struct zone *find(void *data, struct bytes name)
{
	return zones_find(data, name);
}

struct zone_source zones_source(struct zones *z)
{
	return (struct zone_source){ find, z };
}
