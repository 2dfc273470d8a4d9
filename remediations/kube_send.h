/*
 * Carrying out a command on the cluster, by what the action's class says of its calls
 * (actions/action_class.h).
 *
 * Threads: those of the session.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_KUBE_SEND_H
#define NIMBUSGUARD_REMEDIATIONS_KUBE_SEND_H

#include <jansson.h>

#include "base/clock.h"
#include "remediations/actuator.h"
#include "remediations/kube_client.h"

#define MERGE_PATCH "application/merge-patch+json"
#define STRATEGIC_PATCH "application/strategic-merge-patch+json"
#define JSON_PATCH "application/json-patch+json"
#define SENDING_BODY_MAX (1u << 20)
#define SENDING_PROGRESS_MAX 128
#define SENDING_BEGUN "begun" /* its progress before it tells any */

struct kube_action;

/* A command under way: what the functions of struct kube_action are given. */
struct sending {
	struct kube_session *session;
	const struct clock *clock; /* of command->deadline_ms */
	const struct command *command;
	const struct kube_action *action;
	struct object_ref object; /* what is written; resource_version of the next attempt */
	const char *content_type; /* the action's, unless prepare() sets another */
	const char *subresource;
	char container[OBJECT_NAME_MAX];
	char now[32];     /* RFC 3339, the same in each attempt */
	json_t *prepared; /* what prepare() read; released with the sending */
	bool already;     /* the cluster is as wanted, by nothing that we sent */
	void *state;      /* of go_on */
	bool waits;       /* go_on or await were begun */
	char progress[SENDING_PROGRESS_MAX];
	bool ending; /* what it makes undone has a while more than the command's deadline */
	bool begun;  /* the action's own between calls */
	bool sent;   /* the server may have seen a change and has not refused it */
};

/* command and clock are borrowed, and so is the session, which may be another one for each kube_send_go_on(). */
void kube_send_begin(struct sending *sending, struct kube_session *session,
	const struct clock *clock, const struct command *command);
/* True: *result is filled and the sending is over. False: to be called again after *again_ms. */
bool kube_send_go_on(struct sending *sending, int64_t *again_ms, struct command_result *result);

/* In place of the next go_on, when the service ends or is paused: what was begun stays as it is, to be
 * gone on with later. */
void kube_send_stop(struct sending *sending, const char *why, struct command_result *result);

/* All of it at once, waiting where it has to; for one who has nothing else to do. */
void kube_send(struct kube_session *session, const struct clock *clock,
	const struct command *command, struct command_result *result);

/* ---- for the classes of actions ---- */

/* A call with the command's deadline. *sent (may be NULL): the server may have seen it and has not
 * refused it; a change (all but a read) also sets sending->sent. Errors as kube_session_call();
 * *object (may be NULL) is the caller's. */
enum status sending_call(struct sending *sending, enum kube_method method, const char *path,
	const char *content_type, const char *body, json_t **object, struct error *error);
/* Reads the object that is written; *object is the caller's, NULL when it failed. */
enum status sending_read(struct sending *sending, json_t **object, struct error *error);
/* Whether what the guard judged is still so, as far as the object itself tells. */
bool sending_is_judged(const struct sending *sending, const json_t *object);
#define EVICTION_AGAIN_MS 5000
/* Asks for the eviction of a pod of this uid. STATUS_BUSY with *budget: its disruption budget allows
 * none now; STATUS_NOT_FOUND: it is gone; STATUS_CONFLICT: another one has its name. */
enum status sending_evict(struct sending *sending, const char *namespace_name, const char *pod,
	const char *uid, bool *budget, struct error *error);
/* "preconditions":{"uid":..}, and dryRun where it is asked for. */
void sending_add_delete_options(struct buf *body, const struct sending *sending, const char *uid);
/* Appends "?fieldManager=nimbusguard", and dryRun where it is asked for. */
void sending_add_query(struct buf *path, const struct sending *sending);
/* The same with further annotations: "" or `,"name":value` and so on. */
void sending_add_marked(struct buf *body, const struct sending *sending, const char *annotations);
/* "metadata":{...} with resourceVersion and uid as precondition, and for ACTION_BY_KEY the action's
 * key and reason as annotations. */
void sending_add_metadata(struct buf *body, const struct sending *sending);

#endif
