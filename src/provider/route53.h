/*
 * The Route 53 provider: turns provider.h's calls into ChangeResourceRecordSets, ListResourceRecordSets,
 * ListHostedZonesByName, GetHostedZone and GetChange (API 2013-04-01) and reads the answers. I/O thread only.
 * A record with a set identifier, an alias, several values or a value that is no address is RECORD_FOREIGN.
 * Where GetHostedZone alone is not permitted, the zone's size is not known and counts as small.
 */
#ifndef DDNS53_PROVIDER_ROUTE53_H
#define DDNS53_PROVIDER_ROUTE53_H

#include "aws/aws_call.h"
#include "provider/provider.h"

/* Its section of ddns53d.yaml, and its keys of a zone; read by the rows of route53_provider.c. */
struct route53_settings {
    char *endpoint; /* "": the environment's, else AWS's own */
    char *region;
    char *profile; /* "": AWS_PROFILE, else "default" */
    uint32_t requests_per_second;
};

struct route53_zone_settings {
    char *zone_id; /* NULL: to be looked up; without a leading "/hostedzone/" */
    bool is_private;
};

extern const struct provider_ops route53_ops;

/* What the zones of an account share: the `shared` of its row in provider/registry.h. */
struct route53_shared {
    struct credentials *credentials;
    struct aws_service *service;
    char *endpoint; /* of the API, without a final slash */
};

/* Borrows the loop and the service, copies the rest. `zone_id` NULL: looked up by name, among public or private
 * zones, and again when Route 53 says that it is gone. NULL: no memory. */
struct provider_zone *route53_zone_new(struct loop *loop, struct aws_service *service, const char *name,
                                       const char *zone_id, bool is_private);

#endif
