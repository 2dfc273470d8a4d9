/*
 * TLS material and its life. The access control says by its generation whether the files changed;
 * then the next handshake builds new material, and those under way keep the old one. Files that
 * cannot be used (the key was replaced a moment before the certificate) leave the old one in force.
 *
 * Client certificates are asked for, required and verified inside the handshake, as client_auth_type
 * says, so that without a good one no byte of HTTP is read.
 */
#include "receiver/tls.h"

#include <gnutls/x509.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "receiver/peers.h"
#include "receiver/request.h"

#define CHAIN_MAX 16
#define PRIORITIES_MAX 256

struct tls_material {
	_Atomic unsigned references;
	uint64_t generation;
	gnutls_pcert_st chain[CHAIN_MAX];
	unsigned chain_count;
	gnutls_privkey_t key;
	gnutls_x509_trust_list_t trusted; /* NULL without client CA */
	enum access_client_auth client_auth;
};

struct tls {
	struct access *access;
	char priorities[PRIORITIES_MAX];
	pthread_mutex_t lock; /* guards the pointer below */
	struct tls_material *current;
};

static gnutls_datum_t datum(const char *text)
{
	return (gnutls_datum_t){(unsigned char *)(uintptr_t)text, (unsigned)strlen(text)};
}

static void material_free(struct tls_material *material)
{
	for (unsigned i = 0; i < material->chain_count; i++)
		gnutls_pcert_deinit(&material->chain[i]);
	if (material->key)
		gnutls_privkey_deinit(material->key);
	if (material->trusted)
		gnutls_x509_trust_list_deinit(material->trusted, 1);
	mem_free(material);
}

void tls_material_release(struct tls_material *material)
{
	if (material && atomic_fetch_sub(&material->references, 1) == 1)
		material_free(material);
}

static enum status gnutls_failure(struct error *error, const char *what, int code)
{
	return error_set(error, code == GNUTLS_E_MEMORY_ERROR ? STATUS_NO_MEMORY : STATUS_BAD_INPUT,
		"%s: %s", what, gnutls_strerror(code));
}

static enum status load_chain(struct tls_material *material, const char *certificate,
	struct error *error)
{
	gnutls_datum_t pem = datum(certificate);
	unsigned count = CHAIN_MAX;
	int code;

	code = gnutls_pcert_list_import_x509_raw(material->chain, &count, &pem, GNUTLS_X509_FMT_PEM,
		0);
	if (code)
		return gnutls_failure(error, "the certificate cannot be used", code);
	material->chain_count = count;
	return STATUS_OK;
}

static enum status load_key(struct tls_material *material, const char *key, struct error *error)
{
	gnutls_datum_t pem = datum(key);
	int code = gnutls_privkey_init(&material->key);

	if (!code)
		code = gnutls_privkey_import_x509_raw(material->key, &pem, GNUTLS_X509_FMT_PEM,
			NULL, 0);
	return code ? gnutls_failure(error, "the key cannot be used", code) : STATUS_OK;
}

static enum status load_trusted(struct tls_material *material, const char *client_ca,
	struct error *error)
{
	gnutls_datum_t pem;
	int code;

	if (!client_ca)
		return STATUS_OK;
	pem = datum(client_ca);
	code = gnutls_x509_trust_list_init(&material->trusted, 0);
	if (code)
		return gnutls_failure(error, "the client CA cannot be used", code);
	code = gnutls_x509_trust_list_add_trust_mem(material->trusted, &pem, NULL,
		GNUTLS_X509_FMT_PEM, 0, 0);
	if (code < 0)
		return gnutls_failure(error, "the client CA cannot be used", code);
	if (!code)
		return error_set(error, STATUS_BAD_INPUT,
			"the client CA file holds no certificate");
	return STATUS_OK;
}

/* Signs and verifies a few bytes: the key is the certificate's own. */
static enum status check_pair(const struct tls_material *material, struct error *error)
{
	unsigned char certificate_id[64], key_id[64];
	size_t certificate_size = sizeof(certificate_id), key_size = sizeof(key_id);
	gnutls_pubkey_t public_key;
	int code = gnutls_pubkey_init(&public_key);

	if (code)
		return gnutls_failure(error, "the key cannot be used", code);
	code = gnutls_pubkey_get_key_id(material->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256,
		certificate_id, &certificate_size);
	if (!code)
		code = gnutls_pubkey_import_privkey(public_key, material->key, 0, 0);
	if (!code)
		code = gnutls_pubkey_get_key_id(public_key, GNUTLS_KEYID_USE_SHA256, key_id,
			&key_size);
	gnutls_pubkey_deinit(public_key);
	if (code)
		return gnutls_failure(error, "the key cannot be used", code);
	if (certificate_size != key_size || memcmp(certificate_id, key_id, key_size) != 0)
		return error_set(error, STATUS_BAD_INPUT, "the key is not the certificate's");
	return STATUS_OK;
}

static struct tls_material *material_build(const struct access_tls *files, struct error *error)
{
	struct tls_material *material = mem_zalloc(1, sizeof(*material));

	if (!material) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	atomic_init(&material->references, 1);
	material->client_auth = files->client_auth;
	if (load_chain(material, files->certificate, error) ||
		load_key(material, files->key, error) ||
		load_trusted(material, files->client_ca, error) || check_pair(material, error)) {
		material_free(material);
		return NULL;
	}
	return material;
}

enum status tls_check(const struct access_tls *files, struct error *error)
{
	struct tls_material *material = material_build(files, error);

	if (!material)
		return STATUS_BAD_INPUT;
	material_free(material);
	return STATUS_OK;
}

static enum status set_priorities(struct tls *tls, const struct access_tls *files,
	struct error *error)
{
	bool no_12 = !strcmp(files->min_version, "TLS13");
	bool no_13 = !strcmp(files->max_version, "TLS12");
	gnutls_priority_t parsed;
	const char *comma, *at = files->curves;
	size_t used;
	int code;

	used = (size_t)snprintf(tls->priorities, PRIORITIES_MAX, "NORMAL:-VERS-ALL%s%s",
		no_13 ? "" : ":+VERS-TLS1.3", no_12 ? "" : ":+VERS-TLS1.2");
	if (*at)
		used += (size_t)snprintf(tls->priorities + used, PRIORITIES_MAX - used,
			":-GROUP-ALL");
	while (*at) {
		comma = strchr(at, ',');
		if (!comma)
			comma = at + strlen(at);
		used += (size_t)snprintf(tls->priorities + used, PRIORITIES_MAX - used, ":+%.*s",
			(int)(comma - at), at);
		at = *comma ? comma + 1 : comma;
	}
	code = gnutls_priority_init(&parsed, tls->priorities, NULL);
	if (code)
		return gnutls_failure(error, "the TLS settings cannot be used", code);
	gnutls_priority_deinit(parsed);
	return STATUS_OK;
}

/* The material of the access control's current files. */
static struct tls_material *material_read(struct access *access, struct access_tls *files,
	struct error *error)
{
	struct tls_material *material;
	/* Before the files: at worst they are newer than said, and are read once more. */
	uint64_t generation = access_generation(access);

	if (access_tls_copy(access, files)) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	material = material_build(files, error);
	if (material)
		material->generation = generation;
	return material;
}

struct tls *tls_open(struct access *access, struct error *error)
{
	struct tls *tls = mem_zalloc(1, sizeof(*tls));
	struct access_tls files = {0};
	enum status status;

	if (!tls) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	tls->access = access;
	pthread_mutex_init(&tls->lock, NULL);
	tls->current = material_read(access, &files, error);
	status = tls->current ? set_priorities(tls, &files, error) : STATUS_BAD_INPUT;
	access_tls_fini(&files);
	if (!status)
		return tls;
	tls_close(tls);
	return NULL;
}

void tls_close(struct tls *tls)
{
	if (!tls)
		return;
	tls_material_release(tls->current);
	pthread_mutex_destroy(&tls->lock);
	mem_free(tls);
}

const char *tls_priorities(const struct tls *tls)
{
	return tls->priorities;
}

/* The current material with a reference of the caller's. replacement (may be NULL) takes its place
 * first, unless another thread was faster. */
static struct tls_material *swap_current(struct tls *tls, struct tls_material *replacement)
{
	struct tls_material *material, *unused = NULL;

	pthread_mutex_lock(&tls->lock);
	if (replacement) {
		unused = replacement;
		if (replacement->generation > tls->current->generation) {
			unused = tls->current;
			tls->current = replacement;
		}
	}
	material = tls->current;
	atomic_fetch_add(&material->references, 1);
	pthread_mutex_unlock(&tls->lock);
	tls_material_release(unused);
	return material;
}

/* The newest material that can be used. The access control has tried its files before it took them
 * over, so only memory can be missing here; then the old one serves and the next handshake tries. */
static struct tls_material *take_current(struct tls *tls)
{
	struct tls_material *material = swap_current(tls, NULL), *replacement;
	struct access_tls files = {0};

	if (material->generation == access_generation(tls->access))
		return material;
	tls_material_release(material);
	replacement = material_read(tls->access, &files, NULL);
	access_tls_fini(&files);
	return swap_current(tls, replacement);
}

static bool import_peers(const gnutls_datum_t *peers, unsigned count, gnutls_x509_crt_t *chain)
{
	for (unsigned i = 0; i < count; i++) {
		if (!gnutls_x509_crt_init(&chain[i]) &&
			!gnutls_x509_crt_import(chain[i], &peers[i], GNUTLS_X509_FMT_DER))
			continue;
		if (chain[i])
			gnutls_x509_crt_deinit(chain[i]);
		while (i--)
			gnutls_x509_crt_deinit(chain[i]);
		return false;
	}
	return true;
}

/* The chain leads to the client CA, is in its time, and may be used by clients. */
static bool chain_verifies(const struct tls_material *material, const gnutls_datum_t *peers,
	unsigned count)
{
	gnutls_typed_vdata_st purpose = {GNUTLS_DT_KEY_PURPOSE_OID,
		(unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT, 0};
	gnutls_x509_crt_t chain[CHAIN_MAX] = {0};
	unsigned wrong = 1;
	int code;

	if (!material->trusted || count > CHAIN_MAX || !import_peers(peers, count, chain))
		return false;
	code = gnutls_x509_trust_list_verify_crt2(material->trusted, chain, count, &purpose, 1, 0,
		&wrong, NULL);
	for (unsigned i = 0; i < count; i++)
		gnutls_x509_crt_deinit(chain[i]);
	return !code && !wrong;
}

/* GnuTLS calls this once the client's certificate message is in; not 0 ends the handshake. */
static int verify_client(gnutls_session_t session)
{
	struct peer *peer = request_peer_of(gnutls_session_get_ptr(session));
	const gnutls_datum_t *peers;
	unsigned count = 0;

	if (!peer || !peer->material)
		return GNUTLS_E_INTERNAL_ERROR;
	peers = gnutls_certificate_get_peers(session, &count);
	if (!peers || !count)
		return peer->material->client_auth == CLIENT_AUTH_REQUIRE
			? GNUTLS_E_CERTIFICATE_REQUIRED
			: 0;
	peer->client_verified = chain_verifies(peer->material, peers, count);
	return peer->client_verified ? 0 : GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR;
}

static void ask_client(gnutls_session_t session, enum access_client_auth wanted)
{
	bool required = wanted == CLIENT_AUTH_REQUIRE || wanted == CLIENT_AUTH_REQUIRE_ANY;

	if (wanted == CLIENT_AUTH_NONE)
		return;
	gnutls_certificate_server_set_request(session,
		required ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_REQUEST);
	if (wanted == CLIENT_AUTH_REQUIRE || wanted == CLIENT_AUTH_VERIFY_IF_GIVEN)
		gnutls_session_set_verify_function(session, verify_client);
}

int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *ca_names, int ca_count,
	const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **chain,
	unsigned *chain_count, gnutls_privkey_t *key)
{
	struct peer *peer = request_peer_of(gnutls_session_get_ptr(session));

	(void)ca_names;
	(void)ca_count;
	(void)algorithms;
	(void)algorithm_count;
	if (!peer || !peer->tls)
		return -1;
	if (!peer->material)
		peer->material = take_current(peer->tls);
	ask_client(session, peer->material->client_auth);
	*chain = peer->material->chain;
	*chain_count = peer->material->chain_count;
	*key = peer->material->key;
	return 0;
}
