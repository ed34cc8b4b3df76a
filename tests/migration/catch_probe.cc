#include "tests/migration/catch_probe.h"

#include <exception>

int catch_over_suspension(void (*suspend)(void *context), void *context)
{
    try {
        throw 1;
    } catch (int) {
        suspend(context);
        return std::current_exception() != nullptr;
    }
}

int rethrow_after_suspension(void (*suspend)(void *context), void *context)
{
    try {
        try {
            throw 1;
        } catch (int) {
            suspend(context);
            throw;
        }
    } catch (int value) {
        return value;
    }
}
