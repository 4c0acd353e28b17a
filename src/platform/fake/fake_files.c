/*
 * Purpose: the part of the fake platform that deals with text: output, the one file that can be created, and files to be read.
 * Layer: platform. Owner: the fake's lock protects the texts; what there is to read is set while one thread runs.
 */
#include "platform/fake/fake_inside.h"

#include <string.h>

enum { TEXT_MAX = 8192, PATH_MAX_KEPT = 1024, FAKE_DESCRIPTOR = 1000, READABLE_MAX = 64, OPEN_MAX = 4 };

static char output[TEXT_MAX];
static size_t output_length;
static char file_path[PATH_MAX_KEPT];
static char file_text[TEXT_MAX];
static size_t file_length;
static int open_files; /* created ones */

struct readable {
    const char *path; /* NULL: a free place */
    const char *text;
};
static struct readable readable[READABLE_MAX];

/* Descriptors of files being read: FAKE_DESCRIPTOR + 1 and on. */
static const char *reading[OPEN_MAX];

static void append(char *text, size_t *used, const char *more, size_t length) {
    for (size_t i = 0; i < length && *used + 1 < TEXT_MAX; i++) {
        text[(*used)++] = more[i];
    }
    text[*used] = '\0';
}

void platform_write(int descriptor, const char *text, size_t length) {
    if (fake_refuse(FAKE_WRITE)) {
        return;
    }
    fake_take();
    fake_demand(descriptor == 1 || descriptor == 2 || (descriptor == FAKE_DESCRIPTOR && open_files), "write: no such descriptor");
    if (descriptor == FAKE_DESCRIPTOR) {
        append(file_text, &file_length, text, length);
    } else {
        append(output, &output_length, text, length);
    }
    fake_give();
}

int platform_create_file(const char *path) {
    if (fake_refuse(FAKE_CREATE_FILE)) {
        return -1;
    }
    fake_take();
    fake_demand(open_files == 0, "create_file: it keeps one file at a time");
    fake_demand(strlen(path) < sizeof file_path, "create_file: the path is too long for it");
    strcpy(file_path, path);
    file_length = 0;
    file_text[0] = '\0';
    open_files = 1;
    fake_give();
    return FAKE_DESCRIPTOR;
}

static int start_reading(const char *text) {
    for (int slot = 0; slot < OPEN_MAX; slot++) {
        if (reading[slot] == NULL) {
            reading[slot] = text;
            return FAKE_DESCRIPTOR + 1 + slot;
        }
    }
    return -1;
}

int platform_open_file(const char *path) {
    if (fake_refuse(FAKE_OPEN_FILE)) {
        return -1;
    }
    int descriptor = -1;
    fake_take();
    for (unsigned i = 0; i < READABLE_MAX; i++) {
        if (readable[i].path && strcmp(readable[i].path, path) == 0) {
            descriptor = start_reading(readable[i].text);
            fake_demand(descriptor >= 0, "open_file: it opens four files at a time");
        }
    }
    fake_give();
    return descriptor;
}

static const char **reading_of(int descriptor) {
    unsigned slot = (unsigned)(descriptor - FAKE_DESCRIPTOR - 1);
    return slot < OPEN_MAX && reading[slot] ? &reading[slot] : NULL;
}

size_t platform_read(int descriptor, char *buffer, size_t size) {
    bool refused = fake_refuse(FAKE_READ);
    fake_take();
    const char **text = reading_of(descriptor);
    fake_demand(text != NULL, "read: no such descriptor");
    size_t length = refused ? 0 : strlen(*text);
    length = length < size ? length : size;
    length = fake_settings.read_size && length > fake_settings.read_size ? fake_settings.read_size : length;
    memcpy(buffer, *text, length);
    *text += length;
    fake_give();
    return length;
}

void platform_close(int descriptor) {
    (void)fake_refuse(FAKE_CLOSE);
    const char **text = reading_of(descriptor);
    if (text) {
        *text = NULL;
        return;
    }
    fake_demand(descriptor == FAKE_DESCRIPTOR && open_files == 1, "close: no such descriptor");
    open_files = 0;
}

const char *fake_output(void) {
    return output;
}

void fake_output_clear(void) {
    output_length = 0;
    output[0] = '\0';
}

const char *fake_file_path(void) {
    return file_path;
}

const char *fake_file_text(void) {
    return file_text;
}

void fake_set_file(const char *path, const char *text) {
    struct readable *place = NULL;
    for (unsigned i = READABLE_MAX; i-- > 0;) {
        if (readable[i].path == NULL || strcmp(readable[i].path, path) == 0) {
            place = place && place->path && readable[i].path == NULL ? place : &readable[i];
        }
    }
    fake_demand(place != NULL, "fake_set_file: too many files");
    *place = (struct readable){text ? path : NULL, text};
}

int fake_open_files(void) {
    int open = open_files;
    for (unsigned i = 0; i < OPEN_MAX; i++) {
        open += reading[i] != NULL;
    }
    return open;
}
