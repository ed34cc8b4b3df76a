//! tokio: its runtime with several threads.

use peers::*;
use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::time::{sleep, sleep_until};

fn open(workers: usize) -> Runtime {
    let runtime = Builder::new_multi_thread().worker_threads(workers).enable_time().build();
    let runtime = runtime.unwrap();
    sum_of(&runtime, 64);
    runtime
}

/// From a plain thread.
fn sum_of(runtime: &Runtime, n: usize) -> usize {
    let futures: Vec<_> = (0..n).map(|i| runtime.spawn(async move { 2 * i })).collect();
    futures.into_iter().map(|future| futures_executor::block_on(future).unwrap()).sum()
}

fn run_submit(workers: usize) {
    const N: usize = 1000000;
    let runtime = open(workers);
    let (before, start) = (peak_bytes(), Instant::now());
    let sum = sum_of(&runtime, N);
    let each = nanoseconds_each(start, N);
    assert_eq!(sum, N * (N - 1));
    tell("ns_per_task", each);
    tell("peak_rss_mb", peak_bytes() / 1048576.0);
    tell("bytes_per_future", (peak_bytes() - before) / N as f64);
}

fn run_latency(workers: usize) {
    let runtime = open(workers);
    for n in [1, 64] {
        let mut seconds: Vec<f64> = (0..1000)
            .map(|_| {
                std::thread::sleep(Duration::from_millis(1));
                let start = Instant::now();
                assert_eq!(sum_of(&runtime, n), n * (n - 1));
                start.elapsed().as_secs_f64()
            })
            .collect();
        seconds.sort_by(f64::total_cmp);
        tell(&format!("us_med_{n}"), seconds[500] * 1e6);
        tell(&format!("us_p99_{n}"), seconds[990] * 1e6);
    }
}

fn run_pingpong(workers: usize) {
    const N: usize = 500000;
    let runtime = open(workers);
    let (there, mut asked) = mpsc::channel(1);
    let (back, mut answered) = mpsc::channel(1);
    let start = Instant::now();
    let pong = runtime.spawn(async move {
        for _ in 0..N {
            let number: usize = asked.recv().await.unwrap();
            back.send(number + 1).await.unwrap();
        }
    });
    let ping = runtime.spawn(async move {
        for i in 0..N {
            there.send(i).await.unwrap();
            assert_eq!(answered.recv().await, Some(i + 1));
        }
    });
    futures_executor::block_on(async { (ping.await.unwrap(), pong.await.unwrap()) });
    tell("ns_per_switch", nanoseconds_each(start, 2 * N));

    let give_way = || async {
        for _ in 0..N {
            tokio::task::yield_now().await;
        }
    };
    let start = Instant::now();
    let both = [runtime.spawn(give_way()), runtime.spawn(give_way())];
    both.into_iter().for_each(|one| futures_executor::block_on(one).unwrap());
    tell("ns_per_yield", nanoseconds_each(start, 2 * N));
}

fn sleepers(workers: usize, n: usize) {
    let runtime = open(workers);
    let (memory, before, start) = (peak_bytes(), cpu(), Instant::now());
    let sum: usize = runtime.block_on(async {
        let sleeper = |i: usize| async move {
            sleep(Duration::from_secs(1) + Duration::from_micros(mix(i as u64) % 1000000)).await;
            i
        };
        let futures: Vec<_> = (0..n).map(|i| tokio::spawn(sleeper(i))).collect();
        let mut sum = 0;
        for future in futures {
            sum += future.await.unwrap();
        }
        sum
    });
    assert_eq!(sum, n * (n - 1) / 2);
    tell("over_ms", (start.elapsed().as_secs_f64() - 2.0) * 1e3);
    tell("cpu_s", cpu() - before);
    tell("bytes_per_task", (peak_bytes() - memory) / n as f64);
}

/// Sets a timer, which a first poll does, and takes it back.
async fn churn(n: usize) -> f64 {
    let start = Instant::now();
    for i in 0..n {
        let timer = sleep(Duration::from_millis(1000 + i as u64 % 1000));
        tokio::pin!(timer);
        assert!(pending(timer.as_mut()).await);
    }
    nanoseconds_each(start, n)
}

/// Whether the future is pending after a poll.
async fn pending<F: Future>(mut future: Pin<&mut F>) -> bool {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

fn run_timers(workers: usize) {
    const N: usize = 1000000;
    open(workers).block_on(async {
        tell("ns_churn", churn(N).await);
        let minute = tokio::time::Instant::now() + Duration::from_secs(60);
        let sleeper = |i: u64| sleep_until(minute + Duration::from_millis(i * 7919 % 60000));
        let others: Vec<_> = (0..100000).map(|i| tokio::spawn(sleeper(i))).collect();
        sleep(Duration::from_millis(500)).await;
        tell("ns_churn_100k_pending", churn(N).await);
        others.iter().for_each(|other| other.abort());
        sleep(Duration::from_millis(500)).await;
        let start = Instant::now();
        let mut timers = Vec::with_capacity(N);
        for i in 0..N as u64 {
            let mut timer = Box::pin(sleep(Duration::from_millis(60000 + i % 60000)));
            assert!(pending(timer.as_mut()).await);
            timers.push(timer);
        }
        drop(timers);
        tell("ns_bulk", nanoseconds_each(start, N));
    });
}

fn run_idle(workers: usize) {
    let _runtime = open(workers);
    tell_idle();
}

fn run_cancel(workers: usize) {
    let runtime = open(workers);
    let sleeper = || sleep(Duration::from_secs(60));
    let tasks: Vec<_> =
        (0..100000).map(|_| runtime.spawn(async move { sleeper().await })).collect();
    std::thread::sleep(Duration::from_millis(500));
    let start = Instant::now();
    tasks.iter().for_each(|task| task.abort());
    for task in tasks {
        assert!(futures_executor::block_on(task).unwrap_err().is_cancelled());
    }
    tell("cancel_ms", start.elapsed().as_secs_f64() * 1e3);
}

fn main() {
    peers::main(&[
        ("w4_submit", run_submit),
        ("w5_latency", run_latency),
        ("w6_pingpong", run_pingpong),
        ("w7_sleepers", |workers| sleepers(workers, 100000)),
        ("w7_sleepers_1m", |workers| sleepers(workers, 1000000)),
        ("w8_timers", run_timers),
        ("w10_idle", run_idle),
        ("w11_cancel", run_cancel),
    ]);
}
