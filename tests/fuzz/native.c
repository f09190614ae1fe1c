/* The native hashing core on random bytes in random pieces, against a plain SHA-256; meant for sanitizers:
 *
 *     cc -g -O1 -fsanitize=address,undefined -fno-sanitize-recover tests/fuzz/native.c && ./a.out ROUNDS SEED
 *
 * and for an emulator, where another CPU's instructions are to be tried. Every piece is copied to memory of
 * exactly its size and at an odd address, so that one byte read too far is seen. Prints what it has tried.
 */

#define WITHOUT_PYTHON
#include "../../aioglacier/core/native.c"

#include <stdio.h>

static uint64_t seed;

static uint64_t random_below(uint64_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % limit;
}

static uint32_t rotate(uint32_t word, int count)
{
    return word >> count | word << (32 - count);
}

static void plain_block(state h, const uint8_t *block)
{
    uint32_t w[64];
    state v;
    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 | (uint32_t)block[4 * t + 2] << 8 |
               block[4 * t + 3];
    for (int t = 16; t < 64; t++)
        w[t] = w[t - 16] + w[t - 7] + (rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3) +
               (rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10);
    memcpy(v, h, sizeof v);
    for (int t = 0; t < 64; t++) {
        const uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        const uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        const uint32_t t1 =
            v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) + choice + K[t] + w[t];
        const uint32_t t2 = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) + majority;
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        h[i] += v[i];
}

static void plain_hash(const uint8_t *data, size_t size, uint8_t *digest)
{
    state h;
    uint8_t tail[2 * BLOCK] = {0};
    const size_t whole = size / BLOCK * BLOCK, kept = size - whole;
    const size_t tail_size = kept + 9 <= BLOCK ? BLOCK : 2 * BLOCK;
    memcpy(h, INITIAL, sizeof h);
    for (size_t at = 0; at < whole; at += BLOCK)
        plain_block(h, data + at);
    memcpy(tail, data + whole, kept);
    tail[kept] = 0x80;
    for (int byte = 0; byte < 8; byte++)
        tail[tail_size - 1 - byte] = (uint8_t)((uint64_t)size * 8 >> 8 * byte);
    for (size_t at = 0; at < tail_size; at += BLOCK)
        plain_block(h, tail + at);
    for (int byte = 0; byte < DIGEST; byte++)
        digest[byte] = (uint8_t)(h[byte / 4] >> (24 - 8 * (byte % 4)));
}

static void fail(const char *what, size_t size)
{
    printf("%s of %zu bytes is wrong\n", what, size);
    exit(1);
}

static void compare(pair *hasher, const uint8_t *data, size_t size)
{
    uint8_t found[DIGEST], expected[DIGEST];
    const size_t leaves = pair_finish(hasher, found);
    plain_hash(data, size, expected);
    if (memcmp(found, expected, DIGEST) != 0)
        fail("the payload hash", size);
    if (leaves != (size + LEAF - 1) / LEAF)
        fail("the number of leaves", size);
    for (size_t leaf = 0; leaf < leaves; leaf++) {
        const size_t start = leaf * LEAF;
        plain_hash(data + start, size - start < LEAF ? size - start : LEAF, expected);
        if (memcmp(hasher->leaves + leaf * DIGEST, expected, DIGEST) != 0)
            fail("a leaf hash", size);
    }
}

static uint64_t plain_crc(uint64_t polynomial, uint64_t crc, const uint8_t *data, size_t size)
{
    for (size_t bit = 0; bit < 8 * size; bit++) {
        crc ^= data[bit / 8] >> bit % 8 & 1;
        crc = crc >> 1 ^ (crc & 1 ? polynomial : 0);
    }
    return crc;
}

static void compare_crcs(const uint8_t *data, size_t size)
{
    const uint64_t before = random_below(UINT64_MAX);
    uint8_t *copy = malloc(size ? size : 1);
    if (copy == NULL)
        exit(2);
    memcpy(copy, data, size);
    if (crc64nvme(before, copy, size) != ~plain_crc(CRC64_POLYNOMIAL, ~before, copy, size))
        fail("the CRC-64/NVME", size);
    if (crc32c(0, copy, size) != (plain_crc(CRC32C_POLYNOMIAL, 0xFFFFFFFF, copy, size) ^ 0xFFFFFFFF))
        fail("the CRC-32C", size);
    free(copy);
}

static void feed(pair *hasher, const uint8_t *data, size_t size)
{
    const size_t shift = random_below(16);
    uint8_t *copy = malloc(shift + size + 1);
    if (copy == NULL || !pair_reserve(hasher, size))
        exit(2);
    copy = realloc(copy, shift + size ? shift + size : 1); /* so that the end is the end of what may be read */
    if (copy == NULL)
        exit(2);
    memcpy(copy + shift, data, size);
    pair_update(hasher, copy + shift, size);
    free(copy);
}

/* Known answers of FIPS 180-4's examples: what the plain hash is held against. */
static void check_plain_hash(void)
{
    static const uint8_t abc[4] = {0xba, 0x78, 0x16, 0xbf}, nothing[4] = {0xe3, 0xb0, 0xc4, 0x42};
    uint8_t digest[DIGEST];
    plain_hash((const uint8_t *)"abc", 3, digest);
    if (memcmp(digest, abc, sizeof abc) != 0)
        fail("the plain hash", 3);
    plain_hash((const uint8_t *)"", 0, digest);
    if (memcmp(digest, nothing, sizeof nothing) != 0)
        fail("the plain hash", 0);
}

/* Many messages at once, each at the very end of its memory. */
static void compare_each(const uint8_t *data)
{
    message messages[70];
    const size_t count = random_below(70);
    for (size_t at = 0; at < count; at++) {
        const size_t size = random_below(20) ? random_below(40 * BLOCK) : random_below(LEAF);
        uint8_t *copy = malloc(size ? size : 1);
        if (copy == NULL)
            exit(2);
        memcpy(copy, data + random_below(LEAF), size);
        messages[at].data = copy;
        messages[at].size = size;
    }
    sha256_each(messages, count);
    for (size_t at = 0; at < count; at++) {
        uint8_t expected[DIGEST];
        plain_hash(messages[at].data, messages[at].size, expected);
        if (memcmp(messages[at].digest, expected, DIGEST) != 0)
            fail("a hash of many", messages[at].size);
        free((uint8_t *)messages[at].data);
    }
}

static size_t random_size(void)
{
    switch (random_below(8)) {
    case 0:
        return LEAF - 70 + random_below(140);
    case 1:
        return random_below(3 * LEAF + 1);
    default:
        return random_below(5 * BLOCK);
    }
}

int main(int count, char **arguments)
{
    const long rounds = count > 1 ? atol(arguments[1]) : 1000;
    uint8_t *data = malloc(3 * LEAF);
    seed = (count > 2 ? strtoull(arguments[2], NULL, 10) : 1) * 0x9E3779B97F4A7C15 + 1;
    if (!has_instructions() || data == NULL) {
        puts("no instructions");
        return 3;
    }
    check_plain_hash();
    crc_open();
    for (size_t at = 0; at < 3 * LEAF; at++)
        data[at] = (uint8_t)random_below(256);
    for (long round = 0; round < rounds; round++) {
        const size_t size = random_size();
        pair hasher;
        compare_crcs(data, size % (20 * BLOCK));
        compare_each(data);
        pair_open(&hasher);
        if (!pair_reserve(&hasher, 0))
            return 2;
        for (size_t at = 0, piece; at < size; at += piece) {
            piece = random_below(3) ? random_below(size - at + 1) : random_below(2 * BLOCK);
            piece = piece < size - at ? piece : size - at;
            feed(&hasher, data + at, piece);
            if (random_below(16) == 0 && size < LEAF)
                compare(&hasher, data, at + piece);
        }
        compare(&hasher, data, size);
        pair_close(&hasher);
    }
    printf("%ld rounds with %s\n", rounds, INSTRUCTION_SET);
    free(data);
    return 0;
}
