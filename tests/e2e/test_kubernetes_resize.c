/*
 * Workloads resized in place on a real API server, whose kubelets' stand-in does resizes or says why not, by
 * a service account that may do what `nimbusguard rbac` says for the step and nothing more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "remediations/kube_object.h"
#include "remediations/remediator.h"
#include "tests/support/kube_scene.h"

#define APPS "/apis/apps/v1/namespaces/shop/"
#define PODS "/api/v1/namespaces/shop/pods"
#define WAIT_S 120
#define SIZED "{action: adjust_resources, memory: 160MiB, cpu_request: 30m}"
#define REQUIRED "{action: adjust_resources, memory: 160MiB, in_place: require}"

static struct kube_scene world;

/* Its pods get another template only when somebody deletes them. */
static void make_kept(void)
{
	kube_cluster_create(&world.cluster, APPS "statefulsets",
		"{'metadata':{'name':'kept'},'spec':{'replicas':2,'serviceName':'kept',"
		"'updateStrategy':{'type':'OnDelete'},'selector':{'matchLabels':{'app':'kept'}},"
		"'template':{'metadata':{'labels':{'app':'kept'}},'spec':{"
		"'terminationGracePeriodSeconds':1,'containers':[{'name':'app',"
		"'image':'example.org/app:1','resources':{'requests':{'memory':'64Mi',"
		"'cpu':'10m'},'limits':{'memory':'128Mi','cpu':'1'}}}]}}}}");
}

static int setup(void **state)
{
	(void)state;
	kube_scene_open(&world);
	if (world.opened) {
		kube_cluster_deployment(&world.cluster, "shop", "sized", 2, "");
		make_kept();
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kube_scene_close(&world);
	return 0;
}

static int open_scene(void **state)
{
	(void)state;
	kube_scene_begin(&world);
	return 0;
}

static int close_scene(void **state)
{
	(void)state;
	kube_scene_end(&world);
	return 0;
}

/* Lets the account do what the step needs and plans it, once all pods run and the grant has arrived. */
static bool is_planned_in_place(enum target_kind kind, const char *name, const char *step)
{
	scene_step(world.scene, target_kind_name(kind), step);
	kube_scene_allow_all_but(&world, NULL);
	return scene_try_look(world.scene, kind, name) && *scene_plan(world.scene) == '\0' &&
		world.scene->plan.options.by_resize && world.scene->plan.pods.count == 2;
}

/* The role may be there for the look, and for the change a moment later. */
static bool is_answered(const char *id)
{
	scene_send(world.scene, id);
	return world.scene->result.error.code != STATUS_FORBIDDEN;
}

static void send_step(const char *id)
{
	AWAIT(&world.cluster.parts, is_answered(id), WAIT_S);
	if (world.scene->result.outcome != COMMAND_DONE)
		fail_msg("%s", world.scene->result.error.text);
}

static void undo_step(const char *id, const char *undo_id)
{
	assert_string_equal(scene_undo(world.scene, id), "");
	send_step(undo_id);
}

static const char *limit_of(const json_t *container)
{
	const char *limit =
		json_string_value(kube_get(container, "resources", "limits", "memory", NULL));

	return limit != NULL ? limit : "";
}

/* How many of the plan's pods are asked to have the limit, are run with it, and never restarted. */
static unsigned pods_with(const char *app, const char *limit)
{
	json_t *pods = kube_cluster_pods(&world.cluster, "shop", app), *pod;
	unsigned count = 0;
	size_t i;

	json_array_foreach(pods, i, pod)
	{
		const json_t *run =
			json_array_get(kube_get(pod, "status", "containerStatuses", NULL), 0);

		count += resize_pods_have(&world.scene->plan.pods, kube_uid(pod)) &&
			strcmp(limit_of(kube_container(pod, TARGET_POD, "app")), limit) == 0 &&
			strcmp(limit_of(run), limit) == 0 &&
			kube_number(json_object_get(run, "restartCount"), -1) == 0;
	}
	json_decref(pods);
	return count;
}

static void expect_template(enum target_kind kind, const char *path, const char *limit)
{
	json_t *object = kube_cluster_get(&world.cluster, path);

	assert_string_equal(limit_of(kube_container(object, kind, "app")), limit);
	/* No new template, no rollout. */
	if (kind == TARGET_DEPLOYMENT)
		assert_int_equal(json_integer_value(
					 kube_get(object, "metadata", "generation", NULL)),
			1);
	json_decref(object);
}

/* How the kubelets' stand-in answers resizes of the second pod; "" to do them. */
static void answer_of_second(const char *app, const char *answer)
{
	json_t *pods = kube_cluster_pods(&world.cluster, "shop", app);
	char path[512], value[32];

	snprintf(path, sizeof(path), PODS "/%s",
		json_string_value(kube_get(json_array_get(pods, 1), "metadata", "name", NULL)));
	snprintf(value, sizeof(value), *answer != '\0' ? "'%s'" : "null", answer);
	kube_cluster_patch(&world.cluster, path,
		"{'metadata':{'annotations':{'e2e.nimbusguard.io/resize':%s}}}", value);
	json_decref(pods);
}

static void a_workload_is_resized_in_place_and_back(void **state)
{
	(void)state;
	if (!world.opened)
		skip();
	AWAIT(&world.cluster.parts, is_planned_in_place(TARGET_DEPLOYMENT, "sized", SIZED), WAIT_S);
	send_step("a-1");
	assert_int_equal(pods_with("sized", "160Mi"), 2);
	expect_template(TARGET_DEPLOYMENT, APPS "deployments/sized", "128Mi");
	assert_int_equal(scene_applied(world.scene, "a-1"), 1);
	assert_string_equal(world.scene->observation.resize_writer.manager, FIELD_MANAGER);
	/* Again it does nothing. */
	send_step("a-1");
	undo_step("a-1", "a-2");
	assert_int_equal(pods_with("sized", "128Mi"), 2);
	expect_template(TARGET_DEPLOYMENT, APPS "deployments/sized", "128Mi");
}

static void what_one_kubelet_cannot_do_is_put_back_in_all_pods(void **state)
{
	(void)state;
	if (!world.opened)
		skip();
	answer_of_second("sized", "infeasible");
	AWAIT(&world.cluster.parts, is_planned_in_place(TARGET_DEPLOYMENT, "sized", SIZED), WAIT_S);
	AWAIT(&world.cluster.parts, is_answered("b-1"), WAIT_S);
	assert_int_equal(world.scene->result.outcome, COMMAND_FAILED);
	assert_non_null(strstr(world.scene->result.error.text, "cannot be done"));
	AWAIT(&world.cluster.parts, pods_with("sized", "128Mi") == 2, WAIT_S);
	answer_of_second("sized", "");
	/* What the playbook says then: a rollout, or nothing. */
	world.scene->resize_failed = true;
	assert_string_equal(scene_plan(world.scene), "");
	assert_false(world.scene->plan.options.by_resize);
	scene_step(world.scene, "Deployment", REQUIRED);
	assert_string_equal(scene_plan(world.scene), "no_resize");
}

/* It is waited for; what the kubelet puts off it may do later. */
static void what_is_put_off_is_done_later(void **state)
{
	struct command_result result;
	struct sending sending;
	int64_t again_ms;

	(void)state;
	if (!world.opened)
		skip();
	answer_of_second("sized", "deferred");
	AWAIT(&world.cluster.parts, is_planned_in_place(TARGET_DEPLOYMENT, "sized", REQUIRED),
		WAIT_S);
	plan_command(&world.scene->plan, &world.scene->target, &world.scene->command);
	snprintf(world.scene->command.action_id, ACTION_ID_MAX, "c-1");
	kube_send_begin(&sending, world.session, &world.scene->clock.clock, &world.scene->command);
	do {
		assert_false(kube_send_go_on(&sending, &again_ms, &result));
		clock_sleep_ms(again_ms);
	} while (strstr(sending.progress, "the resize is deferred") == NULL);
	answer_of_second("sized", "");
	while (!kube_send_go_on(&sending, &again_ms, &result))
		clock_sleep_ms(again_ms);
	if (result.outcome != COMMAND_DONE)
		fail_msg("%s", result.error.text);
	assert_int_equal(pods_with("sized", "160Mi"), 2);
	world.scene->done = world.scene->plan;
	scene_again(world.scene, "c-1");
	undo_step("c-1", "c-2");
	assert_int_equal(pods_with("sized", "128Mi"), 2);
}

/* A new template of it replaces no pod: it comes along. */
static void where_a_template_replaces_no_pod_it_comes_along(void **state)
{
	(void)state;
	if (!world.opened)
		skip();
	AWAIT(&world.cluster.parts, is_planned_in_place(TARGET_STATEFULSET, "kept", REQUIRED),
		WAIT_S);
	send_step("d-1");
	assert_int_equal(pods_with("kept", "160Mi"), 2);
	expect_template(TARGET_STATEFULSET, APPS "statefulsets/kept", "160Mi");
	assert_string_equal(world.scene->observation.action_key, "d-1");
	undo_step("d-1", "d-2");
	assert_int_equal(pods_with("kept", "128Mi"), 2);
	expect_template(TARGET_STATEFULSET, APPS "statefulsets/kept", "128Mi");
}

/* ---- what the server would say ---- */

#define QUOTAS "/api/v1/namespaces/shop/resourcequotas"

static void read_signal(void *self, const struct workload_key *workload, enum signal_role role,
	enum signal_fold fold, int64_t from_ms, int64_t to_ms, struct signal_reading *reading)
{
	(void)self, (void)workload, (void)role, (void)fold, (void)from_ms;
	*reading =
		(struct signal_reading){.quality = QUALITY_GOOD, .newest_ms = to_ms, .samples = 3};
}

/* A service in mode approve that would resize `sized`. */
static struct remediator *open_remediator(void)
{
	static const char text[] = "playbook: bigger\ntrigger: {alert: ['alertname=\"Small\"']}\n"
				   "target: {kind: Deployment}\nsteps:\n- " REQUIRED "\n"
				   "verify: {signal: saturation, is: below, value: 1}\n";
	static char playbook[SERVER_PATH_MAX + 16], journal[SERVER_PATH_MAX + 16];
	static const char *const paths[] = {playbook};
	struct remediator_config config = {.journal_path = journal,
		.playbook_paths = paths,
		.playbook_path_count = 1,
		.mode = MODE_APPROVE,
		.dry_run = true,
		.event_queue_max = 10,
		.incident_max = 10,
		.clock = clock_system(),
		.opt_in_selector = "{namespace=\"shop\"}",
		.kube_url = world.config.url,
		.kube_token_file = world.config.token_file,
		.kube_ca_file = world.config.ca_file,
		.signals = {.read = read_signal}};
	struct remediator *remediator;
	struct error error;

	snprintf(playbook, sizeof(playbook), "%s/bigger.yaml", world.cluster.parts.folder);
	snprintf(journal, sizeof(journal), "%s/journal.sqlite", world.cluster.parts.folder);
	assert_int_equal(file_write_atomic(playbook, text, strlen(text), 0600, NULL), STATUS_OK);
	guard_limits_default(&config.guard);
	config.guard.startup_grace_ms = 0;
	remediator = remediator_open(&config, &error);
	if (remediator == NULL)
		fail_msg("%s", error.text);
	return remediator;
}

static void send_alert(struct remediator *remediator)
{
	struct label pairs[] = {{"alertname", "Small", 9, 5}, {"namespace", "shop", 9, 4},
		{"workload", "sized", 8, 5}, {"workload_kind", "Deployment", 13, 10}};
	struct event event;

	event_init(&event);
	assert_int_equal(labels_init(&event.labels, pairs, 4, NULL), STATUS_OK);
	event.firing = true;
	event.fingerprint = labels_fingerprint(&event.labels);
	event.starts_ms = event.received_ms = clock_now_ms(clock_system());
	assert_int_equal(remediator_submit(remediator, &event, 1, NULL, NULL), STATUS_OK);
	event_fini(&event);
}

/* The id of the action that waits for approval; false: none does yet. */
static bool find_waiting(struct remediator *remediator, char id[128])
{
	struct buf json;
	const char *at;

	buf_init(&json, 1 << 22);
	assert_int_equal(remediator_write_actions(remediator, &json, "awaiting_approval", 0),
		STATUS_OK);
	at = strstr(json.data, "\"id\":\"a-");
	if (at != NULL)
		snprintf(id, 128, "%.*s", (int)strcspn(at + 6, "\""), at + 6);
	buf_fini(&json);
	return at != NULL;
}

struct asked {
	struct buf json;
	atomic_bool done;
	enum status status;
	struct error error;
};

static void answered(void *argument, enum status status, const struct error *error)
{
	struct asked *asked = argument;

	asked->status = status;
	asked->error = *error;
	atomic_store(&asked->done, true);
}

/* Whether the server's answer has this in it; what it was is printed where it has not. */
static bool says(struct remediator *remediator, const char *id, const char *part)
{
	struct asked asked = {.status = STATUS_OK};
	struct person_word word = {.kind = WORD_DRY_RUN,
		.id = id,
		.person = {.identity = "ann", .role = "approve"},
		.json = &asked.json};
	bool has;

	buf_init(&asked.json, 4096);
	remediator_say(remediator, &word, answered, &asked);
	while (!atomic_load(&asked.done))
		clock_sleep_ms(1);
	if (asked.status != STATUS_OK)
		fail_msg("%s", asked.error.text);
	has = strstr(asked.json.data, part) != NULL;
	if (!has)
		print_message("%s\n", asked.json.data);
	buf_fini(&asked.json);
	return has;
}

static bool quota_counts(void)
{
	json_t *quota = kube_cluster_get(&world.cluster, QUOTAS "/little");
	bool counts = kube_get(quota, "status", "used", "limits.memory", NULL) != NULL;

	json_decref(quota);
	return counts;
}

static void a_quota_that_would_refuse_it_is_told_beforehand(void **state)
{
	struct remediator *remediator;
	char id[128] = "";

	(void)state;
	if (!world.opened)
		skip();
	AWAIT(&world.cluster.parts, is_planned_in_place(TARGET_DEPLOYMENT, "sized", REQUIRED),
		WAIT_S);
	remediator = open_remediator();
	send_alert(remediator);
	AWAIT(&world.cluster.parts, find_waiting(remediator, id), WAIT_S);
	assert_true(says(remediator, id, "\"admitted\":true"));
	kube_cluster_create(&world.cluster, QUOTAS,
		"{'metadata':{'name':'little'},'spec':{'hard':{'limits.memory':'300Mi'}}}");
	AWAIT(&world.cluster.parts, quota_counts(), WAIT_S);
	AWAIT(&world.cluster.parts,
		says(remediator, id, "\"admitted\":false,\"refused_by\":\"quota\""), WAIT_S);
	assert_true(says(remediator, id, "exceeded quota: little"));
	kube_cluster_patch(&world.cluster, QUOTAS "/little",
		"{'spec':{'hard':{'limits.memory':'10Gi'}}}");
	AWAIT(&world.cluster.parts, says(remediator, id, "\"admitted\":true"), WAIT_S);
	/* All that was asked changed nothing. */
	assert_int_equal(pods_with("sized", "128Mi"), 2);
	assert_true(find_waiting(remediator, id));
	remediator_close(remediator);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)
	const struct CMUnitTest tests[] = {
		T(a_workload_is_resized_in_place_and_back),
		T(what_one_kubelet_cannot_do_is_put_back_in_all_pods),
		T(what_is_put_off_is_done_later),
		T(where_a_template_replaces_no_pod_it_comes_along),
		T(a_quota_that_would_refuse_it_is_told_beforehand),
	};

	return cmocka_run_group_tests_name("kubernetes_resize", tests, setup, teardown);
}
