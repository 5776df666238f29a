/* What a program does about its standard files, and about its memory, before anything else. */
#ifndef DDNS53_BASE_STANDARD_FILES_H
#define DDNS53_BASE_STANDARD_FILES_H

/* Whoever started us may have closed one of the three: then the next file that is opened, the state say, would take its
 * number, and the log would be written into it. They are opened at /dev/null. */
void standard_files_hold(void);

/* Writes what is still in the buffer of standard output, while it can still be told whether that worked: a full disk
 * shows only now. 0, or -errno after `PROGRAM: standard output: ...` was said. */
int standard_output_finish(const char *program);

/* No core dump, and no debugger of the same user: both would show secrets. Root may still look. */
void memory_hide(void);

#endif
