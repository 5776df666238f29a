#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/file.h"
#include "log_lines.h"
#include "provider/zonefile.h"
#include "provider/zonefile_scan.h"
#include "provider/zonefile_text.h"
#include "requests.h"
#include "temporary.h"

#define ZONE "example.test."
#define NOW_MS (INT64_C(1795302951) * 1000) /* 2026-11-21T23:15:51Z */

/* ---- the text alone ---- */

static void print_found(const struct provider_found *found, void *userdata)
{
    buffer_printf(userdata, "%s %s %s", found->hostname, record_type_text(found->type),
                  found->knowledge == RECORD_FOREIGN  ? "foreign"
                  : found->knowledge == RECORD_ABSENT ? "absent"
                                                      : "");
    if (found->knowledge == RECORD_PLAIN) {
        rdata_print(&found->value, userdata);
        buffer_printf(userdata, " %u", found->ttl_s);
    }
    buffer_append_char(userdata, '\n');
}

static struct zone_text *read_text(const char *text)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    struct zone_text *zone = NULL;

    if (zone_text_read(text, strlen(text), ZONE, &message, &zone) < 0) {
        fail_msg("refused: %s", buffer_text(&message));
    }
    assert_int_equal(message.length, 0);
    return zone;
}

static void assert_listing(const char *text, const char *expected)
{
    _cleanup_(zone_text_freep) struct zone_text *zone = read_text(text);
    _cleanup_buffer_ struct buffer listing = BUFFER_INIT;

    struct zone_cursor cursor = {0};
    assert_false(zone_text_page(zone, &cursor, SIZE_MAX, print_found, &listing));
    assert_string_equal(buffer_text(&listing), expected);
}

static void assert_text_refused(const char *text, const char *words)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    struct zone_text *zone = NULL;

    assert_int_equal(zone_text_read(text, strlen(text), ZONE, &message, &zone), -EBADMSG);
    assert_null(zone);
    if (strncmp(buffer_text(&message), words, strlen(words)) != 0) {
        fail_msg("\"%s\" does not begin with \"%s\"", buffer_text(&message), words);
    }
}

static void write_text(struct zone_text *zone, uint32_t serial, struct buffer *buffer)
{
    const struct file_part *parts = NULL;
    size_t count = 0;

    assert_int_equal(zone_text_write(zone, serial, false, &parts, &count), 0);
    for (size_t i = 0; i < count; i++) {
        buffer_append(buffer, parts[i].data, parts[i].length);
    }
    assert_int_equal(buffer_status(buffer), 0);
}

/* Sets one record, raises the serial to 7 and compares the whole text. */
static void assert_rewritten(const char *text, const struct change_request *set, const char *expected)
{
    _cleanup_(zone_text_freep) struct zone_text *zone = read_text(text);
    _cleanup_buffer_ struct buffer written = BUFFER_INIT;
    bool is_changed = false;

    assert_int_equal(zone_text_set(zone, &set, 1, &is_changed), 0);
    assert_true(is_changed);
    write_text(zone, 7, &written);
    assert_string_equal(buffer_text(&written), expected);
}

#define BEGIN "; ddns53 begin: the lines up to the next marker are ddns53's; yours go outside"
#define END "; ddns53 end"
#define SOA "@ IN SOA ns hostmaster (\n 5 ; serial\n 1 1 1 1 )\n"

static void names_of_the_owner(void **data)
{
    static const struct {
        const char *text;
        const char *listing;
    } rows[] = {
        {"", ""},
        {"\n\n; A 192.0.2.1\n  \n\t; comment", ""},
        {"www A 192.0.2.1", "www.example.test. A foreign\n"},
        {"WWW.Example.Test. a 192.0.2.1\n", "www.example.test. A foreign\n"},
        {"www.example.test. 60 IN A 192.0.2.1\n", "www.example.test. A foreign\n"},
        {"www IN 1h30m AAAA 2001:db8::1\n", "www.example.test. AAAA foreign\n"},
        {"@ A 192.0.2.1\n", "example.test. A foreign\n"},
        {"* A 192.0.2.1\n", "*.example.test. A foreign\n"},
        {"www A 192.0.2.1\n  A 192.0.2.2\n\tAAAA ::1\n",
         "www.example.test. A foreign\nwww.example.test. AAAA foreign\n"},
        {"www CNAME other\n",
         "www.example.test. A foreign\nwww.example.test. AAAA foreign\nwww.example.test. TXT foreign\n"},
        {"www MX 1 mail\n", ""},
        {"www TXT \"A 192.0.2.1\" ; www A 192.0.2.1\nb A 192.0.2.1",
         "b.example.test. A foreign\nwww.example.test. TXT foreign\n"},
        {"www TXT \"a \\\" ; (\"\nb A 192.0.2.1", "b.example.test. A foreign\nwww.example.test. TXT foreign\n"},
        {"www TXT a\\;b\\(c\nb A 192.0.2.1", "b.example.test. A foreign\nwww.example.test. TXT foreign\n"},
        {"www TXT (\n\"x\"\n; comment )\nb A 192.0.2.1\n)\nc A 192.0.2.1\n",
         "c.example.test. A foreign\nwww.example.test. TXT foreign\n"},
        {"www ( A\n 192.0.2.1 )\n", "www.example.test. A foreign\n"},
        {"$ORIGIN sub.example.test.\nwww A 192.0.2.1\n", "www.sub.example.test. A foreign\n"},
        {"$ORIGIN sub\nwww A 192.0.2.1\n$origin deep\n@ A 192.0.2.1\n",
         "deep.sub.example.test. A foreign\nwww.sub.example.test. A foreign\n"},
        {"$ORIGIN .\nwww.example.test A 192.0.2.1\n", "www.example.test. A foreign\n"},
        /* An origin that is no name of a host's: nothing relative to it is ours. */
        {"$ORIGIN a\\.b.example.test.\nwww A 192.0.2.1\nb.example.test. A 192.0.2.1\n", "b.example.test. A foreign\n"},
        {"$TTL 1d\n$INCLUDE other.zone\nwww A 192.0.2.1\n", "www.example.test. A foreign\n"},
        {"a\\.b A 192.0.2.1\n  A 192.0.2.2\n\"q\" A 192.0.2.1\n", ""},
        {"www\r\nwww A 192.0.2.1\r\n\r\n  AAAA ::1\r\n",
         "www.example.test. A foreign\nwww.example.test. AAAA foreign\n"},
        {"a IN\nin A 192.0.2.1\n", "in.example.test. A foreign\n"},
        /* Ours, and where both have it the owner counts. */
        {"b A 192.0.2.1\n" BEGIN "\na.example.test. 60 IN A 192.0.2.2\nb.example.test. 60 IN A 192.0.2.3\n" END "\n",
         "b.example.test. A foreign\na.example.test. A 192.0.2.2 60\n"},
        /* Also as people may have rewritten it. */
        {"; ddns53 begin\na 1h AAAA ( 2001:DB8::1 )\n\n; comment\n  60 A 192.0.2.1\n; ddns53 end",
         "a.example.test. A 192.0.2.1 60\na.example.test. AAAA 2001:db8::1 3600\n"},
    };

    (void)data;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        assert_listing(rows[i].text, rows[i].listing);
    }
}

static void refused_texts(void **data)
{
    (void)data;
    assert_text_refused("www A ( 192.0.2.1\nb A 192.0.2.1\n", "3: '(' without ')': correct");
    assert_text_refused("www A 192.0.2.1 )\n", "1: ')' without '('");
    assert_text_refused("a A 192.0.2.1\nwww TXT \"x\nb A 192.0.2.1\n", "2: a quote that is not closed");
    assert_text_refused(BEGIN "\n", "1: \"; ddns53 begin\" without");
    assert_text_refused("\n" END "\n", "2: a ddns53 marker too many");
    assert_text_refused(BEGIN "\n" BEGIN "\n" END "\n", "2: a ddns53 marker too many");
    assert_text_refused(BEGIN "\n" END "\n" BEGIN "\n" END "\n", "3: a ddns53 marker too many");
    assert_text_refused(END "\n" BEGIN "\n", "1: a ddns53 marker too many");
    assert_text_refused(BEGIN "\nwww 60 IN MX 1 mail\n" END "\n", "2: between the ddns53 markers");
    assert_text_refused(BEGIN "\nwww IN A 192.0.2.1\n" END "\n", "2: between the ddns53 markers");
    assert_text_refused(BEGIN "\nwww 60 IN A 192.0.2.1 x\n" END "\n", "2: between the ddns53 markers");
    assert_text_refused(BEGIN "\nwww 60 IN A ::1\n" END "\n", "2: between the ddns53 markers");
    assert_text_refused(BEGIN "\nwww 60 IN AAAA 192.0.2.1\n" END "\n", "2: between the ddns53 markers");
    assert_text_refused(BEGIN "\nwww 4294967296 IN A 192.0.2.1\n" END "\n", "2: between the ddns53 markers");
    assert_text_refused(BEGIN "\n$ORIGIN x.\n" END "\n", "2: between the ddns53 markers");
    assert_text_refused(BEGIN "\nwww 60 IN A \"192.0.2.1\"\n" END "\n", "2: between the ddns53 markers");
    assert_text_refused(BEGIN "\nwww 60 IN TXT\n" END "\n", "2: between the ddns53 markers");
    assert_text_refused(BEGIN "\nwww 60 IN TXT \"\\256\"\n" END "\n", "2: between the ddns53 markers");
    assert_text_refused(BEGIN "\nwww IN TXT \"x\"\n" END "\n", "2: between the ddns53 markers");
    assert_text_refused(BEGIN "\nw 60 A 192.0.2.1\nv 60 A 192.0.2.1\nW 60 A 192.0.2.2\n" END "\n",
                        "4: a second record");
}

static void owners_bytes_are_kept(void **data)
{
    const struct change_request *set = change("w.example.test.", "192.0.2.9", 60);

    (void)data;
    /* No markers: they are put at the end, with the file's own line ends. */
    assert_rewritten("@ SOA n h ( 0000000005 ; Serial number\n1 1 1 1)", set,
                     "@ SOA n h ( 7 ; Serial number\n1 1 1 1)\n" BEGIN "\nw.example.test. 60 IN A 192.0.2.9\n" END
                     "\n");
    assert_rewritten("@ SOA n h (\r\n5;serial\r\n1 1 1 1)\r\n", set,
                     "@ SOA n h (\r\n7;serial\r\n1 1 1 1)\r\n" BEGIN "\r\nw.example.test. 60 IN A 192.0.2.9\r\n" END
                     "\r\n");
    /* Text on both sides, markers as somebody shortened them, odd spaces, no newline at the end. */
    assert_rewritten(
        "; a\n\n" SOA "x  TXT\t\"\\\"; serial\"  \n; ddns53 begin\nw.example.test. 5 IN A 192.0.2.1\n"
        "; ddns53 end \n\n  ; tail\t",
        set,
        "; a\n\n@ IN SOA ns hostmaster (\n 7 ; serial\n 1 1 1 1 )\nx  TXT\t\"\\\"; serial\"  \n; ddns53 begin\n"
        "w.example.test. 60 IN A 192.0.2.9\n; ddns53 end \n\n  ; tail\t");
    /* The SOA behind our records. */
    assert_rewritten(BEGIN "\nv.example.test. 5 IN A 192.0.2.1\n" END "\n" SOA, set,
                     BEGIN "\nv.example.test. 5 IN A 192.0.2.1\nw.example.test. 60 IN A 192.0.2.9\n" END
                           "\n@ IN SOA ns hostmaster (\n 7 ; serial\n 1 1 1 1 )\n");
}

static void records_are_in_order(void **data)
{
    const struct change_request *first[] = {
        change("b.example.test.", "192.0.2.1", 60),   change("a.z.example.test.", "192.0.2.2", 60),
        change("b.example.test.", "2001:db8::1", 60), change("b-1.example.test.", "192.0.2.3", 60),
        change("*.b.example.test.", "192.0.2.4", 60), change("c.b.example.test.", "192.0.2.5", 60),
        change("example.test.", "192.0.2.6", 60),     change("z.example.test.", "192.0.2.7", 60),
        change("a.z.example.test.", "192.0.2.8", 60), /* again: the later counts */
    };
    const struct change_request *second[] = {
        change("0.example.test.", "192.0.2.10", 60),
        change("zz.example.test.", "192.0.2.11", 60),
        change("b.example.test.", "192.0.2.12", 60),
    };
    _cleanup_(zone_text_freep) struct zone_text *zone = read_text(SOA);
    _cleanup_(zone_text_freep) struct zone_text *again = NULL;
    _cleanup_buffer_ struct buffer written = BUFFER_INIT;
    _cleanup_buffer_ struct buffer written_again = BUFFER_INIT;
    bool is_changed = false;

    (void)data;
    assert_int_equal(zone_text_set(zone, first, ELEMENTS(first), &is_changed), 0);
    assert_int_equal(zone_text_set(zone, second, ELEMENTS(second), &is_changed), 0);
    assert_true(is_changed);
    assert_int_equal(zone_text_set(zone, second, ELEMENTS(second), &is_changed), 0);
    assert_false(is_changed);
    assert_int_equal(zone_text_set(zone, NULL, 0, &is_changed), 0);
    assert_false(is_changed);
    write_text(zone, 5, &written);
    assert_string_equal(buffer_text(&written), SOA BEGIN "\n"
                                                         "example.test. 60 IN A 192.0.2.6\n"
                                                         "0.example.test. 60 IN A 192.0.2.10\n"
                                                         "b.example.test. 60 IN A 192.0.2.12\n"
                                                         "b.example.test. 60 IN AAAA 2001:db8::1\n"
                                                         "*.b.example.test. 60 IN A 192.0.2.4\n"
                                                         "c.b.example.test. 60 IN A 192.0.2.5\n"
                                                         "b-1.example.test. 60 IN A 192.0.2.3\n"
                                                         "z.example.test. 60 IN A 192.0.2.7\n"
                                                         "a.z.example.test. 60 IN A 192.0.2.8\n"
                                                         "zz.example.test. 60 IN A 192.0.2.11\n" END "\n");
    again = read_text(buffer_text(&written));
    write_text(again, 5, &written_again);
    assert_string_equal(buffer_text(&written_again), buffer_text(&written));
}

/* ---- TXT ---- */

static void texts_of_ours(void **data)
{
    static const struct {
        const char *lines;
        const char *listing;
    } rows[] = {
        {"t.example.test. 60 IN TXT \"one\"\n", "t.example.test. TXT \"one\" 60\n"},
        /* A set is a line a value, in any order; the same one twice is one. */
        {"t.example.test. 60 IN TXT \"b\"\nt.example.test. 60 IN TXT \"a\"\nt.example.test. 60 IN TXT \"b\"\n",
         "t.example.test. TXT \"a\"\n\"b\" 60\n"},
        {"t.example.test. 60 IN TXT \"b\"\nu.example.test. 60 IN TXT \"c\"\nT.example.test. 60 IN TXT \"a\"\n",
         "t.example.test. TXT \"a\"\n\"b\" 60\nu.example.test. TXT \"c\" 60\n"},
        {"t 60 TXT \"a b\" \"c\"\n", "t.example.test. TXT \"a b\" \"c\" 60\n"},
        {"t 60 TXT a b\n", "t.example.test. TXT \"a\" \"b\" 60\n"},
        {"t 60 TXT \"\"\n", "t.example.test. TXT \"\" 60\n"},
        {"t 60 TXT \"\\010\\\"; (\"\n", "t.example.test. TXT \"\\010\\034; (\" 60\n"},
        /* As people may have rewritten it: over several lines, with comments. */
        {"t 60 TXT ( \"a\" ; first\n\"b\"\n c ) \"d\" ; last\n", "t.example.test. TXT \"a\" \"b\" \"c\" \"d\" 60\n"},
        {"t 60 TXT \"a\" (\"b\") ( ( c ) ) d\n", "t.example.test. TXT \"a\" \"b\" \"c\" \"d\" 60\n"},
        /* Beside addresses. */
        {"t 60 TXT \"a\"\nt 60 A 192.0.2.1\n", "t.example.test. A 192.0.2.1 60\nt.example.test. TXT \"a\" 60\n"},
    };

    (void)data;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_buffer_ struct buffer text = BUFFER_INIT;
        buffer_printf(&text, BEGIN "\n%s" END "\n", rows[i].lines);
        assert_listing(buffer_text(&text), rows[i].listing);
    }
}

static void too_many_texts(void **data)
{
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;
    char problem[64];

    (void)data;
    buffer_append_text(&text, BEGIN "\n");
    for (unsigned i = 0; i <= RDATA_VALUES_MAX; i++) {
        buffer_printf(&text, "t 60 TXT \"%u\"\n", i);
    }
    buffer_append_text(&text, END "\n");
    (void)snprintf(problem, sizeof(problem), "%u: too many texts", RDATA_VALUES_MAX + 2);
    assert_text_refused(buffer_text(&text), problem);
}

static void texts_are_written(void **data)
{
    static const char before[] = SOA BEGIN "\n"
                                           "t.example.test. 60 IN A 192.0.2.1\n"
                                           "t.example.test. 60 IN TXT \"old\"\n"
                                           "t.example.test. 60 IN TXT \"older\"\n" END "\n";
    static const char after[] = "@ IN SOA ns hostmaster (\n 7 ; serial\n 1 1 1 1 )\n" BEGIN "\n";

    (void)data;
    const struct {
        const struct change_request *set;
        const char *block;
    } rows[] = {
        {change("t.example.test.", "\"two \\\"2\\\"\"\n\"one\" \"more\"", 300),
         "t.example.test. 60 IN A 192.0.2.1\n"
         "t.example.test. 300 IN TXT \"one\" \"more\"\n"
         "t.example.test. 300 IN TXT \"two \\0342\\034\"\n"},
        {change("s.example.test.", "\"new\"", 60), "s.example.test. 60 IN TXT \"new\"\n"
                                                   "t.example.test. 60 IN A 192.0.2.1\n"
                                                   "t.example.test. 60 IN TXT \"old\"\n"
                                                   "t.example.test. 60 IN TXT \"older\"\n"},
        {withdrawal("t.example.test.", "\"old\"\n\"older\"", 60), "t.example.test. 60 IN A 192.0.2.1\n"},
        {withdrawal("t.example.test.", "192.0.2.1", 60), "t.example.test. 60 IN TXT \"old\"\n"
                                                         "t.example.test. 60 IN TXT \"older\"\n"},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_buffer_ struct buffer expected = BUFFER_INIT;
        buffer_printf(&expected, "%s%s" END "\n", after, rows[i].block);
        assert_rewritten(before, rows[i].set, buffer_text(&expected));
    }
}

static void withdrawn_in_a_batch(void **data)
{
    const struct change_request *changes[] = {
        withdrawal("a.example.test.", "192.0.2.1", 60), change("b.example.test.", "192.0.2.2", 60),
        withdrawal("b.example.test.", "192.0.2.2", 60), /* again: the later counts */
        withdrawal("c.example.test.", "192.0.2.3", 60), /* it is not there */
        change("d.example.test.", "192.0.2.4", 60),
    };
    _cleanup_(zone_text_freep) struct zone_text *zone =
        read_text(SOA BEGIN "\na.example.test. 60 IN A 192.0.2.1\n" END "\n");
    _cleanup_buffer_ struct buffer written = BUFFER_INIT;
    bool is_changed = false;

    (void)data;
    assert_int_equal(zone_text_set(zone, changes, ELEMENTS(changes), &is_changed), 0);
    assert_true(is_changed);
    assert_int_equal(zone_text_set(zone, &changes[2], 2, &is_changed), 0);
    assert_false(is_changed);
    write_text(zone, 5, &written);
    assert_string_equal(buffer_text(&written), SOA BEGIN "\nd.example.test. 60 IN A 192.0.2.4\n" END "\n");
}

static void serials(void **data)
{
    static const struct {
        uint32_t old;
        uint32_t next;
    } rows[] = {
        {0, 2026112100},          {1, 2026112100},          {2026112099, 2026112100}, {2026112100, 2026112101},
        {2026112199, 2026112200}, {2027010100, 2027010101}, {1795302951, 2026112100}, {3000000000, 3000000001},
        {4294967295, 2026112100}, {4173595749, 2026112100}, /* RFC 1982: these are before it */
        {4173595748, 4173595749}, {4173595747, 4173595748},
    };

    (void)data;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        assert_int_equal(zone_serial_next(rows[i].old, NOW_MS / 1000), rows[i].next);
    }
    /* A clock from before the epoch of serials; and the number after the last is 1. */
    assert_int_equal(zone_serial_next(4294967295, 0), 1970010100);
    assert_int_equal(zone_serial_next(4294967295, INT64_C(-62135596801)), 1);
}

static void serial_must_be_marked(void **data)
{
    static const struct {
        const char *text;
        const char *problem; /* NULL: it is 5 */
    } rows[] = {
        {"@ SOA n h 5 1 1 1 1 ; serial\n", NULL},
        {"@ SOA n h (\n5\t;SERIAL (YYYYMMDDnn)\n1 1 1 1)\n", NULL},
        {"@ SOA n h (\n5 ;; serial: raise it\n1 1 1 1)\n", NULL},
        {"www A 192.0.2.1\n", "no SOA record"},
        {"@ SOA n h 5 1 1 1 1\n", "1: the serial of the SOA record is not marked"},
        {"\n@ SOA n h (\n5\n1 ; serial\n1 1 1)\n", "2: the serial of the SOA record is not marked"},
        {"@ SOA n h (\n5 ; serially\n1 1 1 1)\n", "1: the serial of the SOA record is not marked"},
        {"@ SOA n h (\nx ; serial\n1 1 1 1)\n", "1: the serial of the SOA record is not a number"},
        {"@ SOA n h (\n4294967296 ; serial\n1 1 1 1)\n", "1: the serial of the SOA record is not a number"},
        {"@ SOA n h ; serial\n", "1: the serial of the SOA record is not a number"},
    };

    (void)data;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_(zone_text_freep) struct zone_text *zone = read_text(rows[i].text);
        _cleanup_buffer_ struct buffer message = BUFFER_INIT;
        uint32_t serial = 0;
        int r = zone_text_serial(zone, &message, &serial);

        if (!rows[i].problem) {
            assert_int_equal(r, 0);
            assert_int_equal(serial, 5);
        } else if (r != -ENOENT || strncmp(buffer_text(&message), rows[i].problem, strlen(rows[i].problem)) != 0) {
            fail_msg("row %zu: %d %s", i, r, buffer_text(&message));
        }
    }
}

/* ---- the provider ---- */

struct fixture {
    char *folder;
    char *zones; /* does not exist at first */
    char *path;
    struct clock clock;
    struct loop *loop;
    struct worker *worker;
    struct worker *large_worker;
    struct provider_zone *zone;
    unsigned written;
    unsigned changed;
    struct buffer log;
};

static void note_written(const char *name, const char *path, void *userdata)
{
    struct fixture *fixture = userdata;

    assert_string_equal(name, ZONE);
    assert_string_equal(path, fixture->path);
    fixture->written++;
}

static void note_changed(void *userdata)
{
    struct fixture *fixture = userdata;

    fixture->changed++;
}

/* Until nobody has anything to do, without moving the clock. Returns how many jobs the large worker had. */
static unsigned turn(struct fixture *fixture)
{
    unsigned large = 0;

    for (bool is_busy = true; is_busy;) {
        loop_turn(fixture->loop, 0);
        is_busy = worker_turn(fixture->worker);
        while (worker_turn(fixture->large_worker)) {
            large++;
            is_busy = true;
        }
    }
    return large;
}

static int setup(void **data)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->folder = temporary_folder_make();
    fixture->zones = path_join(fixture->folder, "a/zones");
    fixture->path = path_join(fixture->zones, "example.test.zone");
    clock_init_test(&fixture->clock, 1000, NOW_MS);
    fixture->loop = loop_new(&fixture->clock);
    fixture->worker = worker_new(fixture->loop, "zones");
    fixture->large_worker = worker_new(fixture->loop, "large zones");
    const struct zonefile_options options = {
        .folder = fixture->zones,
        .worker = fixture->worker,
        .large_worker = fixture->large_worker,
        .written = note_written,
        .userdata = fixture,
    };
    fixture->zone = zonefile_zone_new(fixture->loop, &options, ZONE, 60);
    assert_non_null(fixture->zone);
    log_set_sink(log_lines_keep, &fixture->log);
    *data = fixture;
    return 0;
}

static int teardown(void **data)
{
    struct fixture *fixture = *data;

    log_set_sink(NULL, NULL);
    zonefile_ops.free(fixture->zone);
    worker_free(fixture->worker);
    worker_free(fixture->large_worker);
    loop_free(fixture->loop);
    buffer_done(&fixture->log);
    temporary_folder_remove(fixture->folder);
    free(fixture->zones);
    free(fixture->path);
    free(fixture);
    return 0;
}

/* What a callback was told. */
struct answer {
    unsigned calls;
    enum provider_outcome outcome;
    uint32_t rest_ms;
    struct buffer message;
    char change_id[32];
    size_t culprit;
    struct buffer found;
    size_t count;
    bool more;
};

static void keep_result(struct answer *answer, const struct provider_result *result)
{
    answer->calls++;
    answer->outcome = result->outcome;
    answer->rest_ms = result->rest_ms;
    answer->culprit = result->culprit;
    buffer_clear(&answer->message);
    buffer_append_text(&answer->message, result->message);
    (void)snprintf(answer->change_id, sizeof(answer->change_id), "%s", result->change_id);
}

static void answer_done(struct answer *answer)
{
    buffer_done(&answer->message);
    buffer_done(&answer->found);
}
#define _cleanup_answer_ _cleanup_(answer_done)

static void on_applied(const struct provider_result *result, void *userdata)
{
    keep_result(userdata, result);
}

static void on_looked_up(const struct provider_result *result, const struct provider_found *found, void *userdata)
{
    struct answer *answer = userdata;

    keep_result(answer, result);
    assert_true(!found == (result->outcome != PROVIDER_DONE));
    if (found) {
        print_found(found, &answer->found);
    }
}

static void on_each(const struct provider_found *found, void *userdata)
{
    struct answer *answer = userdata;

    assert_int_equal(answer->calls, 0);
    print_found(found, &answer->found);
}

static void on_listed(const struct provider_result *result, bool more, void *userdata)
{
    keep_result(userdata, result);
    assert_false(more);
}

static void on_prepared(const struct provider_result *result, bool more, uint64_t record_count, void *userdata)
{
    keep_result(userdata, result);
    assert_false(more);
    assert_int_equal(record_count, 0);
}

static void wait_for(struct fixture *fixture, const struct answer *answer)
{
    assert_int_equal(answer->calls, 0);
    loop_turn(fixture->loop, 0);
    assert_int_equal(answer->calls, 0); /* not without the worker */
    (void)turn(fixture);
    assert_int_equal(answer->calls, 1);
}

static void apply(struct fixture *fixture, const struct change_request *const *changes, size_t count,
                  struct answer *ret_answer)
{
    ret_answer->calls = 0;
    zonefile_ops.apply(fixture->zone, changes, count, on_applied, ret_answer);
    wait_for(fixture, ret_answer);
}

static void assert_applied(struct fixture *fixture, const char *hostname, const char *address)
{
    _cleanup_answer_ struct answer answer = {0};
    const struct change_request *set = change(hostname, address, 60);

    apply(fixture, &set, 1, &answer);
    assert_string_equal(buffer_text(&answer.message), "");
    assert_int_equal(answer.outcome, PROVIDER_DONE);
}

static void assert_prepared(struct fixture *fixture, enum provider_outcome outcome, const char *words)
{
    _cleanup_answer_ struct answer answer = {0};

    zonefile_ops.prepare(fixture->zone, on_prepared, &answer);
    wait_for(fixture, &answer);
    if (answer.outcome != outcome || !strstr(buffer_text(&answer.message), words)) {
        fail_msg("outcome %d: %s", answer.outcome, buffer_text(&answer.message));
    }
}

static void assert_zone_listing(struct fixture *fixture, const char *expected)
{
    _cleanup_answer_ struct answer answer = {0};

    zonefile_ops.list_page(fixture->zone, true, on_each, on_listed, &answer);
    wait_for(fixture, &answer);
    assert_int_equal(answer.outcome, PROVIDER_DONE);
    assert_string_equal(buffer_text(&answer.found), expected);
}

static char *content_of(const char *path)
{
    struct buffer content = BUFFER_INIT;

    assert_int_equal(file_read(path, (size_t)1 << 24, &content, NULL), 0);
    return buffer_take(&content);
}

static void write_zone(struct fixture *fixture, const char *text)
{
    assert_int_equal(folder_make(fixture->zones, 0700), 0);
    assert_int_equal(file_replace(fixture->path, text, strlen(text), 0640), 0);
}

static void replace_in_zone(struct fixture *fixture, const char *old, const char *new)
{
    _cleanup_free_ char *content = content_of(fixture->path);
    _cleanup_buffer_ struct buffer edited = BUFFER_INIT;
    const char *at = strstr(content, old);

    assert_non_null(at);
    buffer_append(&edited, content, (size_t)(at - content));
    buffer_append_text(&edited, new);
    buffer_append_text(&edited, at + strlen(old));
    write_zone(fixture, buffer_text(&edited));
}

static void assert_in_zone(struct fixture *fixture, const char *text)
{
    _cleanup_free_ char *content = content_of(fixture->path);

    if (!strstr(content, text)) {
        fail_msg("no \"%s\" in:\n%s", text, content);
    }
}

/* BIND's own opinion, where it is installed; the last thing that a test asks for. */
static void assert_bind_accepts(const char *path)
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        execlp("named-checkzone", "named-checkzone", "-q", "example.test", path, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 127) {
        print_message("named-checkzone is not installed (Debian: bind9-utils)\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void missing_file_is_made(void **data)
{
    struct fixture *fixture = *data;
    struct stat file;

    assert_prepared(fixture, PROVIDER_DONE, "");
    assert_int_equal(stat(fixture->path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0644);
    assert_in_zone(fixture, "$ORIGIN example.test.\n$TTL 60\n@ IN SOA ");
    assert_in_zone(fixture, " 2026112100 ; serial\n");
    assert_in_zone(fixture, "\n" BEGIN "\n" END "\n");
    assert_non_null(strstr(buffer_text(&fixture->log), "zone_file_made"));
    assert_bind_accepts(fixture->path);
}

static void records_are_set(void **data)
{
    struct fixture *fixture = *data;
    const struct change_request *changes[] = {
        change("b.example.test.", "192.0.2.1", 60),
        change("*.a.example.test.", "2001:db8::1", 300),
        change("example.test.", "192.0.2.2", 60),
    };
    _cleanup_answer_ struct answer answer = {0};

    apply(fixture, changes, ELEMENTS(changes), &answer);
    assert_int_equal(answer.outcome, PROVIDER_DONE);
    assert_string_equal(answer.change_id, "serial 2026112101");
    assert_in_zone(fixture, " 2026112101 ; serial\n");
    assert_in_zone(fixture, BEGIN "\nexample.test. 60 IN A 192.0.2.2\n*.a.example.test. 300 IN AAAA 2001:db8::1\n"
                                  "b.example.test. 60 IN A 192.0.2.1\n" END "\n");
    assert_zone_listing(fixture, "example.test. A 192.0.2.2 60\n*.a.example.test. AAAA 2001:db8::1 300\n"
                                 "b.example.test. A 192.0.2.1 60\n");

    fixture->clock.test_realtime_ms += 86400000;
    assert_applied(fixture, "b.example.test.", "192.0.2.3");
    assert_in_zone(fixture, " 2026112200 ; serial\n");
    fixture->clock.test_realtime_ms = 0; /* never back */
    assert_applied(fixture, "b.example.test.", "192.0.2.4");
    assert_in_zone(fixture, " 2026112201 ; serial\n");
    assert_bind_accepts(fixture->path);
}

static void texts_are_set_and_withdrawn(void **data)
{
    struct fixture *fixture = *data;
    const struct change_request *set[] = {change("_acme-challenge.example.test.", "\"two\"\n\"one\"", 60)};
    const struct change_request *withdrawn[] = {withdrawal("_acme-challenge.example.test.", "\"one\"\n\"two\"", 60)};
    _cleanup_answer_ struct answer answer = {0};

    apply(fixture, set, 1, &answer);
    assert_int_equal(answer.outcome, PROVIDER_DONE);
    assert_in_zone(fixture, BEGIN "\n_acme-challenge.example.test. 60 IN TXT \"one\"\n"
                                  "_acme-challenge.example.test. 60 IN TXT \"two\"\n" END "\n");
    assert_zone_listing(fixture, "_acme-challenge.example.test. TXT \"one\"\n\"two\" 60\n");
    answer.calls = 0;
    zonefile_ops.look_up(fixture->zone, set[0]->record, on_looked_up, &answer);
    wait_for(fixture, &answer);
    assert_string_equal(buffer_text(&answer.found), "_acme-challenge.example.test. TXT \"one\"\n\"two\" 60\n");

    apply(fixture, withdrawn, 1, &answer);
    assert_string_equal(answer.change_id, "serial 2026112102");
    assert_zone_listing(fixture, "");
    apply(fixture, withdrawn, 1, &answer);
    assert_int_equal(answer.outcome, PROVIDER_DONE);
    assert_string_equal(answer.change_id, ""); /* nothing was to be done */
    assert_bind_accepts(fixture->path);
}

/* A copy from before a withdrawal, as one from before a new address. */
static void stale_copy_does_not_bring_back_what_was_withdrawn(void **data)
{
    struct fixture *fixture = *data;
    const struct change_request *set[] = {change("t.example.test.", "\"token\"", 60)};
    const struct change_request *withdrawn[] = {withdrawal("t.example.test.", "\"token\"", 60)};
    _cleanup_answer_ struct answer answer = {0};
    _cleanup_free_ char *stale = NULL;

    apply(fixture, set, 1, &answer);
    stale = content_of(fixture->path);
    apply(fixture, withdrawn, 1, &answer);
    write_zone(fixture, stale);
    assert_zone_listing(fixture, "");
    assert_non_null(strstr(buffer_text(&fixture->log), "zone_file_merged"));
    replace_in_zone(fixture, END, "t.example.test. 60 IN TXT \"token\"\n" END); /* the owner means it */
    assert_zone_listing(fixture, "t.example.test. TXT \"token\" 60\n");
}

static void same_again_writes_nothing(void **data)
{
    struct fixture *fixture = *data;
    struct stat before, after;

    assert_applied(fixture, "b.example.test.", "192.0.2.1");
    assert_int_equal(stat(fixture->path, &before), 0);
    assert_applied(fixture, "b.example.test.", "192.0.2.1");
    assert_int_equal(stat(fixture->path, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_in_zone(fixture, " 2026112101 ; serial\n");
}

static void look_ups(void **data)
{
    static const struct {
        const char *hostname;
        enum record_type type;
        const char *expected;
    } rows[] = {
        {"a.example.test.", RECORD_A, "a.example.test. A 192.0.2.1 60\n"},
        {"a.example.test.", RECORD_AAAA, "a.example.test. AAAA absent\n"},
        {"b.example.test.", RECORD_A, "b.example.test. A foreign\n"},
        {"b.example.test.", RECORD_AAAA, "b.example.test. AAAA absent\n"},
        {"c.example.test.", RECORD_AAAA, "c.example.test. AAAA foreign\n"},
        {"c.example.test.", RECORD_TXT, "c.example.test. TXT foreign\n"},
        {"d.example.test.", RECORD_A, "d.example.test. A absent\n"},
        {"d.example.test.", RECORD_TXT, "d.example.test. TXT foreign\n"},
        {"a.example.test.", RECORD_TXT, "a.example.test. TXT absent\n"},
    };
    struct fixture *fixture = *data;

    write_zone(fixture,
               SOA "b A 192.0.2.7\nc CNAME b\nd TXT x\n" BEGIN "\na.example.test. 60 IN A 192.0.2.1\n" END "\n");
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_answer_ struct answer answer = {0};

        zonefile_ops.look_up(fixture->zone, record_made(rows[i].hostname, rows[i].type), on_looked_up, &answer);
        wait_for(fixture, &answer);
        assert_string_equal(buffer_text(&answer.found), rows[i].expected);
    }
}

static void owners_records_are_not_touched(void **data)
{
    const char *text = SOA "b A 192.0.2.7\nc CNAME b\n";
    const struct change_request *changes[] = {
        change("a.example.test.", "192.0.2.1", 60),
        change("c.example.test.", "2001:db8::1", 60),
    };
    struct fixture *fixture = *data;
    _cleanup_answer_ struct answer answer = {0};
    _cleanup_free_ char *content = NULL;

    write_zone(fixture, text);
    apply(fixture, changes, ELEMENTS(changes), &answer);
    assert_int_equal(answer.outcome, PROVIDER_REFUSED);
    assert_int_equal(answer.culprit, 1);
    assert_non_null(
        strstr(buffer_text(&answer.message),
               "example.test.zone:5: c.example.test. has a CNAME or AAAA record outside of the ddns53 markers"));
    content = content_of(fixture->path);
    assert_string_equal(content, text); /* all or none */
    apply(fixture, changes, 1, &answer);
    assert_int_equal(answer.outcome, PROVIDER_DONE);
}

static void owners_edits_are_honoured(void **data)
{
    struct fixture *fixture = *data;
    struct stat file;

    assert_applied(fixture, "a.example.test.", "192.0.2.1");
    assert_applied(fixture, "b.example.test.", "192.0.2.2");
    replace_in_zone(fixture, "@ IN NS localhost.\n", "@ IN NS mail\nmail A 192.0.2.99\n");
    replace_in_zone(fixture, "b.example.test. 60 IN A 192.0.2.2\n", "");
    replace_in_zone(fixture, "2026112102", "2026112150");
    assert_zone_listing(fixture, "mail.example.test. A foreign\na.example.test. A 192.0.2.1 60\n");
    assert_applied(fixture, "c.example.test.", "192.0.2.3");
    assert_in_zone(fixture, "@ IN NS mail\nmail A 192.0.2.99\n");
    assert_in_zone(fixture, BEGIN "\na.example.test. 60 IN A 192.0.2.1\nc.example.test. 60 IN A 192.0.2.3\n" END);
    assert_in_zone(fixture, " 2026112151 ; serial\n");
    assert_int_equal(stat(fixture->path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0640); /* as the owner left it */
    assert_bind_accepts(fixture->path);
}

static void broken_file_waits_for_its_owner(void **data)
{
    struct fixture *fixture = *data;
    _cleanup_answer_ struct answer answer = {0};
    const struct change_request *set = change("a.example.test.", "192.0.2.1", 60);

    write_zone(fixture, "@ SOA n h (\n");
    assert_prepared(fixture, PROVIDER_TRANSIENT, "example.test.zone:2: '(' without ')': correct");
    apply(fixture, &set, 1, &answer);
    assert_int_equal(answer.outcome, PROVIDER_TRANSIENT);
    write_zone(fixture, "@ SOA n h 5 1 1 1 1\n");
    assert_prepared(fixture, PROVIDER_TRANSIENT, "example.test.zone:1: the serial");
    apply(fixture, &set, 1, &answer);
    assert_int_equal(answer.outcome, PROVIDER_TRANSIENT);
    write_zone(fixture, "@ NS n\n");
    assert_prepared(fixture, PROVIDER_TRANSIENT, "example.test.zone: no SOA");
    write_zone(fixture, SOA);
    apply(fixture, &set, 1, &answer);
    assert_int_equal(answer.outcome, PROVIDER_DONE);
}

static void vanished_file_is_not_made_anew(void **data)
{
    struct fixture *fixture = *data;
    _cleanup_answer_ struct answer answer = {0};
    _cleanup_free_ char *content = NULL;
    const struct change_request *set = change("a.example.test.", "192.0.2.1", 60);

    assert_prepared(fixture, PROVIDER_DONE, "");
    content = content_of(fixture->path);
    assert_int_equal(unlink(fixture->path), 0);
    apply(fixture, &set, 1, &answer);
    assert_int_equal(answer.outcome, PROVIDER_TRANSIENT);
    assert_non_null(strstr(buffer_text(&answer.message), "put it back"));
    assert_prepared(fixture, PROVIDER_TRANSIENT, "put it back");
    write_zone(fixture, content);
    apply(fixture, &set, 1, &answer);
    assert_int_equal(answer.outcome, PROVIDER_DONE);
}

static void no_room_and_room_again(void **data)
{
    struct fixture *fixture = *data;
    _cleanup_answer_ struct answer answer = {0};
    _cleanup_free_ char *before = NULL, *after = NULL;
    const struct change_request *set = change("b.example.test.", "192.0.2.1", 60);
    struct rlimit unlimited, small;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

    assert_applied(fixture, "a.example.test.", "192.0.2.1");
    before = content_of(fixture->path);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    small = (struct rlimit){.rlim_cur = strlen(before), .rlim_max = unlimited.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    apply(fixture, &set, 1, &answer);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(answer.outcome, PROVIDER_TRANSIENT);
    after = content_of(fixture->path);
    assert_string_equal(after, before);
    assert_zone_listing(fixture, "a.example.test. A 192.0.2.1 60\n");
    apply(fixture, &set, 1, &answer);
    assert_int_equal(answer.outcome, PROVIDER_DONE);
    assert_in_zone(fixture, "b.example.test. 60 IN A 192.0.2.1\n");
}

static void freed_with_answers_on_the_way(void **data)
{
    struct fixture *fixture = *data;
    struct answer answer = {0};
    const struct change_request *set = change("a.example.test.", "192.0.2.1", 60);

    zonefile_ops.prepare(fixture->zone, on_prepared, &answer);
    zonefile_ops.apply(fixture->zone, &set, 1, on_applied, &answer);
    zonefile_ops.look_up(fixture->zone, record_made(ZONE, RECORD_A), on_looked_up, &answer);
    zonefile_ops.list_page(fixture->zone, true, on_each, on_listed, &answer);
    assert_true(worker_turn(fixture->worker)); /* one has been done, the others wait */
    zonefile_ops.free(TAKE_PTR(fixture->zone));
    zonefile_ops.free(NULL);
    (void)turn(fixture);
    assert_int_equal(answer.calls, 0);
}

struct chain {
    struct fixture *fixture;
    const struct change_request *set; /* borrowed until the answer */
    uint8_t left;
};

static void on_chained(const struct provider_result *result, void *userdata)
{
    struct chain *chain = userdata;
    char address[16];

    assert_int_equal(result->outcome, PROVIDER_DONE);
    if (--chain->left > 0) {
        (void)snprintf(address, sizeof(address), "192.0.2.%hhu", chain->left);
        chain->set = change("a.example.test.", address, 60);
        zonefile_ops.apply(chain->fixture->zone, &chain->set, 1, on_chained, chain);
    }
}

/* The queue sends the next batch from inside the answer to the last one. */
static void batches_follow_each_other(void **data)
{
    struct chain chain = {.fixture = *data, .set = change("a.example.test.", "192.0.2.200", 60), .left = 5};

    zonefile_ops.apply(chain.fixture->zone, &chain.set, 1, on_chained, &chain);
    (void)turn(chain.fixture);
    assert_int_equal(chain.left, 0);
    assert_in_zone(chain.fixture, "a.example.test. 60 IN A 192.0.2.1\n");
    assert_in_zone(chain.fixture, " 2026112105 ; serial\n");
}

/* ---- what the owner does meanwhile ---- */

static void move_clock(struct fixture *fixture, int64_t ms)
{
    for (int64_t i = 0; i < ms; i += 10) {
        fixture->clock.test_monotonic_ms += 10;
        (void)turn(fixture);
    }
}

static bool knows_ours(const char *hostname, enum record_type type, void *userdata)
{
    (void)userdata;
    return hostname[0] == 'h' || type == RECORD_AAAA;
}

static void edits_are_noticed(void **data)
{
    struct fixture *fixture = *data;
    const struct provider_watcher watcher = {.changed = note_changed, .knows = knows_ours, .userdata = fixture};

    assert_applied(fixture, "a.example.test.", "192.0.2.1");
    assert_int_equal(zonefile_ops.watch(fixture->zone, &watcher), 0);
    move_clock(fixture, 3000);
    assert_int_equal(fixture->changed, 0); /* our own are no news */
    assert_applied(fixture, "a.example.test.", "192.0.2.2");
    move_clock(fixture, 3000);
    assert_int_equal(fixture->changed, 0);
    replace_in_zone(fixture, "a.example.test. 60 IN A 192.0.2.2\n", "");
    move_clock(fixture, 1000);
    assert_int_equal(fixture->changed, 1);
    move_clock(fixture, 3000);
    assert_int_equal(fixture->changed, 1); /* once */
    assert_int_equal(unlink(fixture->path), 0);
    move_clock(fixture, 1000);
    assert_int_equal(fixture->changed, 2);
}

/* The owner's editor has read the file before our last changes, and writes it after them. */
static void stale_copy_does_not_undo_changes(void **data)
{
    struct fixture *fixture = *data;
    _cleanup_free_ char *stale = NULL;
    _cleanup_buffer_ struct buffer edited = BUFFER_INIT;

    assert_applied(fixture, "a.example.test.", "192.0.2.1");
    assert_applied(fixture, "b.example.test.", "192.0.2.1");
    stale = content_of(fixture->path);
    assert_applied(fixture, "a.example.test.", "192.0.2.2");
    assert_applied(fixture, "a.example.test.", "192.0.2.3");
    assert_applied(fixture, "c.example.test.", "192.0.2.4");
    buffer_printf(&edited, "%sowners A 192.0.2.99\n", stale);
    write_zone(fixture, buffer_text(&edited));
    assert_zone_listing(fixture, "owners.example.test. A foreign\n"
                                 "a.example.test. A 192.0.2.3 60\n"
                                 "b.example.test. A 192.0.2.1 60\n"
                                 "c.example.test. A 192.0.2.4 60\n");
    assert_in_zone(fixture, "a.example.test. 60 IN A 192.0.2.3\n");
    assert_in_zone(fixture, "c.example.test. 60 IN A 192.0.2.4\n");
    assert_in_zone(fixture, "owners A 192.0.2.99\n");
    assert_non_null(strstr(buffer_text(&fixture->log), "zone_file_merged"));

    /* What the owner means is something else: another address, or a record that goes although it was there before. */
    replace_in_zone(fixture, "a.example.test. 60 IN A 192.0.2.3\n", "a.example.test. 60 IN A 192.0.2.77\n");
    replace_in_zone(fixture, "b.example.test. 60 IN A 192.0.2.1\n", "");
    replace_in_zone(fixture, "c.example.test. 60 IN A 192.0.2.4\n", ""); /* made from the latest version */
    assert_zone_listing(fixture, "owners.example.test. A foreign\na.example.test. A 192.0.2.77 60\n");

    /* After an hour nobody remembers; but the serial does not go back. */
    fixture->clock.test_monotonic_ms += INT64_C(3600000);
    write_zone(fixture, stale);
    assert_zone_listing(fixture, "a.example.test. A 192.0.2.1 60\nb.example.test. A 192.0.2.1 60\n");
    assert_applied(fixture, "a.example.test.", "192.0.2.2");
    assert_in_zone(fixture, " 2026112107 ; serial\n");
}

static void editor_is_waited_for(void **data)
{
    struct fixture *fixture = *data;
    _cleanup_answer_ struct answer answer = {0};
    const struct change_request *set = change("a.example.test.", "192.0.2.1", 60);

    write_zone(fixture, SOA);
    for (unsigned has_end = 1; has_end < 2; has_end--) {
        _cleanup_close_ int editor = open(fixture->path, O_WRONLY | O_APPEND | O_CLOEXEC);

        answer.calls = 0;
        set = change("a.example.test.", has_end ? "192.0.2.2" : "192.0.2.3", 60);
        assert_true(editor >= 0);
        zonefile_ops.apply(fixture->zone, &set, 1, on_applied, &answer);
        move_clock(fixture, 1000);
        assert_int_equal(answer.calls, 0);
        assert_int_equal(write(editor, "x TXT x\n", 8), 8);
        if (has_end) {
            close(TAKE_FD(editor));
        }
        move_clock(fixture, 1000);
        assert_int_equal(answer.calls, 1);
        assert_int_equal(answer.outcome, has_end ? PROVIDER_DONE : PROVIDER_TRANSIENT);
    }
    assert_non_null(strstr(buffer_text(&answer.message), "another program has it open for writing"));
    assert_in_zone(fixture, "a.example.test. 60 IN A 192.0.2.2\n");
    assert_in_zone(fixture, "x TXT x\n");
}

static void count_found(const struct provider_found *found, void *userdata)
{
    struct answer *answer = userdata;

    assert_int_equal(found->knowledge, found->hostname[0] == 'n' ? RECORD_FOREIGN : RECORD_PLAIN);
    answer->count++;
}

static void on_page(const struct provider_result *result, bool more, void *userdata)
{
    struct answer *answer = userdata;

    keep_result(answer, result);
    answer->more = more;
}

/* Large files are another worker's, and are listed in pages; an edit between two pages hides nothing. */
static void large_files(void **data)
{
    struct fixture *fixture = *data;
    const struct change_request *changes[1500];
    char name[32];
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;
    _cleanup_answer_ struct answer answer = {0};

    buffer_append_text(&text, SOA);
    for (unsigned i = 0; i < 2500; i++) {
        buffer_printf(&text, "n%u A 192.0.2.1 ; %0500u\n", i, i);
    }
    write_zone(fixture, buffer_text(&text));
    for (unsigned i = 0; i < ELEMENTS(changes); i++) {
        (void)snprintf(name, sizeof(name), "h%u.example.test.", i);
        changes[i] = change(name, "192.0.2.9", 60);
    }
    zonefile_ops.apply(fixture->zone, changes, ELEMENTS(changes), on_applied, &answer);
    assert_int_equal(turn(fixture), 1);
    assert_int_equal(answer.outcome, PROVIDER_DONE);
    assert_int_equal(fixture->written, 1);
    assert_int_equal(answer.rest_ms, 200);
    zonefile_ops.apply(fixture->zone, changes, ELEMENTS(changes), on_applied, &answer);
    (void)turn(fixture);
    assert_int_equal(fixture->written, 1); /* all is there already: no cost, no rest */
    assert_int_equal(answer.rest_ms, 0);

    unsigned pages = 0;
    do {
        answer.calls = 0;
        zonefile_ops.list_page(fixture->zone, pages == 0, count_found, on_page, &answer);
        assert_int_equal(turn(fixture), 1);
        assert_int_equal(answer.outcome, PROVIDER_DONE);
        if (++pages == 2) {
            replace_in_zone(fixture, "n0 A 192.0.2.1", "n0 A 192.0.2.2\nn00 A 192.0.2.2");
        }
    } while (answer.more);
    assert_int_equal(answer.count, 4000);
    assert_int_equal(pages, 8);

    /* What nobody knows stays where it is. */
    const struct provider_watcher watcher = {.changed = note_changed, .knows = knows_ours, .userdata = fixture};
    assert_int_equal(zonefile_ops.watch(fixture->zone, &watcher), 0);
    answer.count = 0;
    pages = 0;
    do {
        answer.calls = 0;
        zonefile_ops.list_page(fixture->zone, pages++ == 0, count_found, on_page, &answer);
        (void)turn(fixture);
    } while (answer.more);
    assert_int_equal(answer.count, 1500);
    assert_int_equal(pages, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_the_owner),
        cmocka_unit_test(refused_texts),
        cmocka_unit_test(owners_bytes_are_kept),
        cmocka_unit_test(records_are_in_order),
        cmocka_unit_test(texts_of_ours),
        cmocka_unit_test(too_many_texts),
        cmocka_unit_test(texts_are_written),
        cmocka_unit_test(withdrawn_in_a_batch),
        cmocka_unit_test(serials),
        cmocka_unit_test(serial_must_be_marked),
        cmocka_unit_test_setup_teardown(missing_file_is_made, setup, teardown),
        cmocka_unit_test_setup_teardown(records_are_set, setup, teardown),
        cmocka_unit_test_setup_teardown(texts_are_set_and_withdrawn, setup, teardown),
        cmocka_unit_test_setup_teardown(stale_copy_does_not_bring_back_what_was_withdrawn, setup, teardown),
        cmocka_unit_test_setup_teardown(same_again_writes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(look_ups, setup, teardown),
        cmocka_unit_test_setup_teardown(owners_records_are_not_touched, setup, teardown),
        cmocka_unit_test_setup_teardown(owners_edits_are_honoured, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_file_waits_for_its_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(vanished_file_is_not_made_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(no_room_and_room_again, setup, teardown),
        cmocka_unit_test_setup_teardown(freed_with_answers_on_the_way, setup, teardown),
        cmocka_unit_test_setup_teardown(batches_follow_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(edits_are_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(stale_copy_does_not_undo_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(editor_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(large_files, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
