/*
 * What the simulated API serves, and the paths under which it does: the table of resources, paths to
 * places in it, and the selectors of lists.
 *
 * Threads: any; nothing here has a state.
 */
#ifndef NIMBUSGUARD_DEMO_KUBE_PATH_H
#define NIMBUSGUARD_DEMO_KUBE_PATH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define KUBE_KEY_MAX 512

/* What clients may do beside reading. */
enum kube_verb { VERB_CREATE = 1, VERB_PATCH = 2, VERB_DELETE = 4, VERB_REPLACE = 8 };

struct kube_resource {
	const char *root; /* "/api/v1", "/apis/apps/v1" */
	const char *name; /* "deployments" */
	const char *kind;
	bool namespaced;
	unsigned verbs;
	const char *parts[2]; /* subresources; NULL: none */
};

/* apiVersion: "apps/v1". */
const char *kube_resource_version_of(const struct kube_resource *resource);
/* NULL at the end. */
const struct kube_resource *kube_resource_at(size_t index);
const struct kube_resource *kube_resource_named(const char *name);

struct kube_place {
	const struct kube_resource *resource;
	char space[64];         /* "": of no or of all namespaces */
	char name[254];         /* "": all of them */
	char part[24];          /* "": the object itself */
	char key[KUBE_KEY_MAX]; /* of the object: its path */
};

/* False: nothing is served there. */
bool kube_place_find(struct kube_place *place, const char *path);
/* The path of an object; space "" for one that lives in none. False: it is too long. */
bool kube_key_write(char key[KUBE_KEY_MAX], const struct kube_resource *resource, const char *space,
	const char *name);

/* Which objects of a list are meant. Texts are borrowed, NULL: all. */
struct kube_selection {
	const char *labels; /* a=b,c!=d,e */
	const char *fields; /* metadata.name=.., spec.nodeName=.. */
};

bool kube_selected(const struct kube_selection *selection, const json_t *object);
/* Whether an object's labels are those of matchLabels; an absent selector selects nothing. */
bool kube_matches(const json_t *match_labels, const json_t *object);

#endif
