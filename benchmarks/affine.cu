/* Mean loss and gate gradient of masks of one hidden layer with two classes, by hand: what evaluate is compared with on
 * an NVIDIA GPU.
 *
 * A thread evaluates MASKS masks. The margin of an example is the sum of the slopes of the nodes that are on. Nodes are
 * taken in groups of five, whose 32 sums stand in a table in shared memory: a group then costs a look-up and an
 * addition, and the entries of a warp's threads lie in different banks, or are the same. The gradient costs a
 * multiplication and addition a node, all in float32 and in registers. Margins are in units of log 2: slopes and offsets
 * come multiplied by log2(e).
 *
 * NODES, THREADS (of a block), MASKS (of a thread) and BLOCKS (that a multiprocessor holds) are given to the compiler;
 * with -use_fast_math, exp2f, log2f and the division are single instructions.
 */
#define GROUP 5
#define ENTRIES (1 << GROUP)
#define GROUPS ((NODES + GROUP - 1) / GROUP)
/* Nodes with those that fill the last group, whose slopes are zero, in fours. */
#define WIDTH ((GROUPS * GROUP + 3) / 4 * 4)
/* Examples in shared memory at a time, and those that share a logarithm: a product of 1 + s is at most 2^SHARING. */
#define CHUNK 64
#define SHARING 8

/* The tables of a chunk: lane i of a warp makes entry i of one group after the other. Beyond the examples, the margin is
 * so low that neither loss nor gradient grows. */
__device__ static void make_tables(const float *offsets, const float *slopes, int first, int examples,
                                   float (*slope)[WIDTH], float (*table)[GROUPS][ENTRIES])
{
    for (int at = threadIdx.x; at < CHUNK * WIDTH; at += THREADS) {
        int example = first + at / WIDTH, node = at % WIDTH;
        slope[at / WIDTH][node] = example < examples && node < NODES ? slopes[example * NODES + node] : 0.0f;
    }
    __syncthreads();
    int lane = threadIdx.x % ENTRIES;
    for (int at = threadIdx.x / ENTRIES; at < CHUNK * GROUPS; at += THREADS / ENTRIES) {
        int example = at / GROUPS, group = at % GROUPS;
        float sum = group ? 0.0f : first + example < examples ? offsets[first + example] : -1e30f;
#pragma unroll
        for (int bit = 0; bit < GROUP; bit++)
            sum += (lane >> bit) & 1 ? slope[example][group * GROUP + bit] : 0.0f;
        table[example][group][lane] = sum;
    }
    __syncthreads();
}

/* Read a table at so many bytes. */
__device__ static float look_up(const float *table, unsigned bytes)
{
    return *(const float *)((const char *)table + bytes);
}

/* bits[mask]: bit i is on when node i is; slopes: (examples, NODES). Fills loss[mask] and gradient[mask][NODES]. */
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    affine(const unsigned *bits, const float *offsets, const float *slopes, int examples, unsigned masks, float *loss,
           float *gradient)
{
    __shared__ __align__(16) float slope[CHUNK][WIDTH];
    __shared__ float table[CHUNK][GROUPS][ENTRIES];
    unsigned start = blockIdx.x * (THREADS * MASKS) + threadIdx.x;
    /* In bytes, so that a look-up needs no arithmetic of addresses. */
    unsigned entry[MASKS][GROUPS];
    float total[MASKS] = {0}, sum[MASKS][WIDTH] = {{0}};
#pragma unroll
    for (int m = 0; m < MASKS; m++) {
        unsigned mask = start + m * THREADS;
        unsigned word = mask < masks ? bits[mask] : 0;
#pragma unroll
        for (int group = 0; group < GROUPS; group++)
            entry[m][group] = (word >> (group * GROUP) & (ENTRIES - 1)) * sizeof(float);
    }
    for (int first = 0; first < examples; first += CHUNK) {
        __syncthreads();
        make_tables(offsets, slopes, first, examples, slope, table);
        for (int shared = 0; shared < CHUNK; shared += SHARING) {
            float product[MASKS];
#pragma unroll
            for (int m = 0; m < MASKS; m++)
                product[m] = 1;
#pragma unroll 4
            for (int example = shared; example < shared + SHARING; example++) {
                float wrong[MASKS];
#pragma unroll
                for (int m = 0; m < MASKS; m++) {
                    float margin = look_up(table[example][0], entry[m][0]);
#pragma unroll
                    for (int group = 1; group < GROUPS; group++)
                        margin += look_up(table[example][group], entry[m][group]);
                    /* fminf costs one instruction, and the absolute value with its sign two. */
                    float small = exp2f(fminf(margin, -margin)), more = 1 + small, share = 1 / more;
                    product[m] *= more;
                    total[m] += fmaxf(margin, 0.0f);
                    wrong[m] = margin >= 0 ? share : small * share;
                }
#pragma unroll
                for (int node = 0; node < WIDTH; node++) {
                    float value = slope[example][node];
#pragma unroll
                    for (int m = 0; m < MASKS; m++)
                        if (node < NODES)
                            sum[m][node] += wrong[m] * value;
                }
            }
#pragma unroll
            for (int m = 0; m < MASKS; m++)
                total[m] += log2f(product[m]);
        }
    }
    /* From units of log 2, which slopes have too, to nats. */
    float scale = 0.6931471806f / examples;
#pragma unroll
    for (int m = 0; m < MASKS; m++) {
        unsigned mask = start + m * THREADS;
        if (mask >= masks)
            continue;
        loss[mask] = scale * total[m];
#pragma unroll
        for (int node = 0; node < NODES; node++)
            gradient[(size_t)mask * NODES + node] = scale * sum[m][node];
    }
}

#ifndef __CUDACC_RTC__
/* Evaluate all masks; pointers are to the GPU's memory. Returns what went wrong, or NULL. */
extern "C" const char *evaluate(const unsigned *bits, const float *offsets, const float *slopes, int examples,
                                unsigned masks, float *loss, float *gradient)
{
    unsigned blocks = (masks + THREADS * MASKS - 1) / (THREADS * MASKS);
    affine<<<blocks, THREADS>>>(bits, offsets, slopes, examples, masks, loss, gradient);
    cudaError_t error = cudaGetLastError();
    if (error == cudaSuccess)
        error = cudaDeviceSynchronize();
    return error == cudaSuccess ? 0 : cudaGetErrorString(error);
}
#endif
