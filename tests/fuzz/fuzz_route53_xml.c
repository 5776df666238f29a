/* Any answer: what is taken from it is a name, a type, an address or an id that a request may carry. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "provider/route53_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void check_found(const struct provider_found *found, void *userdata)
{
    struct name name;

    (void)userdata;
    insist(name_parse(found->hostname, strlen(found->hostname), &name, NULL) == 0);
    insist(strcmp(name.text, found->hostname) == 0);
    insist(found->knowledge == RECORD_PLAIN || found->knowledge == RECORD_FOREIGN);
    insist((found->knowledge == RECORD_FOREIGN) == (found->foreign != FOREIGN_NONE));
    if (found->knowledge == RECORD_PLAIN) {
        insist(!rdata_is_empty(&found->value));
        insist(found->type == RECORD_TXT ? found->value.texts != NULL
                                         : record_type_of(&found->value.address) == found->type);
    }
}

static void read_page(const struct xml_element *root)
{
    struct route53_last last = {.is_set = false};
    struct route53_cursor next = {.is_set = false};

    if (route53_read_page(root, &last, check_found, NULL, &next) == 0 && next.is_set) {
        insist(next.name[0] != '\0');
        insist(route53_read_page(root, &last, check_found, NULL, &next) == 0);
    }
}

static void read_zones(const struct xml_element *root)
{
    char id[ROUTE53_ID_SIZE];
    const char *name = NULL;
    uint64_t record_count = 0;

    for (int is_private = 0; is_private < 2; is_private++) {
        if (route53_find_zone(root, "example.com.", is_private, id) == 0) {
            insist(id[0] != '\0' && strpbrk(id, "/?#% \n") == NULL);
        }
    }
    if (route53_read_zone(root, &name, &record_count) == 0) {
        insist(name != NULL && record_count <= UINT32_MAX);
    }
    insist(route53_change_id(root) != NULL);
}

static void find_culprit(const uint8_t *data, size_t size)
{
    static struct record records[] = {
        {"a.example.com.", RECORD_A},
        {"a.example.com.", RECORD_AAAA},
        {"*.example.com.", RECORD_A},
    };
    static const struct change_request requests[] = {{.record = &records[0]},
                                                     {.record = &records[1]},
                                                     {.record = &records[2]}};
    const struct change_request *const changes[] = {&requests[0], &requests[1], &requests[2]};
    _cleanup_free_ char *message = strndup((const char *)data, size);
    size_t culprit = message ? route53_find_culprit(message, changes, ELEMENTS(changes)) : PROVIDER_NO_CULPRIT;

    insist(culprit == PROVIDER_NO_CULPRIT || culprit < ELEMENTS(changes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(xml_document_freep) struct xml_document *document = NULL;

    if (size == 0) {
        return 0;
    }
    find_culprit(data, size);
    if (xml_parse((const char *)data, size, &document) == 0) {
        read_page(xml_root(document));
        read_zones(xml_root(document));
    }
    return 0;
}
