/*
 * Passwords against bcrypt hashes, at a bounded cost: what was checked is remembered as a keyed hash
 * (never the password), few checks run at once, and an unknown user costs as much as a known one.
 *
 * Limits: PASSWORD_CHECKS_MAX bcrypts at a time, PASSWORD_CACHE_MAX remembered answers; a wrong
 *   password is remembered for PASSWORD_WRONG_MS.
 * Threads: any.
 */
#ifndef NIMBUSGUARD_RECEIVER_PASSWORD_H
#define NIMBUSGUARD_RECEIVER_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"

#define PASSWORD_CHECKS_MAX 2
#define PASSWORD_CACHE_MAX 512
#define PASSWORD_WRONG_MS 10000
#define KEYED_HASH_SIZE 32

struct passwords;

struct passwords *passwords_open(
	const struct clock *clock) MUST_CHECK; /* NULL: no memory or randomness */
void passwords_close(struct passwords *passwords);

/* hash: NULL for an unknown user, who pays a bcrypt of unknown_cost. STATUS_OK,
 * STATUS_UNAUTHENTICATED, STATUS_BUSY (too many checks under way) or STATUS_NO_MEMORY. */
enum status password_check(struct passwords *passwords, const char *user, const char *password,
	const char *hash, int unknown_cost) MUST_CHECK;

/* A hash under a key that this process drew at random; texts are kept apart by their NULs. */
void keyed_hash(const struct passwords *passwords, const char *const *texts, size_t count,
	unsigned char hash[KEYED_HASH_SIZE]);
bool keyed_hash_equal(const unsigned char *a, const unsigned char *b);
/* How many bcrypts were computed, for tests. */
uint64_t passwords_computed(const struct passwords *passwords);

#endif
