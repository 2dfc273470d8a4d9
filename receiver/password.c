/*
 * Password checks. The table of remembered answers is looked up by the keyed hash of user, password
 * and stored hash: a changed stored hash is another key, so nothing must be forgotten on a reload.
 * Each key has WAYS places; a new answer takes the one that was used longest ago.
 */
#include "receiver/password.h"

#include <crypt.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/random.h"

#define WAYS 4
#define SETS (PASSWORD_CACHE_MAX / WAYS)

struct remembered {
	unsigned char hash[KEYED_HASH_SIZE];
	int64_t used_ns, until_ns; /* until_ns 0: right, for good */
	bool taken, right;
};

struct passwords {
	const struct clock *clock;
	unsigned char key[32];
	_Atomic int checks; /* bcrypts under way */
	_Atomic uint64_t computed;
	pthread_mutex_t lock; /* guards what follows */
	struct remembered cache[SETS][WAYS];
};

struct passwords *passwords_open(const struct clock *clock)
{
	struct passwords *passwords = mem_zalloc(1, sizeof(*passwords));

	if (!passwords)
		return NULL;
	if (random_secret(passwords->key, sizeof(passwords->key))) {
		mem_free(passwords);
		return NULL;
	}
	passwords->clock = clock;
	pthread_mutex_init(&passwords->lock, NULL);
	return passwords;
}

void passwords_close(struct passwords *passwords)
{
	if (!passwords)
		return;
	pthread_mutex_destroy(&passwords->lock);
	explicit_bzero(passwords->key, sizeof(passwords->key));
	mem_free(passwords);
}

uint64_t passwords_computed(const struct passwords *passwords)
{
	return atomic_load(&passwords->computed);
}

void keyed_hash(const struct passwords *passwords, const char *const *texts, size_t count,
	unsigned char hash[KEYED_HASH_SIZE])
{
	gnutls_hmac_hd_t state;

	memset(hash, 0, KEYED_HASH_SIZE);
	/* A failure leaves no usable hash: random bytes match nothing. */
	if (gnutls_hmac_init(&state, GNUTLS_MAC_SHA256, passwords->key, sizeof(passwords->key))) {
		if (random_secret(hash, KEYED_HASH_SIZE))
			hash[0] = 0;
		return;
	}
	for (size_t i = 0; i < count; i++)
		gnutls_hmac(state, texts[i], strlen(texts[i]) + 1);
	gnutls_hmac_deinit(state, hash);
}

bool keyed_hash_equal(const unsigned char *a, const unsigned char *b)
{
	return !gnutls_memcmp(a, b, KEYED_HASH_SIZE);
}

static struct remembered *set_of(struct passwords *passwords, const unsigned char *hash)
{
	return passwords->cache[(hash[0] | (unsigned)hash[1] << 8) % SETS];
}

/* STATUS_OK, STATUS_UNAUTHENTICATED, or STATUS_NOT_FOUND when nothing is remembered. */
static enum status recall(struct passwords *passwords, const unsigned char *hash)
{
	int64_t now_ns = clock_mono_ns(passwords->clock);
	struct remembered *set = set_of(passwords, hash);
	enum status status = STATUS_NOT_FOUND;

	pthread_mutex_lock(&passwords->lock);
	for (int i = 0; i < WAYS; i++) {
		if (!set[i].taken || !keyed_hash_equal(set[i].hash, hash))
			continue;
		if (!set[i].right && now_ns >= set[i].until_ns) {
			set[i].taken = false;
			continue;
		}
		set[i].used_ns = now_ns;
		status = set[i].right ? STATUS_OK : STATUS_UNAUTHENTICATED;
	}
	pthread_mutex_unlock(&passwords->lock);
	return status;
}

static void remember(struct passwords *passwords, const unsigned char *hash, bool right)
{
	int64_t now_ns = clock_mono_ns(passwords->clock);
	struct remembered *set = set_of(passwords, hash), *place = set;

	pthread_mutex_lock(&passwords->lock);
	for (int i = 1; i < WAYS; i++)
		if (place->taken && (!set[i].taken || set[i].used_ns < place->used_ns))
			place = &set[i];
	memcpy(place->hash, hash, KEYED_HASH_SIZE);
	place->taken = true;
	place->right = right;
	place->used_ns = now_ns;
	place->until_ns = now_ns + INT64_C(1000000) * PASSWORD_WRONG_MS;
	pthread_mutex_unlock(&passwords->lock);
}

static enum status compute(const char *password, const char *setting)
{
	struct crypt_data *work = mem_zalloc(1, sizeof(*work));
	enum status status = STATUS_UNAUTHENTICATED;
	size_t length = strlen(setting);
	const char *result;

	if (!work)
		return STATUS_NO_MEMORY;
	result = crypt_r(password, setting, work);
	if (result && strlen(result) == length && !gnutls_memcmp(result, setting, length))
		status = STATUS_OK;
	explicit_bzero(work, sizeof(*work));
	mem_free(work);
	return status;
}

enum status password_check(struct passwords *passwords, const char *user, const char *password,
	const char *hash, int unknown_cost)
{
	const char *const parts[] = {user, password, hash ? hash : ""};
	unsigned char key[KEYED_HASH_SIZE];
	enum status status;
	char nobody[64];

	keyed_hash(passwords, parts, 3, key);
	status = recall(passwords, key);
	if (status != STATUS_NOT_FOUND)
		return status;
	if (atomic_fetch_add(&passwords->checks, 1) >= PASSWORD_CHECKS_MAX) {
		atomic_fetch_sub(&passwords->checks, 1);
		return STATUS_BUSY;
	}
	snprintf(nobody, sizeof(nobody), "$2y$%02d$nimbusguardnimbusguar.", unknown_cost);
	status = compute(password, hash ? hash : nobody);
	if (!hash && status == STATUS_OK)
		status = STATUS_UNAUTHENTICATED;
	atomic_fetch_add(&passwords->computed, 1);
	atomic_fetch_sub(&passwords->checks, 1);
	if (status == STATUS_OK || status == STATUS_UNAUTHENTICATED)
		remember(passwords, key, status == STATUS_OK);
	return status;
}
