/*
 * The vector code for any processor: 128 bits, no fused operations.
 */
#include "analyzers/kernels/body.h"
