/* The dry run, and commands in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "remediations/actuator.h"

struct heard {
	struct command_result result;
	struct observation observation;
	uint64_t ticket;
	int finished, observed;
};

static void hear_finished(void *argument, const struct command_result *result)
{
	struct heard *heard = argument;

	heard->result = *result;
	heard->finished++;
}

static void hear_observed(void *argument, uint64_t ticket, const struct observation *observation)
{
	struct heard *heard = argument;

	heard->observation = *observation;
	heard->ticket = ticket;
	heard->observed++;
}

/* A reader that counts, and answers STATUS_BUSY. */
struct reader {
	int asked, sent, closed;
};

static const struct purpose usual = {.kind = ACTION_SCALE};

static enum status reader_observe(void *self, uint64_t ticket, const struct target *target,
	const struct purpose *purpose)
{
	struct reader *reader = self;

	(void)target, (void)purpose;
	reader->asked++;
	return ticket == 5 ? STATUS_BUSY : STATUS_OK;
}

static enum status reader_send(void *self, const struct command *command)
{
	struct reader *reader = self;

	(void)command;
	reader->sent++;
	return STATUS_OK;
}

static void reader_close(void *self)
{
	struct reader *reader = self;

	reader->closed++;
}

static const struct actuator_vtable reader_vtable = {reader_observe, reader_send, reader_close};

static struct command make_command(enum action_kind kind, enum target_kind target, const char *name)
{
	struct command command = {.kind = kind, .target.kind = target, .action_id = "a-1"};

	snprintf(command.target.namespace_name, sizeof(command.target.namespace_name), "shop");
	snprintf(command.target.name, sizeof(command.target.name), "%s", name);
	return command;
}

static void command_is_told_and_done(void **state)
{
	struct heard heard = {0};
	struct actuator_sink sink = {&heard, hear_observed, hear_finished};
	struct command command = make_command(ACTION_SCALE, TARGET_DEPLOYMENT, "web");
	struct actuator dry;

	assert_int_equal(actuator_dry_open(&dry, (struct actuator){0}, &sink, NULL), STATUS_OK);
	changes_set(&command.changes, CHANGE_REPLICAS, 3, 5);
	assert_int_equal(dry.vtable->send(dry.self, &command), STATUS_OK);
	assert_int_equal(heard.finished, 1);
	assert_string_equal(heard.result.action_id, "a-1");
	assert_int_equal(heard.result.outcome, COMMAND_DONE);
	assert_true(heard.result.dry_run);
	assert_int_equal(heard.result.error.code, STATUS_OK);
	assert_string_equal(heard.result.detail, "would scale Deployment shop/web 3 -> 5 replicas");
	dry.vtable->close(dry.self);
}

static void without_a_cluster_nothing_is_observed(void **state)
{
	struct heard heard = {0};
	struct actuator_sink sink = {&heard, hear_observed, hear_finished};
	struct command command = make_command(ACTION_SCALE, TARGET_DEPLOYMENT, "web");
	struct actuator dry;

	assert_int_equal(actuator_dry_open(&dry, (struct actuator){0}, &sink, NULL), STATUS_OK);
	assert_int_equal(dry.vtable->observe(dry.self, 77, &command.target, &usual), STATUS_OK);
	assert_int_equal(heard.observed, 1);
	assert_int_equal(heard.ticket, 77);
	assert_false(heard.observation.found);
	assert_int_equal(heard.observation.error.code, STATUS_UNAVAILABLE);
	assert_string_equal(heard.observation.error.text, "no cluster configured");
	assert_string_equal(heard.observation.target.name, "web");
	dry.vtable->close(dry.self);
}

static void reader_is_asked_but_never_sent_to(void **state)
{
	struct heard heard = {0};
	struct reader reader = {0};
	struct actuator_sink sink = {&heard, hear_observed, hear_finished};
	struct command command = make_command(ACTION_RESTART_POD, TARGET_POD, "web-1");
	struct actuator dry;

	assert_int_equal(actuator_dry_open(&dry, (struct actuator){&reader_vtable, &reader}, &sink,
				 NULL),
		STATUS_OK);
	assert_int_equal(dry.vtable->observe(dry.self, 1, &command.target, &usual), STATUS_OK);
	assert_int_equal(dry.vtable->observe(dry.self, 5, &command.target, &usual), STATUS_BUSY);
	assert_int_equal(dry.vtable->send(dry.self, &command), STATUS_OK);
	assert_int_equal(reader.asked, 2);
	assert_int_equal(reader.sent, 0);
	assert_int_equal(heard.observed, 0);
	assert_string_equal(heard.result.detail, "would restart Pod shop/web-1");
	dry.vtable->close(dry.self);
	assert_int_equal(reader.closed, 1);
}

static void out_of_memory_leaves_the_reader(void **state)
{
	struct reader reader = {0};
	struct heard heard = {0};
	struct actuator_sink sink = {&heard, hear_observed, hear_finished};
	struct actuator dry;

	mem_fail_after(1, false);
	assert_int_equal(actuator_dry_open(&dry, (struct actuator){&reader_vtable, &reader}, &sink,
				 NULL),
		STATUS_NO_MEMORY);
	assert_true(mem_fail_after(0, false));
	assert_int_equal(reader.closed, 0);
	assert_null(dry.vtable);
}

static void each_kind_has_its_words(void **state)
{
	struct command command = make_command(ACTION_ADJUST_RESOURCES, TARGET_STATEFULSET, "db");
	char text[256], small[20];

	changes_set(&command.changes, CHANGE_MEMORY_LIMIT, INT64_C(512) << 20, INT64_C(768) << 20);
	changes_set(&command.changes, CHANGE_CPU_LIMIT, 500, 1000);
	snprintf(command.target.container, sizeof(command.target.container), "pg");
	command_describe(&command, text, sizeof(text));
	assert_string_equal(text,
		"set limits of StatefulSet shop/db container pg: memory 512Mi -> 768Mi, cpu 500m -> 1");
	command.changes.count = 0;
	changes_set(&command.changes, CHANGE_CPU_LIMIT, 500, 1000);
	command_describe(&command, text, sizeof(text));
	assert_string_equal(text, "set limits of StatefulSet shop/db container pg: cpu 500m -> 1");
	command_describe(&command, small, sizeof(small));
	assert_string_equal(small, "set limits of State");
	command = make_command(ACTION_CORDON, TARGET_NODE, "n1");
	command_describe(&command, text, sizeof(text));
	assert_string_equal(text, "cordon Node n1");
	changes_set(&command.changes, CHANGE_UNSCHEDULABLE, 1, 0);
	command_describe(&command, text, sizeof(text));
	assert_string_equal(text, "uncordon Node n1");
	command = make_command(ACTION_RESTART_WORKLOAD, TARGET_DAEMONSET, "agent");
	command_describe(&command, text, sizeof(text));
	assert_string_equal(text, "restart DaemonSet shop/agent");
	command = make_command(ACTION_TICKET, TARGET_NONE, "");
	snprintf(command.title, sizeof(command.title), "Disk fills up");
	command_describe(&command, text, sizeof(text));
	assert_string_equal(text, "open ticket \"Disk fills up\"");
}

static void table_tells_what_disrupts_and_what_can_be_undone(void **state)
{
	assert_true(action_kind_disruptive(ACTION_RESTART_POD));
	assert_false(action_kind_disruptive(ACTION_SCALE));
	assert_true(action_kind_has_inverse(ACTION_SCALE));
	assert_false(action_kind_has_inverse(ACTION_RESTART_WORKLOAD));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_is_told_and_done),
		cmocka_unit_test(without_a_cluster_nothing_is_observed),
		cmocka_unit_test(reader_is_asked_but_never_sent_to),
		cmocka_unit_test(out_of_memory_leaves_the_reader),
		cmocka_unit_test(each_kind_has_its_words),
		cmocka_unit_test(table_tells_what_disrupts_and_what_can_be_undone),
	};

	return cmocka_run_group_tests_name("actuator_dry", tests, NULL, NULL);
}
