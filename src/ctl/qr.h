/*
 * A text as a QR code for a terminal, two rows of it a line, dark on light whatever the terminal's colours are.
 */
#ifndef DDNS53_CTL_QR_H
#define DDNS53_CTL_QR_H

#include "base/buffer.h"

/* Appends the lines. -EFBIG: the text is too long for a code; -ENOSYS: ddns53ctl was built without libqrencode; -ENOMEM. */
int qr_write(const char *text, struct buffer *buffer);

#endif
