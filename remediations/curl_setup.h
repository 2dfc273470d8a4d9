/*
 * How every connection of this room is set up with libcurl: TLS 1.2 or later and verified always, no
 * redirects, no proxy of the environment, no signals, HTTP/1.1.
 *
 * Ownership: texts are borrowed for the life of the handle, but PEM is copied.
 * Threads: any; a handle belongs to one.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_CURL_SETUP_H
#define NIMBUSGUARD_REMEDIATIONS_CURL_SETUP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct curl_setup {
	const char *ca_file, *ca_pem; /* of a pair one; both NULL: the system's authorities */
	const char *cert_file, *cert_pem, *key_file, *key_pem; /* all NULL: none of our own */
	const char *proxy_url;                                 /* NULL: none */
	long connection_age_s;                                 /* a kept one is not used after it */
	curl_write_callback take;     /* of the body, with `argument`, as of the next one */
	curl_xferinfo_callback watch; /* asked now and then; not 0 ends the transfer */
	void *argument;
};

/* Before anything else of libcurl; any number of times. */
void curl_setup_init(void);
/* A handle for curl_easy_cleanup(); NULL: no memory. */
CURL *curl_setup_open(const struct curl_setup *setup) MUST_CHECK;
/* Another certificate of our own from the next connection on. */
CURLcode curl_setup_certificate(CURL *curl, const char *cert_pem, const char *key_pem) MUST_CHECK;
/* Appends to a list that may be NULL; false: no memory, the list is as it was. */
bool curl_setup_add(struct curl_slist **list, const char *text) MUST_CHECK;

#endif
