/*
 * A pod is judged by what cannot be taken back: what comes back elsewhere by itself is evicted, what
 * would come back on the same node is left, and what would be lost forbids the drain as a whole,
 * before the first pod has gone.
 */
#include "remediations/drain_pods.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "remediations/kube_object.h"
#include "remediations/words.h"

#define MIRROR "kubernetes.io/config.mirror"

static const char *const reasons[DRAIN_WORD_COUNT] = {
#define X(word, reason) [word] = reason,
	DRAIN_WORD_TABLE(X)
#undef X
};

const char *drain_word_reason(enum drain_word word)
{
	CHECK((unsigned)word < DRAIN_WORD_COUNT);
	return reasons[word];
}

static const char *text_of(const json_t *pod, const char *part, const char *name)
{
	const char *text = json_string_value(kube_get(pod, part, name, NULL));

	return text != NULL ? text : "";
}

static bool has_local_data(const json_t *pod)
{
	const json_t *volumes = kube_get(pod, "spec", "volumes", NULL), *volume;
	size_t i;

	json_array_foreach(volumes, i, volume)
	{
		const json_t *empty = json_object_get(volume, "emptyDir");

		if (empty != NULL && !json_is_null(empty))
			return true;
	}
	return false;
}

enum drain_word drain_judge(const json_t *pod, const struct drain_rules *rules)
{
	const char *phase = text_of(pod, "status", "phase"),
		   *name = text_of(pod, "metadata", "name");
	const json_t *controller = kube_controller(pod);
	const char *kind = json_string_value(json_object_get(controller, "kind"));
	const char *version = json_string_value(json_object_get(controller, "apiVersion"));

	if (*name == '\0' || *kube_uid(pod) == '\0' ||
		*text_of(pod, "metadata", "namespace") == '\0' ||
		(controller != NULL && kind == NULL))
		return DRAIN_UNREADABLE;
	if (kube_annotation(pod, MIRROR) != NULL)
		return DRAIN_MIRROR;
	if (kube_kind(kind, version) == TARGET_DAEMONSET)
		return DRAIN_DAEMON;
	if (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0)
		return DRAIN_FINISHED;
	if (kube_terminating(pod))
		return DRAIN_GOING;
	if (rules->own_pod != NULL && strcmp(rules->own_pod, name) == 0)
		return DRAIN_OWN;
	if (!rules->local_data && has_local_data(pod))
		return DRAIN_LOCAL;
	if (!rules->unowned && controller == NULL)
		return DRAIN_UNOWNED;
	return DRAIN_EVICT;
}

void drain_add(struct drain_view *view, const json_t *list, const struct drain_rules *rules)
{
	const json_t *items = json_object_get(list, "items"), *pod;
	size_t i;

	json_array_foreach(items, i, pod)
	{
		enum drain_word word = drain_judge(pod, rules);

		view->counts[word]++;
		if (*reasons[word] == '\0' || view->forbidden != DRAIN_EVICT)
			continue;
		view->forbidden = word;
		snprintf(view->pod, sizeof(view->pod), "%.63s/%.253s",
			text_of(pod, "metadata", "namespace"), text_of(pod, "metadata", "name"));
	}
}

unsigned drain_left(const struct drain_view *view)
{
	return view->counts[DRAIN_EVICT] + view->counts[DRAIN_GOING];
}

void drain_write(const struct drain_view *view, char *text, size_t size)
{
	static const struct {
		enum drain_word word;
		const char *words;
	} kept[] = {{DRAIN_DAEMON, "of DaemonSets"}, {DRAIN_MIRROR, "static"},
		{DRAIN_FINISHED, "finished"}};
	unsigned stay = 0, left = drain_left(view);
	const char *gap = "";
	struct words words;

	for (size_t i = 0; i < ARRAY_COUNT(kept); i++)
		stay += view->counts[kept[i].word];
	words_init(&words, text, size);
	words_add(&words, "evict %u pod%s", left, left == 1 ? "" : "s");
	if (stay == 0)
		return;
	words_add(&words, "; %u stay%s (", stay, stay == 1 ? "s" : "");
	for (size_t i = 0; i < ARRAY_COUNT(kept); i++) {
		if (view->counts[kept[i].word] == 0)
			continue;
		words_add(&words, "%s%u %s", gap, view->counts[kept[i].word], kept[i].words);
		gap = ", ";
	}
	words_add(&words, ")");
}

void drain_write_refusal(const struct drain_view *view, char *text, size_t size)
{
	const char *why = "";

	switch (view->forbidden) {
	case DRAIN_OWN:
		why = "is the one that this service runs in";
		break;
	case DRAIN_LOCAL:
		why = "has an emptyDir, whose content would be lost; delete_local_data: true allows it";
		break;
	case DRAIN_UNOWNED:
		why = "has no controller that would make it anew; delete_unowned: true allows it";
		break;
	case DRAIN_UNREADABLE:
		why = "is not described as a pod is";
		break;
	default:
		snprintf(text, size, "%s", "");
		return;
	}
	snprintf(text, size, "Pod %.200s %s.", view->pod, why);
}
