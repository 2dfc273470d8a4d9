/*
 * What a caller of another server shows: the header with its secret, and where that may go.
 *
 * Threads: any; no shared state.
 */
#ifndef NIMBUSGUARD_DAEMON_CREDENTIALS_H
#define NIMBUSGUARD_DAEMON_CREDENTIALS_H

#include <stdbool.h>

#include "base/error.h"

/* https://, or http:// to this machine or, without a secret, to any; without blanks and user:password@. */
bool credentials_url_good(const char *url, bool secret);
/* "Authorization: Bearer SECRET" or, with a user, Basic with the secret as password; the file is read
 * anew. secret_file NULL: *header is NULL. The caller's (mem_free). Errors of file_read_secret(),
 * STATUS_NO_MEMORY. */
enum status credentials_header(const char *user, const char *secret_file, char **header,
	struct error *error) MUST_CHECK;

#endif
