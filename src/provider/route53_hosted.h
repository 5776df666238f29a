/*
 * Hosted zones of the account, for people: one in full, and a new one. They run the loop until they are done; see struct
 * provider.
 */
#ifndef DDNS53_PROVIDER_ROUTE53_HOSTED_H
#define DDNS53_PROVIDER_ROUTE53_HOSTED_H

#include "provider/registry.h"

int route53_get_hosted(const struct provider_means *means, void *shared, const char *id, provider_each_hosted each,
                       void *userdata, struct buffer *name_servers, struct buffer *message);
int route53_create_hosted(const struct provider_means *means, void *shared, const char *name, const char *comment,
                          provider_each_hosted each, void *userdata, struct buffer *name_servers,
                          struct buffer *message);

#endif
