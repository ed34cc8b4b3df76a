// Store buffering under Relacy: fenced loads never both miss, and without fences Relacy finds a run
// in which they do.
// clang-format off
#include <relacy/relacy.hpp>
// clang-format on

#include <cstdio>

namespace
{

template <bool fenced> struct StoreBuffering : rl::test_suite<StoreBuffering<fenced>, 2> {
    rl::atomic<int> flag[2];
    rl::var<int> missed[2];

    void before()
    {
        for (int i = 0; i < 2; i++) {
            flag[i].store(0, rl::mo_relaxed, $);
            missed[i]($) = 0;
        }
    }

    void thread(unsigned self)
    {
        flag[self].store(1, rl::mo_relaxed, $);
        if (fenced) {
            rl::atomic_thread_fence(rl::mo_seq_cst, $);
        }
        missed[self]($) = flag[1 - self].load(rl::mo_relaxed, $) == 0;
    }

    void after() { RL_ASSERT(!(missed[0]($) && missed[1]($))); }
};

template <bool fenced> bool passes()
{
    rl::test_params params;
    params.iteration_count = 10000;
    return rl::simulate<StoreBuffering<fenced>>(params);
}

} // namespace

int main()
{
    if (!passes<true>()) {
        std::puts("FAILED: an outcome that the fences forbid");
        return 1;
    }
    if (passes<false>()) {
        std::puts("FAILED: Relacy missed the planted bug");
        return 1;
    }
    return 0;
}
