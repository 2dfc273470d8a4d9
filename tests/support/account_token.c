/*
 * A JSON Web Token (RFC 7519) with ES256 (RFC 7518, section 3.4: the two numbers of the signature behind
 * one another, 32 bytes each), and the claims that Kubernetes asks of one.
 */
#include "tests/support/account_token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "remediations/kube_object.h"

#define TOKEN_MAX 4096
#define HALF 32

/* RFC 4648, section 5, without padding. */
static void add_part(struct buf *token, const void *bytes, size_t size)
{
	struct buf text;

	buf_init(&text, TOKEN_MAX);
	base64_encode(bytes, size, &text);
	assert_true(buf_ok(&text));
	for (size_t i = 0; i < text.size && text.data[i] != '='; i++) {
		char c = text.data[i];

		buf_add_char(token, c == '+' ? '-' : c == '/' ? '_' : c);
	}
	buf_fini(&text);
}

static EVP_PKEY *read_key(const struct kube_cluster *cluster)
{
	char path[SERVER_PATH_MAX * 2];
	EVP_PKEY *key;
	FILE *file;

	snprintf(path, sizeof(path), "%s/accounts.key", cluster->parts.folder);
	file = fopen(path, "r");
	assert_non_null(file);
	key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	fclose(file);
	assert_non_null(key);
	return key;
}

static void sign(const struct kube_cluster *cluster, const struct buf *token,
	unsigned char signature[2 * HALF])
{
	EVP_PKEY *key = read_key(cluster);
	EVP_MD_CTX *signing = EVP_MD_CTX_new();
	unsigned char der[256];
	const unsigned char *at = der;
	size_t size = sizeof(der);
	ECDSA_SIG *numbers;

	assert_true(signing != NULL &&
		EVP_DigestSignInit(signing, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestSign(signing, der, &size, (const unsigned char *)token->data,
			token->size) == 1);
	numbers = d2i_ECDSA_SIG(NULL, &at, (long)size);
	assert_non_null(numbers);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(numbers), signature, HALF), HALF);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(numbers), signature + HALF, HALF), HALF);
	ECDSA_SIG_free(numbers);
	EVP_MD_CTX_free(signing);
	EVP_PKEY_free(key);
}

char *account_token_sign(struct kube_cluster *cluster, const char *namespace_name,
	const char *account, long valid_s)
{
	static const char head[] = "{\"alg\":\"ES256\"}",
			  issuer[] = "https://kubernetes.default.svc";
	long now_s = (long)(clock_now_ms(clock_system()) / 1000);
	char path[SERVER_PATH_MAX], claims[1024], *text;
	unsigned char signature[2 * HALF];
	struct buf token;
	json_t *object;
	int size;

	snprintf(path, sizeof(path), "/api/v1/namespaces/%s/serviceaccounts/%s", namespace_name,
		account);
	object = kube_cluster_get(cluster, path);
	size = snprintf(claims, sizeof(claims),
		"{\"iss\":\"%s\",\"aud\":[\"%s\"],\"sub\":\"system:serviceaccount:%s:%s\",\"iat\":"
		"%ld,\"nbf\":%ld,\"exp\":%ld,\"kubernetes.io\":{\"namespace\":\"%s\","
		"\"serviceaccount\":{\"name\":\"%s\",\"uid\":\"%s\"}}}",
		issuer, issuer, namespace_name, account, now_s, now_s, now_s + valid_s,
		namespace_name, account, kube_uid(object));
	assert_true(size > 0 && (size_t)size < sizeof(claims));
	json_decref(object);
	buf_init(&token, TOKEN_MAX);
	add_part(&token, head, strlen(head));
	buf_add_char(&token, '.');
	add_part(&token, claims, (size_t)size);
	sign(cluster, &token, signature);
	buf_add_char(&token, '.');
	add_part(&token, signature, sizeof(signature));
	assert_true(buf_ok(&token));
	text = strdup(token.data);
	assert_non_null(text);
	buf_fini(&token);
	return text;
}
