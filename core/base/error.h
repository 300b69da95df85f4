/*
 * error - the one table of error codes, and the detail that travels with one.
 *
 * A function that can fail returns 0 or a negative `enum error_code`.  Detail goes into a
 * `struct error` owned by whoever will report it; callees fill it, callers may put a prefix in
 * front on its way up, and it is logged or answered once, at the top.
 *
 * The same table gives the code's name on the wire, its class (what the receiver should do), the
 * exit status of the command line (after sysexits.h) and the sentence that `verbatim help errors`
 * prints.
 */
#ifndef VERBATIM_BASE_ERROR_H
#define VERBATIM_BASE_ERROR_H

#include <stdarg.h>
#include <stddef.h>

#define must_check __attribute__((warn_unused_result))

enum error_class {
	CLASS_CALLER, /* the request is wrong: mend it, do not repeat it as it is */
	CLASS_RETRY,  /* passing: back off and send the same again */
	CLASS_FATAL,  /* this part of the engine has stopped; a person must look */
};

/*        symbol            name                class   exit  text */
#define ERROR_TABLE(X)                                                                              \
	X(E_INTERNAL,       "internal",         FATAL,  70, "a bug in the engine; nothing was stored")  \
	X(E_NO_MEMORY,      "no_memory",        RETRY,  71, "memory ran out")                           \
	X(E_IO,             "io",               FATAL,  74, "reading or writing failed")                \
	X(E_USAGE,          "usage",            CALLER, 64, "the command line is wrong")                \
	X(E_CONFIG,         "config",           CALLER, 78, "a setting is wrong")                       \
	X(E_NO_INPUT,       "no_input",         CALLER, 66, "an input file cannot be opened")           \
	X(E_NO_ACCESS,      "no_access",        CALLER, 77, "permission is missing")                    \
	X(E_PROTOCOL,       "protocol",         CALLER, 76, "not MessagePack-RPC; the connection is closed") \
	X(E_TOO_LARGE,      "too_large",        CALLER, 65, "over one of the limits that hello names")  \
	X(E_HELLO,          "hello_required",   CALLER, 76, "hello must be the first call")             \
	X(E_VERSION,        "version",          CALLER, 76, "the protocol version is not spoken here")  \
	X(E_UNAUTHORIZED,   "unauthorized",     CALLER, 77, "the API key is not accepted")              \
	X(E_FORBIDDEN,      "forbidden",        CALLER, 77, "the key does not allow it")                \
	X(E_METHOD,         "unknown_method",   CALLER, 76, "there is no such method")                  \
	X(E_PARAMS,         "params",           CALLER, 76, "the call's parameters are wrong")          \
	X(E_INVALID,        "invalid",          CALLER, 65, "an event does not fit the catalog")        \
	X(E_MIXED_TENANTS,  "mixed_tenants",    CALLER, 65, "one request holds events of two tenants")  \
	X(E_CONFLICT,       "conflict",         CALLER, 65, "the event_id stands in the log with other content") \
	X(E_STALE,          "stale",            CALLER, 65, "an event stands after the expected position") \
	X(E_NOT_FOUND,      "not_found",        CALLER, 65, "no such thing")                            \
	X(E_LOG_DIVERGED,   "log_diverged",     FATAL,  70, "the log is not the one that was seen before; see verbatim init --adopt") \
	X(E_CLOCK,          "clock",            RETRY,  75, "the engine's clock and the database's differ by more than 5 s") \
	X(E_OVERLOADED,     "overloaded",       RETRY,  75, "a bound is reached; send again later")     \
	X(E_UNAVAILABLE,    "unavailable",      RETRY,  69, "the database cannot be reached or refuses writes") \
	X(E_TIMEOUT,        "timeout",          RETRY,  75, "it did not happen within the time given")  \
	X(E_WORKER_STOPPED, "worker_stopped",   FATAL,  69, "a projection worker has stopped; status says why") \
	X(E_STOPPING,       "stopping",         RETRY,  75, "the engine is shutting down")              \
	X(E_FENCED,         "fenced",           RETRY,  75, "another engine was first")                 \
	X(E_ROW_REFUSED,    "row_refused",      CALLER, 65, "the database refused a row")               \
	X(E_LOG_GAP,        "log_gap",          FATAL,  70, "a position is missing in the log")         \
	X(E_DATABASE,       "database",         FATAL,  69, "the database answered with an error")      \
	X(E_UNSUITABLE,     "unsuitable",       CALLER, 78, "the database server cannot be used")       \
	X(E_MIGRATION,      "migration",        FATAL,  70, "a migration failed or differs from what was applied") \
	X(E_READ_MODEL,     "read_model",       FATAL,  70, "a read model was changed by hand: rebuild it") \
	X(E_SCHEMA_DIFFERS, "schema_differs",   FATAL,  70, "a read model's table differs from the binary's at the same version") \
	X(E_EXISTS,         "exists",           CALLER, 73, "it is there already")                      \
	X(E_BUSY,           "busy",             RETRY,  75, "somebody else is at it")                   \
	X(E_NOT_READY,      "not_ready",        RETRY,  69, "the engine is not running or not ready")   \
	X(E_INCOMPLETE,     "incomplete",       CALLER, 65, "not all of the input is in the log")       \
	X(E_UNPROVEN,       "unproven",         FATAL,  65, "the log, a checkpoint or a proof does not hold; verify names what is wrong") \
	X(E_DIFFERS,        "differs",          FATAL,   1, "a read model is not what the log says")    \
	X(E_INTERRUPTED,    "interrupted",      RETRY,  75, "stopped by a signal; run it again")        \
	X(E_CANCELLED,      "cancelled",        RETRY,  75, "given up because its owner is closing")

#define X(symbol, name, class, exit, text) symbol##_ORDINAL,
enum error_ordinal { ERROR_TABLE(X) ERROR_COUNT };
#undef X
#define X(symbol, name, class, exit, text) symbol = -(symbol##_ORDINAL + 1),
enum error_code { ERROR_TABLE(X) };
#undef X

struct error_entry {
	const char *name;
	enum error_class class;
	int exit_status;
	const char *text;
};

/* The table's row for a negative code; asserts that the code is one of the table. */
const struct error_entry *error_get(int code);

/* Shorthands: the wire name, the class's name ("caller", "retry", "fatal"). */
const char *error_name(int code);
const char *error_class_name(int code);

/* The code with this wire name, or 0. */
int error_find(const char *name, size_t len);

struct error {
	int code;          /* 0 when nothing went wrong */
	int index;         /* of the event within its request, from 0; -1 when not about one event */
	int retry_after_ms; /* for overloaded: when it may be sent again; 0: not known */
	long long position; /* for stale and conflict: where it stands in the log; 0 otherwise */
	char field[96];    /* dotted path of the field at fault, "" when none */
	char message[384]; /* lower case, fault first, subject in quotes, remedy last */
};

void error_clear(struct error *e);

/* Fill `e` (which may be NULL) and return `code`, so that `return error_set(e, E_X, ...)` reads well. */
int error_set(struct error *e, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* As error_set, and names the field at fault. */
int error_field(struct error *e, int code, const char *field, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Put "prefix: " before the message; returns e's code. */
int error_prefix(struct error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
