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

/* One bearer token, from the service's own configuration (web.tokens). */
struct access_token {
	const char *name, *file;
	enum access_role role;
};

struct access;

/* web_config_file may be NULL; tokens may be empty: then access control is off and every caller
 * has ACCESS_ADMIN (the server still refuses ROUTE_PRIVILEGED off loopback). Users of
 * basic_auth_users get the role of `user_roles` in the service's configuration, or admin.
 * NULL: what is wrong is in diagnostics. */
struct access *access_open(const char *web_config_file, const struct access_token *tokens,
	size_t token_count, struct diagnostics *diagnostics) MUST_CHECK;
void access_close(struct access *access);
bool access_enabled(const struct access *access); /* any user, token or required client certificate */

/* authorization: the header's value or NULL; client_cert_ok: a verified client certificate came.
 * identity: at most identity_size bytes with NUL. STATUS_OK, STATUS_UNAUTHENTICATED. */
enum status access_check(struct access *access, const char *authorization, bool client_cert_ok,
	enum access_role *role, char *identity, size_t identity_size) MUST_CHECK;

/* What the server needs for TLS; PEM texts, NULL when there is no TLS. */
struct access_tls {
	char *certificate, *key, *client_ca;
	bool client_certificate_required, client_certificate_asked;
	const char *min_version; /* "TLS12" or "TLS13" */
};
const struct access_tls *access_tls(const struct access *access);

#endif
