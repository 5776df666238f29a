/*
 * What Route 53 itself says about an account and its zones, for ddns53ctl: functions of its row in provider/registry.h, which
 * has what they promise.
 */
#ifndef DDNS53_PROVIDER_ROUTE53_EXAMINE_H
#define DDNS53_PROVIDER_ROUTE53_EXAMINE_H

#include "provider/registry.h"

int route53_each_hosted(const struct provider_means *means, void *shared, provider_each_hosted each, void *userdata,
                        struct buffer *message);
bool route53_examine(const struct provider_means *means, void *shared, provider_tell tell, void *userdata);
void route53_examine_zone(const struct provider_means *means, void *shared, const struct zone_settings *zone,
                          bool may_try, provider_tell tell, void *userdata, struct buffer *name_servers);

#endif
