/* prove - `verbatim prove`: that one event stands in the log, or that the log extends a checkpoint that somebody kept. */
#include <stdio.h>

#include "cmd/command.h"
#include "cmd/proofs.h"
#include "engine/files.h"
#include "store/log_events.h"

struct prove_options {
	struct engine_options engine;
	const char *event, *tenant, *extends, *checkpoint, *out, *event_out, *reason;
	struct texts keys;
	bool force;
};

#define AT(member) .offset = offsetof(struct prove_options, member)

static const struct option options[] = {
	{ .name = "event", .kind = OPTION_TEXT, AT(event), .argument = "ID", .filled = true, .excludes = "extends",
	  .help = "prove that this event stands in the log" },
	{ .name = "tenant", .kind = OPTION_TEXT, AT(tenant), .argument = "ID", .filled = true,
	  .help = "whose event it is; needed when several tenants have one with this id" },
	{ .name = "extends", .kind = OPTION_TEXT, AT(extends), .argument = "FILE", .filled = true, .excludes = "event",
	  .help = "prove that the log extends this checkpoint" },
	{ .name = "checkpoint", .kind = OPTION_TEXT, AT(checkpoint), .argument = "FILE", .filled = true,
	  .help = "the checkpoint that the proof leads to; the newest one when not given" },
	{ .name = "out", .kind = OPTION_TEXT, AT(out), .argument = "FILE", .filled = true,
	  .help = "where the proof goes; standard output when not given" },
	{ .name = "event-out", .kind = OPTION_TEXT, AT(event_out), .argument = "FILE", .filled = true,
	  .help = "where the event's canonical text goes, the bytes that were hashed: a proof is checked with them" },
	{ .name = "force", .kind = OPTION_FLAG, AT(force), .help = "write over files that are there" },
	{ .name = "reason", .kind = OPTION_TEXT, AT(reason), .argument = "TEXT", .help = "what an event's proof is for; stands in audit.access" },
	TRUSTED_KEY_OPTION(struct prove_options, keys),
	ENGINE_OPTIONS(struct prove_options, engine),
	{ .name = NULL },
};

static int write_proof(const struct prove_options *o, const struct proof *proof, struct error *error)
{
	struct buffer text = { 0 };
	int status = 0;

	proof_write(proof, &text);
	if (o->out)
		status = file_write(o->out, buffer_bytes(&text), 0644, o->force, error);
	else if (fwrite(text.data, 1, text.len, stdout) != text.len || fflush(stdout) != 0)
		status = error_set(error, E_IO, "cannot write to standard output");
	buffer_release(&text);
	return status;
}

/* Of one that is not found: whose it was said to be. */
static void record(const struct prove_options *o, struct proofs *p, const struct uuid *tenant_id)
{
	proofs_record(p, &o->engine, &(struct access){
			.action = "prove", .resource_type = "event", .resource_id = o->event, .purpose = o->reason ? o->reason : "",
			.tenant_id = *tenant_id, .scope = bytes_text(o->event_out ? "{\"text\":true}" : "{}") });
}

static int prove_event(const struct prove_options *o, struct proofs *p, struct buffer *note, struct proof *proof,
		       struct arena *arena, struct error *error)
{
	struct uuid event_id, tenant_id = { 0 };
	struct logged_event e;
	struct log_tiles tiles;
	struct checkpoint c;
	int which, status = proofs_uuid("--event", o->event, &event_id, error);

	if (!status && o->tenant)
		status = proofs_uuid("--tenant", o->tenant, &tenant_id, error);
	if (!status)
		status = record_may(&o->engine, p->asker.appends, p->asker.login, error);
	if (status)
		return status;
	status = log_event_find(p->conn, &p->asker.log_id, &event_id, o->tenant ? &tenant_id : NULL, arena, &e, error);
	record(o, p, status ? &tenant_id : &e.tenant_id);
	if (!status)
		status = proofs_checkpoint(p, o->checkpoint, e.shard, e.position, note, &c, &which, error);
	if (!status) {
		log_tiles_init(&tiles, p->conn, e.shard);
		status = log_tiles_bring(&tiles, &e.position, 1, c.size, error);
		if (!status)
			status = log_event_prove(&tiles, &c, &e, proof, error);
		log_tiles_release(&tiles);
	}
	if (!status)
		status = proofs_recorded(p, error);
	if (!status && o->event_out)
		status = file_write(o->event_out, e.text, 0644, o->force, error);
	if (!status && o->out)
		printf("event %s stands at position %lld of shard %d, under the checkpoint of %lld\n", o->event, (long long)e.position, e.shard,
		       (long long)c.size);
	return status;
}

static int prove_extends(const struct prove_options *o, struct proofs *p, struct buffer *note, struct proof *proof,
			 struct error *error)
{
	struct checkpoint from, to;
	struct buffer old = { 0 };
	int which, status = file_read(o->extends, NOTE_BYTES_MAX, &old, error);

	if (!status && checkpoint_open(buffer_bytes(&old), p->keys, p->key_count, &from, &which, error))
		status = error_prefix(error, "%s", o->extends);
	if (!status)
		status = proofs_checkpoint(p, o->checkpoint, from.shard, from.size, note, &to, &which, error);
	if (!status)
		status = log_prove_extends(p->conn, &from, &to, proof, error);
	if (!status && o->out)
		printf("shard %d at %lld extends the checkpoint of %lld\n", to.shard, (long long)to.size, (long long)from.size);
	buffer_release(&old);
	return status;
}

static int run(const struct arguments *args, struct error *error)
{
	const struct prove_options *o = args->options;
	struct buffer note = { 0 };
	struct proof proof;
	struct proofs p;
	struct arena arena;
	int status;

	if (args->count)
		return error_set(error, E_USAGE, "prove takes no words; did you mean --event %s?", args->words[0]);
	if (!o->event == !o->extends)
		return error_set(error, E_USAGE, "say what is to be proved: --event ID, or --extends FILE");
	if (o->extends && (o->tenant || o->event_out))
		return error_set(error, E_USAGE, "--tenant and --event-out belong to --event");
	status = file_free(o->out, o->force, error); /* before anything is read or journaled; file_write makes sure */
	if (!status)
		status = file_free(o->event_out, o->force, error);
	if (status)
		return status;
	status = proofs_open(&o->engine.target, &o->keys, "verbatim prove", false, &p, error);
	if (status)
		return status;
	arena_init(&arena, 64 << 10);
	status = o->event ? prove_event(o, &p, &note, &proof, &arena, error) : prove_extends(o, &p, &note, &proof, error);
	proof.note = buffer_bytes(&note);
	if (!status)
		status = write_proof(o, &proof, error);
	arena_release(&arena);
	buffer_release(&note);
	proofs_close(&p);
	return status;
}

const struct command prove_command = {
	.name = "prove",
	.usage = "prove --event ID | --extends FILE [OPTION]...",
	.brief = "prove that an event stands in the log, or that the log only grew",
	.help = "Writes a Merkle proof that leads to a signed checkpoint. It is read from the tree's tiles, some dozens of hashes however long the "
		"log is, tells nothing of other events, and is checked before it is written. Its form is C2SP's: tlog-proof for an event, "
		"the text that tlog-witness asks for that the log extends a checkpoint.\n"
		"\n"
		"An event's proof is journaled before it is written, with your login and --reason (view audit.access); who may not append names an "
		"engine that takes that event (--to). That the log only grew tells of no event, and is not.\n"
		"\n"
		"Who gets it checks it with verbatim-verify, or with any tool for transparency logs, and with a key that he has from "
		"elsewhere.\n"
		"\n"
		"  verbatim prove --event 0199c0de-0000-7000-8000-000000000042 --out p.tlog-proof --event-out e.json\n"
		"  verbatim-verify --key log.vkey event e.json p.tlog-proof\n"
		"  verbatim prove --extends kept-in-march.checkpoint --out grown\n"
		"  verbatim-verify --key log.vkey consistency kept-in-march.checkpoint grown",
	.options = options, .options_bytes = sizeof(struct prove_options), .run = run,
};
