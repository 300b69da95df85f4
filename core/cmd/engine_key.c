/* engine_key - see engine_key.h. */
#include "cmd/engine_key.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/log.h"
#include "base/random.h"
#include "base/time.h"
#include "cmd/keys.h"
#include "engine/files.h"
#include "store/api_keys.h"

static const char variable[] = "VERBATIM_API_KEY";
static char given[256]; /* what the variable held; longer than any key, so that what is none is told as such */

void engine_key_take(void)
{
	char *text = getenv(variable);

	if (!text)
		return;
	snprintf(given, sizeof(given), "%s", text);
	explicit_bzero(text, strlen(text)); /* getenv points into what the process was started with */
	unsetenv(variable);
}

/* What stands in a file or a variable, without what an editor or a shell put behind it. */
static int take(const char *text, size_t len, const char *source, char out[API_KEY_TEXT], struct error *error)
{
	uint8_t hash[API_KEY_HASH_BYTES];
	struct uuid id;
	int status;

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r' || text[len - 1] == ' '))
		len--;
	status = api_key_parse(bytes_of(text, len), &id, hash, error);
	if (status) {
		error_prefix(error, "%s", source);
		error->field[0] = 0;
		return error->code = E_CONFIG;
	}
	memcpy(out, text, len);
	out[len] = 0;
	return 0;
}

static int take_file(const char *file, char out[API_KEY_TEXT], struct error *error)
{
	char text[KEYS_FILE_MAX];
	uint8_t hash[API_KEY_HASH_BYTES];
	struct uuid id;
	size_t len = 0;
	int status;

	if (api_key_parse(bytes_text(file), &id, hash, error) == 0)
		return error_set(error, E_CONFIG, "--api-key-file names a file, and this is a key itself: put it into a file of its own, or into %s, "
				 "and revoke it, for the command line may have shown it", variable);
	status = keys_read_private(file, text, &len, error);
	if (!status)
		status = take(text, len, file, out, error);
	explicit_bzero(text, sizeof(text));
	return status;
}

int engine_key_find(const char *file, const char *local, char out[API_KEY_TEXT], struct error *error)
{
	out[0] = 0;
	if (file && *given)
		return error_set(error, E_CONFIG, "%s and --api-key-file: say one of them", variable);
	if (file)
		return take_file(file, out, error);
	if (*given)
		return take(given, strlen(given), variable, out, error);
	return local && access(local, R_OK) == 0 ? take_file(local, out, error) : 0;
}

static bool is_kept(struct pg_conn *conn, const char *path)
{
	uint8_t hash[API_KEY_HASH_BYTES];
	char text[API_KEY_TEXT];
	struct error error;
	struct uuid id;
	bool holds = false;

	if (access(path, F_OK) == 0 && take_file(path, text, &error) == 0 &&
	    api_key_parse(bytes_text(text), &id, hash, &error) == 0 && api_keys_holds(conn, &id, hash, &holds, &error))
		holds = false;
	explicit_bzero(text, sizeof(text));
	return holds;
}

static int make_kept(struct pg_conn *conn, const char *path, struct error *error)
{
	struct api_key_row key = { .name = ENGINE_KEY_NAME, .scopes = SCOPE_ADMIN, .expires_at = TIME_NONE, .has_secret = true };
	char text[API_KEY_TEXT + 1];
	uint8_t random[10];
	int status;

	if (is_kept(conn, path))
		return 0;
	random_system(random, sizeof(random));
	uuid_v7(&key.id, time_wall() / 1000, random);
	api_key_make(&key.id, text, key.hash);
	text[API_KEY_TEXT - 1] = '\n';
	status = api_keys_make(conn, &key, "api_key.created", error);
	if (!status)
		status = file_write(path, bytes_of(text, API_KEY_TEXT), 0600, true, error);
	if (!status)
		log_info("serve", "made an API key for this user, '%s'", path);
	explicit_bzero(text, sizeof(text));
	return status;
}

/* Engines of one database share the file: one at a time looks whether there is a key, and makes it. */
int engine_key_keep(struct pg_conn *conn, const char *path, struct error *error)
{
	char *folder = mem_strdup(path);
	int fd, status;

	*strrchr(folder, '/') = 0;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	if (fd >= 0 && flock(fd, LOCK_EX))
		log_debug("serve", "the folder of '%s' cannot be locked", path);
	status = make_kept(conn, path, error);
	if (fd >= 0)
		close(fd);
	return status;
}

char *engine_key_path(const char *engine_file)
{
	const char *slash = strrchr(engine_file, '/'), *name = slash ? slash + 1 : engine_file;
	struct buffer path = { 0 };

	buffer_add(&path, engine_file, (size_t)(name - engine_file));
	if (strcmp(name, "engine.json") == 0)
		buffer_add_text(&path, "local.key");
	else
		buffer_printf(&path, "%.*s.key", (int)strcspn(name, "."), name);
	buffer_text(&path);
	return path.data;
}
