/*
 * CHECK(promise): our own promises, always on. Never used on input. A broken promise prints the
 * place and the promise and aborts, so that the journal on disk stays the last word.
 */
#ifndef NIMBUSGUARD_BASE_CHECK_H
#define NIMBUSGUARD_BASE_CHECK_H

void check_failed(const char *file, int line, const char *promise) __attribute__((noreturn, cold));

#define CHECK(promise) ((promise) ? (void)0 : check_failed(__FILE__, __LINE__, #promise))

#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
