/*
 * Who a client is to the API server: a token from a file that is read again, a fixed token, or what a
 * credential plugin gives until it expires or is refused.
 *
 * Ownership: texts of the source are borrowed until the credentials are closed.
 * Threads: any.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_KUBE_CONFIG_CREDENTIALS_H
#define NIMBUSGUARD_REMEDIATIONS_KUBE_CONFIG_CREDENTIALS_H

#include <stdint.h>

#include "base/error.h"
#include "remediations/kube_config.h"
#include "remediations/kube_config_exec.h"

/* At most one of the three; none: the server is given no token. */
struct kube_credentials_source {
	const char *token_file, *token;
	const struct kube_config *plugin; /* with exec */
	int64_t token_age_ms;             /* the token's file is read again after this */
	kube_exec_stop_fn *stop;          /* true: the service is ending */
	const void *stop_argument;
};

struct kube_credentials;

/* What file_read_secret() gives for the token's file; a plugin is not run yet. */
enum status kube_credentials_open(struct kube_credentials **opened,
	const struct kube_credentials_source *source, struct error *error) MUST_CHECK;
void kube_credentials_close(struct kube_credentials *credentials);

/* The caller's copy. */
struct kube_credential {
	char *header;             /* Authorization: Bearer ...; NULL: none */
	char *cert_pem, *key_pem; /* from a plugin; NULL: none */
	uint64_t version;         /* changes with the content; 0: there is nothing that could */
};

/* refused: the version that the server did not take, 0 for none: it is then renewed, unless it was a
 * moment ago. Waits for a plugin. STATUS_NO_MEMORY, or as kube_exec_run(). */
enum status kube_credentials_get(struct kube_credentials *credentials, uint64_t refused,
	struct kube_credential *credential, struct error *error) MUST_CHECK;
void kube_credential_fini(struct kube_credential *credential);

#endif
