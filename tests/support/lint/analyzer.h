/*
 * Included first when clang's analyzer reads a file: it sees one file at a time and could not know that
 * `return error_set(error, STATUS_X, ...)` never returns STATUS_OK.
 */
#include "base/error.h"

#define error_set(error, code, ...) ((void)(error_set)((error), (code), __VA_ARGS__), (code))
#define error_set_errno(error, code, ...)                                                          \
	((void)(error_set_errno)((error), (code), __VA_ARGS__), (code))
