/*
 * Revisions are looked for by the labels of the workload's selector and then by the owner's uid, for
 * labels may fit what belongs to another. Only matchLabels narrow the list; with expressions more is
 * read than is needed.
 */
#include "remediations/kube_revisions.h"

#include <string.h>

#include "base/parse.h"
#include "remediations/kube_list.h"
#include "remediations/kube_object.h"
#include "remediations/kube_observe.h"

static int64_t revision_of(const json_t *object, enum target_kind kind)
{
	const char *text;
	int64_t number;

	if (kind != TARGET_DEPLOYMENT)
		return json_integer_value(json_object_get(object, "revision"));
	text = kube_annotation(object, "deployment.kubernetes.io/revision");
	return text != NULL && parse_int(text, &number) == STATUS_OK ? number : 0;
}

static void note_revision(struct kube_revisions *revisions, json_t *object, int64_t revision,
	int64_t wanted)
{
	if (revision > revisions->newest) {
		revisions->previous = revisions->newest;
		revisions->newest = revision;
	} else if (revision > revisions->previous && revision < revisions->newest) {
		revisions->previous = revision;
	}
	if (revision == wanted && revisions->wanted == NULL)
		revisions->wanted = json_incref(object);
}

void kube_selector_add(struct buf *path, const json_t *workload)
{
	json_t *labels = kube_get(workload, "spec", "selector", "matchLabels", NULL), *value;
	const char *key, *before = "&labelSelector=";

	json_object_foreach(labels, key, value)
	{
		if (!json_is_string(value))
			continue;
		buf_add_text(path, before);
		kube_path_escape(path, key);
		kube_path_escape(path, "=");
		kube_path_escape(path, json_string_value(value));
		before = ",";
	}
}

struct reading {
	struct kube_revisions *revisions;
	const char *owner;
	enum target_kind kind;
	int64_t wanted;
};

static enum status note_page(void *argument, const json_t *list, bool *enough, struct error *error)
{
	const struct reading *reading = argument;
	json_t *item;
	size_t i;

	(void)enough;
	(void)error;
	json_array_foreach(json_object_get(list, "items"), i, item)
	{
		const char *uid = json_string_value(json_object_get(kube_controller(item), "uid"));

		if (uid != NULL && strcmp(uid, reading->owner) == 0)
			note_revision(reading->revisions, item, revision_of(item, reading->kind),
				reading->wanted);
	}
	return STATUS_OK;
}

enum status kube_revisions_read(struct kube_session *session, const json_t *workload,
	enum target_kind kind, int64_t wanted, struct kube_revisions *revisions,
	struct error *error)
{
	const char *space = json_string_value(kube_get(workload, "metadata", "namespace", NULL));
	struct reading reading = {revisions, kube_uid(workload), kind, wanted};
	struct buf path;
	enum status status;

	*revisions = (struct kube_revisions){.newest = 0};
	if (kind != TARGET_DEPLOYMENT && kind != TARGET_STATEFULSET && kind != TARGET_DAEMONSET)
		return error_set(error, STATUS_UNSUPPORTED, "a %s has no revisions",
			target_kind_name(kind));
	buf_init(&path, KUBE_PATH_MAX);
	buf_add_text(&path, "/apis/apps/v1/namespaces");
	kube_path_add(&path, space != NULL ? space : "");
	buf_printf(&path, "/%s?limit=100",
		kind == TARGET_DEPLOYMENT ? "replicasets" : "controllerrevisions");
	kube_selector_add(&path, workload);
	status = buf_ok(&path)
		? kube_list_read(session, path.data, "its revisions", note_page, &reading, error)
		: error_set(error, STATUS_NO_MEMORY, "no memory for a path");
	buf_fini(&path);
	if (status != STATUS_OK)
		kube_revisions_fini(revisions);
	return status;
}

void kube_revisions_fini(struct kube_revisions *revisions)
{
	json_decref(revisions->wanted);
	revisions->wanted = NULL;
}
