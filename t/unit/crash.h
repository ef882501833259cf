
/*
 * Copyright (C) The ngx_push_module authors
 *
 * A hook before every store that core/ makes, so that a test can end the
 * process at any of them as "kill -9" would.  For programs named crash_*.c,
 * which the Makefile builds in their own way: core/ is compiled with the
 * instrumentation of ThreadSanitizer but linked without its runtime, whose
 * entry points are defined here, once a program.  The hook is called before
 * the memory changes.  memcpy(), memmove(), memset() and copied structs
 * count as one store each and, so that a copy can be torn, crash_partial
 * lets them do their first half before the hook is called.
 */


#ifndef _CRASH_H_INCLUDED_
#define _CRASH_H_INCLUDED_


#include <stdint.h>
#include <string.h>


static void  (*crash_hook)(void *addr, size_t size);
static int     crash_partial;
static int     crash_busy;


/* what the hook itself stores is not reported */

#define crash_call(addr, size)                                                \
    if (crash_hook && !crash_busy) {                                          \
        crash_busy = 1;                                                       \
        crash_hook((void *) (addr), size);                                    \
        crash_busy = 0;                                                       \
    }

#define crash_access(n)                                                       \
    void __tsan_read##n(void *p);                                             \
    void __tsan_write##n(void *p);                                            \
    void __tsan_unaligned_read##n(void *p);                                   \
    void __tsan_unaligned_write##n(void *p);                                  \
    void __tsan_read##n(void *p) { (void) p; }                                \
    void __tsan_write##n(void *p) { crash_call(p, n) }                        \
    void __tsan_unaligned_read##n(void *p) { (void) p; }                      \
    void __tsan_unaligned_write##n(void *p) { crash_call(p, n) }

crash_access(1)
crash_access(2)
crash_access(4)
crash_access(8)
crash_access(16)


/* the builtins that NGINX's ngx_atomic_*() and ngx_memory_barrier() are */

#define crash_rmw(bits, name, builtin)                                        \
    uint##bits##_t __tsan_atomic##bits##_##name(                              \
        volatile uint##bits##_t *p, uint##bits##_t v, int order);             \
    uint##bits##_t __tsan_atomic##bits##_##name(                              \
        volatile uint##bits##_t *p, uint##bits##_t v, int order)              \
    {                                                                         \
        (void) order;                                                         \
        crash_call(p, bits / 8)                                               \
        return builtin(p, v, __ATOMIC_SEQ_CST);                               \
    }

#define crash_atomics(bits)                                                   \
    crash_rmw(bits, exchange, __atomic_exchange_n)                            \
    crash_rmw(bits, fetch_add, __atomic_fetch_add)                            \
    crash_rmw(bits, fetch_sub, __atomic_fetch_sub)                            \
    crash_rmw(bits, fetch_and, __atomic_fetch_and)                            \
    crash_rmw(bits, fetch_or, __atomic_fetch_or)                              \
    crash_rmw(bits, fetch_xor, __atomic_fetch_xor)                            \
    uint##bits##_t __tsan_atomic##bits##_load(                                \
        const volatile uint##bits##_t *p, int order);                         \
    uint##bits##_t __tsan_atomic##bits##_load(                                \
        const volatile uint##bits##_t *p, int order)                          \
    {                                                                         \
        (void) order;                                                         \
        return __atomic_load_n(p, __ATOMIC_SEQ_CST);                          \
    }                                                                         \
    void __tsan_atomic##bits##_store(                                         \
        volatile uint##bits##_t *p, uint##bits##_t v, int order);             \
    void __tsan_atomic##bits##_store(                                         \
        volatile uint##bits##_t *p, uint##bits##_t v, int order)              \
    {                                                                         \
        (void) order;                                                         \
        crash_call(p, bits / 8)                                               \
        __atomic_store_n(p, v, __ATOMIC_SEQ_CST);                             \
    }                                                                         \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                \
        volatile uint##bits##_t *p, uint##bits##_t old, uint##bits##_t v,     \
        int order, int failure);                                              \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                \
        volatile uint##bits##_t *p, uint##bits##_t old, uint##bits##_t v,     \
        int order, int failure)                                               \
    {                                                                         \
        (void) order;                                                         \
        (void) failure;                                                       \
        crash_call(p, bits / 8)                                               \
        return __sync_val_compare_and_swap(p, old, v);                        \
    }

crash_atomics(8)
crash_atomics(16)
crash_atomics(32)
crash_atomics(64)


void __tsan_init(void);
void __tsan_func_entry(void *pc);
void __tsan_func_exit(void);
void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_signal_fence(int order);

void __tsan_init(void) { /* void */ }
void __tsan_func_entry(void *pc) { (void) pc; }
void __tsan_func_exit(void) { /* void */ }
void __tsan_atomic_thread_fence(int order) { (void) order; }
void __tsan_atomic_signal_fence(int order) { (void) order; }


void *__real_memcpy(void *dst, const void *src, size_t n);
void *__real_memmove(void *dst, const void *src, size_t n);
void *__real_memset(void *dst, int c, size_t n);
void *__wrap_memcpy(void *dst, const void *src, size_t n);
void *__wrap_memmove(void *dst, const void *src, size_t n);
void *__wrap_memset(void *dst, int c, size_t n);


void *
__wrap_memcpy(void *dst, const void *src, size_t n)
{
    if (crash_hook && !crash_busy && n) {

        if (crash_partial) {
            __real_memcpy(dst, src, n / 2);
        }

        crash_call(dst, n)
    }

    return __real_memcpy(dst, src, n);
}


void *
__wrap_memmove(void *dst, const void *src, size_t n)
{
    crash_call(dst, n)

    return __real_memmove(dst, src, n);
}


void *
__wrap_memset(void *dst, int c, size_t n)
{
    if (crash_hook && !crash_busy && n) {

        if (crash_partial) {
            __real_memset(dst, c, n / 2);
        }

        crash_call(dst, n)
    }

    return __real_memset(dst, c, n);
}


#endif /* _CRASH_H_INCLUDED_ */
