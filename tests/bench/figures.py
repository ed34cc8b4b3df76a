"""What run, compare, tables and plot share: files of figures, and which of them are shown.

A file of figures has lines `# key: value` about the machine and the time, a line of column names,
and a line a figure: workload, who, workers, metric, min, median, max, n, between tabs.  Who is
`sheaf` in a workload's default form, `sheaf --FORM` in another, `serial` for the sequential twin,
or a peer.  Less is better in every metric.
"""
import collections
import os
import re

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))
COLUMNS = ("workload", "who", "workers", "metric", "min", "median", "max", "n")

Figure = collections.namedtuple("Figure", COLUMNS)

# What tables and plot show: the workload, what it is, its metrics with their units.
Shown = collections.namedtuple("Shown", "workload title metrics")
SHOWN = (
    Shown("w1_fib", "fib(35), a task a call", {"ns_per_task": "ns a task"}),
    Shown("w2_queens", "13 queens, a task a placement", {"ns_per_task": "ns a task"}),
    Shown("w2b_uts", "an unbalanced tree, a task a node", {"ns_per_task": "ns a task"}),
    Shown("w3_skynet", "skynet: 1,000,000 leaves, ten a node", {"ms": "ms"}),
    Shown("w4_submit", "1,000,000 futures from a plain thread, all awaited",
          {"ns_per_task": "ns a future", "bytes_per_future": "bytes a future"}),
    Shown("w5_latency", "tasks into a pool idle for 1 ms, until all are done",
          {"us_med_1": "1 task, µs", "us_p99_1": "1 task, 99 %, µs",
           "us_med_64": "64 tasks, µs", "us_p99_64": "64 tasks, 99 %, µs"}),
    Shown("w6_pingpong", "handing over between two tasks",
          {"ns_per_switch": "by queue, ns", "ns_per_yield": "yield, ns"}),
    Shown("w7_sleepers", "100,000 sleepers of one to two seconds",
          {"cpu_s": "CPU s", "over_ms": "ms too late", "bytes_per_task": "bytes each"}),
    Shown("w7_sleepers_1m", "1,000,000 sleepers of one to two seconds",
          {"cpu_s": "CPU s", "over_ms": "ms too late", "bytes_per_task": "bytes each"}),
    Shown("w8_timers", "setting a timer and taking it back",
          {"ns_churn_100k_pending": "100,000 others, ns", "ns_churn": "no others, ns",
           "ns_bulk": "1,000,000 at once, ns"}),
    Shown("w9_map", "maps of 10,000,000 like and 20,000 unlike elements",
          {"flat_ms": "flat, ms", "skew_ms": "skewed, ms"}),
    Shown("w10_idle", "a pool that does nothing, over 5 s", {"cpu_ms_5s": "CPU ms"}),
    Shown("w11_cancel", "cancelling and joining 100,000 sleeping tasks", {"cancel_ms": "ms"}),
)


def of_sheaf(who):
    return who.split()[0] == "sheaf"


def of_peer(who):
    return not of_sheaf(who) and who != "serial"


def metrics_of(text):
    """What a program has printed: {metric: value} of its lines that are `metric<TAB>value`."""
    found = re.findall(r"^(\w+)\t(\S+)$", text, re.MULTILINE)
    return {metric: float(value) for metric, value in found}


def number(value):
    """Three digits, more where they stand before the point."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else "0"


def write(out, notes, figures):
    for key, value in notes.items():
        print(f"# {key}: {value}", file=out)
    print(*COLUMNS, sep="\t", file=out)
    for figure in figures:
        low, middle, high = (f"{value:.6g}" for value in figure[4:7])
        print(*figure[:4], low, middle, high, figure.n, sep="\t", file=out)


def read(path):
    """Returns: the notes as a dict, and a list of figures."""
    notes, figures = {}, []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = line.rstrip("\n")
            fields = line.split("\t")
            if line.startswith("# "):
                key, value = line[2:].split(": ", 1)
                notes[key] = value
            elif len(fields) == len(COLUMNS) and fields[0] != COLUMNS[0]:
                workload, who, workers, metric, low, middle, high, n = fields
                figures.append(Figure(workload, who, int(workers), metric, float(low),
                                      float(middle), float(high), int(n)))
    return notes, figures
