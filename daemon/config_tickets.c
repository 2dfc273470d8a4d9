/*
 * The list `tickets` of the configuration file: services that take tickets, each with its kind's keys.
 *
 *   tickets:
 *   - {kind: pagerduty, name: oncall, routing_key_file: /run/secrets/pagerduty}
 *
 * All texts are copies, kept as pointers to const in struct ticket_service, as the tokens are.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "daemon/config_values.h"

#define URL_MAX 900

static const char *const kind_words[] = {"pagerduty", "jira", "webhook", NULL};
static const char *const severity_words[] = {"critical", "error", "warning", "info", NULL};

/* The keys of a kind. */
static const char *const *keys_of(enum ticket_kind kind)
{
	static const char *const pagerduty[] = {"kind", "name", "url", "routing_key_file",
		"ca_file", NULL};
	static const char *const jira[] = {"kind", "name", "url", "token_file", "ca_file", "user",
		"project", "issue_type", "labels", "priorities", "close_transition", NULL};
	static const char *const webhook[] = {"kind", "name", "url", "secret_file", "ca_file",
		NULL};

	return kind == TICKET_PAGERDUTY ? pagerduty : kind == TICKET_JIRA ? jira : webhook;
}

static const char *secret_key(enum ticket_kind kind)
{
	return kind == TICKET_PAGERDUTY ? "routing_key_file"
		: kind == TICKET_JIRA   ? "token_file"
					: "secret_file";
}

/* ---- checks ---- */

static bool is_of(const char *text, const char *more, size_t max)
{
	size_t size = strlen(text);

	if (size == 0 || size > max)
		return false;
	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char)text[i]) && strchr(more, text[i]) == NULL)
			return false;
	return true;
}

/* Without TLS only to this machine: credentials and incidents do not cross a network in the clear. */
static bool url_is_good(const char *url)
{
	static const char *const starts[] = {"http://127.0.0.1", "http://localhost",
		"http://[::1]"};
	bool good = strncmp(url, "https://", 8) == 0 && url[8] != '\0' && url[8] != '/';

	for (size_t i = 0; i < ARRAY_COUNT(starts); i++) {
		size_t size = strlen(starts[i]);

		good = good ||
			(strncmp(url, starts[i], size) == 0 &&
				(url[size] == '\0' || url[size] == ':' || url[size] == '/'));
	}
	for (const char *at = url; *at != '\0'; at++)
		good = good && (unsigned char)*at > ' ' && (unsigned char)*at < 0x7f;
	/* user:password@ would be a credential outside of its file. */
	return good && strlen(url) <= URL_MAX && strcspn(url + 8, "@") >= strcspn(url + 8, "/?#");
}

/* ---- reading ---- */

/* A copy of a text in *to; false when it is wrong, and told. */
static bool read_copy(const struct yaml_reader *reader, const struct yaml_node *map,
	const char *key, bool required, const char **to)
{
	const char *text = NULL;

	if (!yaml_read_text(reader, map, key, required, &text))
		return !required && yaml_get(map, key) == NULL;
	if (text == NULL)
		return true;
	if (*text == '\0') {
		yaml_report(reader, yaml_get(map, key), "%s is empty", key);
		return false;
	}
	*to = mem_strdup(text);
	if (*to == NULL)
		yaml_report(reader, map, "out of memory");
	return *to != NULL;
}

static bool read_labels(const struct yaml_reader *reader, const struct yaml_node *map,
	struct ticket_service *service)
{
	const struct yaml_node *list = yaml_get(map, "labels");

	if (list == NULL)
		return true;
	if (list->kind != YAML_LIST || list->child_count > TICKET_LABELS_MAX) {
		yaml_report(reader, list, "labels is no list of at most %d labels",
			TICKET_LABELS_MAX);
		return false;
	}
	for (size_t i = 0; i < list->child_count; i++) {
		const struct yaml_node *node = list->children[i];

		if (node->kind != YAML_SCALAR || node->text_size == 0 || node->text_size > 200 ||
			strpbrk(node->text, " \t\r\n") != NULL) {
			yaml_report(reader, node, "a label is a text without blanks");
			return false;
		}
		service->labels[service->label_count] = mem_strdup(node->text);
		if (service->labels[service->label_count] == NULL)
			return false;
		service->label_count++;
	}
	return true;
}

static bool read_priorities(const struct yaml_reader *reader, const struct yaml_node *map,
	struct ticket_service *service)
{
	const struct yaml_node *priorities = yaml_get(map, "priorities");
	bool good = true;

	if (priorities == NULL)
		return true;
	if (priorities->kind != YAML_MAP) {
		yaml_report(reader, priorities, "priorities is no map of severities to priorities");
		return false;
	}
	good = yaml_check_keys(reader, priorities, severity_words);
	for (size_t i = 0; good && i < TICKET_SEVERITY_COUNT; i++)
		good = read_copy(reader, priorities, severity_words[i], false,
			&service->priorities[i]);
	return good;
}

static bool read_jira(const struct yaml_reader *reader, const struct yaml_node *map,
	struct ticket_service *service)
{
	if (!read_copy(reader, map, "user", false, &service->user) ||
		!read_copy(reader, map, "project", true, &service->project) ||
		!read_copy(reader, map, "issue_type", true, &service->issue_type) ||
		!read_copy(reader, map, "close_transition", false, &service->close_transition) ||
		!read_labels(reader, map, service) || !read_priorities(reader, map, service))
		return false;
	if (is_of(service->project, "_", 64))
		return true;
	yaml_report(reader, yaml_get(map, "project"),
		"project \"%s\" is no project's key (letters, digits, _)", service->project);
	return false;
}

static bool check_service(const struct config *config, const struct yaml_reader *reader,
	const struct yaml_node *map, const struct ticket_service *service)
{
	const struct yaml_node *url = yaml_get(map, "url");

	if (!is_of(service->name, "-_", TICKET_NAME_MAX - 1)) {
		yaml_report(reader, yaml_get(map, "name"),
			"name \"%s\" is not of letters, digits, '-' and '_'", service->name);
		return false;
	}
	for (size_t i = 0; i < config->ticket_count; i++) {
		if (strcmp(config->tickets[i].name, service->name) == 0) {
			yaml_report(reader, yaml_get(map, "name"), "a second service \"%s\"",
				service->name);
			return false;
		}
	}
	/* Its text may be a secret, and is not repeated. */
	if (url_is_good(service->url))
		return true;
	yaml_report(reader, url != NULL ? url : map,
		"url is no https:// URL without a user (http:// only to localhost)");
	return false;
}

static bool read_service(const struct config *config, const struct yaml_reader *reader,
	const struct yaml_node *map, struct ticket_service *service)
{
	int kind;

	if (map->kind != YAML_MAP) {
		yaml_report(reader, map, "a ticket service is a map");
		return false;
	}
	if (!yaml_read_choice(reader, map, "kind", true, kind_words, &kind))
		return false;
	service->kind = (enum ticket_kind)kind;
	if (!yaml_check_keys(reader, map, keys_of(service->kind)) ||
		!read_copy(reader, map, "name", true, &service->name) ||
		!read_copy(reader, map, "url", kind != TICKET_PAGERDUTY, &service->url) ||
		!read_copy(reader, map, secret_key(service->kind), true, &service->secret_file) ||
		!read_copy(reader, map, "ca_file", false, &service->ca_file))
		return false;
	if (service->url == NULL)
		service->url = mem_strdup("https://events.pagerduty.com");
	if (service->url == NULL)
		return false;
	return check_service(config, reader, map, service) &&
		(service->kind != TICKET_JIRA || read_jira(reader, map, service));
}

/* ---- ends ---- */

static void free_text(const char *text)
{
	mem_free((char *)(uintptr_t)text);
}

static void service_fini(struct ticket_service *service)
{
	free_text(service->name);
	free_text(service->url);
	free_text(service->secret_file);
	free_text(service->ca_file);
	free_text(service->user);
	free_text(service->project);
	free_text(service->issue_type);
	free_text(service->close_transition);
	for (size_t i = 0; i < TICKET_SEVERITY_COUNT; i++)
		free_text(service->priorities[i]);
	for (size_t i = 0; i < TICKET_LABELS_MAX; i++)
		free_text(service->labels[i]);
	*service = (struct ticket_service){.name = NULL};
}

void config_tickets_fini(struct config *config)
{
	for (size_t i = 0; i < config->ticket_count; i++)
		service_fini(&config->tickets[i]);
	config->ticket_count = 0;
}

void config_read_tickets(struct config *config, const struct yaml_reader *reader,
	const struct yaml_node *list)
{
	if (list->kind == YAML_NULL)
		return;
	if (list->kind != YAML_LIST) {
		yaml_report(reader, list, "tickets is no list of services");
		return;
	}
	for (size_t i = 0; i < list->child_count; i++) {
		struct ticket_service *service = &config->tickets[config->ticket_count];

		if (config->ticket_count == TICKET_SERVICES_MAX) {
			yaml_report(reader, list->children[i], "more than %d ticket services",
				TICKET_SERVICES_MAX);
			return;
		}
		if (!read_service(config, reader, list->children[i], service)) {
			/* What was out of memory said nothing yet, and an error twice told is still one. */
			if (reader->diagnostics->errors == 0)
				yaml_report(reader, list->children[i], "out of memory");
			service_fini(service);
			continue;
		}
		config->ticket_count++;
	}
}

static bool same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool services_equal(const struct ticket_service *a, const struct ticket_service *b)
{
	bool equal = a->kind == b->kind && same(a->name, b->name) && same(a->url, b->url) &&
		same(a->secret_file, b->secret_file) && same(a->ca_file, b->ca_file) &&
		same(a->user, b->user) && same(a->project, b->project) &&
		same(a->issue_type, b->issue_type) &&
		same(a->close_transition, b->close_transition);

	for (size_t i = 0; i < TICKET_SEVERITY_COUNT; i++)
		equal = equal && same(a->priorities[i], b->priorities[i]);
	for (size_t i = 0; i < TICKET_LABELS_MAX; i++)
		equal = equal && same(a->labels[i], b->labels[i]);
	return equal;
}

bool config_tickets_equal(const struct config *a, const struct config *b)
{
	bool equal = a->ticket_count == b->ticket_count;

	for (size_t i = 0; equal && i < a->ticket_count; i++)
		equal = services_equal(&a->tickets[i], &b->tickets[i]);
	return equal;
}

void config_write_tickets(const struct config *config, struct buf *buf)
{
	for (size_t i = 0; i < config->ticket_count; i++) {
		const struct ticket_service *service = &config->tickets[i];

		buf_printf(buf, "tickets[%s] = {kind: %s, %s: %s}  # file\n", service->name,
			ticket_kind_name((int)service->kind), secret_key(service->kind),
			service->secret_file);
	}
}
