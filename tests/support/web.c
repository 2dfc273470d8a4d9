/*
 * One curl handle a call; each call has a deadline.
 */
#include "tests/support/web.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <curl/curl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WEB_TIMEOUT_MS 120000L

static void give_access(CURL *curl, const struct web_access *access, struct curl_slist **headers)
{
	char line[4096];

	if (access == NULL)
		return;
	if (access->token != NULL) {
		snprintf(line, sizeof(line), "Authorization: Bearer %s", access->token);
		*headers = curl_slist_append(*headers, line);
	}
	if (access->header != NULL)
		*headers = curl_slist_append(*headers, access->header);
	if (access->user != NULL) {
		curl_easy_setopt(curl, CURLOPT_USERNAME, access->user);
		curl_easy_setopt(curl, CURLOPT_PASSWORD, access->password);
	}
	if (access->ca != NULL)
		curl_easy_setopt(curl, CURLOPT_CAINFO, access->ca);
	if (access->certificate != NULL) {
		curl_easy_setopt(curl, CURLOPT_SSLCERT, access->certificate);
		curl_easy_setopt(curl, CURLOPT_SSLKEY, access->key);
	}
}

static size_t take(char *bytes, size_t size, size_t count, void *argument)
{
	return fwrite(bytes, size, count, argument) * size;
}

struct web_answer web_call(const char *method, const char *url, const struct web_access *access,
	const char *body)
{
	struct web_answer answer = {0};
	struct curl_slist *headers = NULL;
	char error[CURL_ERROR_SIZE] = "", *type = NULL;
	CURL *curl = curl_easy_init();
	FILE *all = open_memstream(&answer.body, &answer.size);
	CURLcode code;

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, WEB_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, all);
	if (body != NULL) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
		if (access == NULL || access->header == NULL ||
			strncmp(access->header, "Content-Type:", 13) != 0)
			headers = curl_slist_append(headers, "Content-Type: application/json");
	}
	give_access(curl, access, &headers);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	code = curl_easy_perform(curl);
	if (code == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
	else
		fprintf(all, "%s", error[0] != '\0' ? error : curl_easy_strerror(code));
	fclose(all);
	if (code == CURLE_OK && curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK &&
		type != NULL)
		snprintf(answer.type, sizeof(answer.type), "%s", type);
	curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME, &answer.seconds);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	return answer;
}

void web_answer_fini(struct web_answer *answer)
{
	free(answer->body);
	*answer = (struct web_answer){0};
}

long web_status(const char *url, const struct web_access *access)
{
	struct web_answer answer = web_call("GET", url, access, NULL);
	long status = answer.status;

	web_answer_fini(&answer);
	return status;
}

json_t *web_json(const char *url, const struct web_access *access)
{
	struct web_answer answer = web_call("GET", url, access, NULL);
	json_error_t error;
	json_t *json;

	if (answer.status != 200)
		fail_msg("%s: %ld: %.500s", url, answer.status, answer.body);
	json = json_loadb(answer.body, answer.size, 0, &error);
	if (json == NULL)
		fail_msg("%s: %s at byte %d: %.200s", url, error.text, error.position, answer.body);
	web_answer_fini(&answer);
	return json;
}

char *web_url(const char *base, const char *path, const char *text)
{
	char *escaped = curl_easy_escape(NULL, text, 0), *url = NULL;
	size_t size;
	FILE *all = open_memstream(&url, &size);

	fprintf(all, "%s%s%s", base, path, escaped);
	fclose(all);
	curl_free(escaped);
	return url;
}

/* Adds the values of the lines that begin with `start` and go on with one of `next`. */
static double add_lines(const char *base, const char *start, const char *next)
{
	char *url = web_url(base, "/metrics", "");
	struct web_answer answer = web_call("GET", url, NULL, NULL);
	size_t length = strlen(start);
	double sum = NAN;

	for (const char *line = answer.body;
		answer.status == 200 && line != NULL && *line != '\0';) {
		const char *end = strchr(line, '\n');

		if (strncmp(line, start, length) == 0 && strchr(next, line[length]) != NULL) {
			const char *value = end != NULL ? end : line + strlen(line);

			while (value > line && value[-1] != ' ')
				value--;
			sum = (isnan(sum) ? 0 : sum) + strtod(value, NULL);
		}
		line = end != NULL ? end + 1 : NULL;
	}
	web_answer_fini(&answer);
	free(url);
	return sum;
}

double web_metric(const char *base, const char *series)
{
	return add_lines(base, series, " ");
}

double web_metric_sum(const char *base, const char *name)
{
	return add_lines(base, name, " {");
}
