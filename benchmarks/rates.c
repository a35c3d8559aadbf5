/* How many exponentials, logarithms and divisions a second the machine does, with all its cores and out of cache. */
#include <math.h>
#include <omp.h>

#define COUNT 4096
#define ROUNDS 1000

#define RATE(NAME, EXPRESSION)                                                      \
    double NAME(void)                                                               \
    {                                                                               \
        double start = omp_get_wtime();                                             \
        _Pragma("omp parallel")                                                     \
        {                                                                           \
            float from[COUNT], to[COUNT];                                           \
            for (int i = 0; i < COUNT; i++)                                         \
                from[i] = i * 1e-4f;                                                \
            for (int round = 0; round < ROUNDS; round++) {                          \
                for (int i = 0; i < COUNT; i++) {                                   \
                    float x = from[i];                                              \
                    to[i] = EXPRESSION;                                             \
                }                                                                   \
                /* The compiler must believe that the numbers are read and changed. */ \
                __asm__ volatile("" : : "r"(from), "r"(to) : "memory");             \
            }                                                                       \
        }                                                                           \
        return omp_get_max_threads() * (double)ROUNDS * COUNT / (omp_get_wtime() - start); \
    }

RATE(exponentials, expf(-x))
RATE(logarithms, logf(1 + x))
RATE(divisions, 1 / (1 + x))
