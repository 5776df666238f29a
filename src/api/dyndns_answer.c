#include "api/dyndns_answer.h"

#include <stdio.h>

#include "api/dialect.h"
#include "api/sentence.h"

const struct dyndns_word word_good = {"good", 200};
const struct dyndns_word word_nochg = {"nochg", 200};
const struct dyndns_word word_nohost = {"nohost", 400};
const struct dyndns_word word_notfqdn = {"notfqdn", 400};
const struct dyndns_word word_numhost = {"numhost", 400};
const struct dyndns_word word_badagent = {"badagent", 400};
const struct dyndns_word word_no_form = {"badagent", 415};
const struct dyndns_word word_badauth = {"badauth", 401};
const struct dyndns_word word_not_an_address = {"dnserr", 400};
const struct dyndns_word word_dnserr = {"dnserr", 503};
const struct dyndns_word word_abuse = {"abuse", 503};
const struct dyndns_word word_provider_down = {"911", 503};

void dyndns_answer_word(struct request *request, const struct dyndns_word *word, const char *reason)
{
    char body[32];

    request->decision.reason = reason;
    (void)snprintf(body, sizeof(body), "%s\n", word->text);
    dialect_answer_text(request, DYNDNS_DIALECT, word->status, word->text, word->status == 503 ? RETRY_AFTER_S : 0,
                        word->status == 401 ? "Basic realm=\"ddns53\"" : NULL, body);
}

static const struct dyndns_word *word_of_outcome(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_SET: return &word_good;
    case OUTCOME_UNCHANGED: return &word_nochg;
    case OUTCOME_NO_RECORD: return &word_nohost;
    case OUTCOME_LOCKED: return &word_abuse;
    case OUTCOME_UNUSABLE: /* a router without its WAN sends 0.0.0.0: it must not give up for ever */
    case OUTCOME_PRIVATE:
    case OUTCOME_NOT_SOURCE:
    case OUTCOME_CONFLICT:
    case OUTCOME_REFUSED: return &word_dnserr;
    case OUTCOME_PENDING:
    case OUTCOME_NO_ZONE:
    case OUTCOME_TIMED_OUT:
    case OUTCOME_QUEUE_FULL:
    case OUTCOME_STOPPING: break;
    }
    return &word_provider_down;
}

/* Was it passed over because no record may hold such an address? A router behind carrier NAT names one for ever. */
static bool is_passed_over(const struct update_item *item)
{
    return item_outcome(item) == OUTCOME_UNUSABLE || item_outcome(item) == OUTCOME_PRIVATE;
}

static bool all_passed_over(const struct update *update, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        if (!is_passed_over(update_item(update, i))) {
            return false;
        }
    }
    return true;
}

/* One answer for several records: the first that failed, else whether any was set. Those that were passed over do not
 * count beside one that was not. */
static const struct dyndns_word *word_of_items(const struct update *update, size_t first, size_t count)
{
    const struct dyndns_word *word = &word_nochg;

    if (all_passed_over(update, first, count)) {
        return &word_dnserr;
    }
    for (size_t i = first; i < first + count; i++) {
        const struct update_item *item = update_item(update, i);
        const struct dyndns_word *one = word_of_outcome(item_outcome(item));
        if (is_passed_over(item)) {
            continue;
        }
        if (one != &word_good && one != &word_nochg) {
            return one;
        }
        if (one == &word_good) {
            word = &word_good;
        }
    }
    return word;
}

/* Do the followers stand for their router, because no address of its own was named, or none that can be set? */
static bool followers_speak(const struct dyndns_line *line, const struct update *update)
{
    return line->item_count == 0 ||
           (line->follower_count > 0 && all_passed_over(update, line->first_item, line->item_count));
}

static const struct dyndns_word *word_of_line(const struct dyndns_line *line, const struct update *update)
{
    if (line->word) {
        return line->word;
    }
    if (followers_speak(line, update)) {
        return word_of_items(update, line->first_follower, line->follower_count);
    }
    return word_of_items(update, line->first_item, line->item_count);
}

static void append_addresses(const struct dyndns_addresses *addresses, const struct dyndns_line *line,
                             const struct update *update, struct buffer *body)
{
    char before = ' ';

    if (followers_speak(line, update)) {
        buffer_printf(body, " %s", addresses->prefix_text);
        return;
    }
    for (size_t i = 0; i < line->item_count; i++) {
        const struct update_item *item = update_item(update, line->first_item + i);
        if (!is_passed_over(item) && !rdata_is_empty(item_value(item))) {
            buffer_printf(body, "%c%s", before, addresses->families[item->type].text);
            before = ',';
        }
    }
}

/* The status of several lines: 200 where one was done, else that of the first that failed. A host that is to be tried
 * again goes before both, since some clients look only at the status, and must come again. */
struct verdict_of_lines {
    const struct dyndns_word *first_failed;
    const struct dyndns_word *best; /* good before nochg; NULL: none was done */
    bool try_again;
};

static void count_line(struct verdict_of_lines *lines, const struct dyndns_word *word)
{
    if (word == &word_good || (word == &word_nochg && !lines->best)) {
        lines->best = word;
    }
    if (word != &word_good && word != &word_nochg && !lines->first_failed) {
        lines->first_failed = word;
    }
    lines->try_again |= word == &word_provider_down;
}

static const struct dyndns_word *overall_word(const struct verdict_of_lines *lines)
{
    if (lines->best) {
        return lines->try_again ? &word_provider_down : lines->best;
    }
    return lines->first_failed ? lines->first_failed : &word_nohost;
}

void dyndns_answer_lines(struct request *request, const struct dyndns_addresses *addresses,
                         const struct dyndns_line *all, size_t count, const struct update *update)
{
    struct answer answer = {.content_type = "text/plain; charset=utf-8", .dialect = DYNDNS_DIALECT};
    struct verdict_of_lines lines = {0};

    for (size_t i = 0; i < count; i++) {
        const struct dyndns_word *word = word_of_line(&all[i], update);
        buffer_append_text(&answer.body, word->text);
        if (word == &word_good || word == &word_nochg) {
            append_addresses(addresses, &all[i], update, &answer.body);
        }
        buffer_append_char(&answer.body, '\n');
        count_line(&lines, word);
    }
    const struct dyndns_word *word = overall_word(&lines);
    answer.result = word->text;
    answer.status = word->status;
    answer.retry_after_s = answer.status == 503 ? RETRY_AFTER_S : 0;
    request->decision.is_written = true; /* by event=update, or before it */
    request_answer(request, &answer);
}
