/*
 * The real servers in tests: NimbusGuard, Prometheus and Alertmanager as programs on free ports of
 * 127.0.0.1, configured by the snippets that deploy/ ships, with a few words of them replaced.
 *
 * Usage: struct servers world; servers_open(&world) in the test's setup, servers_close() in its
 *   teardown, which ends whatever still runs and removes the folder.
 * Limits: SERVERS_MAX servers at once.
 * Threads: one.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_SERVERS_H
#define NIMBUSGUARD_TESTS_SUPPORT_SERVERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "tests/support/port.h"
#include "tests/support/proc.h"
#include "tests/support/web.h"

#define SERVERS_MAX 12
#define SERVER_PATH_MAX 512

struct server {
	const char *name;
	struct proc proc;
	struct port port;
	char address[64]; /* 127.0.0.1:port */
	char url[96];     /* http://127.0.0.1:port */
};

struct servers {
	char folder[SERVER_PATH_MAX];
	struct server list[SERVERS_MAX];
	size_t count;
};

/* False when a program is missing that the environment should name: the test is to be skipped. */
bool servers_there(bool prometheus, bool alertmanager);
void servers_open(struct servers *servers);
void servers_close(struct servers *servers);
/* Shows the end of what each server said; for a test that fails. */
void servers_tell(const struct servers *servers);

/* A server with a port of its own; nothing runs yet. */
struct server *server_add(struct servers *servers, const char *name);
/* From now on its url is https. */
void server_use_tls(struct server *server);
/* serve on that port, with a state folder named after the server, and these flags (NULL-terminated);
 * returns when it is ready. May be called again after the program ended. */
void nimbusguard_start(struct servers *servers, struct server *server, const char *const *flags);
/* The same without the wait and the port, for starts that are to fail. */
void nimbusguard_launch(struct servers *servers, struct server *server, const char *const *flags);
/* web: a web configuration file, or NULL. Returns when it is ready. */
void prometheus_start(struct servers *servers, struct server *server, const char *config);
void alertmanager_start(struct servers *servers, struct server *server, const char *config);
/* SIGTERM; the test fails when the exit status is not 0 or a sanitizer had something to say. */
void server_end(struct server *server);
/* SIGKILL. */
void server_kill(struct server *server);
bool server_said(const struct server *server, const char *text);

/* A file of the checkout, whole (free). */
char *source_read(const char *path);
/* text with each `from` replaced by `to`, which must be there at least once; frees text. */
char *text_replace(char *text, const char *from, const char *to);
/* Cuts from the first `from` up to, without, `to` behind it; both must be there. */
char *text_cut(char *text, const char *from, const char *to);
/* Writes a file into the folder of the servers and gives its path in a static buffer of four. */
const char *servers_write(struct servers *servers, const char *name, const char *text);
/* A prometheus.yml (free) of the shipped snippets scrape, rules and remote_write. The address and the
 * path of the rules are replaced; further_jobs stands behind the scrape snippet; remote_write NULL:
 * the snippet; alerting may be NULL. */
char *prometheus_config(const struct server *nimbusguard, const char *further_jobs,
	const char *remote_write, const char *alerting);
/* The same of texts that stand for the snippets. */
char *prometheus_compose(const char *scrape, const char *further_jobs, const char *remote_write,
	const char *alerting);
char *snippet_scrape(const struct server *nimbusguard);
char *snippet_remote_write(const struct server *nimbusguard);
char *snippet_receiver(const struct server *nimbusguard);

/* The result list of an instant query at Prometheus; time_s 0: now. */
json_t *prometheus_query(const struct server *prometheus, const char *expression, double time_s);
/* GET /api/v1/<path> at NimbusGuard: the data. */
json_t *nimbusguard_get(const struct server *nimbusguard, const char *path);

void await_failed(const struct servers *servers, const char *what, int seconds)
	__attribute__((noreturn));

/* On a busy machine all takes long, and where the condition comes a late end costs nothing. */
#define AWAIT_MIN_S 120

/* Waits until the condition holds; the test fails when it does not within the seconds, which are
 * AWAIT_MIN_S at least. */
#define AWAIT(servers, condition, seconds)                                                         \
	do {                                                                                       \
		const int await_s = (seconds) > AWAIT_MIN_S ? (seconds) : AWAIT_MIN_S;             \
		int64_t await_end_ns =                                                             \
			clock_mono_ns(clock_system()) + (int64_t)await_s * 1000000000;             \
		while (!(condition)) {                                                             \
			if (clock_mono_ns(clock_system()) > await_end_ns)                          \
				await_failed(servers, #condition, await_s);                        \
			clock_sleep_ms(100);                                                       \
		}                                                                                  \
	} while (0)

#endif
