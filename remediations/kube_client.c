/*
 * What all sessions of a client share: the server's address, and the bearer token, which is read
 * again from its file once a minute and when the server refused it (tokens of service accounts
 * rotate). Files are opened by path each time, as they are links that are swapped. A token that
 * cannot be read leaves the old one in force: it may still be good.
 */
#include "remediations/kube_client.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "remediations/kube_session.h"

#define MS_NS INT64_C(1000000)
#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"

struct kube_client {
	struct kube_client_config config; /* texts owned */
	char *url, *token_file, *ca_file;
	atomic_bool stopped;

	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* under lock */
	char *token;
	int64_t token_read_ns;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
	CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

static char *copy_text(const char *text, bool *failed)
{
	char *copy;

	if (text == NULL || *text == '\0')
		return NULL;
	copy = mem_strdup(text);
	*failed |= copy == NULL;
	return copy;
}

/* A host of this machine itself. */
static bool is_loopback(const char *host)
{
	struct in_addr address;

	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
		(inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

static enum status judge_url(CURLU *parts, const char *url, struct error *error)
{
	char *scheme = NULL, *host = NULL, *unwanted = NULL;
	enum status status = STATUS_OK;

	if (curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
		curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
		curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		status = error_set(error, STATUS_BAD_INPUT,
			"\"%s\" is no URL of a Kubernetes API server, as https://10.0.0.1:6443",
			url);
	else if (curl_url_get(parts, CURLUPART_USER, &unwanted, 0) == CURLUE_OK ||
		curl_url_get(parts, CURLUPART_QUERY, &unwanted, 0) == CURLUE_OK ||
		curl_url_get(parts, CURLUPART_FRAGMENT, &unwanted, 0) == CURLUE_OK)
		status = error_set(error, STATUS_BAD_INPUT,
			"the Kubernetes URL must not hold a user, query or fragment");
	else if (strcmp(scheme, "https") != 0 &&
		(strcmp(scheme, "http") != 0 || !is_loopback(host)))
		status = error_set(error, STATUS_BAD_INPUT,
			"\"%s\": the Kubernetes API is spoken to by https://; plain http:// is for "
			"this machine itself",
			url);
	curl_free(scheme);
	curl_free(host);
	curl_free(unwanted);
	return status;
}

static enum status check_url(const char *url, struct error *error)
{
	CURLU *parts = curl_url();
	enum status status;

	if (parts == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for a URL");
	status = judge_url(parts, url, error);
	curl_url_cleanup(parts);
	return status;
}

/* Reads the token's file; on failure the old token stays. */
static enum status read_token(struct kube_client *client, struct error *error)
{
	char *token, *old;
	enum status status = file_read_secret(client->token_file, &token, error);

	if (status != STATUS_OK)
		return status;
	/* A line break would end the header and begin one of somebody else's choice. */
	if (strpbrk(token, "\r\n") != NULL || *token == '\0') {
		mem_free(token);
		return error_set(error, STATUS_BAD_INPUT, "%s holds no token", client->token_file);
	}
	pthread_mutex_lock(&client->lock);
	old = client->token;
	client->token = token;
	client->token_read_ns = clock_mono_ns(clock_system());
	pthread_mutex_unlock(&client->lock);
	mem_free(old);
	return STATUS_OK;
}

static enum status fill_client(struct kube_client *client, const struct kube_client_config *config,
	struct error *error)
{
	bool failed = false;
	enum status status;

	client->config = *config;
	if (client->config.timeout_ms <= 0)
		client->config.timeout_ms = 10000;
	if (client->config.token_age_ms <= 0)
		client->config.token_age_ms = 60000;
	if (client->config.backoff_ms <= 0)
		client->config.backoff_ms = 100;
	client->url = copy_text(config->url, &failed);
	client->token_file = copy_text(config->token_file, &failed);
	client->ca_file = copy_text(config->ca_file, &failed);
	if (failed)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the Kubernetes client");
	if (client->url == NULL)
		return error_set(error, STATUS_BAD_INPUT, "the Kubernetes URL is empty");
	status = check_url(client->url, error);
	if (status != STATUS_OK)
		return status;
	for (size_t size = strlen(client->url); size > 0 && client->url[size - 1] == '/'; size--)
		client->url[size - 1] = '\0';
	client->config.url = client->url;
	client->config.ca_file = client->ca_file;
	if (client->ca_file != NULL && access(client->ca_file, R_OK) != 0)
		return error_set(error, STATUS_NOT_FOUND, "cannot read the CA file %s",
			client->ca_file);
	return client->token_file != NULL ? read_token(client, error) : STATUS_OK;
}

static void init_lock(struct kube_client *client)
{
	pthread_condattr_t attributes;

	CHECK(pthread_mutex_init(&client->lock, NULL) == 0);
	CHECK(pthread_condattr_init(&attributes) == 0);
	CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&client->wake, &attributes) == 0);
	pthread_condattr_destroy(&attributes);
}

enum status kube_client_open(struct kube_client **opened, const struct kube_client_config *config,
	struct error *error)
{
	struct kube_client *client = mem_zalloc(1, sizeof(*client));
	enum status status;

	*opened = NULL;
	pthread_once(&curl_once, init_curl);
	if (client == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the Kubernetes client");
	init_lock(client);
	status = fill_client(client, config, error);
	if (status != STATUS_OK) {
		kube_client_close(client);
		return status;
	}
	*opened = client;
	return STATUS_OK;
}

void kube_client_close(struct kube_client *client)
{
	if (client == NULL)
		return;
	pthread_cond_destroy(&client->wake);
	pthread_mutex_destroy(&client->lock);
	mem_free(client->token);
	mem_free(client->url);
	mem_free(client->token_file);
	mem_free(client->ca_file);
	mem_free(client);
}

void kube_client_stop(struct kube_client *client)
{
	atomic_store(&client->stopped, true);
	pthread_mutex_lock(&client->lock);
	pthread_cond_broadcast(&client->wake);
	pthread_mutex_unlock(&client->lock);
}

bool kube_client_stopped(const struct kube_client *client)
{
	return atomic_load(&client->stopped);
}

const struct kube_client_config *kube_client_config_of(const struct kube_client *client)
{
	return &client->config;
}

bool kube_client_pause(struct kube_client *client, int64_t ms)
{
	int64_t until_ns = clock_mono_ns(clock_system()) + ms * MS_NS;
	struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
		.tv_nsec = (long)(until_ns % 1000000000)};
	int result = 0;

	pthread_mutex_lock(&client->lock);
	while (result == 0 && !kube_client_stopped(client))
		result = pthread_cond_timedwait(&client->wake, &client->lock, &until);
	pthread_mutex_unlock(&client->lock);
	return !kube_client_stopped(client);
}

/* Whether it is time to read the token again. The time is noted by whoever finds it so, so that one
 * thread reads while the others go on with what there is. */
static bool token_due(struct kube_client *client, bool refused)
{
	int64_t now_ns = clock_mono_ns(clock_system());
	bool due;

	pthread_mutex_lock(&client->lock);
	due = refused || now_ns - client->token_read_ns >= client->config.token_age_ms * MS_NS;
	if (due)
		client->token_read_ns = now_ns;
	pthread_mutex_unlock(&client->lock);
	return due;
}

enum status kube_client_token(struct kube_client *client, bool refused, char **header,
	struct error *error)
{
	static const char begin[] = "Authorization: Bearer ";
	struct error reading;
	size_t size;

	*header = NULL;
	if (client->token_file == NULL)
		return STATUS_OK;
	if (token_due(client, refused) && read_token(client, &reading) != STATUS_OK)
		LOG_WARN("the Kubernetes token was not read again", LOG_ERROR_FIELD(&reading));
	pthread_mutex_lock(&client->lock);
	size = sizeof(begin) + strlen(client->token);
	*header = mem_alloc(size);
	if (*header != NULL)
		snprintf(*header, size, "%s%s", begin, client->token);
	pthread_mutex_unlock(&client->lock);
	return *header != NULL ? STATUS_OK
			       : error_set(error, STATUS_NO_MEMORY, "no memory for the token");
}

enum status kube_config_in_cluster(struct kube_client_config *config, char *url, size_t size,
	struct error *error)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	bool bracket;
	int length;

	if (host == NULL || port == NULL || *host == '\0' || *port == '\0')
		return error_set(error, STATUS_NOT_FOUND,
			"not in a Kubernetes cluster: KUBERNETES_SERVICE_HOST and "
			"KUBERNETES_SERVICE_PORT are not set");
	bracket = strchr(host, ':') != NULL && *host != '[';
	length = snprintf(url, size, "https://%s%s%s:%s", bracket ? "[" : "", host,
		bracket ? "]" : "", port);
	if (length < 0 || (size_t)length >= size)
		return error_set(error, STATUS_BAD_INPUT, "KUBERNETES_SERVICE_HOST is too long");
	config->url = url;
	config->token_file = SERVICE_ACCOUNT "token";
	config->ca_file = SERVICE_ACCOUNT "ca.crt";
	return STATUS_OK;
}

void kube_path_escape(struct buf *path, const char *text)
{
	for (; *text != '\0'; text++) {
		char c = *text;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			c == '-' || c == '.' || c == '_' || c == '~')
			buf_add_char(path, c);
		else
			buf_printf(path, "%%%02X", (unsigned char)c);
	}
}

void kube_path_add(struct buf *path, const char *segment)
{
	buf_add_char(path, '/');
	kube_path_escape(path, segment);
}

static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool kube_name_valid(const char *name)
{
	size_t size = strlen(name);
	char before = '.';

	if (size == 0 || size > 253)
		return false;
	for (size_t i = 0; i < size; i++) {
		char c = name[i];

		/* A letter or digit stands at each end and on both sides of a point. */
		if (!is_alphanumeric(c) && c != '-' && c != '.')
			return false;
		if (!is_alphanumeric(c) && before == '.')
			return false;
		if (c == '.' && before == '-')
			return false;
		before = c;
	}
	return is_alphanumeric(before);
}
