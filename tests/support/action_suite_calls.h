/*
 * What the scenarios of action_suite.h share: calls, the values of objects, and the way of a step. Only for
 * action_suite*.c; all of it fails the test when the cluster does not do as it should.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_ACTION_SUITE_CALLS_H
#define NIMBUSGUARD_TESTS_SUPPORT_ACTION_SUITE_CALLS_H

#include <stdbool.h>

#include "tests/support/action_scene.h"
#include "tests/support/action_suite.h"

#define WEB "/apis/apps/v1/namespaces/shop/deployments/web"
#define PODS "/api/v1/namespaces/shop/pods"
#define HPAS "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers"
#define PDBS "/apis/policy/v1/namespaces/shop/poddisruptionbudgets"
#define JOBS "/apis/batch/v1/namespaces/shop/jobs"
#define EVENTS "/apis/events.k8s.io/v1/namespaces/shop/events"
#define NODES "/api/v1/nodes"
#define NODE NODES "/node-1"
#define JSON "application/json"
#define MERGE "application/merge-patch+json"
#define DELETE_OPTIONS "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\"}"
#define WAIT_S 120
#define NAMES_MAX 6

extern struct action_suite suite_used;
extern struct scene *suite_scene;
/* Of the two commands that a scenario sends; no other scenario has them. */
extern char suite_ids[2][24];

json_t *suite_read(const char *path);
bool suite_has(const char *path);
void suite_must(enum kube_method method, const char *path, const char *type, const char *body);
/* A member's value as JSON (free); "null" for what is absent, or false, which a server leaves out. "0":
 * the only one of a list. */
char *suite_value(const char *path, const char *const names[NAMES_MAX]);
void suite_value_is(const char *path, const char *const names[NAMES_MAX], const char *wanted);

/* Waits until it is so. */
void suite_await(bool (*is_so)(const void *argument), const void *argument, const char *what);
/* Looks until it is there, and plans. */
void suite_plan(enum target_kind kind, const char *name, const char *step);
void suite_done(bool already);
/* Waits until the controller has seen web as it is and takes no more pods away. */
void suite_settle(void);
/* One of web's pods that is not on its way out, once the changes before are carried out. */
void suite_pod(char name[OBJECT_NAME_MAX]);

/* For cmocka. */
int suite_open_scene(void **state);
int suite_close_scene(void **state);
/* The tests of action_suite_pods.c. */
size_t action_suite_fill_more(struct CMUnitTest tests[ACTION_SUITE_TESTS_MAX], size_t count);

#endif
