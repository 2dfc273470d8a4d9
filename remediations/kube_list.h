/*
 * Lists of the API server, page by page: the one place that follows their continue tokens.
 * Source: Kubernetes API concepts, "Retrieving large results sets in chunks".
 * Limits: KUBE_LIST_PAGES_MAX pages; a list that is longer is an error, for what was not seen might matter.
 * Threads: those of the session.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_KUBE_LIST_H
#define NIMBUSGUARD_REMEDIATIONS_KUBE_LIST_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "remediations/kube_client.h"

#define KUBE_LIST_PAGES_MAX 100

/* What is done with each page; list is borrowed, its items are an array. An error ends the walk as it is
 * told; *enough, set: no more pages. */
typedef enum status kube_page_fn(void *argument, const json_t *list, bool *enough,
	struct error *error);

/* path: with its query, "?limit=" at least. what: "nodes", for errors. STATUS_IO for what is no list,
 * STATUS_LIMIT for too many pages or a token too long, else as kube_read(); pages seen before an error
 * were given to page already. */
enum status kube_list_read(struct kube_session *session, const char *path, const char *what,
	kube_page_fn *page, void *argument, struct error *error) MUST_CHECK;

#endif
