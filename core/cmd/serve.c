/*
 * serve - `verbatim serve`: the engine, with its own PostgreSQL or on one that is named.
 *
 *   look at the addresses
 *   lock DATA, start the cluster | check the server of --db
 *   migrate up (or check), identity, leaves, read models
 *   server_run .......... ready(): engine.json, one line on stdout
 *   engine.json away, cluster stopped, lock given up
 *
 * The first SIGINT or SIGTERM begins an orderly stop; one that comes later ends the process at once, after telling the
 * cluster to shut down.  Both are safe: what was acknowledged is committed.  SIGHUP has the certificate read again; when the
 * terminal that it was started on has gone, it is a wish to stop.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/time.h"
#include "cmd/command.h"
#include "cmd/engine_file.h"
#include "cmd/engine_key.h"
#include "cmd/keys.h"
#include "cmd/listen_check.h"
#include "cmd/notify.h"
#include "cmd/secrets.h"
#include "cmd/target.h"
#include "engine/notary.h"
#include "engine/server.h"
#include "engine/tls.h"
#include "store/cluster.h"
#include "store/db.h"
#include "store/migrate.h"

struct serve_options {
	struct target_options target;
	const char *key_file, *checkpoint_dir;
	int64_t checkpoint_every, checkpoint_events;
	struct texts listen;
	const char *http;
	bool insecure;
	const char *tls_cert, *tls_key, *tls_passphrase, *tls_client_ca, *tls_client;
	const char *log;
	bool core_dumps;
	int64_t memory, frame_bytes, event_bytes, request_events, depth, connections, idle, hello, database, batch_events, workers, check_every;
};

enum { LISTEN_MAX = 16 };

struct serve {
	const struct serve_options *options;
	struct cluster *cluster; /* NULL with --db */
	int lock;                /* -1 with --db */
	struct note_signer signer;
	bool signs;
	struct notary *notary;
	struct tls_context *tls; /* NULL: no address speaks it */
	struct engine_file about; /* what engine.json holds */
	char *conninfo;
	char *file;              /* engine.json; NULL: nowhere to put it */
	struct buffer listen[LISTEN_MAX];
	const char *addresses[LISTEN_MAX];
};

static const char *const log_levels[] = { "debug", "info", "warn", "error", "silent", NULL };

static const char *const tls_clients[] = { "optional", "required", NULL };

#define AT(member) .offset = offsetof(struct serve_options, member)

static const struct option options[] = {
	{ .name = "listen", .kind = OPTION_TEXTS, AT(listen), .argument = "ADDRESS", .fallback = "127.0.0.1:7411",
	  .help = "HOST:PORT or unix:PATH to take clients on; port 0 takes a free one, which engine.json tells. With --tls-cert, HOST:PORT "
		  "speaks TLS; plain:HOST:PORT does not, and must be of this machine" },
	{ .name = "insecure", .kind = OPTION_FLAG, AT(insecure),
	  .help = "let anybody in who brings no key, to do anything; and listen beyond this machine without TLS" },
	{ .name = "http", .kind = OPTION_TEXT, AT(http), .argument = "HOST:PORT",
	  .help = "where /metrics (Prometheus), /healthz and /readyz are answered, to anybody who can reach it: figures, no content; "
		  "`verbatim help metrics` lists them" },
	{ .name = "workers", .kind = OPTION_INT, AT(workers), .argument = "N", .fallback = "1", .min = 1, .max = 64,
	  .help = "threads that fold the log into read models" },
	{ .name = "check-every", .kind = OPTION_TIME, AT(check_every), .argument = "TIME", .fallback = "0",
	  .help = "how often the read models are compared with a fresh fold of the log, as by verbatim check; status shows what came of it. 0: never" },
	{ .name = "log", .kind = OPTION_ENUM, AT(log), .argument = "LEVEL", .fallback = "info", .values = log_levels,
	  .help = "what the diary on standard error tells" },
	{ .name = "tls-cert", .kind = OPTION_TEXT, AT(tls_cert), .argument = "FILE", .filled = true, .group = "TLS",
	  .help = "the engine's certificate (PEM), followed by those of the CAs between it and the root. TCP addresses then speak TLS 1.3, "
		  "and nothing else" },
	{ .name = "tls-key", .kind = OPTION_TEXT, AT(tls_key), .argument = "FILE", .filled = true, .group = "TLS",
	  .help = "its private key (PEM), which nobody else can read" },
	{ .name = "tls-passphrase", .kind = OPTION_TEXT, AT(tls_passphrase), .argument = "TEXT", .filled = true, .hide = secrets_hide,
	  .group = "TLS", .help = "opens the private key, if that is encrypted. Better given by the variable than on the command line" },
	{ .name = "tls-client-ca", .kind = OPTION_TEXT, AT(tls_client_ca), .argument = "FILE", .filled = true, .group = "TLS",
	  .help = "clients may show a certificate that one of these CAs (PEM) has signed" },
	{ .name = "tls-client", .kind = OPTION_ENUM, AT(tls_client), .argument = "WHETHER", .fallback = "optional", .values = tls_clients,
	  .group = "TLS", .help = "whether every client must; with --tls-client-ca" },
	SIGNING_KEY_OPTION(struct serve_options, key_file),
	{ .name = "checkpoint-every", .kind = OPTION_TIME, AT(checkpoint_every), .argument = "TIME", .fallback = "1m",
	  .group = "Checkpoints", .help = "a shard that has grown gets a signed checkpoint so often, when there is a key; 0: none is made" },
	{ .name = "checkpoint-events", .kind = OPTION_INT, AT(checkpoint_events), .argument = "N", .fallback = "100000", .min = 1,
	  .max = 1000000000, .group = "Checkpoints", .help = "and whenever so many events were added, looked at each second" },
	{ .name = "checkpoint-dir", .kind = OPTION_TEXT, AT(checkpoint_dir), .argument = "DIR", .filled = true,
	  .group = "Checkpoints", .help = "a folder for the newest checkpoint of each shard, to be carried elsewhere" },
	TARGET_OPTIONS(struct serve_options, target),
	{ .name = "core-dumps", .kind = OPTION_FLAG, AT(core_dumps),
	  .help = "let the system write a core file when the engine crashes: it would hold keys and events" },
	{ .name = "memory", .kind = OPTION_BYTES, AT(memory), .argument = "SIZE", .fallback = "92M", .min = 16 << 20,
	  .max = 64LL << 30, .group = "Limits", .help = "bound of everything that clients can make grow" },
	{ .name = "connections", .kind = OPTION_INT, AT(connections), .argument = "N", .fallback = "10000", .min = 1,
	  .max = 1000000, .group = "Limits", .help = "most clients at a time" },
	{ .name = "frame-bytes", .kind = OPTION_BYTES, AT(frame_bytes), .argument = "SIZE", .fallback = "4M", .min = 4096,
	  .max = 64 << 20, .group = "Limits", .help = "largest message" },
	{ .name = "event-bytes", .kind = OPTION_BYTES, AT(event_bytes), .argument = "SIZE", .fallback = "256K", .min = 1024,
	  .max = 16 << 20, .group = "Limits", .help = "largest event" },
	{ .name = "request-events", .kind = OPTION_INT, AT(request_events), .argument = "N", .fallback = "10000", .min = 1,
	  .max = 100000, .group = "Limits", .help = "most events in one request" },
	{ .name = "depth", .kind = OPTION_INT, AT(depth), .argument = "N", .fallback = "16", .min = 4, .max = 64,
	  .group = "Limits", .help = "how deep a message may nest" },
	{ .name = "idle", .kind = OPTION_TIME, AT(idle), .argument = "TIME", .fallback = "10m", .group = "Limits",
	  .help = "a client that says nothing for so long is closed; 0: never" },
	{ .name = "hello", .kind = OPTION_TIME, AT(hello), .argument = "TIME", .fallback = "10s", .min = 100, .max = 3600000,
	  .group = "Limits", .help = "a client must have said hello by then" },
	{ .name = "database-timeout", .kind = OPTION_TIME, AT(database), .argument = "TIME", .fallback = "10s", .min = 1000,
	  .max = 600000, .group = "Limits",
	  .help = "a database that does not answer for so long is given up and connected to again; appends are then answered "
		  "unavailable, and may be sent again" },
	{ .name = "batch-events", .kind = OPTION_INT, AT(batch_events), .argument = "N", .fallback = "2000", .min = 1,
	  .max = 20000, .group = "Limits", .help = "most events that one commit takes" },
	{ .name = NULL },
};

/* ---- signals ---- */

static const struct cluster *volatile signal_cluster;
static volatile sig_atomic_t stop_count, reload_wanted;
static bool has_terminal;

/* `timeout` and some supervisors signal the process and then its group: what comes within a second is the same wish. */
static void on_signal(int signal)
{
	static int64_t first;
	const struct cluster *c = signal_cluster;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (stop_count == 0) {
		stop_count = 1;
		first = now.tv_sec * TIME_SECOND + now.tv_nsec / 1000;
		server_stop();
		return;
	}
	if (now.tv_sec * TIME_SECOND + now.tv_nsec / 1000 - first < TIME_SECOND)
		return;
	if (c)
		cluster_abandon(c);
	_exit(75); /* E_INTERRUPTED's */
}

/* A terminal that hangs up sends the same signal as who wants a reload; tcgetattr knows whether it is still there. */
static void on_hangup(int signal)
{
	int before = errno;
	struct termios t;

	if (has_terminal && tcgetattr(STDERR_FILENO, &t) != 0) {
		on_signal(signal);
	} else {
		reload_wanted = 1;
		server_reload();
	}
	errno = before;
}

static void watch_signals(void)
{
	struct sigaction stop = { .sa_handler = on_signal, .sa_flags = SA_RESTART }, ignore = { .sa_handler = SIG_IGN };
	struct sigaction hangup = { .sa_handler = on_hangup, .sa_flags = SA_RESTART };

	has_terminal = isatty(STDERR_FILENO);
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGHUP, &hangup, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
}

/* ---- TLS ---- */

static int open_tls(struct serve *s, struct error *error)
{
	const struct serve_options *o = s->options;
	struct tls_files files = { o->tls_cert, o->tls_key, o->tls_passphrase, o->tls_client_ca, strcmp(o->tls_client, "required") == 0 };

	if (!o->tls_cert != !o->tls_key)
		return error_set(error, E_USAGE, "--tls-cert and --tls-key go together");
	if (!o->tls_cert && o->tls_client_ca)
		return error_set(error, E_USAGE, "--tls-client-ca is for TLS: give --tls-cert and --tls-key, too");
	if (!o->tls_client_ca && files.client_required)
		return error_set(error, E_USAGE, "--tls-client required: name the CA that signs clients' certificates with --tls-client-ca");
	return o->tls_cert ? tls_context_open(&files, &s->tls, error) : 0;
}

static void say_ready(const struct serve *s)
{
	struct buffer text = { 0 };

	for (int i = 0; i < s->about.address_count; i++)
		buffer_printf(&text, "%s%s", i ? ", " : "", s->about.addresses[i]);
	notify_say("READY=1\nSTATUS=serving %s", buffer_text(&text));
	buffer_release(&text);
}

/* Other programs and commands of this machine know the engine by its certificate. */
static void write_file(struct serve *s)
{
	struct error error;

	if (s->tls)
		hex_encode(tls_context_fingerprint(s->tls), TLS_FINGERPRINT_BYTES, s->about.certificate);
	if (s->file && engine_file_write(s->file, &s->about, &error))
		log_warn("serve", "%s", error.message);
}

static void reload(struct serve *s)
{
	char fingerprint[TLS_FINGERPRINT_BYTES * 2 + 1], when[TIME_TEXT];
	struct error error;

	reload_wanted = 0;
	if (!s->tls) {
		log_info("serve", "there is no certificate to read again");
		return;
	}
	if (tls_context_reload(s->tls, &error)) {
		log_error("serve", "the certificate of before stays: %s", error.message);
		notify_say("STATUS=the certificate of before stays: %s", error.message);
		return;
	}
	hex_encode(tls_context_fingerprint(s->tls), TLS_FINGERPRINT_BYTES, fingerprint);
	log_info("serve", "new connections get the certificate with fingerprint %s, good until %s", fingerprint,
		 time_format(tls_context_expires(s->tls), when));
	write_file(s);
	say_ready(s);
}

/* On the loop's thread, all three. */
static void on_reload(void *data)
{
	notify_reloading();
	reload(data);
	notify_say("READY=1");
}

static void on_alive(void *data)
{
	notify_alive();
}

static void on_stopping(void *data)
{
	struct serve *s = data;

	if (s->file && !s->cluster)
		engine_file_remove(s->file, &s->about); /* it takes nobody in any more: commands find another */
	notify_say("STOPPING=1\nSTATUS=ending what is under way");
}

/* ---- addresses ---- */

static int check_addresses(struct serve *s, struct error *error)
{
	const struct serve_options *o = s->options;
	int status;

	if (o->listen.count == 0 || o->listen.count > LISTEN_MAX)
		return error_set(error, E_USAGE, "give 1 to %d addresses with --listen", LISTEN_MAX);
	for (int i = 0; i < o->listen.count; i++) {
		status = listen_take(o->listen.items[i], o->tls_cert, o->insecure, &s->listen[i], error);
		if (status)
			return status;
		s->addresses[i] = buffer_text(&s->listen[i]);
	}
	if (!o->target.db && engine_is_locked(o->target.data))
		return 0; /* whose engine that is will be told in a moment */
	status = listen_check("listen", s->addresses, o->listen.count, error);
	return status || !o->http ? status : listen_check("http", &o->http, 1, error);
}

/* ---- checkpoints ---- */

/* Before anything is started that would inherit the environment. */
static int find_key(struct serve *s, struct error *error)
{
	const struct serve_options *o = s->options;
	struct buffer path = { 0 };
	int status;

	if (!o->target.db)
		buffer_printf(&path, "%s/signing.key", o->target.data);
	status = keys_signer(o->key_file, path.len ? buffer_text(&path) : NULL, &s->signer, &s->signs, error);
	buffer_release(&path);
	if (!status && o->checkpoint_dir && access(o->checkpoint_dir, W_OK | X_OK) != 0)
		status = error_set(error, E_NO_ACCESS, "--checkpoint-dir %s: cannot write there: %s", o->checkpoint_dir, strerror(errno));
	return status;
}

/* An engine with a cluster of its own has a key of its own; one on somebody's database signs only with a key that it was given. */
static int make_key(struct serve *s, const char *log_id, struct error *error)
{
	struct buffer path = { 0 };
	char name[NOTE_NAME_MAX], fingerprint[NOTE_FINGERPRINT_TEXT];
	int status;

	buffer_printf(&path, "%s/signing.key", s->options->target.data);
	snprintf(name, sizeof(name), "verbatim/%s", log_id);
	keys_make(name, &s->signer);
	status = keys_write(buffer_text(&path), &s->signer, error);
	s->signs = !status;
	if (s->signs)
		log_info("serve", "made a key for checkpoints, '%s', fingerprint %s", path.data,
			 note_key_fingerprint(&s->signer.key, fingerprint));
	buffer_release(&path);
	return status;
}

static void start_notary(struct serve *s)
{
	const struct serve_options *o = s->options;
	struct notary_options n = { s->conninfo, "verbatim_engine", o->checkpoint_dir, o->checkpoint_every, o->checkpoint_events };

	if (s->signs && o->checkpoint_every > 0)
		s->notary = notary_start(&n, &s->signer);
	explicit_bzero(&s->signer.seed, sizeof(s->signer.seed));
}

/* ---- the database ---- */

static int open_database(struct serve *s, struct error *error)
{
	const struct target_options *t = &s->options->target;
	int status;

	if (t->db) {
		s->conninfo = mem_strdup(t->db);
		return 0;
	}
	status = cluster_make_folder(t->data, error);
	if (status)
		return status;
	s->lock = engine_lock(t->data, error);
	if (s->lock < 0)
		return s->lock;
	status = cluster_start(t->data, true, &s->cluster, error);
	if (status)
		return status;
	signal_cluster = s->cluster;
	s->conninfo = mem_strdup(cluster_conninfo(s->cluster));
	return 0;
}

static void log_migration(void *data, const char *version, const char *name)
{
	log_info("migrate", "applied %s %s", version, name);
}

/* Migrates where it may; where it may not, everything must be there. */
static int prepare_schema(struct pg_conn *conn, struct error *error)
{
	bool may;
	int status = migrate_may(conn, &may, error);

	if (status)
		return status;
	if (!may)
		return migrate_check(conn, error);
	status = migrate_up(conn, log_migration, NULL, error);
	return status ? status : log_prepare(conn, 0, error);
}

/* So that commands beside the engine get in.  A login that may not make keys leaves that to who may. */
static int keep_local_key(struct serve *s, struct pg_conn *conn, struct error *error)
{
	char *path = engine_key_path(s->file);
	int status = engine_key_keep(conn, path, error);

	if (status == E_NO_ACCESS && !s->cluster) {
		log_info("serve", "the database's user may not make API keys: commands beside this engine need one (--api-key-file)");
		status = 0;
	}
	free(path);
	return status;
}

static int prepare_database(struct serve *s, struct error *error)
{
	struct migrations m = { 0 };
	struct pg_conn *conn;
	int others, status = db_open(s->conninfo, "verbatim serve", &conn, error);

	if (status)
		return status;
	status = cluster_check_server(conn, error);
	if (!status)
		status = prepare_schema(conn, error);
	if (!status)
		status = migrate_status(conn, &m, error);
	if (!status && !*m.log_id)
		status = error_set(error, E_NOT_FOUND,
				   "there is no log in this database and its user may not make one; run: verbatim init --db ...");
	if (!status)
		s->file = s->cluster ? engine_file_path(s->options->target.data) : engine_file_path_of_log(m.log_id);
	if (!status && !s->cluster)
		free(engine_file_list(m.log_id, &others)); /* sweeps */
	if (!status && s->file)
		status = keep_local_key(s, conn, error);
	db_close(conn);
	if (!status && !s->signs && s->cluster && s->options->checkpoint_every > 0)
		status = make_key(s, m.log_id, error);
	migrations_release(&m);
	return status;
}

/* ---- running ---- */

static void print_ready(const struct serve *s, const struct engine_file *file)
{
	printf("verbatim %s is ready: ", VERBATIM_VERSION);
	for (int i = 0; i < file->address_count; i++)
		printf("%s%s", i ? ", " : "", file->addresses[i]);
	if (s->cluster)
		printf("; psql: verbatim psql --data %s\n", s->options->target.data);
	else
		printf("; psql: verbatim psql --db ...\n");
	fflush(stdout);
}

static void on_ready(void *data, const char *addresses)
{
	struct serve *s = data;
	struct engine_file *file = &s->about;
	char now[TIME_TEXT];

	file->pid = (long)getpid();
	snprintf(file->version, sizeof(file->version), "%s", VERBATIM_VERSION);
	snprintf(file->started_at, sizeof(file->started_at), "%s", time_format(time_wall(), now));
	if (s->cluster)
		snprintf(file->socket_dir, sizeof(file->socket_dir), "%s", cluster_socket_dir(s->cluster));
	engine_file_set_addresses(file, addresses);
	if (!s->file)
		log_warn("serve", "no private folder for the engine's file: commands need --to");
	write_file(s);
	if (s->options->insecure)
		log_warn("serve", "--insecure: whoever reaches these addresses may do anything, and what TCP carries can be read on its way");
	print_ready(s, file);
	say_ready(s);
	if (stop_count)
		server_stop(); /* the signal came before there was anything to stop */
	else if (reload_wanted)
		on_reload(s);
}

static int on_lost(void *data)
{
	struct serve *s = data;
	struct error error;
	int status;

	if (!s->cluster || stop_count)
		return E_UNAVAILABLE;
	status = cluster_revive(s->cluster, &error);
	if (status)
		log_error("cluster", "%s", error.message);
	return status;
}

static int run_server(struct serve *s, struct error *error)
{
	const struct serve_options *o = s->options;
	struct server_options server = {
		.conninfo = s->conninfo,
		.role = "verbatim_engine",
		.listen = s->addresses,
		.listen_count = o->listen.count,
		.http = o->http,
		.insecure = o->insecure,
		.frame_bytes = o->frame_bytes,
		.event_bytes = o->event_bytes,
		.request_events = o->request_events,
		.depth = o->depth,
		.connections = o->connections,
		.idle_ms = o->idle,
		.hello_ms = o->hello,
		.database_ms = o->database,
		.memory_bytes = o->memory,
		.batch_events = o->batch_events,
		.workers = o->workers,
		.notary = s->notary,
		.check_every_ms = o->check_every,
		.tls = s->tls,
		.ready = on_ready,
		.alive = on_alive,
		.reload = on_reload,
		.stopping = on_stopping,
		.revive = on_lost,
		.data = s,
	};

	return stop_count ? 0 : server_run(&server, error);
}

static void close_all(struct serve *s)
{
	struct error error;

	notary_stop(s->notary);
	if (s->file)
		engine_file_remove(s->file, &s->about);
	if (cluster_stop(s->cluster, &error))
		log_error("cluster", "%s", error.message);
	signal_cluster = NULL;
	if (s->lock >= 0)
		close(s->lock);
	for (int i = 0; i < LISTEN_MAX; i++)
		buffer_release(&s->listen[i]);
	tls_context_free(s->tls);
	free(s->conninfo);
	free(s->file);
}

static int run(const struct arguments *args, struct error *error)
{
	const struct serve_options *o = args->options;
	struct serve s = { .options = o, .lock = -1 };
	int status;

	if (args->count)
		return error_set(error, E_USAGE, "serve takes no words; did you mean --data %s?", args->words[0]);
	for (int i = 0; log_levels[i]; i++)
		if (strcmp(log_levels[i], o->log) == 0)
			log_set_level((enum log_level)i);
	secrets_no_core(o->core_dumps);
	notify_start();
	status = open_tls(&s, error);
	if (!status)
		status = check_addresses(&s, error);
	if (!status) {
		watch_signals();
		status = find_key(&s, error);
	}
	if (!status)
		status = open_database(&s, error);
	if (!status)
		status = prepare_database(&s, error);
	if (!status) {
		start_notary(&s);
		status = run_server(&s, error);
	}
	close_all(&s);
	return status;
}

const struct command serve_command = {
	.name = "serve",
	.usage = "serve [OPTION]...",
	.brief = "run the engine",
	.help = "Takes events over TCP, appends them to the log in PostgreSQL and keeps the read models up to date. Without --db it runs its "
		"own PostgreSQL below --data: made at the first start, on a private Unix socket only, stopped with the engine. Any number "
		"of engines may run on one database of --db.\n"
		"\n"
		"When it is ready it prints one line with its addresses. SIGTERM and SIGINT stop it in order: what was acknowledged is "
		"committed, what was not the client sends again; a second one, a second or more later, ends it at once. SIGHUP "
		"reads certificate, key and the clients' CAs again: new connections get the new ones, and when they are no good, those "
		"of before stay. systemd is told when it is ready, reloads and stops (Type=notify), and that it is alive "
		"(WatchdogSec).\n"
		"\n"
		"  verbatim serve\n"
		"  verbatim serve --data /srv/verbatim --listen 127.0.0.1:7411 --listen unix:/run/verbatim.sock\n"
		"  verbatim serve --listen 0.0.0.0:7411 --tls-cert engine.pem --tls-key engine.key\n"
		"  verbatim serve --db postgresql://verbatim@db/support --listen 127.0.0.1:7411\n"
		"\n"
		"Clients bring an API key (verbatim key create). Commands beside the engine find the one that it makes for its own user, "
		"DATA/local.key; a Unix socket knows the engine's user and root without.",
	.options = options, .options_bytes = sizeof(struct serve_options), .run = run,
};
