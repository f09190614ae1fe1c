/* Write, name, read and look at many small files of one folder in one call without the GIL.
 *
 * Python takes 15 to 20 microseconds for the eight system calls of one small file, and it gives the GIL away
 * and takes it back at each. Here a batch takes the GIL twice.
 *
 * No function decides what a failure means. Each does the common case, leaves no trace of a file that it could
 * not finish, and returns which ones those are; the caller does them again by itself and meets the error.
 * `small_files.py` has the same functions in Python, for systems where this is not compiled.
 */

#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <sys/xattr.h>
#endif

#include "native_items.h"
#include "native_beneath.h"
#include "native_hash.h"
#include "native_look.h"
#include "native_tar.h"

/* Room for the names of extended attributes. A file with more is left to the caller. */
#define ATTRIBUTE_NAMES 1024

/* ---- Write ------------------------------------------------------------------------------------------ */

typedef struct {
    int is_done; /* first, see list_undone() */
    const char *name;
    Py_buffer content;
    unsigned int mode;
    long long uid, gid; /* -1: leave the owner */
    long long mtime_ns;
} new_file;

static int write_whole(int fd, const char *data, size_t size)
{
    while (size) {
        const ssize_t count = write(fd, data, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return 0;
        data += count;
        size -= (size_t)count;
    }
    return 1;
}

/* The owner of new files of a folder. Asked once for a batch: each question is a system call. */
typedef struct {
    long long uid, gid;
    int gives_group; /* whether they get the group of this process, on systems of every tradition */
} creator;

static creator creator_in(int folder)
{
    struct stat status;
    creator us = {.uid = geteuid(), .gid = getegid(), .gives_group = 0};
    us.gives_group = fstat(folder, &status) == 0 && (long long)status.st_gid == us.gid;
    return us;
}

/* A step that would change nothing is left out: each takes 5 microseconds of ext4's journal. */
static int write_one(int folder, const new_file *file, const creator *us)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    const int is_ours =
        us->gives_group && (file->uid < 0 || (file->uid == us->uid && file->gid == us->gid));
    /* Only its owner reads it before it is given away; set-user-ID comes after that. */
    const mode_t first_mode = is_ours ? (mode_t)file->mode & 0777 : 0600;
    int fd = openat(folder, file->name, flags, first_mode);
    if (fd < 0 && errno == EEXIST) { /* a run that was killed has left it */
        if (unlinkat(folder, file->name, 0) == 0)
            fd = openat(folder, file->name, flags, first_mode);
    }
    if (fd < 0)
        return 0;
    long long seconds = file->mtime_ns / BILLION, rest = file->mtime_ns % BILLION;
    if (rest < 0) {
        rest += BILLION;
        seconds--;
    }
    const struct timespec time = {.tv_sec = (time_t)seconds, .tv_nsec = (long)rest};
    const struct timespec times[2] = {time, time};
    struct stat made;
    /* The owner comes before the permissions, since it clears set-user-ID; the times come last. */
    const int is_done =
        fstat(fd, &made) == 0 && write_whole(fd, file->content.buf, (size_t)file->content.len) &&
        (file->uid < 0 || (made.st_uid == (uid_t)file->uid && made.st_gid == (gid_t)file->gid) ||
         fchown(fd, (uid_t)file->uid, (gid_t)file->gid) == 0) &&
        ((made.st_mode & 07777) == (mode_t)file->mode || fchmod(fd, (mode_t)file->mode) == 0) &&
        futimens(fd, times) == 0;
    if ((close(fd) == 0 || errno == EINTR) && is_done) /* Linux has closed it at EINTR */
        return 1;
    unlinkat(folder, file->name, 0);
    return 0;
}

/* The list of the numbers of the files that are not done: each begins with an int, which is 1 for the others. */
static PyObject *list_undone(const char *files, size_t size, Py_ssize_t count)
{
    PyObject *undone = PyList_New(0);
    for (Py_ssize_t at = 0; undone != NULL && at < count; at++) {
        int is_done;
        memcpy(&is_done, files + (size_t)at * size, sizeof is_done);
        if (is_done)
            continue;
        PyObject *number = PyLong_FromSsize_t(at);
        if (number == NULL || PyList_Append(undone, number) < 0)
            Py_CLEAR(undone);
        Py_XDECREF(number);
    }
    return undone;
}

static PyObject *native_write_files(PyObject *module, PyObject *args)
{
    int folder;
    PyObject *given, *undone = NULL;
    void *memory;
    (void)module;
    if (!PyArg_ParseTuple(args, "iO", &folder, &given))
        return NULL;
    PyObject *kept = take_files(given, sizeof(new_file), &memory);
    if (kept == NULL)
        return NULL;
    new_file *files = memory;
    const Py_ssize_t count = PyTuple_Size(kept);
    Py_ssize_t taken = 0;
    for (; taken < count; taken++) {
        new_file *file = files + taken;
        PyObject *item = tuple_at(kept, taken);
        if (item == NULL || !PyArg_ParseTuple(item, "yy*ILLL", &file->name, &file->content, &file->mode,
                                              &file->uid, &file->gid, &file->mtime_ns))
            break;
    }
    if (taken == count) {
        Py_BEGIN_ALLOW_THREADS
        const creator us = creator_in(folder);
        for (Py_ssize_t at = 0; at < count; at++)
            files[at].is_done = write_one(folder, files + at, &us);
        Py_END_ALLOW_THREADS
        undone = list_undone(memory, sizeof *files, count);
    }
    while (taken > 0)
        PyBuffer_Release(&files[--taken].content);
    free(files);
    Py_DECREF(kept);
    return undone;
}

/* ---- Name ------------------------------------------------------------------------------------------- */

typedef struct {
    int is_done; /* first, see list_undone() */
    const char *from;
    const char *to;
} naming;

static int name_one(int folder, const naming *file, int replaces)
{
    if (replaces) {
        struct stat there;
        if (fstatat(folder, file->to, &there, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(there.st_mode) &&
            !S_ISLNK(there.st_mode))
            return 0; /* a device or a folder is never replaced */
        if (renameat(folder, file->from, folder, file->to) < 0)
            return 0;
        unlinkat(folder, file->from, 0); /* of two names of one file, rename(2) keeps both */
        return 1;
    }
#if defined(__linux__) && defined(SYS_renameat2)
    return syscall(SYS_renameat2, folder, file->from, folder, file->to, 1 /* RENAME_NOREPLACE */) == 0;
#else
    return 0;
#endif
}

static PyObject *native_name_files(PyObject *module, PyObject *args)
{
    int folder, replaces;
    PyObject *given, *undone = NULL;
    void *memory;
    (void)module;
    if (!PyArg_ParseTuple(args, "iOp", &folder, &given, &replaces))
        return NULL;
    PyObject *kept = take_files(given, sizeof(naming), &memory);
    if (kept == NULL)
        return NULL;
    naming *files = memory;
    const Py_ssize_t count = PyTuple_Size(kept);
    Py_ssize_t taken = 0;
    for (; taken < count; taken++) {
        PyObject *item = tuple_at(kept, taken);
        if (item == NULL || !PyArg_ParseTuple(item, "yy", &files[taken].from, &files[taken].to))
            break;
    }
    if (taken == count) {
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t at = 0; at < count; at++)
            files[at].is_done = name_one(folder, files + at, replaces);
        Py_END_ALLOW_THREADS
        undone = list_undone(memory, sizeof *files, count);
    }
    free(files);
    Py_DECREF(kept);
    return undone;
}

/* ---- Read ------------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    const char *path;
    long long size;
    PyObject *member; /* bytes: header, content and padding; owned, filled without the GIL before others have it */
    uint8_t *header;
    const uint8_t *digest; /* NULL: it is for the caller's function */
    struct stat status;
    int is_settled, has_header;
} old_file;

static int read_whole(int fd, uint8_t *data, size_t size)
{
    char more; /* a byte behind the end shows that the file grew */
    size_t got = 0;
    for (;;) {
        const struct iovec room[2] = {{data + got, size - got}, {&more, 1}};
        const ssize_t count = readv(fd, room, 2);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 || (size_t)count > size - got)
            return 0;
        got += (size_t)count;
        if (got == size)
            return 1;
        if (count == 0)
            return 0; /* it was cut off */
    }
}

/* Whether a user gave extended attributes to a file, or this cannot be said. */
static int may_have_attributes(int fd)
{
#ifdef __linux__
    char names[ATTRIBUTE_NAMES];
    const ssize_t size = flistxattr(fd, names, sizeof names);
    if (size < 0)
        return errno == ERANGE; /* others say that the file system has none */
    for (const char *name = names; name < names + size; name += strlen(name) + 1)
        if (strncmp(name, "user.", 5) == 0)
            return 1;
#else
    (void)fd; /* Python reads them on Linux only */
#endif
    return 0;
}

static int is_same_time(struct timespec one, struct timespec other)
{
    return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
}

static int read_one(int folder, old_file *file)
{
    /* Without O_NONBLOCK opening a FIFO that took the place of a file would wait for a writer. */
    const int fd = openat(folder, file->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat before;
    if (fd < 0)
        return 0;
    const int is_settled =
        fstat(fd, &before) == 0 && S_ISREG(before.st_mode) && before.st_size == file->size &&
        read_whole(fd, file->header + TAR_BLOCK, (size_t)file->size) && !may_have_attributes(fd) &&
        fstat(fd, &file->status) == 0 && before.st_dev == file->status.st_dev &&
        before.st_ino == file->status.st_ino && before.st_size == file->status.st_size &&
        is_same_time(MODIFIED(before), MODIFIED(file->status)) &&
        is_same_time(CHANGED(before), CHANGED(file->status)) && is_storable(MODIFIED(before)) &&
        is_storable(CHANGED(before));
    close(fd);
    return is_settled;
}

static void make_member(old_file *file)
{
    const size_t size = (size_t)file->size;
    memset(file->header + TAR_BLOCK + size, 0, -size % TAR_BLOCK);
    file->has_header = tar_header(file->header, file->path, &file->status, MODIFIED(file->status).tv_sec);
}

/* Hash the files that were read and have one leaf. `messages` has room for all. */
static void hash_members(old_file *files, Py_ssize_t count, message *messages)
{
    size_t chosen = 0;
    if (sha256_each == NULL)
        return;
    for (Py_ssize_t at = 0; at < count; at++) {
        old_file *file = files + at;
        if (!file->is_settled || file->size > LEAF)
            continue;
        messages[chosen].data = file->header + TAR_BLOCK;
        messages[chosen].size = (size_t)file->size;
        file->digest = messages[chosen++].digest;
    }
    sha256_each(messages, chosen);
}

/* The header in Python in front of what was read, for a path or a number that a ustar header has no room for. */
static PyObject *with_header(const old_file *file, PyObject *make_header)
{
    const struct stat *status = &file->status;
    PyObject *header = PyObject_CallFunction(
        make_header, "yLIIIL", file->path, (long long)status->st_size, (unsigned int)status->st_mode,
        (unsigned int)status->st_uid, (unsigned int)status->st_gid, nanoseconds(MODIFIED(*status)));
    PyObject *rest =
        PyMemoryView_FromMemory((char *)file->header + TAR_BLOCK, PyBytes_Size(file->member) - TAR_BLOCK, PyBUF_READ);
    PyObject *member = header != NULL && rest != NULL ? PySequence_Concat(header, rest) : NULL;
    Py_XDECREF(header);
    Py_XDECREF(rest);
    return member;
}

/* The member, the hash and the facts of a file that was read; None for another. */
static PyObject *describe(const old_file *file, PyObject *make_header, PyObject *tree_hash)
{
    if (!file->is_settled)
        return Py_NewRef(Py_None);
    const struct stat *status = &file->status;
    PyObject *member = file->has_header ? Py_NewRef(file->member) : with_header(file, make_header);
    PyObject *content = NULL, *hash = NULL, *found = NULL;
    if (member == NULL)
        return NULL;
    if (file->digest != NULL) {
        hash = PyBytes_FromStringAndSize((const char *)file->digest, DIGEST);
    } else {
        content = PyMemoryView_FromMemory((char *)file->header + TAR_BLOCK, file->size, PyBUF_READ);
        if (content != NULL)
            hash = PyObject_CallFunctionObjArgs(tree_hash, content, NULL);
    }
    if (hash != NULL)
        found = Py_BuildValue("(OOLLLKIIIL)", member, hash, (long long)status->st_size,
                              nanoseconds(MODIFIED(*status)), nanoseconds(CHANGED(*status)),
                              (unsigned long long)status->st_ino, (unsigned int)status->st_mode,
                              (unsigned int)status->st_uid, (unsigned int)status->st_gid,
                              (long long)status->st_blocks);
    Py_DECREF(member);
    Py_XDECREF(content);
    Py_XDECREF(hash);
    return found;
}

static PyObject *native_read_members(PyObject *module, PyObject *args)
{
    int folder;
    PyObject *given, *make_header, *tree_hash, *found = NULL;
    void *memory;
    (void)module;
    if (!PyArg_ParseTuple(args, "iOOO", &folder, &given, &make_header, &tree_hash))
        return NULL;
    PyObject *kept = take_files(given, sizeof(old_file), &memory);
    if (kept == NULL)
        return NULL;
    old_file *files = memory;
    const Py_ssize_t count = PyTuple_Size(kept);
    Py_ssize_t taken = 0;
    for (; taken < count; taken++) {
        old_file *file = files + taken;
        PyObject *item = tuple_at(kept, taken);
        if (item == NULL || !PyArg_ParseTuple(item, "yLy", &file->name, &file->size, &file->path))
            break;
        if (file->size < 0) {
            PyErr_SetString(PyExc_ValueError, "the size of a file must not be negative");
            break;
        }
        const Py_ssize_t size = (Py_ssize_t)file->size;
        file->member = PyBytes_FromStringAndSize(NULL, TAR_BLOCK + (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK);
        if (file->member == NULL)
            break;
        file->header = (uint8_t *)PyBytes_AsString(file->member);
    }
    message *messages = calloc((size_t)count + 1, sizeof *messages);
    if (messages == NULL)
        PyErr_NoMemory();
    if (messages != NULL && taken == count) {
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t at = 0; at < count; at++) {
            files[at].is_settled = read_one(folder, files + at);
            if (files[at].is_settled)
                make_member(files + at);
        }
        hash_members(files, count, messages);
        Py_END_ALLOW_THREADS
        found = PyList_New(count);
        for (Py_ssize_t at = 0; found != NULL && at < count; at++) {
            PyObject *one = describe(files + at, make_header, tree_hash);
            if (one == NULL || PyList_SetItem(found, at, one) < 0)
                Py_CLEAR(found);
        }
    }
    for (Py_ssize_t at = 0; at < count; at++)
        Py_XDECREF(files[at].member);
    free(messages);
    free(files);
    Py_DECREF(kept);
    return found;
}

/* ---- The module ------------------------------------------------------------------------------------- */

static PyMethodDef methods[] = {
    {"write_files", native_write_files, METH_VARARGS,
     "Write new files into an open folder; return the numbers of those that are not there."},
    {"name_files", native_name_files, METH_VARARGS,
     "Rename files of an open folder; return the numbers of those that have their old names."},
    {"read_members", native_read_members, METH_VARARGS,
     "Read files of an open folder: member of a bundle, hash and facts, None for one that is not as expected."},
    {"hash_files", native_hash_files, METH_VARARGS,
     "Return the tree hashes of files below an open folder, None for one that is not as expected."},
    {"look_at", native_look_at, METH_VARARGS,
     "Return the facts of paths in an open folder, None for one without."},
    {NULL, NULL, 0, NULL},
};

/* The hash of the core, if it is there and the CPU has the instructions. */
static int native_exec(PyObject *module)
{
    (void)module;
    PyObject *core = PyImport_ImportModule("aioglacier.core.native");
    PyObject *capsule = core != NULL ? PyObject_GetAttrString(core, "_sha256_each") : NULL;
    if (capsule != NULL)
        sha256_each = (hash_function)PyCapsule_GetPointer(capsule, "aioglacier.core.native._sha256_each");
    Py_XDECREF(capsule);
    Py_XDECREF(core);
    PyErr_Clear();
    return 0;
}

static PyModuleDef_Slot native_slots[] = {
    {Py_mod_exec, native_exec},
    {0, NULL},
};

static struct PyModuleDef native_files_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "native_files",
    .m_doc = "Write, name, read and look at many small files of one folder in one call without the GIL.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = native_slots,
};

PyMODINIT_FUNC PyInit_native_files(void)
{
    return PyModuleDef_Init(&native_files_module);
}
