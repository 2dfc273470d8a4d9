/*
 * Words that are cut at their size, as snprintf() does, piece by piece.
 */
#include "remediations/words.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"

void words_init(struct words *words, char *text, size_t size)
{
	CHECK(size > 0);
	*words = (struct words){.text = text, .size = size};
	*text = '\0';
}

void words_add(struct words *words, const char *format, ...)
{
	va_list arguments;
	int length;

	if (words->used + 1 >= words->size)
		return;
	va_start(arguments, format);
	length = vsnprintf(words->text + words->used, words->size - words->used, format, arguments);
	va_end(arguments);
	if (length > 0)
		words->used += (size_t)length;
}

void words_add_target(struct words *words, const struct target *target)
{
	words_add(words, "%s ", target_kind_name(target->kind));
	if (target_kind_namespaced(target->kind))
		words_add(words, "%s/", target->namespace_name);
	words_add(words, "%s", target->name);
}
