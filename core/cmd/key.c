/*
 * key - `verbatim key generate|show`: the key that signs checkpoints, and what others need to check it.
 *
 * The private half goes into a file of mode 0600 and nowhere else; what is printed is public.
 */
#include <stdio.h>

#include "base/bytes.h"
#include "base/term.h"
#include "cmd/api_keys.h"
#include "cmd/command.h"
#include "cmd/keys.h"

struct key_options {
	const char *file; /* generate: --out; show: --signing-key-file */
	const char *name;
	bool json;
};

static void print_key(const struct note_key *key, bool json)
{
	char vkey[NOTE_KEY_TEXT], fingerprint[NOTE_FINGERPRINT_TEXT];

	note_key_format(key, vkey);
	note_key_fingerprint(key, fingerprint);
	if (json || !term_is_terminal(stdout)) /* a name has neither quotes nor backslashes */
		printf("{\"key\":\"%s\",\"fingerprint\":\"%s\"}\n", vkey, fingerprint);
	else
		printf("key          %s\nfingerprint  %s\n", vkey, fingerprint);
}

static int run_generate(const struct arguments *args, struct error *error)
{
	const struct key_options *o = args->options;
	struct note_signer signer;
	int status;

	if (args->count)
		return error_set(error, E_USAGE, "key generate takes no words; did you mean --out %s?", args->words[0]);
	if (!o->file)
		return error_set(error, E_USAGE, "say where the private key goes: --out FILE");
	if (!note_name_is_good(o->name))
		return error_set(error, E_USAGE, "--name %s: 1 to %d characters of ASCII, without space, plus, quote and backslash", o->name,
				 NOTE_NAME_MAX);
	keys_make(o->name, &signer);
	status = keys_write(o->file, &signer, error);
	if (!status)
		print_key(&signer.key, o->json);
	explicit_bzero(&signer, sizeof(signer));
	return status;
}

static int run_show(const struct arguments *args, struct error *error)
{
	const struct key_options *o = args->options;
	struct note_signer signer;
	bool found;
	int status;

	if (args->count > 1 || (args->count && o->file))
		return error_set(error, E_USAGE, "one key at a time");
	status = keys_signer(args->count ? args->words[0] : o->file, NULL, &signer, &found, error);
	if (!status && !found)
		status = error_set(error, E_USAGE, "say which: the file of a signing key");
	if (!status)
		print_key(&signer.key, o->json);
	explicit_bzero(&signer, sizeof(signer));
	return status;
}

#define JSON_OPTION                                                                                 \
	{ .name = "json", .kind = OPTION_FLAG, .offset = offsetof(struct key_options, json),        \
	  .help = "as one JSON object, as when the output is no terminal" }

static const struct option generate_table[] = {
	{ .name = "out", .kind = OPTION_TEXT, .offset = offsetof(struct key_options, file), .argument = "FILE", .filled = true,
	  .help = "a new file for the private key; only its owner will be able to read it" },
	{ .name = "name", .kind = OPTION_TEXT, .offset = offsetof(struct key_options, name), .argument = "NAME", .fallback = "verbatim",
	  .filled = true, .help = "the key's name, which stands in every signature; best a name of yours, as log.example.com" },
	JSON_OPTION,
	{ .name = NULL },
};

static const struct option show_table[] = {
	SIGNING_KEY_OPTION(struct key_options, file),
	JSON_OPTION,
	{ .name = NULL },
};

static const struct command subcommands[] = {
	{ .name = "generate", .usage = "generate --out FILE [OPTION]...", .brief = "make a key that signs checkpoints (Ed25519)",
	  .help = "Writes a new private key into FILE, which must not be there yet, and prints its public half: the verifier key, as "
		  "golang.org/x/mod/sumdb/note has it too, and its fingerprint. Give both to whoever will check the log, by a way that the "
		  "log's operator does not own: a checkpoint is worth what the way of its key is worth.\n"
		  "\n"
		  "  verbatim key generate --out /etc/verbatim/signing.key --name log.example.com\n"
		  "  verbatim serve --db ... --signing-key-file /etc/verbatim/signing.key",
	  .options = generate_table, .options_bytes = sizeof(struct key_options), .run = run_generate },
	{ .name = "show", .usage = "show [OPTION]... [FILE]", .brief = "print the public half of a signing key",
	  .help = "Reads a signing key and prints its verifier key and fingerprint; never any of the private half. The fingerprint is the "
		  "SHA-256 of the verifier key's text.\n"
		  "\n"
		  "  verbatim key show var/signing.key\n"
		  "  verbatim key show --json var/signing.key | jq -r .key | tr -d '\\n' | sha256sum",
	  .options = show_table, .options_bytes = sizeof(struct key_options), .run = run_show },
	{ .name = "create", .usage = "create --name NAME --scope SCOPE,... [OPTION]...", .brief = "make an API key, which lets a program talk to an engine",
	  .help = "Makes a key and prints it, this one time: the database keeps a hash. Engines know it within a second. Its holder puts it into a "
		  "file of its own (--api-key-file) or into VERBATIM_API_KEY; it is the token of hello.\n"
		  "\n"
		  "  append   sends events\n"
		  "  read     reads them\n"
		  "  audit    reads them, which is journaled; with --all-tenants the whole log, and status\n"
		  "  admin    everything, of all tenants\n"
		  "\n"
		  "A key is bound to a tenant: events of another are refused, and it reads its own. What it may do at a time is bounded by "
		  "--limit, and for all keys of a tenant by key limit.\n"
		  "\n"
		  "  (umask 077; verbatim key create --name shop --tenant 0199c0de-0000-7000-8000-000000000001 --scope append,read >shop.key)\n"
		  "  verbatim append --api-key-file shop.key --to engine:7411 events.ndjson",
	  .options = api_keys_create_table, .options_bytes = sizeof(struct api_keys_options), .run = api_keys_run_create },
	{ .name = "list", .usage = "list [OPTION]...", .brief = "show the API keys",
	  .help = "Lists the API keys that hold: what each may do, when it expires, was last used (to the minute), was made. Never a secret. A narrow "
		  "terminal gets fewer columns, and says which are missing; no id is cut.\n"
		  "\n"
		  "  verbatim key list --all --json | jq 'select(.used_at == null)'",
	  .options = api_keys_list_table, .options_bytes = sizeof(struct api_keys_options), .run = api_keys_run_list },
	{ .name = "rotate", .usage = "rotate [OPTION]... ID|NAME", .brief = "make another API key of the same name",
	  .help = "Makes a key of the same name, scopes, tenant and limits, and prints it. Both hold: the holder changes over, then the older "
		  "is revoked, or ends by --grace. While two hold, say which is meant by its id.\n"
		  "\n"
		  "  (umask 077; verbatim key rotate shop --grace 168h >shop.key)",
	  .options = api_keys_rotate_table, .options_bytes = sizeof(struct api_keys_options), .run = api_keys_run_rotate },
	{ .name = "revoke", .usage = "revoke [OPTION]... ID|NAME", .brief = "end an API key",
	  .help = "From now on nobody gets in with it; connections that it has open end within a second, on every engine. A key called `local` "
		  "is an engine's, by which commands beside it get in: revoking it takes --force, and the engine makes another when it is "
		  "started again.\n"
		  "\n"
		  "  verbatim key revoke shop",
	  .options = api_keys_revoke_table, .options_bytes = sizeof(struct api_keys_options), .run = api_keys_run_revoke },
	{ .name = "limit", .usage = "limit [--tenant UUID [LIMITS]]", .brief = "say how much all API keys of a tenant may do together",
	  .help = "Prints what holds now: after a change of that tenant, and without LIMITS of the tenant, or of all that have some.\n"
		  "\n"
		  "Whoever is over a limit is answered `overloaded` and when to come again. A burst of one second is let through; a request "
		  "larger than that waits until nothing is owed. Each engine counts for itself. `none` takes the limits away.\n"
		  "\n"
		  "  verbatim key limit --tenant 0199c0de-0000-7000-8000-000000000001 events=1000/s,bytes=1M/s,connections=50,inflight=4M",
	  .options = api_keys_limit_table, .options_bytes = sizeof(struct api_keys_options), .run = api_keys_run_limit },
	{ .name = NULL },
};

const struct command key_command = {
	.name = "key",
	.usage = "key create|list|rotate|revoke|limit|generate|show [OPTION]...",
	.brief = "API keys, which let programs in; and the key that signs checkpoints",
	.help = "Two kinds. An API key says who a client is and what it may do: create, list, rotate, revoke, limit. A signing key makes "
		"checkpoints believable: generate, show.\n"
		"\n"
		"`verbatim serve` signs checkpoints of the log with an Ed25519 key. With a cluster of its own it makes one below --data when it "
		"has none (DATA/signing.key); on a database of --db it signs only with a key that it is given.",
	.sub = subcommands,
};
