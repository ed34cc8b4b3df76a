//! rayon: nested `join`, and parallel iterators.

use peers::*;
use rayon::prelude::*;
use std::time::Instant;

fn with_workers<R: Send>(workers: usize, work: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(workers).build().unwrap();
    pool.install(work)
}

const FIB: u64 = 35;

fn fib_value(n: u64) -> u64 {
    (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0
}

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (right, left) = rayon::join(|| fib(n - 2), || fib(n - 1));
    left + right
}

fn run_fib(workers: usize) {
    with_workers(workers, || tell_per_task(fib_value(FIB + 1) - 1, fib_value(FIB), || fib(FIB)));
}

const QUEENS: u32 = 13;
const FULL: u32 = (1 << QUEENS) - 1;

#[derive(Clone, Copy)]
struct Board {
    columns: u32,
    left: u32,
    right: u32,
    open: u32,
}

/// With a queen in the lowest open column.
fn placed(board: Board) -> Board {
    let bit = board.open & board.open.wrapping_neg();
    let columns = board.columns | bit;
    let (left, right) = ((board.left | bit) << 1, (board.right | bit) >> 1);
    Board { columns, left, right, open: FULL & !(columns | left | right) }
}

/// A row is a pair: its first placement, and the rest of the row.
fn queens(board: Board) -> u64 {
    if board.columns == FULL {
        return 1;
    }
    if board.open == 0 {
        return 0;
    }
    let rest = Board { open: board.open & (board.open - 1), ..board };
    if rest.open == 0 {
        return queens(placed(board));
    }
    let (first, others) = rayon::join(|| queens(placed(board)), || queens(rest));
    first + others
}

fn run_queens(workers: usize) {
    let board = Board { columns: 0, left: 0, right: 0, open: FULL };
    with_workers(workers, || tell_per_task(4674889, 73712, || queens(board)));
}

const ROOT_CHILDREN: u32 = 16000;
const CHILDREN: u32 = 8;

#[derive(Clone, Copy)]
struct Node {
    hash: u64,
    first: u32,
    end: u32,
}

fn child_of(hash: u64, index: u32) -> Node {
    let hash = mix(hash.wrapping_add((index as u64).wrapping_mul(0x632be59bd9b4e019)));
    let inner = ((hash >> 11) as f64) / ((1u64 << 53) as f64) < 0.124;
    Node { hash, first: 0, end: if inner { CHILDREN } else { 0 } }
}

/// Nodes below the given children, and these; the children are halved until one is left.
fn tree(span: Node) -> u64 {
    if span.end - span.first == 1 {
        let child = child_of(span.hash, span.first);
        return 1 + if child.end > 0 { tree(child) } else { 0 };
    }
    let middle = (span.first + span.end) / 2;
    let (lower, upper) =
        rayon::join(|| tree(Node { end: middle, ..span }), || tree(Node { first: middle, ..span }));
    lower + upper
}

fn tree_serial(node: Node) -> u64 {
    1 + (0..node.end).map(|i| tree_serial(child_of(node.hash, i))).sum::<u64>()
}

fn run_tree(workers: usize) {
    let root = Node { hash: 42, first: 0, end: ROOT_CHILDREN };
    let nodes = tree_serial(root);
    with_workers(workers, || tell_per_task(nodes, nodes, || 1 + tree(root)));
}

const LEAVES: u64 = 1000000;

/// The ten children of a node are halved until one is left.
fn children(first: u64, size: u64, from: u64, to: u64) -> u64 {
    if to - from == 1 {
        return skynet(first + from * size, size);
    }
    let middle = (from + to) / 2;
    let (lower, upper) =
        rayon::join(|| children(first, size, from, middle), || children(first, size, middle, to));
    lower + upper
}

fn skynet(first: u64, size: u64) -> u64 {
    if size == 1 {
        return first;
    }
    children(first, size / 10, 0, 10)
}

fn run_skynet(workers: usize) {
    with_workers(workers, || {
        let (start, before) = (Instant::now(), cpu());
        assert_eq!(skynet(0, LEAVES), LEAVES * (LEAVES - 1) / 2);
        tell("ms", start.elapsed().as_secs_f64() * 1e3);
        tell("cpu_ms", (cpu() - before) * 1e3);
    });
}

const FLAT: usize = 10000000;
const SKEWED: u64 = 20000;

fn skewed(i: u64) -> u64 {
    (0..i).fold(i + 1, |x, _| {
        let x = x ^ (x << 13);
        let x = x ^ (x >> 7);
        x ^ (x << 17)
    })
}

fn run_map(workers: usize) {
    let from: Vec<f32> = (0..FLAT).map(|i| i as f32 * 1e-3).collect();
    let mut to = vec![0f32; FLAT];
    let mut mixed = vec![0u64; SKEWED as usize];
    with_workers(workers, || {
        let mut best = f64::INFINITY;
        for _ in 0..5 {
            let start = Instant::now();
            let pairs = to.par_iter_mut().zip(&from);
            pairs.for_each(|(to, x)| *to = (x * x + 1.0).sqrt() + 1.0 / (1.0 + x * x));
            best = best.min(start.elapsed().as_secs_f64());
        }
        let start = Instant::now();
        mixed.par_iter_mut().enumerate().for_each(|(i, to)| *to = skewed(i as u64));
        let seconds = start.elapsed().as_secs_f64();
        tell("flat_ms", best * 1e3);
        tell("skew_ms", seconds * 1e3);
    });
    assert!(to[0] == 2.0 && mixed[SKEWED as usize - 1] == skewed(SKEWED - 1));
}

fn run_idle(workers: usize) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(workers).build().unwrap();
    pool.install(|| fib(10));
    tell_idle();
}

fn main() {
    peers::main(&[
        ("w1_fib", run_fib),
        ("w2_queens", run_queens),
        ("w2b_uts", run_tree),
        ("w3_skynet", run_skynet),
        ("w9_map", run_map),
        ("w10_idle", run_idle),
    ]);
}
