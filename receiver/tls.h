/*
 * TLS of the listener: the certificate served to each handshake and the check of client
 * certificates, both from the access control's current files.
 *
 * Ownership: struct tls belongs to the server; a connection holds the material of its handshake.
 * Threads: tls_retrieve() on the pool's threads, any number at once.
 */
#ifndef NIMBUSGUARD_RECEIVER_TLS_H
#define NIMBUSGUARD_RECEIVER_TLS_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "base/error.h"
#include "receiver/access.h"

struct peer;
struct tls;
struct tls_material;

/* access: borrowed. NULL: the certificate, key or CA cannot be used, see error. */
struct tls *tls_open(struct access *access, struct error *error) MUST_CHECK;
void tls_close(struct tls *tls); /* all material must be back */
/* The priority string for MHD. */
const char *tls_priorities(const struct tls *tls);

/* The callback for MHD_OPTION_HTTPS_CERT_CALLBACK; finds its peer by request_peer_of(). */
int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *ca_names, int ca_count,
	const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **chain,
	unsigned *chain_count, gnutls_privkey_t *key);
/* Gives back what the handshake held; material may be NULL. */
void tls_material_release(struct tls_material *material);

/* Whether a certificate, key and client CA (may be NULL) in PEM can be used together. */
enum status tls_check(const struct access_tls *files, struct error *error) MUST_CHECK;

#endif
