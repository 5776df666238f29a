/*
 * The providers as ddns53ctl itself reaches them: with the daemon's own code and credentials, on a loop that runs while a call
 * is waited for. Where systemd hands credentials to the daemon (LoadCredential=aws:...), the same file is used. Main thread
 * only.
 */
#ifndef DDNS53_CTL_REACH_H
#define DDNS53_CTL_REACH_H

#include "provider/registry.h"

struct reach;

/* Borrows the settings, whose file is `config`. NULL: no memory. */
struct reach *reach_open(const struct settings *settings, const char *config);
void reach_close(struct reach *reach);
DEFINE_CLEANUP(struct reach *, reach_close)

const struct provider_means *reach_means(const struct reach *reach);
/* What the provider's zones share, made at the first call; `ret_shared` may be NULL. -ENOMEM. */
int reach_shared(struct reach *reach, const struct provider *provider, void **ret_shared);

#endif
