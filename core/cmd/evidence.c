/*
 * evidence - `verbatim evidence`: a conversation's events with everything that is needed to check them elsewhere.
 *
 * The bundle (offline/bundle.h) is made in memory, checked as its reader will check it, and then written.  The same log,
 * checkpoint and options give the same bytes.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/ustar.h"
#include "cmd/command.h"
#include "cmd/evidence_state.h"
#include "cmd/proofs.h"
#include "engine/files.h"
#include "event/merkle.h"
#include "offline/bundle.h"
#include "store/log_events.h"

struct evidence_options {
	struct engine_options engine;
	const char *conversation, *tenant, *checkpoint, *out, *key_file, *reason;
	struct texts withhold, keys;
	bool force;
};

#define AT(member) .offset = offsetof(struct evidence_options, member)

static const struct option options[] = {
	{ .name = "conversation", .kind = OPTION_TEXT, AT(conversation), .argument = "ID", .filled = true, .help = "whose events are wanted" },
	{ .name = "tenant", .kind = OPTION_TEXT, AT(tenant), .argument = "ID", .filled = true,
	  .help = "whose conversation it is; needed when several tenants have one with this id, or no read model knows it" },
	{ .name = "out", .kind = OPTION_TEXT, AT(out), .argument = "FILE", .filled = true, .help = "where the bundle goes: case.tar" },
	{ .name = "force", .kind = OPTION_FLAG, AT(force), .help = "write over a file that is there" },
	{ .name = "withhold", .kind = OPTION_TEXTS, AT(withhold), .argument = "EVENT_ID", .filled = true,
	  .help = "an event whose text is not given: the bundle then has its position, type and hash, and says so" },
	{ .name = "checkpoint", .kind = OPTION_TEXT, AT(checkpoint), .argument = "FILE", .filled = true,
	  .help = "the checkpoint that the proofs lead to; the newest one when not given" },
	{ .name = "reason", .kind = OPTION_TEXT, AT(reason), .argument = "TEXT", .help = "what for; stands in audit.access" },
	SIGNING_KEY_OPTION(struct evidence_options, key_file),
	TRUSTED_KEY_OPTION(struct evidence_options, keys),
	ENGINE_OPTIONS(struct evidence_options, engine),
	{ .name = NULL },
};

struct evidence {
	const struct evidence_options *o;
	struct proofs p;
	struct note_signer signer;
	bool signs;
	struct arena arena;
	struct evidence_state state;
	struct logged_event *events;
	int count;
	struct log_tiles tiles;
	struct checkpoint checkpoint;
	struct note_key key;       /* that signed it */
	struct buffer note;        /* the checkpoint's text */
	struct manifest manifest;
	struct buffer tar, sums;
};

static void add_file(struct evidence *e, const char *name, struct bytes content)
{
	ustar_add(&e->tar, name, content);
	bundle_sum(&e->sums, name, content);
}

/* ---- what goes in ---- */

static bool is_withheld(const struct evidence *e, const struct logged_event *event)
{
	for (int i = 0; i < e->manifest.withheld_count; i++)
		if (e->manifest.withheld[i].position == event->position)
			return true;
	return false;
}

/* Events by position, so the list comes out in order. */
static int choose_withheld(struct evidence *e, struct error *error)
{
	const struct texts *words = &e->o->withhold;
	int found = 0;

	if (words->count > MANIFEST_WITHHELD_MAX)
		return error_set(error, E_USAGE, "more than %d events to withhold", MANIFEST_WITHHELD_MAX);
	e->manifest.withheld = arena_zalloc(&e->arena, sizeof(*e->manifest.withheld) * (size_t)(words->count + 1));
	for (int i = 0; i < words->count; i++) {
		struct uuid id;
		bool here = false;
		int status = proofs_uuid("--withhold", words->items[i], &id, error);

		if (status)
			return status;
		for (int k = 0; k < e->count; k++)
			here = here || uuid_equal(&e->events[k].event_id, &id);
		if (!here)
			return error_set(error, E_NOT_FOUND, "--withhold %s: the conversation has no such event up to the checkpoint", words->items[i]);
	}
	for (int k = 0; k < e->count && found < words->count; k++)
		for (int i = 0; i < words->count; i++) {
			struct manifest_withheld *w = &e->manifest.withheld[found];
			struct uuid id;

			if (!uuid_parse(words->items[i], strlen(words->items[i]), &id) || !uuid_equal(&e->events[k].event_id, &id))
				continue;
			w->position = e->events[k].position;
			snprintf(w->type, sizeof(w->type), "%.*s", (int)e->events[k].type.len, e->events[k].type.data);
			memcpy(w->leaf, e->events[k].leaf, LEAF_BYTES);
			found++;
			break;
		}
	e->manifest.withheld_count = found;
	return 0;
}

static int take_events(struct evidence *e, struct error *error)
{
	const struct scope *scope = &e->state.scope;
	int status = 0;

	e->events = arena_alloc(&e->arena, sizeof(*e->events) * (size_t)(scope->count + 1));
	for (int i = 0; i < scope->count && !status; i++)
		if (evidence_has(&e->state, scope->events[i]))
			status = log_event_take(scope->events[i], &e->checkpoint.log_id, &e->arena, &e->events[e->count++], error);
	return status;
}

static void record(struct evidence *e)
{
	const struct evidence_options *o = e->o;
	struct buffer scope = { 0 };

	buffer_printf(&scope, "{\"withheld\":%d}", o->withhold.count);
	proofs_record(&e->p, &o->engine, &(struct access){
			.action = "evidence", .resource_type = "conversation", .resource_id = o->conversation,
			.purpose = o->reason ? o->reason : "", .tenant_id = e->manifest.tenant_id, .scope = buffer_bytes(&scope) });
	buffer_release(&scope);
}

/* Whose it is, journaled also when nobody has it. */
static int find_tenant(struct evidence *e, struct error *error)
{
	struct manifest *m = &e->manifest;
	int status = proofs_uuid("--conversation", e->o->conversation, &m->conversation_id, error);

	if (!status && e->o->tenant)
		status = proofs_uuid("--tenant", e->o->tenant, &m->tenant_id, error);
	if (!status)
		status = record_may(&e->o->engine, e->p.asker.appends, e->p.asker.login, error);
	if (status)
		return status;
	if (!e->o->tenant)
		status = log_events_tenant(e->p.conn, &m->conversation_id, &m->tenant_id, error);
	record(e);
	return status;
}

/* The newest checkpoint may be older than all of the conversation: then it is not known yet whether there is one. */
static int find_events(struct evidence *e, struct error *error)
{
	struct manifest *m = &e->manifest;
	char tenant[UUID_TEXT];
	int status = evidence_find(e->p.conn, &e->checkpoint, &m->tenant_id, &m->conversation_id, &e->state, error);

	if (!status)
		status = take_events(e, error);
	if (!status)
		status = log_events_behind(e->p.conn, &m->tenant_id, &m->conversation_id, e->checkpoint.size, e->state.head_at + TIME_DAY,
					   &m->newer, error);
	if (status || e->count)
		return status;
	if (m->newer)
		return error_set(error, E_NOT_READY, "the checkpoint of %lld reaches none of the conversation's events", (long long)e->checkpoint.size);
	return error_set(error, E_NOT_FOUND, "there is no event of conversation %s in the log of tenant %s", e->o->conversation,
			 uuid_format(&m->tenant_id, tenant));
}

static int gather(struct evidence *e, struct error *error)
{
	struct manifest *m = &e->manifest;
	int which, status = find_tenant(e, error);

	if (!status)
		status = proofs_checkpoint(&e->p, e->o->checkpoint, (int16_t)event_shard(&m->tenant_id, e->p.asker.shards), 1, &e->note,
					   &e->checkpoint, &which, error);
	if (!status)
		status = find_events(e, error);
	if (status)
		return status;
	e->key = e->p.keys[which];
	m->log_id = e->checkpoint.log_id;
	m->epoch = e->checkpoint.epoch;
	m->shard = e->checkpoint.shard;
	m->size = e->checkpoint.size;
	m->events = e->count;
	note_key_fingerprint(&e->key, m->fingerprint);
	return choose_withheld(e, error);
}

/* ---- the bundle ---- */

static int add_event(struct evidence *e, const struct logged_event *event, struct error *error)
{
	struct buffer text = { 0 };
	struct proof proof;
	char name[64];
	int status = log_event_prove(&e->tiles, &e->checkpoint, event, &proof, error);

	if (status)
		return status;
	if (!is_withheld(e, event))
		add_file(e, bundle_event_name(event->position, name), event->text);
	proof.note = buffer_bytes(&e->note);
	proof_write(&proof, &text);
	add_file(e, bundle_proof_name(event->position, name), buffer_bytes(&text));
	buffer_release(&text);
	if (e->tar.len > BUNDLE_BYTES_MAX / 2)
		return error_set(error, E_TOO_LARGE, "the bundle would be larger than %d MB", BUNDLE_BYTES_MAX / 2 >> 20);
	return 0;
}

static void seal(struct evidence *e)
{
	struct buffer text = { 0 }, note = { 0 };

	ustar_add(&e->tar, "SHA256SUMS", buffer_bytes(&e->sums));
	if (e->signs) {
		bundle_seal_text(buffer_bytes(&e->sums), &text);
		note_sign(&e->signer, buffer_bytes(&text), &note);
		ustar_add(&e->tar, "SHA256SUMS.note", buffer_bytes(&note));
	}
	ustar_end(&e->tar);
	buffer_release(&text);
	buffer_release(&note);
}

/* The tiles above all events in one statement. */
static int bring_tiles(struct evidence *e, struct error *error)
{
	int64_t *positions = arena_alloc(&e->arena, sizeof(*positions) * (size_t)(e->count + 1));

	log_tiles_init(&e->tiles, e->p.conn, e->checkpoint.shard);
	for (int i = 0; i < e->count; i++)
		positions[i] = e->events[i].position;
	return log_tiles_bring(&e->tiles, positions, e->count, e->checkpoint.size, error);
}

static int make(struct evidence *e, struct error *error)
{
	struct buffer text = { 0 }, state = { 0 };
	char vkey[NOTE_KEY_TEXT];
	int status = 0;

	e->manifest.state = !e->manifest.withheld_count; /* else it would tell what was withheld */
	if (e->manifest.state)
		status = evidence_rows(&e->state, &e->checkpoint, &state, error);
	if (status)
		return status;
	manifest_write(&e->manifest, &text);
	add_file(e, "manifest.json", buffer_bytes(&text));
	add_file(e, "checkpoint", buffer_bytes(&e->note));
	buffer_reset(&text);
	buffer_printf(&text, "%s\n", note_key_format(&e->key, vkey));
	add_file(e, "key", buffer_bytes(&text));
	buffer_release(&text);
	status = bring_tiles(e, error);
	for (int i = 0; !status && i < e->count; i++)
		status = add_event(e, &e->events[i], error);
	log_tiles_release(&e->tiles);
	if (!status && e->manifest.state)
		add_file(e, "state.ndjson", buffer_bytes(&state));
	buffer_release(&state);
	if (!status)
		seal(e);
	return status;
}

static int write_out(struct evidence *e, struct error *error)
{
	uint8_t hash[LEAF_BYTES];
	char hex[2 * LEAF_BYTES + 1];
	struct bundle_report report;
	int status = bundle_check(buffer_bytes(&e->tar), &e->key, 1, &e->arena, &report, error);

	if (status)
		return error_prefix(error, "the bundle does not hold");
	status = proofs_recorded(&e->p, error);
	if (status)
		return status;
	status = file_write(e->o->out, buffer_bytes(&e->tar), 0644, e->o->force, error);
	if (status)
		return status;
	sha256(e->tar.data, e->tar.len, hash);
	hex_encode(hash, sizeof(hash), hex);
	printf("%s: %d events, %d of them withheld, under the checkpoint of %lld%s\n", e->o->out, e->count, e->manifest.withheld_count,
	       (long long)e->checkpoint.size, e->signs ? "; signed as a whole" : "; not signed as a whole, for want of a signing key");
	printf("sha256 of the file %s; fingerprint of the key %s\n", hex, e->manifest.fingerprint);
	if (e->manifest.newer)
		printf("%lld newer events are not in it: the checkpoint does not reach them; the next one will\n", (long long)e->manifest.newer);
	return 0;
}

static int find_signer(struct evidence *e, struct error *error)
{
	struct buffer path = { 0 };
	int status;

	if (!e->o->engine.target.db)
		buffer_printf(&path, "%s/signing.key", e->o->engine.target.data);
	status = keys_signer(e->o->key_file, path.len && access(buffer_text(&path), R_OK) == 0 ? path.data : NULL, &e->signer, &e->signs, error);
	buffer_release(&path);
	return status;
}

static int run(const struct arguments *args, struct error *error)
{
	const struct evidence_options *o = args->options;
	struct evidence e = { .o = o };
	int status;

	if (args->count)
		return error_set(error, E_USAGE, "evidence takes no words; did you mean --conversation %s?", args->words[0]);
	if (!o->conversation || !o->out)
		return error_set(error, E_USAGE, "say whose events, and where they go: --conversation ID --out case.tar");
	status = file_free(o->out, o->force, error); /* before anything is read or journaled; file_write makes sure */
	if (status)
		return status;
	evidence_state_begin(&e.state);
	status = find_signer(&e, error);
	if (!status)
		status = proofs_open(&o->engine.target, &o->keys, "verbatim evidence", true, &e.p, error);
	if (status) {
		evidence_state_release(&e.state);
		return status;
	}
	arena_init(&e.arena, 1 << 20);
	status = gather(&e, error);
	if (!status && e.signs && !note_key_equal(&e.signer.key, &e.key)) {
		if (o->key_file)
			status = error_set(error, E_CONFIG, "the signing key is not the one that signed the checkpoint");
		e.signs = false;
	}
	if (!status)
		status = make(&e, error);
	if (!status)
		status = write_out(&e, error);
	explicit_bzero(&e.signer, sizeof(e.signer));
	evidence_state_release(&e.state);
	arena_release(&e.arena);
	buffer_release(&e.note);
	buffer_release(&e.tar);
	buffer_release(&e.sums);
	proofs_close(&e.p);
	return status;
}

const struct command evidence_command = {
	.name = "evidence",
	.usage = "evidence --conversation ID --out FILE [OPTION]...",
	.brief = "a conversation's events with proofs, for somebody who trusts nobody here",
	.help = "Writes a tar that is checked without this log: each event of the conversation word for word, a proof that it stands in the log, the "
		"signed checkpoint that all proofs lead to, the verifier key, the rows of all read models that these events were folded into, a "
		"manifest with counts, and checksums. Whole events can be withheld; "
		"single fields cannot, since an event's hash is that of all of it; the rows are then left out as well, which would tell.\n"
		"\n"
		"It proves what was said and in which order. That nothing else was said is the word of whoever made it: with the signing key "
		"at hand (--signing-key-file, or below --data) the whole is signed, so that nobody on the way can leave something out.\n"
		"\n"
		"Each bundle is journaled before it is written, with your login and --reason (view audit.access); who may not append names an "
		"engine that takes that event (--to).\n"
		"\n"
		"The same log, checkpoint and options give the same bytes.\n"
		"\n"
		"  verbatim evidence --conversation 0199c0de-0000-7000-8000-000000000007 --out case.tar\n"
		"  verbatim-verify --key log.vkey bundle case.tar\n"
		"  verbatim evidence --conversation ... --withhold 0199c0de-0000-7000-8000-000000000042 --out case.tar",
	.options = options, .options_bytes = sizeof(struct evidence_options), .run = run,
};
