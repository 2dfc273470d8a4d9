/*
 * libcurl with one easy handle a connection, set up once: a request changes only the body. There is
 * no "Expect: 100-continue" round trip, and the proxy of the environment is not asked, because a
 * load belongs to the receiver alone.
 */
#include "demo/load_client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/parse.h"

#define PAGE_MAX ((size_t)64 << 20)
#define PAGE_TIMEOUT_MS 30000
#define UPLOAD_BYTES (512L * 1024)

struct load_client {
	const struct load_target *target;
	const atomic_bool *stop;
	CURL *curl;
	struct curl_slist *headers;
	struct load_answer *answer; /* of the request under way */
	size_t answer_size;
};

enum status load_client_library_init(struct error *error)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return error_set(error, STATUS_NO_MEMORY, "libcurl does not start");
	return STATUS_OK;
}

static size_t take_answer(char *bytes, size_t size, size_t count, void *argument)
{
	struct load_client *client = argument;
	size_t room = LOAD_ANSWER_MAX - 1 - client->answer_size, all = size * count;

	if (client->answer != NULL) {
		memcpy(client->answer->text + client->answer_size, bytes, all < room ? all : room);
		client->answer_size += all < room ? all : room;
		client->answer->text[client->answer_size] = '\0';
	}
	return all;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *argument)
{
	static const char name[] = "X-Prometheus-Remote-Write-Samples-Written:";
	struct load_client *client = argument;
	size_t all = size * count, start = sizeof(name) - 1;
	char text[32];
	int64_t written;

	if (client->answer == NULL || all <= start || strncasecmp(bytes, name, start) != 0)
		return all;
	while (start < all && bytes[start] == ' ')
		start++;
	snprintf(text, sizeof(text), "%.*s", (int)(all - start), bytes + start);
	text[strcspn(text, " \r\n")] = '\0';
	if (parse_int(text, &written) == STATUS_OK && written >= 0)
		client->answer->samples_written = written;
	return all;
}

static int watch_stop(void *argument, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
	curl_off_t up)
{
	const struct load_client *client = argument;

	(void)down_total;
	(void)down;
	(void)up_total;
	(void)up;
	return atomic_load(client->stop);
}

static bool add_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer != NULL)
		*list = longer;
	return longer != NULL;
}

static bool add_token(struct curl_slist **list, const struct load_target *target)
{
	char line[4096];

	if (target->token == NULL)
		return true;
	snprintf(line, sizeof(line), "Authorization: Bearer %s", target->token);
	return add_header(list, line);
}

static bool add_headers(struct load_client *client)
{
	static const char *const first[] = {"Content-Type: application/x-protobuf",
		"X-Prometheus-Remote-Write-Version: 0.1.0"};
	static const char *const second[] =
		{"Content-Type: application/x-protobuf;proto=io.prometheus.write.v2.Request",
			"X-Prometheus-Remote-Write-Version: 2.0.0"};
	const char *const *lines = client->target->protocol_2 ? second : first;

	return add_header(&client->headers, lines[0]) && add_header(&client->headers, lines[1]) &&
		add_header(&client->headers, "Content-Encoding: snappy") &&
		add_header(&client->headers, "Expect:") &&
		add_token(&client->headers, client->target);
}

static void set_common(CURL *curl, const struct load_target *target)
{
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "nimbusguard-loadgen");
	if (target->ca_file != NULL)
		curl_easy_setopt(curl, CURLOPT_CAINFO, target->ca_file);
}

struct load_client *load_client_open(const struct load_target *target, const atomic_bool *stop,
	struct error *error)
{
	struct load_client *client = mem_zalloc(1, sizeof(*client));

	if (client != NULL)
		client->curl = curl_easy_init();
	if (client == NULL || client->curl == NULL)
		goto no_memory;
	client->target = target;
	client->stop = stop;
	if (!add_headers(client))
		goto no_memory;
	set_common(client->curl, target);
	curl_easy_setopt(client->curl, CURLOPT_URL, target->url);
	curl_easy_setopt(client->curl, CURLOPT_POST, 1L);
	curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->headers);
	curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, (long)LOAD_TIMEOUT_MS);
	curl_easy_setopt(client->curl, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BYTES);
	curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, client);
	if (target->protocol_2) {
		curl_easy_setopt(client->curl, CURLOPT_HEADERFUNCTION, take_header);
		curl_easy_setopt(client->curl, CURLOPT_HEADERDATA, client);
	}
	curl_easy_setopt(client->curl, CURLOPT_XFERINFOFUNCTION, watch_stop);
	curl_easy_setopt(client->curl, CURLOPT_XFERINFODATA, client);
	curl_easy_setopt(client->curl, CURLOPT_NOPROGRESS, 0L);
	return client;
no_memory:
	error_set(error, STATUS_NO_MEMORY, "no memory for a connection");
	load_client_close(client);
	return NULL;
}

void load_client_close(struct load_client *client)
{
	if (client == NULL)
		return;
	if (client->curl != NULL)
		curl_easy_cleanup(client->curl);
	curl_slist_free_all(client->headers);
	mem_free(client);
}

/* What curl says, and what to do about the most usual ones. */
static enum status tell_failure(CURLcode code, const char *url, struct error *error)
{
	const char *advice = "";

	if (code == CURLE_ABORTED_BY_CALLBACK)
		return error_set(error, STATUS_TIMEOUT, "%.200s: given up", url);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return error_set(error, STATUS_TIMEOUT, "%.200s: no answer in time", url);
	if (code == CURLE_COULDNT_CONNECT)
		advice = " (does the service run there? start it with `nimbusguard serve`, or name "
			 "another one with --url)";
	else if (code == CURLE_PEER_FAILED_VERIFICATION)
		advice = " (name its certificate authority with --ca-file)";
	return error_set(error, STATUS_UNAVAILABLE, "cannot send to %.200s: %s%s", url,
		curl_easy_strerror(code), advice);
}

enum status load_client_post(struct load_client *client, const void *body, size_t size,
	struct load_answer *answer, struct error *error)
{
	CURLcode code;

	answer->http = 0;
	answer->text[0] = '\0';
	answer->samples_written = -1;
	client->answer = answer;
	client->answer_size = 0;
	curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
	code = curl_easy_perform(client->curl);
	client->answer = NULL;
	if (code != CURLE_OK)
		return tell_failure(code, client->target->url, error);
	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &answer->http);
	return STATUS_OK;
}

/* ---- counters ---- */

/* The value of the line that begins with this name and labels; 0 when there is none. */
static double page_value(const char *page, const char *name)
{
	size_t size = strlen(name);
	const char *line = page;
	double value;

	while (line != NULL && *line != '\0') {
		const char *end = strchr(line, '\n');

		if (strncmp(line, name, size) == 0 && line[size] == ' ') {
			char text[64];
			size_t length = end != NULL ? (size_t)(end - line) : strlen(line);

			snprintf(text, sizeof(text), "%.*s", (int)(length - size - 1),
				line + size + 1);
			return parse_double(text, &value) == STATUS_OK ? value : 0;
		}
		line = end != NULL ? end + 1 : NULL;
	}
	return 0;
}

#define RESULT(name) "nimbusguard_remote_write_samples_total{result=\"" name "\"}"

void load_counters_parse(const char *page, struct load_counters *counters)
{
	*counters = (struct load_counters){.receiver = LOAD_UNKNOWN};
	if (strstr(page, "\nnimbusguard_build_info{") != NULL) {
		counters->receiver = LOAD_NIMBUSGUARD;
		counters->stored = page_value(page, RESULT("stored"));
		counters->repeated = page_value(page, RESULT("repeated"));
		counters->conflict = page_value(page, RESULT("conflict"));
		counters->late = page_value(page, RESULT("late"));
		counters->future = page_value(page, RESULT("future"));
		counters->series = page_value(page, "nimbusguard_store_series");
		counters->series_created =
			page_value(page, "nimbusguard_store_series_created_total");
	} else if (strstr(page, "\nprometheus_tsdb_head_series ") != NULL) {
		counters->receiver = LOAD_PROMETHEUS;
		/* The type is a label since 2.45. */
		counters->stored = page_value(page, "prometheus_tsdb_head_samples_appended_total") +
			page_value(page,
				"prometheus_tsdb_head_samples_appended_total{type=\"float\"}");
		counters->series = page_value(page, "prometheus_tsdb_head_series");
		counters->series_created =
			page_value(page, "prometheus_tsdb_head_series_created_total");
	}
}

static size_t take_page(char *bytes, size_t size, size_t count, void *argument)
{
	struct buf *page = argument;

	buf_add(page, bytes, size * count);
	return buf_ok(page) ? size * count : 0;
}

static void page_url(const char *url, char *text, size_t size)
{
	const char *host = strstr(url, "://"), *path;

	host = host != NULL ? host + 3 : url;
	path = strstr(host, "/api/");
	if (path == NULL)
		path = host + strcspn(host, "/?#");
	snprintf(text, size, "%.*s/metrics", (int)(path - url), url);
}

enum status load_counters_read(const struct load_target *target, struct load_counters *counters,
	struct error *error)
{
	struct curl_slist *headers = NULL;
	char url[2048];
	struct buf page;
	CURL *curl = curl_easy_init();
	CURLcode code = CURLE_OUT_OF_MEMORY;
	long http = 0;

	*counters = (struct load_counters){.receiver = LOAD_UNKNOWN};
	buf_init(&page, PAGE_MAX);
	page_url(target->url, url, sizeof(url));
	if (curl != NULL && add_token(&headers, target)) {
		set_common(curl, target);
		curl_easy_setopt(curl, CURLOPT_URL, url);
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)PAGE_TIMEOUT_MS);
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_page);
		curl_easy_setopt(curl, CURLOPT_WRITEDATA, &page);
		code = curl_easy_perform(curl);
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &http);
	}
	if (code == CURLE_OK && http == 200 && page.data != NULL)
		load_counters_parse(page.data, counters);
	curl_slist_free_all(headers);
	if (curl != NULL)
		curl_easy_cleanup(curl);
	buf_fini(&page);
	/* A service without a metrics page is a target as good as any. */
	return code == CURLE_OK || code == CURLE_WRITE_ERROR ? STATUS_OK
							     : tell_failure(code, url, error);
}
