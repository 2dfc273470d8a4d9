/*
 * The program gets our environment, the variables of the kubeconfig, and KUBERNETES_EXEC_INFO; nothing
 * on its standard input, and none of our descriptors. It is a process group of its own, so that what
 * it starts ends with it.
 */
#define _GNU_SOURCE /* pipe2(); NOLINT(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): by the manual */
#include "remediations/kube_config_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/parse.h"

#define SLICE_MS 20
#define WORDS_MAX 4096 /* of its standard error */

void kube_exec_answer_fini(struct kube_exec_answer *answer)
{
	mem_free(answer->token);
	mem_free(answer->cert_pem);
	mem_free(answer->key_pem);
	*answer = (struct kube_exec_answer){0};
}

/* ---- what it is told ---- */

static void add_authority(const struct kube_config *config, json_t *cluster)
{
	struct buf pem, text;

	buf_init(&pem, KUBE_EXEC_OUTPUT_MAX);
	buf_init(&text, KUBE_EXEC_OUTPUT_MAX * 2);
	if (config->ca_pem != NULL)
		buf_add_text(&pem, config->ca_pem);
	else if (config->ca_file != NULL && file_read(config->ca_file, &pem, NULL) != STATUS_OK)
		buf_reset(&pem);
	if (pem.size > 0)
		base64_encode(pem.data, pem.size, &text);
	if (text.size > 0 && buf_ok(&text))
		json_object_set_new(cluster, "certificate-authority-data", json_string(text.data));
	buf_fini(&pem);
	buf_fini(&text);
}

/* The variable KUBERNETES_EXEC_INFO (mem_free); NULL: no memory. */
static char *make_info(const struct kube_config *config)
{
	static const char name[] = "KUBERNETES_EXEC_INFO=";
	json_t *spec = json_pack("{s:b}", "interactive", 0);
	json_t *cluster = NULL, *info;
	char *variable = NULL;
	size_t size;

	if (spec != NULL && config->exec->cluster_info) {
		cluster = json_pack("{s:s,s:s*,s:s*}", "server", config->server, "tls-server-name",
			config->tls_server_name, "proxy-url", config->proxy_url);
		if (cluster != NULL)
			add_authority(config, cluster);
		json_object_set_new(spec, "cluster", cluster);
	}
	info = json_pack("{s:s,s:s,s:o}", "apiVersion", config->exec->api_version, "kind",
		"ExecCredential", "spec", spec);
	size = info != NULL ? json_dumpb(info, NULL, 0, JSON_COMPACT) : 0;
	if (size > 0)
		variable = mem_zalloc(1, sizeof(name) + size);
	if (variable != NULL) {
		memcpy(variable, name, sizeof(name));
		(void)json_dumpb(info, variable + sizeof(name) - 1, size, JSON_COMPACT);
	}
	json_decref(info);
	return variable;
}

struct surroundings {
	char **list; /* NULL-terminated; the first own_count are ours to free */
	size_t own_count;
};

static bool is_replaced(const struct surroundings *made, const char *variable)
{
	size_t size = strcspn(variable, "=") + 1;

	for (size_t i = 0; i < made->own_count; i++)
		if (strncmp(made->list[i], variable, size) == 0)
			return true;
	return false;
}

static bool make_surroundings(const struct kube_config *config, struct surroundings *made)
{
	const struct kube_config_exec *exec = config->exec;
	size_t count = 0, used;

	while (environ[count] != NULL)
		count++;
	made->list = mem_zalloc(count + exec->variable_count + 2, sizeof(*made->list));
	if (made->list == NULL)
		return false;
	for (size_t i = 0; i < exec->variable_count; i++) {
		size_t size = strlen(exec->names[i]) + strlen(exec->values[i]) + 2;
		char *variable = mem_alloc(size);

		if (variable == NULL)
			return false;
		snprintf(variable, size, "%s=%s", exec->names[i], exec->values[i]);
		made->list[made->own_count++] = variable;
	}
	made->list[made->own_count] = make_info(config);
	if (made->list[made->own_count] == NULL)
		return false;
	used = ++made->own_count;
	for (size_t i = 0; i < count; i++)
		if (!is_replaced(made, environ[i]))
			made->list[used++] = environ[i];
	return true;
}

static void free_surroundings(struct surroundings *made)
{
	for (size_t i = 0; made->list != NULL && i < made->own_count; i++)
		mem_free(made->list[i]);
	mem_free(made->list);
}

/* ---- running it ---- */

struct child {
	pid_t pid;
	int output, words; /* our ends of its standard output and error; -1: closed */
};

static int spawn(const struct kube_config_exec *exec, char *const *variables, int output, int words,
	pid_t *pid)
{
	char *argv[KUBE_CONFIG_EXEC_MAX + 2] = {exec->command};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int number;

	for (size_t i = 0; i < exec->argument_count; i++)
		argv[i + 1] = exec->arguments[i];
	sigemptyset(&none);
	sigfillset(&all);
	if (posix_spawn_file_actions_init(&actions) != 0)
		return ENOMEM;
	if (posix_spawnattr_init(&attributes) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return ENOMEM;
	}
	posix_spawnattr_setflags(&attributes,
		POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setsigmask(&attributes, &none);
	number = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (number == 0)
		number = posix_spawn_file_actions_adddup2(&actions, output, 1);
	if (number == 0)
		number = posix_spawn_file_actions_adddup2(&actions, words, 2);
	/* Sockets of others in this process may lack the mark that closes them. */
	if (number == 0)
		number = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	if (number == 0)
		number = posix_spawnp(pid, exec->command, &actions, &attributes, argv, variables);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return number;
}

static enum status start(const struct kube_config *config, struct child *child, struct error *error)
{
	struct surroundings variables = {NULL, 0};
	int output[2] = {-1, -1}, words[2] = {-1, -1}, number = 0;

	*child = (struct child){-1, -1, -1};
	if (!make_surroundings(config, &variables)) {
		free_surroundings(&variables);
		return error_set(error, STATUS_NO_MEMORY, "no memory for the plugin");
	}
	/* Both ends high enough that the doubles at 1 and 2 overwrite none of them. */
	if (pipe2(output, O_CLOEXEC) != 0 || pipe2(words, O_CLOEXEC) != 0)
		number = errno;
	else
		number = spawn(config->exec, variables.list, output[1], words[1], &child->pid);
	free_surroundings(&variables);
	if (output[1] >= 0)
		close(output[1]);
	if (words[1] >= 0)
		close(words[1]);
	child->output = output[0];
	child->words = words[0];
	if (number == 0)
		return STATUS_OK;
	child->pid = -1;
	return error_set_errno(error, STATUS_UNAUTHENTICATED, number, "it cannot be started");
}

/* Takes what is there; closes at the end, or when there is no more room. */
static void drain(int *descriptor, struct buf *buf)
{
	char bytes[4096];
	ssize_t got = read(*descriptor, bytes, sizeof(bytes));

	if (got > 0)
		buf_add(buf, bytes, (size_t)got);
	else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
		close(*descriptor);
		*descriptor = -1;
	}
}

/* Waits a little for output. Whether any came. */
static bool listen_to(struct child *child, struct buf *output, struct buf *words)
{
	struct pollfd polls[2] = {{.fd = child->output, .events = POLLIN},
		{.fd = child->words, .events = POLLIN}};
	int ready = poll(polls, 2, SLICE_MS);

	if (ready <= 0)
		return false;
	if (polls[0].revents != 0)
		drain(&child->output, output);
	/* Of its words the beginning is enough; the rest must be read, or it would wait. */
	if (polls[1].revents != 0) {
		drain(&child->words, words);
		if (!buf_ok(words))
			words->failed = false;
	}
	return true;
}

static bool has_ended(const struct child *child)
{
	siginfo_t information = {0};

	return waitid(P_PID, (id_t)child->pid, &information, WEXITED | WNOHANG | WNOWAIT) == 0 &&
		information.si_pid == child->pid;
}

/* Kills what is left of its group, and takes its exit status. */
static int reap(struct child *child)
{
	int status = -1;

	kill(-child->pid, SIGKILL);
	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (child->output >= 0)
		close(child->output);
	if (child->words >= 0)
		close(child->words);
	return status;
}

/* The first line of its words, for people. */
static void first_line(const struct buf *words, char *line, size_t size)
{
	const char *text = words->data != NULL ? words->data : "";

	text += strspn(text, " \t\r\n");
	snprintf(line, size, "%.*s", (int)strcspn(text, "\r\n"), text);
}

static enum status judge_end(int status, const struct buf *words, struct error *error)
{
	char line[200];

	first_line(words, line, sizeof(line));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return STATUS_OK;
	if (WIFEXITED(status))
		return error_set(error, STATUS_UNAUTHENTICATED, "it ended with status %d%s%s",
			WEXITSTATUS(status), line[0] != '\0' ? ": " : "", line);
	return error_set(error, STATUS_UNAUTHENTICATED, "it was ended by signal %d%s%s",
		WTERMSIG(status), line[0] != '\0' ? ": " : "", line);
}

static enum status attend(struct child *child, int64_t timeout_ms, kube_exec_stop_fn *stop,
	const void *argument, struct buf *output, struct error *error)
{
	int64_t until_ns = clock_mono_ns(clock_system()) + timeout_ms * 1000000;
	enum status status = STATUS_OK;
	struct buf words;
	int exit_status;

	buf_init(&words, WORDS_MAX);
	for (;;) {
		bool ended = has_ended(child), heard = listen_to(child, output, &words);

		/* What it wrote before its end is there by then; who holds the pipe still is not
		 * waited for. */
		if (ended && !heard)
			break;
		if (!buf_ok(output))
			status = error_set(error, STATUS_UNAUTHENTICATED,
				"it writes more than %u bytes", KUBE_EXEC_OUTPUT_MAX);
		else if (stop != NULL && stop(argument))
			status = error_set(error, STATUS_UNAVAILABLE, "the service is ending");
		else if (clock_mono_ns(clock_system()) >= until_ns)
			status = error_set(error, STATUS_UNAUTHENTICATED,
				"it did not end within %lld ms", (long long)timeout_ms);
		if (status != STATUS_OK)
			break;
	}
	exit_status = reap(child);
	if (status == STATUS_OK)
		status = judge_end(exit_status, &words, error);
	buf_fini(&words);
	return status;
}

/* ---- what it said ---- */

static char *copy_member(const json_t *object, const char *key, bool *failed)
{
	const char *text = json_string_value(json_object_get(object, key));
	char *copy;

	if (text == NULL || *text == '\0')
		return NULL;
	copy = mem_strdup(text);
	*failed |= copy == NULL;
	return copy;
}

static enum status read_status(const json_t *status, struct kube_exec_answer *answer,
	struct error *error)
{
	const char *expires = json_string_value(json_object_get(status, "expirationTimestamp"));
	bool failed = false;

	answer->token = copy_member(status, "token", &failed);
	answer->cert_pem = copy_member(status, "clientCertificateData", &failed);
	answer->key_pem = copy_member(status, "clientKeyData", &failed);
	if (failed)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the credential");
	if ((answer->cert_pem != NULL) != (answer->key_pem != NULL))
		return error_set(error, STATUS_UNAUTHENTICATED,
			"of clientCertificateData and clientKeyData one is missing");
	if (answer->token == NULL && answer->cert_pem == NULL)
		return error_set(error, STATUS_UNAUTHENTICATED,
			"its status holds neither token nor clientCertificateData");
	if (answer->token != NULL && strpbrk(answer->token, "\r\n") != NULL)
		return error_set(error, STATUS_UNAUTHENTICATED, "its token holds a line break");
	if (expires == NULL)
		return STATUS_OK;
	if (parse_rfc3339(expires, &answer->expires_ms) != STATUS_OK)
		return error_set(error, STATUS_UNAUTHENTICATED,
			"its expirationTimestamp is no time");
	if (answer->expires_ms <= clock_now_ms(clock_system()))
		return error_set(error, STATUS_UNAUTHENTICATED,
			"the credential that it gave has ended already, at %.40s", expires);
	return STATUS_OK;
}

enum status kube_exec_read(const struct kube_config_exec *exec, const char *text, size_t size,
	struct kube_exec_answer *answer, struct error *error)
{
	json_t *root = size > 0 ? json_loadb(text, size, 0, NULL) : NULL;
	const char *kind = json_string_value(json_object_get(root, "kind"));
	const char *version = json_string_value(json_object_get(root, "apiVersion"));
	enum status status;

	*answer = (struct kube_exec_answer){0};
	if (root == NULL || kind == NULL || strcmp(kind, "ExecCredential") != 0)
		status = error_set(error, STATUS_UNAUTHENTICATED,
			"it did not write an ExecCredential as JSON");
	else if (version == NULL || strcmp(version, exec->api_version) != 0)
		status = error_set(error, STATUS_UNAUTHENTICATED,
			"it answers in %.60s, the kubeconfig says %s",
			version != NULL ? version : "no apiVersion", exec->api_version);
	else
		status = read_status(json_object_get(root, "status"), answer, error);
	json_decref(root);
	if (status != STATUS_OK)
		kube_exec_answer_fini(answer);
	return status;
}

enum status kube_exec_run(const struct kube_config *config, int64_t timeout_ms,
	kube_exec_stop_fn *stop, const void *argument, struct kube_exec_answer *answer,
	struct error *error)
{
	const struct kube_config_exec *exec = config->exec;
	struct child child;
	struct buf output;
	enum status status;

	*answer = (struct kube_exec_answer){0};
	buf_init(&output, KUBE_EXEC_OUTPUT_MAX);
	status = start(config, &child, error);
	if (status == STATUS_OK)
		status = attend(&child, timeout_ms, stop, argument, &output, error);
	else {
		if (child.output >= 0)
			close(child.output);
		if (child.words >= 0)
			close(child.words);
	}
	if (status == STATUS_OK)
		status = kube_exec_read(exec, output.data, output.size, answer, error);
	buf_fini(&output);
	if (status == STATUS_OK)
		return STATUS_OK;
	if (status == STATUS_UNAUTHENTICATED && exec->install_hint != NULL && error != NULL) {
		struct error plain = *error;

		error_set(error, status, "%.300s (%.100s)", plain.text, exec->install_hint);
	}
	return error_prefix(error, "context \"%.80s\": credential plugin %.150s", config->context,
		exec->command);
}
