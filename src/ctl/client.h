/* A device and its recipe, for the commands that have --for. */
#ifndef DDNS53_CTL_CLIENT_H
#define DDNS53_CTL_CLIENT_H

#include "ctl/ctl.h"
#include "ctl/device.h"

/* The device of --for; NULL where `name` is. EXIT_UNKNOWN after having said that there is none. */
int client_device(const char *name, const struct device **ret_device);

/* Prints the recipe of a host that has a secret, and warns where its auth does not fit the device. `with_qr`: a QR code
 * even where this is no terminal. EXIT_FINE, EXIT_WARNED: something has to be changed first, EXIT_FAILED. */
int client_print(struct ctl *ctl, const struct settings *settings, const struct host *host, const struct device *device,
                 bool with_qr);

#endif
