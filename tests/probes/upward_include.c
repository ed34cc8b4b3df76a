/* Includes what lies above the layer that it depends on. */
#include "lib/atomics.h"
