/*
 * All permissions are asked for once a round, whichever playbooks need them; then each playbook's
 * verdict is made anew of the answers.
 */
#include "remediations/permission_watch.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread_name.h"
#include "remediations/kube_observe.h"
#include "remediations/kube_session.h"

#define NAMESPACES_MAX 64
#define SLICE_MS 500
#define KINDS_MAX 3
#define WATCHED_MAX (PERMISSION_PLAYBOOKS_MAX * KINDS_MAX)

/* A playbook with one kind of target. */
struct watched {
	char name[PLAYBOOK_NAME_MAX];
	enum target_kind kind;
	bool of_many;                /* it is for other kinds, too, which stand beside it */
	bool needs[PERMISSIONS_MAX]; /* of the set */
	char missing[PERMISSION_MISSING_MAX]; /* "": nothing that is known */
	bool disabled;                        /* of a copy that is told: for each of its kinds */
};

struct permission_watch {
	struct kube_client *client;
	struct kube_session *session;
	char *namespaces[NAMESPACES_MAX];
	size_t namespace_count;
	int64_t every_ms, retry_ms;
	pthread_t thread;
	bool started;

	pthread_mutex_t lock;
	/* under lock */
	struct permissions set;
	uint64_t version; /* of the set and the playbooks */
	struct watched playbooks[WATCHED_MAX];
	size_t playbook_count;

	/* of the thread */
	struct permissions asked;
	bool lacks[PERMISSIONS_MAX];
};

/* ---- asking ---- */

static enum status ask_one(struct permission_watch *watch, const struct permission *permission,
	bool *lacks, struct error *error)
{
	size_t places = permission->cluster_wide || watch->namespace_count == 0
		? 1
		: watch->namespace_count;

	*lacks = false;
	for (size_t i = 0; i < places && !*lacks; i++) {
		bool allowed;
		enum status status = permission_review(watch->session, permission,
			permission->cluster_wide ? NULL : watch->namespaces[i], &allowed, error);

		if (status != STATUS_OK)
			return status;
		*lacks = !allowed;
	}
	return STATUS_OK;
}

static enum status ask_all(struct permission_watch *watch, struct error *error)
{
	unsigned absent;
	enum status status = permissions_absent(watch->session, &absent, error);

	for (size_t i = 0; i < watch->asked.count && status == STATUS_OK; i++) {
		const struct permission *permission = &watch->asked.list[i];

		watch->lacks[i] = false;
		if (permission->optional || permission_is_absent(permission, absent))
			continue;
		status = ask_one(watch, permission, &watch->lacks[i], error);
	}
	return status;
}

/* ---- verdicts ---- */

static void describe(const struct permission_watch *watch, const struct watched *playbook,
	char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < watch->asked.count; i++) {
		const struct permission *permission = &watch->asked.list[i];
		char word[128];

		if (!watch->lacks[i] || !playbook->needs[i])
			continue;
		snprintf(word, sizeof(word), "%s%s %s%s%s", used > 0 ? ", " : "", permission->verb,
			permission->resource, permission->group[0] != '\0' ? "." : "",
			permission->group);
		if (used + strlen(word) + sizeof(", ...") > size) {
			snprintf(text + used, size - used, ", ...");
			return;
		}
		used += (size_t)snprintf(text + used, size - used, "%s", word);
	}
}

/* Under lock. Whether a playbook is disabled for each kind that it is for. */
static bool is_disabled(const struct permission_watch *watch, const char *name)
{
	bool known = false;

	for (size_t i = 0; i < watch->playbook_count; i++) {
		if (strcmp(watch->playbooks[i].name, name) != 0)
			continue;
		if (watch->playbooks[i].missing[0] == '\0')
			return false;
		known = true;
	}
	return known;
}

/* Under lock. What changed is copied to *changed for the log. */
static size_t judge(struct permission_watch *watch, struct watched *changed)
{
	size_t count = 0;

	for (size_t i = 0; i < watch->playbook_count; i++) {
		struct watched *playbook = &watch->playbooks[i];
		char text[PERMISSION_MISSING_MAX];

		describe(watch, playbook, text, sizeof(text));
		if (strcmp(text, playbook->missing) == 0)
			continue;
		memcpy(playbook->missing, text, sizeof(text));
		changed[count++] = *playbook;
	}
	for (size_t i = 0; i < count; i++)
		changed[i].disabled = is_disabled(watch, changed[i].name);
	return count;
}

static void tell(const struct watched *changed, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct watched *playbook = &changed[i];
		const char *kind = playbook->of_many ? target_kind_name(playbook->kind) : "all";

		metrics_set(METRIC_PLAYBOOK_DISABLED, playbook->disabled, playbook->name);
		if (playbook->missing[0] != '\0')
			LOG_ERROR("playbook disabled: the cluster does not let it do its work "
				  "(nimbusguard rbac prints the roles)",
				LOG_TEXT("playbook", playbook->name), LOG_TEXT("kind", kind),
				LOG_TEXT("missing", playbook->missing));
		else
			LOG_INFO("playbook enabled: nothing is missing any more",
				LOG_TEXT("playbook", playbook->name), LOG_TEXT("kind", kind));
	}
}

/* One round. Milliseconds until the next. */
static int64_t go_round(struct permission_watch *watch, uint64_t *version)
{
	struct watched *changed = mem_alloc(sizeof(watch->playbooks));
	struct error error = {0};
	enum status status;
	size_t count = 0;

	pthread_mutex_lock(&watch->lock);
	watch->asked = watch->set;
	*version = watch->version;
	pthread_mutex_unlock(&watch->lock);
	if (changed == NULL)
		return watch->retry_ms;
	status = ask_all(watch, &error);
	if (status == STATUS_OK) {
		pthread_mutex_lock(&watch->lock);
		/* Other playbooks meanwhile are asked for in the next round, at once. */
		if (watch->version == *version)
			count = judge(watch, changed);
		pthread_mutex_unlock(&watch->lock);
		tell(changed, count);
	} else if (!kube_client_stopped(watch->client)) {
		LOG_WARN("the cluster does not tell what it allows; nothing is disabled for that",
			LOG_ERROR_FIELD(&error));
	}
	mem_free(changed);
	/* A server without the API of reviews will not have it in a moment either. */
	return status == STATUS_OK || status == STATUS_NOT_FOUND ? watch->every_ms
								 : watch->retry_ms;
}

static bool still(struct permission_watch *watch, uint64_t version)
{
	bool same;

	pthread_mutex_lock(&watch->lock);
	same = watch->version == version;
	pthread_mutex_unlock(&watch->lock);
	return same;
}

static void *run(void *argument)
{
	struct permission_watch *watch = argument;
	sigset_t pipe;

	thread_name("permissions");
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	while (!kube_client_stopped(watch->client)) {
		uint64_t version;
		int64_t left_ms = go_round(watch, &version);

		while (left_ms > 0 && still(watch, version)) {
			int64_t slice_ms = left_ms < SLICE_MS ? left_ms : SLICE_MS;

			if (!kube_client_pause(watch->client, slice_ms))
				return NULL;
			left_ms -= slice_ms;
		}
	}
	return NULL;
}

/* ---- what is watched ---- */

static void mark_needs(const struct permissions *set, const struct permissions *own,
	struct watched *watched)
{
	for (size_t i = 0; i < set->count; i++)
		for (size_t k = 0; k < own->count; k++)
			watched->needs[i] |= strcmp(set->list[i].group, own->list[k].group) == 0 &&
				strcmp(set->list[i].resource, own->list[k].resource) == 0 &&
				strcmp(set->list[i].verb, own->list[k].verb) == 0;
}

/* As much of a playbook as the mode lets it do. */
static struct playbook within(const struct playbook *playbook, enum mode mode)
{
	struct playbook copy = *playbook;

	if (mode < copy.mode)
		copy.mode = mode;
	return copy;
}

/* Of a playbook with each kind of target that it is for; how many were made. */
static size_t make_watched(struct permission_watch *watch, const struct permissions *set,
	struct playbook *copy, struct watched *made)
{
	static const enum target_kind any[KINDS_MAX] = {TARGET_DEPLOYMENT, TARGET_STATEFULSET,
		TARGET_DAEMONSET};
	bool of_many = copy->target.any_workload;
	size_t count = of_many ? KINDS_MAX : 1;

	for (size_t i = 0; i < count; i++) {
		struct permissions own = {.count = 0};

		if (of_many)
			copy->target.kind = any[i];
		copy->target.any_workload = false;
		permissions_add(&own, copy);
		snprintf(made[i].name, sizeof(made[i].name), "%s", copy->name);
		made[i].kind = copy->target.kind;
		made[i].of_many = of_many;
		mark_needs(set, &own, &made[i]);
		(void)permission_watch_missing(watch, copy->name, copy->target.kind,
			made[i].missing, sizeof(made[i].missing));
	}
	return count;
}

void permission_watch_use(struct permission_watch *watch, const struct playbooks *playbooks,
	enum mode mode)
{
	struct permissions set = {.count = 0};
	struct watched *made;
	size_t count = playbooks_count(playbooks), made_count = 0;

	if (watch == NULL)
		return;
	count = count < PERMISSION_PLAYBOOKS_MAX ? count : PERMISSION_PLAYBOOKS_MAX;
	made = mem_zalloc(WATCHED_MAX, sizeof(*made));
	if (made == NULL) {
		LOG_WARN("no memory to watch permissions");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		struct playbook copy = within(playbooks_at(playbooks, i), mode);

		permissions_add(&set, &copy);
	}
	for (size_t i = 0; i < count; i++) {
		struct playbook copy = within(playbooks_at(playbooks, i), mode);

		made_count += make_watched(watch, &set, &copy, &made[made_count]);
	}
	pthread_mutex_lock(&watch->lock);
	watch->set = set;
	memcpy(watch->playbooks, made, made_count * sizeof(*made));
	watch->playbook_count = made_count;
	watch->version++;
	pthread_mutex_unlock(&watch->lock);
	mem_free(made);
}

bool permission_watch_missing(struct permission_watch *watch, const char *playbook,
	enum target_kind kind, char *text, size_t size)
{
	bool missing;

	if (watch == NULL)
		return false;
	pthread_mutex_lock(&watch->lock);
	missing = kind != TARGET_NONE || is_disabled(watch, playbook);
	for (size_t i = 0; i < watch->playbook_count && missing; i++) {
		const struct watched *one = &watch->playbooks[i];

		if (strcmp(one->name, playbook) != 0 || one->missing[0] == '\0' ||
			(one->of_many && kind != TARGET_NONE && one->kind != kind))
			continue;
		snprintf(text, size, "%s", one->missing);
		pthread_mutex_unlock(&watch->lock);
		return true;
	}
	pthread_mutex_unlock(&watch->lock);
	return false;
}

/* Under lock. Whether it is to be told, once for all its kinds when each lacks the same. */
static bool is_told(const struct permission_watch *watch, size_t at, bool *with_kind)
{
	const struct watched *one = &watch->playbooks[at];
	size_t first = at;
	bool same = true;

	*with_kind = false;
	if (one->missing[0] == '\0' || !one->of_many)
		return one->missing[0] != '\0';
	while (first > 0 && strcmp(watch->playbooks[first - 1].name, one->name) == 0)
		first--;
	for (size_t i = first; i < first + KINDS_MAX; i++)
		same = same && strcmp(watch->playbooks[i].missing, one->missing) == 0;
	*with_kind = !same;
	return !same || at == first;
}

void permission_watch_write(struct permission_watch *watch, struct buf *json)
{
	const char *comma = "";
	bool with_kind;

	buf_add_char(json, '[');
	if (watch != NULL)
		pthread_mutex_lock(&watch->lock);
	for (size_t i = 0; watch != NULL && i < watch->playbook_count; i++) {
		const struct watched *playbook = &watch->playbooks[i];

		if (!is_told(watch, i, &with_kind))
			continue;
		buf_printf(json, "%s{\"playbook\":", comma);
		buf_add_json_string(json, playbook->name, strlen(playbook->name));
		if (with_kind)
			buf_printf(json, ",\"kind\":\"%s\"", target_kind_name(playbook->kind));
		buf_add_text(json, ",\"missing\":");
		buf_add_json_string(json, playbook->missing, strlen(playbook->missing));
		buf_add_char(json, '}');
		comma = ",";
	}
	if (watch != NULL)
		pthread_mutex_unlock(&watch->lock);
	buf_add_char(json, ']');
}

void permission_watch_tell(struct permission_watch *watch, struct buf *text)
{
	bool with_kind;

	if (watch == NULL)
		return;
	pthread_mutex_lock(&watch->lock);
	for (size_t i = 0; i < watch->playbook_count; i++)
		if (is_told(watch, i, &with_kind))
			buf_printf(text, "%s%s%s%s lacks %s", text->size > 0 ? "; " : "",
				watch->playbooks[i].name, with_kind ? " for " : "",
				with_kind ? target_kind_name(watch->playbooks[i].kind) : "",
				watch->playbooks[i].missing);
	pthread_mutex_unlock(&watch->lock);
}

/* ---- life ---- */

static bool copy_namespaces(struct permission_watch *watch,
	const struct permission_watch_config *config)
{
	for (size_t i = 0; i < config->namespace_count && i < NAMESPACES_MAX; i++) {
		watch->namespaces[i] = mem_strdup(config->namespaces[i]);
		if (watch->namespaces[i] == NULL)
			return false;
		watch->namespace_count++;
	}
	return true;
}

enum status permission_watch_open(struct permission_watch **opened, struct kube_client *client,
	const struct permission_watch_config *config, struct error *error)
{
	struct permission_watch *watch = mem_zalloc(1, sizeof(*watch));

	*opened = NULL;
	if (watch == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory to watch permissions");
	CHECK(pthread_mutex_init(&watch->lock, NULL) == 0);
	watch->every_ms = config->every_ms > 0 ? config->every_ms : 300000;
	watch->retry_ms = config->retry_ms > 0 ? config->retry_ms : 30000;
	watch->session = kube_session_open(client);
	watch->client = client;
	if (!copy_namespaces(watch, config) || watch->session == NULL ||
		pthread_create(&watch->thread, NULL, run, watch) != 0) {
		watch->client = NULL;
		permission_watch_close(watch);
		return error_set(error, STATUS_NO_MEMORY, "no memory to watch permissions");
	}
	watch->started = true;
	*opened = watch;
	return STATUS_OK;
}

void permission_watch_close(struct permission_watch *watch)
{
	if (watch == NULL)
		return;
	if (watch->started) {
		kube_client_stop(watch->client);
		pthread_join(watch->thread, NULL);
	}
	kube_session_close(watch->session);
	kube_client_close(watch->client);
	for (size_t i = 0; i < watch->namespace_count; i++)
		mem_free(watch->namespaces[i]);
	pthread_mutex_destroy(&watch->lock);
	mem_free(watch);
}
