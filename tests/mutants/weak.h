/* SPDX-License-Identifier: MIT */
/*
 * weak.h - what mutants call in the place of functions of atomic.h
 *
 * The same accesses with nothing ordered.  Included before every file of a mutated
 * tree, and nowhere else.
 */
#ifndef WEAK_H
#define WEAK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

static inline bool weak_cas(_Atomic uint64_t *word, uint64_t expected,
			    uint64_t desired)
{
	return atomic_compare_exchange_strong_explicit(word, &expected, desired,
						       memory_order_relaxed,
						       memory_order_relaxed);
}

static inline bool weak_cas32(_Atomic uint32_t *word, uint32_t expected,
			      uint32_t desired)
{
	return atomic_compare_exchange_strong_explicit(word, &expected, desired,
						       memory_order_relaxed,
						       memory_order_relaxed);
}

static inline uint32_t weak_add32(_Atomic uint32_t *word, uint32_t value)
{
	return atomic_fetch_add_explicit(word, value, memory_order_relaxed);
}

/* As the one glance of atomic.h, which the thread sanitizer does not see. */
#if defined(__SANITIZE_THREAD__)
__attribute__((no_sanitize_thread))
#endif
static inline uint64_t
weak_glance(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

#endif
