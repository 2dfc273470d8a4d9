/*
 * The Authorization header taken apart.
 * Threads: pure.
 */
#ifndef NIMBUSGUARD_RECEIVER_CREDENTIALS_H
#define NIMBUSGUARD_RECEIVER_CREDENTIALS_H

#include <stdbool.h>

#define CREDENTIALS_MAX 1024

/* What follows "scheme " in the header's value (the scheme in any case), or NULL. */
const char *scheme_skip(const char *authorization, const char *scheme);

struct basic_credentials {
	char room[CREDENTIALS_MAX];
	const char *user, *password; /* inside room */
};

/* Base64 of user:password. False when malformed, too long, or with a NUL inside. */
bool basic_decode(const char *encoded, struct basic_credentials *credentials);

#endif
