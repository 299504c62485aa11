/* SPDX-License-Identifier: MIT */
/*
 * atomic.h - every access to shared memory that orders anything
 *
 * Thin names for C11 atomics, so that `git grep mms_` followed by load_acquire,
 * store_release, cas or fence lists each synchronisation point of the library.
 * Memory orders are spelled here and nowhere else.  Relaxed accesses are for
 * words that only we write, or whose value is a hint; the caller says which.
 */
#ifndef MMS_ATOMIC_H
#define MMS_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

static inline uint64_t mms_load(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static inline void mms_store(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_relaxed);
}

static inline uint32_t mms_load32(const _Atomic uint32_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static inline void mms_store32(_Atomic uint32_t *word, uint32_t value)
{
	atomic_store_explicit(word, value, memory_order_relaxed);
}

static inline uint64_t mms_load_acquire(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_acquire);
}

/*
 * The same for the one race that is meant: looking without a lock at a header
 * that a sender may be writing payload over, a lap later.  What is seen counts
 * only if head has not moved meanwhile; the thread sanitizer cannot know that.
 */
#if defined(__SANITIZE_THREAD__)
__attribute__((no_sanitize_thread))
#elif defined(__clang__)
__attribute__((no_sanitize("thread")))
#endif
static inline uint64_t
mms_glance_acquire(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_acquire);
}

static inline uint32_t mms_load_acquire32(const _Atomic uint32_t *word)
{
	return atomic_load_explicit(word, memory_order_acquire);
}

static inline void mms_store_release(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_release);
}

static inline void mms_store_release32(_Atomic uint32_t *word, uint32_t value)
{
	atomic_store_explicit(word, value, memory_order_release);
}

/* Take: whatever the last owner stored before it gave the word up is visible. */
static inline bool mms_cas_acquire(_Atomic uint64_t *word, uint64_t expected,
				   uint64_t desired)
{
	return atomic_compare_exchange_strong_explicit(word, &expected, desired,
						       memory_order_acquire,
						       memory_order_relaxed);
}

/* Give up: whatever we stored is visible to the next owner. */
static inline bool mms_cas_release(_Atomic uint64_t *word, uint64_t expected,
				   uint64_t desired)
{
	return atomic_compare_exchange_strong_explicit(word, &expected, desired,
						       memory_order_release,
						       memory_order_relaxed);
}

/* Both, and in one order with all others of its kind. */
static inline bool mms_cas_full(_Atomic uint64_t *word, uint64_t expected,
				uint64_t desired)
{
	return atomic_compare_exchange_strong_explicit(word, &expected, desired,
						       memory_order_seq_cst,
						       memory_order_relaxed);
}

static inline bool mms_cas32(_Atomic uint32_t *word, uint32_t expected,
			     uint32_t desired)
{
	return atomic_compare_exchange_strong_explicit(word, &expected, desired,
						       memory_order_seq_cst,
						       memory_order_relaxed);
}

static inline uint32_t mms_add32(_Atomic uint32_t *word, uint32_t value)
{
	return atomic_fetch_add_explicit(word, value, memory_order_seq_cst);
}

/* For statistics that several processes add to. */
static inline void mms_add(_Atomic uint64_t *word, uint64_t value)
{
	atomic_fetch_add_explicit(word, value, memory_order_relaxed);
}

/* The same for who has to be seen by those who see the sum. */
static inline void mms_add_release(_Atomic uint64_t *word, uint64_t value)
{
	atomic_fetch_add_explicit(word, value, memory_order_release);
}

/* For a counter that only we write: no locked instruction. */
static inline void mms_bump(_Atomic uint64_t *word, uint64_t value)
{
	mms_store(word, mms_load(word) + value);
}

/*
 * Full fence: a store before it and a load after it are not exchanged, which
 * neither acquire nor release gives.
 */
static inline void mms_fence(void)
{
	atomic_thread_fence(memory_order_seq_cst);
}

/*
 * The same right after a locked operation, which on x86 is a full fence of its
 * own and makes a second one, 20 cycles of each message, idle.
 */
static inline void mms_fence_after_locked(void)
{
#if defined(__x86_64__) || defined(__i386__)
	atomic_signal_fence(memory_order_seq_cst);
#else
	mms_fence();
#endif
}

/*
 * Tell the CPU that this is a spin: it saves power, leaves the core to the
 * other hardware thread and does not speculate down the loop.
 */
static inline void mms_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
	__builtin_arm_yield();
#endif
}

/*
 * Fetch a cache line in order to write to it.  Unlike the store itself, nothing
 * waits for this: not the stores behind it, and no locked operation.  By its
 * name, because compilers use it only where told that the CPU is a recent one,
 * and CPUs that do not know it take it for nothing.
 */
static inline void mms_fetch_to_write(const unsigned char *address)
{
#if defined(__x86_64__)
	__asm__ volatile("prefetchw %0" : : "m"(*address));
#else
	__builtin_prefetch(address, 1);
#endif
}

#endif
