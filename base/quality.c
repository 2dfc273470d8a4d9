/*
 * The words of the data-quality verdicts, from QUALITY_TABLE.
 */
#include "base/quality.h"

#include "base/check.h"

static const struct {
	const char *name, *words;
} qualities[QUALITY_COUNT] = {
#define X(code, name, words) [code] = {name, words},
	QUALITY_TABLE(X)
#undef X
};

const char *quality_name(enum quality quality)
{
	CHECK((unsigned)quality < QUALITY_COUNT);
	return qualities[quality].name;
}

const char *quality_words(enum quality quality)
{
	CHECK((unsigned)quality < QUALITY_COUNT);
	return qualities[quality].words;
}
