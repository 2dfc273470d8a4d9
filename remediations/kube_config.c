/*
 * A kubeconfig file names clusters, users and contexts apart; a context binds one of each. Only the
 * chosen context, its cluster and its user are judged: a fault of another one is none of ours.
 *
 * A file is read whole with base/yaml.h, so that each fault has its place; JSON is YAML too.
 */
#include "remediations/kube_config.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"

#define PEM_MAX (1u << 20)

struct reading {
	struct yaml_reader reader;
	const char *path;
	const char *context; /* its name */
	struct kube_config *config;
	bool failed;
};

static void report(struct reading *reading, const struct yaml_node *node, const char *format, ...)
	PRINTF_LIKE(3, 4);

static void report(struct reading *reading, const struct yaml_node *node, const char *format, ...)
{
	va_list arguments;
	char text[ERROR_TEXT_MAX];

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	reading->failed = true;
	if (reading->context != NULL)
		yaml_report(&reading->reader, node, "context \"%.100s\": %s", reading->context,
			text);
	else
		yaml_report(&reading->reader, node, "%s", text);
}

/* ---- values ---- */

/* The text of a key; NULL when it is absent or empty, as kubectl writes those that are not used. */
static const char *text_of(struct reading *reading, const struct yaml_node *map, const char *key)
{
	const struct yaml_node *node = yaml_get(map, key);

	if (node == NULL || node->kind == YAML_NULL)
		return NULL;
	if (node->kind != YAML_SCALAR) {
		report(reading, node, "%s is no text", key);
		return NULL;
	}
	if (strlen(node->text) != node->text_size) {
		report(reading, node, "%s holds a NUL", key);
		return NULL;
	}
	return node->text[0] != '\0' ? node->text : NULL;
}

static bool truth_of(struct reading *reading, const struct yaml_node *map, const char *key)
{
	bool value = false;

	if (yaml_get(map, key) != NULL &&
		!yaml_read_bool(&reading->reader, map, key, false, &value))
		reading->failed = true;
	return value;
}

static char *copy(struct reading *reading, const char *text)
{
	char *made = text != NULL ? mem_strdup(text) : NULL;

	if (text != NULL && made == NULL)
		report(reading, NULL, "out of memory");
	return made;
}

/* A relative path counts from the file's own folder. */
static char *copy_path(struct reading *reading, const char *text)
{
	const char *slash = strrchr(reading->path, '/');
	struct buf path;
	char *made;

	if (text == NULL || text[0] == '/' || slash == NULL)
		return copy(reading, text);
	buf_init(&path, 8192);
	buf_add(&path, reading->path, (size_t)(slash + 1 - reading->path));
	buf_add_text(&path, text);
	made = buf_take(&path, NULL);
	if (made == NULL)
		report(reading, NULL, "a path is too long, or out of memory");
	buf_fini(&path);
	return made;
}

/* The bytes of a *-data key, which must be PEM. */
static char *copy_pem(struct reading *reading, const struct yaml_node *map, const char *key)
{
	const char *text = text_of(reading, map, key);
	struct buf pem;
	char *made = NULL;

	if (text == NULL)
		return NULL;
	buf_init(&pem, PEM_MAX);
	if (!base64_decode(text, strlen(text), &pem))
		report(reading, yaml_get(map, key), "%s is no base64", key);
	else if (!buf_ok(&pem))
		report(reading, yaml_get(map, key), "%s is too long, or out of memory", key);
	else if (pem.size == 0 || strlen(pem.data) != pem.size ||
		strstr(pem.data, "-----BEGIN ") == NULL)
		report(reading, yaml_get(map, key), "%s holds no PEM", key);
	else
		made = buf_take(&pem, NULL);
	buf_fini(&pem);
	return made;
}

/* The data wins over the file, as it does for kubectl. */
static void read_pair(struct reading *reading, const struct yaml_node *map, const char *key,
	char **file, char **pem)
{
	char data_key[64];

	snprintf(data_key, sizeof(data_key), "%s-data", key);
	*pem = copy_pem(reading, map, data_key);
	if (*pem == NULL)
		*file = copy_path(reading, text_of(reading, map, key));
}

/* ---- the parts ---- */

/* The element of this name in a list of {name, <part>}; reports when there is none. */
static const struct yaml_node *find_named(struct reading *reading, const struct yaml_node *root,
	const char *list_key, const char *part, const char *name, const struct yaml_node *place)
{
	const struct yaml_node *list = yaml_get(root, list_key);

	for (size_t i = 0; list != NULL && list->kind == YAML_LIST && i < list->child_count; i++) {
		const struct yaml_node *node = list->children[i];
		const struct yaml_node *found = yaml_get(node, "name");

		if (found == NULL || found->kind != YAML_SCALAR || strcmp(found->text, name) != 0)
			continue;
		if (yaml_get(node, part) != NULL && yaml_get(node, part)->kind == YAML_MAP)
			return yaml_get(node, part);
		report(reading, node, "\"%.100s\" of %s has no map \"%s\"", name, list_key, part);
		return NULL;
	}
	report(reading, place, "no \"%.100s\" in %s", name, list_key);
	return NULL;
}

static void read_proxy(struct reading *reading, const struct yaml_node *cluster)
{
	static const char *const schemes[] = {"http://", "https://", "socks5://"};
	const char *text = text_of(reading, cluster, "proxy-url");

	if (text == NULL)
		return;
	for (size_t i = 0; i < ARRAY_COUNT(schemes); i++) {
		if (strncmp(text, schemes[i], strlen(schemes[i])) == 0) {
			reading->config->proxy_url = copy(reading, text);
			return;
		}
	}
	report(reading, yaml_get(cluster, "proxy-url"),
		"proxy-url begins with none of http://, https://, socks5://");
}

static void read_cluster(struct reading *reading, const struct yaml_node *cluster)
{
	struct kube_config *config = reading->config;

	config->server = copy(reading, text_of(reading, cluster, "server"));
	if (config->server == NULL && !reading->failed)
		report(reading, cluster, "its cluster has no server");
	config->tls_server_name = copy(reading, text_of(reading, cluster, "tls-server-name"));
	if (truth_of(reading, cluster, "insecure-skip-tls-verify"))
		report(reading, yaml_get(cluster, "insecure-skip-tls-verify"),
			"insecure-skip-tls-verify is refused: whoever stands between could give "
			"commands in the cluster's name; set certificate-authority-data");
	read_pair(reading, cluster, "certificate-authority", &config->ca_file, &config->ca_pem);
	read_proxy(reading, cluster);
}

static void refuse_users(struct reading *reading, const struct yaml_node *user)
{
	static const struct {
		const char *key, *why;
	} refused[] = {
		{"username", "API servers take no passwords since Kubernetes 1.19"},
		{"password", "API servers take no passwords since Kubernetes 1.19"},
		{"auth-provider", "it was replaced by exec in Kubernetes 1.26"},
		{"as", "acting as someone else is not supported; give the user that is meant"},
		{"as-uid", "acting as someone else is not supported"},
		{"as-groups", "acting as someone else is not supported"},
		{"as-user-extra", "acting as someone else is not supported"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
		const struct yaml_node *node = yaml_get(user, refused[i].key);

		if (node != NULL && node->kind != YAML_NULL &&
			(node->kind != YAML_SCALAR || node->text[0] != '\0'))
			report(reading, node, "%s is refused: %s", refused[i].key, refused[i].why);
	}
}

static void read_arguments(struct reading *reading, const struct yaml_node *list,
	struct kube_config_exec *exec)
{
	if (list == NULL || list->kind == YAML_NULL)
		return;
	if (list->kind != YAML_LIST || list->child_count > KUBE_CONFIG_EXEC_MAX) {
		report(reading, list, "exec: args is no list of at most %d texts",
			KUBE_CONFIG_EXEC_MAX);
		return;
	}
	for (size_t i = 0; i < list->child_count; i++) {
		if (list->children[i]->kind != YAML_SCALAR)
			report(reading, list->children[i], "exec: an argument is no text");
		else
			exec->arguments[exec->argument_count++] =
				copy(reading, list->children[i]->text);
	}
}

static void read_variables(struct reading *reading, const struct yaml_node *list,
	struct kube_config_exec *exec)
{
	if (list == NULL || list->kind == YAML_NULL)
		return;
	if (list->kind != YAML_LIST || list->child_count > KUBE_CONFIG_EXEC_MAX) {
		report(reading, list, "exec: env is no list of at most %d variables",
			KUBE_CONFIG_EXEC_MAX);
		return;
	}
	for (size_t i = 0; i < list->child_count; i++) {
		const struct yaml_node *node = list->children[i];
		const char *name = text_of(reading, node, "name");
		const char *value = text_of(reading, node, "value");

		if (name == NULL || strchr(name, '=') != NULL) {
			report(reading, node, "exec: a variable has no good name");
			continue;
		}
		exec->names[exec->variable_count] = copy(reading, name);
		exec->values[exec->variable_count++] = copy(reading, value != NULL ? value : "");
	}
}

static void read_exec_version(struct reading *reading, const struct yaml_node *node,
	struct kube_config_exec *exec)
{
	const char *version = text_of(reading, node, "apiVersion");
	const char *mode = text_of(reading, node, "interactiveMode");
	bool beta;

	if (version == NULL ||
		(strcmp(version, "client.authentication.k8s.io/v1") != 0 &&
			strcmp(version, "client.authentication.k8s.io/v1beta1") != 0)) {
		report(reading, yaml_get(node, "apiVersion") ? yaml_get(node, "apiVersion") : node,
			"exec: apiVersion is none of client.authentication.k8s.io/v1, /v1beta1");
		return;
	}
	beta = strstr(version, "beta") != NULL;
	exec->api_version = copy(reading, version);
	if (mode == NULL && !beta)
		report(reading, node, "exec: interactiveMode is missing; give Never");
	else if (mode != NULL && strcmp(mode, "Always") == 0)
		report(reading, yaml_get(node, "interactiveMode"),
			"exec: interactiveMode Always: a service has nobody to ask; use a plugin "
			"that works without a terminal");
	else if (mode != NULL && strcmp(mode, "Never") != 0 && strcmp(mode, "IfAvailable") != 0)
		report(reading, yaml_get(node, "interactiveMode"),
			"exec: interactiveMode is none of Never, IfAvailable, Always");
}

static void read_exec(struct reading *reading, const struct yaml_node *node)
{
	struct kube_config_exec *exec = mem_zalloc(1, sizeof(*exec));
	const char *command;

	reading->config->exec = exec;
	if (exec == NULL) {
		report(reading, NULL, "out of memory");
		return;
	}
	if (node->kind != YAML_MAP) {
		report(reading, node, "exec is no map");
		return;
	}
	command = text_of(reading, node, "command");
	if (command == NULL)
		report(reading, node, "exec: command is missing");
	/* A bare name is looked for in PATH, as a shell would. */
	exec->command = command != NULL && strchr(command, '/') != NULL
		? copy_path(reading, command)
		: copy(reading, command);
	exec->install_hint = copy(reading, text_of(reading, node, "installHint"));
	exec->cluster_info = truth_of(reading, node, "provideClusterInfo");
	read_arguments(reading, yaml_get(node, "args"), exec);
	read_variables(reading, yaml_get(node, "env"), exec);
	read_exec_version(reading, node, exec);
}

static void read_user(struct reading *reading, const struct yaml_node *user)
{
	struct kube_config *config = reading->config;
	const struct yaml_node *exec = yaml_get(user, "exec");

	refuse_users(reading, user);
	read_pair(reading, user, "client-certificate", &config->cert_file, &config->cert_pem);
	read_pair(reading, user, "client-key", &config->key_file, &config->key_pem);
	if ((config->cert_file != NULL || config->cert_pem != NULL) !=
			(config->key_file != NULL || config->key_pem != NULL) &&
		!reading->failed)
		report(reading, user, "of client-certificate and client-key one is missing");
	config->token_file = copy_path(reading, text_of(reading, user, "tokenFile"));
	if (config->token_file == NULL)
		config->token = copy(reading, text_of(reading, user, "token"));
	if (config->token != NULL && strpbrk(config->token, "\r\n") != NULL)
		report(reading, yaml_get(user, "token"), "token holds a line break");
	if (exec != NULL && exec->kind != YAML_NULL)
		read_exec(reading, exec);
	if (config->exec != NULL && (config->token != NULL || config->token_file != NULL))
		report(reading, exec, "exec and a token: it is not clear which one is meant");
}

static void read_context(struct reading *reading, const struct yaml_node *root, const char *name)
{
	const struct yaml_node *current = yaml_get(root, "current-context");
	const struct yaml_node *context, *cluster, *user;
	const char *cluster_name, *user_name;

	if (name == NULL || *name == '\0')
		name = text_of(reading, root, "current-context");
	else
		current = NULL;
	if (name == NULL) {
		report(reading, current != NULL ? current : root,
			"no current-context, and no context was named (kubernetes.context)");
		return;
	}
	reading->context = name;
	reading->config->context = copy(reading, name);
	context = find_named(reading, root, "contexts", "context", name, current);
	if (context == NULL)
		return;
	cluster_name = text_of(reading, context, "cluster");
	user_name = text_of(reading, context, "user");
	reading->config->namespace_name = copy(reading, text_of(reading, context, "namespace"));
	if (cluster_name == NULL)
		report(reading, context, "it names no cluster");
	else if ((cluster = find_named(reading, root, "clusters", "cluster", cluster_name,
			  yaml_get(context, "cluster"))) != NULL)
		read_cluster(reading, cluster);
	/* Without a user we are nobody; to a server behind mutual trust that may be right. */
	if (user_name != NULL &&
		(user = find_named(reading, root, "users", "user", user_name,
			 yaml_get(context, "user"))) != NULL)
		read_user(reading, user);
}

struct kube_config *kube_config_read(const char *path, const char *context,
	struct diagnostics *diagnostics)
{
	struct reading reading = {.reader = {path, diagnostics}, .path = path};
	struct yaml_document *document = yaml_open_file(path, diagnostics);

	if (document == NULL)
		return NULL;
	reading.config = mem_zalloc(1, sizeof(*reading.config));
	if (reading.config == NULL) {
		report(&reading, NULL, "out of memory");
	} else if (yaml_root(document)->kind != YAML_MAP) {
		report(&reading, yaml_root(document), "this is no kubeconfig: no map");
	} else {
		reading.config->file = copy(&reading, path);
		read_context(&reading, yaml_root(document), context);
	}
	yaml_close(document);
	if (!reading.failed)
		return reading.config;
	kube_config_close(reading.config);
	return NULL;
}

enum status kube_config_open(struct kube_config **opened, const char *path, const char *context,
	struct error *error)
{
	struct diagnostics diagnostics;
	const struct diagnostic *first = NULL;

	diagnostics_init(&diagnostics);
	*opened = kube_config_read(path, context, &diagnostics);
	for (size_t i = 0; i < diagnostics.count && first == NULL; i++)
		if (!diagnostics.list[i].warning)
			first = &diagnostics.list[i];
	if (*opened != NULL)
		error_reset(error);
	else if (first == NULL)
		error_set(error, STATUS_NO_MEMORY, "%s: out of memory", path);
	else if (first->line > 0)
		error_set(error, STATUS_BAD_INPUT, "%s:%d:%d: %s", first->file, first->line,
			first->column, first->text);
	else
		error_set(error, STATUS_BAD_INPUT, "%s: %s", path, first->text);
	diagnostics_fini(&diagnostics);
	return *opened != NULL ? STATUS_OK : first == NULL ? STATUS_NO_MEMORY : STATUS_BAD_INPUT;
}

static void close_exec(struct kube_config_exec *exec)
{
	if (exec == NULL)
		return;
	for (size_t i = 0; i < exec->argument_count; i++)
		mem_free(exec->arguments[i]);
	for (size_t i = 0; i < exec->variable_count; i++) {
		mem_free(exec->names[i]);
		mem_free(exec->values[i]);
	}
	mem_free(exec->command);
	mem_free(exec->api_version);
	mem_free(exec->install_hint);
	mem_free(exec);
}

void kube_config_close(struct kube_config *config)
{
	if (config == NULL)
		return;
	char *const texts[] = {config->file, config->context, config->namespace_name,
		config->server, config->tls_server_name, config->proxy_url, config->ca_file,
		config->ca_pem, config->cert_file, config->cert_pem, config->key_file,
		config->key_pem, config->token, config->token_file};

	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		mem_free(texts[i]);
	close_exec(config->exec);
	mem_free(config);
}
