/*
 * One thread accepts, one serves each connection until it is closed. All sockets are shut down at the
 * end, which wakes whoever waits on them.
 */
#include "tests/support/http_stub.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 128
#define REQUEST_MAX 65536
#define RULES_MAX 64

struct connection {
	struct http_stub *stub;
	pthread_t thread;
	int descriptor;
	SSL *tls;
};

struct http_stub {
	int listener;
	unsigned port;
	SSL_CTX *context;
	pthread_t acceptor;
	pthread_mutex_t lock;
	pthread_cond_t let_go;
	/* under lock */
	bool held;
	const struct stub_rule *rules;
	size_t rule_count;
	int used[RULES_MAX];
	char *requests[HTTP_STUB_REQUESTS_MAX];
	size_t request_count;
	struct connection connections[CONNECTIONS_MAX];
	size_t connection_count;
	bool ended;
};

static const char no_rule[] = "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\","
			      "\"message\":\"no rule\",\"reason\":\"NotFound\",\"code\":404}";

static ssize_t receive(struct connection *connection, char *bytes, size_t size)
{
	if (connection->tls != NULL)
		return SSL_read(connection->tls, bytes, (int)size);
	return recv(connection->descriptor, bytes, size, 0);
}

static bool deliver(struct connection *connection, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t sent = connection->tls != NULL
			? SSL_write(connection->tls, bytes, (int)size)
			: send(connection->descriptor, bytes, size, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		bytes += sent;
		size -= (size_t)sent;
	}
	return true;
}

static size_t content_length(const char *head)
{
	for (const char *line = head; line != NULL; line = strstr(line, "\r\n")) {
		line += line == head ? 0 : 2;
		if (strncasecmp(line, "Content-Length:", 15) == 0)
			return strtoul(line + 15, NULL, 10);
		if (*line == '\0')
			break;
	}
	return 0;
}

/* The whole request, NUL-terminated; NULL at the end of the connection. */
static char *read_request(struct connection *connection)
{
	char *request = calloc(1, REQUEST_MAX + 1), *end;
	size_t size = 0;

	for (;;) {
		ssize_t got;

		end = strstr(request, "\r\n\r\n");
		if (end != NULL && size >= (size_t)(end + 4 - request) + content_length(request))
			return request;
		got = size < REQUEST_MAX ? receive(connection, request + size, REQUEST_MAX - size)
					 : 0;
		if (got <= 0)
			break;
		size += (size_t)got;
	}
	free(request);
	return NULL;
}

/* Keeps the request and finds its rule. */
static struct stub_rule choose_rule(struct http_stub *stub, char *request)
{
	struct stub_rule rule = {.code = 404, .body = no_rule};

	pthread_mutex_lock(&stub->lock);
	for (size_t i = 0; i < stub->rule_count; i++) {
		const struct stub_rule *found = &stub->rules[i];

		size_t size = strcspn(found->start, "\t");

		if (strncmp(request, found->start, size) != 0 ||
			(found->start[size] != '\0' &&
				strstr(request, found->start + size + 1) == NULL) ||
			(found->times > 0 && stub->used[i] >= found->times))
			continue;
		stub->used[i]++;
		rule = *found;
		break;
	}
	if (stub->request_count < HTTP_STUB_REQUESTS_MAX)
		stub->requests[stub->request_count++] = request;
	else
		free(request);
	pthread_mutex_unlock(&stub->lock);
	return rule;
}

/* Waits until the other side or the stub's end closes the connection. */
static void hold(struct connection *connection)
{
	char byte;

	while (recv(connection->descriptor, &byte, 1, 0) > 0)
		continue;
}

static bool answer_stream(struct connection *connection, const struct stub_rule *rule)
{
	const struct timespec moment = {0, 5000000};
	const char *body = rule->body != NULL ? rule->body : "";
	char head[256];
	bool good;
	int size;

	size = snprintf(head, sizeof(head),
		"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
		rule->code != 0 ? rule->code : 200);
	good = deliver(connection, head, (size_t)size);
	while (good && *body != '\0') {
		size_t piece = strcspn(body, "\f");

		size = snprintf(head, sizeof(head), "%zx\r\n", piece);
		good = (piece == 0 ||
			(deliver(connection, head, (size_t)size) &&
				deliver(connection, body, piece) &&
				deliver(connection, "\r\n", 2)));
		body += piece + (body[piece] == '\f');
		nanosleep(&moment, NULL);
	}
	if (rule->drop)
		return false;
	if (rule->close)
		return good && deliver(connection, "0\r\n\r\n", 5);
	if (good)
		hold(connection);
	return false;
}

static bool answer(struct connection *connection, const struct stub_rule *rule)
{
	const char *body = rule->body != NULL ? rule->body : "{}";
	struct timespec delay = {rule->delay_ms / 1000, rule->delay_ms % 1000 * 1000000};
	char head[2048];
	bool good;
	int size;

	if (rule->delay_ms > 0)
		nanosleep(&delay, NULL);
	if (rule->stream)
		return answer_stream(connection, rule);
	if (rule->drop)
		return false;
	size = snprintf(head, sizeof(head),
		"HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s%s\r\n",
		rule->code != 0 ? rule->code : 200,
		rule->type != NULL ? rule->type : "application/json", strlen(body) + rule->pad,
		rule->headers != NULL ? rule->headers : "",
		rule->close ? "Connection: close\r\n" : "");
	good = deliver(connection, head, (size_t)size) && deliver(connection, body, strlen(body));
	if (good && rule->pad > 0) {
		char *spaces = malloc(rule->pad);

		memset(spaces, ' ', rule->pad);
		good = deliver(connection, spaces, rule->pad);
		free(spaces);
	}
	return good && !rule->close;
}

static void await_let_go(struct http_stub *stub)
{
	pthread_mutex_lock(&stub->lock);
	while (stub->held && !stub->ended)
		pthread_cond_wait(&stub->let_go, &stub->lock);
	pthread_mutex_unlock(&stub->lock);
}

static void *serve(void *argument)
{
	struct connection *connection = argument;
	bool more = connection->tls == NULL || SSL_accept(connection->tls) == 1;

	while (more) {
		char *request = read_request(connection);
		struct stub_rule rule;

		if (request == NULL)
			break;
		rule = choose_rule(connection->stub, request);
		await_let_go(connection->stub);
		more = answer(connection, &rule);
	}
	shutdown(connection->descriptor, SHUT_RDWR);
	return NULL;
}

static bool add_connection(struct http_stub *stub, int descriptor)
{
	struct connection *connection;
	bool added;

	pthread_mutex_lock(&stub->lock);
	added = !stub->ended && stub->connection_count < CONNECTIONS_MAX;
	if (added) {
		connection = &stub->connections[stub->connection_count];
		connection->stub = stub;
		connection->descriptor = descriptor;
		if (stub->context != NULL) {
			connection->tls = SSL_new(stub->context);
			SSL_set_fd(connection->tls, descriptor);
		}
		added = pthread_create(&connection->thread, NULL, serve, connection) == 0;
		stub->connection_count += added;
	}
	pthread_mutex_unlock(&stub->lock);
	return added;
}

static void *accept_all(void *argument)
{
	struct http_stub *stub = argument;

	for (;;) {
		int descriptor = accept(stub->listener, NULL, NULL);

		if (descriptor < 0 && errno == EINTR)
			continue;
		if (descriptor < 0)
			return NULL;
		if (!add_connection(stub, descriptor))
			close(descriptor);
	}
}

static bool use_tls(struct http_stub *stub, const char *certificate, const char *key)
{
	stub->context = SSL_CTX_new(TLS_server_method());
	return stub->context != NULL &&
		SSL_CTX_use_certificate_file(stub->context, certificate, SSL_FILETYPE_PEM) == 1 &&
		SSL_CTX_use_PrivateKey_file(stub->context, key, SSL_FILETYPE_PEM) == 1;
}

static bool demand_certificates(struct http_stub *stub, const char *authority)
{
	SSL_CTX_set_verify(stub->context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return SSL_CTX_load_verify_locations(stub->context, authority, NULL) == 1;
}

static bool bind_port(struct http_stub *stub)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);

	stub->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (stub->listener < 0 ||
		bind(stub->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
		listen(stub->listener, 64) != 0 ||
		getsockname(stub->listener, (struct sockaddr *)&address, &size) != 0)
		return false;
	stub->port = ntohs(address.sin_port);
	return true;
}

struct http_stub *http_stub_open(const struct stub_rule *rules, size_t count,
	const char *certificate, const char *key)
{
	return http_stub_open_mutual(rules, count, certificate, key, NULL);
}

struct http_stub *http_stub_open_mutual(const struct stub_rule *rules, size_t count,
	const char *certificate, const char *key, const char *client_ca)
{
	struct http_stub *stub = calloc(1, sizeof(*stub));

	pthread_mutex_init(&stub->lock, NULL);
	pthread_cond_init(&stub->let_go, NULL);
	http_stub_rules(stub, rules, count);
	if ((certificate != NULL && !use_tls(stub, certificate, key)) ||
		(client_ca != NULL && !demand_certificates(stub, client_ca)) || !bind_port(stub) ||
		pthread_create(&stub->acceptor, NULL, accept_all, stub) != 0) {
		free(stub);
		return NULL;
	}
	return stub;
}

void http_stub_rules(struct http_stub *stub, const struct stub_rule *rules, size_t count)
{
	pthread_mutex_lock(&stub->lock);
	stub->rules = rules;
	stub->rule_count = count < RULES_MAX ? count : RULES_MAX;
	memset(stub->used, 0, sizeof(stub->used));
	pthread_mutex_unlock(&stub->lock);
}

void http_stub_hold(struct http_stub *stub, bool held)
{
	pthread_mutex_lock(&stub->lock);
	stub->held = held;
	pthread_cond_broadcast(&stub->let_go);
	pthread_mutex_unlock(&stub->lock);
}

void http_stub_close(struct http_stub *stub)
{
	if (stub == NULL)
		return;
	pthread_mutex_lock(&stub->lock);
	stub->ended = true;
	pthread_cond_broadcast(&stub->let_go);
	pthread_mutex_unlock(&stub->lock);
	shutdown(stub->listener, SHUT_RDWR);
	pthread_join(stub->acceptor, NULL);
	close(stub->listener);
	for (size_t i = 0; i < stub->connection_count; i++) {
		shutdown(stub->connections[i].descriptor, SHUT_RDWR);
		pthread_join(stub->connections[i].thread, NULL);
		SSL_free(stub->connections[i].tls);
		close(stub->connections[i].descriptor);
	}
	for (size_t i = 0; i < stub->request_count; i++)
		free(stub->requests[i]);
	SSL_CTX_free(stub->context);
	pthread_mutex_destroy(&stub->lock);
	pthread_cond_destroy(&stub->let_go);
	free(stub);
}

unsigned http_stub_port(const struct http_stub *stub)
{
	return stub->port;
}

size_t http_stub_request_count(struct http_stub *stub)
{
	size_t count;

	pthread_mutex_lock(&stub->lock);
	count = stub->request_count;
	pthread_mutex_unlock(&stub->lock);
	return count;
}

size_t http_stub_connection_count(struct http_stub *stub)
{
	size_t count;

	pthread_mutex_lock(&stub->lock);
	count = stub->connection_count;
	pthread_mutex_unlock(&stub->lock);
	return count;
}

const char *http_stub_request(struct http_stub *stub, size_t i)
{
	const char *request;

	pthread_mutex_lock(&stub->lock);
	request = i < stub->request_count ? stub->requests[i] : "";
	pthread_mutex_unlock(&stub->lock);
	return request;
}

const char *http_stub_body(struct http_stub *stub, size_t i)
{
	const char *end = strstr(http_stub_request(stub, i), "\r\n\r\n");

	return end != NULL ? end + 4 : "";
}
