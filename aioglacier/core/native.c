/* Both hashes of a part in one visit: the SHA-256 of the whole, and the SHA-256 of every MiB ("leaf"). And
 * the two checksums of S3 that the standard library lacks, CRC-64/NVME and CRC-32C.
 *
 * SHA-256 cannot be split: each block of 64 bytes needs the state that the block before it left. The CPU's
 * instruction for two rounds takes twice as long as it occupies its unit, so one hash leaves the unit idle
 * half of the time, and two independent ones, taken in turns, cost hardly more than one. Here the two are
 * over the same bytes. As a leaf is a whole number of blocks, both always stand at the same place of the same
 * block: it is read once, its message schedule is computed once, and what is left over between two calls is
 * kept once.
 *
 * Only CPUs with SHA-256 instructions make the hashes, x86-64 and 64-bit Arm; `INSTRUCTIONS` is None on
 * others, and the caller uses hashlib. Every CPU makes the checksums. Constants and names are those of FIPS 180-4. The first half of this file knows
 * nothing of Python, and tests/fuzz/native.c includes it with WITHOUT_PYTHON to run it under sanitizers.
 */

#ifndef WITHOUT_PYTHON
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#endif

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 64
#define DIGEST 32
#define LEAF (1024 * 1024)

typedef uint32_t state[8]; /* a to h */

static const state INITIAL = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* ---- The instructions -------------------------------------------------------------------------------
 *
 * Each family defines `compress_pair`, which takes two states through the same blocks, `INSTRUCTION_SET` and
 * `has_instructions`. In both, w0 to w3 hold the last sixteen words of the message schedule, four each;
 * NEXT4 replaces the oldest by the next four, and ROUNDS4 takes both states through four rounds.
 */

#define ROUNDS64 \
    ROUNDS4(w0, 0) \
    ROUNDS4(w1, 4) \
    ROUNDS4(w2, 8) \
    ROUNDS4(w3, 12) \
    for (int round = 16; round < 64; round += 16) { \
        NEXT4(w0, w1, w2, w3) \
        ROUNDS4(w0, round) \
        NEXT4(w1, w2, w3, w0) \
        ROUNDS4(w1, round + 4) \
        NEXT4(w2, w3, w0, w1) \
        ROUNDS4(w2, round + 8) \
        NEXT4(w3, w0, w1, w2) \
        ROUNDS4(w3, round + 12) \
    }

#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>
#define INSTRUCTION_SET "SHA-NI"
#ifdef _MSC_VER
#include <intrin.h>
#define WITH_INSTRUCTIONS
#else
#include <cpuid.h>
#define WITH_INSTRUCTIONS __attribute__((target("sha,sse4.1,ssse3")))
#endif

static int has_instructions(void)
{
    unsigned int one_ecx = 0, seven_ebx = 0;
#ifdef _MSC_VER
    int registers[4];
    __cpuid(registers, 0);
    if (registers[0] >= 7) {
        __cpuid(registers, 1);
        one_ecx = (unsigned int)registers[2];
        __cpuidex(registers, 7, 0);
        seven_ebx = (unsigned int)registers[1];
    }
#else
    unsigned int eax, ebx, ecx, edx;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx))
        one_ecx = ecx;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
        seven_ebx = ebx;
#endif
    int has_ssse3 = one_ecx >> 9 & 1, has_sse41 = one_ecx >> 19 & 1, has_sha = seven_ebx >> 29 & 1;
    return has_ssse3 && has_sse41 && has_sha;
}

/* The instructions keep a state as two vectors, (a, b, e, f) and (c, d, g, h), a and c in the highest lane. */
WITH_INSTRUCTIONS static void pack(const state from, __m128i *abef, __m128i *cdgh)
{
    __m128i abcd = _mm_loadu_si128((const __m128i *)from);
    __m128i efgh = _mm_loadu_si128((const __m128i *)(from + 4));
    *abef = _mm_shuffle_epi32(_mm_unpacklo_epi64(abcd, efgh), 0x1B);
    *cdgh = _mm_shuffle_epi32(_mm_unpackhi_epi64(abcd, efgh), 0x1B);
}

WITH_INSTRUCTIONS static void unpack(state to, __m128i abef, __m128i cdgh)
{
    __m128i feba = _mm_shuffle_epi32(abef, 0x1B); /* as in memory: a first */
    __m128i hgdc = _mm_shuffle_epi32(cdgh, 0x1B);
    _mm_storeu_si128((__m128i *)to, _mm_unpacklo_epi64(feba, hgdc));
    _mm_storeu_si128((__m128i *)(to + 4), _mm_unpackhi_epi64(feba, hgdc));
}

#define NEXT4(w0, w1, w2, w3) \
    w0 = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4)); \
    w0 = _mm_sha256msg2_epu32(w0, w3);

#define ROUNDS4(w, round) \
    wk = _mm_add_epi32(w, _mm_loadu_si128((const __m128i *)(K + (round)))); \
    x1 = _mm_sha256rnds2_epu32(x1, x0, wk); \
    y1 = _mm_sha256rnds2_epu32(y1, y0, wk); \
    wk = _mm_shuffle_epi32(wk, 0x0E); \
    x0 = _mm_sha256rnds2_epu32(x0, x1, wk); \
    y0 = _mm_sha256rnds2_epu32(y0, y1, wk);

WITH_INSTRUCTIONS static void compress_pair(state x, state y, const uint8_t *data, size_t blocks)
{
    const __m128i big_endian = _mm_set_epi64x(0x0C0D0E0F08090A0B, 0x0405060700010203);
    __m128i x0, x1, y0, y1, w0, w1, w2, w3, wk;
    pack(x, &x0, &x1);
    pack(y, &y0, &y1);
    for (; blocks; blocks--, data += BLOCK) {
        const __m128i x0_before = x0, x1_before = x1, y0_before = y0, y1_before = y1;
        w0 = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)data), big_endian);
        w1 = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data + 16)), big_endian);
        w2 = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data + 32)), big_endian);
        w3 = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data + 48)), big_endian);
        ROUNDS64
        x0 = _mm_add_epi32(x0, x0_before);
        x1 = _mm_add_epi32(x1, x1_before);
        y0 = _mm_add_epi32(y0, y0_before);
        y1 = _mm_add_epi32(y1, y1_before);
    }
    unpack(x, x0, x1);
    unpack(y, y0, y1);
}

#elif defined(__aarch64__) || defined(_M_ARM64)

#include <arm_neon.h>
#define INSTRUCTION_SET "Armv8 SHA-2"
#if defined(__ARM_FEATURE_SHA2) || defined(__ARM_FEATURE_CRYPTO) || defined(_MSC_VER)
#define WITH_INSTRUCTIONS
#elif defined(__clang__)
#define WITH_INSTRUCTIONS __attribute__((target("sha2")))
#else
#define WITH_INSTRUCTIONS __attribute__((target("+crypto")))
#endif

#if defined(_WIN32)
#include <windows.h>
static int has_instructions(void)
{
    return IsProcessorFeaturePresent(PF_ARM_V8_CRYPTO_INSTRUCTIONS_AVAILABLE) != 0;
}
#elif defined(__linux__)
#include <sys/auxv.h>
static int has_instructions(void)
{
    return (getauxval(AT_HWCAP) >> 6 & 1) != 0; /* HWCAP_SHA2 of the kernel's hwcap.h */
}
#elif defined(__APPLE__)
static int has_instructions(void)
{
    return 1; /* every 64-bit Arm of Apple has them */
}
#else
static int has_instructions(void)
{
    return 0; /* no way is known to ask */
}
#endif

#define NEXT4(w0, w1, w2, w3) w0 = vsha256su1q_u32(vsha256su0q_u32(w0, w1), w2, w3);

#define ROUNDS4(w, round) \
    wk = vaddq_u32(w, vld1q_u32(K + (round))); \
    x0_old = x0; \
    y0_old = y0; \
    x0 = vsha256hq_u32(x0, x1, wk); \
    y0 = vsha256hq_u32(y0, y1, wk); \
    x1 = vsha256h2q_u32(x1, x0_old, wk); \
    y1 = vsha256h2q_u32(y1, y0_old, wk);

WITH_INSTRUCTIONS static void compress_pair(state x, state y, const uint8_t *data, size_t blocks)
{
    uint32x4_t x0 = vld1q_u32(x), x1 = vld1q_u32(x + 4); /* (a, b, c, d) and (e, f, g, h) */
    uint32x4_t y0 = vld1q_u32(y), y1 = vld1q_u32(y + 4);
    uint32x4_t x0_old, y0_old, w0, w1, w2, w3, wk;
    for (; blocks; blocks--, data += BLOCK) {
        const uint32x4_t x0_before = x0, x1_before = x1, y0_before = y0, y1_before = y1;
        w0 = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(data)));
        w1 = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(data + 16)));
        w2 = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(data + 32)));
        w3 = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(data + 48)));
        ROUNDS64
        x0 = vaddq_u32(x0, x0_before);
        x1 = vaddq_u32(x1, x1_before);
        y0 = vaddq_u32(y0, y0_before);
        y1 = vaddq_u32(y1, y1_before);
    }
    vst1q_u32(x, x0);
    vst1q_u32(x + 4, x1);
    vst1q_u32(y, y0);
    vst1q_u32(y + 4, y1);
}

#else

#define INSTRUCTION_SET ""

static int has_instructions(void)
{
    return 0;
}

static void compress_pair(state x, state y, const uint8_t *data, size_t blocks)
{
    (void)x, (void)y, (void)data, (void)blocks;
    abort(); /* nobody comes here: no hasher is made where has_instructions() says no */
}

#endif

/* ---- The two hashes --------------------------------------------------------------------------------- */

typedef struct {
    state payload;
    state leaf;
    uint64_t length;        /* bytes taken */
    uint8_t pending[BLOCK]; /* the first length % BLOCK bytes of a block, which both hashes await */
    uint8_t *leaves;        /* the digests of all whole leaves, owned */
    size_t leaf_count;
    size_t leaf_room;
} pair;

static void pair_open(pair *self)
{
    memset(self, 0, sizeof *self);
    memcpy(self->payload, INITIAL, sizeof self->payload);
    memcpy(self->leaf, INITIAL, sizeof self->leaf);
}

static void pair_close(pair *self)
{
    free(self->leaves);
    self->leaves = NULL;
}

/* Fill one or two blocks with what is left of a message and its padding; return how many. */
static size_t pad(const uint8_t *pending, uint64_t length, uint8_t *tail)
{
    const size_t kept = length % BLOCK;
    const size_t size = kept < BLOCK - 8 ? BLOCK : 2 * BLOCK; /* 0x80 and the length must fit */
    memset(tail, 0, size);
    if (kept)
        memcpy(tail, pending, kept);
    tail[kept] = 0x80;
    for (int byte = 0; byte < 8; byte++)
        tail[size - 1 - byte] = (uint8_t)(length * 8 >> 8 * byte);
    return size / BLOCK;
}

static void write_digest(const state from, uint8_t *digest)
{
    for (int byte = 0; byte < DIGEST; byte++)
        digest[byte] = (uint8_t)(from[byte / 4] >> (24 - 8 * (byte % 4)));
}

/* The digest that a hash over `length` bytes ends with; neither the state nor what is pending changes. */
static void finish(const state from, const uint8_t *pending, uint64_t length, uint8_t *digest)
{
    state last, unused;
    uint8_t tail[2 * BLOCK];
    memcpy(last, from, sizeof last);
    memcpy(unused, from, sizeof unused);
    compress_pair(last, unused, tail, pad(pending, length, tail));
    write_digest(last, digest);
}

/* SHA-256 of bytes that lie together; needs no GIL. */
static void sha256_of(const uint8_t *data, size_t size, uint8_t *digest)
{
    state hash, unused;
    memcpy(hash, INITIAL, sizeof hash);
    memcpy(unused, INITIAL, sizeof unused);
    compress_pair(hash, unused, data, size / BLOCK);
    finish(hash, data + size / BLOCK * BLOCK, size, digest);
}

#include "native_lanes.h"

/* Make room for the leaves that `size` further bytes complete, and one more. Returns 0 if there is no memory. */
static int pair_reserve(pair *self, size_t size)
{
    const size_t need = self->leaf_count + size / LEAF + 2;
    if (need <= self->leaf_room)
        return 1;
    const size_t room = need > 2 * self->leaf_room ? need : 2 * self->leaf_room;
    uint8_t *leaves = realloc(self->leaves, room * DIGEST);
    if (leaves == NULL)
        return 0;
    self->leaves = leaves;
    self->leaf_room = room;
    return 1;
}

/* Append bytes, for which pair_reserve() has made room. */
static void pair_update(pair *self, const uint8_t *data, size_t size)
{
    while (size) {
        const size_t kept = self->length % BLOCK;
        size_t taken;
        if (kept || size < BLOCK) {
            taken = size < BLOCK - kept ? size : BLOCK - kept;
            memcpy(self->pending + kept, data, taken);
            if (kept + taken == BLOCK)
                compress_pair(self->payload, self->leaf, self->pending, 1);
        } else {
            const size_t room = LEAF - self->length % LEAF;
            taken = (size < room ? size : room) / BLOCK * BLOCK;
            compress_pair(self->payload, self->leaf, data, taken / BLOCK);
        }
        self->length += taken;
        data += taken;
        size -= taken;
        if (self->length % LEAF == 0) {
            finish(self->leaf, self->pending, LEAF, self->leaves + DIGEST * self->leaf_count++);
            memcpy(self->leaf, INITIAL, sizeof self->leaf);
        }
    }
}

/* Both results for the bytes so far; more may follow. Returns the number of leaves, which are in
 * self->leaves: behind the whole ones is room for the last one. */
static size_t pair_finish(pair *self, uint8_t *payload)
{
    const uint64_t rest = self->length % LEAF;
    finish(self->payload, self->pending, self->length, payload);
    if (!rest)
        return self->leaf_count;
    finish(self->leaf, self->pending, rest, self->leaves + DIGEST * self->leaf_count);
    return self->leaf_count + 1;
}

/* ---- The checksums ----------------------------------------------------------------------------------
 *
 * Both are reflected: bit 0 of the first byte is the highest coefficient. A table step takes eight bytes with
 * one look-up for each ("slicing by eight"). Where the CPU multiplies without carries (PCLMULQDQ), a CRC-64
 * folds 64 bytes at a time instead: a block b in front of d further bits is replaced by a shorter polynomial
 * with the same remainder, b times x^d modulo P, added to the block d bits later. What is left in the end, 16
 * bytes, goes through the table.
 */

#define CRC64_POLYNOMIAL 0x9A6C9329AC4BC9B5 /* NVME, reflected */
#define CRC32C_POLYNOMIAL 0x82F63B78        /* Castagnoli, reflected */

typedef uint64_t crc_table[8][256];

static crc_table crc64_table, crc32c_table;

static void fill_table(crc_table table, uint64_t polynomial)
{
    for (int byte = 0; byte < 256; byte++) {
        uint64_t crc = (uint64_t)byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? polynomial : 0);
        table[0][byte] = crc;
    }
    for (int slice = 1; slice < 8; slice++)
        for (int byte = 0; byte < 256; byte++)
            table[slice][byte] = table[slice - 1][byte] >> 8 ^ table[0][table[slice - 1][byte] & 0xFF];
}

static uint64_t table_crc(crc_table table, uint64_t crc, const uint8_t *data, size_t size)
{
    for (; size >= 8; size -= 8, data += 8) {
        crc ^= (uint64_t)data[0] | (uint64_t)data[1] << 8 | (uint64_t)data[2] << 16 | (uint64_t)data[3] << 24 |
               (uint64_t)data[4] << 32 | (uint64_t)data[5] << 40 | (uint64_t)data[6] << 48 |
               (uint64_t)data[7] << 56;
        crc = table[7][crc & 0xFF] ^ table[6][crc >> 8 & 0xFF] ^ table[5][crc >> 16 & 0xFF] ^
              table[4][crc >> 24 & 0xFF] ^ table[3][crc >> 32 & 0xFF] ^ table[2][crc >> 40 & 0xFF] ^
              table[1][crc >> 48 & 0xFF] ^ table[0][crc >> 56];
    }
    for (; size; size--, data++)
        crc = crc >> 8 ^ table[0][(crc ^ *data) & 0xFF];
    return crc;
}

#if defined(__x86_64__) || defined(_M_X64)

#ifdef _MSC_VER
#define WITH_CARRYLESS
#else
#define WITH_CARRYLESS __attribute__((target("pclmul,sse4.1")))
#endif

static int has_carryless(void)
{
#ifdef _MSC_VER
    int registers[4];
    __cpuid(registers, 1);
    const unsigned int ecx = (unsigned int)registers[2];
#else
    unsigned int eax, ebx, ecx = 0, edx;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx))
        return 0;
#endif
    return (ecx >> 1 & 1) && (ecx >> 19 & 1); /* PCLMULQDQ and SSE4.1 */
}

/* Each constant is x^n modulo P, reflected: the low half of a block is the earlier one, so it moves 64 bits
 * further. The product of two reflected numbers comes shifted by one, so n is one less than the distance. */
#define FOLD(block, constants, next) \
    _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(block, constants, 0x00), \
                                _mm_clmulepi64_si128(block, constants, 0x11)), next)
#define LOAD(at) _mm_loadu_si128((const __m128i *)(at))

/* For 64 bytes and more. */
WITH_CARRYLESS static uint64_t folded_crc64(uint64_t crc, const uint8_t *data, size_t size)
{
    const __m128i by_512 = _mm_set_epi64x((long long)0x62242240ACE5045A, (long long)0x0C32CDB31E18A84A);
    const __m128i by_128 = _mm_set_epi64x((long long)0x21E9761E252621AC, (long long)0xEADC41FD2BA3D420);
    __m128i a = _mm_xor_si128(LOAD(data), _mm_set_epi64x(0, (long long)crc));
    __m128i b = LOAD(data + 16), c = LOAD(data + 32), d = LOAD(data + 48);
    uint8_t rest[16];
    for (data += 64, size -= 64; size >= 64; data += 64, size -= 64) {
        a = FOLD(a, by_512, LOAD(data));
        b = FOLD(b, by_512, LOAD(data + 16));
        c = FOLD(c, by_512, LOAD(data + 32));
        d = FOLD(d, by_512, LOAD(data + 48));
    }
    b = FOLD(a, by_128, b);
    c = FOLD(b, by_128, c);
    d = FOLD(c, by_128, d);
    for (; size >= 16; data += 16, size -= 16)
        d = FOLD(d, by_128, LOAD(data));
    _mm_storeu_si128((__m128i *)rest, d);
    return table_crc(crc64_table, table_crc(crc64_table, 0, rest, sizeof rest), data, size);
}

#else

static int has_carryless(void)
{
    return 0;
}

static uint64_t folded_crc64(uint64_t crc, const uint8_t *data, size_t size)
{
    return table_crc(crc64_table, crc, data, size);
}

#endif

static int folds;

/* To be called once, before the checksums are. */
static void crc_open(void)
{
    fill_table(crc64_table, CRC64_POLYNOMIAL);
    fill_table(crc32c_table, CRC32C_POLYNOMIAL);
    folds = has_carryless();
}

/* The checksum of what had the checksum `before`, and of these bytes behind it. */
static uint64_t crc64nvme(uint64_t before, const uint8_t *data, size_t size)
{
    if (folds && size >= 64)
        return ~folded_crc64(~before, data, size);
    return ~table_crc(crc64_table, ~before, data, size);
}

static uint64_t crc32c(uint64_t before, const uint8_t *data, size_t size)
{
    return table_crc(crc32c_table, before ^ 0xFFFFFFFF, data, size) ^ 0xFFFFFFFF;
}

/* ---- Python -----------------------------------------------------------------------------------------
 *
 * The limited API: one build serves every Python from 3.11 on.
 */

#ifndef WITHOUT_PYTHON

/* For fewer bytes than this, letting go of the GIL costs more than it gives. */
#define KEEP_GIL_BELOW 4096

typedef struct {
    PyObject_HEAD
    pair pair;
    int is_busy; /* in update() without the GIL; read and written with it */
} pair_object;

static int refuse_if_busy(const pair_object *self)
{
    if (self->is_busy)
        PyErr_SetString(PyExc_RuntimeError, "another thread is in update() of this HashPair; use one for each");
    return self->is_busy;
}

/* Asked once: a virtual machine answers CPUID outside of itself, which was measured to take 30 microseconds. */
static int is_able(void)
{
    static int known = -1;
    if (known < 0)
        known = has_instructions();
    return known;
}

static PyObject *pair_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_Size(args) != 0 || (kwargs != NULL && PyDict_Size(kwargs) != 0)) {
        PyErr_SetString(PyExc_TypeError, "HashPair() takes no arguments");
        return NULL;
    }
    if (!is_able()) {
        PyErr_SetString(PyExc_RuntimeError, "this CPU has no SHA-256 instructions; use hashlib");
        return NULL;
    }
    const allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    pair_object *self = (pair_object *)allocate(type, 0);
    if (self != NULL)
        pair_open(&self->pair);
    return (PyObject *)self;
}

static void pair_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    pair_close(&((pair_object *)object)->pair);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyObject *pair_method_update(PyObject *object, PyObject *data)
{
    pair_object *self = (pair_object *)object;
    Py_buffer view;
    if (refuse_if_busy(self) || PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    if (!pair_reserve(&self->pair, (size_t)view.len)) {
        PyBuffer_Release(&view);
        return PyErr_NoMemory();
    }
    if (view.len < KEEP_GIL_BELOW) {
        pair_update(&self->pair, view.buf, (size_t)view.len);
    } else {
        self->is_busy = 1;
        Py_BEGIN_ALLOW_THREADS
        pair_update(&self->pair, view.buf, (size_t)view.len);
        Py_END_ALLOW_THREADS
        self->is_busy = 0;
    }
    PyBuffer_Release(&view);
    Py_RETURN_NONE;
}

static PyObject *pair_method_digests(PyObject *object, PyObject *unused)
{
    pair_object *self = (pair_object *)object;
    uint8_t payload[DIGEST];
    (void)unused;
    if (refuse_if_busy(self))
        return NULL;
    const size_t leaves = pair_finish(&self->pair, payload);
    return Py_BuildValue("(y#y#)", payload, (Py_ssize_t)DIGEST, leaves ? (char *)self->pair.leaves : "",
                         (Py_ssize_t)(leaves * DIGEST));
}

static PyMethodDef pair_methods[] = {
    {"update", pair_method_update, METH_O, "Append bytes, in pieces of any size, without the GIL."},
    {"digests", pair_method_digests, METH_NOARGS,
     "SHA-256 of all bytes so far, and of every MiB, 32 bytes each, joined; more bytes may follow."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot pair_slots[] = {
    {Py_tp_doc, "SHA-256 of the whole and of every MiB, in one visit to the bytes; for one thread at a time."},
    {Py_tp_new, pair_new},
    {Py_tp_dealloc, pair_dealloc},
    {Py_tp_methods, pair_methods},
    {0, NULL},
};

static PyType_Spec pair_spec = {
    .name = "aioglacier.core.native.HashPair",
    .basicsize = sizeof(pair_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = pair_slots,
};

/* The checksum of bytes, which go on from others where `before` is the checksum of those. */
static PyObject *take_crc(PyObject *args, uint64_t (*crc_of)(uint64_t, const uint8_t *, size_t))
{
    PyObject *data;
    Py_buffer view;
    unsigned long long crc = 0;
    if (!PyArg_ParseTuple(args, "O|K", &data, &crc) || PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    if (view.len < KEEP_GIL_BELOW) {
        crc = crc_of(crc, view.buf, (size_t)view.len);
    } else {
        Py_BEGIN_ALLOW_THREADS
        crc = crc_of(crc, view.buf, (size_t)view.len);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&view);
    return PyLong_FromUnsignedLongLong(crc);
}

static PyObject *native_crc64nvme(PyObject *module, PyObject *args)
{
    (void)module;
    return take_crc(args, crc64nvme);
}

static PyObject *native_crc32c(PyObject *module, PyObject *args)
{
    (void)module;
    return take_crc(args, crc32c);
}

static PyObject *list_digests(const message *messages, Py_ssize_t count)
{
    PyObject *digests = PyList_New(count);
    for (Py_ssize_t at = 0; digests != NULL && at < count; at++) {
        PyObject *digest = PyBytes_FromStringAndSize((const char *)messages[at].digest, DIGEST);
        if (digest == NULL || PyList_SetItem(digests, at, digest) < 0)
            Py_CLEAR(digests);
    }
    return digests;
}

static PyObject *native_sha256_each(PyObject *module, PyObject *given)
{
    (void)module;
    if (!is_able()) {
        PyErr_SetString(PyExc_RuntimeError, "this CPU has no SHA-256 instructions; use hashlib");
        return NULL;
    }
    PyObject *kept = PySequence_Tuple(given); /* keeps the buffers alive */
    if (kept == NULL)
        return NULL;
    const Py_ssize_t count = PyTuple_Size(kept);
    message *messages = calloc((size_t)count + 1, sizeof *messages); /* calloc(0) may return NULL */
    Py_buffer *views = calloc((size_t)count + 1, sizeof *views);
    PyObject *digests = NULL;
    Py_ssize_t taken = 0;
    if (messages == NULL || views == NULL)
        PyErr_NoMemory();
    else
        for (; taken < count; taken++) {
            if (PyObject_GetBuffer(PyTuple_GetItem(kept, taken), views + taken, PyBUF_SIMPLE) < 0)
                break;
            messages[taken].data = views[taken].buf;
            messages[taken].size = (size_t)views[taken].len;
        }
    if (messages != NULL && views != NULL && taken == count) {
        Py_BEGIN_ALLOW_THREADS
        sha256_each(messages, (size_t)count);
        Py_END_ALLOW_THREADS
        digests = list_digests(messages, count);
    }
    while (taken > 0)
        PyBuffer_Release(views + --taken);
    free(views);
    free(messages);
    Py_DECREF(kept);
    return digests;
}

/* Copying megabytes takes as long as a thousand steps of Python, which another thread may take meanwhile. */
static PyObject *native_copy(PyObject *module, PyObject *args)
{
    Py_buffer to, from;
    (void)module;
    if (!PyArg_ParseTuple(args, "w*y*", &to, &from))
        return NULL;
    const int fits = from.len <= to.len;
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        memmove(to.buf, from.buf, (size_t)from.len);
        Py_END_ALLOW_THREADS
    } else {
        PyErr_SetString(PyExc_ValueError, "the bytes are more than there is room for");
    }
    PyBuffer_Release(&from);
    PyBuffer_Release(&to);
    return fits ? Py_NewRef(Py_None) : NULL;
}

static PyMethodDef native_methods[] = {
    {"copy", native_copy, METH_VARARGS, "Copy bytes to the start of a buffer, without the GIL."},
    {"sha256_each", native_sha256_each, METH_O, "SHA-256 of each of many contents, without the GIL."},
    {"crc64nvme", native_crc64nvme, METH_VARARGS, "CRC-64/NVME of bytes behind others with this checksum."},
    {"crc32c", native_crc32c, METH_VARARGS, "CRC-32C of bytes behind others with this checksum."},
    {NULL, NULL, 0, NULL},
};

static int native_exec(PyObject *module)
{
    crc_open();
    PyObject *type = PyType_FromModuleAndSpec(module, &pair_spec, NULL);
    if (type == NULL)
        return -1;
    const int failed = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    if (failed)
        return -1;
    PyObject *instructions = is_able() ? PyUnicode_FromString(INSTRUCTION_SET) : Py_NewRef(Py_None);
    if (instructions == NULL)
        return -1;
    const int failed_too = PyModule_AddObjectRef(module, "INSTRUCTIONS", instructions);
    Py_DECREF(instructions);
    if (failed_too || !is_able())
        return failed_too;
    PyObject *capsule = PyCapsule_New((void *)sha256_each, "aioglacier.core.native._sha256_each", NULL);
    const int failed_at_last = capsule == NULL || PyModule_AddObjectRef(module, "_sha256_each", capsule);
    Py_XDECREF(capsule);
    return failed_at_last ? -1 : 0;
}

static PyModuleDef_Slot native_slots[] = {
    {Py_mod_exec, native_exec},
    {0, NULL},
};

static struct PyModuleDef native_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "native",
    .m_doc = "Payload hash and leaf hashes in one visit, by the CPU's SHA-256 instructions; CRCs.",
    .m_size = 0,
    .m_methods = native_methods,
    .m_slots = native_slots,
};

PyMODINIT_FUNC PyInit_native(void)
{
    return PyModuleDef_Init(&native_module);
}

#endif
