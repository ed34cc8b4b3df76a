// A C++ program that uses an installed sheaf.
//
// Prints: sum of squares: 30
#include <cstdint>
#include <cstdio>

#include <sheaf.h>

namespace
{

int square(void *arg, sheaf_value *result)
{
    const auto *number = static_cast<const std::int64_t *>(arg);
    result->i64 = *number * *number;
    return SHEAF_OK;
}

int sum_of_squares(void *arg, sheaf_value *result)
{
    auto *numbers = static_cast<std::int64_t *>(arg);
    sheaf_future *squares[4];
    sheaf_value parts[4];
    for (int i = 0; i < 4; i++) {
        squares[i] = sheaf_spawn(square, &numbers[i]);
    }
    int status = sheaf_gather(squares, 4, SHEAF_GATHER_RAISE, parts, nullptr);
    sheaf_release_all(squares, 4);
    for (int i = 0; status == SHEAF_OK && i < 4; i++) {
        result->i64 += parts[i].i64;
    }
    return status;
}

} // namespace

int main()
{
    std::int64_t numbers[4] = {1, 2, 3, 4};
    sheaf_value sum{};
    int status = sheaf_run(nullptr, sum_of_squares, numbers, &sum);
    std::printf("sum of squares: %d\n", static_cast<int>(sum.i64));
    return sheaf_exit_code(status);
}
