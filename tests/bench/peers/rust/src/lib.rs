//! What the peers in Rust share; see ../../peer.h for how a peer is called.

use std::time::{Duration, Instant};

pub type Workload = (&'static str, fn(usize));

pub fn main(workloads: &[Workload]) {
    let arguments: Vec<String> = std::env::args().collect();
    for (name, run) in workloads {
        if arguments.len() < 3 {
            println!("{name}");
        } else if &arguments[1] == name {
            run(arguments[2].parse().unwrap());
        }
    }
}

pub fn tell(metric: &str, value: f64) {
    println!("{metric}\t{value:.6}");
}

pub fn nanoseconds_each(since: Instant, count: usize) -> f64 {
    since.elapsed().as_secs_f64() * 1e9 / count as f64
}

fn status(field: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

pub fn peak_bytes() -> f64 {
    status("VmHWM:") * 1024.0
}

/// Of all threads, in seconds; the kernel keeps it in nanoseconds for each.
pub fn cpu() -> f64 {
    let mut sum = 0.0;
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path().join("schedstat");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let first = text.split_whitespace().next().unwrap_or("0");
        sum += first.parse::<f64>().unwrap();
    }
    sum * 1e-9
}

pub fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(0x9e3779b97f4a7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d049bb133111eb);
    z ^ (z >> 31)
}

/// Runs `work` and tells what each of its `tasks` took.
pub fn tell_per_task(tasks: u64, expected: u64, work: impl FnOnce() -> u64) {
    let (start, before) = (Instant::now(), cpu());
    let result = work();
    let wall = nanoseconds_each(start, tasks as usize);
    assert_eq!(result, expected);
    tell("ns_per_task", wall);
    tell("cpu_ns_per_task", (cpu() - before) * 1e9 / tasks as f64);
}

pub fn tell_idle() {
    std::thread::sleep(Duration::from_millis(200));
    let before = cpu();
    std::thread::sleep(Duration::from_secs(5));
    tell("cpu_ms_5s", (cpu() - before) * 1e3);
}
