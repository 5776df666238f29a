/*
 * The devices and programs that "ddns53ctl client" has a recipe for: what each can prove a host by, and what a person
 * types into it, with every field named as the device shows it. One row a device; the rows feed the command, its
 * completion and the test that sends what each recipe makes. Constants.
 */
#ifndef DDNS53_CTL_DEVICE_H
#define DDNS53_CTL_DEVICE_H

#include "config/hosts.h"

#define DEVICE_SCHEMES 4

struct device {
    const char *name;  /* "routeros7" */
    const char *title; /* "MikroTik RouterOS 7" */
    /* Bits of enum auth_scheme that it can do, the best first; 0 ends them. */
    unsigned schemes[DEVICE_SCHEMES + 1];
    const char *source; /* what the recipe was taken from; NULL: the program itself is run by a test */
    const char *recipe; /* see recipe.h */
    const char *qr;     /* a URL to be shown as a QR code, a recipe too; NULL: none */
};

/* NULL past the end. */
const struct device *device_at(size_t index);
/* NULL: none of that name. */
const struct device *device_find(const char *name);
/* The names, ended by NULL: for completion. */
extern const char *const device_words[];

/* The best scheme that both the device and a set of them have; 0: none. With AUTH_HASH | AUTH_SIGNED | AUTH_SECRET |
 * AUTH_BASIC: the best that the device can do. */
unsigned device_scheme(const struct device *device, unsigned auth);

/* All of its schemes, as hosts.yaml has them: "[basic, secret]". */
void device_print_schemes(const struct device *device, struct buffer *buffer);

#endif
