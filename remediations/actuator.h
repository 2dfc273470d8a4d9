/*
 * What carries out an action: a command goes in, a status comes back. The engine knows nothing
 * else of the cluster's API.
 *
 * Implementations: dry run (remediations/actuator_dry.c), Kubernetes (actuator_kube.c).
 * Ownership: commands and results are plain values, copied.
 * Threads: submit from the engine's thread; results are pushed from the actuator's pool through the
 *   engine's queue.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_ACTUATOR_H
#define NIMBUSGUARD_REMEDIATIONS_ACTUATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/workload.h"
#include "remediations/change.h"
#include "remediations/drain_budgets.h"
#include "remediations/drain_pods.h"
#include "remediations/job_template.h"
#include "remediations/resize_view.h"

/* X(kind, name in playbooks): each is a class of its own in actions/<name>.c, action_<name>. */
#define ACTION_TABLE(X)                                                                            \
	X(ACTION_SCALE, scale)                                                                     \
	X(ACTION_RESTART_POD, restart_pod)                                                         \
	X(ACTION_RESTART_WORKLOAD, restart_workload)                                               \
	X(ACTION_ADJUST_RESOURCES, adjust_resources)                                               \
	X(ACTION_ROLLBACK, rollback)                                                               \
	X(ACTION_PAUSE_ROLLOUT, pause_rollout)                                                     \
	X(ACTION_ADJUST_AUTOSCALER, adjust_autoscaler)                                             \
	X(ACTION_CORDON, cordon)                                                                   \
	X(ACTION_UNCORDON, uncordon)                                                               \
	X(ACTION_DRAIN, drain)                                                                     \
	X(ACTION_RUN_JOB, run_job)                                                                 \
	X(ACTION_WEBHOOK, webhook)                                                                 \
	X(ACTION_SILENCE, silence)                                                                 \
	X(ACTION_TICKET, ticket)

enum action_kind {
#define X(kind, name) kind,
	ACTION_TABLE(X)
#undef X
		ACTION_KIND_COUNT
};

const char *action_kind_name(enum action_kind kind);
bool action_kind_parse(const char *name, enum action_kind *kind);
/* Whether it interrupts what runs. */
bool action_kind_disruptive(enum action_kind kind);
/* Whether guard.two_persons may ask two persons for it by the word "destructive". */
bool action_kind_destructive(enum action_kind kind);
bool action_kind_has_inverse(enum action_kind kind);
/* Whether it makes a node unschedulable. */
bool action_kind_cordons(enum action_kind kind);
/* What it has to know of its target beyond the usual: bits of LOOK_... */
unsigned action_kind_looks(enum action_kind kind);
/* Whether its look is for one action alone, and not for all of its kind on the target. */
bool action_kind_looks_for_itself(enum action_kind kind);
/* Whether what it wrote can be read back from its target later, to see that nobody changed it. */
bool action_kind_reads_back(enum action_kind kind);
/* Whether there may be one at a time in a cluster. */
bool action_kind_alone(enum action_kind kind);
/* Whether the next step comes at once, and it ends with the incident. */
bool action_kind_accompanies(enum action_kind kind);
/* Whether it is no business of the API server, though it has a target. */
bool action_kind_told_apart(enum action_kind kind);
/* Whether it is not tried again after it failed. */
bool action_kind_once(enum action_kind kind);

#define ACTION_ID_MAX 64
#define ACTION_TEXT_MAX 1024

/* An object that is written in a target's stead, in its namespace: its autoscaler. */
struct object_ref {
	enum target_kind kind; /* TARGET_NONE: the target itself is written */
	char name[OBJECT_NAME_MAX];
	char uid[UID_MAX];
	char resource_version[UID_MAX];
};

/* What a step says beside the values that it changes. */
struct action_options {
	bool evict;      /* restart_pod: through the pod's disruption budget */
	bool local_data; /* drain: what is in emptyDir volumes may be lost */
	bool unowned;    /* drain: pods that nobody makes anew may be lost */
	bool foreign;    /* uncordon: what somebody else cordoned, too */
	/* adjust_resources of a workload: what the step says of its pods; whether this plan resizes them
	 * rather than roll them out; whether that was tried before and could not be done. */
	enum in_place in_place;
	bool by_resize, resize_failed;
	int64_t time_ms; /* it may take so long; 0: one request */
	/* Of what it sends by the playbook: a template, an address; 0: nothing. What is sent is made
	 * anew from the playbook each time, as long as that says the same. */
	uint64_t content;
	/* adjust_autoscaler, of a least that is raised for a time (floor.h): for how long; until when,
	 * once it is written; the least without it; whether this takes one down. */
	int64_t floor_hold_ms, floor_until_ms, floor_before;
	bool floor_end;
};

bool action_options_any(const struct action_options *options);
/* Whether a restart in the middle goes on with it. */
bool action_resumes(enum action_kind kind, const struct action_options *options);

/* For which action a target is looked at: what only this one must know is looked at with it. */
struct purpose {
	enum action_kind kind;
	struct action_options options;
	char action_id[ACTION_ID_MAX]; /* "" before there is one */
	bool begun;                    /* it was sent, or may have been */
};

/* A change with absolute values, so that repeating it is harmless. */
struct command {
	char action_id[ACTION_ID_MAX]; /* idempotency key */
	enum action_kind kind;
	struct target target;     /* with uid and resource_version where the cluster was asked */
	struct object_ref object; /* what is written, where that is not the target */
	bool server_dry_run;      /* ask the API server to check only (dryRun=All) */
	int64_t deadline_ms;      /* not sent after this time */
	struct changes changes;   /* empty for what has no value: a restart, a ticket */
	struct action_options options;
	struct resize_pods pods; /* of options.by_resize: which, and no others */
	const char
		*payload; /* what it sends by the playbook; borrowed until send() returned; NULL */
	char title[256];  /* ACTION_TICKET */
	char text[ACTION_TEXT_MAX]; /* reason for the object's annotation, the ticket's body */
};

/* The command in words, as an infinitive, cut at size: "scale Deployment shop/web 3 -> 5 replicas",
 * "set limits of Deployment shop/web container app: memory 512Mi -> 768Mi". */
void command_describe(const struct command *command, char *text, size_t size);

enum command_outcome {
	COMMAND_DONE,     /* the API confirmed it, or it was already so */
	COMMAND_FAILED,   /* surely not done */
	COMMAND_UNKNOWN,  /* sent, no answer: look before repeating */
	COMMAND_UNDER_WAY /* no end yet: `detail` tells how far it is */
};

struct command_result {
	char action_id[ACTION_ID_MAX];
	enum command_outcome outcome;
	bool dry_run;
	struct error error; /* for FAILED and UNKNOWN */
	char detail[256]; /* for people: command_describe(), with "would " before it in a dry run */
};

#define FIELD_MANAGER "nimbusguard" /* under which we write */

/* Who wrote a field last. */
struct field_writer {
	char manager[64]; /* "": nobody is told */
	bool by_hand;     /* with a tool that people write with */
	bool untold;      /* the object says of none of its fields who wrote it */
	int64_t time_ms;  /* 0: not told */
};

/* Bits of target.looks: what an action has to know beyond the usual. It costs further calls. */
#define LOOK_AUTOSCALER 1u /* all of observation.autoscaler */
#define LOOK_REVISIONS 2u  /* revision and previous_revision */
#define LOOK_RESIZE 4u     /* resizes; with options.in_place also resize */
#define LOOK_VERTICAL 8u   /* owner_of_resources */
#define LOOK_NODES 16u     /* nodes, nodes_cordoned */

/* What an autoscaler's annotations say of a floor (remediations/floor.h). */
struct floor_mark {
	int64_t until_ms; /* 0: there is none */
	int32_t floor, before;
};

/* The HPA or ScaledObject that owns the replicas. */
struct autoscaler_seen {
	struct object_ref object; /* uid and version by LOOK_AUTOSCALER only */
	bool looked;              /* what follows is filled */
	bool paused;              /* by an annotation, ours or KEDA's */
	int32_t replicas_min, replicas_max;
	char action_key[ACTION_ID_MAX];
	char git_owner[64];
	struct field_writer writer; /* of the bounds */
	struct floor_mark floor;    /* a floor that still is its least */
};

/* What the cluster says of a target before it is touched; the guard judges it. */
struct observation {
	bool found;
	/* uid, resource_version, workload filled: of the object that has the name now, which may be
	 * another than the one whose uid was asked for. */
	struct target target;
	int32_t replicas, ready_replicas;
	bool no_scale; /* a custom resource that has no scale subresource: replicas tells nothing */
	int64_t memory_limit_bytes,
		cpu_limit_milli; /* of target.container, or the first; 0: none */
	int64_t memory_request_bytes, cpu_request_milli;
	/* Annotations nimbusguard.io/managed, paused and dry-run, the resource's over its namespace's;
	 * unclear: one of them is neither "true" nor "false", and nothing must be done. Of a pod and
	 * its owners, any that says paused or dry-run counts. */
	bool managed, paused, paused_unclear, dry_run;
	bool rollout_paused, terminating;
	bool rolling_out;          /* a rollout is under way (Deployment, StatefulSet, DaemonSet) */
	bool updates_on_delete;    /* updateStrategy OnDelete: a new template changes no pod */
	bool resizes;              /* by LOOK_RESIZE: the server resizes pods in place */
	struct resize_view resize; /* the pods that would be resized */
	/* By LOOK_REVISIONS, of the target; 0: none. */
	int64_t revision, previous_revision;
	bool unschedulable;              /* of a node */
	char cordoned_by[ACTION_ID_MAX]; /* the action of ours that did it, "" when it was none */
	bool drain_seen;                 /* for a drain: its pods were looked at */
	struct drain_view drain;
	struct drain_budgets budgets;
	enum job_state job;             /* for a run_job that was begun: its Job */
	char action_key[ACTION_ID_MAX]; /* nimbusguard.io/action of the object, "" when none */
	char owner_of_replicas[64];     /* "HorizontalPodAutoscaler/x" and so on, "" when none */
	char owner_of_resources[96];    /* by LOOK_VERTICAL: "VerticalPodAutoscaler/x, mode Auto" */
	/* By LOOK_NODES: how many there are, and how many of them are cordoned by us. 0: not known. */
	unsigned nodes, nodes_cordoned;
	struct autoscaler_seen autoscaler; /* kind TARGET_NONE: none, or one that we cannot set */
	char git_owner[64];                /* "argocd:app", "flux:...", "" */
	/* Of the replicas (the owner's, as `replicas`), the limits of the container, the node's
	 * spec.unschedulable, and the workload's spec.paused; of `resize`, by us or by hand. */
	struct field_writer replicas_writer, limits_writer, unschedulable_writer, paused_writer,
		resize_writer;
	char restart_reason[64]; /* waiting reason or last termination of a pod's container */
	int32_t restart_count;
	struct error error; /* STATUS_OK when the cluster answered */
};

/* The value that a field has by this observation; false when it does not tell. */
bool observation_value(const struct observation *observation, enum change_field field,
	int64_t *value);

struct actuator_vtable {
	/* Starts to look at a target; the answer comes through `observed`. STATUS_BUSY when full. */
	enum status (*observe)(void *self, uint64_t ticket, const struct target *target,
		const struct purpose *purpose);
	/* Starts a command; the answer comes through `finished`. STATUS_BUSY when full. */
	enum status (*send)(void *self, const struct command *command);
	void (*close)(void *self);
};

struct actuator {
	const struct actuator_vtable *vtable;
	void *self;
};

/* How answers come back; called from the actuator's threads. */
struct actuator_sink {
	void *argument;
	void (*observed)(void *argument, uint64_t ticket, const struct observation *observation);
	void (*finished)(void *argument, const struct command_result *result);
};

/* Simulates success of every command; `reader` (may be {0}) answers observe through the sink that it
 * was opened with, and where there is none observations come back with STATUS_UNAVAILABLE, "no
 * cluster configured". Takes the reader over and closes it with itself.
 * Answers of its own come on the caller's thread, before send or observe returns.
 * STATUS_NO_MEMORY: the reader stays the caller's. */
enum status actuator_dry_open(struct actuator *actuator, struct actuator reader,
	const struct actuator_sink *sink, struct error *error) MUST_CHECK;

#endif
