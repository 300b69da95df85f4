/* cluster_private - what the files of cluster share; nobody else includes it. */
#ifndef VERBATIM_STORE_CLUSTER_PRIVATE_H
#define VERBATIM_STORE_CLUSTER_PRIVATE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/error.h"

enum { CLUSTER_PORT = 5432 }; /* only a part of the socket's name */

struct account {
	bool other;       /* not the one we run as */
	uid_t uid;
	gid_t gid;
	char name[64];
};

struct cluster {
	char *data;       /* absolute, without links */
	char *home;       /* the folder that holds pg: data itself, or what pg.path says */
	char *pgdata;     /* home/pg */
	char *bin;        /* folder of the server's binaries */
	char *socket_dir;
	char *conninfo;   /* of database verbatim; fixed once the server has run */
	int major;
	struct account account;
	int users_fd;     /* DATA/cluster.users, held shared; -1 */
	pid_t postmaster; /* 0: none known */
	bool child;       /* it is our child: to be reaped */
};

/* ---- cluster_files.c: the data folder ---- */

char *path_join(const char *folder, const char *name);
bool path_exists(const char *path);

/* The first line of a small file, without its end; NULL when it cannot be read. */
char *file_read_line(const char *path);
int file_write_line(const char *path, const char *text, struct error *error) must_check;

/* Whole or not at all, also after a crash. */
int file_replace(const char *path, const char *text, mode_t mode, const struct account *owner,
		 struct error *error) must_check;

int folder_make(const char *path, struct error *error) must_check; /* with its parents, 0755 */
void folder_remove(const char *path);                              /* with what is in it; as far as it goes */
void folder_sync(const char *path);

/* The end of a log from `offset` on, one line, at most `size`. */
void log_tail(const char *path, off_t offset, char *out, size_t size);
off_t file_size(const char *path);

/* An exclusive lock on a file, waited for up to `timeout_ms`; the descriptor, or a code. */
int lock_take(const char *path, int timeout_ms, struct error *error) must_check;

/* Who runs PostgreSQL for this folder, and where the cluster lies (fills account, home, pgdata). */
int place_choose(struct cluster *c, struct error *error) must_check;

/* Before anything is started there: whether that account can enter it.  With `create` another place is taken when it cannot. */
int place_open(struct cluster *c, bool create, struct error *error) must_check;

/* Makes sure of a private folder for the socket (fills socket_dir).  `fixed`: only under the name it has. */
int socket_dir_prepare(struct cluster *c, bool fixed, struct error *error) must_check;
bool socket_dir_is_ours(const struct cluster *c, const char *path);

/* ---- cluster_run.c: PostgreSQL's programs ---- */

struct run {
	const char *const *argv;       /* argv[0] is the path */
	const struct account *account;
	int out;                       /* standard output and error; -1: /dev/null */
	bool own_session;              /* ^C of our terminal does not reach it */
	bool die_with_us;
};

/* The child's pid, or a code. */
int run_start(const struct run *run, pid_t *pid, struct error *error) must_check;
/* Its wait status, or -1. */
int run_wait(pid_t pid);
/* Runs it and collects what it prints; true when it ended with 0. */
bool run_capture(const char *const *argv, char *out, size_t size);

/* The binaries of `major`, or of the newest version when it is 0 (fills bin, major). */
int binaries_find(struct cluster *c, int major, struct error *error) must_check;

/* ---- cluster_make.c: a new cluster ---- */

void cluster_sweep(const struct cluster *c); /* what an initdb that was killed has left */
int cluster_make(struct cluster *c, const char *log, struct error *error) must_check;
int server_log_open(const struct cluster *c, const char *log, struct error *error) must_check; /* a descriptor to write to */

/* ---- cluster_server.c: the postmaster ---- */

bool server_is_gone(struct cluster *c); /* reaps it when it was ours */

/* Whether a server runs that accepts connections, as its own file says (fills postmaster, socket_dir); nobody is asked. */
bool server_join(struct cluster *c);

/* Takes a running server over or starts one, and waits until it answers.  `fixed`: its socket's place is known to others. */
int server_ensure(struct cluster *c, bool fixed, struct error *error) must_check;
int server_shut_down(struct cluster *c, struct error *error) must_check; /* and waits for its end */
char *server_conninfo(const struct cluster *c, const char *database);    /* malloc'ed */

#endif
