/* Runs the scenarios of a check, then its mutants, and says what came of them.
 *
 *     check [ITERATIONS]   more executions than by default, of the correct version and of each
 *                          mutant; the mutants that are listed as survivors are tried as well
 *     check -v             names every mutant and what killed it
 *     check -m TEXT        runs the mutants whose name contains it, and shows how the first one
 * fails
 *
 * The seeds are the numbers of the executions: the same build gives the same verdicts. */
#ifndef SHEAF_TESTS_CHECK_RELACY_RUNNER_H
#define SHEAF_TESTS_CHECK_RELACY_RUNNER_H

#include <sys/wait.h>
#include <unistd.h>

#include "tests/check/relacy_model.h"

namespace check
{

struct program {
    const char *name;
    bool (*passes)(unsigned long executions, std::ostream &out, unsigned long *used);
    unsigned percent; /* of the executions asked for: long scenarios take fewer */
};

struct survivor {
    const char *mutant; /* as -v names it; `*` at the end stands for the rest */
    const char *reason;
};

const unsigned long DEFAULT_EXECUTIONS = 20000;
const unsigned DEPTH = 6000;    /* steps after which an execution counts as a livelock */
const unsigned HANG_LIMIT = 60; /* seconds for one mutant and one scenario */

template <typename T> bool passes(unsigned long executions, std::ostream &out, unsigned long *used)
{
    std::ostream nowhere(nullptr);
    rl::test_params params;
    params.iteration_count = executions;
    params.output_stream = &out;
    params.progress_stream = &nowhere;
    params.execution_depth_limit = DEPTH;
    setting_up = false;
    bool passed = rl::simulate<T>(params);
    *used = static_cast<unsigned long>(params.stop_iteration);
    return passed;
}

/* What a check is made of. */
struct plan {
    const program *programs;
    unsigned program_count;
    const survivor *survivors;
    unsigned survivor_count;
    const char *files; /* the sources to mutate, by words that their names contain */
    /* If given, only these mutants are tried, and none may survive. */
    const char *const *required;
    unsigned required_count;
};

struct runner : plan {
    unsigned long executions;
    bool verbose;
    const char *only;

    static const char *form() { return pair_is_asymmetric ? "asymmetric" : "full"; }

    unsigned long share(const program &one) const
    {
        unsigned long share = executions / 100 * one.percent;
        return share ? share : 1;
    }

    bool run_correct(const program &one)
    {
        unsigned long used = 0;
        bool passed = one.passes(share(one), std::cout, &used);
        std::printf("%s  %s, %s fences, %lu executions\n", passed ? "passed" : "FAILED", one.name,
                    form(), used);
        std::fflush(stdout);
        return passed;
    }

    /* In a process of its own: a mutant may crash or hang. */
    bool survives(const program &one, bool show, unsigned long *used)
    {
        int ends[2];
        if (pipe(ends)) {
            std::abort();
        }
        std::fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            alarm(HANG_LIMIT);
            std::ostream nowhere(nullptr);
            bool passed = one.passes(share(one), show ? std::cout : nowhere, used);
            std::cout.flush();
            ssize_t written = write(ends[1], used, sizeof *used);
            _exit(passed && written == (ssize_t)sizeof *used ? 0 : 1);
        }
        close(ends[1]);
        *used = 0;
        if (read(ends[0], used, sizeof *used) < 0) {
            std::abort();
        }
        close(ends[0]);
        int status = 1;
        waitpid(child, &status, 0);
        return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }

    const survivor *listed(const char *name) const
    {
        for (unsigned i = 0; i < survivor_count; i++) {
            const char *known = survivors[i].mutant;
            size_t length = std::strlen(known);
            bool open = known[length - 1] == '*';
            if (open ? !std::strncmp(known, name, length - 1) : !std::strcmp(known, name)) {
                return &survivors[i];
            }
        }
        return nullptr;
    }

    /* The name of a mutant; the how-manieth of its kind in the function, if there are several. */
    static void name_of(const site &at, mutation how, char *name, size_t size)
    {
        unsigned earlier = 0;
        for (unsigned i = 0; i < site::count; i++) {
            const site &other = *site::all[i];
            if (!std::strcmp(other.function, at.function) && !std::strcmp(other.text, at.text) &&
                other.line < at.line) {
                earlier++;
            }
        }
        char number[16] = "";
        if (earlier) {
            std::snprintf(number, sizeof number, " #%u", earlier + 1);
        }
        std::snprintf(name, size, "%s: %s%s -> %s", at.function, at.text, number,
                      MUTATION_NAMES[how]);
    }

    bool in_plan(const site &at) const
    {
        char words[200];
        std::snprintf(words, sizeof words, "%s", files);
        for (char *word = std::strtok(words, " "); word; word = std::strtok(nullptr, " ")) {
            if (std::strstr(at.file, word)) {
                return true;
            }
        }
        return false;
    }

    bool killed(site &at, mutation how, const char *name)
    {
        at.mutant = how;
        bool killed = false;
        for (unsigned form_number = 0; !killed && form_number < 2; form_number++) {
            pair_is_asymmetric = form_number == 1;
            for (unsigned i = 0; !killed && i < program_count; i++) {
                unsigned long used = 0;
                killed = !survives(programs[i], only != nullptr, &used);
                if (killed && verbose) {
                    std::printf("killed  %s  (%s, %s, %lu)\n", name, programs[i].name, form(),
                                used);
                }
            }
        }
        at.mutant = NONE;
        return killed;
    }

    /* Returns: whether the verdict is the expected one */
    bool run_mutant(site &at, mutation how, unsigned *kills, unsigned *skipped)
    {
        char name[300];
        name_of(at, how, name, sizeof name);
        const survivor *known = listed(name);
        if (only ? !std::strstr(name, only) : !is_required(name)) {
            return true;
        }
        if (known && executions <= DEFAULT_EXECUTIONS && !only) {
            ++*skipped;
            return true;
        }
        bool dead = killed(at, how, name);
        *kills += dead;
        *skipped += !dead;
        if (dead == !known) {
            return true;
        }
        std::printf("FAILED  %s: %s\n", name,
                    dead ? "is killed, but listed as a survivor" : "survives");
        return false;
    }

    bool is_required(const char *name) const
    {
        for (unsigned i = 0; i < required_count; i++) {
            if (!std::strcmp(required[i], name)) {
                return true;
            }
        }
        return required_count == 0;
    }

    bool run_mutants(unsigned found)
    {
        static const mutation ALL[] = {TO_RELAXED, TO_ACQUIRE, TO_RELEASE, DROPPED, SKIPPED};
        bool good = true;
        unsigned kills = 0;
        unsigned survived = 0;
        for (unsigned i = 0; i < found; i++) {
            for (mutation how : ALL) {
                if (site::all[i]->uses && site::all[i]->can(how) && in_plan(*site::all[i])) {
                    good &= run_mutant(*site::all[i], how, &kills, &survived);
                }
            }
        }
        std::printf("%s  mutants: %u killed, %u survive with a reason\n",
                    good ? "passed" : "FAILED", kills, survived);
        /* A required mutant that no site answers to has been renamed or is not reached. */
        return good && kills > 0 && (only || kills >= required_count);
    }

    int run()
    {
        bool good = true;
        for (unsigned form_number = 0; form_number < 2; form_number++) {
            pair_is_asymmetric = form_number == 1;
            for (unsigned i = 0; i < program_count && !only; i++) {
                good &= run_correct(programs[i]);
            }
        }
        if (only) {
            std::ostream nowhere(nullptr);
            for (unsigned i = 0; i < program_count; i++) {
                unsigned long used;
                programs[i].passes(100, nowhere, &used);
            }
        }
        return good && run_mutants(site::count) ? 0 : 1;
    }
};

inline int run(int argc, char **argv, const plan &what)
{
    runner all;
    static_cast<plan &>(all) = what;
    all.executions = DEFAULT_EXECUTIONS;
    all.verbose = false;
    all.only = nullptr;
    for (int i = 1; i < argc; i++) {
        if (!std::strcmp(argv[i], "-v")) {
            all.verbose = true;
        } else if (!std::strcmp(argv[i], "-m") && i + 1 < argc) {
            all.only = argv[++i];
            all.verbose = true;
        } else {
            all.executions = std::strtoul(argv[i], nullptr, 10);
        }
    }
    return all.run();
}

} // namespace check

/* The main function of a check with PROGRAMS and SURVIVORS. */
#define CHECK_MAIN(files)                                                                          \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return check::run(argc, argv,                                                              \
                          {PROGRAMS, sizeof PROGRAMS / sizeof *PROGRAMS, SURVIVORS,                \
                           sizeof SURVIVORS / sizeof *SURVIVORS, files, nullptr, 0});              \
    }

/* The same with PROGRAMS and REQUIRED, for sources that keep most of their state in plain
 * members. */
#define CHECK_MAIN_REQUIRED(files)                                                                 \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return check::run(argc, argv,                                                              \
                          {PROGRAMS, sizeof PROGRAMS / sizeof *PROGRAMS, nullptr, 0, files,        \
                           REQUIRED, sizeof REQUIRED / sizeof *REQUIRED});                         \
    }

#endif
