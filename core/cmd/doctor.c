/*
 * doctor - `verbatim doctor`: what is wrong, or soon will be, and what to do about each.
 *
 *   this machine   the clock beside the database's, the folder's mode and the disk's free room (with --data), and who may
 *                  read the private keys: those below --data, the running engine's own, and those that are named
 *   the database   whether its migrations are this binary's; store/doctor.c's table
 *   the engine     whether one runs
 *
 * People get the findings under each other with their remedies; machines one JSON object a line.  The exit status is
 * 0 unless there is a fault (78), so that it can stand in a start script or a watch.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/bytes.h"
#include "base/term.h"
#include "base/time.h"
#include "client/client_json.h"
#include "cmd/command.h"
#include "cmd/target.h"
#include "store/db.h"
#include "store/doctor.h"
#include "store/migrate.h"

struct doctor_options {
	struct target_options target;
	const char *signing_key, *tls_key;
	bool json;
};

enum { DISK_LEAST_PERCENT = 10, DISK_LEAST_BYTES = 1 << 30 };

struct doctor {
	bool json, colour;
	int width;
	int counts[DOCTOR_UNKNOWN + 1];
	struct buffer line;
};

/* ---- telling ---- */

static void tell(void *data, const struct doctor_finding *f)
{
	static const enum term_style styles[] = { STYLE_GREEN, STYLE_CYAN, STYLE_YELLOW, STYLE_RED, STYLE_YELLOW };
	struct doctor *d = data;

	d->counts[f->verdict]++;
	buffer_reset(&d->line);
	if (d->json) {
		client_json_member(&d->line, "check", f->check);
		client_json_member(&d->line, "verdict", doctor_verdict_name(f->verdict));
		client_json_member(&d->line, "about", f->about);
		client_json_member(&d->line, "found", f->found);
		client_json_member(&d->line, "remedy", f->remedy);
		buffer_add_text(&d->line, "}\n");
	} else {
		buffer_printf(&d->line, "%s%-8s%s ", term_style(styles[f->verdict], d->colour), doctor_verdict_name(f->verdict),
			      term_style(STYLE_PLAIN, d->colour));
		option_wrap(&d->line, *f->found ? f->found : f->about, 9, 9, d->width);
		if (*f->remedy) {
			buffer_add_text(&d->line, "         ");
			buffer_add_text(&d->line, term_style(STYLE_DIM, d->colour));
			option_wrap(&d->line, f->remedy, 9, 9, d->width);
			buffer_add_text(&d->line, term_style(STYLE_PLAIN, d->colour));
		}
	}
	fwrite(d->line.data, 1, d->line.len, stdout);
}

static void tell_words(struct doctor *d, const char *check, const char *about, enum doctor_verdict verdict, const char *found,
		       const char *remedy)
{
	tell(d, &(struct doctor_finding){ check, about, verdict, found, remedy });
}

/* ---- this machine ---- */

static int look_at_clock(struct doctor *d, struct pg_conn *conn, struct error *error)
{
	static const char about[] = "this machine's clock and the database's agree";
	char text[32], found[96];
	int64_t before = time_wall(), off;
	int status = db_value(conn, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::int8", 0, NULL, text, sizeof(text), error);

	if (status)
		return status;
	off = (before + time_wall()) / 2 - strtoll(text, NULL, 10);
	snprintf(found, sizeof(found), "the clock is %lld ms %s the database's", (long long)llabs(off) / 1000, off > 0 ? "ahead of" : "behind");
	if (llabs(off) > 5 * TIME_SECOND)
		tell_words(d, "clock", about, DOCTOR_FAULT, found, "set it (chrony, systemd-timesyncd): beyond 5 s an engine here stops appending");
	else if (llabs(off) > TIME_SECOND / 2)
		tell_words(d, "clock", about, DOCTOR_WARNING, found, "let both follow the same time server; beyond 5 s an engine here stops appending");
	else
		tell_words(d, "clock", about, DOCTOR_WELL, "", "");
	return 0;
}

static void look_at_folder(struct doctor *d, const char *folder)
{
	static const char about[] = "the folder is its owner's alone", room[] = "the disk has room";
	struct statvfs v;
	struct stat st;
	char found[320], left[HUMAN_TEXT];
	int64_t bytes;
	int percent;

	if (stat(folder, &st) || statvfs(folder, &v)) {
		tell_words(d, "folder", about, DOCTOR_UNKNOWN, "the folder cannot be looked at", "look again as its owner");
		return;
	}
	snprintf(found, sizeof(found), "'%.200s' can be written by others (mode %o)", folder, (unsigned)st.st_mode & 07777);
	if (st.st_mode & 022)
		tell_words(d, "folder", about, DOCTOR_FAULT, found, "chmod go-w: whoever writes there can put himself in the engine's place");
	else
		tell_words(d, "folder", about, DOCTOR_WELL, "", "");
	bytes = (int64_t)v.f_bavail * (int64_t)v.f_frsize;
	percent = v.f_blocks ? (int)(v.f_bavail * 100 / v.f_blocks) : 100;
	snprintf(found, sizeof(found), "%s are left, %d %%", human_bytes(bytes, left), percent);
	if (bytes < DISK_LEAST_BYTES)
		tell_words(d, "disk", room, DOCTOR_FAULT, found, "make room: on a full disk appends answer unavailable until there is some");
	else if (percent < DISK_LEAST_PERCENT)
		tell_words(d, "disk", room, DOCTOR_WARNING, found, "plan for a larger one: an event takes about 1 KiB with its indexes and rows");
	else
		tell_words(d, "disk", room, DOCTOR_WELL, "", "");
}

/* A file that need not be there, unless it was named.  `group_may`: of root's file, as serve takes a TLS key. */
static bool is_private(struct doctor *d, const char *path, bool named, bool group_may)
{
	static const char about[] = "private keys are their owner's alone";
	char found[320];
	struct stat st;

	if (stat(path, &st)) {
		snprintf(found, sizeof(found), "'%.200s' cannot be looked at: %s", path, strerror(errno));
		if (named || errno != ENOENT)
			tell_words(d, "keys", about, DOCTOR_UNKNOWN, found, "look again as its owner");
		return !named && errno == ENOENT;
	}
	if (!(st.st_mode & (group_may && st.st_uid == 0 ? 027 : 077)))
		return true;
	snprintf(found, sizeof(found), "'%.200s' can be read or written by others (mode %o)", path, (unsigned)st.st_mode & 07777);
	tell_words(d, "keys", about, DOCTOR_FAULT, found, "chmod 600; who may have read it can speak in its owner's name: make a new one");
	return false;
}

static void look_at_keys(struct doctor *d, const struct doctor_options *o, const struct target *t)
{
	static const char *const kept[] = { "signing.key", "local.key" };
	bool well = true;

	for (int i = 0; !o->target.db && i < 2; i++) {
		struct buffer path = { 0 };

		buffer_printf(&path, "%s/%s", o->target.data, kept[i]);
		well = is_private(d, buffer_text(&path), false, false) && well;
		buffer_release(&path);
	}
	if (o->target.db && t->key_file)
		well = is_private(d, t->key_file, false, false) && well;
	if (o->signing_key)
		well = is_private(d, o->signing_key, true, false) && well;
	if (o->tls_key)
		well = is_private(d, o->tls_key, true, true) && well;
	if (well)
		tell_words(d, "keys", "private keys are their owner's alone", DOCTOR_WELL, "", "");
}

static void look_at_schema(struct doctor *d, struct pg_conn *conn)
{
	static const char about[] = "the log's schema is this binary's";
	struct error found;
	int status = migrate_check(conn, &found);

	if (status == 0)
		tell_words(d, "schema", about, DOCTOR_WELL, "", "");
	else if (status == E_MIGRATION)
		tell_words(d, "schema", about, DOCTOR_FAULT, found.message, "verbatim migrate status shows which; no engine of this version starts "
			   "on it, and one that runs may fail");
	else
		tell_words(d, "schema", about, DOCTOR_UNKNOWN, found.message, "look again as a member of verbatim_auditor or verbatim_admin");
}

static void look_at_engine(struct doctor *d, const struct target *t)
{
	if (t->engine_pid)
		tell_words(d, "engine", "an engine runs here", DOCTOR_WELL, "", "");
	else
		tell_words(d, "engine", "an engine runs here", DOCTOR_NOTE, "no engine of this user runs on this log on this machine",
			   "verbatim serve; an engine on another machine does as well");
}

/* ---- the command ---- */

static int verdict(const struct doctor *d, struct error *error)
{
	if (!d->json)
		printf("\n%d well, %d notes, %d warnings, %d faults%s\n", d->counts[DOCTOR_WELL], d->counts[DOCTOR_NOTE],
		       d->counts[DOCTOR_WARNING], d->counts[DOCTOR_FAULT], d->counts[DOCTOR_UNKNOWN] ? "; not all could be looked at" : "");
	if (!d->counts[DOCTOR_FAULT])
		return 0;
	fflush(stdout);
	return error_set(error, E_UNSUITABLE, "%d %s; each says above what to do", d->counts[DOCTOR_FAULT],
			 d->counts[DOCTOR_FAULT] == 1 ? "fault" : "faults");
}

static int run(const struct arguments *args, struct error *error)
{
	const struct doctor_options *o = args->options;
	struct doctor d = { .json = o->json || !term_is_terminal(stdout), .colour = term_has_colour(stdout),
			    .width = term_width(stdout) > 110 ? 110 : term_width(stdout) };
	struct pg_conn *conn;
	struct target t;
	int status;

	if (args->count)
		return error_set(error, E_USAGE, "doctor takes no words; did you mean --data %s?", args->words[0]);
	status = target_database(&o->target, false, &t, error);
	if (status)
		return status;
	target_look_for_engine(&o->target, &t);
	status = db_open(t.conninfo, "verbatim doctor", &conn, error);
	if (!status) {
		look_at_engine(&d, &t);
		status = look_at_clock(&d, conn, error);
		if (!status && !o->target.db)
			look_at_folder(&d, o->target.data);
		if (!status) {
			look_at_keys(&d, o, &t);
			look_at_schema(&d, conn);
			status = doctor_examine(conn, tell, &d, error);
		}
		db_close(conn);
	}
	target_release(&t);
	buffer_release(&d.line);
	return status ? status : verdict(&d, error);
}

#define AT(member) .offset = offsetof(struct doctor_options, member)

static const struct option options[] = {
	{ .name = "signing-key-file", .kind = OPTION_TEXT, AT(signing_key), .argument = "FILE", .filled = true, .help = "look at this one, too, as serve has it" },
	{ .name = "tls-key", .kind = OPTION_TEXT, AT(tls_key), .argument = "FILE", .filled = true, .help = "and at this one" },
	{ .name = "json", .kind = OPTION_FLAG, AT(json), .help = "one JSON object a finding; the default when the output is no terminal" },
	TARGET_OPTIONS(struct doctor_options, target),
	{ .name = NULL },
};

const struct command doctor_command = {
	.name = "doctor",
	.usage = "doctor [OPTION]...",
	.brief = "look for what is wrong, or soon will be, and say what to do",
	.help = "Looks at the server's settings, at grants, triggers and row security, at the months' partitions, clocks, disk, private keys, "
		"the schema's version, old snapshots, replication and cleaning-up, and tells what to do about each thing that is not well. Nothing is changed. The exit status is "
		"0 unless there is a fault.\n"
		"\n"
		"  verbatim doctor\n"
		"  verbatim doctor --db postgresql://auditor@db/support --json",
	.options = options, .options_bytes = sizeof(struct doctor_options), .run = run,
};
