/*
 * How a ticket service is talked to: one try to tell it one thing, and what is to be done then. A try
 * may be repeated after any failure: the key of the incident, or the id of the event, keeps a repeat
 * from making a second ticket.
 *
 * Implementations: ticket_webhook.c, ticket_pagerduty.c, ticket_jira.c; what they share: ticket_service.c.
 * Threads: one thread's own.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_TICKET_SERVICE_H
#define NIMBUSGUARD_REMEDIATIONS_TICKET_SERVICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "remediations/ticket.h"
#include "remediations/ticket_http.h"

#define TICKET_EXTERNAL_MAX 128

enum ticket_verdict {
	TICKET_TOLD,   /* the service has it */
	TICKET_LATER,  /* to be tried again */
	TICKET_REFUSED /* for good */
};

/* What is told, and what is known of the ticket. */
struct ticket_task {
	const struct ticket_event *event;
	const char *id;       /* of this event, the same at each try */
	const char *external; /* the ticket's own key at the service; "" when it is not known */
	bool again;           /* it may have been told before, without an answer */
	int64_t now_ms;
};

struct ticket_result {
	enum ticket_verdict verdict;
	bool pause;      /* the service as a whole wants a rest: it is busy, or cannot be reached */
	bool gone;       /* it wants no more at all */
	int code;        /* of HTTP; 0: no answer */
	int64_t wait_ms; /* at least so long before the next try; 0: as usual */
	char external[TICKET_EXTERNAL_MAX]; /* "" when not known */
	char url[TICKET_LINK_MAX];          /* of the ticket for people; "" when not known */
	struct error error;                 /* without secrets; of the last two verdicts */
};

struct ticket_session {
	const struct ticket_service *service;
	struct ticket_http *http;
	char *secret; /* of the try under way; NULL between them */
	char url[TICKET_LINK_MAX + 256], authorization[4096];
};

/* service is borrowed. STATUS_NO_MEMORY. */
enum status ticket_session_open(struct ticket_session *session,
	const struct ticket_service *service, const atomic_bool *stop) MUST_CHECK;
void ticket_session_close(struct ticket_session *session);

/* One try, with the credentials that the file has now. */
void ticket_session_tell(struct ticket_session *session, const struct ticket_task *task,
	struct ticket_result *result);

/* ---- for the implementations ---- */

typedef void ticket_tell_fn(struct ticket_session *session, const struct ticket_task *task,
	struct ticket_result *result);
ticket_tell_fn ticket_webhook_tell, ticket_pagerduty_tell, ticket_jira_tell;

/* session->url: the service's URL without slashes at its end, and path. */
void ticket_session_url(struct ticket_session *session, const char *path);
/* A call to session->url whose answer is judged as in ticket_judge(): false when the try is over. A body
 * that could not be built (or NULL for a GET) ends it too. */
bool ticket_session_call(struct ticket_session *session, struct ticket_call *call,
	const struct buf *body, struct ticket_answer *answer, struct ticket_result *result);
/* 2xx is told; 429, 5xx and no answer come again later; all else is refused. The words of a refusal
 * are the answer's, with the secret masked. True for 2xx. */
bool ticket_judge(const struct ticket_session *session, const struct ticket_answer *answer,
	struct ticket_result *result);
/* Not tried at all: to be mended by people, so it is tried again. */
void ticket_not_ready(struct ticket_result *result, const char *format, ...) PRINTF_LIKE(2, 3);

#define TICKET_SECRETS_MAX 4
#define TICKET_SIGNATURES_MAX (TICKET_SECRETS_MAX * 64)

/*
 * The signature of standard-webhooks: "v1,<base64>" of HMAC-SHA256 over "<id>.<time_s>.<body>", one for
 * each of the secrets ("whsec_<base64 of 24 to 64 bytes>", separated by white space), with blanks
 * between them. STATUS_BAD_INPUT for secrets of another form, STATUS_NO_MEMORY.
 */
enum status ticket_webhook_sign(const char *secrets, const char *id, int64_t time_s,
	const char *body, size_t size, char signatures[TICKET_SIGNATURES_MAX],
	struct error *error) MUST_CHECK;

#endif
