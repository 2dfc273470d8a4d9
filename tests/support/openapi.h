/*
 * Answers of the API against docs/openapi.json: is this status described for this operation, and is
 * the body what its schema says?
 *
 * Limits: the keywords that the document uses: $ref, type, const, enum, required, properties,
 *   additionalProperties, items, prefixItems, minItems, maxItems. Any other ends the test.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_OPENAPI_H
#define NIMBUSGUARD_TESTS_SUPPORT_OPENAPI_H

#include <jansson.h>

#include "tests/support/web.h"

/* The whole document, checked to be OpenAPI 3.1 (json_decref). */
json_t *openapi_read(void);
/* Ends the test when the answer is not as described. path: as the document names it. */
void openapi_check(json_t *document, const char *method, const char *path,
	const struct web_answer *answer);
/* Ends the test when an operation that is described was in no openapi_check() of this document. */
void openapi_all_checked(json_t *document);
/* Ends the test when a route of daemon/routes.c is not described, or what is described is no route. */
void openapi_check_routes(json_t *document);

#endif
