/*
 * One request over libcurl with a deadline; TLS is always verified. An answer has at most 64 MiB.
 */
#include "daemon/client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#define CLIENT_TIMEOUT_MS 15000
#define CLIENT_ANSWER_MAX ((size_t)64 << 20)

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

json_t *client_data(const char *method, const char *url, const char *token, const char *ca_file,
	bool *missing)
{
	json_t *answer, *data = NULL;
	const char *reason;
	struct error error;
	struct buf body;
	long http = 0;

	buf_init(&body, CLIENT_ANSWER_MAX);
	if (client_request(method, url, token, ca_file, &http, &body, &error) != STATUS_OK) {
		fprintf(stderr, "nimbusguard: %s\n", error.text);
		buf_fini(&body);
		return NULL;
	}
	answer = body.data != NULL ? json_loadb(body.data, body.size, 0, NULL) : NULL;
	reason = json_string_value(json_object_get(answer, "error"));
	if (http / 100 == 2 && json_object_get(answer, "data") != NULL)
		data = json_incref(json_object_get(answer, "data"));
	else if (http == 404 && missing != NULL)
		*missing = true;
	else if (reason != NULL)
		fprintf(stderr, "nimbusguard: %s\n", reason);
	else
		fprintf(stderr, "nimbusguard: %s answered %ld: %.200s\n", url, http,
			body.data != NULL ? body.data : "");
	json_decref(answer);
	buf_fini(&body);
	return data;
}
