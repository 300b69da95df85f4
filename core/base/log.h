/*
 * log - the engine's own diary on standard error: one line an occurrence, never a payload, never a secret.
 *
 * On a terminal: time, level, text in colour.  Otherwise one JSON object a line, for machines.
 *
 * What goes wrong over and over fills no disk: of one speaker's lines of one level LOG_BURST are written at once and then
 * one each LOG_EVERY_US; the next that is written says how many were left out.  Levels below `warn` are written always.
 */
#ifndef VERBATIM_BASE_LOG_H
#define VERBATIM_BASE_LOG_H

enum { LOG_BURST = 10, LOG_EVERY_US = 5000000 };

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_SILENT };

void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Thread-safe.  `part` names who speaks: "server", "appender 3", "worker 1". */
void log_write(enum log_level level, const char *part, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_debug(part, ...) log_write(LOG_DEBUG, part, __VA_ARGS__)
#define log_info(part, ...) log_write(LOG_INFO, part, __VA_ARGS__)
#define log_warn(part, ...) log_write(LOG_WARN, part, __VA_ARGS__)
#define log_error(part, ...) log_write(LOG_ERROR, part, __VA_ARGS__)

#endif
