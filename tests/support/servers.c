/*
 * Starts the programs that the environment names (NIMBUSGUARD_TEST_BIN, NIMBUSGUARD_TEST_SERVERS)
 * and builds their configurations out of deploy/.
 */
#define _XOPEN_SOURCE 700 /* nftw() */
#include "tests/support/servers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define READY_S 60
#define END_MS 60000
#define ARGUMENTS_MAX 64
#define TELL_BYTES 6000

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value != NULL ? value : "";
}

static const char *program(const char *name)
{
	static char path[SERVER_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", environment("NIMBUSGUARD_TEST_SERVERS"), name);
	return path;
}

bool servers_there(bool prometheus, bool alertmanager)
{
	return access(environment("NIMBUSGUARD_TEST_BIN"), X_OK) == 0 &&
		(!prometheus || access(program("prometheus"), X_OK) == 0) &&
		(!alertmanager || access(program("prometheus-alertmanager"), X_OK) == 0);
}

void servers_open(struct servers *servers)
{
	const char *parent = environment("TMPDIR");

	*servers = (struct servers){.count = 0};
	snprintf(servers->folder, sizeof(servers->folder), "%.400s/servers-XXXXXX",
		parent[0] != '\0' ? parent : "/tmp");
	assert_non_null(mkdtemp(servers->folder));
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
	(void)stat;
	(void)type;
	(void)walk;
	return remove(path);
}

void servers_close(struct servers *servers)
{
	for (size_t i = 0; i < servers->count; i++) {
		if (servers->list[i].proc.pid > 0)
			(void)proc_stop(&servers->list[i].proc, SIGKILL, 10000);
		port_release(&servers->list[i].port);
	}
	nftw(servers->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	servers->count = 0;
}

void servers_tell(const struct servers *servers)
{
	for (size_t i = 0; i < servers->count; i++) {
		char *log = proc_log(&servers->list[i].proc);
		size_t size = strlen(log);

		fprintf(stderr, "---- the end of what %s said:\n%s\n", servers->list[i].name,
			size > TELL_BYTES ? log + size - TELL_BYTES : log);
		free(log);
	}
}

void await_failed(const struct servers *servers, const char *what, int seconds)
{
	servers_tell(servers);
	fail_msg("not within %d s: %s", seconds, what);
	abort();
}

struct server *server_add(struct servers *servers, const char *name)
{
	struct server *server = &servers->list[servers->count];
	char path[SERVER_PATH_MAX * 2];

	assert_true(servers->count < SERVERS_MAX);
	servers->count++;
	*server = (struct server){.name = name};
	port_reserve(&server->port);
	snprintf(server->address, sizeof(server->address), "127.0.0.1:%u", server->port.number);
	snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", server->port.number);
	assert_true(
		snprintf(path, sizeof(path), "%s/%s.log", servers->folder, name) < SERVER_PATH_MAX);
	memcpy(server->proc.log_path, path, SERVER_PATH_MAX);
	return server;
}

void server_use_tls(struct server *server)
{
	snprintf(server->url, sizeof(server->url), "https://127.0.0.1:%u", server->port.number);
}

/* Any answer at all will do: with access control on it is 401, with TLS the answer that this
 * caller knows no such certificate, or, where none are installed, no certificates at all: both come
 * after the connection. */
static bool ready(struct server *server, const char *path)
{
	char *url = web_url(server->url, path, "");
	struct web_answer answer = web_call("GET", url, NULL, NULL);
	bool good = answer.status == 200 || answer.status == 401 ||
		strstr(answer.body, "certificate") != NULL;

	web_answer_fini(&answer);
	free(url);
	return good;
}

static void wait_ready(struct servers *servers, struct server *server, const char *path)
{
	for (int i = 0; i < READY_S * 20; i++) {
		if (ready(server, path))
			return;
		if (!proc_runs(&server->proc))
			break;
		clock_sleep_ms(50);
	}
	servers_tell(servers);
	fail_msg("%s does not start", server->name);
}

static const char *flag(char *text, size_t size, const char *name, const char *value)
{
	assert_true((size_t)snprintf(text, size, "--%s=%s", name, value) < size);
	return text;
}

static void state_folder(const struct servers *servers, const struct server *server, char *path,
	size_t size)
{
	snprintf(path, size, "%s/%s", servers->folder, server->name);
}

void nimbusguard_launch(struct servers *servers, struct server *server, const char *const *flags)
{
	const char *argv[ARGUMENTS_MAX] = {environment("NIMBUSGUARD_TEST_BIN"), "serve"};
	char path[SERVER_PATH_MAX * 2], storage[SERVER_PATH_MAX * 2 + 32];
	size_t count = 2;

	/* One that a failed test left running. */
	if (server->proc.pid > 0)
		(void)proc_stop(&server->proc, SIGKILL, 10000);
	state_folder(servers, server, path, sizeof(path));
	argv[count++] = flag(storage, sizeof(storage), "storage.path", path);
	argv[count++] = "--storage.memory-max=64MiB";
	for (; *flags != NULL && count < ARGUMENTS_MAX - 1; flags++)
		argv[count++] = *flags;
	argv[count] = NULL;
	proc_start(&server->proc, argv, NULL);
}

void nimbusguard_start(struct servers *servers, struct server *server, const char *const *flags)
{
	const char *all[ARGUMENTS_MAX] = {0};
	char address[128];
	size_t count = 0;

	all[count++] = flag(address, sizeof(address), "web.listen-address", server->address);
	for (; *flags != NULL && count < ARGUMENTS_MAX - 1; flags++)
		all[count++] = *flags;
	nimbusguard_launch(servers, server, all);
	wait_ready(servers, server, "/-/ready");
}

void prometheus_start(struct servers *servers, struct server *server, const char *config)
{
	char path[SERVER_PATH_MAX * 2], file[2 * SERVER_PATH_MAX + 32],
		data[2 * SERVER_PATH_MAX + 32];
	char address[128], name[128];
	const char *argv[] = {program("prometheus"), file, data, address, "--web.enable-lifecycle",
		"--web.enable-remote-write-receiver", "--storage.remote.flush-deadline=10s", NULL};

	snprintf(name, sizeof(name), "%s.yml", server->name);
	flag(file, sizeof(file), "config.file", servers_write(servers, name, config));
	state_folder(servers, server, path, sizeof(path));
	flag(data, sizeof(data), "storage.tsdb.path", path);
	flag(address, sizeof(address), "web.listen-address", server->address);
	proc_start(&server->proc, argv, NULL);
	wait_ready(servers, server, "/-/ready");
}

void alertmanager_start(struct servers *servers, struct server *server, const char *config)
{
	char path[SERVER_PATH_MAX * 2], file[2 * SERVER_PATH_MAX + 32],
		data[2 * SERVER_PATH_MAX + 32];
	char address[128], name[128];
	static char home[SERVER_PATH_MAX];
	const char *argv[] = {program("prometheus-alertmanager"), file, data, address,
		"--cluster.listen-address=", NULL};

	snprintf(name, sizeof(name), "%s.yml", server->name);
	flag(file, sizeof(file), "config.file", servers_write(servers, name, config));
	state_folder(servers, server, path, sizeof(path));
	flag(data, sizeof(data), "storage.path", path);
	/* Its templates are found from there, see servers.sh. */
	snprintf(home, sizeof(home), "%s/../..", environment("NIMBUSGUARD_TEST_SERVERS"));
	server->proc.folder = home;
	flag(address, sizeof(address), "web.listen-address", server->address);
	proc_start(&server->proc, argv, NULL);
	wait_ready(servers, server, "/-/ready");
}

void server_end(struct server *server)
{
	int status = proc_stop(&server->proc, SIGTERM, END_MS);
	char *log = proc_log(&server->proc);
	bool reported = strstr(log, "Sanitizer") != NULL || strstr(log, "runtime error:") != NULL;

	if (status != 0 || reported) {
		size_t size = strlen(log);

		fprintf(stderr, "---- the end of what %s said:\n%s\n", server->name,
			size > TELL_BYTES ? log + size - TELL_BYTES : log);
	}
	free(log);
	assert_false(reported);
	assert_int_equal(status, 0);
}

void server_kill(struct server *server)
{
	assert_int_equal(proc_stop(&server->proc, SIGKILL, 10000), 128 + SIGKILL);
}

bool server_said(const struct server *server, const char *text)
{
	return proc_said(&server->proc, text);
}

char *source_read(const char *path)
{
	char full[SERVER_PATH_MAX * 2], *text = NULL;
	const char *source = environment("NIMBUSGUARD_SOURCE");
	size_t size;
	FILE *file, *all = open_memstream(&text, &size);
	int c;

	snprintf(full, sizeof(full), "%s/%s", source[0] != '\0' ? source : ".", path);
	file = fopen(full, "r");
	if (file == NULL)
		fail_msg("%s cannot be read", full);
	while ((c = fgetc(file)) != EOF)
		fputc(c, all);
	fclose(file);
	fclose(all);
	return text;
}

char *text_replace(char *text, const char *from, const char *to)
{
	char *result = NULL;
	const char *at = text, *next;
	size_t size, replaced = 0;
	FILE *all = open_memstream(&result, &size);

	for (; (next = strstr(at, from)) != NULL; at = next + strlen(from), replaced++)
		fprintf(all, "%.*s%s", (int)(next - at), at, to);
	fprintf(all, "%s", at);
	fclose(all);
	if (replaced == 0)
		fail_msg("\"%s\" does not stand in:\n%s", from, text);
	free(text);
	return result;
}

char *text_cut(char *text, const char *from, const char *to)
{
	char *begin = strstr(text, from), *end = begin != NULL ? strstr(begin, to) : NULL;

	if (end == NULL)
		fail_msg("\"%s\" up to \"%s\" does not stand in:\n%s", from, to, text);
	memmove(begin, end, strlen(end) + 1);
	return text;
}

const char *servers_write(struct servers *servers, const char *name, const char *text)
{
	static char paths[4][SERVER_PATH_MAX * 2];
	static unsigned next;
	char *path = paths[next++ % 4];
	struct error error;

	snprintf(path, sizeof(paths[0]), "%s/%s", servers->folder, name);
	if (file_write_atomic(path, text, strlen(text), 0600, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	return path;
}

char *snippet_remote_write(const struct server *nimbusguard)
{
	return text_replace(source_read("deploy/prometheus/remote_write.yml"), "127.0.0.1:9797",
		nimbusguard->address);
}

char *snippet_receiver(const struct server *nimbusguard)
{
	return text_replace(source_read("deploy/alertmanager/receiver.yml"), "127.0.0.1:9797",
		nimbusguard->address);
}

char *snippet_scrape(const struct server *nimbusguard)
{
	return text_replace(source_read("deploy/prometheus/scrape.yml"), "127.0.0.1:9797",
		nimbusguard->address);
}

char *prometheus_compose(const char *scrape, const char *further_jobs, const char *remote_write,
	const char *alerting)
{
	const char *source = environment("NIMBUSGUARD_SOURCE");
	char *text = NULL,
	     *rules = text_replace(source_read("deploy/prometheus/rules.yml"),
		     "/usr/local/share/nimbusguard", source[0] != '\0' ? source : ".");
	size_t size;
	FILE *all = open_memstream(&text, &size);

	fprintf(all,
		"global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\n"
		"  evaluation_interval: 1s\n%s%s%s%s%s",
		scrape, further_jobs, rules, remote_write, alerting != NULL ? alerting : "");
	fclose(all);
	free(rules);
	return text;
}

char *prometheus_config(const struct server *nimbusguard, const char *further_jobs,
	const char *remote_write, const char *alerting)
{
	char *scrape = snippet_scrape(nimbusguard);
	char *write = remote_write == NULL ? snippet_remote_write(nimbusguard) : NULL;
	char *text = prometheus_compose(scrape, further_jobs, write != NULL ? write : remote_write,
		alerting);

	free(scrape);
	free(write);
	return text;
}

json_t *prometheus_query(const struct server *prometheus, const char *expression, double time_s)
{
	char *query = web_url(prometheus->url, "/api/v1/query?query=", expression), *url = NULL;
	size_t size;
	FILE *all = open_memstream(&url, &size);
	json_t *json, *result;

	fprintf(all, "%s", query);
	if (time_s > 0)
		fprintf(all, "&time=%.3f", time_s);
	fclose(all);
	json = web_json(url, NULL);
	result = json_incref(json_object_get(json_object_get(json, "data"), "result"));
	assert_true(json_is_array(result));
	json_decref(json);
	free(query);
	free(url);
	return result;
}

json_t *nimbusguard_get(const struct server *nimbusguard, const char *path)
{
	char url[1024];
	json_t *json, *result;

	snprintf(url, sizeof(url), "%s/api/v1/%s", nimbusguard->url, path);
	json = web_json(url, NULL);
	result = json_incref(json_object_get(json, "data"));
	assert_string_equal(json_string_value(json_object_get(json, "status")), "success");
	assert_non_null(result);
	json_decref(json);
	return result;
}
