/* Unit tests of web/head: pieces as libmicrohttpd 0.9.75 leaves them, with NULs over the separators. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "web/head.h"

struct piece {
    size_t start, length;
};

/* `memory` has '|' for each NUL. The pieces are method, target, version, then a name and a value for each header. */
struct row {
    const char *memory;
    struct piece pieces[7];
    bool is_good;
    bool is_good_elsewhere; /* where the library does not parse in place */
};

static const struct row rows[] = {
    {"GET|/|HTTP/1.1||||", {{0, 3}, {4, 1}, {6, 8}}, true, true},
    {"GET|/|HTTP/1.1||A|b||||", {{0, 3}, {4, 1}, {6, 8}, {16, 1}, {18, 1}}, true, true},
    {"GET|/|HTTP/1.1||A| \t b||||", {{0, 3}, {4, 1}, {6, 8}, {16, 1}, {21, 1}}, true, true},
    {"GET|/|HTTP/1.1||A|||||", {{0, 3}, {4, 1}, {6, 8}, {16, 1}, {18, 0}}, true, true},
    {"GET|/|HTTP/1.1||A|b||C|d||||", {{0, 3}, {4, 1}, {6, 8}, {16, 1}, {18, 1}, {21, 1}, {23, 1}}, true, true},
    /* a gap: after the method, the target, the version, a name, a value, at the end */
    {"GET| /|HTTP/1.1||||", {{0, 3}, {5, 1}, {7, 8}}, false, true},
    {"GET|/| HTTP/1.1||||", {{0, 3}, {4, 1}, {7, 8}}, false, true},
    {"GET|/|HTTP/1.1|||A|b||||", {{0, 3}, {4, 1}, {6, 8}, {17, 1}, {19, 1}}, false, true},
    {"GET|/|HTTP/1.1||A|xb||||", {{0, 3}, {4, 1}, {6, 8}, {16, 1}, {19, 1}}, false, true},
    {"GET|/|HTTP/1.1||A||b||||", {{0, 3}, {4, 1}, {6, 8}, {16, 1}, {19, 1}}, false, true},
    {"GET|/|HTTP/1.1||A|b|x||C|d||||", {{0, 3}, {4, 1}, {6, 8}, {16, 1}, {18, 1}, {23, 1}, {25, 1}}, false, true},
    {"GET|/|HTTP/1.1||A|b|C|d||||", {{0, 3}, {4, 1}, {6, 8}, {16, 1}, {18, 1}, {20, 1}, {22, 1}}, false, true},
    {"GET|/|HTTP/1.1||A|b|||", {{0, 3}, {4, 1}, {6, 8}, {16, 1}, {18, 1}}, false, true},
    {"GET|/|HTTP/1.1||A|b|x||||", {{0, 3}, {4, 1}, {6, 8}, {16, 1}, {18, 1}}, false, true},
    {"GET|/|HTTP/1.1||A|b||x|", {{0, 3}, {4, 1}, {6, 8}, {16, 1}, {18, 1}}, false, true},
    {"GET|/|HTTP/1.1|x|||", {{0, 3}, {4, 1}, {6, 8}}, false, true},
    {"GET|/|HTTP/1.1||A|b|xC|d||||", {{0, 3}, {4, 1}, {6, 8}, {16, 1}, {18, 1}, {21, 1}, {23, 1}}, false, true},
    /* joined from elsewhere: behind, before, over another */
    {"GET|/|HTTP/1.1||A|b||||Ab|", {{0, 3}, {4, 1}, {6, 8}, {23, 2}, {18, 1}}, false, true},
    {"GET|/|HTTP/1.1||Ab|b||||", {{0, 3}, {4, 1}, {6, 8}, {16, 2}, {18, 1}}, false, false},
    {"GET|/|HTTP/1.1||A|b||C|d||||", {{0, 3}, {4, 1}, {6, 8}, {21, 1}, {23, 1}, {16, 1}, {18, 1}}, false, true},
    /* characters */
    {"G T|/|HTTP/1.1||||", {{0, 3}, {4, 1}, {6, 8}}, false, false},
    {"|/|HTTP/1.1||||", {{0, 0}, {1, 1}, {3, 8}}, false, false},
    {"GET|/|HTTP/1.1|||b||||", {{0, 3}, {4, 1}, {6, 8}, {16, 0}, {17, 1}}, false, false},
    {"GET|/|HTTP/1.1||A |b||||", {{0, 3}, {4, 1}, {6, 8}, {16, 2}, {19, 1}}, false, false},
    {"GET|/|HTTP/1.1||A(|b||||", {{0, 3}, {4, 1}, {6, 8}, {16, 2}, {19, 1}}, false, false},
    {"GET|/|HTTP/1.1||\xe4|b||||", {{0, 3}, {4, 1}, {6, 8}, {16, 1}, {18, 1}}, false, false},
    {"GET|/|HTTP/1.1||A|\x01||||", {{0, 3}, {4, 1}, {6, 8}, {16, 1}, {18, 1}}, false, false},
    {"GET|/|HTTP/1.1||A|\r||||", {{0, 3}, {4, 1}, {6, 8}, {16, 1}, {18, 1}}, false, false},
    {"GET|/|HTTP/1.1||A|\x7f||||", {{0, 3}, {4, 1}, {6, 8}, {16, 1}, {18, 1}}, false, false},
    {"GET|/|HTTP/1.1||A|b|c||||", {{0, 3}, {4, 1}, {6, 8}, {16, 1}, {18, 3}}, false, false},
    {"GET|/|HTTP/1.1||!#$%&'*+-.^_`|~|\t\xff\"||||", {{0, 3}, {4, 1}, {6, 8}, {16, 13}, {32, 3}}, false, true},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * ELEMENTS(rows); i++) {
        const struct row *row = &rows[i / 2];
        bool in_place = i % 2 == 0;
        char memory[64];
        struct head head;
        size_t size = strlen(row->memory);

        assert_true(size < sizeof(memory));
        for (size_t at = 0; at <= size; at++) {
            memory[at] = row->memory[at] == '|' ? '\0' : row->memory[at];
        }
        const struct piece *pieces = row->pieces;
        head_begin(&head, in_place, memory + pieces[0].start, memory + pieces[1].start, pieces[1].length,
                   memory + pieces[2].start);
        for (size_t at = 3; at + 1 < ELEMENTS(row->pieces) && pieces[at].start > 0; at += 2) {
            head_field(&head, memory + pieces[at].start, pieces[at].length, memory + pieces[at + 1].start,
                       pieces[at + 1].length);
        }
        if (head_is_good(&head, size) != (in_place ? row->is_good : row->is_good_elsewhere)) {
            fail_msg("%s, %s", row->memory, in_place ? "in place" : "elsewhere");
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
    };

    return cmocka_run_group_tests_name("head", tests, NULL, NULL);
}
