/*
 * Target resolution by type.
 *
 * The labels of an alert come from two hands: the exporter that tells of an object, and the service
 * discovery that attaches where that exporter runs. Both use namespace, pod, container and node.
 * With honor_labels=false the discovery's win and the object's are renamed to exported_*: then the
 * plain ones are the exporter's and would make us restart kube-state-metrics. With honor_labels=true
 * the plain ones are the object's, except where the object has none (a Deployment's series still
 * carries the exporter's pod): that case is told by job or service having the pod's name.
 */
#include "remediations/resolver.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/custom_kind.h"

struct resolving {
	const struct target_spec *spec;
	const struct labels *labels;
	const struct signal_source *signals;
	struct target *target;
	struct refusal *refusal;
	bool exported;                           /* the plain discovery labels are the exporter's */
	const struct resolve_listener *listener; /* NULL: nobody listens */
};

const char *resolve_step_name(enum resolve_step step)
{
	static const char *const names[] = {
#define X(id, name) name,
		RESOLVE_STEP_TABLE(X)
#undef X
	};

	return names[step];
}

PRINTF_LIKE(3, 4)
static void tell(const struct resolving *at, enum resolve_step step, const char *format, ...)
{
	va_list arguments;
	char text[SENTENCE_MAX];

	if (!at->listener)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	at->listener->step(at->listener->argument, step, text);
}

void refusal_set(struct refusal *refusal, const char *reason, const char *format, ...)
{
	va_list arguments;
	struct error error;
	char words[ERROR_TEXT_MAX];

	va_start(arguments, format);
	vsnprintf(words, sizeof(words), format, arguments);
	va_end(arguments);
	/* struct error cuts on a character; the same is wanted here, at a shorter length. */
	error_set(&error, STATUS_BAD_INPUT, "%.*s", SENTENCE_MAX - 4, words);
	snprintf(refusal->sentence, sizeof(refusal->sentence), "%.*s", SENTENCE_MAX - 1,
		error.text);
	snprintf(refusal->reason, sizeof(refusal->reason), "%s", reason);
}

bool object_name_valid(const char *name)
{
	size_t size = strlen(name);

	if (!size || size >= OBJECT_NAME_MAX ||
		strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") != size)
		return false;
	return *name != '-' && *name != '.' && name[size - 1] != '-' && name[size - 1] != '.';
}

/* A label that service discovery attaches as well: see the top of this file. */
static const char *discovery_label(const struct resolving *at, const char *name)
{
	char exported[32];
	const char *value;

	snprintf(exported, sizeof(exported), "exported_%s", name);
	value = labels_get(at->labels, exported);
	if (value)
		tell(at, RESOLVE_RULE, "%s=%s is read, and not %s", exported, value, name);
	else if (at->exported && labels_get(at->labels, name))
		tell(at, RESOLVE_IGNORED, "%s=%s is the exporter's own: there is no %s", name,
			labels_get(at->labels, name), exported);
	return value || at->exported ? value : labels_get(at->labels, name);
}

/* A label that only exporters of the cluster's objects use. */
static const char *object_label(const struct resolving *at, const char *name)
{
	char exported[KIND_MAX + 16];
	const char *value;

	snprintf(exported, sizeof(exported), "exported_%s", name);
	value = labels_get(at->labels, exported);
	return value ? value : labels_get(at->labels, name);
}

static bool refuse(const struct resolving *at, const char *reason, const char *text)
{
	refusal_set(at->refusal, reason, "%s", text);
	return false;
}

static bool take(const struct resolving *at, const char *what, const char *value, char *to,
	size_t size)
{
	if (strlen(value) >= size || !object_name_valid(value)) {
		refusal_set(at->refusal, "target_invalid",
			"The %s \"%.80s\" in the labels is no name that Kubernetes allows.", what,
			value);
		return false;
	}
	memcpy(to, value, strlen(value) + 1);
	return true;
}

/* A cluster's name is not Kubernetes' to define, but it must fit and be printable. */
static bool take_cluster(const struct resolving *at)
{
	const char *name = at->spec->cluster_label ? at->spec->cluster_label : "cluster";
	const char *value = labels_get(at->labels, name);

	if (!value)
		return true;
	tell(at, RESOLVE_RULE, "%s=%s names the cluster", name, value);
	if (strlen(value) >= sizeof(at->target->cluster) || !utf8_valid(value, strlen(value)))
		return refuse(at, "target_invalid",
			"The name of the cluster in the labels is too long.");
	memcpy(at->target->cluster, value, strlen(value) + 1);
	return true;
}

static bool take_namespace(const struct resolving *at)
{
	const char *value = at->spec->namespace_label
		? labels_get(at->labels, at->spec->namespace_label)
		: discovery_label(at, "namespace");

	if (!value) {
		if (at->exported && labels_get(at->labels, "namespace"))
			return refuse(at, "target_exporter",
				"The label namespace is the exporter's own and there is no "
				"exported_namespace; no namespace is ever assumed.");
		return refuse(at, "target_missing",
			"The labels name no namespace, and no namespace is ever assumed.");
	}
	tell(at, RESOLVE_RULE, "the namespace is %s", value);
	return take(at, "namespace", value, at->target->namespace_name,
		sizeof(at->target->namespace_name));
}

static bool take_container(const struct resolving *at)
{
	const char *value = at->spec->container_label
		? labels_get(at->labels, at->spec->container_label)
		: discovery_label(at, "container");

	if (value)
		tell(at, RESOLVE_RULE, "the container is %s", value);
	return !value ||
		take(at, "container", value, at->target->container, sizeof(at->target->container));
}

/* Whether the pod is the exporter's: its job or service is what the pod's name begins with, and the
 * labels speak of an object of another kind. */
static bool pod_is_exporter(const struct resolving *at, const char *pod)
{
	static const char *const own[] = {"job", "service"};
	static const char *const others[] = {"deployment", "statefulset", "daemonset", "replicaset",
		"node", "job_name", "cronjob", "horizontalpodautoscaler", "persistentvolumeclaim"};
	bool prefix = false;

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		const char *value = labels_get(at->labels, own[i]);
		size_t size = value ? strlen(value) : 0;

		prefix = prefix ||
			(size && !strncmp(pod, value, size) && (pod[size] == '-' || !pod[size]));
	}
	if (!prefix)
		return false;
	prefix = strstr(pod, "kube-state-metrics") != NULL;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		prefix = prefix || labels_get(at->labels, others[i]);
	if (prefix)
		tell(at, RESOLVE_IGNORED,
			"pod=%s is the exporter's own: job or service is what its name begins with",
			pod);
	return prefix;
}

static bool key_set(const struct resolving *at, enum target_kind kind, const char *name,
	struct workload_key *key)
{
	*key = (struct workload_key){.kind = kind};
	memcpy(key->cluster, at->target->cluster, sizeof(key->cluster));
	memcpy(key->namespace_name, at->target->namespace_name, sizeof(key->namespace_name));
	return take(at, "workload", name, key->name, sizeof(key->name));
}

static bool is_workload(enum target_kind kind)
{
	return kind == TARGET_DEPLOYMENT || kind == TARGET_STATEFULSET || kind == TARGET_DAEMONSET;
}

/* A workload that only a playbook for its very kind is about: a ReplicaSet, a custom resource. */
static bool is_wanted_alone(enum target_kind wanted)
{
	return wanted == TARGET_REPLICASET || custom_kind_get(wanted) != NULL;
}

static bool is_named(enum target_kind kind, enum target_kind wanted)
{
	return is_workload(kind) || (kind == wanted && is_wanted_alone(kind));
}

/* Takes a name for the workload; false when it differs from one already taken. */
static bool agree(const struct resolving *at, struct workload_key *found, enum target_kind kind,
	const char *name)
{
	struct workload_key key;

	if (!key_set(at, kind, name, &key))
		return false;
	tell(at, RESOLVE_CANDIDATE, "%s %s/%s by its labels", target_kind_name(kind),
		key.namespace_name, key.name);
	if (found->kind != TARGET_NONE && !workload_key_equal(found, &key)) {
		refusal_set(at->refusal, "target_ambiguous",
			"The labels name two workloads: %s %.80s and %s %.80s.",
			target_kind_name(found->kind), found->name, target_kind_name(kind),
			key.name);
		return false;
	}
	*found = key;
	return true;
}

/* The workload that labels name, if they do (kind TARGET_NONE: they do not). wanted narrows the kind,
 * TARGET_NONE for any. False: refused. */
static bool workload_from_labels(const struct resolving *at, enum target_kind wanted,
	struct workload_key *found)
{
	static const enum target_kind kinds[] = {TARGET_DEPLOYMENT, TARGET_STATEFULSET,
		TARGET_DAEMONSET};
	const char *kind_text = object_label(at, "workload_kind");
	const char *name = object_label(at, "workload");
	enum target_kind kind;

	*found = (struct workload_key){.kind = TARGET_NONE};
	if (at->spec->name_label && wanted != TARGET_POD) {
		kind_text = at->spec->kind_label ? labels_get(at->labels, at->spec->kind_label)
						 : kind_text;
		name = labels_get(at->labels, at->spec->name_label);
		if (!name)
			return true;
		kind = wanted != TARGET_NONE ? wanted
					     : target_kind_parse(kind_text ? kind_text : "");
		return is_named(kind, wanted) ? agree(at, found, kind, name) : true;
	}
	kind = kind_text ? target_kind_parse(kind_text) : TARGET_NONE;
	if (name && is_named(kind, wanted) && !agree(at, found, kind, name))
		return false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		name = object_label(at, target_kind_label(kinds[i]));
		if (name && !agree(at, found, kinds[i], name))
			return false;
	}
	name = is_wanted_alone(wanted) ? object_label(at, target_kind_label(wanted)) : NULL;
	return !name || agree(at, found, wanted, name);
}

/* The pod's owner by the stream's own series. */
static bool workload_from_pod(const struct resolving *at, const char *pod, enum target_kind wanted,
	struct workload_key *key)
{
	const struct signal_source *signals = at->signals;

	if (!signals || !signals->owner_of_pod ||
		!signals->owner_of_pod(signals->self, at->target->cluster,
			at->target->namespace_name, pod, key) ||
		!is_named(key->kind, wanted)) {
		tell(at, RESOLVE_RULE, "the owner of pod %s is not known", pod);
		return false;
	}
	tell(at, RESOLVE_CANDIDATE, "%s %s/%s, for pod %s belongs to it",
		target_kind_name(key->kind), key->namespace_name, key->name, pod);
	return true;
}

static const char *pod_label(const struct resolving *at)
{
	return at->spec->name_label && at->spec->kind == TARGET_POD
		? labels_get(at->labels, at->spec->name_label)
		: discovery_label(at, "pod");
}

static bool resolve_pod(const struct resolving *at)
{
	const char *pod = pod_label(at);
	struct workload_key named, owner;

	if (!pod)
		return at->exported && labels_get(at->labels, "pod")
			? refuse(at, "target_exporter",
				  "The label pod is the exporter's own and there is no exported_pod.")
			: refuse(at, "target_missing", "The labels name no pod.");
	if (!at->exported && !at->spec->name_label && pod_is_exporter(at, pod))
		return refuse(at, "target_exporter",
			"The label pod names the exporter that was scraped, not what it tells of.");
	if (!take(at, "pod", pod, at->target->name, sizeof(at->target->name)) ||
		!take_container(at) || !workload_from_labels(at, TARGET_POD, &named))
		return false;
	if (!workload_from_pod(at, pod, TARGET_NONE, &owner))
		owner = (struct workload_key){.kind = TARGET_NONE};
	if (owner.kind != TARGET_NONE && named.kind != TARGET_NONE &&
		!workload_key_equal(&owner, &named)) {
		refusal_set(at->refusal, "target_ambiguous",
			"The labels name %s %.80s, but the pod belongs to %s %.80s.",
			target_kind_name(named.kind), named.name, target_kind_name(owner.kind),
			owner.name);
		return false;
	}
	tell(at, RESOLVE_CANDIDATE, "Pod %s/%s", at->target->namespace_name, at->target->name);
	at->target->kind = TARGET_POD;
	at->target->workload = named.kind != TARGET_NONE ? named : owner;
	return true;
}

static bool resolve_workload(const struct resolving *at, enum target_kind wanted)
{
	struct workload_key key;
	const char *pod = pod_label(at);

	if (!workload_from_labels(at, wanted, &key))
		return false;
	if (key.kind == TARGET_NONE && pod && !at->spec->name_label && !pod_is_exporter(at, pod) &&
		!workload_from_pod(at, pod, wanted, &key))
		key.kind = TARGET_NONE;
	if (key.kind == TARGET_NONE)
		return refuse(at, "target_missing",
			"The labels name no workload, and no pod whose owner is known.");
	if (wanted != TARGET_NONE && key.kind != wanted) {
		refusal_set(at->refusal, "target_missing", "The labels name a %s, wanted is a %s.",
			target_kind_name(key.kind), target_kind_name(wanted));
		return false;
	}
	if (!take_container(at))
		return false;
	at->target->kind = key.kind;
	memcpy(at->target->name, key.name, sizeof(at->target->name));
	at->target->workload = key;
	return true;
}

static bool resolve_node(const struct resolving *at)
{
	const char *node = at->spec->name_label ? labels_get(at->labels, at->spec->name_label)
						: discovery_label(at, "node");

	if (node)
		tell(at, RESOLVE_CANDIDATE, "Node %s", node);
	else
		return refuse(at, "target_missing",
			"The labels name no node; instance is where the exporter listens.");
	at->target->kind = TARGET_NODE;
	return take(at, "node", node, at->target->name, sizeof(at->target->name));
}

/* For a ticket the workload is good to know, but nothing hangs on it. */
static void resolve_if_named(struct resolving at)
{
	struct refusal ignored = {.reason = ""};
	const struct target nobody = {.kind = TARGET_NONE};

	at.refusal = &ignored;
	if (!take_namespace(&at) || (!resolve_workload(&at, TARGET_NONE) && !resolve_pod(&at)))
		*at.target = nobody;
}

/* What never names anything, and which hand the plain labels come from. */
static void tell_rules(const struct resolving *at)
{
	static const char *const nothing[] = {"instance", "job", "service"};

	if (!at->listener)
		return;
	if (at->exported)
		tell(at, RESOLVE_RULE,
			"an exported_ label is there: namespace, pod, container and node are the "
			"exporter's own, and only their exported_ forms name a target");
	else
		tell(at, RESOLVE_RULE,
			"no exported_ label is there: namespace, pod, container and node are those "
			"of what is told of");
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++)
		if (labels_get(at->labels, nothing[i]))
			tell(at, RESOLVE_IGNORED, "%s=%s never names a target", nothing[i],
				labels_get(at->labels, nothing[i]));
}

bool target_resolve(const struct target_spec *spec, const struct labels *labels,
	const struct signal_source *signals, struct target *target, struct refusal *refusal)
{
	return target_explain(spec, labels, signals, NULL, target, refusal);
}

bool target_explain(const struct target_spec *spec, const struct labels *labels,
	const struct signal_source *signals, const struct resolve_listener *listener,
	struct target *target, struct refusal *refusal)
{
	struct resolving at = {spec, labels, signals, target, refusal, false, listener};
	enum target_kind wanted = spec->any_workload ? TARGET_NONE : spec->kind;

	memset(target, 0, sizeof(*target));
	*refusal = (struct refusal){.reason = ""};
	at.exported = labels_get(labels, "exported_namespace") ||
		labels_get(labels, "exported_pod") || labels_get(labels, "exported_container") ||
		labels_get(labels, "exported_node");
	tell_rules(&at);
	if (spec->none) {
		resolve_if_named(at);
		return true;
	}
	if (!take_cluster(&at))
		return false;
	if (wanted == TARGET_NODE)
		return resolve_node(&at);
	if (!take_namespace(&at))
		return false;
	return wanted == TARGET_POD ? resolve_pod(&at) : resolve_workload(&at, wanted);
}
