/* cluster_files - the data folder: paths, locks, small files, who owns what and where the cluster lies. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <grp.h>

#include "base/log.h"
#include "base/time.h"
#include "store/cluster_private.h"

/* ---- paths and files ---- */

char *path_join(const char *folder, const char *name)
{
	size_t a = strlen(folder), b = strlen(name);
	char *path = mem_alloc(a + b + 2);

	memcpy(path, folder, a);
	path[a] = '/';
	memcpy(path + a + 1, name, b + 1);
	return path;
}

bool path_exists(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

char *file_read_line(const char *path)
{
	char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return NULL;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return NULL;
	text[n] = 0;
	text[strcspn(text, "\n")] = 0;
	return *text ? mem_strdup(text) : NULL;
}

void folder_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

int file_replace(const char *path, const char *text, mode_t mode, const struct account *owner, struct error *error)
{
	struct buffer name = { 0 };
	const char *temp;
	char *folder, *slash;
	int fd, failed, status = 0;

	buffer_printf(&name, "%s.new-%ld", path, (long)getpid());
	temp = buffer_text(&name);
	unlink(temp);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0) {
		status = error_set(error, E_IO, "cannot create '%s': %s", temp, strerror(errno));
		buffer_release(&name);
		return status;
	}
	failed = write_all(fd, text, strlen(text));
	if (!failed && owner && owner->other)
		failed = fchown(fd, owner->uid, owner->gid);
	if (!failed)
		failed = fsync(fd);
	if (close(fd) != 0)
		failed = -1;
	if (!failed)
		failed = rename(temp, path);
	if (failed) {
		status = error_set(error, E_IO, "cannot write '%s': %s", path, strerror(errno));
		unlink(temp);
	} else {
		folder = mem_strdup(path);
		slash = strrchr(folder, '/');
		if (slash && slash != folder) {
			*slash = 0;
			folder_sync(folder);
		}
		free(folder);
	}
	buffer_release(&name);
	return status;
}

int file_write_line(const char *path, const char *text, struct error *error)
{
	struct buffer line = { 0 };
	int status;

	buffer_printf(&line, "%s\n", text);
	status = file_replace(path, buffer_text(&line), 0644, NULL, error);
	buffer_release(&line);
	return status;
}

int folder_make(const char *path, struct error *error)
{
	char *copy = mem_strdup(path);
	struct stat st;
	int status = 0;

	for (char *p = copy + 1; !status; p++) {
		char was = *p;

		if (was != '/' && was != 0)
			continue;
		*p = 0;
		if (mkdir(copy, 0755) != 0 && errno != EEXIST && !(stat(copy, &st) == 0 && S_ISDIR(st.st_mode)))
			status = error_set(error, errno == EACCES ? E_NO_ACCESS : E_IO, "cannot make folder '%s': %s", copy,
					   strerror(errno));
		*p = was;
		if (was == 0)
			break;
	}
	free(copy);
	if (!status && (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)))
		status = error_set(error, E_IO, "'%s' is not a folder", path);
	return status;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	remove(path); /* whatever stays is swept the next time */
	return 0;
}

void folder_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

off_t file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : 0;
}

void log_tail(const char *path, off_t offset, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t end = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
	ssize_t n = 0;

	if (end - offset > (off_t)size - 1)
		offset = end - (off_t)size + 1;
	if (fd >= 0 && end > offset)
		n = pread(fd, out, (size_t)(end - offset), offset);
	if (fd >= 0)
		close(fd);
	out[n > 0 ? n : 0] = 0;
	for (char *p = out; *p; p++)
		if (*p == '\n' || *p == '\t')
			*p = p[1] ? ' ' : 0;
}

int lock_take(const char *path, int timeout_ms, struct error *error)
{
	int64_t until = time_monotonic() + timeout_ms * 1000LL;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		return error_set(error, errno == EACCES || errno == EROFS ? E_NO_ACCESS : E_IO, "cannot open '%s': %s", path,
				 strerror(errno));
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			int status = error_set(error, E_IO, "cannot lock '%s': %s", path, strerror(errno));

			close(fd);
			return status;
		}
		if (time_monotonic() > until) {
			close(fd);
			return error_set(error, E_BUSY, "'%s' is held by another process", path);
		}
		usleep(20000);
	}
	return fd;
}

/* ---- whose and where ---- */

/* As `account`, looks for the first folder on the way to `path` that it may not enter; "" when it reaches all. */
static void first_closed(const struct account *account, const char *path, char *out, size_t size)
{
	int ends[2], wait_status;
	ssize_t n;
	pid_t pid;

	out[0] = 0;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return;
	pid = fork();
	if (pid == 0) {
		char *copy = mem_strdup(path);

		if (setgroups(1, &account->gid) != 0 || setgid(account->gid) != 0 || setuid(account->uid) != 0)
			_exit(1);
		for (char *p = copy + 1;; p++) {
			char was = *p;

			if (was != '/' && was != 0)
				continue;
			*p = 0;
			if (access(copy, X_OK) != 0) {
				write_all(ends[1], copy, strlen(copy));
				_exit(0);
			}
			*p = was;
			if (was == 0)
				_exit(0);
		}
	}
	close(ends[1]);
	n = pid > 0 ? read(ends[0], out, size - 1) : 0;
	out[n > 0 ? n : 0] = 0;
	close(ends[0]);
	if (pid > 0)
		while (waitpid(pid, &wait_status, 0) < 0 && errno == EINTR)
			;
}

static int account_named(struct account *a, const struct passwd *pw)
{
	a->uid = pw->pw_uid;
	a->gid = pw->pw_gid;
	a->other = a->uid != geteuid();
	snprintf(a->name, sizeof(a->name), "%s", pw->pw_name);
	return 0;
}

static int account_choose(struct cluster *c, struct error *error)
{
	struct stat st;
	bool there = stat(c->pgdata, &st) == 0;
	struct passwd *pw;

	if (geteuid() != 0) {
		pw = getpwuid(geteuid());
		c->account = (struct account){ .uid = geteuid(), .gid = getegid() };
		snprintf(c->account.name, sizeof(c->account.name), "%s", pw ? pw->pw_name : "");
		if (there && st.st_uid != c->account.uid) {
			pw = getpwuid(st.st_uid);
			return error_set(error, E_NO_ACCESS, "the cluster '%s' belongs to user '%s'; run verbatim as that user or as root",
					 c->pgdata, pw ? pw->pw_name : "?");
		}
		return 0;
	}
	if (there && st.st_uid != 0) {
		pw = getpwuid(st.st_uid);
		if (pw)
			return account_named(&c->account, pw);
		c->account = (struct account){ .other = true, .uid = st.st_uid, .gid = st.st_gid, .name = "" };
		return 0;
	}
	pw = getpwnam("postgres");
	if (!pw)
		return error_set(error, E_UNSUITABLE,
				 "root may not run PostgreSQL and there is no user 'postgres'; apt-get install postgresql-common, "
				 "or start verbatim as another user");
	return account_named(&c->account, pw);
}

static void set_home(struct cluster *c, const char *home)
{
	free(c->home);
	free(c->pgdata);
	c->home = mem_strdup(home);
	c->pgdata = path_join(home, "pg");
}

/* A folder of the system's that the account can enter, with a name nobody has, and a note of it. */
static int home_elsewhere(struct cluster *c, const char *note, const char *closed, struct error *error)
{
	const char *base = strrchr(c->data, '/');
	struct buffer path = { 0 };
	int status = folder_make("/var/lib/verbatim", error);

	if (status)
		return error_prefix(error, "user '%s' cannot enter '%s'", c->account.name, closed);
	buffer_printf(&path, "/var/lib/verbatim/%.40s-XXXXXX", base && base[1] ? base + 1 : "data");
	buffer_text(&path);
	if (!mkdtemp(path.data) || chmod(path.data, 0755) != 0)
		status = error_set(error, E_IO, "cannot make folder '%s': %s", path.data, strerror(errno));
	else
		status = file_write_line(note, path.data, error);
	if (!status) {
		log_warn("cluster", "user '%s' cannot enter '%s', so the database lies in '%s' ('%s' says so)", c->account.name,
			 closed, path.data, note);
		set_home(c, path.data);
	}
	buffer_release(&path);
	return status;
}

int place_choose(struct cluster *c, struct error *error)
{
	char *note = path_join(c->data, "pg.path"), *elsewhere = file_read_line(note);
	int status = 0;

	set_home(c, elsewhere ? elsewhere : c->data);
	if (elsewhere && !path_exists(elsewhere))
		status = error_set(error, E_UNSUITABLE,
				   "'%s' says that the database lies in '%s', which is not there; bring it back, or remove the "
				   "note to begin an empty log", note, elsewhere);
	if (!status)
		status = account_choose(c, error);
	free(elsewhere);
	free(note);
	return status;
}

int place_open(struct cluster *c, bool create, struct error *error)
{
	char *note = path_join(c->data, "pg.path"), closed[512];
	int status = 0;

	if (c->account.other && strcmp(c->home, c->data) == 0) {
		first_closed(&c->account, c->data, closed, sizeof(closed));
		if (*closed && path_exists(c->pgdata))
			status = error_set(error, E_NO_ACCESS, "user '%s', who owns '%s', cannot enter '%s'; chmod a+x it",
					   c->account.name, c->pgdata, closed);
		else if (*closed && create)
			status = home_elsewhere(c, note, closed, error);
	}
	free(note);
	return status;
}

/* ---- the socket's folder ---- */

bool socket_dir_is_ours(const struct cluster *c, const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == c->account.uid && (st.st_mode & 077) == 0;
}

/* Whether libpq and PostgreSQL take the path as it is: short, absolute, nothing that a list or a string would split. */
static bool socket_dir_is_fit(const char *path)
{
	struct sockaddr_un address;
	char name[32];

	snprintf(name, sizeof(name), "/.s.PGSQL.%d.lock", CLUSTER_PORT);
	return path[0] == '/' && strlen(path) + strlen(name) < sizeof(address.sun_path) && !strpbrk(path, ",'\"\\ @%");
}

static int socket_dir_make(struct cluster *c, struct error *error)
{
	const char *bases[] = { c->account.other ? NULL : getenv("XDG_RUNTIME_DIR"), "/tmp", "/var/tmp" };
	char path[256] = "";

	for (size_t i = 0; i < sizeof(bases) / sizeof(*bases); i++) {
		if (!bases[i] || (size_t)snprintf(path, sizeof(path), "%s/verbatim-XXXXXX", bases[i]) >= sizeof(path) ||
		    !socket_dir_is_fit(path) || !mkdtemp(path))
			continue;
		if (c->account.other && chown(path, c->account.uid, c->account.gid) != 0) {
			rmdir(path);
			continue;
		}
		free(c->socket_dir);
		c->socket_dir = mem_strdup(path);
		return 0;
	}
	return error_set(error, E_IO, "cannot make a private folder for the database's socket in /tmp: %s", strerror(errno));
}

int socket_dir_prepare(struct cluster *c, bool fixed, struct error *error)
{
	char *record = path_join(c->data, "pg.socket");
	int status = 0;

	if (!c->socket_dir)
		c->socket_dir = file_read_line(record);
	if (c->socket_dir && socket_dir_is_fit(c->socket_dir)) {
		if (mkdir(c->socket_dir, 0700) == 0 && c->account.other &&
		    chown(c->socket_dir, c->account.uid, c->account.gid) != 0)
			rmdir(c->socket_dir);
		if (socket_dir_is_ours(c, c->socket_dir))
			goto out;
	}
	if (fixed) {
		status = error_set(error, E_IO, "the folder '%s' of the database's socket is gone and cannot be made again",
				   c->socket_dir);
		goto out;
	}
	status = socket_dir_make(c, error);
	if (!status)
		status = file_write_line(record, c->socket_dir, error);
out:
	free(record);
	return status;
}
