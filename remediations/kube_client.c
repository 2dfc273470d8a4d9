/*
 * What all sessions of a client share: the server's address, how it is trusted, and who we are
 * (kube_config_credentials.c).
 *
 * A server that is known by another name than that of its address (tls-server-name) is called by that
 * name, in the request's URL too, so that its certificate is checked against it; the connection goes to
 * the address, and the Host header names it.
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
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "remediations/curl_setup.h"
#include "remediations/kube_config.h"
#include "remediations/kube_config_credentials.h"
#include "remediations/kube_session.h"

#define MS_NS INT64_C(1000000)
#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"

struct kube_client {
	struct kube_client_config config; /* texts owned */
	char *url, *token_file, *ca_file;
	char *peer_url, *connect_to, *host_header; /* where a name for TLS is given; else NULL */
	char *namespace_name;
	struct kube_config *kubeconfig; /* NULL: none */
	struct kube_credentials *credentials;
	struct kube_peer peer;
	atomic_bool stopped;

	pthread_mutex_t lock;
	pthread_cond_t wake;
};

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

enum status kube_url_check(const char *url, struct error *error)
{
	CURLU *parts = curl_url();
	enum status status;

	if (parts == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for a URL");
	status = judge_url(parts, url, error);
	curl_url_cleanup(parts);
	return status;
}

/* The URL with the server's name for TLS in place of its host, and how to get there all the same. */
static enum status name_peer(struct kube_client *client, const char *name, struct error *error)
{
	CURLU *parts = curl_url();
	char *host = NULL, *port = NULL, *path = NULL;
	enum status status = STATUS_OK;
	struct buf text;

	buf_init(&text, KUBE_PATH_MAX);
	if (parts == NULL || curl_url_set(parts, CURLUPART_URL, client->url, 0) != CURLUE_OK ||
		curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
		curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
		curl_url_get(parts, CURLUPART_PATH, &path, 0) != CURLUE_OK)
		status = error_set(error, STATUS_NO_MEMORY, "no memory for a URL");
	if (status == STATUS_OK && !kube_name_valid(name))
		status = error_set(error, STATUS_BAD_INPUT,
			"tls-server-name \"%.100s\" is no name of a host", name);
	if (status == STATUS_OK) {
		buf_printf(&text, "https://%s:%s%s", name, port,
			strcmp(path, "/") != 0 ? path : "");
		client->peer_url = buf_take(&text, NULL);
		buf_reset(&text);
		buf_printf(&text, "%s:%s:%s:%s", name, port, host, port);
		client->connect_to = buf_take(&text, NULL);
		buf_reset(&text);
		buf_printf(&text, "Host: %s:%s", host, port);
		client->host_header = buf_take(&text, NULL);
		if (client->peer_url == NULL || client->connect_to == NULL ||
			client->host_header == NULL)
			status = error_set(error, STATUS_NO_MEMORY, "no memory for a URL");
	}
	buf_fini(&text);
	curl_free(host);
	curl_free(port);
	curl_free(path);
	curl_url_cleanup(parts);
	return status;
}

static enum status require_file(const char *path, const char *what, struct error *error)
{
	if (path == NULL || access(path, R_OK) == 0)
		return STATUS_OK;
	return error_set(error, STATUS_NOT_FOUND, "cannot read the %s file %s", what, path);
}

static enum status require_files(const struct kube_client *client, struct error *error)
{
	const struct curl_setup *setup = &client->peer.setup;
	enum status status = require_file(setup->ca_file, "CA", error);

	if (status == STATUS_OK)
		status = require_file(setup->cert_file, "client certificate", error);
	return status == STATUS_OK ? require_file(setup->key_file, "client key", error) : status;
}

/* What a session needs to connect. */
static enum status fill_peer(struct kube_client *client, struct error *error)
{
	const struct kube_config *kubeconfig = client->kubeconfig;
	struct kube_peer *peer = &client->peer;
	bool tls = strncmp(client->url, "https:", 6) == 0;
	enum status status = STATUS_OK;

	peer->setup = (struct curl_setup){.ca_file = client->ca_file, .connection_age_s = 600};
	if (kubeconfig != NULL) {
		peer->setup.ca_file = kubeconfig->ca_file;
		peer->setup.ca_pem = kubeconfig->ca_pem;
		peer->setup.cert_file = kubeconfig->cert_file;
		peer->setup.cert_pem = kubeconfig->cert_pem;
		peer->setup.key_file = kubeconfig->key_file;
		peer->setup.key_pem = kubeconfig->key_pem;
		peer->setup.proxy_url = tls ? kubeconfig->proxy_url : NULL;
		if (tls && kubeconfig->tls_server_name != NULL)
			status = name_peer(client, kubeconfig->tls_server_name, error);
	}
	peer->url = client->peer_url != NULL ? client->peer_url : client->url;
	peer->connect_to = client->connect_to;
	peer->host_header = client->host_header;
	return status == STATUS_OK ? require_files(client, error) : status;
}

static bool is_stopped(const void *client)
{
	return kube_client_stopped(client);
}

static enum status open_credentials(struct kube_client *client, struct error *error)
{
	const struct kube_config *kubeconfig = client->kubeconfig;
	struct kube_credentials_source source = {.token_file = client->token_file,
		.token_age_ms = client->config.token_age_ms,
		.stop = is_stopped,
		.stop_argument = client};

	if (kubeconfig != NULL) {
		source.token_file = kubeconfig->token_file;
		source.token = kubeconfig->token;
		source.plugin = kubeconfig->exec != NULL ? kubeconfig : NULL;
	}
	return kube_credentials_open(&client->credentials, &source, error);
}

/* The namespace of the pod; without one there is none to tell. */
static char *read_namespace(bool *failed)
{
	char *text = NULL;
	enum status status = file_read_secret(SERVICE_ACCOUNT "namespace", &text, NULL);

	*failed |= status == STATUS_NO_MEMORY;
	return status == STATUS_OK ? text : NULL;
}

static enum status fill_texts(struct kube_client *client, const struct kube_client_config *config,
	struct error *error)
{
	const char *url = config->url;
	bool failed = false;

	if (config->kubeconfig != NULL && config->kubeconfig[0] != '\0') {
		enum status status = kube_config_open(&client->kubeconfig, config->kubeconfig,
			config->context, error);

		if (status != STATUS_OK)
			return error_prefix(error, "kubeconfig");
		url = client->kubeconfig->server;
		client->namespace_name = copy_text(client->kubeconfig->namespace_name, &failed);
	} else {
		client->token_file = copy_text(config->token_file, &failed);
		client->ca_file = copy_text(config->ca_file, &failed);
		client->namespace_name = read_namespace(&failed);
	}
	client->url = copy_text(url, &failed);
	if (failed)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the Kubernetes client");
	if (client->url == NULL)
		return error_set(error, STATUS_BAD_INPUT, "the Kubernetes URL is empty");
	return STATUS_OK;
}

static enum status fill_client(struct kube_client *client, const struct kube_client_config *config,
	struct error *error)
{
	enum status status;

	client->config = *config;
	if (client->config.timeout_ms <= 0)
		client->config.timeout_ms = 10000;
	if (client->config.token_age_ms <= 0)
		client->config.token_age_ms = 60000;
	if (client->config.backoff_ms <= 0)
		client->config.backoff_ms = 100;
	status = fill_texts(client, config, error);
	if (status == STATUS_OK)
		status = kube_url_check(client->url, error);
	if (status != STATUS_OK)
		return client->kubeconfig == NULL
			? status
			: error_prefix(error, "kubeconfig %s, context \"%s\"",
				  client->kubeconfig->file, client->kubeconfig->context);
	for (size_t size = strlen(client->url); size > 0 && client->url[size - 1] == '/'; size--)
		client->url[size - 1] = '\0';
	client->config.url = client->url;
	client->config.token_file = client->token_file;
	client->config.ca_file = client->ca_file;
	client->config.kubeconfig = NULL;
	client->config.context = NULL;
	status = fill_peer(client, error);
	return status == STATUS_OK ? open_credentials(client, error) : status;
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
	curl_setup_init();
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
	kube_credentials_close(client->credentials);
	kube_config_close(client->kubeconfig);
	mem_free(client->url);
	mem_free(client->peer_url);
	mem_free(client->connect_to);
	mem_free(client->host_header);
	mem_free(client->namespace_name);
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

const struct kube_peer *kube_client_peer(const struct kube_client *client)
{
	return &client->peer;
}

enum status kube_client_credential(struct kube_client *client, uint64_t refused,
	struct kube_credential *credential, struct error *error)
{
	return kube_credentials_get(client->credentials, refused, credential, error);
}

const char *kube_client_namespace(const struct kube_client *client)
{
	return client->namespace_name != NULL ? client->namespace_name : "default";
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
