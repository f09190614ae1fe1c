/* The header of a file in a tar archive, as `tar.py` in bulk/formats makes it where a ustar header has room. */

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define TAR_BLOCK 512
#define TAR_LARGEST_ID 07777777
#define TAR_LARGEST_NUMBER 077777777777LL /* of bytes, and of seconds */

/* Divide a path into the two fields of its name. Returns the length of the prefix, -1 where they lack room. */
static int tar_split(const char *path, size_t length)
{
    if (length <= 100)
        return 0;
    if (length > 256)
        return -1;
    for (size_t at = length < 156 ? length - 1 : 155; at > 0; at--)
        if (path[at] == '/')
            return length - at - 1 <= 100 && at < length - 1 ? (int)at : -1;
    return -1;
}

/* Fill a block with the header of a regular file. Returns 0 where the path or a number needs more room. */
static int tar_header(uint8_t *block, const char *path, const struct stat *status, long long seconds)
{
    const size_t length = strlen(path);
    const int prefix = tar_split(path, length);
    if (prefix < 0 || seconds < 0 || seconds > TAR_LARGEST_NUMBER || status->st_size > TAR_LARGEST_NUMBER ||
        status->st_uid > TAR_LARGEST_ID || status->st_gid > TAR_LARGEST_ID)
        return 0;
    const char *name = prefix ? path + prefix + 1 : path;
    char *text = (char *)block;
    memset(block, 0, TAR_BLOCK);
    memcpy(text, name, strlen(name)); /* up to 100 bytes, without a NUL behind */
    snprintf(text + 100, 8, "%07o", (unsigned int)status->st_mode & 07777);
    snprintf(text + 108, 8, "%07o", (unsigned int)status->st_uid);
    snprintf(text + 116, 8, "%07o", (unsigned int)status->st_gid);
    snprintf(text + 124, 12, "%011llo", (unsigned long long)status->st_size);
    snprintf(text + 136, 12, "%011llo", (unsigned long long)seconds);
    memset(text + 148, ' ', 8); /* the sum counts its own field as spaces */
    text[156] = '0';
    memcpy(text + 257, "ustar\00000", 8);
    memcpy(text + 329, "0000000", 7);
    memcpy(text + 337, "0000000", 7);
    memcpy(text + 345, path, (size_t)prefix);
    unsigned int sum = 0;
    for (int at = 0; at < TAR_BLOCK; at++)
        sum += block[at];
    snprintf(text + 148, 7, "%06o", sum);
    return 1;
}
