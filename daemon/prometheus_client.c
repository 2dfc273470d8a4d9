/*
 * libcurl with one easy handle, kept alive between questions. TLS is always verified; a proxy of the
 * environment is not asked and redirects are not followed, so that credentials go where they belong.
 */
#include "daemon/prometheus_client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

#define FORM_MAX ((size_t)256 << 10)

struct prometheus_client {
	const struct prometheus_target *target;
	const atomic_bool *stop;
	CURL *curl;
	struct buf *answer; /* of the question under way */
};

enum status prometheus_target_check(const struct prometheus_target *target, struct error *error)
{
	const char *host = strstr(target->url, "://");

	if (strncmp(target->url, "http://", 7) != 0 && strncmp(target->url, "https://", 8) != 0)
		return error_set(error, STATUS_BAD_INPUT,
			"\"%.200s\" does not begin with http:// or https://", target->url);
	host += 3;
	if (host[strcspn(host, "@/?#")] == '@')
		return error_set(error, STATUS_BAD_INPUT,
			"the URL holds credentials: use a file for them");
	if (host[0] == '\0' || host[0] == '/' || host[0] == ':' || strpbrk(host, "?# ") != NULL)
		return error_set(error, STATUS_BAD_INPUT,
			"\"%.200s\" is no http(s)://host:port[/prefix]", target->url);
	if (target->bearer_token_file != NULL && target->username != NULL)
		return error_set(error, STATUS_BAD_INPUT, "either a token or a user, not both");
	if ((target->username != NULL) != (target->password_file != NULL))
		return error_set(error, STATUS_BAD_INPUT,
			"a user needs a file with the password, and a password a user");
	return STATUS_OK;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *argument)
{
	struct prometheus_client *client = argument;

	buf_add(client->answer, bytes, size * count);
	return buf_ok(client->answer) ? size * count : 0;
}

static int watch_stop(void *argument, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct prometheus_client *client = argument;

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return atomic_load(client->stop);
}

static bool set_options(struct prometheus_client *client)
{
	const struct prometheus_target *target = client->target;
	CURL *curl = client->curl;
	CURLcode code = CURLE_OK;

#define SET(option, value)                                                                         \
	do {                                                                                       \
		if (code == CURLE_OK)                                                              \
			code = curl_easy_setopt(curl, option, value);                              \
	} while (0)
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (target->ca_file != NULL) {
		SET(CURLOPT_CAINFO, target->ca_file);
		SET(CURLOPT_CAPATH, NULL);
	}
	SET(CURLOPT_TIMEOUT_MS, (long)target->timeout_ms);
	SET(CURLOPT_WRITEFUNCTION, take_body);
	SET(CURLOPT_WRITEDATA, client);
	SET(CURLOPT_NOPROGRESS, 0L);
	SET(CURLOPT_XFERINFOFUNCTION, watch_stop);
	SET(CURLOPT_XFERINFODATA, client);
	SET(CURLOPT_USERAGENT, "nimbusguard");
#undef SET
	return code == CURLE_OK;
}

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void library_init(void)
{
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct prometheus_client *prometheus_client_open(const struct prometheus_target *target,
	const atomic_bool *stop, struct error *error)
{
	struct prometheus_client *client = mem_zalloc(1, sizeof(*client));

	(void)pthread_once(&library_once, library_init);
	if (client != NULL) {
		client->target = target;
		client->stop = stop;
		client->curl = curl_easy_init();
	}
	if (client == NULL || client->curl == NULL || !set_options(client)) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a connection");
		prometheus_client_close(client);
		return NULL;
	}
	return client;
}

void prometheus_client_close(struct prometheus_client *client)
{
	if (client == NULL)
		return;
	if (client->curl != NULL)
		curl_easy_cleanup(client->curl);
	mem_free(client);
}

/* Token or password for this question. */
static enum status set_credentials(struct prometheus_client *client, struct curl_slist **headers,
	struct error *error)
{
	const struct prometheus_target *target = client->target;
	char *secret = NULL, *line;
	CURLcode code = CURLE_OK;
	enum status status = STATUS_OK;

	if (target->bearer_token_file != NULL) {
		size_t size;

		status = file_read_secret(target->bearer_token_file, &secret, error);
		if (status != STATUS_OK)
			return status;
		size = strlen(secret) + sizeof("Authorization: Bearer ");
		line = mem_alloc(size);
		if (line != NULL) {
			snprintf(line, size, "Authorization: Bearer %s", secret);
			*headers = curl_slist_append(NULL, line);
		}
		if (*headers == NULL)
			status = error_set(error, STATUS_NO_MEMORY, "no memory for headers");
		mem_free(line);
	} else if (target->username != NULL) {
		status = file_read_secret(target->password_file, &secret, error);
		if (status != STATUS_OK)
			return status;
		code = curl_easy_setopt(client->curl, CURLOPT_USERNAME, target->username);
		if (code == CURLE_OK)
			code = curl_easy_setopt(client->curl, CURLOPT_PASSWORD, secret);
		if (code != CURLE_OK)
			status = error_set(error, STATUS_NO_MEMORY, "no memory for credentials");
	}
	mem_free(secret);
	return status;
}

static enum status write_form(struct buf *form, const struct prometheus_parameter *parameters,
	struct error *error)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; parameters[i].name != NULL; i++) {
		buf_printf(form, "%s%s=", i > 0 ? "&" : "", parameters[i].name);
		for (const char *at = parameters[i].value; *at != '\0'; at++) {
			unsigned char c = (unsigned char)*at;

			if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
				(c >= 'a' && c <= 'z')) {
				buf_add_char(form, (char)c);
			} else {
				buf_add_char(form, '%');
				buf_add_char(form, hex[c >> 4]);
				buf_add_char(form, hex[c & 15]);
			}
		}
	}
	return buf_ok(form)
		? STATUS_OK
		: error_set(error, STATUS_NO_MEMORY, "the question is too long, or memory is out");
}

static enum status tell_failure(const struct prometheus_client *client, CURLcode code,
	const char *url, struct error *error)
{
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return error_set(error, STATUS_TIMEOUT, "%.200s: no answer in time", url);
	case CURLE_OUT_OF_MEMORY:
		return error_set(error, STATUS_NO_MEMORY, "%.200s: out of memory", url);
	case CURLE_WRITE_ERROR:
		return error_set(error, STATUS_TOO_LARGE,
			"%.200s: the answer is longer than %zu bytes", url,
			client->target->answer_max);
	case CURLE_ABORTED_BY_CALLBACK:
		return error_set(error, STATUS_UNAVAILABLE, "%.200s: given up", url);
	case CURLE_PEER_FAILED_VERIFICATION:
		return error_set(error, STATUS_UNAVAILABLE,
			"%.200s: its certificate is not trusted (a CA file can be given)", url);
	default:
		return error_set(error, STATUS_UNAVAILABLE, "%.200s: %s", url,
			curl_easy_strerror(code));
	}
}

static CURLcode perform(struct prometheus_client *client, const char *url, const struct buf *form,
	struct curl_slist *headers, long *http)
{
	CURLcode code = curl_easy_setopt(client->curl, CURLOPT_URL, url);

	if (code == CURLE_OK)
		code = curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
	if (code == CURLE_OK && form == NULL)
		code = curl_easy_setopt(client->curl, CURLOPT_HTTPGET, 1L);
	if (code == CURLE_OK && form != NULL)
		code = curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE, (long)form->size);
	if (code == CURLE_OK && form != NULL)
		code = curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, form->data);
	if (code == CURLE_OK)
		code = curl_easy_perform(client->curl);
	if (code == CURLE_OK)
		code = curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, http);
	/* The list is about to be freed. */
	(void)curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, NULL);
	return code;
}

enum status prometheus_client_ask(struct prometheus_client *client, const char *path,
	const struct prometheus_parameter *parameters, long *http, struct buf *answer,
	struct error *error)
{
	const char *base = client->target->url;
	size_t base_size = strlen(base);
	struct curl_slist *headers = NULL;
	struct buf form, url;
	CURLcode code;
	enum status status;

	*http = 0;
	buf_fini(answer);
	buf_init(answer, client->target->answer_max);
	/* An empty body is an empty text. */
	buf_add_text(answer, "");
	buf_init(&form, FORM_MAX);
	buf_init(&url, 8192);
	while (base_size > 0 && base[base_size - 1] == '/')
		base_size--;
	buf_printf(&url, "%.*s%s", (int)base_size, base, path);
	status = buf_ok(&url) ? STATUS_OK : error_set(error, STATUS_NO_MEMORY, "out of memory");
	if (status == STATUS_OK && parameters != NULL)
		status = write_form(&form, parameters, error);
	if (status == STATUS_OK)
		status = set_credentials(client, &headers, error);
	if (status == STATUS_OK) {
		client->answer = answer;
		code = perform(client, url.data, parameters != NULL ? &form : NULL, headers, http);
		if (code != CURLE_OK)
			status = tell_failure(client, code, url.data, error);
	}
	curl_slist_free_all(headers);
	buf_fini(&form);
	buf_fini(&url);
	return status;
}
