/*
 * Objects stand in one JSON object by the path under which an API server serves them, so that a GET
 * is one look-up and a list is those whose path begins with the list's.
 *
 * Trees are walked with a stack of bounded depth: manifests are no deeper than base/yaml.h lets them
 * be, patches no deeper than PATCH_DEPTH.
 */
#include "daemon/case_cluster.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/custom_kind.h"
#include "base/parse.h"
#include "remediations/kube_object.h"

#define YAML_DEPTH 40
#define PATCH_DEPTH 64
#define PATH_SIZE 1024

struct kind_row {
	const char *kind, *group_version, *resource;
	bool namespaced;
};

static const struct kind_row kinds[] = {
	{"Deployment", "apps/v1", "deployments", true},
	{"StatefulSet", "apps/v1", "statefulsets", true},
	{"DaemonSet", "apps/v1", "daemonsets", true},
	{"ReplicaSet", "apps/v1", "replicasets", true},
	{"ControllerRevision", "apps/v1", "controllerrevisions", true},
	{"Pod", "v1", "pods", true},
	{"Node", "v1", "nodes", false},
	{"Namespace", "v1", "namespaces", false},
	{"Job", "batch/v1", "jobs", true},
	{"CronJob", "batch/v1", "cronjobs", true},
	{"HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers", true},
	{"PersistentVolumeClaim", "v1", "persistentvolumeclaims", true},
	{"ScaledObject", "keda.sh/v1alpha1", "scaledobjects", true},
	{"PodDisruptionBudget", "policy/v1", "poddisruptionbudgets", true},
	{"VerticalPodAutoscaler", "autoscaling.k8s.io/v1", "verticalpodautoscalers", true},
};

/* A row lives for ever, and tests run on one thread. */
static const struct kind_row *find_custom(const char *name)
{
	static struct kind_row rows[TARGET_CUSTOM_MAX];
	enum target_kind kind = target_kind_parse(name);
	const struct custom_kind *custom = custom_kind_get(kind);
	struct kind_row *row;

	if (custom == NULL)
		return NULL;
	row = &rows[(unsigned)kind - TARGET_KIND_COUNT];
	*row = (struct kind_row){custom->name, custom->api_version, custom->resource, true};
	return row;
}

static const struct kind_row *find_kind(const char *kind)
{
	for (size_t i = 0; kind != NULL && i < ARRAY_COUNT(kinds); i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			return &kinds[i];
	return kind != NULL ? find_custom(kind) : NULL;
}

/* A custom resource is known by its apiVersion and kind, whether a playbook named it or not. */
static const struct kind_row *define_kind(const char *kind, const char *version)
{
	char words[API_VERSION_MAX + KIND_MAX];
	enum target_kind defined;
	struct error error;

	snprintf(words, sizeof(words), "%s %s", version, kind);
	return custom_kind_define(words, NULL, &defined, &error) == STATUS_OK ? find_kind(kind)
									      : NULL;
}

/* The path of an object, or with name "" of its list. */
static void write_path(const struct kind_row *row, const char *namespace_name, const char *name,
	char path[PATH_SIZE])
{
	const char *root = strchr(row->group_version, '/') != NULL ? "apis" : "api";
	const char *slash = name[0] != '\0' ? "/" : "";

	if (row->namespaced)
		snprintf(path, PATH_SIZE, "/%s/%s/namespaces/%s/%s%s%s", root, row->group_version,
			namespace_name, row->resource, slash, name);
	else
		snprintf(path, PATH_SIZE, "/%s/%s/%s%s%s", root, row->group_version, row->resource,
			slash, name);
}

enum status case_cluster_init(struct case_cluster *cluster)
{
	*cluster = (struct case_cluster){.objects = json_object(), .version = 1000};
	return cluster->objects != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

void case_cluster_fini(struct case_cluster *cluster)
{
	json_decref(cluster->objects);
	cluster->objects = NULL;
}

/* ---- manifests ---- */

/* A scalar as YAML's core schema reads it. */
static json_t *scalar(const struct yaml_node *node)
{
	int64_t integer;
	double number;
	bool truth;

	if (node->kind == YAML_NULL)
		return json_null();
	if (!node->quoted && parse_bool(node->text, &truth) == STATUS_OK)
		return json_boolean(truth);
	if (!node->quoted && parse_int(node->text, &integer) == STATUS_OK)
		return json_integer(integer);
	if (!node->quoted && strpbrk(node->text, "0123456789") != NULL &&
		parse_double(node->text, &number) == STATUS_OK)
		return json_real(number);
	return json_stringn(node->text, node->text_size);
}

static json_t *empty_of(const struct yaml_node *node)
{
	if (node->kind == YAML_MAP)
		return json_object();
	return node->kind == YAML_LIST ? json_array() : scalar(node);
}

/* NULL: memory is out. */
static json_t *tree_of(const struct yaml_node *root)
{
	struct {
		const struct yaml_node *node;
		json_t *value;
		size_t next;
	} stack[YAML_DEPTH];
	size_t depth = 1;
	json_t *tree = empty_of(root);

	stack[0].node = root;
	stack[0].value = tree;
	stack[0].next = 0;
	while (tree != NULL && depth > 0) {
		const struct yaml_node *child;
		json_t *value;
		int failed;

		if (stack[depth - 1].next == stack[depth - 1].node->child_count) {
			depth--;
			continue;
		}
		child = stack[depth - 1].node->children[stack[depth - 1].next++];
		value = empty_of(child);
		failed = stack[depth - 1].node->kind == YAML_MAP
			? json_object_set_new(stack[depth - 1].value, child->key, value)
			: json_array_append_new(stack[depth - 1].value, value);
		if (failed != 0) {
			json_decref(tree);
			return NULL;
		}
		if (child->child_count > 0) {
			CHECK(depth < YAML_DEPTH);
			stack[depth].node = child;
			stack[depth].value = value;
			stack[depth++].next = 0;
		}
	}
	return tree;
}

/* Values of annotations and labels are strings: an API server refuses others, and what is refused
 * there must not pass here. */
static bool check_strings(const struct yaml_reader *reader, const struct yaml_node *map,
	const char *what)
{
	bool good = true;

	for (size_t i = 0; map != NULL && i < map->child_count; i++) {
		const struct yaml_node *value = map->children[i];
		json_t *read = value->kind == YAML_SCALAR ? scalar(value) : NULL;

		if (!json_is_string(read)) {
			yaml_report(reader, value,
				"the value of %s \"%s\" must be a string: put it in quotes", what,
				value->key);
			good = false;
		}
		json_decref(read);
	}
	return good;
}

static bool check_name(const struct yaml_reader *reader, const struct yaml_node *metadata,
	const char *key)
{
	const char *name;

	if (!yaml_read_text(reader, metadata, key, true, &name))
		return false;
	if (kube_name_valid(name))
		return true;
	yaml_report(reader, yaml_get(metadata, key), "\"%s\" is no %s that Kubernetes allows", name,
		key);
	return false;
}

static const struct kind_row *check_kind(const struct yaml_reader *reader,
	const struct yaml_node *node)
{
	const char *known[ARRAY_COUNT(kinds) + 1] = {NULL}, *kind, *version = NULL, *near;
	const struct kind_row *row;

	if (!yaml_read_text(reader, node, "kind", true, &kind))
		return NULL;
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
		known[i] = kinds[i].kind;
	(void)yaml_read_text(reader, node, "apiVersion", false, &version);
	row = find_kind(kind);
	if (row == NULL && version != NULL)
		row = define_kind(kind, version);
	if (row == NULL) {
		near = nearest_word(kind, known);
		yaml_report(reader, yaml_get(node, "kind"),
			"kind \"%s\" is not known to tests of playbooks%s%s%s", kind,
			near != NULL ? ", did you mean " : "", near != NULL ? near : "",
			near != NULL ? "?" : "");
		return NULL;
	}
	if (version != NULL && strcmp(version, row->group_version) != 0) {
		yaml_report(reader, yaml_get(node, "apiVersion"), "a %s has apiVersion %s", kind,
			row->group_version);
		return NULL;
	}
	return row;
}

json_t *case_manifest_read(const struct yaml_reader *reader, const struct yaml_node *node)
{
	static const char *const keys[] = {"apiVersion", "kind", "metadata", "spec", "status",
		"data", "revision", NULL};
	const struct yaml_node *metadata = yaml_get(node, "metadata");
	const struct kind_row *row;
	json_t *tree;
	bool good;

	if (node->kind != YAML_MAP) {
		yaml_report(reader, node,
			"an object of Kubernetes is a map with kind and metadata");
		return NULL;
	}
	good = yaml_check_keys(reader, node, keys);
	row = check_kind(reader, node);
	if (metadata == NULL || metadata->kind != YAML_MAP) {
		yaml_report(reader, node, "it has no metadata");
		return NULL;
	}
	good = check_name(reader, metadata, "name") && row != NULL && good;
	if (row != NULL && row->namespaced)
		good = check_name(reader, metadata, "namespace") && good;
	good = check_strings(reader, yaml_get(metadata, "annotations"), "annotation") && good;
	good = check_strings(reader, yaml_get(metadata, "labels"), "label") && good;
	if (!good)
		return NULL;
	tree = tree_of(node);
	if (tree == NULL)
		yaml_report(reader, node, "out of memory");
	return tree;
}

/* ---- patches ---- */

struct merging {
	json_t *target;
	const json_t *patch;
};

struct merge {
	struct merging stack[PATCH_DEPTH];
	size_t depth;
	bool directives; /* "$patch" is one and no member */
	bool failed;
};

static void merge_push(struct merge *merge, json_t *target, const json_t *patch)
{
	if (merge->depth == PATCH_DEPTH)
		merge->failed = true;
	else
		merge->stack[merge->depth++] = (struct merging){target, patch};
}

static json_t *by_name(const json_t *list, const char *name)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *own = json_string_value(json_object_get(item, "name"));

		if (own != NULL && strcmp(own, name) == 0)
			return item;
	}
	return NULL;
}

/* The strategic merge of the one list that is patched by name. */
static void merge_containers(struct merge *merge, json_t *target, const json_t *patch)
{
	const json_t *item;
	size_t i;

	json_array_foreach(patch, i, item)
	{
		const char *name = json_string_value(json_object_get(item, "name"));
		json_t *own = name != NULL ? by_name(target, name) : NULL;

		if (own != NULL)
			merge_push(merge, own, item);
		else if (json_array_append_new(target, json_deep_copy(item)) != 0)
			merge->failed = true;
	}
}

/* A map of a strategic merge patch that takes the place of the old one. */
static bool is_replacement(const json_t *map)
{
	const char *directive = json_string_value(json_object_get(map, "$patch"));

	return directive != NULL && strcmp(directive, "replace") == 0;
}

static void merge_member(struct merge *merge, json_t *target, const char *key, const json_t *value)
{
	json_t *own = json_object_get(target, key);

	if (merge->directives && strcmp(key, "$patch") == 0)
		return;
	if (json_is_null(value)) {
		json_object_del(target, key);
	} else if (json_is_object(value)) {
		if (merge->directives && is_replacement(value)) {
			own = json_object();
			merge->failed |= json_object_set_new(target, key, own) != 0;
		}
		if (!json_is_object(own)) {
			own = json_object();
			merge->failed |= json_object_set_new(target, key, own) != 0;
		}
		if (!merge->failed)
			merge_push(merge, own, value);
	} else if (json_is_array(value) && json_is_array(own) && strcmp(key, "containers") == 0) {
		merge_containers(merge, own, value);
	} else {
		merge->failed |= json_object_set_new(target, key, json_deep_copy(value)) != 0;
	}
}

static bool merge_into(json_t *target, const json_t *patch, bool directives)
{
	struct merge merge = {.directives = directives};

	merge_push(&merge, target, patch);
	while (merge.depth > 0 && !merge.failed) {
		struct merging one = merge.stack[--merge.depth];
		const json_t *value;
		const char *key;

		json_object_foreach((json_t *)one.patch, key, value)
			merge_member(&merge, one.target, key, value);
	}
	return !merge.failed;
}

/* ---- objects ---- */

static json_t *member(json_t *object, const char *name)
{
	json_t *own = json_object_get(object, name);

	if (json_is_object(own))
		return own;
	own = json_object();
	return json_object_set_new(object, name, own) == 0 ? own : NULL;
}

static void set_text(json_t *object, const char *name, const char *text)
{
	if (object != NULL)
		json_object_set_new(object, name, json_string(text));
}

static void stamp_version(struct case_cluster *cluster, json_t *object)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)++cluster->version);
	set_text(member(object, "metadata"), "resourceVersion", text);
}

/* What a controller would make of the specification at once. */
static void follow(json_t *object)
{
	const char *kind = json_string_value(json_object_get(object, "kind"));
	json_t *replicas = kube_get(object, "spec", "replicas", NULL);
	json_t *status;

	if (kind == NULL || replicas == NULL ||
		(strcmp(kind, "Deployment") != 0 && strcmp(kind, "StatefulSet") != 0 &&
			strcmp(kind, "ReplicaSet") != 0 && find_custom(kind) == NULL))
		return;
	status = member(object, "status");
	if (status == NULL)
		return;
	json_object_set(status, "replicas", replicas);
	json_object_set(status, "readyReplicas", replicas);
	json_object_set(status, "updatedReplicas", replicas);
	json_object_set(status, "availableReplicas", replicas);
}

/* What a kubelet would make of a resize at once: the pod's annotation `resize` says Infeasible,
 * Deferred or Error, or it is done. */
static void follow_resize(json_t *pod)
{
	const char *answer = kube_annotation(pod, "resize");
	json_t *status = member(pod, "status"), *states = json_array(), *container;
	size_t i;

	json_array_foreach(kube_get(pod, "spec", "containers", NULL), i, container)
	{
		json_array_append_new(states,
			json_pack("{s:O,s:O*}", "name", json_object_get(container, "name"),
				"resources", json_object_get(container, "resources")));
	}
	if (answer == NULL)
		json_object_set(status, "containerStatuses", states);
	json_object_set_new(status, "conditions",
		answer == NULL ? json_array()
			       : json_pack("[{s:s,s:s,s:s,s:s}]", "type",
					 strcmp(answer, "Error") == 0 ? "PodResizeInProgress"
								      : "PodResizePending",
					 "status", "True", "reason", answer, "message",
					 "the node is too small"));
	json_decref(states);
}

/* An owner reference may be short: {kind, name}. */
static enum status complete_owners(struct case_cluster *cluster, json_t *object,
	struct error *error)
{
	const char *space = json_string_value(kube_get(object, "metadata", "namespace", NULL));
	json_t *owner;
	size_t i;

	json_array_foreach(kube_get(object, "metadata", "ownerReferences", NULL), i, owner)
	{
		const char *kind = json_string_value(json_object_get(owner, "kind"));
		const char *name = json_string_value(json_object_get(owner, "name"));
		const struct kind_row *row = find_kind(kind);
		char path[PATH_SIZE];
		json_t *found;

		if (kind == NULL || name == NULL)
			return error_set(error, STATUS_BAD_INPUT,
				"an owner reference names no kind or no name");
		if (json_object_get(owner, "controller") == NULL)
			json_object_set_new(owner, "controller", json_true());
		if (json_object_get(owner, "apiVersion") == NULL)
			set_text(owner, "apiVersion",
				row != NULL ? row->group_version : "example.org/v1");
		if (json_object_get(owner, "uid") != NULL)
			continue;
		if (row == NULL) {
			set_text(owner, "uid", "uid-of-an-owner");
			continue;
		}
		write_path(row, space != NULL ? space : "", name, path);
		found = json_object_get(cluster->objects, path);
		if (found == NULL)
			return error_set(error, STATUS_BAD_INPUT,
				"its owner %s %s is not in the cluster: put it before", kind, name);
		set_text(owner, "uid", kube_uid(found));
	}
	return STATUS_OK;
}

/* The object of the path, made when it is new. */
static json_t *object_at(struct case_cluster *cluster, const struct kind_row *row,
	const char *namespace_name, const char *name, struct error *error)
{
	char path[PATH_SIZE], uid[32];
	json_t *object, *metadata;

	write_path(row, namespace_name, name, path);
	object = json_object_get(cluster->objects, path);
	if (object != NULL)
		return object;
	if (json_object_size(cluster->objects) >= CASE_OBJECTS_MAX) {
		error_set(error, STATUS_LIMIT, "more than %d objects", CASE_OBJECTS_MAX);
		return NULL;
	}
	object = json_object();
	metadata = object != NULL ? member(object, "metadata") : NULL;
	if (metadata == NULL || json_object_set_new(cluster->objects, path, object) != 0) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	snprintf(uid, sizeof(uid), "uid-%u", ++cluster->uid_last);
	set_text(object, "apiVersion", row->group_version);
	set_text(object, "kind", row->kind);
	set_text(metadata, "name", name);
	set_text(metadata, "uid", uid);
	/* As every API server has them: whose manifest it is, and of none of its fields. */
	if (json_object_set_new(metadata, "managedFields",
		    json_pack("[{s:s,s:s,s:{}}]", "manager", "case", "operation", "Update",
			    "fieldsV1")) != 0) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	if (row->namespaced)
		set_text(metadata, "namespace", namespace_name);
	stamp_version(cluster, object);
	return object;
}

enum status case_cluster_apply(struct case_cluster *cluster, const json_t *manifest,
	struct error *error)
{
	const struct kind_row *row =
		find_kind(json_string_value(json_object_get(manifest, "kind")));
	const char *name = json_string_value(kube_get(manifest, "metadata", "name", NULL));
	const char *space = json_string_value(kube_get(manifest, "metadata", "namespace", NULL));
	json_t *object;

	CHECK(row != NULL && name != NULL && (space != NULL || !row->namespaced));
	if (row->namespaced && object_at(cluster, find_kind("Namespace"), "", space, error) == NULL)
		return error->code;
	object = object_at(cluster, row, space != NULL ? space : "", name, error);
	if (object == NULL)
		return error->code;
	if (!merge_into(object, manifest, false))
		return error_set(error, STATUS_LIMIT, "the object is too deep, or memory is out");
	stamp_version(cluster, object);
	if (kube_get(manifest, "status", "readyReplicas", NULL) == NULL)
		follow(object);
	return complete_owners(cluster, object, error);
}

enum status case_cluster_delete(struct case_cluster *cluster, const char *name, struct error *error)
{
	char space[256], kind[64], own[256], path[PATH_SIZE];
	const struct kind_row *row;

	if (sscanf(name, "%255[^/]/%63[^/]/%255[^/]", space, kind, own) != 3) {
		space[0] = '\0';
		if (sscanf(name, "%63[^/]/%255[^/]", kind, own) != 2)
			return error_set(error, STATUS_BAD_INPUT,
				"\"%s\" is not NAMESPACE/KIND/NAME or KIND/NAME", name);
	}
	row = find_kind(kind);
	if (row == NULL || row->namespaced != (space[0] != '\0'))
		return error_set(error, STATUS_BAD_INPUT,
			"\"%s\" is not NAMESPACE/KIND/NAME or KIND/NAME of a known kind", name);
	write_path(row, space, own, path);
	if (json_object_del(cluster->objects, path) != 0)
		return error_set(error, STATUS_NOT_FOUND, "%s is not in the cluster", name);
	return STATUS_OK;
}

/* ---- calls ---- */

int case_cluster_refuse(json_t **body, int code, const char *reason, const char *message)
{
	*body = json_pack("{s:s,s:s,s:s,s:s,s:s,s:i}", "apiVersion", "v1", "kind", "Status",
		"status", "Failure", "reason", reason, "message", message, "code", code);
	return code;
}

static bool begins(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* Whether the object stands right below the list's path, or in some namespace of a list of all. */
static bool is_listed(const char *key, const char *path, const char *name)
{
	size_t size = strlen(path), root = (size_t)(name - path);
	const char *at;

	if (begins(key, path) && key[size] == '/')
		return strchr(key + size + 1, '/') == NULL;
	if (strstr(path, "/namespaces/") != NULL || strncmp(key, path, root) != 0 ||
		!begins(key + root, "namespaces/"))
		return false;
	at = strchr(key + root + strlen("namespaces/"), '/');
	return at != NULL && begins(at + 1, name) && at[1 + strlen(name)] == '/';
}

/* The objects of a list; 404 where the path names no list that we serve. */
static int serve_list(const struct case_cluster *cluster, const char *path, json_t **body)
{
	const char *name = strrchr(path, '/') + 1, *key;
	json_t *items, *object;
	size_t i = 0;

	while (i < ARRAY_COUNT(kinds) && strcmp(kinds[i].resource, name) != 0)
		i++;
	if (i == ARRAY_COUNT(kinds))
		return case_cluster_refuse(body, 404, "NotFound",
			"the cluster of this test has no such object");
	items = json_array();
	json_object_foreach(cluster->objects, key, object)
	{
		if (is_listed(key, path, name))
			json_array_append_new(items, json_deep_copy(object));
	}
	*body = json_pack("{s:s,s:{},s:o}", "kind", "List", "metadata", "items", items);
	return 200;
}

static int serve_get(const struct case_cluster *cluster, const char *path, json_t **body)
{
	json_t *object = json_object_get(cluster->objects, path);
	const char *key;

	if (object != NULL) {
		*body = json_deep_copy(object);
		return 200;
	}
	if (begins(path, "/apis/") && case_cluster_custom(cluster, path, body))
		return 200;
	if (cluster->resizes && strcmp(path, "/api/v1") == 0) {
		*body = json_pack("{s:s,s:[{s:s}]}", "kind", "APIResourceList", "resources", "name",
			"pods/resize");
		return 200;
	}
	if (strcmp(path, "/apis/keda.sh") == 0 || strcmp(path, "/apis/autoscaling.k8s.io") == 0) {
		json_object_foreach(cluster->objects, key, object)
		{
			if (!begins(key, path) || key[strlen(path)] != '/')
				continue;
			*body = json_pack("{s:s}", "kind", "APIGroup");
			return 200;
		}
	}
	return serve_list(cluster, path, body);
}

/* Whether a precondition of the patch does not hold. */
static bool differs(const json_t *patch, const json_t *object, const char *name)
{
	const char *wanted = json_string_value(kube_get(patch, "metadata", name, NULL));
	const char *own = json_string_value(kube_get(object, "metadata", name, NULL));

	return wanted != NULL && (own == NULL || strcmp(wanted, own) != 0);
}

/* The value and the member of it that a JSON pointer names; NULL: there is no such place. Of RFC 6902
 * we make "add" and "replace" of members of maps. */
static json_t *place_of(json_t *object, const char *pointer, const char **member_name)
{
	char name[128];

	for (;;) {
		size_t size = strcspn(pointer + 1, "/");

		if (pointer[0] != '/' || size >= sizeof(name))
			return NULL;
		*member_name = pointer + 1;
		if (pointer[1 + size] == '\0')
			return object;
		memcpy(name, pointer + 1, size);
		name[size] = '\0';
		object = json_object_get(object, name);
		pointer += 1 + size;
	}
}

/* A merge patch with the same preconditions, and the rest of it carried out on the object; NULL: it
 * is none that we serve. */
static json_t *run_json_patch(json_t *object, const json_t *patch)
{
	json_t *rest = json_object(), *metadata = json_object(), *operation;
	size_t i;

	json_object_set_new(rest, "metadata", metadata);
	json_array_foreach(patch, i, operation)
	{
		const char *path = json_string_value(json_object_get(operation, "path"));
		json_t *value = json_object_get(operation, "value"), *place;
		const char *name;

		if (path == NULL || value == NULL ||
			(place = place_of(object, path, &name)) == NULL) {
			json_decref(rest);
			return NULL;
		}
		if (strcmp(path, "/metadata/resourceVersion") == 0 ||
			strcmp(path, "/metadata/uid") == 0)
			json_object_set(metadata, name, value);
		else
			json_object_set_new(place, name, json_deep_copy(value));
	}
	return rest;
}

static int serve_patch(struct case_cluster *cluster, const char *path, const char *text, bool dry,
	bool resize, json_t **body)
{
	json_t *object = json_object_get(cluster->objects, path), *patch, *result;
	int code = 200;

	if (object == NULL)
		return case_cluster_refuse(body, 404, "NotFound",
			"the cluster of this test has no such object");
	patch = json_loads(text != NULL ? text : "", 0, NULL);
	result = json_deep_copy(object);
	if (json_is_array(patch)) {
		json_t *rest = run_json_patch(result, patch);

		json_decref(patch);
		patch = rest;
	}
	if (!json_is_object(patch)) {
		json_decref(patch);
		json_decref(result);
		return case_cluster_refuse(body, 400, "BadRequest",
			"the patch is none that is served");
	}
	if (differs(patch, object, "uid") || differs(patch, object, "resourceVersion")) {
		code = case_cluster_refuse(body, 409, "Conflict", "the object has been modified");
	} else if (result == NULL || !merge_into(result, patch, true)) {
		code = case_cluster_refuse(body, 500, "InternalError", "out of memory");
	} else {
		if (resize)
			follow_resize(result);
		if (!dry) {
			stamp_version(cluster, result);
			json_object_set(cluster->objects, path, result);
		}
		follow(result);
		*body = json_deep_copy(result);
	}
	json_decref(result);
	json_decref(patch);
	return code;
}

int case_cluster_serve(void *argument, const struct kube_request *request, json_t **body)
{
	struct case_cluster *cluster = argument;
	const char *query = strchr(request->path, '?');
	size_t size = query != NULL ? (size_t)(query - request->path) : strlen(request->path);
	bool dry = query != NULL && strstr(query, "dryRun=All") != NULL;
	char path[PATH_SIZE];
	bool resize;

	if (cluster->unreachable)
		return 0;
	if (cluster->permissions != NULL &&
		!permissions_hold(cluster->permissions, request->method, request->path))
		return case_cluster_refuse(body, 403, "Forbidden",
			"the roles that nimbusguard rbac writes do not allow this call");
	if (size >= sizeof(path))
		return case_cluster_refuse(body, 404, "NotFound", "the path is too long");
	memcpy(path, request->path, size);
	path[size] = '\0';
	switch (request->method) {
	case KUBE_GET:
		if (strcmp(path, "/api/v1/pods") == 0)
			return case_cluster_pods(cluster, query, body);
		return serve_get(cluster, path, body);
	case KUBE_PATCH:
		resize = cluster->resizes && size > 7 && strcmp(path + size - 7, "/resize") == 0;
		if (resize)
			path[size - 7] = '\0';
		else if (size > 6 && strcmp(path + size - 6, "/scale") == 0)
			path[size - 6] = '\0';
		return serve_patch(cluster, path, request->body, dry, resize, body);
	case KUBE_DELETE:
		return case_cluster_remove(cluster, path, request->body, dry, body);
	case KUBE_POST:
		return case_cluster_post(cluster, path, request->body, dry, body);
	default:
		return case_cluster_refuse(body, 405, "MethodNotAllowed", "not served");
	}
}
