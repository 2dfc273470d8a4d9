/*
 * One request over libcurl with a deadline; TLS is always verified.
 */
#include "daemon/client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#define CLIENT_TIMEOUT_MS 15000

static size_t take_body(char *bytes, size_t size, size_t count, void *argument)
{
	struct buf *body = argument;

	buf_add(body, bytes, size * count);
	return buf_ok(body) ? size * count : 0;
}

enum status client_request(const char *method, const char *url, const char *token,
	const char *ca_file, long *http_status, struct buf *body, struct error *error)
{
	struct curl_slist *headers = NULL;
	char line[8192];
	CURLcode code;
	CURL *curl = curl_easy_init();

	if (curl == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	if (token != NULL) {
		snprintf(line, sizeof(line), "Authorization: Bearer %s", token);
		headers = curl_slist_append(headers, line);
	}
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)CLIENT_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	if (ca_file != NULL)
		curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file);
	code = curl_easy_perform(curl);
	if (code == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, http_status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	if (code != CURLE_OK)
		return error_set(error, STATUS_UNAVAILABLE, "%s: %s", url,
			curl_easy_strerror(code));
	return STATUS_OK;
}
