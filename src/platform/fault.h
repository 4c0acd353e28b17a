/*
 * Purpose: signals: what a report about a wild access needs from the system (the signal, memory that may not be there, and the list of
 * mappings), and holding signals back for a moment.
 * Layer: platform. The handler and what the program had installed before are kept here; written once, when catching begins.
 */
#ifndef COLLAM_PLATFORM_FAULT_H
#define COLLAM_PLATFORM_FAULT_H

#include "base/compiler.h"

enum fault_access { FAULT_UNKNOWN, FAULT_READ, FAULT_WRITE };

struct fault {
    uintptr_t address;        /* what was accessed */
    uintptr_t code;           /* the instruction */
    uintptr_t stack;          /* the stack pointer then */
    enum fault_access access; /* FAULT_UNKNOWN where the processor does not tell */
};

/* Called in the thread that made the access, on its signal stack if it has one. True: try the access again. False: go on as if collam had
 * no handler, with the program's own or with its death. Must not access memory that can fault. */
typedef bool (*fault_handler)(const struct fault *fault);

/*
 * From now on the handler sees each access to memory that is not there or not accessible (SIGSEGV). What it leaves goes to the action that
 * was in place when catching began, as the system would have run it. A program that sets an action of its own later takes the signal
 * over: the handler is then no longer called, unless that action calls the one it found. False when the system refuses.
 */
bool fault_catch(fault_handler handler);

/* From here to the second call no signal is delivered to the thread. False when the system refuses: there is nothing to restore then. */
bool fault_hold_signals(uint64_t *before);
void fault_let_signals(uint64_t before);

/* Copies memory that may be missing: as many of the bytes as can be read from the start on. Never faults. */
size_t fault_read_memory(uintptr_t from, void *to, size_t size);

/* Copies words of the calling thread's stack from the address of one of its frames upwards, as far as there are frames and they can be
 * read. Never faults, whatever the address, unless the program has made holes in the 64 KiB where it began to run. Mostly without
 * asking the system, which costs fifty times as much. */
size_t fault_read_stack(uintptr_t from, uintptr_t *to, size_t words);

/* An address in the code of the program itself, wherever its mapping stands among those of the libraries. */
uintptr_t fault_program_code(void);

/* A file of the system's, read from its start: descriptor or -1; bytes read, 0 at the end or on error; closing. */
int fault_open_file(const char *path);
size_t fault_read_file(int descriptor, char *to, size_t size);
void fault_close_file(int descriptor);

#endif
