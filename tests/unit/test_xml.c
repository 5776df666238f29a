#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/xml.h"

static int parse(const char *text, struct xml_document **ret_document)
{
    return xml_parse(text, strlen(text), ret_document);
}

static void test_answer_of_route53(void **state)
{
    static const char text[] =
        "<?xml version=\"1.0\"?>\n"
        "<ListResourceRecordSetsResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">\n"
        "  <ResourceRecordSets>\n"
        "    <ResourceRecordSet><Name>a.example.com.</Name><Type>A</Type><TTL>60</TTL>\n"
        "      <ResourceRecords><ResourceRecord><Value>198.18.7.9</Value></ResourceRecord>\n"
        "      <ResourceRecord><Value>198.18.7.10</Value></ResourceRecord></ResourceRecords>\n"
        "    </ResourceRecordSet>\n"
        "    <ResourceRecordSet><Name>b.example.com.</Name><Type>AAAA</Type></ResourceRecordSet>\n"
        "  </ResourceRecordSets>\n"
        "  <IsTruncated>false</IsTruncated><MaxItems> 300\n</MaxItems><Marker/>\n"
        "</ListResourceRecordSetsResponse>\n";
    (void)state;
    _cleanup_(xml_document_freep) struct xml_document *document = NULL;
    assert_int_equal(parse(text, &document), 0);
    const struct xml_element *root = xml_root(document);
    assert_string_equal(root->name, "ListResourceRecordSetsResponse");
    assert_string_equal(root->text, "");
    assert_string_equal(xml_child_text(root, "IsTruncated"), "false");
    assert_string_equal(xml_child_text(root, "MaxItems"), "300");
    assert_string_equal(xml_child_text(root, "Marker"), "");
    assert_null(xml_child_text(root, "NextRecordName"));
    assert_null(xml_child_text(root, "Name")); /* a grandchild is no child */

    const struct xml_element *set = xml_child(xml_child(root, "ResourceRecordSets"), "ResourceRecordSet");
    assert_string_equal(xml_child_text(set, "Name"), "a.example.com.");
    const struct xml_element *record = xml_child(set, "ResourceRecords")->first_child;
    assert_string_equal(xml_child_text(record, "Value"), "198.18.7.9");
    assert_string_equal(xml_child_text(record->next, "Value"), "198.18.7.10");
    assert_null(record->next->next);
    assert_string_equal(xml_child_text(set->next, "Type"), "AAAA");
    assert_null(set->next->next);
    assert_null(xml_child(NULL, "x"));
    assert_null(xml_child_text(xml_child(set->next, "TTL"), "x"));
    xml_document_free(NULL);
}

static void test_text(void **state)
{
    static const struct {
        const char *text;
        const char *inside;
    } rows[] = {
        {"<a/>", ""},
        {"<a></a>", ""},
        {"<a>  \r\n\t </a>", ""},
        {"<a> one  two </a>", "one  two"},
        {"<a>one<b>x</b>two<c/>three</a>", "onetwothree"},
        {"<a>&lt;&amp;&gt;&quot;&apos;&#65;&#x20ac;</a>", "<&>\"'A\xe2\x82\xac"},
        {"<a><![CDATA[<b>&]]></a>", "<b>&"},
        {"<a><!-- not this -->this<?nor this?></a>", "this"},
        {"<n:a xmlns:n='urn:x'>x</n:a>", "x"},
        {"<a b='c'>x</a>", "x"},
        {"\xef\xbb\xbf<a>bom</a>", "bom"},
        {"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xfc</a>", "\xc3\xbc"},
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_(xml_document_freep) struct xml_document *document = NULL;
        if (parse(rows[i].text, &document) != 0) {
            fail_msg("%s", rows[i].text);
        }
        assert_string_equal(xml_root(document)->name, "a");
        assert_string_equal(xml_root(document)->text, rows[i].inside);
    }
}

static void test_refused(void **state)
{
    static const char *const rows[] = {
        "",
        " ",
        "text",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>text",
        "<a b=c/>",
        "<a>&nbsp;</a>",
        "<a>&#0;</a>",
        "<a>\x01</a>",
        "<a>\xff</a>",
        "<a>\xc0\x80</a>",
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
        "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
        "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
        "<?xml version='1.0' encoding='x-unknown'?><a/>",
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct xml_document *document = NULL;
        if (parse(rows[i], &document) != -EBADMSG) {
            fail_msg("%s", rows[i]);
        }
        assert_null(document);
    }
    struct xml_document *document = NULL;
    assert_int_equal(xml_parse("<a>x\0y</a>", 10, &document), -EBADMSG);
    assert_int_equal(xml_parse("<a/>\0", 5, &document), -EBADMSG);
    assert_null(document);
}

static int parse_nested(unsigned depth, struct xml_document **ret_document)
{
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
    for (unsigned i = 1; i < depth; i++) {
        buffer_append_text(&buffer, "<a>x");
    }
    buffer_append_text(&buffer, "<a/>");
    for (unsigned i = 1; i < depth; i++) {
        buffer_append_text(&buffer, "</a>");
    }
    return parse(buffer_text(&buffer), ret_document);
}

static void test_depth(void **state)
{
    (void)state;
    struct xml_document *document = NULL;
    assert_int_equal(parse_nested(33, &document), -EBADMSG);
    assert_int_equal(parse_nested(100000, &document), -EBADMSG);
    assert_int_equal(parse_nested(32, &document), 0);
    unsigned depth = 0;
    for (const struct xml_element *element = xml_root(document); element != NULL; element = element->first_child) {
        assert_string_equal(element->text, depth == 31 ? "" : "x");
        depth++;
    }
    assert_int_equal(depth, 32);
    xml_document_free(document);
}

static void test_writing(void **state)
{
    static const struct {
        const char *text;
        const char *escaped;
        const char *read_back;
    } rows[] = {
        {"plain", "plain", "plain"},
        {"<a & \"b\" 'c'>", "&lt;a &amp; &quot;b&quot; &apos;c&apos;&gt;", "<a & \"b\" 'c'>"},
        {"]]>", "]]&gt;", "]]>"},
        {"a\r\nb\tc", "a&#13;\nb\tc", "a\r\nb\tc"},
        {"\x01\x1f", "\xef\xbf\xbd\xef\xbf\xbd", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xff\xc3", "\xef\xbf\xbd\xef\xbf\xbd", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xef\xbf\xbf", "\xef\xbf\xbd", "\xef\xbf\xbd"},
        {"\xc3\xbc\xf0\x9f\x98\x80", "\xc3\xbc\xf0\x9f\x98\x80", "\xc3\xbc\xf0\x9f\x98\x80"},
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
        _cleanup_(xml_document_freep) struct xml_document *document = NULL;
        xml_append_escaped(&buffer, rows[i].text);
        assert_string_equal(buffer_text(&buffer), rows[i].escaped);
        buffer_clear(&buffer);
        xml_append_element(&buffer, "Value", rows[i].text);
        assert_int_equal(xml_parse(buffer_text(&buffer), buffer.length, &document), 0);
        assert_string_equal(xml_root(document)->name, "Value");
        assert_string_equal(xml_root(document)->text, rows[i].read_back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer_of_route53), cmocka_unit_test(test_text),
        cmocka_unit_test(test_refused),           cmocka_unit_test(test_depth),
        cmocka_unit_test(test_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
