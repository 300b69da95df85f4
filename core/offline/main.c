/*
 * verbatim-verify - checks evidence without a database, without an engine and without trust in whoever hands it over.
 *
 *     verbatim-verify [--key KEY]... bundle      CASE.tar
 *     verbatim-verify [--key KEY]... event       EVENT.json PROOF
 *     verbatim-verify [--key KEY]... checkpoint  CHECKPOINT...
 *     verbatim-verify [--key KEY]... consistency OLD-CHECKPOINT PROOF
 *
 * What it reads may be hostile: sizes are bounded before they are used, there is one form of each file, and whatever
 * differs from it is refused.  offline/bundle.h says what a bundle is and what it proves.
 *
 * Exit status: 0 checked with a key that was given; 1 refused; 2 the command line or a file cannot be read;
 * 3 a bundle that agrees with itself, but no key was given: anybody could have made it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event/proof.h"
#include "offline/bundle.h"

enum { GOOD = 0, REFUSED = 1, UNREADABLE = 2, UNTRUSTED = 3, KEYS_MAX = 16, KEY_FILE_MAX = 16 << 10, EVENT_MAX = 64 << 20 };

struct options {
	struct note_key keys[KEYS_MAX];
	int key_count;
	bool sealed; /* a bundle must be */
};

static const char usage[] =
	"usage: verbatim-verify [--key KEY]... bundle [--sealed] CASE.tar\n"
	"       verbatim-verify --key KEY... event EVENT.json PROOF\n"
	"       verbatim-verify --key KEY... checkpoint CHECKPOINT...\n"
	"       verbatim-verify --key KEY... consistency OLD-CHECKPOINT PROOF\n"
	"\n"
	"Checks what `verbatim evidence`, `verbatim prove` and `verbatim serve --checkpoint-dir` wrote, without a\n"
	"database.  KEY is a verifier key (NAME+xxxxxxxx+BASE64) or a file with one a line; have it, or its fingerprint,\n"
	"from elsewhere than the evidence.  The fingerprint is the SHA-256 of the key's text.\n"
	"\n"
	"Exit status: 0 checked with a key that was given, 1 refused, 2 cannot be read, 3 a bundle that agrees with\n"
	"itself, but no key was given: anybody could have made it.\n";

static int complain(int status, const char *what, const char *why)
{
	fprintf(stderr, "verbatim-verify: %s%s%s\n", what, *why ? ": " : "", why);
	return status;
}

/* ---- files and keys ---- */

static bool read_all(const char *path, size_t most, struct buffer *out)
{
	int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = -1;

	while (fd >= 0 && (n = read(fd, buffer_reserve(out, 64 << 10), 64 << 10)) > 0) {
		out->len += (size_t)n;
		if (out->len > most) {
			errno = EFBIG;
			n = -1;
			break;
		}
	}
	if (n < 0)
		complain(UNREADABLE, path, strerror(errno));
	if (fd > STDIN_FILENO)
		close(fd);
	return n == 0;
}

static bool add_key(struct options *o, struct bytes line)
{
	struct error error;

	if (o->key_count == KEYS_MAX) {
		complain(UNREADABLE, "--key", "too many keys");
		return false;
	}
	if (note_key_parse(line, &o->keys[o->key_count], &error)) {
		complain(UNREADABLE, "--key", error.message);
		return false;
	}
	o->key_count++;
	return true;
}

/* The key itself, or a file of keys; empty lines and those that begin with # are passed over. */
static bool add_keys(struct options *o, const char *word)
{
	struct buffer text = { 0 };
	struct bytes line;
	bool good = true;
	size_t at = 0;

	if (strchr(word, '+') && access(word, F_OK) != 0)
		return add_key(o, bytes_text(word));
	if (!read_all(word, KEY_FILE_MAX, &text)) {
		buffer_release(&text);
		return false;
	}
	buffer_add_byte(&text, '\n');
	while (good && checkpoint_line(buffer_bytes(&text), &at, &line))
		if (line.len > 0 && line.data[0] != '#')
			good = add_key(o, line);
	buffer_release(&text);
	return good;
}

/* ---- what is told ---- */

static void tell_key(const struct note_key *key, bool trusted)
{
	char vkey[NOTE_KEY_TEXT], fingerprint[NOTE_FINGERPRINT_TEXT];

	printf("signed by    %s\n", note_key_format(key, vkey));
	printf("fingerprint  %s%s\n", note_key_fingerprint(key, fingerprint), trusted ? "  (a key that was given)" : "");
}

static void tell_checkpoint(const struct checkpoint *c)
{
	char origin[CHECKPOINT_ORIGIN_TEXT], root[2 * LEAF_BYTES + 1];

	hex_encode(c->root, LEAF_BYTES, root);
	printf("checkpoint   %s, %lld events, root %s\n", checkpoint_origin(c, origin), (long long)c->size, root);
}

/* ---- what can be checked ---- */

static int check_bundle(const struct options *o, const char *path)
{
	struct buffer archive = { 0 };
	struct bundle_report r;
	struct arena arena;
	struct error error;
	char id[UUID_TEXT];
	int status = GOOD;

	arena_init(&arena, 64 << 10);
	if (!read_all(path, BUNDLE_BYTES_MAX, &archive))
		status = UNREADABLE;
	else if (bundle_check(buffer_bytes(&archive), o->keys, o->key_count, &arena, &r, &error))
		status = complain(REFUSED, path, error.message);
	else if (o->sealed && !r.sealed)
		status = complain(REFUSED, path, "it is not signed as a whole");
	if (status == GOOD) {
		printf("bundle       %s: conversation %s", path, uuid_format(&r.manifest.conversation_id, id));
		printf(" of tenant %s\n", uuid_format(&r.manifest.tenant_id, id));
		printf("events       %lld proved, %d of them withheld\n", (long long)r.manifest.events, r.manifest.withheld_count);
		for (int i = 0; i < r.manifest.withheld_count; i++)
			printf("withheld     position %lld, said to be %s\n", (long long)r.manifest.withheld[i].position, r.manifest.withheld[i].type);
		tell_checkpoint(&r.checkpoint);
		if (r.manifest.newer)
			printf("newer        %lld more events stood in the log behind the checkpoint when the bundle was made\n",
			       (long long)r.manifest.newer);
		if (r.manifest.state)
			printf("state        state.ndjson is there to be read; it follows from the events and is not proved\n");
		printf("whole        %s\n", r.sealed ? "signed as a whole: that these are all of its events is the signer's word"
						       : "not signed as a whole: whoever passed it on could have left events out");
		tell_key(&r.key, r.trusted);
		if (!r.trusted)
			status = complain(UNTRUSTED, "it agrees with itself, which anybody's forgery does, too",
					  "compare the fingerprint with one you have from elsewhere, or give --key");
	}
	arena_release(&arena);
	buffer_release(&archive);
	return status;
}

static int check_event(const struct options *o, const char *text_path, const char *proof_path)
{
	struct buffer text = { 0 }, proof = { 0 };
	struct checkpoint c;
	struct error error;
	int64_t position;
	int which = 0, status = GOOD;

	if (!read_all(text_path, EVENT_MAX, &text) || !read_all(proof_path, PROOF_BYTES_MAX, &proof)) {
		status = UNREADABLE;
	} else {
		struct bytes exact = buffer_bytes(&text);

		if (exact.len > 0 && exact.data[exact.len - 1] == '\n')
			exact.len--; /* an editor's or a shell's: canonical text has no line breaks */
		if (event_check(exact, buffer_bytes(&proof), o->keys, o->key_count, &c, &which, &position, &error))
			status = complain(REFUSED, text_path, error.message);
	}
	if (status == GOOD) {
		printf("event        %s stands in the log at position %lld\n", text_path, (long long)position);
		tell_checkpoint(&c);
		tell_key(&o->keys[which], true);
	}
	buffer_release(&text);
	buffer_release(&proof);
	return status;
}

static int check_checkpoint(const struct options *o, const char *path)
{
	struct buffer note = { 0 };
	struct checkpoint c;
	struct error error;
	int which = 0, status = GOOD;

	if (!read_all(path, NOTE_BYTES_MAX, &note))
		status = UNREADABLE;
	else if (checkpoint_open(buffer_bytes(&note), o->keys, o->key_count, &c, &which, &error))
		status = complain(REFUSED, path, error.message);
	if (status == GOOD) {
		tell_checkpoint(&c);
		tell_key(&o->keys[which], true);
	}
	buffer_release(&note);
	return status;
}

static int check_consistency(const struct options *o, const char *old_path, const char *proof_path)
{
	struct buffer old = { 0 }, proof = { 0 };
	struct checkpoint from, to;
	struct error error;
	int which = 0, status = GOOD;

	if (!read_all(old_path, NOTE_BYTES_MAX, &old) || !read_all(proof_path, PROOF_BYTES_MAX, &proof))
		status = UNREADABLE;
	else if (consistency_check(buffer_bytes(&old), buffer_bytes(&proof), o->keys, o->key_count, &from, &to, &which, &error))
		status = complain(REFUSED, proof_path, error.message);
	if (status == GOOD) {
		printf("consistent   the first %lld events are what they were\n", (long long)from.size);
		tell_checkpoint(&to);
		tell_key(&o->keys[which], true);
	}
	buffer_release(&old);
	buffer_release(&proof);
	return status;
}

/* ---- the command line ---- */

static int worse(int a, int b)
{
	return a == UNREADABLE || b == GOOD ? a : b;
}

static int run(struct options *o, const char *what, int count, char **words)
{
	bool bundle = strcmp(what, "bundle") == 0;
	int status = GOOD;

	if (!bundle && !o->key_count)
		return complain(UNREADABLE, what, "say which key is trusted: --key");
	if (bundle && count == 1)
		return check_bundle(o, words[0]);
	if (strcmp(what, "event") == 0 && count == 2)
		return check_event(o, words[0], words[1]);
	if (strcmp(what, "consistency") == 0 && count == 2)
		return check_consistency(o, words[0], words[1]);
	if (strcmp(what, "checkpoint") == 0 && count >= 1) {
		for (int i = 0; i < count; i++)
			status = worse(status, check_checkpoint(o, words[i]));
		return status;
	}
	fputs(usage, stderr);
	return UNREADABLE;
}

int main(int argc, char **argv)
{
	static struct options o;
	int words = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(usage, stdout);
			return GOOD;
		}
		if (strcmp(argv[i], "--version") == 0) {
			puts("verbatim-verify " VERBATIM_VERSION);
			return GOOD;
		}
		if (strcmp(argv[i], "--sealed") == 0)
			o.sealed = true;
		else if (strcmp(argv[i], "--key") == 0 && i + 1 < argc) {
			if (!add_keys(&o, argv[++i]))
				return UNREADABLE;
		} else if (strncmp(argv[i], "--key=", 6) == 0) {
			if (!add_keys(&o, argv[i] + 6))
				return UNREADABLE;
		} else if (strncmp(argv[i], "--", 2) == 0)
			return complain(UNREADABLE, argv[i], "no such option; --help tells");
		else
			argv[words++] = argv[i]; /* over what was read already */
	}
	if (words < 1) {
		fputs(usage, stderr);
		return UNREADABLE;
	}
	return run(&o, argv[0], words - 1, argv + 1);
}
