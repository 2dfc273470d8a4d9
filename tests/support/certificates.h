/*
 * Certificates made on the spot, for tests of TLS: a CA and what it signs, as PEM files.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_CERTIFICATES_H
#define NIMBUSGUARD_TESTS_SUPPORT_CERTIFICATES_H

#include <openssl/evp.h>
#include <openssl/x509.h>

struct certificate {
	X509 *x509;
	EVP_PKEY *key;
};

enum certificate_use { CERTIFICATE_CA, CERTIFICATE_SERVER, CERTIFICATE_CLIENT };

/* Signed by issuer, or by itself when NULL. A server's is for 127.0.0.1 and localhost. valid_s: from
 * now; negative: it has already ended. */
struct certificate certificate_make(const char *name, enum certificate_use use,
	const struct certificate *issuer, long valid_s);
void certificate_free(struct certificate *certificate);
/* Either path may be NULL. */
void certificate_write(const struct certificate *certificate, const char *cert_path,
	const char *key_path);

#endif
