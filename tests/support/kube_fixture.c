#include "tests/support/kube_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

static void take_result(void *argument, const struct command_result *result)
{
	struct kube_fixture *fixture = argument;

	pthread_mutex_lock(&fixture->lock);
	fixture->result = *result;
	if (result->outcome == COMMAND_UNDER_WAY) {
		snprintf(fixture->progress, sizeof(fixture->progress), "%s", result->detail);
		pthread_mutex_unlock(&fixture->lock);
		return;
	}
	fixture->finished++;
	fixture->done += result->outcome == COMMAND_DONE;
	pthread_cond_broadcast(&fixture->came);
	pthread_mutex_unlock(&fixture->lock);
}

static void take_observation(void *argument, uint64_t ticket, const struct observation *observation)
{
	struct kube_fixture *fixture = argument;

	pthread_mutex_lock(&fixture->lock);
	fixture->observation = *observation;
	fixture->ticket = ticket;
	fixture->observed++;
	pthread_cond_broadcast(&fixture->came);
	pthread_mutex_unlock(&fixture->lock);
}

void kube_fixture_open(struct kube_fixture *fixture, struct actuator_kube_config config)
{
	struct actuator_sink sink = {fixture, take_observation, take_result};
	struct error error = {0};

	pthread_mutex_init(&fixture->lock, NULL);
	pthread_cond_init(&fixture->came, NULL);
	clock_manual_init(&fixture->clock, INT64_C(1700000000000));
	config.clock = &fixture->clock.clock;
	config.paused = &fixture->paused;
	if (actuator_kube_open(&fixture->actuator, &config, &sink, &error) != STATUS_OK)
		fail_msg("%s", error.text);
}

void kube_fixture_close(struct kube_fixture *fixture)
{
	if (fixture->actuator.vtable != NULL)
		fixture->actuator.vtable->close(fixture->actuator.self);
	http_stub_close(fixture->stub);
	pthread_cond_destroy(&fixture->came);
	pthread_mutex_destroy(&fixture->lock);
}

static int make(void **state, int64_t timeout_ms)
{
	struct kube_fixture *fixture = calloc(1, sizeof(*fixture));
	char url[64];

	fixture->stub = http_stub_open(NULL, 0, NULL, NULL);
	assert_non_null(fixture->stub);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", http_stub_port(fixture->stub));
	kube_fixture_open(fixture,
		(struct actuator_kube_config){.url = url,
			.queue_max = 8,
			.timeout_ms = timeout_ms});
	*state = fixture;
	return 0;
}

int kube_fixture_make(void **state)
{
	return make(state, 60000);
}

int kube_fixture_make_hasty(void **state)
{
	return make(state, 10000);
}

int kube_fixture_remove(void **state)
{
	struct kube_fixture *fixture = *state;

	kube_fixture_close(fixture);
	free(fixture);
	return 0;
}

void kube_fixture_await(struct kube_fixture *fixture, unsigned finished, unsigned observed)
{
	pthread_mutex_lock(&fixture->lock);
	while (fixture->finished < finished || fixture->observed < observed)
		pthread_cond_wait(&fixture->came, &fixture->lock);
	pthread_mutex_unlock(&fixture->lock);
}

void kube_fixture_send(struct kube_fixture *fixture, const struct command *command,
	const struct stub_rule *rules, size_t count)
{
	unsigned finished = fixture->finished;

	if (count > 0)
		http_stub_rules(fixture->stub, rules, count);
	assert_int_equal(fixture->actuator.vtable->send(fixture->actuator.self, command),
		STATUS_OK);
	kube_fixture_await(fixture, finished + 1, 0);
}

void kube_fixture_observe(struct kube_fixture *fixture, const struct target *target,
	const struct stub_rule *rules, size_t count)
{
	unsigned observed = fixture->observed;

	if (count > 0)
		http_stub_rules(fixture->stub, rules, count);
	assert_int_equal(fixture->actuator.vtable->observe(fixture->actuator.self, 42, target,
				 &fixture->purpose),
		STATUS_OK);
	kube_fixture_await(fixture, 0, observed + 1);
}

struct target kube_target(enum target_kind kind, const char *namespace_name, const char *name)
{
	struct target target = {.kind = kind};

	snprintf(target.namespace_name, sizeof(target.namespace_name), "%s", namespace_name);
	snprintf(target.name, sizeof(target.name), "%s", name);
	return target;
}
