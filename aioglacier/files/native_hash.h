/* The tree hashes of many files below a folder in one call without the GIL.
 *
 * Files are read, leaf after leaf, into memory of the caller. When that is full, all its leaves are hashed
 * together, which the core does for many at less cost than for one after the other.
 */

#include <Python.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIGEST 32
#define LEAF (1024 * 1024) /* the tree hash of up to so many bytes is their SHA-256 */
#define LEVELS 64
#define MOST_LEAVES 1024 /* that are hashed together */

typedef struct {
    const uint8_t *data;
    size_t size;
    uint8_t digest[DIGEST];
} message; /* as in native_lanes.h */

typedef void (*hash_function)(message *messages, size_t count);

static hash_function sha256_each = NULL; /* the caller hashes by itself */

typedef struct {
    const char *path;
    long long size;
    int is_hashed;
    uint8_t digest[DIGEST];
} hashed_file;

/* The binary counter of treehash.py, for the file whose leaves are being hashed. */
typedef struct {
    int depth;
    int levels[LEVELS];
    uint8_t nodes[LEVELS][DIGEST];
} leaf_counter;

static void join_nodes(const uint8_t *left, const uint8_t *right, uint8_t *digest)
{
    uint8_t both[2 * DIGEST];
    memcpy(both, left, DIGEST);
    memcpy(both + DIGEST, right, DIGEST);
    message joined = {.data = both, .size = sizeof both};
    sha256_each(&joined, 1);
    memcpy(digest, joined.digest, DIGEST);
}

static void push_leaf(leaf_counter *self, const uint8_t *digest)
{
    uint8_t node[DIGEST];
    int level = 0;
    memcpy(node, digest, DIGEST);
    while (self->depth && self->levels[self->depth - 1] == level) {
        join_nodes(self->nodes[--self->depth], node, node);
        level++;
    }
    self->levels[self->depth] = level;
    memcpy(self->nodes[self->depth++], node, DIGEST);
}

/* The root over all leaves; the counter begins again. */
static void take_root(leaf_counter *self, uint8_t *digest)
{
    memcpy(digest, self->nodes[--self->depth], DIGEST);
    while (self->depth)
        join_nodes(self->nodes[--self->depth], digest, digest);
}

typedef struct {
    uint8_t *room;
    size_t size, used;
    size_t count; /* leaves that wait in `room` */
    message leaves[MOST_LEAVES];
    hashed_file *files[MOST_LEAVES]; /* whose each leaf is */
    int is_last[MOST_LEAVES];
    leaf_counter counter;
} leaf_store;

static void hash_leaves(leaf_store *self)
{
    sha256_each(self->leaves, self->count);
    for (size_t at = 0; at < self->count; at++) {
        push_leaf(&self->counter, self->leaves[at].digest);
        if (self->is_last[at]) {
            take_root(&self->counter, self->files[at]->digest);
            self->files[at]->is_hashed = 1;
        }
    }
    self->count = self->used = 0;
}

/* Forget the leaves of a file that could not be read to its end. If some were hashed, no other leaf waits. */
static void drop_leaves(leaf_store *self, const hashed_file *file)
{
    while (self->count && self->files[self->count - 1] == file)
        self->used -= self->leaves[--self->count].size;
    if (!self->count)
        self->counter.depth = 0;
}

static int read_leaf(int fd, uint8_t *data, size_t size)
{
    while (size) {
        const ssize_t count = read(fd, data, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return 0;
        data += count;
        size -= (size_t)count;
    }
    return 1;
}

static int read_leaves(leaf_store *self, int fd, hashed_file *file)
{
    struct stat status;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size != file->size)
        return 0;
    long long left = file->size;
    do {
        const size_t size = left < LEAF ? (size_t)left : LEAF;
        if (self->count == MOST_LEAVES || self->size - self->used < size)
            hash_leaves(self);
        if (!read_leaf(fd, self->room + self->used, size))
            return 0;
        left -= (long long)size;
        self->leaves[self->count].data = self->room + self->used;
        self->leaves[self->count].size = size;
        self->files[self->count] = file;
        self->is_last[self->count++] = !left;
        self->used += size;
    } while (left);
    return 1;
}

static void hash_all_files(int root, hashed_file *files, Py_ssize_t count, leaf_store *store)
{
    folders_beneath folders = {.root = root, .last = -1};
    for (Py_ssize_t at = 0; at < count; at++) {
        hashed_file *file = files + at;
        const char *name;
        const int folder = parent_beneath(&folders, file->path, &name);
        if (folder < 0)
            continue;
        /* Without O_NONBLOCK opening a FIFO that took the place of a file would wait for a writer. */
        const int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
            continue;
        if (!read_leaves(store, fd, file))
            drop_leaves(store, file);
        close(fd);
    }
    forget_folder(&folders);
    hash_leaves(store);
}

static PyObject *native_hash_files(PyObject *module, PyObject *args)
{
    int root;
    PyObject *given, *found = NULL;
    Py_buffer room;
    void *memory;
    (void)module;
    if (!PyArg_ParseTuple(args, "iOw*", &root, &given, &room))
        return NULL;
    PyObject *kept = take_files(given, sizeof(hashed_file), &memory);
    leaf_store *store = kept != NULL ? calloc(1, sizeof *store) : NULL;
    if (kept != NULL && store == NULL)
        PyErr_NoMemory();
    if (store != NULL && (sha256_each == NULL || room.len < LEAF)) {
        PyErr_SetString(PyExc_ValueError, "a MiB of room and a CPU with SHA-256 instructions are needed");
    } else if (store != NULL) {
        hashed_file *files = memory;
        const Py_ssize_t count = PyTuple_Size(kept);
        Py_ssize_t taken = 0;
        for (; taken < count; taken++) {
            PyObject *item = tuple_at(kept, taken);
            if (item == NULL || !PyArg_ParseTuple(item, "yL", &files[taken].path, &files[taken].size))
                break;
        }
        if (taken == count) {
            store->room = room.buf;
            store->size = (size_t)room.len;
            Py_BEGIN_ALLOW_THREADS
            hash_all_files(root, files, count, store);
            Py_END_ALLOW_THREADS
            found = PyList_New(count);
        }
        for (Py_ssize_t at = 0; found != NULL && at < count; at++) {
            PyObject *one = files[at].is_hashed ? PyBytes_FromStringAndSize((const char *)files[at].digest, DIGEST)
                                                : Py_NewRef(Py_None);
            if (one == NULL || PyList_SetItem(found, at, one) < 0)
                Py_CLEAR(found);
        }
    }
    PyBuffer_Release(&room);
    if (kept != NULL) {
        free(store);
        free(memory);
        Py_DECREF(kept);
    }
    return found;
}
