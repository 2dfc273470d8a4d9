/*
 * Two queues, two threads. What waits when the service ends is not sent.
 */
#include "remediations/actuator_web.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/queue.h"
#include "base/thread_name.h"
#include "remediations/webhook_call.h"

/* The pointer changes hands with the message. */
struct errand {
	struct command *command;
};

struct web_worker {
	struct actuator_web *web;
	struct queue *queue;
	pthread_t thread;
	bool started, silences;
};

struct actuator_web {
	struct actuator_web_config config;
	char *texts[4]; /* of the config */
	struct actuator_sink sink;
	struct web_worker workers[2];
	atomic_bool stop;
};

static void free_command(struct command *command)
{
	if (command != NULL)
		mem_free((void *)(uintptr_t)command->payload);
	mem_free(command);
}

static void answer(struct web_worker *worker, const struct command *command)
{
	const struct actuator_sink *sink = &worker->web->sink;
	struct web_calling calling = {worker->web->config.clock, &worker->web->stop,
		&worker->web->config.fence};
	struct command_result result = {.outcome = COMMAND_FAILED};

	snprintf(result.action_id, sizeof(result.action_id), "%s", command->action_id);
	command_describe(command, result.detail, sizeof(result.detail));
	if (atomic_load(&worker->web->stop))
		error_set(&result.error, STATUS_UNAVAILABLE, "the service is ending: not sent");
	else if (command->deadline_ms != 0 &&
		clock_now_ms(worker->web->config.clock) > command->deadline_ms)
		error_set(&result.error, STATUS_TIMEOUT, "its time had passed: not sent");
	else if (send_fence_left_ns(calling.fence) <= 0)
		error_set(&result.error, STATUS_UNAVAILABLE,
			"another replica may lead by now: not sent");
	else if (worker->silences)
		silence_call(&worker->web->config.alertmanager, &calling, command, &result);
	else
		webhook_call(&calling, command, &result);
	sink->finished(sink->argument, &result);
}

static void *run(void *argument)
{
	struct web_worker *worker = argument;
	struct errand errand;

	thread_name("web actions");
	for (;;) {
		enum status status = queue_pop(worker->queue, &errand, 1000);

		if (status == STATUS_OK) {
			answer(worker, errand.command);
			free_command(errand.command);
		} else if (queue_ended(worker->queue)) {
			return NULL;
		}
	}
}

static enum status send_command(void *self, const struct command *command)
{
	struct actuator_web *web = self;
	struct errand errand = {mem_alloc(sizeof(*command))};
	enum status status = STATUS_NO_MEMORY;

	if (command->kind == ACTION_SILENCE && web->config.alertmanager.url == NULL) {
		mem_free(errand.command);
		return STATUS_UNSUPPORTED;
	}
	if (errand.command != NULL) {
		*errand.command = *command;
		if (command->payload != NULL)
			errand.command->payload = mem_strdup(command->payload);
		if (command->payload == NULL || errand.command->payload != NULL)
			status = queue_push(web->workers[command->kind == ACTION_SILENCE].queue,
				&errand);
	}
	if (status != STATUS_OK)
		free_command(errand.command);
	return status;
}

static void close_web(void *self)
{
	struct actuator_web *web = self;

	atomic_store(&web->stop, true);
	for (size_t i = 0; i < 2; i++) {
		struct web_worker *worker = &web->workers[i];
		struct errand errand;

		if (worker->queue == NULL)
			continue;
		queue_end(worker->queue);
		if (worker->started)
			pthread_join(worker->thread, NULL);
		while (queue_pop(worker->queue, &errand, 0) == STATUS_OK)
			free_command(errand.command);
		queue_close(worker->queue);
	}
	for (size_t i = 0; i < ARRAY_COUNT(web->texts); i++)
		mem_free(web->texts[i]);
	mem_free(web);
}

static const struct actuator_vtable vtable = {.send = send_command, .close = close_web};

static bool copy_texts(struct actuator_web *web, const struct alertmanager_config *from)
{
	const char *const given[] = {from->url, from->token_file, from->user, from->ca_file};
	const char **const to[] = {&web->config.alertmanager.url,
		&web->config.alertmanager.token_file, &web->config.alertmanager.user,
		&web->config.alertmanager.ca_file};

	for (size_t i = 0; i < ARRAY_COUNT(given); i++) {
		if (given[i] == NULL)
			continue;
		web->texts[i] = mem_strdup(given[i]);
		if (web->texts[i] == NULL)
			return false;
		*to[i] = web->texts[i];
	}
	return true;
}

enum status actuator_web_open(struct actuator *actuator, const struct actuator_web_config *config,
	const struct actuator_sink *sink, struct error *error)
{
	struct actuator_web *web = mem_zalloc(1, sizeof(*web));

	*actuator = (struct actuator){0};
	if (web == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the actuator");
	web->config.clock = config->clock;
	web->config.fence = config->fence;
	web->sink = *sink;
	if (!copy_texts(web, &config->alertmanager)) {
		close_web(web);
		return error_set(error, STATUS_NO_MEMORY, "no memory for the actuator");
	}
	for (size_t i = 0; i < 2; i++) {
		struct web_worker *worker = &web->workers[i];

		worker->web = web;
		worker->silences = i == 1;
		worker->queue = queue_open(sizeof(struct errand), WEB_QUEUE_MAX);
		if (worker->queue == NULL ||
			pthread_create(&worker->thread, NULL, run, worker) != 0) {
			close_web(web);
			return error_set(error, STATUS_NO_MEMORY,
				"no memory for the actuator's threads");
		}
		worker->started = true;
	}
	*actuator = (struct actuator){.vtable = &vtable, .self = web};
	return STATUS_OK;
}
