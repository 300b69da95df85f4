/* files - see files.h. */
#include "engine/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int fault(const char *what, const char *path, struct error *error)
{
	int code = errno == EACCES || errno == EPERM || errno == EROFS ? E_NO_ACCESS
		   : errno == EEXIST					? E_EXISTS
		   : errno == ENOENT || errno == ENOTDIR		? E_NO_INPUT
									: E_IO;

	return error_set(error, code, "cannot %s '%s': %s", what, path, strerror(errno));
}

static int fill(int fd, struct bytes content)
{
	for (size_t at = 0; at < content.len;) {
		ssize_t n = write(fd, content.data + at, content.len - at);

		if (n < 0 && errno != EINTR)
			return -1;
		at += n > 0 ? (size_t)n : 0;
	}
	return fsync(fd);
}

/* The name lasts once its folder is on the disk. */
static void sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct buffer folder = { 0 };
	int fd;

	buffer_add(&folder, slash ? path : ".", slash == path ? 1 : slash ? (size_t)(slash - path) : 1);
	fd = open(buffer_text(&folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd); /* some file systems cannot */
		close(fd);
	}
	buffer_release(&folder);
}

int file_write(const char *path, struct bytes content, unsigned mode, bool replace, struct error *error)
{
	struct buffer name = { 0 };
	int fd, status = 0;

	buffer_printf(&name, "%s.new-%ld", path, (long)getpid());
	buffer_text(&name);
	unlink(name.data); /* of a process that had our number and was killed */
	fd = open(name.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0) {
		status = fault("write", path, error);
		buffer_release(&name);
		return status;
	}
	if (fchmod(fd, mode) != 0 || fill(fd, content) != 0)
		status = fault("write", path, error);
	close(fd);
	/* link() refuses where something is; rename() replaces it. */
	if (!status && (replace ? rename(name.data, path) : link(name.data, path)) != 0)
		status = fault("write", path, error);
	if (status || !replace)
		unlink(name.data);
	if (!status)
		sync_folder(path);
	buffer_release(&name);
	return status;
}

int file_free(const char *path, bool replace, struct error *error)
{
	if (!path || replace || access(path, F_OK) != 0)
		return 0;
	return error_set(error, E_EXISTS, "'%s' is there already; name another file, or say --force", path);
}

int file_read(const char *path, size_t most, struct buffer *out, struct error *error)
{
	bool input = strcmp(path, "-") == 0;
	int fd = input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), status = 0;
	size_t start = out->len;
	ssize_t n;

	if (fd < 0)
		return error_set(error, errno == EACCES ? E_NO_ACCESS : E_NO_INPUT, "cannot open '%s': %s", path, strerror(errno));
	while ((n = read(fd, buffer_reserve(out, 4096), 4096)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			status = error_set(error, E_NO_INPUT, "cannot read '%s': %s", path, strerror(errno));
		else if ((out->len += (size_t)n) - start > most)
			status = error_set(error, E_TOO_LARGE, "'%s' is longer than %zu bytes: not what it should be", path, most);
		if (status)
			break;
	}
	if (!input)
		close(fd);
	return status;
}
