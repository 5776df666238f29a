#include "api/sentence.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

static void say(struct sentence *sentence, unsigned status, const char *format, ...) _printf_(3, 4);

/* The provider's words become one line, and are cut between characters where they do not fit. */
static void say(struct sentence *sentence, unsigned status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(sentence->text, sizeof(sentence->text), format, arguments);
    va_end(arguments);
    sentence->status = status;
    for (size_t length = strlen(sentence->text); length > 0 && !utf8_is_valid(sentence->text, length); length--) {
        sentence->text[length - 1] = '\0';
    }
    for (char *c = sentence->text; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            *c = ' ';
        }
    }
}

static const char *foreign_words(enum record_foreign foreign)
{
    switch (foreign) {
    case FOREIGN_ALIAS: return "an alias";
    case FOREIGN_ROUTING_POLICY: return "part of a routing policy";
    case FOREIGN_SEVERAL_VALUES:
    case FOREIGN_NONE: break;
    }
    return "one of several values or not ours";
}

/* What the client or its operator can mend: 4xx. */
static void say_refusal(const struct update_item *item, const char *address, struct sentence *ret)
{
    const char *host = item->host->hostname;
    const char *type = record_type_text(item->type);
    const bool is_withdrawal = rdata_is_empty(item_value(item));

    switch (item_outcome(item)) {
    case OUTCOME_NO_RECORD:
        if (is_withdrawal) {
            say(ret, 403, "%s has no %s in its record_type in hosts.yaml; name a type that it has", host, type);
        } else {
            say(ret, 403, "%s has no %s record; add %s to its record_type in hosts.yaml", host, type, type);
        }
        break;
    case OUTCOME_UNUSABLE:
        say(ret, 400, "%s can stand in no DNS record; send an address that others can reach", address);
        break;
    case OUTCOME_LOCKED:
        say(ret, 403, "the %s record of %s is locked; remove lock_record from it in hosts.yaml", type, host);
        break;
    case OUTCOME_PRIVATE:
        say(ret, 403, "%s is a private address; allow_internal in hosts.yaml lets %s set it", address, host);
        break;
    case OUTCOME_NOT_SOURCE:
        say(ret, 403, "%s is not the address that you come from; allow_internal in hosts.yaml lets %s set it", address,
            host);
        break;
    case OUTCOME_CONFLICT:
        say(ret, 409, "the %s record of %s is %s, which is never %s; delete it in DNS %s", type, host,
            foreign_words(item->waiter.foreign), is_withdrawal ? "withdrawn" : "overwritten",
            is_withdrawal ? "itself" : "first");
        break;
    default:
        say(ret, 403, "the DNS provider refused %s for %s: %s", address, host,
            item->waiter.message ? item->waiter.message : "it gave no reason");
        break;
    }
}

void sentence_of(const struct update_item *item, struct sentence *ret)
{
    const char *host = item->host->hostname;
    const char *type = record_type_text(item->type);
    char address[ADDRESS_TEXT_SIZE];
    const bool is_withdrawal = rdata_is_empty(item_value(item));

    if (is_withdrawal) {
        (void)snprintf(address, sizeof(address), "the withdrawal of %s", type);
    } else {
        address_print(&item_value(item)->address, address);
    }
    ret->result = outcome_word(item_outcome(item));
    ret->success = item_outcome(item) == OUTCOME_SET || item_outcome(item) == OUTCOME_UNCHANGED;
    ret->retry_after_s = 0;
    switch (item_outcome(item)) {
    case OUTCOME_SET:
        if (is_withdrawal) {
            say(ret, 200, "%s now has no %s record", host, type);
        } else {
            say(ret, 200, "%s now has the address %s", host, address);
        }
        break;
    case OUTCOME_UNCHANGED:
        if (is_withdrawal) {
            say(ret, 200, "%s already has no %s record; nothing to do", host, type);
        } else {
            say(ret, 200, "%s already has the address %s; nothing to do", host, address);
        }
        break;
    case OUTCOME_NO_ZONE:
        say(ret, 503, "the DNS provider does not have the zone of %s; its operator must look at the log", host);
        break;
    case OUTCOME_TIMED_OUT:
        say(ret, 503, "the DNS provider has not accepted %s for %s yet; it stays queued, ask again later", address,
            host);
        break;
    case OUTCOME_QUEUE_FULL:
        say(ret, 503, "too many changes are queued; %s for %s was not taken, try again later", address, host);
        break;
    case OUTCOME_STOPPING: say(ret, 503, "the server is stopping; send %s for %s again later", address, host); break;
    default: say_refusal(item, address, ret); break;
    }
    if (ret->status == 503) {
        ret->retry_after_s = RETRY_AFTER_S;
    }
}
