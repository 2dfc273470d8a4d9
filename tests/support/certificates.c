/*
 * Test certificates with P-256 keys, through OpenSSL.
 */
#include "tests/support/certificates.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

static void must(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "certificates: %s failed\n", what);
	abort();
}

static void add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX with;

	X509V3_set_ctx(&with, issuer, x509, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &with, nid, value);
	must(extension && X509_add_ext(x509, extension, -1), value);
	X509_EXTENSION_free(extension);
}

struct certificate certificate_make(const char *name, enum certificate_use use,
	const struct certificate *issuer, long valid_s)
{
	struct certificate made = {X509_new(), EVP_EC_gen("P-256")};
	X509 *signer = issuer ? issuer->x509 : made.x509;
	static long serial = 1;
	X509_NAME *subject;

	must(made.x509 && made.key, "X509_new");
	X509_set_version(made.x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(made.x509), serial++);
	X509_gmtime_adj(X509_getm_notBefore(made.x509), -86400);
	X509_gmtime_adj(X509_getm_notAfter(made.x509), valid_s);
	X509_set_pubkey(made.x509, made.key);
	subject = X509_get_subject_name(made.x509);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
		0);
	X509_set_issuer_name(made.x509, X509_get_subject_name(signer));
	if (use == CERTIFICATE_CA) {
		add_extension(made.x509, signer, NID_basic_constraints, "critical,CA:TRUE");
		add_extension(made.x509, signer, NID_key_usage, "critical,keyCertSign,cRLSign");
	} else {
		add_extension(made.x509, signer, NID_key_usage, "critical,digitalSignature");
		add_extension(made.x509, signer, NID_ext_key_usage,
			use == CERTIFICATE_SERVER ? "serverAuth" : "clientAuth");
	}
	if (use == CERTIFICATE_SERVER)
		/* 10.0.0.1: the Service `kubernetes`, by which pods know the API server. */
		add_extension(made.x509, signer, NID_subject_alt_name,
			"IP:127.0.0.1,IP:10.0.0.1,DNS:localhost");
	must(X509_sign(made.x509, issuer ? issuer->key : made.key, EVP_sha256()), "X509_sign");
	return made;
}

void certificate_free(struct certificate *certificate)
{
	X509_free(certificate->x509);
	EVP_PKEY_free(certificate->key);
	*certificate = (struct certificate){0};
}

void certificate_write(const struct certificate *certificate, const char *cert_path,
	const char *key_path)
{
	FILE *file;

	if (cert_path) {
		file = fopen(cert_path, "w");
		must(file && PEM_write_X509(file, certificate->x509), cert_path);
		fclose(file);
	}
	if (key_path) {
		file = fopen(key_path, "w");
		must(file &&
				PEM_write_PrivateKey(file, certificate->key, NULL, NULL, 0, NULL,
					NULL),
			key_path);
		fclose(file);
	}
}
