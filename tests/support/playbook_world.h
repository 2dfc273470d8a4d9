/*
 * Playbooks at work on a real Kubernetes: a service that has all of them, objects that they are for, and
 * a permission for each that is no wider than what `nimbusguard rbac` prints for it alone.
 *
 * Each case is in a namespace of its own, where the service's account holds the Role of that playbook;
 * that it finds nothing missing at its start is due to the namespace `everything`, the only one that it
 * is told of. A case that names series has a Deployment `web` of two pods in its namespace. Cases go on
 * side by side by playbook_world_go_on(): what waits for people is approved, and samples come, one a
 * second of each series, as they are before and after the action of their case is done.
 *
 * Usage: playbook_world_open() in the test's setup, playbook_world_close() in its teardown.
 * Ownership: cases and their texts are borrowed; what they learn as they go is the world's.
 * Threads: one.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_PLAYBOOK_WORLD_H
#define NIMBUSGUARD_TESTS_SUPPORT_PLAYBOOK_WORLD_H

#include "tests/support/http_stub.h"
#include "tests/support/kube_cluster.h"

#define PLAYBOOK_WAIT_S 240
#define PLAYBOOK_FED_MAX 2

enum playbook_case_kind { ON_WORKLOAD, ON_POD, ON_NODE, TOLD };

/* A series of `web` in the namespace of the case. */
struct playbook_fed {
	const char *name; /* behind "nimbusguard:"; NULL: none */
	double bad, good; /* until the action is done, and then */
	double calm;      /* long before; for what the scan is to find */
};

struct playbook_case;
typedef void playbook_case_fn(const struct playbook_case *at);

struct playbook_case {
	const char *claim, *playbook;
	enum playbook_case_kind kind;
	const char *space;  /* its namespace; of a node the node's name; NULL: none */
	const char *event;  /* the alert's name; NULL: the scan finds it */
	const char *labels; /* of the alert, beside those of the target; ' stands for " */
	const char *action, *outcome;
	struct playbook_fed fed[PLAYBOOK_FED_MAX];
	playbook_case_fn *make;  /* makes what `web` is not enough of; may be NULL */
	playbook_case_fn *check; /* what must stand in the API when it was done */
	const char *title;       /* of a ticket */
	/* as it goes */
	bool done, ended;
	char id[128], state[32], ended_as[32];
	char pod[256];  /* ON_POD: which one */
	json_t *newest; /* the incident that ended, or else the action */
};

struct playbook_world {
	struct kube_cluster cluster;
	struct servers servers;
	struct server *guard;
	struct http_stub *stub; /* takes tickets */
	char token_path[SERVER_PATH_MAX];
	struct playbook_case *cases, *cases_end;
	int64_t fed_s;
};

/* Makes objects and permissions, starts the service and triggers all cases but those on nodes. False
 * when a program was not built: the test is to be skipped. */
bool playbook_world_open(struct playbook_world *world, struct playbook_case *cases, size_t count);
void playbook_world_close(struct playbook_world *world);

void playbook_world_trigger(struct playbook_world *world, const struct playbook_case *at);
void playbook_world_go_on(struct playbook_world *world);
/* Goes on until the incident of the case has ended; the test fails when it does not. */
void playbook_world_await_end(struct playbook_world *world, struct playbook_case *at);
void playbook_world_fail(struct playbook_world *world, const struct playbook_case *at)
	__attribute__((noreturn));

/* Gives the account what is printed for the case's playbook as it is shipped, in the namespace, by roles
 * of this name. */
void playbook_world_grant(struct playbook_world *world, const struct playbook_case *at,
	const char *space, const char *name);
/* Whether the account may do all that the case's playbook needs, as `nimbusguard rbac --check` says. */
bool playbook_world_allowed(struct playbook_world *world, const struct playbook_case *at,
	const char *space);

/* Whether an Event with this reason stands on the object of the case. */
bool playbook_world_event(struct playbook_world *world, const struct playbook_case *at,
	const char *reason);
/* The text of a member; "" when there is none. */
const char *text_at(const json_t *object, const char *name);

#endif
