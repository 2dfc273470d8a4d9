/*
 * The one place that knows libcurl's options for security.
 */
#include "remediations/curl_setup.h"

#include <pthread.h>
#include <string.h>

#include "base/check.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init(void)
{
	CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

void curl_setup_init(void)
{
	pthread_once(&once, init);
}

#define SET(option, value)                                                                         \
	do {                                                                                       \
		if (code == CURLE_OK)                                                              \
			code = curl_easy_setopt(curl, option, value);                              \
	} while (0)

static CURLcode set_blob(CURL *curl, CURLoption option, const char *pem)
{
	struct curl_blob blob = {.data = (void *)(uintptr_t)pem,
		.len = strlen(pem),
		.flags = CURL_BLOB_COPY};

	return curl_easy_setopt(curl, option, &blob);
}

CURLcode curl_setup_certificate(CURL *curl, const char *cert_pem, const char *key_pem)
{
	CURLcode code = set_blob(curl, CURLOPT_SSLCERT_BLOB, cert_pem);

	return code == CURLE_OK ? set_blob(curl, CURLOPT_SSLKEY_BLOB, key_pem) : code;
}

static CURLcode set_trust(CURL *curl, const struct curl_setup *setup)
{
	CURLcode code = CURLE_OK;

	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* Authorities rotate too: they are read anew for each connection. */
	SET(CURLOPT_CA_CACHE_TIMEOUT, 0L);
	if (setup->ca_file != NULL || setup->ca_pem != NULL)
		SET(CURLOPT_CAPATH, NULL);
	if (setup->ca_pem != NULL) {
		SET(CURLOPT_CAINFO, NULL);
		if (code == CURLE_OK)
			code = set_blob(curl, CURLOPT_CAINFO_BLOB, setup->ca_pem);
	} else if (setup->ca_file != NULL) {
		SET(CURLOPT_CAINFO, setup->ca_file);
	}
	if (setup->cert_file != NULL)
		SET(CURLOPT_SSLCERT, setup->cert_file);
	if (setup->key_file != NULL)
		SET(CURLOPT_SSLKEY, setup->key_file);
	if (setup->cert_pem != NULL && code == CURLE_OK)
		code = set_blob(curl, CURLOPT_SSLCERT_BLOB, setup->cert_pem);
	if (setup->key_pem != NULL && code == CURLE_OK)
		code = set_blob(curl, CURLOPT_SSLKEY_BLOB, setup->key_pem);
	return code;
}

static CURLcode set_all(CURL *curl, const struct curl_setup *setup)
{
	CURLcode code = set_trust(curl, setup);

	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PATH_AS_IS, 1L);
	/* A proxy from the environment has no business between us and those we talk to. */
	SET(CURLOPT_PROXY, setup->proxy_url != NULL ? setup->proxy_url : "");
	SET(CURLOPT_NOPROXY, "");
	SET(CURLOPT_TCP_NODELAY, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_TCP_KEEPIDLE, 30L);
	SET(CURLOPT_TCP_KEEPINTVL, 10L);
	SET(CURLOPT_MAXAGE_CONN, setup->connection_age_s);
	SET(CURLOPT_MAXCONNECTS, 1L);
	SET(CURLOPT_WRITEFUNCTION, setup->take);
	SET(CURLOPT_WRITEDATA, setup->argument);
	SET(CURLOPT_NOPROGRESS, 0L);
	SET(CURLOPT_XFERINFOFUNCTION, setup->watch);
	SET(CURLOPT_XFERINFODATA, setup->argument);
	SET(CURLOPT_USERAGENT, "nimbusguard");
	return code;
}

CURL *curl_setup_open(const struct curl_setup *setup)
{
	CURL *curl;

	curl_setup_init();
	curl = curl_easy_init();
	if (curl != NULL && set_all(curl, setup) != CURLE_OK) {
		curl_easy_cleanup(curl);
		return NULL;
	}
	return curl;
}

bool curl_setup_add(struct curl_slist **list, const char *text)
{
	struct curl_slist *longer = curl_slist_append(*list, text);

	if (longer != NULL)
		*list = longer;
	return longer != NULL;
}
