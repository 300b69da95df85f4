/*
 * cluster - a PostgreSQL server of our own below a data folder.
 *
 *     DATA/pg               the cluster; made in DATA/pg.tmp-XXXXXX and renamed, so it is whole or not there
 *     DATA/pg.log           what the server says; never a statement's text, parameters or details
 *     DATA/pg.socket        the path of the private folder with the server's Unix socket
 *     DATA/pg.path          where the cluster lies instead, when root's postgres user cannot enter DATA
 *     DATA/cluster.lock     held while somebody starts or stops the server
 *     DATA/cluster.users    held shared by every process that uses the server; the last one stops it
 *
 * No TCP, no password: who may enter the socket's folder (mode 0700) may connect.  Started as root, everything of
 * PostgreSQL runs as user postgres, or as the owner of a cluster that is there already.  The system's own
 * clusters are never touched.
 *
 * What can go wrong, and what happens:
 *   - killed while initdb runs: the next start sweeps the half-made folder and begins again
 *   - the engine killed: the server lives on and the next start takes it over
 *   - the server killed: cluster_revive, or the next start, waits until its last backend is gone and starts it again;
 *     PostgreSQL recovers by its WAL
 *   - postmaster.pid names a pid that now belongs to another process (containers): seen by its working
 *     directory, and the file is made to look stale without losing the shared-memory key in it
 *   - the socket's folder was cleaned away: made again under its old name, or the server restarted with a new one
 *
 * All calls block; none is for the loop.
 */
#ifndef VERBATIM_STORE_CLUSTER_H
#define VERBATIM_STORE_CLUSTER_H

#include <stdbool.h>

#include "base/error.h"

struct cluster;
struct pg_conn;

enum { CLUSTER_OLDEST = 15 }; /* PostgreSQL's major version */

/* Makes the data folder, with its parents. */
int cluster_make_folder(const char *data, struct error *error) must_check;

/*
 * Starts the server below `data`, or takes over the one that runs, and waits until it accepts connections;
 * database `verbatim` is there afterwards.  `create`: make the folder and a cluster when there is none, else
 * E_NOT_FOUND.  E_UNSUITABLE: no server binaries, or root without a user to run as; E_NO_ACCESS; E_BUSY: somebody
 * else has been starting or stopping it for too long; E_TIMEOUT and E_UNAVAILABLE come with the end of pg.log.
 */
int cluster_start(const char *data, bool create, struct cluster **out, struct error *error) must_check;

/*
 * Gives the server up and frees `cluster`: a fast shutdown, unless another process still uses it.  NULL is fine.
 * E_TIMEOUT when it does not end; it is left alone then.
 */
int cluster_stop(struct cluster *cluster, struct error *error) must_check;

/* Whether the server's process is there; it may still be starting. */
bool cluster_alive(struct cluster *cluster);

/* Starts the server again when it died; 0 when it accepts connections.  The conninfo stays the same. */
int cluster_revive(struct cluster *cluster, struct error *error) must_check;

/* A libpq string, immune to PG* variables; borrowed, lives as long as the cluster. */
const char *cluster_conninfo(const struct cluster *cluster);
const char *cluster_socket_dir(const struct cluster *cluster);

/* Async-signal-safe: tells the server to shut down fast, for a process that leaves at once. */
void cluster_abandon(const struct cluster *cluster);

/*
 * Whether a server (ours or somebody's) can hold a log: version, UTF-8, fsync, full_page_writes, no standby.
 * E_UNSUITABLE with the remedy.
 */
int cluster_check_server(struct pg_conn *conn, struct error *error) must_check;

#endif
