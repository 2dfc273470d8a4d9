/*
 * The connections that are open, with what each is doing and since when, so that a peer that is too
 * slow is cut off: MHD's own timeout starts anew with every byte and never ends a trickle.
 *
 * Phases of a connection:
 *   WAITING   handshake, request line and headers, or nothing between requests: header_ms at most
 *   BODY      the body comes in: body_grace_ms, and then BODY_RATE bytes a second on average
 *   SERVING   the route works, or the request is suspended: no limit here
 *   REPLYING  the answer goes out: reply_ms at most
 * While all body slots are taken a body has only PRESSED_GRACE_MS and must come at PRESSED_RATE, so
 * that senders who stopped half way keep the others waiting no longer than that.
 *
 * Ownership: the registry owns its peers.
 * Threads: peers_add/remove and the setters on the pool's threads; what counts and cuts on any.
 */
#ifndef NIMBUSGUARD_RECEIVER_PEERS_H
#define NIMBUSGUARD_RECEIVER_PEERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define BODY_RATE 8192
#define PRESSED_RATE 65536
#define PRESSED_GRACE_MS 1000

enum peer_phase { PEER_WAITING, PEER_BODY, PEER_SERVING, PEER_REPLYING };

struct tls;
struct tls_material;

struct peer {
	struct peer *next, *previous;
	int fd;
	bool cut; /* under the registry's lock: its socket was shut down */
	_Atomic int phase;
	_Atomic int64_t since_ns; /* when the phase began */
	_Atomic uint64_t body_bytes;
	/* Of the pool's thread alone: */
	int64_t request_ns; /* when the request line came */
	struct tls *tls;
	struct tls_material *material; /* held for the connection's handshake */
	bool client_verified;
};

struct peer_limits {
	int64_t header_ms, body_grace_ms, reply_ms;
};

struct peers;

struct peers *peers_open(const struct peer_limits *limits) MUST_CHECK;
void peers_close(struct peers *peers);
/* A connection that was handed to MHD and will soon be added there, and one that MHD did not take. */
void peers_announce(struct peers *peers);
void peers_retract(struct peers *peers);
/* One that was announced. NULL: out of memory. The descriptor stays the caller's, open until after peers_remove(). */
struct peer *peers_add(struct peers *peers, int fd) MUST_CHECK;
void peers_remove(struct peers *peers, struct peer *peer);
void peer_set_phase(struct peer *peer, enum peer_phase phase, int64_t now_ns);
/* Shuts down the sockets of those past their limit; returns how many. pressed: no slot is free. */
size_t peers_cut(struct peers *peers, int64_t now_ns, bool pressed);
/* Those that are open or announced, without those that were cut off and are not gone yet. */
unsigned peers_count(struct peers *peers);
/* Shuts down the socket of the one that is in WAITING for longest; false when none is. */
bool peers_cut_idlest(struct peers *peers);

#endif
