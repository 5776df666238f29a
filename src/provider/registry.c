/* Every provider of ddns53d; the first one is the default of zones[].provider. */
#include "provider/registry.h"

const struct provider_settings *const provider_table[] = {
    &route53_provider.settings,
    &zonefile_provider.settings,
    &rfc2136_provider.settings,
    NULL,
};
