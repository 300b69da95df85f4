/* network - see network.h. */
#include "network.h"

#include <assert.h>
#include <stdlib.h>

#include "engine/session.h"
#include "engine/wire_uv.h"

enum { WINDOW_LEAST = 300, PIECE_MOST = 1 << 16 };

struct pipe {
	struct buffer bytes; /* on their way */
	bool moving;         /* their arrival is in the world's queue */
	bool ended;          /* nothing comes behind them, and the other end is told */
	bool dead;           /* what is written now goes nowhere */
};

struct wire {
	struct session *session;
	bool started, shut, closed, told; /* told: the end that came was said */
	struct buffer writing;       /* [written, len) waits for room */
	size_t written;
	bool busy;
};

struct link {
	struct network *network;
	struct link *next;
	struct engine_sim *engine;
	int life;
	void (*accept)(struct engine_sim *e, struct wire *w);
	struct wire wire;
	struct peer *peer;      /* NULL: it has gone */
	bool accepted, wire_gone, broken;
	bool read;              /* the engine's end has begun to */
	bool silent;            /* the engine's end is told nothing */
	struct pipe up, down;
	size_t window, piece;
	int64_t latency, held_until;
};

static struct link *link_of(const struct wire *w)
{
	return (struct link *)((char *)(uintptr_t)w - offsetof(struct link, wire));
}

static struct world *world_of(const struct link *l)
{
	return l->network->world;
}

static void up_arrives(void *data);
static void down_arrives(void *data);

void network_init(struct network *n, struct world *w)
{
	memset(n, 0, sizeof(*n));
	n->world = w;
}

static void let_go(struct link *l)
{
	struct link **at = &l->network->links;

	if (!l->wire_gone || l->peer)
		return;
	world_forget(world_of(l), l);
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	buffer_release(&l->up.bytes);
	buffer_release(&l->down.bytes);
	buffer_release(&l->wire.writing);
	free(l);
}

static int64_t soon(struct link *l)
{
	return l->latency + (int64_t)random_below(&world_of(l)->random, (uint64_t)l->latency + 20);
}

static void move(struct link *l, struct pipe *p)
{
	if (p->moving || (!p->bytes.len && !p->ended))
		return;
	p->moving = true;
	world_after(world_of(l), soon(l), p == &l->up ? up_arrives : down_arrives, l);
}

static size_t piece(struct link *l, size_t most)
{
	size_t n = 1 + random_below(&world_of(l)->random, l->piece);

	return n < most ? n : most;
}

/* Of what is on its way, the first part still comes. */
static void lose(struct link *l, struct pipe *p)
{
	if (!p->dead)
		p->bytes.len = random_below(&world_of(l)->random, p->bytes.len + 1);
	p->dead = true;
}

static void finish(struct link *l, struct pipe *p)
{
	p->ended = true;
	move(l, p);
}

/* ---- to the engine ---- */

static bool engine_lives(const struct link *l)
{
	return l->engine->up && l->engine->lives == l->life;
}

static void up_arrives(void *data)
{
	struct link *l = data;
	struct wire *w = &l->wire;
	int64_t left = world_asleep(world_of(l), &l->engine->host);
	char *copy;
	size_t n;

	l->up.moving = false;
	if (w->closed || !w->started)
		return; /* wire_start goes on */
	if (left) {
		l->up.moving = true;
		world_after(world_of(l), left, up_arrives, l);
		return;
	}
	n = piece(l, session_share(w->session));
	if (n > l->up.bytes.len)
		n = l->up.bytes.len;
	if (n) {
		copy = mem_alloc(n); /* of its own, so that a look behind it is seen */
		memcpy(copy, l->up.bytes.data, n);
		buffer_drop(&l->up.bytes, n);
		l->network->pieces++;
		session_read(w->session, copy, n);
		free(copy);
	} else if (l->up.ended && !w->told) {
		w->told = true;
		session_close(w->session);
	}
	if (!w->closed && !w->told && w->started)
		move(l, &l->up);
}

static void accepts(void *data)
{
	struct link *l = data;
	int64_t left = world_asleep(world_of(l), &l->engine->host);

	if (l->accepted)
		return;
	if (engine_lives(l) && left) {
		world_after(world_of(l), left, accepts, l);
		return;
	}
	l->accepted = true;
	if (engine_lives(l)) {
		l->accept(l->engine, &l->wire);
		return;
	}
	l->wire.closed = l->wire_gone = true;
	finish(l, &l->down);
	let_go(l);
}

void wire_bind(struct wire *w, struct session *s)
{
	w->session = s;
}

bool wire_start(struct wire *w)
{
	assert(!w->closed && !w->started);
	w->started = link_of(w)->read = true;
	move(link_of(w), &link_of(w)->up);
	return true;
}

void wire_stop(struct wire *w)
{
	assert(!w->closed);
	w->started = false;
	link_of(w)->network->pauses++;
}

/* Room in the window is filled; what went whole is told. */
static void told_written(void *data)
{
	struct wire *w = data;
	struct link *l = link_of(w);
	int64_t left = world_asleep(world_of(l), &l->engine->host);

	if (left) {
		world_after(world_of(l), left, told_written, w);
		return;
	}
	w->busy = false;
	buffer_reset(&w->writing);
	w->written = 0;
	session_written(w->session, !l->down.dead);
}

static void fill(struct link *l)
{
	struct wire *w = &l->wire;
	size_t left = w->writing.len - w->written, room;

	if (l->down.dead) {
		w->written = w->writing.len; /* to nowhere */
	} else {
		room = l->window > l->down.bytes.len ? l->window - l->down.bytes.len : 0;
		room = room < left ? room : left;
		buffer_add(&l->down.bytes, w->writing.data + w->written, room);
		w->written += room;
		move(l, &l->down);
	}
	if (w->busy && left && w->written == w->writing.len)
		world_after(world_of(l), soon(l), told_written, w);
}

enum wire_outcome wire_write(struct wire *w, struct buffer *out, bool last)
{
	struct link *l = link_of(w);
	struct buffer spare = w->writing;

	(void)last;
	assert(!w->closed && !w->busy && out->len);
	if (w->shut || (l->down.dead && world_chance(world_of(l), 500)))
		return WIRE_LOST;
	w->writing = *out;
	*out = spare;
	buffer_reset(out);
	w->written = 0;
	fill(l);
	if (w->written < w->writing.len) {
		w->busy = true;
		return WIRE_BUSY;
	}
	buffer_reset(&w->writing);
	w->written = 0;
	return WIRE_DONE;
}

bool wire_end(struct wire *w)
{
	struct link *l = link_of(w);

	assert(!w->closed && !w->busy);
	w->shut = true;
	if (!l->down.dead)
		finish(l, &l->down);
	return !l->down.dead;
}

static void gone(void *data)
{
	struct wire *w = data;
	struct link *l = link_of(w);

	session_gone(w->session);
	l->wire_gone = true;
	let_go(l);
}

/* A socket that still holds bytes to read is reset: what it wrote last may be lost with it. */
void wire_close(struct wire *w)
{
	struct link *l = link_of(w);

	assert(!w->closed);
	w->closed = true;
	if (l->up.bytes.len)
		lose(l, &l->down);
	l->up.dead = l->down.dead = true;
	buffer_release(&l->up.bytes);
	finish(l, &l->down);
	world_forget(world_of(l), w);
	world_after(world_of(l), 1 + (int64_t)random_below(&world_of(l)->random, 50), gone, w);
}

size_t wire_in(const struct wire *w)
{
	(void)w;
	return 0;
}

size_t wire_out(const struct wire *w)
{
	return w->writing.len;
}

size_t wire_left(const struct wire *w)
{
	return w->busy ? w->writing.len - w->written : 0;
}

bool wire_is_local(const struct wire *w)
{
	(void)w;
	return false;
}

const uint8_t *wire_certificate(const struct wire *w)
{
	(void)w;
	return NULL;
}

const char *wire_peer(const struct wire *w, char out[WIRE_PEER])
{
	(void)w;
	snprintf(out, WIRE_PEER, "192.0.2.1:7411");
	return out;
}

/* Nobody listens on sockets here. */
struct wire *wire_accept(uv_stream_t *listener, struct tls_context *tls)
{
	(void)listener;
	(void)tls;
	return NULL;
}

/* ---- to the client ---- */

static void down_arrives(void *data)
{
	struct link *l = data;
	struct world *w = world_of(l);
	struct peer *p = l->peer;
	char *copy;
	size_t n;

	l->down.moving = false;
	if (!p)
		return;
	if (l->held_until > w->now && !(l->down.ended && !l->down.bytes.len)) {
		l->down.moving = true;
		world_after(w, l->held_until - w->now, down_arrives, l);
		return;
	}
	n = piece(l, l->down.bytes.len);
	if (!n && l->down.ended) {
		p->broken = link_is_broken(p) || !l->read;
		p->link = NULL;
		l->peer = NULL;
		lose(l, &l->up);
		if (!l->wire.closed && !l->silent)
			finish(l, &l->up);
		l->down.dead = true;
		let_go(l);
		p->ended(p);
		return;
	}
	if (!n)
		return;
	copy = mem_alloc(n);
	memcpy(copy, l->down.bytes.data, n);
	buffer_drop(&l->down.bytes, n);
	if (!l->wire.closed)
		fill(l);
	move(l, &l->down);
	p->took(p, copy, n); /* and the link may be gone */
	free(copy);
}

void link_open(struct network *n, struct peer *p, struct engine_sim *engine, void (*accept)(struct engine_sim *e, struct wire *w))
{
	static const size_t pieces[] = { PIECE_MOST, PIECE_MOST, 3000, 700, 200, 20 };
	struct random *r = &n->world->random;
	struct link *l = mem_zalloc(sizeof(*l));

	l->network = n;
	l->next = n->links;
	n->links = l;
	l->engine = engine;
	l->life = engine->lives;
	l->accept = accept;
	l->peer = p;
	l->window = WINDOW_LEAST << random_below(r, 6);
	l->piece = pieces[random_below(r, sizeof(pieces) / sizeof(*pieces))];
	l->latency = 20 + (int64_t)random_below(r, l->piece > 1000 ? 3000 : 100);
	p->link = l;
	world_after(n->world, soon(l), accepts, l);
}

void link_send(struct peer *p, const void *data, size_t n)
{
	struct link *l = p->link;

	if (l->up.dead)
		return;
	buffer_add(&l->up.bytes, data, n);
	if (l->wire.started)
		move(l, &l->up);
}

void link_hold(struct peer *p, int64_t us)
{
	p->link->held_until = world_of(p->link)->now + us;
}

void link_leave(struct peer *p, bool rude)
{
	struct link *l = p->link;

	p->link = NULL;
	l->peer = NULL;
	l->down.dead = true;
	buffer_reset(&l->down.bytes);
	if (l->wire.closed) {
		let_go(l);
		return;
	}
	if (rude)
		lose(l, &l->up);
	l->up.dead = true;
	if (l->silent)
		return;
	finish(l, &l->up);
	fill(l);
}

static void cut(struct link *l, bool silent)
{
	l->broken = true;
	l->silent = l->silent || silent;
	lose(l, &l->down);
	finish(l, &l->down);
	if (l->wire.closed)
		return;
	lose(l, &l->up);
	if (silent)
		return;
	finish(l, &l->up);
	fill(l);
}

void link_cut(struct peer *p, bool silent)
{
	struct network *n = p->link->network;

	n->cuts++;
	n->silent_cuts += silent;
	cut(p->link, silent);
}

void network_lose(struct network *n, const struct engine_sim *engine)
{
	for (struct link *l = n->links; l; l = l->next)
		if (l->engine == engine && l->life == engine->lives)
			cut(l, false);
}

bool link_is_broken(const struct peer *p)
{
	return p->link->broken || !engine_lives(p->link);
}
