/*
 * What a kubeconfig file says of one context: the API server's address, how it is trusted, and who we
 * are to it.
 *
 * Taken: server, certificate-authority(-data), tls-server-name, proxy-url (http, https, socks5);
 * client-certificate(-data), client-key(-data), token, tokenFile, exec. Refused by name, as they would
 * weaken the connection or be someone else than meant: insecure-skip-tls-verify, username and
 * password, auth-provider, as (impersonation). Whatever else stands in the file is left to its owners.
 *
 * Ownership: struct kube_config owns all its texts.
 * Limits: those of base/yaml.h for the file; KUBE_CONFIG_EXEC_MAX arguments and variables of a plugin.
 * Threads: read-only after kube_config_open().
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_KUBE_CONFIG_H
#define NIMBUSGUARD_REMEDIATIONS_KUBE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/yaml.h"

#define KUBE_CONFIG_EXEC_MAX 64

/* A program that gives credentials (client.authentication.k8s.io). */
struct kube_config_exec {
	char *command;     /* a path, or a name to look for in PATH */
	char *api_version; /* client.authentication.k8s.io/v1 or /v1beta1 */
	char *arguments[KUBE_CONFIG_EXEC_MAX];
	char *names[KUBE_CONFIG_EXEC_MAX], *values[KUBE_CONFIG_EXEC_MAX];
	size_t argument_count, variable_count;
	char *install_hint; /* NULL: none */
	bool cluster_info;  /* it is told which cluster it is for */
};

/* NULL where nothing is said. Of a pair of a file and data at most one is there; paths are absolute or
 * relative to our own folder. */
struct kube_config {
	char *file, *context; /* for messages */
	char *namespace_name;
	char *server, *tls_server_name, *proxy_url;
	char *ca_file, *ca_pem;
	char *cert_file, *cert_pem, *key_file, *key_pem;
	char *token, *token_file;
	struct kube_config_exec *exec;
};

/*
 * Reads the context of this name, NULL or "" for the file's current-context. NULL when anything of it
 * is wrong: each fault is in diagnostics with file, line and column, and with the context's name.
 */
struct kube_config *kube_config_read(const char *path, const char *context,
	struct diagnostics *diagnostics) MUST_CHECK;
/* The same with the first fault as an error: STATUS_BAD_INPUT. */
enum status kube_config_open(struct kube_config **opened, const char *path, const char *context,
	struct error *error) MUST_CHECK;
void kube_config_close(struct kube_config *config);

#endif
