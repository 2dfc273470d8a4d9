/*
 * The versions of the vector code; those beyond the baseline are there on x86-64 alone and may be run
 * only on processors that have them (kernels.c looks).
 */
#ifndef NIMBUSGUARD_ANALYZERS_KERNELS_TABLES_H
#define NIMBUSGUARD_ANALYZERS_KERNELS_TABLES_H

#include "analyzers/kernels/kernels.h"

extern const struct kernels kernels_baseline;
#ifdef __x86_64__
extern const struct kernels kernels_avx2, kernels_avx512, kernels_avx512bf16;
#endif

#endif
