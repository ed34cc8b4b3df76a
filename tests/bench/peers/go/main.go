// Go: goroutines and channels.  See ../peer.h for how a peer is called.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func tell(metric string, value float64) {
	fmt.Printf("%s\t%.6g\n", metric, value)
}

func check(right bool) {
	if !right {
		fmt.Fprintln(os.Stderr, "peer: a wrong result")
		os.Exit(4)
	}
}

func cpuSeconds() float64 {
	var now syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &now)
	return float64(now.Utime.Nano()+now.Stime.Nano()) * 1e-9
}

func peakBytes() float64 {
	status, _ := os.ReadFile("/proc/self/status")
	_, after, found := strings.Cut(string(status), "VmHWM:")
	check(found)
	kilobytes, _ := strconv.ParseFloat(strings.Fields(after)[0], 64)
	return kilobytes * 1024
}

func perCall(since time.Time, calls int) float64 {
	return float64(time.Since(since).Nanoseconds()) / float64(calls)
}

func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// A goroutine for each of n numbers, with a channel for its value.
func sumOf(n int) int {
	futures := make([]chan int, n)
	for i := range futures {
		future := make(chan int, 1)
		futures[i] = future
		go func(number int) { future <- 2 * number }(i)
	}
	sum := 0
	for _, future := range futures {
		sum += <-future
	}
	return sum
}

func submit() {
	const n = 1000000
	before, start := peakBytes(), time.Now()
	sum := sumOf(n)
	each := perCall(start, n)
	check(sum == n*(n-1))
	tell("ns_per_task", each)
	tell("peak_rss_mb", peakBytes()/1048576)
	tell("bytes_per_future", (peakBytes()-before)/n)
}

func latencyOf(n int) {
	seconds := make([]float64, 1000)
	for i := range seconds {
		time.Sleep(time.Millisecond)
		start := time.Now()
		sum := sumOf(n)
		seconds[i] = time.Since(start).Seconds()
		check(sum == n*(n-1))
	}
	sort.Float64s(seconds)
	tell(fmt.Sprintf("us_med_%d", n), seconds[500]*1e6)
	tell(fmt.Sprintf("us_p99_%d", n), seconds[990]*1e6)
}

func latency() {
	latencyOf(1)
	latencyOf(64)
}

func pingpong() {
	const n = 500000
	there, back := make(chan int), make(chan int)
	start := time.Now()
	go func() {
		for i := 0; i < n; i++ {
			back <- <-there + 1
		}
	}()
	for i := 0; i < n; i++ {
		there <- i
		check(<-back == i+1)
	}
	tell("ns_per_switch", perCall(start, 2*n))

	var both sync.WaitGroup
	both.Add(2)
	start = time.Now()
	for i := 0; i < 2; i++ {
		go func() {
			for i := 0; i < n; i++ {
				runtime.Gosched()
			}
			both.Done()
		}()
	}
	both.Wait()
	tell("ns_per_yield", perCall(start, 2*n))
}

func sleepersOf(n int) {
	memory, cpu, start := peakBytes(), cpuSeconds(), time.Now()
	futures := make([]chan int, n)
	for i := range futures {
		future := make(chan int, 1)
		futures[i] = future
		go func(number int) {
			time.Sleep(time.Second + time.Duration(mix(uint64(number))%1000000)*time.Microsecond)
			future <- number
		}(i)
	}
	sum := 0
	for _, future := range futures {
		sum += <-future
	}
	check(sum == n*(n-1)/2)
	tell("over_ms", (time.Since(start).Seconds()-2)*1e3)
	tell("cpu_s", cpuSeconds()-cpu)
	tell("bytes_per_task", (peakBytes()-memory)/float64(n))
}

func sleepers() { sleepersOf(100000) }

func timers() {
	const n, pending = 1000000, 100000
	churn := func() float64 {
		start := time.Now()
		for i := 0; i < n; i++ {
			time.NewTimer(time.Duration(1000+i%1000) * time.Millisecond).Stop()
		}
		return perCall(start, n)
	}
	tell("ns_churn", churn())
	others := make([]*time.Timer, pending)
	for i := range others {
		others[i] = time.NewTimer(time.Minute + time.Duration(i*7919%60000)*time.Millisecond)
	}
	tell("ns_churn_100k_pending", churn())
	for _, other := range others {
		other.Stop()
	}
	start := time.Now()
	all := make([]*time.Timer, n)
	for i := range all {
		all[i] = time.NewTimer(time.Minute + time.Duration(i%60000)*time.Millisecond)
	}
	for _, timer := range all {
		timer.Stop()
	}
	tell("ns_bulk", perCall(start, n))
}

func idle() {
	sumOf(64)
	time.Sleep(200 * time.Millisecond)
	cpu := cpuSeconds()
	time.Sleep(5 * time.Second)
	tell("cpu_ms_5s", (cpuSeconds()-cpu)*1e3)
}

func cancel() {
	const n = 100000
	var all sync.WaitGroup
	cancels := make([]context.CancelFunc, n)
	all.Add(n)
	for i := range cancels {
		var asked context.Context
		asked, cancels[i] = context.WithCancel(context.Background())
		go func() {
			pause := time.NewTimer(time.Minute)
			select {
			case <-asked.Done():
				pause.Stop()
			case <-pause.C:
			}
			all.Done()
		}()
	}
	time.Sleep(500 * time.Millisecond)
	start := time.Now()
	for _, one := range cancels {
		one()
	}
	all.Wait()
	tell("cancel_ms", time.Since(start).Seconds()*1e3)
}

func main() {
	workloads := []struct {
		name string
		run  func()
	}{
		{"w4_submit", submit}, {"w5_latency", latency}, {"w6_pingpong", pingpong},
		{"w7_sleepers", sleepers}, {"w8_timers", timers}, {"w10_idle", idle}, {"w11_cancel", cancel},
	}
	for _, workload := range workloads {
		if len(os.Args) < 3 {
			fmt.Println(workload.name)
		} else if os.Args[1] == workload.name {
			workers, _ := strconv.Atoi(os.Args[2])
			runtime.GOMAXPROCS(workers)
			workload.run()
		}
	}
}
