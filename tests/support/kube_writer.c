/*
 * By a connection that is kept, so that there is a write every few milliseconds. Its patches name no
 * version: they are never refused for what others write.
 */
#include "tests/support/kube_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "remediations/kube_client.h"

#define ADMIN_TOKEN "token-of-the-administrator"
#define WAIT_S 120
/* Between two writes: less than it takes from a look to the change that comes of it. */
#define PAUSE_MS 3

static void write_once(struct kube_writer *writer, struct kube_session *session, unsigned n)
{
	char path[SERVER_PATH_MAX], body[KUBE_WRITER_BODY_MAX];
	const struct kube_request request = {.method = KUBE_PATCH,
		.path = path,
		.content_type = "application/merge-patch+json",
		.body = body};
	struct kube_answer answer;
	struct error error;

	snprintf(path, sizeof(path), "%s?fieldManager=%s", writer->path, writer->manager);
	writer->write_body(n, body);
	if (kube_session_call(session, &request, &answer, &error) == STATUS_OK)
		atomic_fetch_add(&writer->written, 1);
	kube_answer_fini(&answer);
}

static void *run(void *argument)
{
	struct kube_writer *writer = argument;
	const struct kube_client_config config = {.url = writer->url,
		.token_file = writer->token_file,
		.ca_file = writer->ca_file};
	struct kube_client *client;
	struct kube_session *session;
	struct error error;

	if (kube_client_open(&client, &config, &error) != STATUS_OK)
		return NULL;
	session = kube_session_open(client);
	for (unsigned n = 0; session != NULL && !atomic_load(&writer->stop); n++) {
		write_once(writer, session, n);
		clock_sleep_ms(PAUSE_MS);
	}
	kube_session_close(session);
	kube_client_close(client);
	return NULL;
}

void kube_writer_start(struct kube_writer *writer, struct kube_cluster *cluster)
{
	snprintf(writer->url, sizeof(writer->url), "%s", cluster->api->url);
	memcpy(writer->ca_file, cluster->ca_file, sizeof(writer->ca_file));
	snprintf(writer->token_file, sizeof(writer->token_file), "%s",
		servers_write(&cluster->parts, "writer.token", ADMIN_TOKEN));
	atomic_store(&writer->stop, false);
	atomic_store(&writer->written, 0);
	assert_int_equal(pthread_create(&writer->thread, NULL, run, writer), 0);
	AWAIT(&cluster->parts, atomic_load(&writer->written) > 0, WAIT_S);
}

void kube_writer_stop(struct kube_writer *writer)
{
	atomic_store(&writer->stop, true);
	pthread_join(writer->thread, NULL);
	print_message("%s wrote %u times\n", writer->manager, atomic_load(&writer->written));
}

double kube_writer_conflicts(struct kube_cluster *cluster)
{
	static const char name[] = "\napiserver_request_total{";
	const struct web_access access = {.token = ADMIN_TOKEN, .ca = cluster->ca_file};
	char url[SERVER_PATH_MAX];
	struct web_answer answer;
	double sum = 0;

	snprintf(url, sizeof(url), "%s/metrics", cluster->api->url);
	answer = web_call("GET", url, &access, NULL);
	assert_int_equal(answer.status, 200);
	for (const char *at = answer.body; (at = strstr(at, name)) != NULL; at++) {
		char line[512];

		snprintf(line, sizeof(line), "%.*s", (int)strcspn(at + 1, "\n"), at + 1);
		if (strstr(line, "code=\"409\"") != NULL &&
			strstr(line, "resource=\"deployments\"") != NULL &&
			strstr(line, "verb=\"PATCH\"") != NULL)
			sum += strtod(strrchr(line, ' '), NULL);
	}
	web_answer_fini(&answer);
	return sum;
}
