/*
 * Who may do what: the web configuration file in the format of Prometheus' exporter toolkit (TLS,
 * client certificates, basic auth with bcrypt) and bearer tokens from files, each with a role.
 *
 * Roles rise: none < read < ingest, webhook (equal rank, distinct) < approve < admin. A role allows
 * what it names and reading; approve allows read and approve; admin allows all.
 *
 * Ownership: struct access owns what it read. Files are re-read when they change.
 * Threads: access_check() from any thread; a reload swaps the whole set at once.
 */
#ifndef NIMBUSGUARD_RECEIVER_ACCESS_H
#define NIMBUSGUARD_RECEIVER_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/yaml.h"

#define ACCESS_ROLE_TABLE(X)                                                                       \
	X(ACCESS_NONE, "none")                                                                     \
	X(ACCESS_READ, "read")                                                                     \
	X(ACCESS_INGEST, "ingest")                                                                 \
	X(ACCESS_WEBHOOK, "webhook")                                                               \
	X(ACCESS_APPROVE, "approve")                                                               \
	X(ACCESS_ADMIN, "admin")

enum access_role {
#define X(role, name) role,
	ACCESS_ROLE_TABLE(X)
#undef X
		ACCESS_ROLE_COUNT
};

const char *access_role_name(enum access_role role);
bool access_role_parse(const char *name, enum access_role *role);
/* Whether `have` may do what needs `need`. */
bool access_role_allows(enum access_role have, enum access_role need);

/* One bearer token, from the service's own configuration (web.tokens). With file NULL it is not a
 * token but the role of the basic_auth user of this name; users that have no such entry may read. */
struct access_token {
	const char *name, *file;
	enum access_role role;
};

struct access;

/* web_config_file may be NULL; tokens may be empty: then access control is off and every caller
 * has ACCESS_ADMIN (the server still refuses ROUTE_PRIVILEGED off loopback).
 * NULL: what is wrong is in diagnostics. */
struct access *access_open(const char *web_config_file, const struct access_token *tokens,
	size_t token_count, struct diagnostics *diagnostics) MUST_CHECK;
void access_close(struct access *access); /* NULL allowed */
bool access_enabled(
	const struct access *access); /* any user, token or required client certificate */

/*
 * authorization: the header's value or NULL; client_cert_ok: a verified client certificate came.
 * identity: at most identity_size bytes with NUL. STATUS_OK, STATUS_UNAUTHENTICATED, or STATUS_BUSY
 * when as many passwords are being hashed as may be at once.
 *
 * Users and tokens are alternatives; where there are any, a certificate alone is not enough. Where
 * there are none and a verified certificate is required, it makes its bearer an admin. A password
 * that was right is remembered (as a keyed hash), so that bcrypt is paid once; one that was wrong,
 * too, for ten seconds. The files are looked at anew at most once a second: a broken web
 * configuration leaves the old one in force (logged); a token file that is gone or empty makes its
 * token void.
 */
enum status access_check(struct access *access, const char *authorization, bool client_cert_ok,
	enum access_role *role, char *identity, size_t identity_size) MUST_CHECK;

/* Re-reads now what changed; access_check() and access_generation() do so by themselves. */
void access_refresh(struct access *access);
/* Grows by one with each change taken over. */
uint64_t access_generation(struct access *access);

/* What client_auth_type asks for. */
enum access_client_auth {
	CLIENT_AUTH_NONE,
	CLIENT_AUTH_REQUEST,         /* asked for, not looked at */
	CLIENT_AUTH_REQUIRE_ANY,     /* must come, not verified */
	CLIENT_AUTH_VERIFY_IF_GIVEN, /* verified when it comes */
	CLIENT_AUTH_REQUIRE          /* must come and verify */
};

/* What the server needs for TLS; PEM texts, NULL when there is no TLS. A copy of the caller's. */
struct access_tls {
	char *certificate, *key, *client_ca;
	enum access_client_auth client_auth;
	/* "TLS12" or "TLS13"; taken at start only. max_version may be "". */
	char min_version[8], max_version[8];
	char curves
		[64]; /* GnuTLS group names, comma-separated, "" for the usual ones; at start only */
};

/* Whether the web configuration asks for TLS; this never changes while running. */
bool access_has_tls(const struct access *access);
enum status access_tls_copy(struct access *access, struct access_tls *copy) MUST_CHECK;
void access_tls_fini(struct access_tls *tls);

/* The response headers of http_server_config. */
void access_each_header(struct access *access,
	void (*visit)(const char *name, const char *value, void *argument), void *argument);

#endif
