/*
 * zones - the tables of time zones that calendars are handed, made by ICU from its copy of the tz database.
 *
 * ICU carries the database inside its library, so no file is read while folds run, and every engine with the
 * same ICU has the same law.  The library is large and loaded by a thread beside whatever comes first (library.h).  A table is made when its zone is first named (about a millisecond, once a process)
 * and lives, unchanged, until zones_free; what a fold sees is therefore a constant.
 *
 * A change of law changes due times: whoever rebuilds read models writes zones_version into the record.  A
 * distribution may update its tz database more often than its ICU; zones_system_version tells, and setting
 * ICU_TIMEZONE_FILES_DIR to a folder with newer zoneinfo64.res, timezoneTypes.res, metaZones.res and
 * windowsZones.res (the project icu-data publishes them with each tz release) makes ICU use those.
 */
#ifndef VERBATIM_ENGINE_ZONES_H
#define VERBATIM_ENGINE_ZONES_H

#include "base/error.h"
#include "rules/zone.h"

struct zones;

/* Begins to load ICU; zones_ready must have said that it is there before the first zone is looked for. */
struct zones *zones_new(void);

/* Waits for it.  E_UNSUITABLE: it cannot be loaded, and why. */
int zones_ready(struct zones *z, struct error *error) must_check;
void zones_free(struct zones *z);

/* From any thread.  Names are those of the tz database, in its spelling ("Europe/Berlin"); the table is borrowed. */
const struct zone *zones_find(struct zones *z, struct bytes name);
struct zone_source zones_source(struct zones *z);

/* The release of the tz database ICU goes by ("2025b"); "unknown" when there is no ICU. */
const char *zones_version(struct zones *z);

/* The release of the system's own, "" when it does not say. */
const char *zones_system_version(struct zones *z);

#endif
