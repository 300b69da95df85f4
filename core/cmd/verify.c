/*
 * verify - `verbatim verify`: reads the whole log and tells whatever is not as it was written, and where.
 *
 * A thread a shard, as many at a time as --jobs says; findings are told as they come, a shard's sum when it is done, and
 * the whole at the end.  For machines each of them is a JSON object a line.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/term.h"
#include "base/time.h"
#include "client/client_json.h"
#include "cmd/command.h"
#include "cmd/interrupt.h"
#include "cmd/proofs.h"
#include "engine/files.h"
#include "store/log_verify.h"
#include "store/migrate.h"

enum { KEPT_MAX = 10000, JOBS_MAX = 64, PROGRESS_US = 100000 };

struct verify_options {
	struct target_options target;
	struct texts keys, against;
	int64_t jobs;
	bool json, quiet;
};

#define AT(member) .offset = offsetof(struct verify_options, member)

static const struct option options[] = {
	{ .name = "against", .kind = OPTION_TEXTS, AT(against), .argument = "FILE", .filled = true,
	  .help = "a checkpoint that was kept elsewhere, or a folder of them: the log must extend it" },
	TRUSTED_KEY_OPTION(struct verify_options, keys),
	{ .name = "jobs", .kind = OPTION_INT, AT(jobs), .argument = "N", .min = 1, .max = JOBS_MAX,
	  .help = "shards at a time, each with two sessions; as many as there are processors when not given" },
	{ .name = "json", .kind = OPTION_FLAG, AT(json), .help = "one JSON object a line, as when the output is no terminal" },
	{ .name = "quiet", .kind = OPTION_FLAG, AT(quiet), .help = "no progress" },
	TARGET_OPTIONS(struct verify_options, target),
	{ .name = NULL },
};

struct verify {
	const struct verify_options *o;
	bool json;
	struct target target;
	struct note_key keys[CHECKPOINT_KEYS_MAX];
	int key_count;
	struct checkpoint_heads heads;
	struct kept_checkpoint *kept;
	int kept_count;
	struct log_verify *shards;     /* one each */
	_Atomic int next, running;
	_Atomic int64_t done;
	pthread_mutex_t lock;          /* over what follows and standard output */
	struct progress progress;
	int64_t findings;
	struct error error;            /* the first that stopped a shard */
};

/* ---- what is told ---- */

static void tell_finding(void *data, const struct finding *f)
{
	struct verify *v = data;
	struct buffer out = { 0 };
	char event[UUID_TEXT], tenant[UUID_TEXT];
	bool known = !uuid_is_nil(&f->event_id);

	if (v->json) {
		buffer_printf(&out, "{\"finding\":\"%s\",\"shard\":%d", fault_name(f->fault), f->shard);
		if (f->position)
			buffer_printf(&out, ",\"position\":%lld", (long long)f->position);
		if (known)
			buffer_printf(&out, ",\"event_id\":\"%s\",\"tenant_id\":\"%s\"", uuid_format(&f->event_id, event),
				      uuid_format(&f->tenant_id, tenant));
		buffer_add_text(&out, ",\"text\":");
		client_json_text(bytes_text(f->text), &out);
		buffer_add_text(&out, "}\n");
	} else {
		bool colour = term_has_colour(stdout);

		buffer_printf(&out, "%sshard %d", term_style(STYLE_RED, colour), f->shard);
		if (f->position)
			buffer_printf(&out, ", position %lld", (long long)f->position);
		if (known)
			buffer_printf(&out, ", event %s", uuid_format(&f->event_id, event));
		buffer_printf(&out, ":%s %s\n", term_style(STYLE_PLAIN, colour), f->text);
	}
	pthread_mutex_lock(&v->lock);
	progress_clear(&v->progress);
	fwrite(out.data, 1, out.len, stdout);
	fflush(stdout);
	pthread_mutex_unlock(&v->lock);
	buffer_release(&out);
}

static int64_t findings_of(const struct log_verify *s)
{
	int64_t n = 0;

	for (int i = 0; i < FAULT_COUNT; i++)
		n += s->counts[i];
	return n;
}

static void shard_json(const struct log_verify *s, struct buffer *out)
{
	char root[2 * LEAF_BYTES + 1];
	int64_t findings = findings_of(s);

	hex_encode(s->root, LEAF_BYTES, root);
	buffer_printf(out, "{\"shard\":%d,\"verified\":%s,\"events\":%lld,\"root\":\"%s\",\"batches\":%lld,\"tiles\":%lld", s->shard,
		      findings ? "false" : "true", (long long)s->head, root, (long long)s->batches, (long long)s->tiles);
	buffer_printf(out, ",\"checkpoints\":%lld,\"signed_up_to\":%lld,\"superseded\":%lld,\"by_other_keys\":%lld,\"kept\":%lld,\"findings\":%lld}\n",
		      (long long)s->checkpoints, (long long)s->signed_size, (long long)s->superseded, (long long)s->unknown_checkpoints,
		      (long long)s->kept_checked, (long long)findings);
}

static void shard_text(const struct log_verify *s, struct buffer *out)
{
	int64_t findings = findings_of(s);
	bool colour = term_has_colour(stdout);
	char n[HUMAN_TEXT];

	buffer_printf(out, "shard %d  %s%s%s  %s events", s->shard, term_style(findings ? STYLE_RED : STYLE_GREEN, colour),
		      findings ? "changed" : "holds", term_style(STYLE_PLAIN, colour), human_count(s->head, n));
	if (s->checkpoints)
		buffer_printf(out, ", %s checkpoints", human_count(s->checkpoints, n));
	if (s->signed_size)
		buffer_printf(out, ", as signed up to %s", human_count(s->signed_size, n));
	if (s->superseded)
		buffer_printf(out, "; %s of an earlier epoch reach into what was given up", human_count(s->superseded, n));
	if (s->unknown_checkpoints)
		buffer_printf(out, "; %s by keys that are not trusted were passed over", human_count(s->unknown_checkpoints, n));
	for (int i = 0; i < FAULT_COUNT; i++)
		if (s->counts[i] > FINDINGS_TOLD)
			buffer_printf(out, "; %lld more of kind %s", (long long)s->counts[i] - FINDINGS_TOLD, fault_name((enum fault)i));
	buffer_add_byte(out, '\n');
}

static void tell_shard(struct verify *v, const struct log_verify *s)
{
	struct buffer out = { 0 };

	if (v->json)
		shard_json(s, &out);
	else
		shard_text(s, &out);
	pthread_mutex_lock(&v->lock);
	progress_clear(&v->progress);
	v->findings += findings_of(s);
	fwrite(out.data, 1, out.len, stdout);
	fflush(stdout);
	pthread_mutex_unlock(&v->lock);
	buffer_release(&out);
}

static void tell_end(const struct verify *v, int64_t us)
{
	double seconds = us > 0 ? (double)us / 1e6 : 1e-6;
	char n[HUMAN_TEXT], took[HUMAN_TEXT], rate[HUMAN_TEXT], log_id[UUID_TEXT], fingerprint[NOTE_FINGERPRINT_TEXT];
	bool trusted = v->o->keys.count > 0, sound = !v->findings && !v->error.code;
	int64_t events = atomic_load(&v->done);

	if (v->json) {
		printf("{\"log_id\":\"%s\",\"verified\":%s,\"complete\":%s,\"events\":%lld,\"findings\":%lld,\"seconds\":%.3f,\"keys\":[",
		       uuid_format(&v->heads.log_id, log_id), sound ? "true" : "false", v->error.code ? "false" : "true", (long long)events,
		       (long long)v->findings, seconds);
		for (int i = 0; i < v->key_count; i++)
			printf("%s\"%s\"", i ? "," : "", note_key_fingerprint(&v->keys[i], fingerprint));
		printf("],\"keys_given\":%s}\n", trusted ? "true" : "false");
		return;
	}
	printf("\n%s events read in %s (%s events/s)\n", human_count(events, n), human_duration(us, took), human_rate((double)events / seconds, rate));
	for (int i = 0; i < v->key_count; i++)
		printf("%s %s, fingerprint %s\n", trusted ? "trusted key" : "key in the database", v->keys[i].name,
		       note_key_fingerprint(&v->keys[i], fingerprint));
	if (sound && !v->key_count && !v->kept_count)
		printf("the log agrees with itself; no checkpoint was ever signed, so somebody who owns the database could have made it anew\n");
	else if (sound && !trusted)
		printf("the log agrees with itself and with its checkpoints; compare the fingerprint with one you have from elsewhere, or give --key\n");
}

/* ---- the threads ---- */

static void *work(void *data)
{
	struct verify *v = data;
	int i;

	while ((i = atomic_fetch_add(&v->next, 1)) <= v->heads.shards) {
		struct error why;
		int status = interrupted ? error_set(&why, E_INTERRUPTED, "stopped by a signal") : log_verify_shard(&v->shards[i], &why);

		if (!status) {
			tell_shard(v, &v->shards[i]);
			continue;
		}
		pthread_mutex_lock(&v->lock);
		v->findings += findings_of(&v->shards[i]);
		if (!v->error.code) {
			v->error = why;
			error_prefix(&v->error, "shard %d", i);
		}
		pthread_mutex_unlock(&v->lock);
	}
	atomic_fetch_sub(&v->running, 1);
	return NULL;
}

static int64_t events_in_all(const struct verify *v)
{
	int64_t n = 0;

	for (int i = 0; i <= v->heads.shards; i++)
		n += v->heads.heads[i].position;
	return n;
}

static void run_threads(struct verify *v)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	int jobs = v->o->jobs ? (int)v->o->jobs : processors > 0 ? (int)processors : 1;
	pthread_t threads[JOBS_MAX];
	int count = 0;

	if (jobs > v->heads.shards + 1)
		jobs = v->heads.shards + 1;
	progress_start(&v->progress, v->o->quiet ? NULL : stderr, "verify", "events", events_in_all(v));
	atomic_store(&v->running, jobs);
	for (; count < jobs && count < JOBS_MAX; count++)
		if (pthread_create(&threads[count], NULL, work, v) != 0)
			break;
	atomic_fetch_sub(&v->running, jobs - count);
	if (count == 0) {
		atomic_store(&v->running, 1);
		work(v);
	}
	while (atomic_load(&v->running) > 0) {
		usleep(PROGRESS_US / 4);
		pthread_mutex_lock(&v->lock);
		progress_update(&v->progress, atomic_load(&v->done), NULL);
		pthread_mutex_unlock(&v->lock);
	}
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	progress_clear(&v->progress);
}

/* ---- what it is held against ---- */

static int add_kept(struct verify *v, const char *path, struct error *error)
{
	struct kept_checkpoint *k = &v->kept[v->kept_count];
	struct buffer note = { 0 };
	int status = v->kept_count == KEPT_MAX ? error_set(error, E_USAGE, "more than %d checkpoints", KEPT_MAX)
					       : file_read(path, NOTE_BYTES_MAX, &note, error);

	if (!status && v->key_count == 0)
		status = error_set(error, E_USAGE, "no key is known to have signed '%s'; say which is trusted: --key", path);
	if (!status && checkpoint_open(buffer_bytes(&note), v->keys, v->key_count, &k->checkpoint, NULL, error))
		status = error_prefix(error, "%s", path);
	buffer_release(&note);
	if (status)
		return status;
	if (!uuid_equal(&k->checkpoint.log_id, &v->heads.log_id) || k->checkpoint.shard > v->heads.shards)
		return error_set(error, E_UNPROVEN, "%s: a checkpoint of another log than the database holds", path);
	k->name = mem_strdup(path);
	v->kept_count++;
	return 0;
}

/* Files called *.checkpoint, as --checkpoint-dir makes them. */
static int add_folder(struct verify *v, const char *path, DIR *folder, struct error *error)
{
	int before = v->kept_count, status = 0;
	const struct dirent *d;

	while (!status && (d = readdir(folder))) {
		size_t n = strlen(d->d_name);
		struct buffer file = { 0 };

		if (n <= 11 || strcmp(d->d_name + n - 11, ".checkpoint") != 0)
			continue;
		buffer_printf(&file, "%s/%s", path, d->d_name);
		status = add_kept(v, buffer_text(&file), error);
		buffer_release(&file);
	}
	if (!status && v->kept_count == before)
		status = error_set(error, E_NO_INPUT, "there is no *.checkpoint in '%s'", path);
	return status;
}

static int find_kept(struct verify *v, struct error *error)
{
	int status = 0;

	v->kept = mem_zalloc(sizeof(*v->kept) * KEPT_MAX);
	for (int i = 0; i < v->o->against.count && !status; i++) {
		const char *path = v->o->against.items[i];
		DIR *folder = opendir(path);

		status = folder ? add_folder(v, path, folder, error) : add_kept(v, path, error);
		if (folder)
			closedir(folder);
	}
	return status;
}

static int prepare(struct verify *v, struct error *error)
{
	struct pg_conn *conn;
	int status = checkpoints_open(v->target.conninfo, "verbatim_auditor", "verbatim verify", &conn, error);

	if (status)
		return status;
	status = migrate_check(conn, error);
	if (!status)
		status = checkpoints_heads(conn, &v->heads, error);
	if (!status && v->o->keys.count)
		status = keys_trusted(&v->o->keys, v->keys, &v->key_count, error);
	else if (!status)
		status = checkpoints_keys(conn, v->keys, &v->key_count, error);
	db_close(conn);
	if (!status)
		status = find_kept(v, error);
	if (status)
		return status;
	v->shards = mem_zalloc(sizeof(*v->shards) * (size_t)(v->heads.shards + 1));
	for (int i = 0; i <= v->heads.shards; i++)
		v->shards[i] = (struct log_verify){ .conninfo = v->target.conninfo, .role = "verbatim_auditor", .shard = (int16_t)i,
						    .keys = v->keys, .key_count = v->key_count, .trusted = v->o->keys.count > 0,
						    .kept = v->kept, .kept_count = v->kept_count, .found = tell_finding, .data = v,
						    .done = &v->done, .stop = &interrupted };
	return 0;
}

static int run(const struct arguments *args, struct error *error)
{
	const struct verify_options *o = args->options;
	struct verify v = { .o = o, .json = o->json || !term_is_terminal(stdout), .lock = PTHREAD_MUTEX_INITIALIZER };
	int64_t start = time_monotonic();
	int status;

	if (args->count)
		return error_set(error, E_USAGE, "verify takes no words; did you mean --against %s?", args->words[0]);
	status = target_database(&o->target, false, &v.target, error);
	if (status)
		return status;
	catalog_init();
	interrupt_catch();
	status = prepare(&v, error);
	if (!status) {
		run_threads(&v);
		tell_end(&v, time_monotonic() - start);
		if (v.findings)
			status = error_set(error, E_UNPROVEN, "the log is not what was written: %lld finding%s", (long long)v.findings, v.findings == 1 ? "" : "s");
		else if (v.error.code) {
			*error = v.error;
			status = v.error.code;
		}
	}
	for (int i = 0; i < v.kept_count; i++)
		free((void *)(uintptr_t)v.kept[i].name);
	free(v.kept);
	free(v.shards);
	target_release(&v.target);
	return status;
}

const struct command verify_command = {
	.name = "verify",
	.usage = "verify [OPTION]...",
	.brief = "check the whole log against its hashes and signed checkpoints",
	.help = "Reads every event and computes its leaf hash anew; checks that positions have no gaps and times do not go back, the batches and "
		"their roots, the tiles, the signature of every checkpoint, and that the log extends each of them. It names the first thing that "
		"is wrong in each shard and what is wrong with it. Appending may go on meanwhile: what was in the log at the start is checked.\n"
		"\n"
		"Whoever owns the database can rewrite all of it, checkpoints too, so that it fits; then only what was kept elsewhere tells: a "
		"checkpoint (--against) and the key (--key).\n"
		"\n"
		"As JSON each line is a finding (\"finding\": event_changed, event_missing, event_doubled, event_beside, event_unreadable, "
		"time_went_back, batch, batch_root, tile, checkpoint, signature, unsigned, end_missing, kept_checkpoint), a shard's sum, or the "
		"end. The exit status is 0 when everything holds, 65 when something does not.\n"
		"\n"
		"  verbatim verify\n"
		"  verbatim verify --key log.vkey --against /mnt/usb/checkpoints --json\n"
		"  verbatim verify --db postgresql://auditor@db/support --key log.example.com+1b2c3d4e+AaBb...",
	.options = options, .options_bytes = sizeof(struct verify_options), .run = run,
};
