// A persistent pool of threads that run one body together. Between bodies the workers spin about 50 µs, because the next op usually follows
// at once, and then park: a pool that keeps spinning (OpenMP's barriers) collapses as soon as another process wants a core.
#pragma once
#include <pthread.h>

#include <atomic>
#include <cstdint>

#include "context.h"

namespace remora {

class ThreadPool {
 public:
  // Starts `threads` − 1 workers; the caller of run() is thread 0. When the system refuses a thread the pool is smaller: see size().
  explicit ThreadPool(int threads);
  // Joins the workers. May be called from any thread, but not during run().
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  int size() const { return size_; }
  // Runs body(0 … size-1), each on its own thread, and returns when all are done.
  void run(FunctionRef<void(int thread)> body);

 private:
  struct Worker {
    ThreadPool *pool = nullptr;
    int index = 0;
    pthread_t thread{};
  };
  static void *worker_main(void *worker);
  void work(int index);
  void wait_for_workers();

  int size_ = 1;
  Worker *workers_ = nullptr;
  const FunctionRef<void(int)> *body_ = nullptr;  // published by generation_
  bool stopping_ = false;                         // published by generation_
  alignas(64) std::atomic<uint64_t> generation_{0};
  alignas(64) std::atomic<int> running_{0};
  alignas(64) std::atomic<int> parked_{0};
  std::atomic<bool> caller_parked_{false};
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t wake_ = PTHREAD_COND_INITIALIZER, done_ = PTHREAD_COND_INITIALIZER;
};

}  // namespace remora
