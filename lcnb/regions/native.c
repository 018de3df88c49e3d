/* Region convolution and max-pooling for a CPU, compiled where it runs (native_build.py).

   Shape letters: N rows to compute, C channels, P kernel positions, O outputs.

   An implicit product: rows of the neighbours are read where they lie, no operand is written. A tile is TALL rows by
   WIDE vectors of outputs, whose sums stay in registers while P x C weights pass by; each output is summed by one thread
   in one order, so threads do not change a bit. Rows are handed out in short blocks: a thread that is held up takes fewer.
   Vectors are the compiler's own (GCC, Clang), so there is one source for AVX, AVX-512 and ARM.

   Layers come as a list of jobs, one after the other, and threads are started once for all of them: at a narrow width
   starting them takes as long as a layer. A job begins when all rows of the one before are done, whoever did them. */

#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#if defined(__AVX512F__)
enum { LANES = 16, WIDE = 2, TALL = 12 };
#elif defined(__AVX__)
enum { LANES = 8, WIDE = 2, TALL = 6 };
#elif defined(__aarch64__)
enum { LANES = 4, WIDE = 4, TALL = 6 };
#else
enum { LANES = 4, WIDE = 2, TALL = 6 };
#endif
enum { PANEL = LANES * WIDE, MOST = TALL * WIDE };
enum { LONG = 24 * 1024 / 4 / PANEL }; /* weights of a panel that the first cache holds, beside rows */
#define UNROLL _Pragma("GCC unroll 32") /* or the sums are not kept in registers */

typedef float vec __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t bits __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef void (*fork_t)(void (*)(void *), void *, unsigned, unsigned);

enum { CONVOLVE, POOL, DEPTHWISE };
enum { RELU = 1, ADD = 2, RELU6 = 4 };

typedef struct {            /* native.py packs it: fields of eight bytes only */
    int64_t kind, flags;
    const float *rows;      /* (., C), `pitch` floats apart */
    const int64_t *table;   /* (N, P) numbers of rows; NULL: row n itself */
    const float *weights;   /* panel after panel, (P, C, width of the panel); depthwise: (P, C) */
    const float *bias;      /* as many as the panels are wide; depthwise: C */
    float *out;             /* (N, O), `out_pitch` floats apart */
    int64_t n, positions, channels, outputs, pitch, out_pitch;
    int64_t absent;         /* the table's value for a neighbour that is not there; a convolution reads zeros there */
    int64_t block, next, done;
} job;

typedef struct {
    job *jobs;
    int64_t count;
} program;

int lcnb_job_bytes(void) { return sizeof(job); }
int lcnb_lanes(void) { return LANES; }
int lcnb_panel(void) { return PANEL; }

/* A NaN stays one: what is not finite is refused later, not labelled. */
static inline vec finished(vec y, int64_t flags) {
    if (flags & (RELU | RELU6)) y = (vec)((bits)y & ~(bits)(y < (vec){0}));
    if (flags & RELU6) {
        bits above = (bits)(y > (vec){0} + 6.0f);
        y = (vec)(((bits)y & ~above) | ((bits)((vec){0} + 6.0f) & above));
    }
    return y;
}

/* A part of a sum over positions and channels. The sums of a tile wait in `kept` where a part is not the only one. */
typedef struct {
    int64_t p, p_end, c, c_end;
    int begins, ends;
} part;

/* `tall` rows from `first` on, `wide` vectors of outputs from `column` on; both are constants where it is called. */
static inline __attribute__((always_inline)) void tile(
    const job *j, const part *d, int64_t first, int64_t column, const float *weights, vec *kept, const int tall,
    const int wide) {
    vec sum[MOST][WIDE];
    UNROLL for (int v = 0; v < wide; v++) {
        vec start = *(const vec *)(j->bias + column + v * LANES);
        UNROLL for (int r = 0; r < tall; r++) sum[r][v] = d->begins ? start : kept[r * wide + v];
    }
    weights += (d->p * j->channels + d->c) * wide * LANES;
    const int64_t last = j->n - 1;
    if (d->ends && j->flags & ADD) /* what is added to comes from far away, and is wanted last */
        UNROLL for (int r = 0; r < tall; r++)
            __builtin_prefetch(j->out + (first + r < last ? first + r : last) * j->out_pitch + column);
    for (int64_t p = d->p; p < d->p_end; p++) {
        const float *from[MOST];
        UNROLL for (int r = 0; r < tall; r++) { /* beyond the end: the last row again, never stored */
            int64_t row = first + r < last ? first + r : last;
            from[r] = j->rows + (j->table ? j->table[row * j->positions + p] : row) * j->pitch;
        }
        for (int64_t c = d->c; c < d->c_end; c++) {
            vec w[WIDE];
            UNROLL for (int v = 0; v < wide; v++) w[v] = *(const vec *)(weights + v * LANES);
            weights += wide * LANES;
            UNROLL for (int r = 0; r < tall; r++)
                UNROLL for (int v = 0; v < wide; v++) sum[r][v] += from[r][c] * w[v];
        }
    }
    if (!d->ends) {
        UNROLL for (int r = 0; r < tall; r++)
            UNROLL for (int v = 0; v < wide; v++) kept[r * wide + v] = sum[r][v];
        return;
    }
    float *to = j->out + first * j->out_pitch + column;
    const int64_t left = j->outputs - column;
    if (first + tall <= j->n && left >= wide * LANES) { /* nothing to leave out */
        UNROLL for (int r = 0; r < tall; r++)
            UNROLL for (int v = 0; v < wide; v++) {
                vec *here = (vec *)(to + r * j->out_pitch + v * LANES);
                vec y = sum[r][v];
                if (j->flags & ADD) y += *here;
                *here = finished(y, j->flags);
            }
        return;
    }
    UNROLL for (int r = 0; r < tall; r++)
        UNROLL for (int v = 0; v < wide; v++) {
            int64_t here = left - v * LANES < LANES ? left - v * LANES : LANES;
            if (here <= 0 || first + r >= j->n) continue;
            vec y = sum[r][v], before = {0};
            if (j->flags & ADD) memcpy(&before, to + r * j->out_pitch + v * LANES, here * sizeof(float));
            y += before;
            y = finished(y, j->flags);
            memcpy(to + r * j->out_pitch + v * LANES, &y, here * sizeof(float));
        }
}

/* The next part of a long sum: so short that its weights stay in the first cache for all tiles of a block. */
static part following(const job *j, const part *before) {
    const int64_t P = j->positions, C = j->channels;
    part next = {0, P, 0, C, before == 0, 1};
    if (P * C > 2 * LONG && P > 1) {
        next.p = before ? before->p_end : 0;
        next.p_end = next.p + (C < LONG ? LONG / C : 1);
        if (next.p_end > P) next.p_end = P;
        next.ends = next.p_end == P;
    } else if (P * C > 2 * LONG) {
        next.c = before ? before->c_end : 0;
        next.c_end = next.c + LONG < C ? next.c + LONG : C;
        next.ends = next.c_end == C;
    }
    return next;
}

static void convolve(const job *j, int64_t start, int64_t stop) {
    const int64_t depth = j->positions * j->channels;
    vec kept[TALL * 8 * WIDE];
    for (int64_t column = 0; column < j->outputs; column += PANEL) {
        const float *weights = j->weights + column * depth;
        const int narrow = j->outputs - column <= LANES;
        part d = following(j, 0);
        for (;; d = following(j, &d)) {
            if (narrow)
                for (int64_t i = start; i < stop; i += MOST) tile(j, &d, i, column, weights, kept + (i - start), MOST, 1);
            else
                for (int64_t i = start; i < stop; i += TALL) tile(j, &d, i, column, weights, kept + (i - start) * WIDE, TALL, WIDE);
            if (d.ends) break;
        }
    }
}

static void pool(const job *j, int64_t start, int64_t stop) {
    for (int64_t i = start; i < stop; i++) {
        const int64_t *places = j->table + i * j->positions;
        float *to = j->out + i * j->out_pitch;
        int seen = 0;
        for (int64_t p = 0; p < j->positions; p++) {
            if (places[p] == j->absent) continue;
            const float *from = j->rows + places[p] * j->pitch;
            if (!seen++) memcpy(to, from, j->channels * sizeof(float));
            else
                for (int64_t c = 0; c < j->channels; c++) /* a NaN wins, as torch's does */
                    to[c] = from[c] > to[c] || from[c] != from[c] ? from[c] : to[c];
        }
    }
}

enum { STRIP = LANES * 8 }; /* channels of a depthwise convolution at a time: their sums take 8 registers */

/* Every channel has a kernel of its own: a sum over the neighbours of each row, channel by channel. */
static void convolve_depthwise(const job *j, int64_t start, int64_t stop) {
    const int64_t P = j->positions, C = j->channels;
    for (int64_t c = 0; c + STRIP <= C; c += STRIP)
        for (int64_t i = start; i < stop; i++) {
            vec sum[8];
            UNROLL for (int v = 0; v < 8; v++) sum[v] = *(const vec *)(j->bias + c + v * LANES);
            for (int64_t p = 0; p < P; p++) {
                const int64_t place = j->table[i * P + p];
                if (place == j->absent) continue;
                const float *x = j->rows + place * j->pitch + c, *w = j->weights + p * C + c;
                UNROLL for (int v = 0; v < 8; v++) sum[v] += *(const vec *)(x + v * LANES) * *(const vec *)(w + v * LANES);
            }
            UNROLL for (int v = 0; v < 8; v++) {
                vec *to = (vec *)(j->out + i * j->out_pitch + c + v * LANES);
                if (j->flags & ADD) sum[v] += *to;
                *to = finished(sum[v], j->flags);
            }
        }
    const int64_t c = C / STRIP * STRIP, left = C - c;
    if (!left) return;
    for (int64_t i = start; i < stop; i++) {
        float sum[STRIP];
        memcpy(sum, j->bias + c, left * sizeof(float));
        for (int64_t p = 0; p < P; p++) {
            const int64_t place = j->table[i * P + p];
            if (place == j->absent) continue;
            const float *x = j->rows + place * j->pitch + c, *w = j->weights + p * C + c;
            for (int64_t k = 0; k < left; k++) sum[k] += x[k] * w[k];
        }
        float *to = j->out + i * j->out_pitch + c;
        for (int64_t k = 0; k < left; k++) {
            float y = j->flags & ADD ? to[k] + sum[k] : sum[k];
            if (j->flags & (RELU | RELU6) && y < 0) y = 0;
            to[k] = j->flags & RELU6 && y > 6 ? 6 : y;
        }
    }
}

/* Who is waited for may want this core: after some microseconds it is offered, then left. */
static void wait_a_little(int turn) {
    if (turn > 1000) {
        const struct timespec nap = {0, 50000};
        nanosleep(&nap, NULL);
    } else if (turn > 300) {
        sched_yield();
    } else {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
}

/* What every thread does; how many there are, and when they arrive, does not matter. */
static void work(void *data) {
    program *p = data;
    for (job *j = p->jobs; j < p->jobs + p->count; j++) {
        for (;;) {
            int64_t start = __atomic_fetch_add(&j->next, j->block, __ATOMIC_RELAXED), stop = start + j->block;
            if (start >= j->n) break;
            if (stop > j->n) stop = j->n;
            if (j->kind == CONVOLVE) convolve(j, start, stop);
            else if (j->kind == DEPTHWISE) convolve_depthwise(j, start, stop);
            else pool(j, start, stop);
            __atomic_fetch_add(&j->done, stop - start, __ATOMIC_RELEASE);
        }
        for (int turn = 0; __atomic_load_n(&j->done, __ATOMIC_ACQUIRE) < j->n; turn++) wait_a_little(turn);
    }
}

/* Blocks of rows: a dozen a thread where there are so many, of at most 8 tiles. */
void lcnb_run(job *jobs, int64_t count, fork_t fork, int64_t threads) {
    int64_t cost = 0;
    for (job *j = jobs; j < jobs + count; j++) {
        int64_t tiles = j->n / (MOST * 12 * threads), most = 8 / WIDE;
        j->block = MOST * (tiles < 1 ? 1 : tiles > most ? most : tiles);
        cost += j->n * j->positions * j->channels * (j->kind == CONVOLVE ? j->outputs : 1);
    }
    program p = {jobs, count};
    if (fork && threads > 1 && cost > 400000) fork(work, &p, (unsigned)threads, 0);
    else work(&p);
}

/* A neighbour table, (N, kernel height x width), from the cells (`index`, flat) and their rows (`rank`, -1: none). */
void lcnb_table(
    const int64_t *rank, const int64_t *index, int64_t *table, int64_t n, int64_t height, int64_t width, int64_t tall,
    int64_t wide, int64_t down, int64_t across) {
    for (int64_t i = 0; i < n; i++) {
        const int64_t x = index[i] % width, y = index[i] / width % height;
        for (int64_t a = -(tall / 2); a <= tall / 2; a++)
            for (int64_t b = -(wide / 2); b <= wide / 2; b++) {
                int64_t v = y + a * down, u = x + b * across, found = -1;
                if (v >= 0 && v < height && u >= 0 && u < width) found = rank[index[i] + a * down * width + b * across];
                *table++ = found < 0 ? n : found;
            }
    }
}

/* The gradient of a depthwise convolution's weights. */
typedef struct {
    const float *rows;    /* (., C) */
    const float *grad;    /* (N, C), of the results */
    const int64_t *table; /* (N, P) */
    float *out;           /* (P, C) */
    int64_t n, positions, channels, absent, next;
} gradient;

/* Of a strip of channels; one thread adds in one order, so threads do not change a bit. */
static inline __attribute__((always_inline)) void gradient_of_strip(const gradient *d, int64_t c, const int64_t wide) {
    const int64_t P = d->positions, C = d->channels;
    for (int64_t p = 0; p < P; p++) memset(d->out + p * C + c, 0, wide * sizeof(float));
    for (int64_t i = 0; i < d->n; i++) {
        const float *g = d->grad + i * C + c;
        for (int64_t p = 0; p < P; p++) {
            if (d->table[i * P + p] == d->absent) continue;
            const float *x = d->rows + d->table[i * P + p] * C + c;
            float *sum = d->out + p * C + c;
            for (int64_t k = 0; k < wide; k++) sum[k] += g[k] * x[k];
        }
    }
}

static void work_gradient(void *data) {
    gradient *d = data;
    for (;;) {
        int64_t c = __atomic_fetch_add(&d->next, STRIP, __ATOMIC_RELAXED);
        if (c >= d->channels) return;
        if (c + STRIP <= d->channels) gradient_of_strip(d, c, STRIP);
        else gradient_of_strip(d, c, d->channels - c);
    }
}

void lcnb_depthwise_gradient(
    const float *rows, const float *grad, const int64_t *table, float *out, int64_t n, int64_t positions,
    int64_t channels, int64_t absent, fork_t fork, int64_t threads) {
    gradient d = {rows, grad, table, out, n, positions, channels, absent, 0};
    if (fork && threads > 1 && n * positions * channels > 400000) fork(work_gradient, &d, (unsigned)threads, 0);
    else work_gradient(&d);
}
