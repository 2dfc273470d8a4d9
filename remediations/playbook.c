/*
 * The set of playbooks: loading files and folders, rank, choice by event; and the small templates
 * of tickets.
 *
 * A playbook that was read is put at its rank at once, so that the set is always sorted by falling
 * priority and then by name, and the choice is the first that fits.
 */
#include "remediations/playbook.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/mem.h"

#define PATH_SIZE_MAX 4096
#define FOLDER_FILES_MAX PLAYBOOKS_MAX

struct playbooks {
	struct guard_limits limits;
	struct playbook *ranks[PLAYBOOKS_MAX];
	size_t count;
};

struct playbooks *playbooks_open(const struct guard_limits *limits)
{
	struct playbooks *playbooks = mem_zalloc(1, sizeof(*playbooks));

	if (playbooks)
		playbooks->limits = *limits;
	return playbooks;
}

const struct step_change *step_change_of(const struct playbook_step *step, enum change_field field)
{
	for (unsigned i = 0; i < step->change_count; i++)
		if (step->changes[i].field == field)
			return &step->changes[i];
	return NULL;
}

void playbook_fini(struct playbook *playbook)
{
	for (unsigned i = 0; i <= EVENT_PROPOSAL; i++)
		matchers_fini(&playbook->triggers[i].matchers);
	for (size_t i = 0; i < PLAYBOOK_STEPS_MAX; i++) {
		mem_free(playbook->steps[i].payload);
		mem_free(playbook->steps[i].title);
		mem_free(playbook->steps[i].text);
	}
	mem_free(playbook->target.cluster_label);
	mem_free(playbook->target.namespace_label);
	mem_free(playbook->target.name_label);
	mem_free(playbook->target.kind_label);
	mem_free(playbook->target.container_label);
	mem_free(playbook->description);
	mem_free(playbook->runbook);
	mem_free(playbook->file);
}

void playbooks_close(struct playbooks *playbooks)
{
	if (!playbooks)
		return;
	for (size_t i = 0; i < playbooks->count; i++) {
		playbook_fini(playbooks->ranks[i]);
		mem_free(playbooks->ranks[i]);
	}
	mem_free(playbooks);
}

static void take_rank(struct playbooks *playbooks, struct playbook *playbook)
{
	size_t rank = playbooks->count++;

	for (; rank; rank--) {
		struct playbook *before = playbooks->ranks[rank - 1];

		if (before->priority > playbook->priority ||
			(before->priority == playbook->priority &&
				strcmp(before->name, playbook->name) < 0))
			break;
		playbooks->ranks[rank] = before;
	}
	playbooks->ranks[rank] = playbook;
}

static enum status take_document(struct playbooks *playbooks, const struct yaml_document *document,
	struct diagnostics *diagnostics)
{
	struct playbook *playbook = mem_zalloc(1, sizeof(*playbook)), *other;

	if (!playbook)
		return STATUS_NO_MEMORY;
	for (unsigned i = 0; i <= EVENT_PROPOSAL; i++)
		matchers_init(&playbook->triggers[i].matchers);
	if (!playbook_read(playbook, document, &playbooks->limits, diagnostics))
		goto refused;
	other = playbooks_find(playbooks, playbook->name);
	if (other) {
		diagnostics_add(diagnostics, false, playbook->file, 1, 1,
			"a playbook named \"%s\" is already in %s", playbook->name, other->file);
		goto refused;
	}
	if (playbooks->count == PLAYBOOKS_MAX) {
		diagnostics_add(diagnostics, false, playbook->file, 0, 0, "more than %d playbooks",
			PLAYBOOKS_MAX);
		goto refused;
	}
	take_rank(playbooks, playbook);
	return STATUS_OK;
refused:
	playbook_fini(playbook);
	mem_free(playbook);
	return STATUS_BAD_INPUT;
}

enum status playbooks_load_text(struct playbooks *playbooks, const char *name, const char *text,
	size_t size, struct diagnostics *diagnostics)
{
	struct yaml_document *document = yaml_open_text(name, text, size, diagnostics);
	enum status status;

	if (!document)
		return STATUS_BAD_INPUT;
	status = take_document(playbooks, document, diagnostics);
	yaml_close(document);
	return status;
}

static enum status load_file(struct playbooks *playbooks, const char *path,
	struct diagnostics *diagnostics)
{
	struct yaml_document *document = yaml_open_file(path, diagnostics);
	enum status status;

	if (!document)
		return STATUS_BAD_INPUT;
	status = take_document(playbooks, document, diagnostics);
	yaml_close(document);
	return status;
}

static bool ends_with(const char *text, const char *end)
{
	size_t text_size = strlen(text), end_size = strlen(end);

	return text_size >= end_size && !strcmp(text + text_size - end_size, end);
}

/* Tests of playbooks lie beside them. */
static bool is_playbook(const char *name)
{
	return *name != '.' && (ends_with(name, ".yaml") || ends_with(name, ".yml")) &&
		!ends_with(name, "_test.yaml") && !ends_with(name, "_test.yml");
}

struct listing {
	char *names[FOLDER_FILES_MAX];
	size_t count;
};

static int compare_names(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

static enum status list_folder(const char *path, struct listing *listing,
	struct diagnostics *diagnostics)
{
	DIR *folder = opendir(path);
	const struct dirent *entry;
	enum status status = STATUS_OK;

	if (!folder) {
		diagnostics_add(diagnostics, false, path, 0, 0,
			"the folder can't be read: errno %d", errno);
		return STATUS_BAD_INPUT;
	}
	while (!status && (entry = readdir(folder)) != NULL) {
		if (!is_playbook(entry->d_name))
			continue;
		if (listing->count == FOLDER_FILES_MAX) {
			diagnostics_add(diagnostics, false, path, 0, 0, "more than %d playbooks",
				FOLDER_FILES_MAX);
			status = STATUS_BAD_INPUT;
			break;
		}
		listing->names[listing->count] = mem_strdup(entry->d_name);
		if (listing->names[listing->count])
			listing->count++;
		else
			status = STATUS_NO_MEMORY;
	}
	closedir(folder);
	qsort(listing->names, listing->count, sizeof(listing->names[0]), compare_names);
	return status;
}

static enum status load_folder(struct playbooks *playbooks, const char *path,
	struct diagnostics *diagnostics)
{
	struct listing *listing = mem_zalloc(1, sizeof(*listing));
	enum status status = listing ? list_folder(path, listing, diagnostics) : STATUS_NO_MEMORY;
	char file[PATH_SIZE_MAX];

	if (!listing)
		return status;
	for (size_t i = 0; i < listing->count; i++) {
		int size = snprintf(file, sizeof(file), "%s/%s", path, listing->names[i]);
		enum status one = STATUS_BAD_INPUT;

		if (size > 0 && (size_t)size < sizeof(file))
			one = load_file(playbooks, file, diagnostics);
		else
			diagnostics_add(diagnostics, false, path, 0, 0, "the path is too long");
		if (one && status != STATUS_NO_MEMORY)
			status = one;
		mem_free(listing->names[i]);
	}
	mem_free(listing);
	return status;
}

enum status playbooks_load(struct playbooks *playbooks, const char *path,
	struct diagnostics *diagnostics)
{
	struct stat stat_of_path;

	if (!stat(path, &stat_of_path) && S_ISDIR(stat_of_path.st_mode))
		return load_folder(playbooks, path, diagnostics);
	return load_file(playbooks, path, diagnostics);
}

size_t playbooks_count(const struct playbooks *playbooks)
{
	return playbooks->count;
}

struct playbook *playbooks_at(const struct playbooks *playbooks, size_t rank)
{
	CHECK(rank < playbooks->count);
	return playbooks->ranks[rank];
}

struct playbook *playbooks_find(const struct playbooks *playbooks, const char *name)
{
	for (size_t i = 0; i < playbooks->count; i++)
		if (!strcmp(playbooks->ranks[i]->name, name))
			return playbooks->ranks[i];
	return NULL;
}

struct playbook *playbooks_match(const struct playbooks *playbooks, const struct event *event)
{
	for (size_t i = 0; i < playbooks->count; i++) {
		struct playbook *playbook = playbooks->ranks[i];
		struct trigger *trigger = &playbook->triggers[event->source];

		if (playbook->enabled && trigger->set &&
			matchers_test(&trigger->matchers, &event->labels))
			return playbook;
	}
	return NULL;
}

/* ---- templates ---- */

#define PLACEHOLDER_MAX 128

/* The name between {{ and }} at `at`, which moves behind them; NULL when it is none. */
static const char *take_placeholder(const char *at, char name[PLACEHOLDER_MAX])
{
	const char *end = strstr(at, "}}");
	size_t size;

	at += 2;
	if (!end)
		return NULL;
	while (at < end && *at == ' ')
		at++;
	size = (size_t)(end - at);
	while (size && at[size - 1] == ' ')
		size--;
	if (!size || size >= PLACEHOLDER_MAX || !label_name_valid(at, size))
		return NULL;
	memcpy(name, at, size);
	name[size] = '\0';
	return end + 2;
}

bool template_check(const char *template_text, char *message, size_t size)
{
	char name[PLACEHOLDER_MAX];
	const char *at = template_text;

	while ((at = strstr(at, "{{")) != NULL) {
		const char *next = take_placeholder(at, name);

		if (!next) {
			snprintf(message, size, "\"%.30s\" should be {{ label }}", at);
			return false;
		}
		at = next;
	}
	return true;
}

/* Appends whole characters only, as many as fit. */
static size_t append(char *text, size_t length, size_t size, const char *more, size_t more_size)
{
	size_t room = size - 1 - length;

	if (more_size > room) {
		more_size = room;
		while (more_size && ((unsigned char)more[more_size] & 0xc0) == 0x80)
			more_size--;
	}
	memcpy(text + length, more, more_size);
	return length + more_size;
}

const char *event_name(const struct event *event)
{
	const char *name = labels_get(&event->labels, "alertname");

	if (!name)
		name = labels_get(&event->labels, "finding");
	if (!name)
		name = labels_get(&event->labels, "proposal");
	return name ? name : event_source_name(event->source);
}

void template_find_absent(const char *template_text, const struct event *event, char *name,
	size_t size)
{
	static const char *const own[] = {"event", "target", "playbook", "reason"};
	const char *at = template_text;
	char found[PLACEHOLDER_MAX];

	name[0] = '\0';
	while ((at = strstr(at, "{{")) != NULL) {
		bool known = false;

		at = take_placeholder(at, found);
		if (!at)
			return;
		for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
			known = known || !strcmp(found, own[i]);
		if (!known && !labels_get(&event->labels, found)) {
			snprintf(name, size, "%s", found);
			return;
		}
	}
}

void template_fill(const char *template_text, const struct event *event, const char *target,
	const char *playbook, const char *reason, char *text, size_t size)
{
	const char *at = template_text, *brace;
	size_t length = 0;

	CHECK(size > 0);
	while ((brace = strstr(at, "{{")) != NULL) {
		char name[PLACEHOLDER_MAX], absent[PLACEHOLDER_MAX + 16];
		const char *next = take_placeholder(brace, name), *value;

		if (!next)
			break;
		value = labels_get(&event->labels, name);
		if (!value && !strcmp(name, "event"))
			value = event_name(event);
		if (!value && !strcmp(name, "target"))
			value = target;
		if (!value && !strcmp(name, "playbook"))
			value = playbook;
		if (!value && !strcmp(name, "reason"))
			value = reason;
		if (!value) {
			snprintf(absent, sizeof(absent), "(no label %s)", name);
			value = absent;
		}
		length = append(text, length, size, at, (size_t)(brace - at));
		length = append(text, length, size, value, strlen(value));
		at = next;
	}
	length = append(text, length, size, at, strlen(at));
	text[length] = '\0';
}
