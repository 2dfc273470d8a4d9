/*
 * HTTP and JSON for tests of whole servers: one request over libcurl, answers parsed by jansson.
 *
 * Ownership: an answer belongs to the caller, web_answer_fini(); JSON is json_decref()ed.
 * Threads: any.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_WEB_H
#define NIMBUSGUARD_TESTS_SUPPORT_WEB_H

#include <jansson.h>
#include <stddef.h>

struct web_access {
	const char *token, *user, *password; /* NULL: none */
	const char *ca, *certificate, *key;  /* PEM files */
	const char *header;                  /* one more header line */
};

struct web_answer {
	long status; /* 0: no answer came, why is in body */
	char *body;
	size_t size;
	char type[128]; /* Content-Type */
	double seconds;
};

/* access and body may be NULL; a body is sent as application/json, unless the access' header says
 * otherwise. */
struct web_answer web_call(const char *method, const char *url, const struct web_access *access,
	const char *body);
void web_answer_fini(struct web_answer *answer);
/* Only the status of a GET. */
long web_status(const char *url, const struct web_access *access);

/* The JSON of a GET that must be answered 200, or the test ends. */
json_t *web_json(const char *url, const struct web_access *access);
/* base + path + text, with the text escaped for a URL (free). */
char *web_url(const char *base, const char *path, const char *text);

/* The value of `name` or `name{labels}`, just as the page writes it, on the metrics page of base;
 * NaN when it is not there. */
double web_metric(const char *base, const char *series);
/* The sum over all children of a metric. */
double web_metric_sum(const char *base, const char *name);

#endif
