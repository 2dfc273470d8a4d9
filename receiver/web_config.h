/*
 * The web configuration file in the format of Prometheus' exporter toolkit, read and checked:
 * tls_server_config, http_server_config and basic_auth_users.
 *
 * Ownership: struct web_config owns its texts; paths are already relative to the file's folder.
 * Limits: WEB_USERS_MAX users, bcrypt cost up to BCRYPT_COST_MAX.
 * Threads: plain values.
 */
#ifndef NIMBUSGUARD_RECEIVER_WEB_CONFIG_H
#define NIMBUSGUARD_RECEIVER_WEB_CONFIG_H

#include "receiver/access.h"

#define WEB_USERS_MAX 1000
#define WEB_HEADERS_MAX 5
/* One check with cost 16 takes about four seconds of a core: more would let a caller stop us. */
#define BCRYPT_COST_MAX 16

struct web_pair {
	char *name, *value; /* user and bcrypt hash; header and value */
};

struct web_config {
	bool tls;
	char *cert_file, *key_file, *client_ca_file; /* client_ca_file may be NULL */
	enum access_client_auth client_auth;
	char min_version[8], max_version[8], curves[128]; /* as in struct access_tls */
	struct web_pair *users, headers[WEB_HEADERS_MAX];
	size_t user_count, header_count;
	int cost_max; /* of the users' hashes; 0 without users */
};

/* False: what is wrong is in diagnostics (warnings may be there in any case). */
bool web_config_init(struct web_config *config, const char *path,
	struct diagnostics *diagnostics) MUST_CHECK;
void web_config_fini(struct web_config *config);

/* The cost of a bcrypt hash ($2a$, $2b$, $2y$), or 0 when it is malformed. */
int bcrypt_cost(const char *hash);

#endif
