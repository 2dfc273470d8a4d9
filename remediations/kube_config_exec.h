/*
 * The credential plugin of a kubeconfig: a program that is run without a shell and writes an
 * ExecCredential to its standard output (client.authentication.k8s.io).
 *
 * Limits: KUBE_EXEC_OUTPUT_MAX bytes of output, KUBE_EXEC_TIMEOUT_MS of time; past either the program
 *   and what it started in its process group are killed.
 * Threads: any; blocks until the program has ended.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_KUBE_CONFIG_EXEC_H
#define NIMBUSGUARD_REMEDIATIONS_KUBE_CONFIG_EXEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "remediations/kube_config.h"

#define KUBE_EXEC_OUTPUT_MAX (1u << 20)
#define KUBE_EXEC_TIMEOUT_MS 30000

/* What a plugin gave: a token, or a certificate with its key, or both. NULL: not. */
struct kube_exec_answer {
	char *token, *cert_pem, *key_pem;
	int64_t expires_ms; /* since 1970; 0: it did not say */
};

void kube_exec_answer_fini(struct kube_exec_answer *answer);

/* Asked now and then while the program runs; true ends it. */
typedef bool kube_exec_stop_fn(const void *argument);

/*
 * Runs the plugin of config->exec. STATUS_UNAUTHENTICATED: it could not be started, failed, took too
 * long, or gave nothing that is a credential now; the error names plugin and context, and holds the
 * first line that the program wrote to its standard error. STATUS_UNAVAILABLE: stopped.
 * STATUS_NO_MEMORY.
 */
enum status kube_exec_run(const struct kube_config *config, int64_t timeout_ms,
	kube_exec_stop_fn *stop, const void *argument, struct kube_exec_answer *answer,
	struct error *error) MUST_CHECK;

/* For the tests: reads what a plugin wrote. */
enum status kube_exec_read(const struct kube_config_exec *exec, const char *text, size_t size,
	struct kube_exec_answer *answer, struct error *error) MUST_CHECK;

#endif
