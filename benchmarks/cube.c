/* Mean loss of every mask of a hypercube, by hand: what the engine is compared with.
 *
 * The margin of an example at a mask is the sum of the slopes of the nodes that are on. Cut in a low and a high
 * half, the sums over either half fill a table of 2^(N/2) rows, and e^margin is the product of one entry of each.
 * log(1 + a) + log(1 + b) + ... = log((1 + a)(1 + b)...) then needs one logarithm for several examples.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A tile of low rows stays in the second-level cache, while high rows pass over it. */
#define TILE 64

/* Rows of e^(sum of the slopes of the nodes that are on); columns beyond the examples are 0, which adds no loss. */
static float *half_cube(const float *offsets, const float *slopes, int nodes, size_t examples, size_t stride)
{
    size_t rows = (size_t)1 << nodes;
    float *table = aligned_alloc(64, rows * stride * sizeof(float));
    if (!table)
        return NULL;
    memset(table, 0, stride * sizeof(float));
    memcpy(table, offsets, examples * sizeof(float));
    for (size_t row = 1; row < rows; row++) {
        const float *before = table + (row & (row - 1)) * stride, *slope = slopes + __builtin_ctzl(row) * examples;
        float *to = table + row * stride;
        for (size_t e = 0; e < examples; e++)
            to[e] = before[e] + slope[e];
        for (size_t e = examples; e < stride; e++)
            to[e] = 0;
    }
#pragma omp parallel for
    for (size_t row = 0; row < rows; row++)
        for (size_t e = 0; e < examples; e++)
            table[row * stride + e] = expf(table[row * stride + e]);
    return table;
}

/* Largest e^margin over all masks and examples. */
static float largest(const float *high, const float *low, size_t highs, size_t lows, size_t examples, size_t stride)
{
    float most = 0;
    for (size_t e = 0; e < examples; e++) {
        float top_high = 0, top_low = 0;
        for (size_t row = 0; row < highs; row++)
            top_high = fmaxf(top_high, high[row * stride + e]);
        for (size_t row = 0; row < lows; row++)
            top_low = fmaxf(top_low, low[row * stride + e]);
        most = fmaxf(most, top_high * top_low);
    }
    return most;
}

/* The number of terms is a constant of each function, so that the product is unrolled and examples fill vectors. */
#define LOSSES(TERMS)                                                                                         \
    static void losses_##TERMS(const float *high, const float *low, size_t highs, size_t lows, size_t stride, \
                               float scale, float *loss)                                                      \
    {                                                                                                         \
        size_t block = stride / TERMS;                                                                        \
        _Pragma("omp parallel for schedule(dynamic) collapse(2)")                                             \
        for (size_t low_tile = 0; low_tile < lows; low_tile += TILE)                                          \
            for (size_t high_tile = 0; high_tile < highs; high_tile += TILE) {                                \
                size_t low_end = low_tile + TILE < lows ? low_tile + TILE : lows;                             \
                size_t high_end = high_tile + TILE < highs ? high_tile + TILE : highs;                        \
                for (size_t h = high_tile; h < high_end; h++)                                                 \
                    for (size_t l = low_tile; l < low_end; l++) {                                             \
                        const float *restrict a = high + h * stride, *restrict b = low + l * stride;          \
                        float sum = 0;                                                                        \
                        for (size_t e = 0; e < block; e++) {                                                  \
                            float product = 1;                                                                \
                            for (int term = 0; term < TERMS; term++)                                          \
                                product *= 1 + a[term * block + e] * b[term * block + e];                     \
                            sum += logf(product);                                                             \
                        }                                                                                     \
                        loss[h * lows + l] = scale * sum;                                                     \
                    }                                                                                         \
            }                                                                                                 \
    }

LOSSES(1)
LOSSES(2)
LOSSES(4)
LOSSES(8)

/* Fill loss[2^nodes]; mask m has node i on when bit i of m is 1. slopes: (nodes, examples).
 * most_terms: examples that may share a logarithm, 1, 2, 4 or 8; fewer are taken where their product might overflow.
 * Returns the number taken, 0 where even one would overflow, -1 where memory ran out.
 */
int cube_losses(const float *offsets, const float *slopes, int nodes, size_t examples, int most_terms, float *loss)
{
    int low_nodes = nodes / 2, terms = most_terms;
    size_t lows = (size_t)1 << low_nodes, highs = (size_t)1 << (nodes - low_nodes);
    size_t stride = (examples + 127) / 128 * 128;
    float *zeros = calloc(examples, sizeof(float));
    float *low = half_cube(offsets, slopes, low_nodes, examples, stride);
    float *high = zeros ? half_cube(zeros, slopes + low_nodes * examples, nodes - low_nodes, examples, stride) : NULL;
    if (!zeros || !low || !high)
        terms = -1;
    else {
        float most = largest(high, low, highs, lows, examples, stride);
        /* Written so that an infinite or undefined bound takes no term: -ffast-math knows neither. */
        while (terms && !(most < FLT_MAX / 2 && terms * log1p(most) < 88))
            terms /= 2;
        float scale = 1.0f / examples;
        if (terms)
            (terms == 1 ? losses_1 : terms == 2 ? losses_2 : terms == 4 ? losses_4 : losses_8)(
                high, low, highs, lows, stride, scale, loss);
    }
    free(zeros);
    free(low);
    free(high);
    return terms;
}
