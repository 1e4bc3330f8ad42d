// build: once
// The thread pool. Publishing is one atomic increment; the mutex is touched only when somebody is parked.
// Parking cannot lose a wake-up: a worker first counts itself as parked and then looks at the generation, the caller first raises the
// generation and then looks at the count (both sequentially consistent), so at least one of them sees the other.
// POSIX threads and no std::mutex or std::thread: the library needs nothing of a C++ run-time library (DESIGN §2, docs/add/platform.md).
#include "thread_pool.h"

#include <time.h>

#include <csignal>
#include <cstdlib>
#include <new>

namespace remora {
namespace {

constexpr int64_t SPIN = 50'000;  // nanoseconds
constexpr int PAUSES_PER_CLOCK_READ = 16;

inline void cpu_pause() {
#if defined(__x86_64__) || defined(_M_X64)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

inline int64_t monotonic_nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

// Holds a mutex until the end of the block.
class Lock {
 public:
  explicit Lock(pthread_mutex_t &mutex) : mutex_(mutex) { pthread_mutex_lock(&mutex_); }
  ~Lock() { pthread_mutex_unlock(&mutex_); }
  Lock(const Lock &) = delete;
  Lock &operator=(const Lock &) = delete;

 private:
  pthread_mutex_t &mutex_;
};

// Spins until done() or until SPIN has passed; returns done().
template <class Done>
bool spin_until(const Done &done) {
  const int64_t start = monotonic_nanoseconds();
  for (;;) {
    for (int i = 0; i < PAUSES_PER_CLOCK_READ; i++) {
      if (done()) return true;
      cpu_pause();
    }
    if (monotonic_nanoseconds() - start > SPIN) return done();
  }
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  if (threads <= 1) return;
  workers_ = static_cast<Worker *>(std::malloc(static_cast<size_t>(threads) * sizeof(Worker)));
  if (workers_ == nullptr) return;
#if !defined(_WIN32)
  // Workers take no signals: the host's handlers (Node's SIGINT) must run on the host's threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
#endif
  for (int i = 1; i < threads; i++) {
    new (&workers_[i]) Worker{this, i, {}};
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
    const Lock lock(mutex_);
    generation_.fetch_add(1);
  }
  pthread_cond_broadcast(&wake_);
  for (int i = 1; i < size_; i++) pthread_join(workers_[i].thread, nullptr);
  std::free(workers_);
  pthread_cond_destroy(&wake_);
  pthread_cond_destroy(&done_);
  pthread_mutex_destroy(&mutex_);
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
      const Lock lock(mutex_);
      parked_.fetch_add(1);
      while (generation_.load() == seen) pthread_cond_wait(&wake_, &mutex_);
      parked_.fetch_sub(1);
    }
    seen = generation_.load(std::memory_order_acquire);
    if (stopping_) return;
    (*body_)(index);
    if (running_.fetch_sub(1) == 1 && caller_parked_.load()) {
      const Lock lock(mutex_);
      pthread_cond_signal(&done_);
    }
  }
}

void ThreadPool::run(FunctionRef<void(int)> body) {
  if (size_ == 1) return body(0);
  body_ = &body;
  running_.store(size_ - 1);
  generation_.fetch_add(1);
  if (parked_.load() > 0) {
    const Lock lock(mutex_);
    pthread_cond_broadcast(&wake_);
  }
  body(0);
  wait_for_workers();
}

void ThreadPool::wait_for_workers() {
  if (spin_until([&] { return running_.load(std::memory_order_acquire) == 0; })) return;
  const Lock lock(mutex_);
  caller_parked_.store(true);
  while (running_.load() != 0) pthread_cond_wait(&done_, &mutex_);
  caller_parked_.store(false);
}

}  // namespace remora
