/*
 * The registry of connections: a list under a lock. A peer is cut off by shutdown() on its socket,
 * which its own thread then sees as an end; the descriptor is closed by nobody but MHD, and only
 * after the peer left the list.
 */
#include "receiver/peers.h"

#include <pthread.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"

struct peers {
	pthread_mutex_t lock; /* guards count, first and the links */
	struct peer *first;
	unsigned count; /* announced, or listed and not cut off */
	struct peer_limits limits;
};

struct peers *peers_open(const struct peer_limits *limits)
{
	struct peers *peers = mem_zalloc(1, sizeof(*peers));

	if (!peers)
		return NULL;
	pthread_mutex_init(&peers->lock, NULL);
	peers->limits = *limits;
	return peers;
}

void peers_close(struct peers *peers)
{
	if (!peers)
		return;
	while (peers->first)
		peers_remove(peers, peers->first);
	pthread_mutex_destroy(&peers->lock);
	mem_free(peers);
}

static void add_count(struct peers *peers, int more)
{
	pthread_mutex_lock(&peers->lock);
	peers->count += (unsigned)more;
	pthread_mutex_unlock(&peers->lock);
}

void peers_announce(struct peers *peers)
{
	add_count(peers, 1);
}

void peers_retract(struct peers *peers)
{
	add_count(peers, -1);
}

struct peer *peers_add(struct peers *peers, int fd)
{
	struct peer *peer = mem_zalloc(1, sizeof(*peer));

	if (!peer) {
		peers_retract(peers);
		return NULL;
	}
	peer->fd = fd;
	peer_set_phase(peer, PEER_WAITING, clock_mono_ns(clock_system()));
	pthread_mutex_lock(&peers->lock);
	peer->next = peers->first;
	if (peer->next)
		peer->next->previous = peer;
	peers->first = peer;
	pthread_mutex_unlock(&peers->lock);
	return peer;
}

void peers_remove(struct peers *peers, struct peer *peer)
{
	pthread_mutex_lock(&peers->lock);
	if (peer->previous)
		peer->previous->next = peer->next;
	else
		peers->first = peer->next;
	if (peer->next)
		peer->next->previous = peer->previous;
	peers->count -= !peer->cut;
	pthread_mutex_unlock(&peers->lock);
	mem_free(peer);
}

/* The time is stored first and the bytes only before the phase that counts them: what the watch may
 * see half way, an old phase with a new time, only spares. */
void peer_set_phase(struct peer *peer, enum peer_phase phase, int64_t now_ns)
{
	atomic_store(&peer->since_ns, now_ns);
	if (phase == PEER_BODY)
		atomic_store(&peer->body_bytes, 0);
	atomic_store(&peer->phase, phase);
}

static bool body_late(const struct peers *peers, uint64_t bytes, int64_t spent_ms, bool pressed)
{
	int64_t grace_ms = peers->limits.body_grace_ms;

	if (!pressed || grace_ms < PRESSED_GRACE_MS)
		return spent_ms > grace_ms + (int64_t)(bytes / BODY_RATE) * 1000;
	return spent_ms > PRESSED_GRACE_MS + (int64_t)(bytes / PRESSED_RATE) * 1000;
}

static bool peer_late(const struct peers *peers, struct peer *peer, int64_t now_ns, bool pressed)
{
	enum peer_phase phase = (enum peer_phase)atomic_load(&peer->phase);
	int64_t spent_ms = (now_ns - atomic_load(&peer->since_ns)) / 1000000;

	switch (phase) {
	case PEER_WAITING:
		return spent_ms > peers->limits.header_ms;
	case PEER_BODY:
		return body_late(peers, atomic_load(&peer->body_bytes), spent_ms, pressed);
	case PEER_REPLYING:
		return spent_ms > peers->limits.reply_ms;
	case PEER_SERVING:
		break;
	}
	return false;
}

/* Under the lock. Once is enough; MHD notices at its own pace. */
static void cut(struct peers *peers, struct peer *peer)
{
	peer->cut = true;
	peers->count--;
	shutdown(peer->fd, SHUT_RDWR);
}

size_t peers_cut(struct peers *peers, int64_t now_ns, bool pressed)
{
	size_t count = 0;

	pthread_mutex_lock(&peers->lock);
	for (struct peer *peer = peers->first; peer; peer = peer->next) {
		if (peer->cut || !peer_late(peers, peer, now_ns, pressed))
			continue;
		cut(peers, peer);
		count++;
	}
	pthread_mutex_unlock(&peers->lock);
	return count;
}

unsigned peers_count(struct peers *peers)
{
	unsigned count;

	pthread_mutex_lock(&peers->lock);
	count = peers->count;
	pthread_mutex_unlock(&peers->lock);
	return count;
}

bool peers_cut_idlest(struct peers *peers)
{
	struct peer *idlest = NULL;
	int64_t since_ns = INT64_MAX;

	pthread_mutex_lock(&peers->lock);
	for (struct peer *peer = peers->first; peer; peer = peer->next) {
		if (peer->cut || atomic_load(&peer->phase) != PEER_WAITING ||
			atomic_load(&peer->since_ns) >= since_ns)
			continue;
		idlest = peer;
		since_ns = atomic_load(&peer->since_ns);
	}
	if (idlest)
		cut(peers, idlest);
	pthread_mutex_unlock(&peers->lock);
	return idlest != NULL;
}
