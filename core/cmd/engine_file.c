/* engine_file - see engine_file.h. */
#include "cmd/engine_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/time.h"

static char *in_folder(const char *folder, const char *name)
{
	struct buffer path = { 0 };

	buffer_printf(&path, "%s/%s", folder, name);
	buffer_text(&path);
	return path.data;
}

/* ---- the lock ---- */

int engine_lock(const char *data, struct error *error)
{
	char *path = in_folder(data, "lock"), *info = engine_file_path(data);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644), status = 0;
	int64_t until = time_monotonic() + TIME_SECOND;
	struct engine_file running;

	if (fd < 0)
		status = error_set(error, errno == EACCES || errno == EROFS ? E_NO_ACCESS : E_IO, "cannot open '%s': %s", path,
				   strerror(errno));
	/* A command that only looks holds it for a moment. */
	while (!status && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			status = error_set(error, E_IO, "cannot lock '%s': %s", path, strerror(errno));
		else if (time_monotonic() > until && engine_file_read(info, &running))
			status = error_set(error, E_BUSY, "an engine (pid %ld) runs on '%s' already", running.pid, data);
		else if (time_monotonic() > until)
			status = error_set(error, E_BUSY, "another engine is starting on '%s'", data);
		else
			usleep(20000);
	}
	if (status && fd >= 0)
		close(fd);
	free(path);
	free(info);
	return status ? status : fd;
}

bool engine_is_locked(const char *data)
{
	char *path = in_folder(data, "lock");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool locked;

	free(path);
	if (fd < 0)
		return false;
	locked = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	close(fd);
	return locked;
}

/* ---- where ---- */

char *engine_file_path(const char *data)
{
	return in_folder(data, "engine.json");
}

static bool private_folder(char out[PATH_MAX])
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	struct stat st;

	if (runtime && *runtime == '/')
		snprintf(out, PATH_MAX, "%s/verbatim", runtime);
	else
		snprintf(out, PATH_MAX, "/tmp/verbatim-%ld", (long)geteuid());
	if (mkdir(out, 0700) != 0 && errno != EEXIST)
		return false;
	return lstat(out, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       !(st.st_mode & 022); /* else it is somebody else's: not to be trusted */
}

char *engine_file_path_of_log(const char *log_id)
{
	char folder[PATH_MAX], name[80];

	if (!private_folder(folder))
		return NULL;
	snprintf(name, sizeof(name), "engine-%.40s.%ld.json", log_id, (long)getpid());
	return in_folder(folder, name);
}

/* ---- writing ---- */

static void add_string(struct buffer *out, const char *text)
{
	buffer_add_byte(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buffer_add_byte(out, '\\');
		if ((unsigned char)*text < 0x20)
			buffer_printf(out, "\\u%04x", *text);
		else
			buffer_add_byte(out, *text);
	}
	buffer_add_byte(out, '"');
}

/* The descriptor, which holds the lock; where the file system knows none, engines are known by their pids. */
static int write_whole(const char *path, const char *temp, const struct buffer *text, struct error *error)
{
	int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd >= 0 && (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) &&
	    write(fd, text->data, text->len) == (ssize_t)text->len && rename(temp, path) == 0)
		return fd;
	error_set(error, E_IO, "cannot write '%s': %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return E_IO;
}

static void let_go(struct engine_file *file)
{
	if (file->held > 0)
		close(file->held);
	file->held = 0;
}

int engine_file_write(const char *path, struct engine_file *file, struct error *error)
{
	struct buffer text = { 0 }, temp = { 0 };
	int fd;

	buffer_printf(&text, "{\n  \"pid\": %ld,\n  \"version\": ", file->pid);
	add_string(&text, file->version);
	buffer_add_text(&text, ",\n  \"started_at\": ");
	add_string(&text, file->started_at);
	buffer_add_text(&text, ",\n  \"socket_dir\": ");
	add_string(&text, file->socket_dir);
	buffer_add_text(&text, ",\n  \"certificate\": ");
	add_string(&text, file->certificate);
	buffer_add_text(&text, ",\n  \"addresses\": [");
	for (int i = 0; i < file->address_count; i++) {
		buffer_add_text(&text, i ? ", " : "");
		add_string(&text, file->addresses[i]);
	}
	buffer_add_text(&text, "]\n}\n");
	buffer_printf(&temp, "%s.new", path);
	fd = write_whole(path, buffer_text(&temp), &text, error);
	buffer_release(&temp);
	buffer_release(&text);
	if (fd < 0)
		return fd;
	let_go(file); /* the one before has no name any more */
	file->held = fd;
	return 0;
}

void engine_file_remove(const char *path, struct engine_file *file)
{
	struct engine_file there;

	if (engine_file_read(path, &there) && there.pid == (long)getpid())
		unlink(path);
	let_go(file);
}

void engine_file_set_addresses(struct engine_file *file, const char *lines)
{
	file->address_count = 0;
	while (*lines && file->address_count < ENGINE_ADDRESSES_MAX) {
		size_t len = strcspn(lines, "\n");

		if (len)
			snprintf(file->addresses[file->address_count++], sizeof(file->addresses[0]), "%.*s", (int)len, lines);
		lines += len;
		if (*lines)
			lines++;
	}
}

/* ---- reading: only what engine_file_write writes ---- */

/* The string at `p` (behind its opening quote); returns what follows the closing one, or NULL. */
static const char *read_string(const char *p, char *out, size_t size)
{
	size_t n = 0;

	for (; *p && *p != '"'; p++) {
		if (*p == '\\' && p[1])
			p++;
		if (n + 1 < size)
			out[n++] = *p;
	}
	out[n] = 0;
	return *p ? p + 1 : NULL;
}

static const char *value_of(const char *text, const char *name)
{
	char key[64];
	const char *p;

	snprintf(key, sizeof(key), "\"%s\": ", name);
	p = strstr(text, key);
	return p ? p + strlen(key) : NULL;
}

static void text_of(const char *text, const char *name, char *out, size_t size)
{
	const char *p = value_of(text, name);

	out[0] = 0;
	if (p && *p == '"')
		read_string(p + 1, out, size);
}

bool engine_file_read(const char *path, struct engine_file *file)
{
	char text[8192];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	const char *p;

	if (fd >= 0)
		close(fd);
	memset(file, 0, sizeof(*file));
	if (n <= 0)
		return false;
	text[n] = 0;
	p = value_of(text, "pid");
	file->pid = p ? atol(p) : 0;
	text_of(text, "version", file->version, sizeof(file->version));
	text_of(text, "started_at", file->started_at, sizeof(file->started_at));
	text_of(text, "socket_dir", file->socket_dir, sizeof(file->socket_dir));
	text_of(text, "certificate", file->certificate, sizeof(file->certificate));
	p = value_of(text, "addresses");
	while (p && *p && *p != ']' && file->address_count < ENGINE_ADDRESSES_MAX) {
		p++; /* '[', ',' or ' ' */
		if (*p == '"')
			p = read_string(p + 1, file->addresses[file->address_count++], sizeof(file->addresses[0]));
	}
	return file->pid > 0;
}

/* A wildcard is reached by the loopback. */
static void reachable(const char *address, const char *scheme, char *out, size_t size)
{
	if (strncmp(address, "0.0.0.0:", 8) == 0)
		snprintf(out, size, "%s127.0.0.1:%s", scheme, address + 8);
	else if (strncmp(address, "[::]:", 5) == 0)
		snprintf(out, size, "%s[::1]:%s", scheme, address + 5);
	else
		snprintf(out, size, "%s%s", scheme, address);
}

bool engine_file_address(const struct engine_file *file, char *out, size_t size)
{
	static const struct {
		const char *kind, *scheme;
	} order[] = { { "tcp ", "" }, { "unix ", "unix:" }, { "tls ", "tls://" } };

	for (size_t k = 0; k < sizeof(order) / sizeof(order[0]); k++)
		for (int i = 0; i < file->address_count; i++)
			if (strncmp(file->addresses[i], order[k].kind, strlen(order[k].kind)) == 0) {
				reachable(file->addresses[i] + strlen(order[k].kind), order[k].scheme, out, size);
				return true;
			}
	return false;
}

/* ---- those that live ---- */

/* "engine-LOG_ID.PID.json" */
static bool is_engine_file(const char *name)
{
	const char *pid = strncmp(name, "engine-", 7) == 0 ? strchr(name, '.') : NULL;
	size_t digits = pid ? strspn(pid + 1, "0123456789") : 0;

	return digits && strcmp(pid + 1 + digits, ".json") == 0;
}

/*
 * Whether its engine lives.  A file that is held by nobody is taken away, unless its name has another file by now: a certificate
 * was read again meanwhile.
 */
static bool take_or_sweep(const char *path, struct engine_file *file)
{
	struct stat looked_at, named;

	for (int tries = 0; tries < 3; tries++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		bool whole = fd >= 0 && fstat(fd, &looked_at) == 0 && engine_file_read(path, file), held;

		if (fd < 0)
			return false;
		held = flock(fd, LOCK_SH | LOCK_NB) != 0 &&
		       (errno == EWOULDBLOCK || (whole && (kill((pid_t)file->pid, 0) == 0 || errno == EPERM)));
		if (!held && stat(path, &named) == 0 && named.st_ino == looked_at.st_ino) {
			unlink(path);
			close(fd);
			return false;
		}
		close(fd);
		if (held)
			return whole;
	}
	return false;
}

struct engine_file *engine_file_list(const char *log_id, int *count)
{
	struct engine_file *list = mem_zalloc(sizeof(*list) * ENGINES_MAX), file;
	char folder[PATH_MAX], prefix[64];
	struct dirent *entry;
	DIR *d;

	*count = 0;
	d = private_folder(folder) ? opendir(folder) : NULL;
	snprintf(prefix, sizeof(prefix), "engine-%.40s.", log_id);
	while (d && (entry = readdir(d))) {
		char *path;
		int at = *count;

		if (!is_engine_file(entry->d_name))
			continue;
		path = in_folder(folder, entry->d_name);
		if (take_or_sweep(path, &file) && strncmp(entry->d_name, prefix, strlen(prefix)) == 0 && *count < ENGINES_MAX) {
			while (at > 0 && strcmp(list[at - 1].started_at, file.started_at) < 0) {
				list[at] = list[at - 1];
				at--;
			}
			list[at] = file;
			++*count;
		}
		free(path);
	}
	if (d)
		closedir(d);
	return list;
}
