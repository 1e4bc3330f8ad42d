// build: once
// The thread pool. Publishing is one atomic increment; the mutex is touched only when somebody is parked.
// Parking cannot lose a wake-up: a worker first counts itself as parked and then looks at the generation, the caller first raises the
// generation and then looks at the count (both sequentially consistent), so at least one of them sees the other.
#include "thread_pool.h"

#include <chrono>
#include <csignal>
#include <new>

namespace remora {
namespace {

constexpr auto SPIN = std::chrono::microseconds(50);
constexpr int PAUSES_PER_CLOCK_READ = 16;

inline void cpu_pause() {
#if defined(__x86_64__) || defined(_M_X64)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins until done() or until SPIN has passed; returns done().
template <class Done>
bool spin_until(const Done &done) {
  const auto start = std::chrono::steady_clock::now();
  for (;;) {
    for (int i = 0; i < PAUSES_PER_CLOCK_READ; i++) {
      if (done()) return true;
      cpu_pause();
    }
    if (std::chrono::steady_clock::now() - start > SPIN) return done();
  }
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  if (threads <= 1) return;
  workers_ = new (std::nothrow) Worker[threads];
  if (workers_ == nullptr) return;
#if !defined(_WIN32)
  // Workers take no signals: the host's handlers (Node's SIGINT) must run on the host's threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
#endif
  for (int i = 1; i < threads; i++) {
    workers_[i].pool = this;
    workers_[i].index = i;
    if (pthread_create(&workers_[i].thread, nullptr, worker_main, &workers_[i]) != 0) break;
    size_ = i + 1;
  }
#if !defined(_WIN32)
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
#endif
}

ThreadPool::~ThreadPool() {
  if (workers_ == nullptr) return;
  stopping_ = true;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  for (int i = 1; i < size_; i++) pthread_join(workers_[i].thread, nullptr);
  delete[] workers_;
}

void *ThreadPool::worker_main(void *argument) {
  auto *worker = static_cast<Worker *>(argument);
  worker->pool->work(worker->index);
  return nullptr;
}

void ThreadPool::work(int index) {
  uint64_t seen = 0;
  for (;;) {
    if (!spin_until([&] { return generation_.load(std::memory_order_acquire) != seen; })) {
      std::unique_lock<std::mutex> lock(mutex_);
      parked_.fetch_add(1);
      wake_.wait(lock, [&] { return generation_.load() != seen; });
      parked_.fetch_sub(1);
    }
    seen = generation_.load(std::memory_order_acquire);
    if (stopping_) return;
    (*body_)(index);
    if (running_.fetch_sub(1) == 1 && caller_parked_.load()) {
      std::lock_guard<std::mutex> lock(mutex_);
      done_.notify_one();
    }
  }
}

void ThreadPool::run(FunctionRef<void(int)> body) {
  if (size_ == 1) return body(0);
  body_ = &body;
  running_.store(size_ - 1);
  generation_.fetch_add(1);
  if (parked_.load() > 0) {
    std::lock_guard<std::mutex> lock(mutex_);
    wake_.notify_all();
  }
  body(0);
  wait_for_workers();
}

void ThreadPool::wait_for_workers() {
  if (spin_until([&] { return running_.load(std::memory_order_acquire) == 0; })) return;
  std::unique_lock<std::mutex> lock(mutex_);
  caller_parked_.store(true);
  done_.wait(lock, [&] { return running_.load() == 0; });
  caller_parked_.store(false);
}

}  // namespace remora
