/*
 * What the files of the access control say at one moment: a set that never changes once it is read.
 *
 * Ownership: counted references; access_set_release() gives one back.
 * Threads: reading by one at a time; a set by any number.
 */
#ifndef NIMBUSGUARD_RECEIVER_ACCESS_SET_H
#define NIMBUSGUARD_RECEIVER_ACCESS_SET_H

#include <stdatomic.h>

#include "receiver/access.h"
#include "receiver/password.h"
#include "receiver/web_config.h"

struct token_spec {
	char *name, *file; /* file NULL: the role of a basic_auth user */
	enum access_role role;
};

/* Where a set is read from. */
struct access_source {
	char *web_config_file; /* NULL: none */
	struct token_spec *specs;
	size_t spec_count, token_count; /* all; those with a file */
	struct passwords *passwords;
};

struct token {
	unsigned char hash[KEYED_HASH_SIZE];
	bool valid;
};

struct access_set {
	_Atomic unsigned references;
	struct web_config web;
	struct access_tls tls;
	struct token *tokens; /* [spec_count] */
};

/* strict: a token that cannot be read is an error; else it is void. NULL: see diagnostics. */
struct access_set *access_set_read(const struct access_source *source, bool strict,
	struct diagnostics *diagnostics) MUST_CHECK;
void access_set_release(struct access_set *set); /* NULL allowed */
/* Whether it asks anybody for anything. */
bool access_set_closed(const struct access_source *source, const struct access_set *set);

#endif
